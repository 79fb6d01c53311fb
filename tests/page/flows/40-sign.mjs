// Signing: a key that is made, brought, kept or held by the browser; preview, download, what is refused.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { give, named, saved } from "../driver.mjs";

/** The archive that the page offers, after its one image was signed. */
export async function signed(flow, page) {
  await page.getByRole("button", { name: "Preview" }).click();
  await flow.text(page, "#sign .preview h3", "What will be signed");
  await page.getByRole("button", { name: /^Sign (this image|\d+ images)$/ }).click();
  await flow.text(page, "#sign .results h2", "Signed:");
  return saved(page, () =>
    page
      .locator("#sign .results")
      .getByRole("button", { name: /^Save .*tar$/ })
      .first()
      .click(),
  );
}

/** Gives files and keys to a new page, and waits until it accepts all `images` of them; a tally counts up to that. */
async function accepted(flow, files, keys, images = 1) {
  const page = await flow.page();
  await give(page, [...files, ...keys.map((pem, index) => named(`key-${index}.pub`, pem))]);
  await page.locator(".choices, .verdict").first().waitFor();
  const again = page.getByRole("button", { name: /^Check (this image|\d+ images)$/ });
  if (!(await page.locator(".verdict").count())) await again.click();
  if (images === 1) await flow.text(page, ".verdict h2", "Accepted");
  else await flow.text(page, ".tally", `${images} accepted, 0 rejected, 0 not known`);
}

