// Every flow of the page in a real browser: `node run.mjs [FOLDER-OF-WEB-FILES [MODULE [CHROMIUM]]] [--only NAME] [--timed]`. With
// --timed, frames that are blocked for long are failures as well: for a machine with nothing else to do.

import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Flow, launch } from "./driver.mjs";
import { fixtures } from "./fixtures.mjs";
import { serve } from "./server.mjs";

/** Milliseconds for one flow. The vectors take half a minute, and much longer where others work as well. */
const LONGEST_FLOW = 300_000;
/** Flows at a time. Most of one is waiting: for the browser, for a program, for the module to be compiled. */
const LANES = 3;
/** Files with flows that take longest. */
const LONG = ["50-vectors.mjs", "90-cosign.mjs", "95-host.mjs"];
// Leaving by the door ends the browser and whatever else was started.
process.on("SIGTERM", () => process.exit(143));
const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const options = process.argv.slice(2);
const only = options.includes("--only") ? options.splice(options.indexOf("--only"), 2)[1] : null;
const timed = options.includes("--timed") && options.splice(options.indexOf("--timed"), 1).length > 0;
const web = realpathSync(options[0] ?? join(root, "web"));
const module = realpathSync(options[1] ?? process.env.BULLA_WASM ?? join(root, "target/bulla/bulla.wasm"));
const chromium = options[2] ?? process.env.BULLA_CHROMIUM ?? "/usr/bin/chromium";
const env = {
  root,
  web,
  module,
  timed,
  moduleBytes: new Uint8Array(readFileSync(module)),
  vectors: join(root, "tests/vectors"),
  scratch: join(root, "target/page/scratch"),
  /** The file with SHA-256 of the replies that core gives natively, by vector; it may come later than this run. */
  native: process.env.BULLA_NATIVE,
};
for (const path of [web, module, chromium]) if (!existsSync(path)) throw new Error(`${path} is not there`);

const made = await fixtures(env);
const browser = await launch(chromium);
const flows = [];
for (const file of readdirSync(join(here, "flows")).sort()) {
  if (only && !file.includes(only)) continue;
  flows.push(...Object.entries((await import(`./flows/${file}`)).flows).map(([name, run]) => ({ name, run, file })));
}
// What takes longest begins first, so that nothing long is left alone at the end.
flows.sort((a, b) => LONG.includes(b.file) - LONG.includes(a.file));
let failed = 0;
const started = performance.now();
await Promise.all(Array.from({ length: timed ? 1 : LANES }, lane));
await browser.close();
console.log(
  `${failed ? `${failed} failed` : "all passed"} in ${((performance.now() - started) / 1000).toFixed(1)} s; screenshots in target/page`,
);
process.exit(failed ? 1 : 0);

/** Runs one flow after the other, until there are no more. Each has a server and pages of its own. */
async function lane() {
  for (let next = flows.shift(); next; next = flows.shift()) await one(next);
}

async function one({ name, run }) {
  const server = await serve({ ...env, framing: made.framing });
  const flow = new Flow({ browser, server, fixtures: made, shots: join(root, "target/page"), env });
  const start = performance.now();
  flow.broken.catch(() => {});
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LONGEST_FLOW / 1000} s`)), LONGEST_FLOW);
  });
  let outcome = "ok  ";
  let why = "";
  try {
    const note = await Promise.race([run(flow), late, flow.broken]);
    if (note) why = note;
  } catch (error) {
    [outcome, why] = ["FAIL", error.message];
  }
  await flow.end().catch((error) => {
    outcome = "FAIL";
    why = [why, error.message].filter(Boolean).join("\n      ");
  });
  clearTimeout(timer);
  await server.close();
  if (outcome === "FAIL") failed += 1;
  console.log(`${outcome}  ${name} (${Math.round(performance.now() - start)} ms)${why ? `\n      ${why}` : ""}`);
}
