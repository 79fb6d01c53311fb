// cosign and the page accept each other's signatures; skopeo pushes what the page made; the host's records are replayed.
// Everything runs against a registry on loopback, and cosign is kept from asking anybody else, as in tests/src/support.rs.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { give, pin } from "../driver.mjs";
import { registry, run, skopeo } from "../registry.mjs";
import { signed } from "./40-sign.mjs";
import { bulla as host } from "./95-host.mjs";

const PASSPHRASE = "correct horse";
/** Of the attestation that the page signs. */
const PREDICATE_TYPE = "https://page.example/built/v1";
const root = fileURLToPath(new URL("../../../", import.meta.url));
/** Where `cargo xtask peers` links programs, and where it keeps them. */
const peers = [process.env.BULLA_PEERS, join(root, "target/peers/bin")].filter(Boolean);
const kept = join(homedir(), ".cache/bulla/peers");
const COSIGN = Object.fromEntries(
  [
    ["cosign-2.6", "cosign-2.6.5/cosign"],
    ["cosign-3.1", "cosign-3.1.3/cosign"],
  ].map(([name, file]) => [name, [...peers.map((folder) => join(folder, name)), join(kept, file)].find(existsSync)]),
);

/** cosign with a home of its own, and a proxy that is not there: whatever it asks of anything but loopback fails at once. */
function cosign(version, scratch, ...arguments_) {
  const env = {
    PATH: process.env.PATH,
    HOME: scratch,
    TUF_ROOT: join(scratch, "tuf"),
    COSIGN_PASSWORD: PASSPHRASE,
    COSIGN_YES: "true",
    SIGSTORE_REKOR_PUBLIC_KEY: "/dev/null",
  };
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]) env[name] = "http://127.0.0.1:9";
  return run(COSIGN[version], arguments_, { env, cwd: scratch, timeout: 60_000 });
}

const missing = [
  ...["/usr/bin/docker-registry", "/usr/bin/skopeo"].filter((path) => !existsSync(path)),
  ...Object.keys(COSIGN).filter((name) => !COSIGN[name]),
];

async function world(flow, act) {
  mkdirSync(flow.env.scratch, { recursive: true });
  const scratch = mkdtempSync(join(flow.env.scratch, "cosign-"));
  const { address, end } = await registry(scratch);
  try {
    const { fixtures } = flow;
    const image = fixtures.image(`interop ${address}`);
    const name = `${address}/shop/app:1`;
    const archive = join(scratch, "image.tar");
    writeFileSync(archive, await fixtures.tar(fixtures.layoutFiles({ one: image })));
    // Else skopeo packs the layer, and the image has another digest.
    await skopeo("--preserve-digests", `oci-archive:${archive}:one`, `docker://${name}`);
    await cosign("cosign-2.6", scratch, "generate-key-pair");
    return await act({
      scratch,
      address,
      image,
      name,
      archive,
      pub: readFileSync(join(scratch, "cosign.pub"), "utf8"),
    });
  } finally {
    end();
  }
}

const sign3 = [
  "sign",
  "--tlog-upload=false",
  "--new-bundle-format=true",
  "--use-signing-config=false",
  "--allow-http-registry",
  "--key",
  "cosign.key",
];
const verify = ["verify", "--insecure-ignore-tlog", "--allow-http-registry", "--key"];

async function acceptedFolder(flow, folder, pub, name, digest) {
  const page = await flow.page();
  await pin(page, pub, "cosign");
  await page.locator('nav a[href="#check"]').click();
  await page.locator("#check .drop").first().locator('input[type="file"]').nth(1).setInputFiles(folder);
  await page.getByLabel("Checked as").waitFor();
  const field = page.getByLabel("Checked as");
  await field.fill(`${name.replace(/:1$/, "")}@${digest}`);
  await page.getByRole("button", { name: "Check this image" }).click();
  await flow.text(page, ".verdict h2", "Accepted");
  return page;
}