export const flows = {
  async "sign: a key made here, encrypted; kept; the page accepts what it signed"(flow) {
    const { fixtures } = flow;
    const image = fixtures.image("to sign");
    const name = "registry.example/shop/app:2";
    const tar = await fixtures.tar(fixtures.layoutFiles({ [name]: image }));
    const page = await flow.page({ hash: "#sign" });
    await flow.shot(page, "sign-empty-light");
    await flow.axe(page, "sign");
    await give(page, named("app.tar", tar), { view: "sign" });
    await page.getByLabel("Passphrase for the new key").fill("short");
    await page.getByRole("button", { name: "Make the key" }).click();
    await flow.text(page, "#sign .wrong", "At least 8 characters");
    await page.getByLabel("Passphrase for the new key").fill("a long passphrase");
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.getByRole("button", { name: "Save the public key" }).waitFor();
    const pub = await saved(page, () => page.getByRole("button", { name: "Save the public key" }).click());
    const private_ = await saved(page, () => page.getByRole("button", { name: "Save the private key" }).click());
    flow.expect(private_.bytes.includes("ENCRYPTED SIGSTORE PRIVATE KEY"), "cosign's encrypted form");
    await page.getByLabel("Annotations").fill("stage=production");
    const archive = await signed(flow, page);
    await flow.axe(page, "signed");
    await flow.shot(page, "sign-signed-light");
    await accepted(flow, [named("app.tar", tar), named(archive.name, archive.bytes)], [pub.bytes.toString()]);
    // What is in storage is encrypted, and nothing else of the key is.
    const kept = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const open = indexedDB.open("bulla", 1);
          open.onsuccess = () => {
            const all = open.result.transaction("keys").objectStore("keys").getAll();
            all.onsuccess = () => resolve(all.result.map(({ file }) => new TextDecoder().decode(file)));
          };
        }),
    );
    flow.expect(kept.length === 1 && kept[0].includes("ENCRYPTED"), "an encrypted key in storage");
    // After a reload the key is still there, and asks for its passphrase.
    await page.reload();
    await page.waitForSelector("html[data-ready]");
    await give(page, named("app.tar", tar), { view: "sign" });
    await page.getByRole("button", { name: /^Use new key/ }).click();
    await page.getByLabel("Passphrase", { exact: true }).fill("wrong");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Sign this image" }).click();
    await flow.text(page, "#sign .wrong", /passphrase/i);
    await flow.shot(page, "sign-wrong-passphrase-light");
    await page.getByLabel("Passphrase", { exact: true }).fill("a long passphrase");
    await page.getByRole("button", { name: "Sign this image" }).click();
    await flow.text(page, "#sign .results h2", "Signed: 1 image");
    flow.equal(page.requested.filter((line) => line.startsWith("POST")).length, 0, "requests to the gateway");
  },

  async "sign: bundles by a key that stays in the browser, two images"(flow) {
    const { fixtures } = flow;
    const images = {
      "registry.example/shop/a:1": fixtures.image("a"),
      "registry.example/shop/b:1": fixtures.image("b"),
    };
    const tar = await fixtures.tar(fixtures.layoutFiles(images));
    const page = await flow.page({ hash: "#sign", colorScheme: "dark" });
    await give(page, named("both.tar", tar), { view: "sign" });
    await page.getByLabel("In the browser only").check();
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.getByRole("button", { name: "Save the public key" }).waitFor();
    const pub = await saved(page, () => page.getByRole("button", { name: "Save the public key" }).click());
    await page.getByLabel("Bundle").check();
    await page.getByRole("button", { name: "Preview" }).click();
    await flow.text(page, "#sign .preview h3", "2 images");
    await flow.shot(page, "sign-preview-dark");
    await page.getByRole("button", { name: "Sign 2 images" }).click();
    await flow.text(page, "#sign .results h2", "Signed: 2 images");
    const archives = [];
    const buttons = page.locator("#sign .results").getByRole("button", { name: /^Save .*tar$/ });
    flow.equal(await buttons.count(), 2, "archives, one for each repository");
    for (let index = 0; index < 2; index += 1) archives.push(await saved(page, () => buttons.nth(index).click()));
    const files = [named("both.tar", tar), ...archives.map(({ name, bytes }) => named(name, bytes))];
    await accepted(flow, files, [pub.bytes.toString()], 2);
  },

  async "sign: attestations in both forms; a statement that is missing"(flow) {
    const { fixtures } = flow;
    const key = await fixtures.key();
    const tar = await fixtures.tar(fixtures.layoutFiles({ "registry.example/shop/app:4": fixtures.image("attested") }));
    const type = "https://page.example/built/v1";
    const page = await flow.page({ hash: "#sign" });
    await give(page, named("app.tar", tar), { view: "sign" });
    await give(page, named("mine.key", key.file), { view: "sign", place: 1 });
    await page.locator(".chosen-key .card").waitFor();
    await page.getByLabel("An attestation").check();
    flow.expect(!(await page.getByLabel("Annotations").isVisible()), "annotations are of signatures");
    await page.getByRole("button", { name: "Preview" }).click();
    await flow.text(page, "#sign .wrong", "of which type");
    await page.getByLabel("Type of the statement").fill(type);
    await page.getByRole("button", { name: "Preview" }).click();
    await flow.text(page, "#sign .preview .problem", "Drop the statement");
    await give(page, named("built.json", '{"by": "a page"}'), { view: "sign", place: 2 });
    await flow.text(page, "#sign .step", "built.json, 16 octets");
    const { text, name } = fixtures.policy("attested", key.pem);
    const policy = text.replace(
      "  require: release",
      `  attestations:\n    built: {predicateType: "${type}", signer: release, predicate: {/by: a page}}\n  require: {attestation: built}`,
    );
    for (const form of ["Signature image", "Bundle"]) {
      await page.getByLabel(form).check();
      const archive = await signed(flow, page);
      await flow.text(page, "#sign .preview pre", '"predicate":{"by":"a page"}');
      const other = await flow.page();
      await give(other, [named("app.tar", tar), named(archive.name, archive.bytes), named(name, policy)]);
      await flow.text(other, ".verdict h2", "Accepted");
      await flow.text(other, ".tree", "has attested “built”");
    }
    await flow.axe(page, "an attestation");
    await flow.shot(page, "sign-attestation-light");
  },

  async "sign: RSA by the browser, P-384 and Ed25519; a public key, a wrong file"(flow) {
    const { fixtures } = flow;
    const scratch = join(flow.env.scratch, "sign");
    mkdirSync(scratch, { recursive: true });
    const tar = await fixtures.tar(fixtures.layoutFiles({ "registry.example/shop/app:3": fixtures.image("rsa") }));
    for (const [kind, arguments_] of [
      ["rsa", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]],
      ["p384", ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]],
      ["ed25519", ["ED25519"]],
    ]) {
      const file = join(scratch, `${kind}.pem`);
      execFileSync("openssl", ["genpkey", "-algorithm", ...arguments_, "-out", file], {
        stdio: "ignore",
        timeout: 30_000,
      });
      const pem = execFileSync("openssl", ["pkey", "-in", file, "-pubout"], { timeout: 20_000 }).toString();
      const page = await flow.page({ hash: "#sign" });
      await give(page, named("app.tar", tar), { view: "sign" });
      await give(page, named(`${kind}.pem`, readFileSync(file)), { view: "sign", place: 1 });
      await flow.text(page, ".chosen-key", "not encrypted");
      const archive = await signed(flow, page);
      await accepted(flow, [named("app.tar", tar), named(archive.name, archive.bytes)], [pem]);
      if (kind !== "rsa") continue;
      await give(page, named("key.pub", pem), { view: "sign", place: 1 });
      await flow.text(page, ".chosen-key .problem", "public key");
      await flow.shot(page, "sign-public-key-light");
      await give(page, named("notes.txt", "hello"), { view: "sign", place: 1 });
      await flow.text(page, ".chosen-key .problem", /./);
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByRole("button", { name: "Sign this image" }).click();
      await flow.text(page, "#sign .results .problem", "Choose a key first");
    }
  },
};
