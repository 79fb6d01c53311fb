// Speed of the page, as a table: `node measure.mjs [FOLDER-OF-WEB-FILES [MODULE [CHROMIUM]]]`. Both sides of a ratio are from
// the same run, taken in turns, because the machine may be shared.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { homedir, loadavg, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./driver.mjs";
import { fixtures } from "./fixtures.mjs";
import { signedLayout } from "./flows/10-check.mjs";
import { serve } from "./server.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const web = realpathSync(process.argv[2] ?? join(root, "web"));
const module = realpathSync(process.argv[3] ?? join(root, "target/bulla/bulla.wasm"));
const moduleBytes = new Uint8Array(readFileSync(module));
const python = join(homedir(), ".cache/bulla/peers/wasmtime-50.0.1/bin/python");
const ROUNDS = 5;
/** Verifications of one round, after as many that are not counted. */
const EACH = 200;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const made = await fixtures({ web, moduleBytes });
const server = await serve({ web, module, framing: made.framing });
const chromium = process.argv[4] ?? "/usr/bin/chromium";
const browser = await launch(chromium);
const rows = [];

// From the start of the navigation to the words of the verdict, with nothing in any cache: the file and the key are there as
// soon as the page has a place for them. A browser that nobody drives, because driving it slows every request; it rests on
// another page first, so that its own start is not measured.
const { key, tar } = await signedLayout({ fixtures: made });
const probe = `
const bytes = Uint8Array.from(atob(${JSON.stringify(tar.toString("base64"))}), (character) => character.charCodeAt(0));
let [given, done] = [false, false];
new MutationObserver(() => {
  const input = document.querySelector('#check input[type="file"]');
  if (input && !given) {
    given = true;
    const data = new DataTransfer();
    data.items.add(new File([bytes], "app.tar"));
    data.items.add(new File([${JSON.stringify(key.pem)}], "key.pub"));
    input.files = data.files;
    input.dispatchEvent(new Event("change"));
  }
  if (!done && document.querySelector(".verdict h2")) {
    done = true;
    fetch("measured", { method: "POST", body: String(performance.now()) });
  }
}).observe(document, { childList: true, subtree: true });`;
const cold = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const plain = await serve({ web, module, framing: made.framing });
  plain.replaced["/rest.html"] = '<!doctype html><script src="rest.js"></script>';
  plain.replaced["/rest.js"] = "setTimeout(() => location.replace('/'), 3000);";
  plain.replaced["/probe.js"] = probe;
  plain.replaced["/index.html"] = readFileSync(join(web, "index.html"), "utf8").replace(
    "</head>",
    '<script src="probe.js"></script></head>',
  );
  const profile = mkdtempSync(join(tmpdir(), "bulla-page-"));
  const child = spawn(
    chromium,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      `--user-data-dir=${profile}`,
      `${plain.origin}/rest.html`,
    ],
    { stdio: "ignore", detached: true },
  );
  const late = setTimeout(() => plain.measured(NaN), 30_000);
  cold.push(
    await new Promise((resolve) => {
      plain.measured = resolve;
    }),
  );
  clearTimeout(late);
  // The whole group of this one browser.
  process.kill(-child.pid, "SIGKILL");
  await plain.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
rows.push([
  "first verdict after a cold load",
  `${Math.round(median(cold))} ms`,
  `goal 500 ms; of ${ROUNDS}: ${cold.map(Math.round).join(", ")}; load of the machine ${loadavg()[0].toFixed(1)}`,
]);

const { start, operation, encode } = await made.at("module.js");
for (const algorithm of ["ecdsa-p256", "ecdsa-p384", "ed25519"]) {
  const pair = await made.key(algorithm);
  const said = new TextEncoder().encode("measured");
  const {
    blobs: [signature],
  } = (await start(made.module.compiled)).call(operation.sign, { key: 0, message: 1, hash: "sha256" }, [
    pair.file,
    said,
  ]);
  const message = encode({ key: 0, message: 1, signature: 2, hash: "sha256" }, [
    new TextEncoder().encode(pair.pem),
    said,
    signature,
  ]);
  const encoded = Buffer.from(message).toString("base64");
  const [inPage, inWasmtime] = [[], []];
  const page = await (await browser.newContext({ serviceWorkers: "block" })).newPage();
  await page.goto(server.origin);
  for (let round = 0; round < ROUNDS; round += 1) {
    inPage.push(
      await page.evaluate(
        async ({ encoded: text, each, number }) => {
          const { compile, start: begin } = await import("./module.js");
          globalThis.measured ??= await begin(await compile(await (await fetch("bulla.wasm")).arrayBuffer()));
          const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
          const took = [];
          for (let count = 0; count < 2 * each; count += 1) {
            const from = performance.now();
            globalThis.measured.exchange(number, bytes);
            took.push(performance.now() - from);
          }
          return took.slice(each).reduce((sum, one) => sum + one, 0) / each;
        },
        { encoded, each: EACH, number: operation.check },
      ),
    );
    if (existsSync(python)) inWasmtime.push(wasmtime(encoded, operation.check));
  }
  await page.context().close();
  const [here, there] = [median(inPage), inWasmtime.length ? median(inWasmtime) : null];
  rows.push([
    `one ${algorithm} verification in the page`,
    `${Math.round(here * 1000)} µs`,
    there
      ? `wasmtime ${Math.round(there * 1000)} µs: ${(here / there).toFixed(2)} × (goal 1.30 ×)`
      : "wasmtime is not here: cargo xtask peers",
  ]);
}

await browser.close();
await server.close();
const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column].length)));
for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("   "));

/** Milliseconds of one call in wasmtime, through its Python bindings: the call alone, without what Python adds around it. */
function wasmtime(encoded, number) {
  const program = `
import base64, sys, time
from wasmtime import Engine, Instance, Module, Store
engine = Engine()
store = Store(engine)
exports = Instance(store, Module.from_file(engine, sys.argv[1]), []).exports(store)
message, took = base64.b64decode(sys.argv[2]), []
memory, alloc, free, call = (exports[name] for name in ("memory", "bulla_alloc", "bulla_free", "bulla_call"))
for _ in range(2 * ${EACH}):
    request = alloc(store, len(message))
    memory.write(store, message, request & 0xFFFFFFFF)
    start = time.perf_counter()
    packed = call(store, ${number}, request, len(message))
    took.append(time.perf_counter() - start)
    free(store, (packed >> 32) & 0xFFFFFFFF, packed & 0xFFFFFFFF)
    free(store, request, len(message))
print(1000 * sum(took[${EACH}:]) / ${EACH})
`;
  const { stdout, stderr, status } = spawnSync(python, ["-c", program, module, encoded], {
    encoding: "utf8",
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}
