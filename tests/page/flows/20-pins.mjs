// Pins: added in every way, scoped, exported, imported, removed; refused where something is wrong.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { give, named, pin, saved } from "../driver.mjs";
import { signedLayout } from "./10-check.mjs";

export const flows = {
  async "pins: key, certificate, fingerprint, scope; what is refused"(flow) {
    const { key, tar } = await signedLayout(flow);
    const scratch = join(flow.env.scratch, "pins");
    mkdirSync(scratch, { recursive: true });
    const certificate = join(scratch, "cert.pem");
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        join(scratch, "key.pem"),
        "-out",
        certificate,
        "-days",
        "30",
        "-subj",
        "/CN=page test",
      ],
      { stdio: "ignore", timeout: 20_000 },
    );
    const page = await flow.page({ hash: "#pins" });
    await flow.text(page, ".empty", "Nothing is pinned");
    await flow.shot(page, "pins-empty-light");
    await pin(page, key.fingerprint, "by fingerprint");
    await flow.text(page, "#pins .cards", "only the fingerprint is known");
    await page.locator("#pins form textarea").fill(readFileSync(certificate, "utf8"));
    await page.getByRole("button", { name: "Look at it" }).click();
    const proposal = page.locator(".proposal");
    await flow.text(page, ".proposal", "the key inside a certificate");
    flow.expect(
      /^\d{4}-\d\d-\d\d$/.test(await proposal.getByLabel("Counts until").inputValue()),
      "the certificate's validity",
    );
    const spki = execFileSync("openssl", ["x509", "-in", certificate, "-pubkey", "-noout"], { timeout: 20_000 });
    const der = execFileSync("openssl", ["pkey", "-pubin", "-outform", "DER"], { input: spki, timeout: 20_000 });
    const shown = (await proposal.locator(".digest").innerText()).replace(/\s/g, "");
    flow.equal(shown, flow.fixtures.sha256(der), "the fingerprint, as openssl has it");
    await flow.axe(page, "a key to pin");
    await flow.shot(page, "pins-proposal-light");
    await proposal.getByLabel("Name it").fill("certificate");
    await proposal.getByLabel("Only for these images").fill("*/app");
    await proposal.getByRole("button", { name: "Pin it" }).click();
    await flow.text(page, ".proposal .wrong", "the registry must be named in full");
    await proposal.getByLabel("Only for these images").fill("registry.example/other/**");
    await proposal.getByRole("button", { name: "Pin it" }).click();
    await flow.text(page, "#pins h2", "For registry.example/other/**");
    // A private key, a trusted root, nonsense.
    for (const [material, said] of [
      [Buffer.from(key.file).toString(), "private key"],
      [
        '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[]}',
        "trusted root",
      ],
      ["hello", "public key"],
    ]) {
      await page.locator("#pins form textarea").first().fill(material);
      await page.getByRole("button", { name: "Look at it" }).click();
      await flow.text(page, "#pins .wrong", said);
    }
    await page.locator("#pins form textarea").first().fill("");
    await flow.shot(page, "pins-refused-light");
    // The key comes along with an image, and completes the pin of its fingerprint.
    await page.locator('nav a[href="#check"]').click();
    await give(page, [named("app.tar", tar), named("release.pub", key.pem)]);
    await flow.text(page, ".verdict h2", "Accepted");
    await page.getByRole("button", { name: "Clear" }).click();
    await give(page, named("app.tar", tar));
    await flow.text(page, ".verdict .plain", "“by fingerprint”");
    await page.reload();
    await page.waitForSelector("html[data-ready]");
    await flow.text(page, ".against", "2 pinned keys");
  },

  async "pins: exported, imported elsewhere, removed"(flow) {
    const { key, tar } = await signedLayout(flow);
    const second = await flow.fixtures.key("ed25519");
    const page = await flow.page();
    await pin(page, key.pem, 'release "2026": yes');
    await pin(page, second.pem, "second", "registry.example/shop/**");
    const { name, bytes } = await saved(page, () => page.getByRole("button", { name: "Export pins" }).click());
    flow.equal(name, "pins.policy.yaml", "the file's name");
    await flow.axe(page, "pins");
    await flow.shot(page, "pins-light");
    const other = await flow.page({ hash: "#pins", colorScheme: "dark" });
    await give(other, named(name, bytes), { view: "pins" });
    await flow.text(other, "#pins .signers", 'release "2026": yes');
    const shown = (await other.locator("#pins .signers").first().innerText()).replace(/\s/g, "");
    flow.expect(
      shown.includes(key.fingerprint) && (await other.locator("#pins .signers li").count()) === 2,
      "both fingerprints",
    );
    await flow.shot(other, "pins-imported-dark");
    await other.locator('nav a[href="#check"]').click();
    await give(other, named("app.tar", tar));
    // Two scopes are two policies, and the image is in both.
    await flow.text(other, ".verdict h2", "Rejected");
    await flow.text(other, ".change", "“second”");
    await other.locator('nav a[href="#pins"]').click();
    await other.getByRole("button", { name: "Remove pins.policy.yaml" }).click();
    await flow.text(other, ".empty", "Nothing is pinned");
  },

  async "pins: storage refused"(flow) {
    const { key, tar } = await signedLayout(flow);
    const page = await flow.page({
      init: () =>
        Object.defineProperty(window, "indexedDB", {
          get() {
            throw new DOMException("refused", "SecurityError");
          },
        }),
    });
    await flow.text(page, "#notices", "lets the page keep nothing");
    await pin(page, key.pem, "for now");
    await page.locator('nav a[href="#check"]').click();
    await give(page, named("app.tar", tar));
    await flow.text(page, ".verdict h2", "Accepted");
    await flow.shot(page, "storage-refused-light");
  },
};
