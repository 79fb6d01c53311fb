// Images by name: through the host's gateway (a small fake of it in server.mjs), directly where CORS allows it, and not at all.

import { createServer } from "node:http";
import { named, pin } from "../driver.mjs";
import { serve, TOKEN } from "../server.mjs";

const NAME = "registry.example/shop/app:1.4";

/** A registry in memory behind the gateway: images by name, and whatever is pushed. */
async function behind(flow, server, named_, plans) {
  const { fixtures } = flow;
  const files = new Map(fixtures.layoutFiles(named_, plans));
  const open = async () => {
    const layout = new fixtures.bulla.Layout();
    await layout.add("registry", new Map([...files].map(([path, bytes]) => [path, new Blob([bytes])])));
    server.gateway.source = layout;
  };
  await open();
  server.gateway.take = async (plan, blobs) => {
    const manifest = blobs[plan.manifest];
    for (const bytes of blobs) files.set(`blobs/${fixtures.sha256(bytes).replace(":", "/")}`, bytes);
    const index = JSON.parse(Buffer.from(files.get("index.json")).toString());
    index.manifests.push({
      mediaType: plan.mediaType,
      digest: fixtures.sha256(manifest),
      size: manifest.length,
      annotations: plan.tag ? { "org.opencontainers.image.ref.name": plan.tag } : undefined,
    });
    files.set("index.json", new TextEncoder().encode(JSON.stringify(index)));
    await open();
  };
}

