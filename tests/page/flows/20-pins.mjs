// Pins: added in every way, scoped, exported, imported, removed; refused where something is wrong.

import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { give, named, pin, saved } from "../driver.mjs";
import { material } from "../fixtures.mjs";
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
    // What the module offers for an authority's certificate; here the key inside it.
    await flow.text(page, ".proposal", "CN=page test");
    flow.expect(await proposal.getByLabel("Signers under it").isChecked(), "an authority is taken for one");
    await flow.axe(page, "a root to pin");
    await flow.shot(page, "pins-proposal-root-light");
    await proposal.getByLabel("The key itself signs").check();
    await flow.text(page, ".proposal", "Of a certificate only the key counts");
    flow.expect(
      /^\d{4}-\d\d-\d\d$/.test(await proposal.getByLabel("Counts until").inputValue()),
      "the certificate's validity",
    );
    const spki = execFileSync("openssl", ["x509", "-in", certificate, "-pubkey", "-noout"], { timeout: 20_000 });
    const der = execFileSync("openssl", ["pkey", "-pubin", "-outform", "DER"], { input: spki, timeout: 20_000 });
    const shown = (await proposal.locator(".digest").first().innerText()).replace(/\s/g, "");
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
        "keyless",
      ],
      ["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "certificate"],
      ["hello", "public key"],
    ]) {
      await page.locator("#pins form textarea").first().fill(material);
      await page.getByRole("button", { name: "Look at it" }).click();
      await flow.text(page, "#pins .wrong", said);
    }
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
    await flow.text(page, ".against", "2 pins");
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

  async "pins: roots of Notation's and of Docker Content Trust, by certificate and by fingerprint"(flow) {
    const { fixtures } = flow;
    const name = "registry.example/shop/app:1.4";
    const image = fixtures.image("notarized");
    const layout = async (...chain) =>
      fixtures.tar(fixtures.layoutFiles({ [name]: image }, [await fixtures.notarized(name, image, ...chain)]));
    const [alone, issued] = [await layout("same-key.pem"), await layout("p256.pem", "intermediate.pem", "root.pem")];
    const page = await flow.page({ hash: "#pins" });
    const propose = async (text) => {
      await page.locator("#pins form textarea").first().fill(text);
      await page.getByRole("button", { name: "Look at it" }).click();
      await page.locator(".proposal").waitFor();
    };
    const proposal = page.locator(".proposal");
    const pinIt = async (label) => {
      await proposal.getByLabel("Name it").fill(label);
      await proposal.getByRole("button", { name: "Pin it" }).click();
    };
    // By the fingerprint of a certificate: it waits for the certificate.
    await propose(
      createHash("sha256")
        .update(new X509Certificate(material("same-key.pem")).raw)
        .digest("hex"),
    );
    await proposal.getByLabel("Signers under it").check();
    await flow.text(page, ".proposal", "The certificate is not known yet");
    await pinIt("self-signed");
    await flow.text(page, "#pins .cards", "it counts once you drop the certificate");
    await page.locator('nav a[href="#check"]').click();
    await give(page, [
      named("app.tar", alone),
      named("same-key.crt", new X509Certificate(material("same-key.pem")).raw),
    ]);
    await flow.text(page, ".against", "for this check only");
    await page.getByRole("button", { name: "Clear" }).click();
    await give(page, named("app.tar", alone));
    await flow.text(page, ".verdict .plain", "“self-signed”");
    // Its certificates do not lead there.
    await page.getByRole("button", { name: "Clear" }).click();
    await give(page, named("app.tar", issued));
    await flow.text(page, ".verdict .plain", "not by somebody that the policy trusts");
    // A root, with whose signatures count. What is wrong is said by the module, at its place.
    await page.locator('nav a[href="#pins"]').click();
    await propose(material("root.pem").toString());
    await proposal.getByLabel("Whose signatures count").fill("x509.subject: C=US");
    await pinIt("the root");
    await flow.text(page, ".proposal .wrong", "no ST");
    await proposal.getByLabel("Whose signatures count").fill("x509.subject: C=US, ST=WA, O=Bulla Test");
    await proposal.getByRole("button", { name: "Pin it" }).click();
    await flow.text(page, "#pins .cards h3", "the root");
    await propose(material("root.pem").toString());
    await pinIt("again");
    await flow.text(page, ".proposal .wrong", "already, as “the root”");
    await proposal.getByRole("button", { name: "Cancel" }).click();
    // Under “strict” somebody would have to ask whether the certificate was revoked, and a browser cannot.
    await page.locator('nav a[href="#check"]').click();
    await page.getByRole("button", { name: "Check this image" }).click();
    await flow.text(page, ".verdict h2", "Not known");
    await flow.text(page, ".verdict", "bulla verify");
    await flow.axe(page, "a revocation that nobody can ask for");
    await flow.shot(page, "check-revocation-unasked-light");
    await page.locator('nav a[href="#pins"]').click();
    await page.getByRole("button", { name: "Remove the root" }).click();
    await propose(material("root.pem").toString());
    await proposal.getByLabel("permissive").check();
    await pinIt("lenient");
    await flow.text(page, "#pins .cards h3", "lenient");
    await page.locator('nav a[href="#check"]').click();
    await page.getByRole("button", { name: "Check this image" }).click();
    await flow.text(page, ".verdict .plain", "“lenient”");
    await flow.text(page, ".tree", "only logged");
    await flow.shot(page, "check-notation-light");
    // The others: an authority for timestamps, and what Docker Content Trust calls its root key.
    await page.locator('nav a[href="#pins"]').click();
    await propose(material("tsa-root.pem").toString());
    await proposal.getByLabel(/^Timestamps/).check();
    await pinIt("clock");
    await flow.text(page, "#pins .cards", "an authority for timestamps");
    await propose("67a8f8b66d76adadd9480c6f168eb3edb12915e706445b03a76d3453d668da26");
    await proposal.getByLabel(/^A root key/).check();
    await proposal.getByLabel("Notary server").fill("http://notary.example");
    await proposal.getByLabel("Only for these images").fill("registry.example/entrusted/**");
    await pinIt("publisher");
    await flow.text(page, ".proposal .wrong", "does not begin with https://");
    await proposal.getByLabel("Notary server").fill("https://notary.example:4443");
    await proposal.getByRole("button", { name: "Pin it" }).click();
    await flow.text(page, "#pins .cards", "a root key of Docker Content Trust · at https://notary.example:4443");
    await flow.axe(page, "roots that are pinned");
    await flow.shot(page, "pins-roots-light");
    // Exported as one file that the module reads.
    const { bytes } = await saved(page, () => page.getByRole("button", { name: "Export pins" }).click());
    const elsewhere = await flow.page({ hash: "#pins", viewport: { width: 360, height: 780 } });
    await give(elsewhere, named("pins.policy.yaml", bytes), { view: "pins" });
    await flow.text(elsewhere, "#pins .signers", "Docker Content Trust at https://notary.example:4443");
    await flow.shot(elsewhere, "pins-roots-imported-narrow");
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