export const flows = missing.length
  ? {
      async "cosign: skipped"() {
        return `not here: ${missing.join(", ")}`;
      },
    }
  : {
      async "cosign: what it signed and saved is accepted here, both forms"(flow) {
        return world(flow, async ({ scratch, image, name, pub }) => {
          await cosign("cosign-2.6", scratch, "sign", "--tlog-upload=false", "--key", "cosign.key", name);
          await cosign("cosign-2.6", scratch, "save", "--dir", "saved-2", "--allow-http-registry", name);
          const page = await acceptedFolder(flow, join(scratch, "saved-2"), pub, name, image.digest);
          await flow.shot(page, "cosign-save-light");
          const other = `${name.slice(0, -1)}2`;
          await skopeo(`docker://${name}`, `docker://${other.replace("/app:", "/bundled:")}`);
          await cosign("cosign-3.1", scratch, ...sign3, other.replace("/app:", "/bundled:"));
          await cosign(
            "cosign-3.1",
            scratch,
            "save",
            "--dir",
            "saved-3",
            "--allow-http-registry",
            other.replace("/app:", "/bundled:"),
          );
          await acceptedFolder(flow, join(scratch, "saved-3"), pub, name.replace("/app:1", "/bundled"), image.digest);
        });
      },

      async "cosign: accepts what was signed here with its own encrypted key, both forms"(flow) {
        return world(flow, async ({ scratch, address, name, archive }) => {
          const signHere = async (choose) => {
            const page = await flow.page({ hash: "#sign" });
            await give(page, archive, { view: "sign" });
            await page.getByLabel("Signed as").fill(name);
            await give(page, join(scratch, "cosign.key"), { view: "sign", place: 1 });
            await page.getByLabel("Passphrase", { exact: true }).fill(PASSPHRASE);
            await choose(page);
            const made = await signed(flow, page);
            writeFileSync(join(scratch, made.name), made.bytes);
            // Exactly the commands that the page shows, with plain HTTP allowed.
            for (const line of (await page.locator("#sign .results pre").last().innerText()).trim().split("\n")) {
              const [from, to] = line.replace(/^skopeo copy --all /, "").split(" ");
              await skopeo(from.replace(":", `:${scratch}/`), to);
            }
          };
          // First, because cosign 2.6 looks for nothing else where there is a bundle.
          await signHere(async (page) => {
            await page.getByLabel("An attestation").check();
            await page.getByLabel("Type of the statement").fill(PREDICATE_TYPE);
            writeFileSync(join(scratch, "built.json"), '{"by": "a page"}');
            await give(page, join(scratch, "built.json"), { view: "sign", place: 2 });
          });
          const attested = ["verify-attestation", ...verify.slice(1), "cosign.pub", "--type", PREDICATE_TYPE, name];
          const { stdout: statement } = await cosign("cosign-2.6", scratch, ...attested);
          flow.expect(statement.includes("payload"), `cosign accepts the attestation: ${statement}`);
          for (const form of ["Signature image", "Bundle"]) {
            await signHere((page) => page.getByLabel(form).check());
            const version = form === "Bundle" ? "cosign-3.1" : "cosign-2.6";
            const { stdout } = await cosign(
              version,
              scratch,
              ...verify,
              "cosign.pub",
              ...(form === "Bundle" ? ["--new-bundle-format=true"] : []),
              name,
            );
            flow.expect(stdout.includes("critical") || stdout.includes("sha256:"), `${version} accepts: ${stdout}`);
          }
          flow.expect(address.startsWith("127.0.0.1:"), "loopback only");
        });
      },

      async "host: a record that the command line wrote is replayed here"(flow) {
        const bulla = host(flow.env.root);
        if (!bulla) return "skipped: build bulla, or set BULLA_BIN";
        return world(flow, async ({ scratch, name, pub }) => {
          await cosign("cosign-2.6", scratch, "sign", "--tlog-upload=false", "--key", "cosign.key", name);
          const options = { cwd: scratch, timeout: 60_000 };
          await run(bulla, ["verify", name, "--key", "cosign.pub", "--record", "records"], options);
          const [line] = readFileSync(
            join(scratch, "records/journal", readdirSync(join(scratch, "records/journal"))[0]),
            "utf8",
          ).split("\n");
          const id = `sha256:${line.slice(0, 64)}`;
          await run(bulla, ["record", "export", id, "--records", "records", "--to", "one.record"], options);
          const page = await flow.page({ hash: "#replay" });
          await give(page, join(scratch, "one.record"), { view: "replay" });
          await flow.text(page, "#replay .verdict h2", "The same verdict");
          flow.expect(pub.includes("PUBLIC"), "a key");
          return `${statSync(join(scratch, "one.record")).size} octets by ${relative(flow.env.root, bulla)}`;
        });
      },
    };