async function ask(page, name) {
  await page.getByLabel("Image", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Check", exact: true }).click();
}

export const flows = {
  async "gateway: checked by name, with credentials for one request"(flow) {
    const { fixtures, server } = flow;
    const key = await fixtures.key();
    const image = fixtures.image("remote");
    await behind(flow, server, { [NAME]: image }, await fixtures.signed([{ image: `${NAME}@${image.digest}` }], key));
    const page = await flow.page({ expectErrors: true });
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "no key to check against");
    await pin(page, key.pem, "release");
    await page.locator('nav a[href="#check"]').click();
    // Nobody is signed in: the page says so, and opens the part where a token is typed.
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "not-signed-in");
    const token = page.getByLabel("Your token for this server");
    await flow.text(page, "#check .more .wrong", "type the token");
    await flow.axe(page, "not signed in");
    await flow.shot(page, "gateway-not-signed-in-light");
    await token.fill("wrong");
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "wrong-token");
    await token.fill("no token ✗");
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "A token has letters");
    flow.equal(server.gateway.refusals.join(), "not-signed-in,wrong-token", "refusals");
    await token.fill(TOKEN);
    await page.getByLabel("User").first().fill("me");
    await page.getByLabel("Password or token").first().fill("secret");
    await ask(page, NAME);
    await flow.text(page, ".verdict h2", "Accepted");
    flow.expect(
      server.gateway.credentials.every((header) => header === `Basic ${Buffer.from("me:secret").toString("base64")}`),
      "credentials in the header",
    );
    server.gateway.credentials.length = 0;
    flow.equal(await page.getByLabel("Password or token").first().inputValue(), "", "the password's field afterwards");
    await ask(page, "not a reference!");
    await flow.text(page, ".verdict .plain, .problem", /./);
    await ask(page, "registry.example/shop/none:1");
    await flow.text(page, ".verdict h2", "Rejected");
    flow.expect(
      server.gateway.credentials.every((header) => header === null),
      "no credentials with later requests",
    );
    // What could not be fetched is no error: the module says that it is not known.
    const good = server.gateway.source;
    server.gateway.source = {
      fetchAll: async (needs) =>
        needs.map(({ id }) => ({ need: id, outcome: "failed", reason: "registry.example: timed out after 2 s" })),
    };
    await ask(page, NAME);
    await flow.text(page, ".verdict h2", "Not known");
    await flow.axe(page, "not known");
    await flow.shot(page, "check-not-known-light");
    server.gateway.source = good;
    // The host says no, goes away, or has no gateway.
    server.gateway.problem = { code: "unauthorized", message: "sign in first" };
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "sign in first");
    for (const [code, what] of [
      ["not-a-user", "let you in"],
      ["other-place", "drop the image as a file"],
      ["registry-denied", "Type a user and a password"],
    ]) {
      server.gateway.problem = { status: 403, code, message: "no" };
      await ask(page, NAME);
      await flow.text(page, ".results .problem", what);
    }
    server.gateway.problem = null;
    // The token is kept for the visit, in every view, and stored nowhere.
    const stored = await page.evaluate(async () => {
      const kept = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
      for (const { name } of await indexedDB.databases())
        kept.push(
          await new Promise((resolve) => {
            indexedDB.open(name).onsuccess = ({ target: { result: db } }) => {
              const names = [...db.objectStoreNames];
              const all = db.transaction(names);
              const found = names.map((one) => all.objectStore(one).getAll());
              all.oncomplete = () => resolve(JSON.stringify(found.map(({ result }) => result)));
            };
          }),
        );
      return kept.join();
    });
    flow.expect(stored.includes("release") && !stored.includes(TOKEN), "the token is stored nowhere");
    server.gateway.gone = true;
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "does not answer");
    await flow.shot(page, "gateway-gone-light");
    // In the middle of a decision.
    server.gateway.gone = false;
    const { source } = server.gateway;
    server.gateway.source = {
      fetchAll: async (needs) => {
        server.gateway.gone = true;
        return source.fetchAll(needs);
      },
    };
    const before = server.gateway.fetches;
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "does not answer");
    flow.equal(server.gateway.fetches, before + 1, "answers before it went away");
    server.gateway.gone = false;
    server.gateway.source = null;
    await ask(page, NAME);
    await flow.text(page, ".results .problem", "no gateway");
    await page.locator('nav a[href="#sign"]').click();
    flow.equal(await page.locator('#sign input[type="password"]').first().inputValue(), TOKEN, "the token in “Sign”");
  },

  async "gateway: signed by name, pushed, read back; earlier signatures stay"(flow) {
    const { fixtures, server } = flow;
    const first = await fixtures.key();
    const mine = await fixtures.key();
    const image = fixtures.image("pushed");
    await behind(flow, server, { [NAME]: image }, await fixtures.signed([{ image: `${NAME}@${image.digest}` }], first));
    const page = await flow.page({ hash: "#sign", expectErrors: true });
    await page.getByText("Or name images at a registry").click();
    await page.getByLabel("Images, one on each line").fill(NAME);
    await page.getByLabel("Your token for this server").fill(TOKEN);
    await page.locator("#sign .drop").nth(1).locator("input").setInputFiles(named("mine.key", mine.file));
    await page.locator(".chosen-key .card").waitFor();
    await page.getByRole("button", { name: "Preview" }).click();
    await flow.text(page, ".preview", "beside 1 signature that stays");
    await page.getByRole("button", { name: "Sign this image" }).click();
    await flow.text(page, "#sign .results h2", "Signed: 1 image");
    // Somebody signs between the preview and the push, and again between that and the next try.
    const others = [await fixtures.key(), await fixtures.key()];
    const signedByOthers = [];
    server.gateway.meanwhile = async () => {
      const other = others.shift();
      if (!other) return null;
      const [theirs] = await fixtures.signed(
        [{ image: `${NAME}@${image.digest}`, existing: signedByOthers.at(-1) }],
        other,
      );
      signedByOthers.push(theirs.manifest);
      const all = [theirs.manifest, ...theirs.blobs.map(({ bytes }) => bytes)];
      await server.gateway.take({ ...theirs, manifest: 0 }, all);
      return `under ${theirs.tag} lies something else now`;
    };
    await page.getByRole("button", { name: "Push", exact: true }).click();
    await flow.text(page, "#sign .results", "Read back: 1 of 1 are accepted");
    const [{ plan, blobs }] = server.gateway.pushed;
    flow.equal(server.gateway.pushed.length, 1, "pushes that were taken");
    const layers = (manifest) => JSON.parse(Buffer.from(manifest).toString()).layers.map(({ digest }) => digest);
    const under = layers(blobs[plan.manifest]);
    flow.equal(under.length, 3, "signatures under the tag");
    for (const digest of signedByOthers.flatMap(layers)) flow.expect(under.includes(digest), `${digest} stays`);
    await flow.shot(page, "sign-pushed-light");
  },

  async "registry: directly with CORS; without CORS it is said"(flow) {
    const { fixtures, env } = flow;
    const key = await fixtures.key();
    const image = fixtures.image("direct");
    const files = fixtures.layoutFiles(
      { [NAME]: image },
      await fixtures.signed([{ image: `127.0.0.1/shop/app@${image.digest}` }], key, { form: "legacy" }),
    );
    const index = JSON.parse(Buffer.from(files.get("index.json")).toString());
    const blob = (digest) => files.get(`blobs/${digest.replace(":", "/")}`);
    let cors = true;
    const registry = createServer((request, response) => {
      if (cors)
        response
          .setHeader("Access-Control-Allow-Origin", "*")
          .setHeader("Access-Control-Expose-Headers", "Docker-Content-Digest")
          .setHeader("Access-Control-Allow-Headers", "Accept");
      if (request.method === "OPTIONS") return response.writeHead(204).end();
      const [, part, reference] = /^\/v2\/shop\/app\/(\w+)\/(.+)$/.exec(request.url) ?? [];
      const entry = index.manifests.find(
        ({ digest, annotations }) =>
          digest === reference ||
          annotations?.["org.opencontainers.image.ref.name"] === reference ||
          (reference === "1.4" && digest === image.digest),
      );
      const bytes = part === "manifests" ? entry && blob(entry.digest) : part === "blobs" ? blob(reference) : null;
      if (!bytes) return response.writeHead(404).end();
      if (entry) response.setHeader("Docker-Content-Digest", entry.digest).setHeader("Content-Type", entry.mediaType);
      return response.end(request.method === "HEAD" ? undefined : bytes);
    });
    await new Promise((resolve) => {
      registry.listen(0, "127.0.0.1", resolve);
    });
    const origin = `http://127.0.0.1:${registry.address().port}`;
    const host = `127.0.0.1:${registry.address().port}`;
    const replaced = { "/config.js": `export const registries = { "${host}": "${origin}" };\n` };
    const policy = `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' ${origin}; img-src 'self'; base-uri 'none'; form-action 'none'`;
    const html = (await (await fetch(flow.server.origin)).text()).replace(
      "connect-src 'self'",
      `connect-src 'self' ${origin}`,
    );
    const server = await serve({
      ...env,
      framing: fixtures.framing,
      replaced: { ...replaced, "/index.html": html },
      policy,
    });
    try {
      const page = await flow.page({ origin: server.origin, allowed: [origin], expectErrors: true });
      await pin(page, key.pem, "release");
      await page.locator('nav a[href="#check"]').click();
      await ask(page, `${host}/shop/app:1.4`);
      // Signed for another registry's name: the registry was asked, and the module holds the identity against it.
      await flow.text(page, ".verdict .plain", "but for another image");
      cors = false;
      await ask(page, `${host}/shop/app:1.4`);
      await flow.text(page, ".results .problem", "does not allow other origins (CORS)");
      await flow.shot(page, "registry-without-cors-light");
    } finally {
      await server.close();
      registry.closeAllConnections();
      registry.close();
    }
  },
};
