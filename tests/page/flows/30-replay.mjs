// Replay: the same verdict, another one, tampering, another module; a policy that is tried.

import { give, named } from "../driver.mjs";

async function decided({ fixtures }, by) {
  const key = by ?? (await fixtures.key());
  const image = fixtures.image("replayed");
  const name = `registry.example/shop/app:1.4@${image.digest}`;
  const plans = await fixtures.signed([{ image: name }], key);
  const files = fixtures.layoutFiles({ "registry.example/shop/app:1.4": image }, plans);
  const layout = new fixtures.bulla.Layout();
  await layout.add("app", new Map([...files].map(([path, bytes]) => [path, new Blob([bytes])])));
  const documents = [fixtures.policy("production", key.pem)];
  const decision = await fixtures.bulla.check({
    module: fixtures.module,
    image: name,
    policies: documents,
    source: layout,
    now: 1_767_225_600,
  });
  return { decision, documents, key };
}

export const flows = {
  async "replay: agrees, and a policy is tried"(flow) {
    const { decision, documents } = await decided(flow);
    const other = await flow.fixtures.key();
    const page = await flow.page({ hash: "#replay" });
    await flow.shot(page, "replay-empty-light");
    await give(page, named("decision.record", await flow.fixtures.record(decision, documents)), { view: "replay" });
    await flow.text(page, "#replay .verdict h2", "The same verdict");
    await flow.axe(page, "a replay");
    await flow.shot(page, "replay-agrees-light");
    const area = page.locator(".editor textarea");
    const text = await area.inputValue();
    await area.fill(
      text
        .replace("require: release", "require: nobody")
        .replace("kind: ImagePolicy", "kind: ImagePolicy\nunheard: of"),
    );
    await flow.text(page, ".errors", "Line 3, column 1");
    await page.locator(".errors .link").click();
    await flow.axe(page, "errors in a policy");
    await flow.shot(page, "replay-editor-errors-light");
    await area.fill(
      text.replaceAll(/ {10}[A-Za-z0-9+/=]+\n/g, "").replace(
        "-----BEGIN PUBLIC KEY-----\n",
        `-----BEGIN PUBLIC KEY-----\n${other.pem
          .split("\n")
          .slice(1, -2)
          .map((line) => `          ${line}\n`)
          .join("")}`,
      ),
    );
    await page.getByRole("button", { name: "Try it" }).click();
    await flow.text(page, "#replay form .verdict h3", "Rejected");
    await area.fill(
      text
        .replace("identity: repository", "")
        .replace(
          "cosign:\n",
          "cosign:\n        forms: [legacy]\n        signatureRepository: registry.example/signatures\n",
        ),
    );
    await page.getByRole("button", { name: "Try it" }).click();
    await flow.text(page, "#replay form .note", "more would have to be looked at");
    await page.getByRole("button", { name: "Put back" }).click();
    await page.getByRole("button", { name: "Try it" }).click();
    await flow.text(page, "#replay form .verdict h3", "Accepted");
    flow.equal(page.requested.filter((line) => line.startsWith("POST")).length, 0, "requests to the gateway");
  },

  async "replay: differs, tampered with, cut short, another module, other versions"(flow) {
    const { fixtures } = flow;
    const { decision, documents } = await decided(flow);
    const page = await flow.page({ hash: "#replay", colorScheme: "dark" });
    const lie = (header) =>
      new TextEncoder().encode(new TextDecoder().decode(header).replace('"enforced":true', '"enforced":false'));
    await give(page, named("lie.record", await fixtures.record(decision, documents, { change: lie })), {
      view: "replay",
    });
    await flow.text(page, "#replay .verdict h2", "Another verdict");
    await flow.text(page, ".difference", "/ok/verdict/enforced");
    await flow.axe(page, "a difference, dark");
    await flow.shot(page, "replay-differs-dark");
    const good = await fixtures.record(decision, documents);
    const broken = Buffer.from(good);
    broken[good.indexOf("kind: ImagePolicy") + 6] ^= 1;
    await give(page, named("tampered.record", broken), { view: "replay" });
    await flow.text(page, "#replay .problem", /Tampered with: the policy document “production.yaml”/);
    await flow.shot(page, "replay-tampered-dark");
    await give(page, named("cut.record", good.subarray(0, good.length - 40)), { view: "replay" });
    await flow.text(page, "#replay .problem", "cut short");
    await give(page, named("not.record", Buffer.from("hello")), { view: "replay" });
    await flow.text(page, "#replay .problem", "cut short");
    const stranger = `sha256:${"7".repeat(64)}`;
    await give(page, named("other.record", await fixtures.record(decision, documents, { module: stranger })), {
      view: "replay",
    });
    await flow.text(page, "#replay .verdict h2", "Another module decided");
    await flow.shot(page, "replay-other-module-dark");
    await page.getByRole("button", { name: "Decide with this page's module" }).click();
    await flow.text(page, "#replay .verdict h2", "The same verdict");
    await give(
      page,
      named("with.record", await fixtures.record(decision, documents, { withModule: flow.env.moduleBytes })),
      { view: "replay" },
    );
    await flow.text(page, "#replay .verdict .plain", "by the module of this page");
    // The same code with a custom section behind it: another digest, and so another module.
    const other = Buffer.concat([flow.env.moduleBytes, Buffer.from([0, 5, 4]), Buffer.from("note")]);
    await give(page, named("theirs.record", await fixtures.record(decision, documents, { withModule: other })), {
      view: "replay",
    });
    await flow.text(page, "#replay .verdict .plain", "by the module that came with the record");
  },
};
