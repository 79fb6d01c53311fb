// Checking what was dropped, against pins.

import { give, named, pin, saved } from "../driver.mjs";

/** An image signed by one key, with a layout of it. */
export async function signedLayout(
  { fixtures },
  { form = "legacy", name = "registry.example/shop/app:1.4", content = "app", by } = {},
) {
  const key = by ?? (await fixtures.key());
  const image = fixtures.image(content);
  const plans = await fixtures.signed(
    [{ image: `${name}@${image.digest}`, manifest: image.manifest, mediaType: image.mediaType }],
    key,
    { form },
  );
  return { key, image, plans, name, tar: await fixtures.tar(fixtures.layoutFiles({ [name]: image }, plans)) };
}

export const flows = {
  async "check: a dropped layout is accepted by a pinned key"(flow) {
    const { key, tar, image } = await signedLayout(flow);
    const page = await flow.page();
    await flow.shot(page, "check-empty-light");
    await pin(page, key.pem, "release");
    await page.locator('nav a[href="#check"]').click();
    await give(page, named("app.tar", tar));
    await flow.text(page, ".verdict h2", "Accepted");
    await flow.text(page, ".verdict .plain", "“release”");
    flow.expect(
      (await page.locator(".verdict").innerText()).includes("registry.example/shop/app:1.4"),
      "the image's name",
    );
    await flow.axe(page, "an accepted image");
    await flow.shot(page, "check-accepted-light");
    await page.locator(".tree summary").first().click();
    await page.getByRole("button", { name: "the manifest" }).click();
    await flow.text(page, ".evidence pre", "simplesigning");
    await flow.axe(page, "evidence");
    await flow.shot(page, "check-evidence-light");
    const evidence = await saved(page, () => page.getByRole("button", { name: "Save the evidence" }).click());
    await page.getByRole("button", { name: "Clear" }).click();
    await give(page, named(evidence.name, evidence.bytes));
    await flow.text(page, ".verdict h2", "Accepted");
    flow.equal(page.requested.filter((line) => line.startsWith("POST")).length, 0, "requests to the gateway");
    flow.expect(image.digest.length === 71, "a digest");
  },

  async "check: another key, another name, no signature"(flow) {
    const { tar, key } = await signedLayout(flow);
    const other = await flow.fixtures.key();
    const page = await flow.page({ colorScheme: "dark" });
    await pin(page, other.pem, "somebody else");
    await page.locator('nav a[href="#check"]').click();
    await give(page, named("app.tar", tar));
    await flow.text(page, ".verdict h2", "Rejected");
    await flow.text(page, ".change", "a signature by “somebody else”");
    await flow.axe(page, "a rejected image, dark");
    await flow.shot(page, "check-rejected-dark");
    // The key itself, dropped beside the image, is used for this check only.
    await give(page, named("release.pub", key.pem));
    await flow.text(page, ".against", "for this check only");
    await flow.text(page, ".verdict h2", "Accepted");
    await page.getByLabel("Checked as").fill("registry.example/shop/other");
    await page.getByRole("button", { name: "Check this image" }).click();
    await flow.text(page, ".verdict .plain", "but for another image");
    const unsigned = flow.fixtures.image("unsigned");
    await give(
      page,
      named("app.tar", await flow.fixtures.tar(flow.fixtures.layoutFiles({ "registry.example/shop/app:2": unsigned }))),
    );
    await flow.text(page, ".verdict .plain", "not signed");
  },

  async "check: a bundle, an index with platforms, a folder"(flow) {
    const { fixtures } = flow;
    const key = await fixtures.key();
    const leaves = [fixtures.image("amd64"), fixtures.image("arm64")];
    const index = fixtures.index(leaves);
    const name = "registry.example/shop/app:1.4";
    const about = [index, leaves[0]].map(({ digest, manifest, mediaType }) => ({
      image: `${name}@${digest}`,
      manifest,
      mediaType,
    }));
    const plans = await fixtures.signed(about, key, { form: "bundle" });
    const page = await flow.page();
    await pin(page, key.pem, "release");
    await page.locator('nav a[href="#check"]').click();
    await give(page, named("app.tar", await fixtures.tar(fixtures.layoutFiles({ [name]: index }, plans))));
    await flow.text(page, ".verdict h2", "Accepted");
    const rows = page.locator(".platforms tbody tr:not([hidden])");
    flow.equal(await rows.count(), 2, "platforms");
    flow.expect(/linux\/amd64\s+Accepted/.test(await rows.nth(0).innerText()), "amd64 is signed");
    flow.expect(/linux\/arm64\/v8\s+Rejected/.test(await rows.nth(1).innerText()), "arm64 is not");
    await rows.nth(1).getByRole("button").click();
    await flow.text(page, ".platforms .verdict", "not signed");
    await flow.axe(page, "platforms");
    await flow.shot(page, "check-platforms-light");
    // The bundle alone: the image is not here, and its digest is all that a decision needs.
    await page.getByRole("button", { name: "Clear" }).click();
    await give(
      page,
      named("app.sigstore.json", plans[1].blobs.find(({ mediaType }) => mediaType.includes("bundle")).bytes),
    );
    await page.locator(".choices input[type=text]").waitFor();
    if (!(await page.locator(".verdict").count())) await page.getByRole("button", { name: "Check this image" }).click();
    await flow.text(page, ".verdict h2", "Accepted");
  },

  async "check: dropped policies: a threshold, an exemption, only a warning; another system's"(flow) {
    const { fixtures } = flow;
    const { key, tar } = await signedLayout(flow);
    const other = await fixtures.key("ed25519");
    const signer = (name, pem) =>
      `    ${name}:\n      cosign:\n        publicKey: |\n${pem
        .trim()
        .split("\n")
        .map((line) => `          ${line}`)
        .join("\n")}\n`;
    const policy = (name, spec, require) =>
      `apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: ${name}}\nspec:\n  match: {images: [registry.example/**]}\n${spec}  signers:\n${signer("release", key.pem)}${signer("review", other.pem)}  require: ${require}\n`;
    const page = await flow.page();
    await give(page, [
      named("app.tar", tar),
      named("two.yaml", policy("two", "", "{atLeast: 2, of: [release, review]}")),
    ]);
    await flow.text(page, ".verdict h2", "Rejected");
    await flow.text(page, ".change", "one more signature. For example, a signature by “review”");
    await flow.text(page, ".tree", "At least 2 of these");
    await flow.axe(page, "a threshold");
    await flow.shot(page, "check-threshold-light");
    await page.getByRole("button", { name: "Clear" }).click();
    await give(page, [
      named("app.tar", tar),
      named(
        "exempt.yaml",
        policy(
          "exempt",
          "  exempt: [{images: [registry.example/**], until: 2099-01-01T00:00:00Z, reason: rebuilt soon}]\n",
          "review",
        ),
      ),
    ]);
    await flow.text(page, ".verdict .plain", "leaves this image alone");
    await flow.text(page, ".tree", "rebuilt soon");
    await page.getByRole("button", { name: "Clear" }).click();
    await give(page, [named("app.tar", tar), named("warn.yaml", policy("warn", "  mode: warn\n", "review"))]);
    await flow.text(page, ".verdict .note", "No policy that matches enforces");
    await page.getByRole("button", { name: "Clear" }).click();
    const cip = `apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: cip}\nspec:\n  images: [{glob: "registry.example/**"}]\n  authorities:\n    - key:\n        data: |\n${key.pem
      .trim()
      .split("\n")
      .map((line) => `          ${line}`)
      .join("\n")}\n`;
    await give(page, [named("app.tar", tar), named("cip.yaml", cip)]);
    await flow.text(page, ".items", /another system's policy|cip\.yaml/);
    const converted = await page.locator(".items li").last().innerText();
    if (converted.includes("another system's")) await flow.text(page, ".verdict h2", /Accepted|Rejected/);
    return converted.split("\n")[0];
  },
};
