// The page as `bulla serve` has it, with its gateway in front of a real registry: checked, signed and pushed by name.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { named, pin } from "../driver.mjs";
import { freePort, listening, registry, run, skopeo } from "../registry.mjs";
import { POLICY, TOKEN } from "../server.mjs";

const programs = ["/usr/bin/docker-registry", "/usr/bin/skopeo"].filter((path) => !existsSync(path));

/** The host's binary: the one that is tested, or the one that was built last. */
export const bulla = (root) =>
  [process.env.BULLA_BIN, join(root, "target/debug/bulla"), join(root, "target/release/bulla")].find(
    (path) => path && existsSync(path),
  );

export const flows = {
  async "host: an image is checked, signed and pushed through its gateway, and it accepts"(flow) {
    const host = bulla(flow.env.root);
    const missing = [...programs, ...(host ? [] : ["bulla (cargo build -p bulla, or BULLA_BIN)"])];
    if (missing.length) return `skipped, not here: ${missing.join(", ")}`;
    mkdirSync(flow.env.scratch, { recursive: true });
    const scratch = mkdtempSync(join(flow.env.scratch, "host-"));
    const { address, end } = await registry(scratch);
    let serving;
    try {
      const { fixtures } = flow;
      const image = fixtures.image(`host ${address}`);
      const name = `${address}/shop/app:1`;
      const archive = join(scratch, "image.tar");
      writeFileSync(archive, await fixtures.tar(fixtures.layoutFiles({ one: image })));
      await skopeo("--preserve-digests", `oci-archive:${archive}:one`, `docker://${name}`);
      const key = await fixtures.key();
      writeFileSync(join(scratch, "mine.pub"), key.pem);
      const port = await freePort();
      const sha256 = createHash("sha256").update(TOKEN).digest("hex");
      writeFileSync(
        join(scratch, "bulla.yaml"),
        `stateDir: state\nhttp: {listen: '127.0.0.1:${port}'}\npage:\n  gateway:\n    registries: ['${address}/shop']\n    tokens: [{user: alice, sha256: ${sha256}}]\n`,
      );
      const log = openSync(join(scratch, "serve.log"), "w");
      serving = await listening(host, ["serve", "--config", "bulla.yaml"], port, {
        cwd: scratch,
        stdio: ["ignore", log, log],
      });
      const origin = `http://127.0.0.1:${port}`;
      const { headers } = await fetch(origin);
      flow.equal(headers.get("content-security-policy"), POLICY, "the policy that these tests use elsewhere");

      const page = await flow.page({ origin, expectErrors: true });
      await pin(page, key.pem, "release");
      await page.locator('nav a[href="#check"]').click();
      const check = async (what) => {
        await page.getByLabel("Image", { exact: true }).fill(what);
        await page.getByRole("button", { name: "Check", exact: true }).click();
      };
      await check(name);
      await flow.text(page, ".results .problem", "not-signed-in");
      await page.locator("#check").getByLabel("Your token for this server").fill(TOKEN);
      await check(`${address}/other/app:1`);
      await flow.text(page, ".results .problem", "other-place");
      await check(name);
      await flow.text(page, ".verdict h2", "Rejected");

      await page.locator('nav a[href="#sign"]').click();
      await page.getByText("Or name images at a registry").click();
      await page.getByLabel("Images, one on each line").fill(name);
      await page.locator("#sign .drop").nth(1).locator("input").setInputFiles(named("mine.key", key.file));
      await page.locator(".chosen-key .card").waitFor();
      for (const [form, pushes] of [
        ["Signature image", 1],
        ["Bundle", 2],
      ]) {
        await page.getByLabel(form).check();
        await page.getByRole("button", { name: "Preview" }).click();
        await page.getByRole("button", { name: "Sign this image" }).click();
        await flow.text(page, "#sign .results h2", "Signed: 1 image");
        await page.getByRole("button", { name: "Push", exact: true }).click();
        await flow.text(page, "#sign .results", "Read back: 1 of 1 are accepted");
        const said = readFileSync(join(scratch, "serve.log"), "utf8");
        const lines = said.split("\n").filter((line) => /\bpushed\b/.test(line) && line.includes("alice"));
        flow.equal(lines.length, pushes, "pushes in the host's log");
        flow.expect(!said.includes(TOKEN), "the token is in no log");
      }
      await flow.shot(page, "host-pushed-light");

      await page.locator('nav a[href="#check"]').click();
      await check(name);
      await flow.text(page, ".verdict h2", "Accepted");
      await run(host, ["verify", name, "--key", "mine.pub"], { cwd: scratch, timeout: 60_000 });
      return null;
    } finally {
      serving?.end();
      end();
    }
  },
};
