// The shared vectors in the page's worker: the same octets as in Node, and what each vector says must come of it.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

function bytesOf(recipe) {
  const [[kind, value]] = Object.entries(recipe);
  if (kind === "text") return Buffer.from(value);
  if (kind === "lines") return Buffer.from(value.map((line) => `${line}\n`).join(""));
  if (kind === "json") return Buffer.from(JSON.stringify(value));
  if (kind === "base64") return Buffer.from(value, "base64");
  if (kind === "concat") return Buffer.concat(value.map(bytesOf));
  if (kind === "repeat")
    return Buffer.from(
      Array.from({ length: value.count }, (_, n) => value.text.replaceAll("{n}", String(n).padStart(4, "0"))).join(
        value.separator ?? "",
      ),
    );
  throw new Error(`a recipe of kind ${kind}`);
}

const includes = (whole, part) =>
  Array.isArray(part)
    ? Array.isArray(whole) && whole.length === part.length && part.every((item, at) => includes(whole[at], item))
    : part !== null && typeof part === "object"
      ? whole !== null &&
        typeof whole === "object" &&
        Object.entries(part).every(([name, value]) => name in whole && includes(whole[name], value))
      : whole === part;
const any = (value, holds) =>
  holds(value) ||
  (value !== null && typeof value === "object" && Object.values(value).some((inner) => any(inner, holds)));

/** What of a vector's expectation does not hold, or null. */
function broken(expect, reply, decode) {
  const { header: octets, blobs } = decode(reply);
  const header = JSON.parse(Buffer.from(octets).toString());
  const outcome = header.ok?.verdict?.outcome ?? (header.ok?.needs ? "needs" : header.ok ? "ok" : "error");
  if (outcome !== expect.outcome && !(expect.outcome === "ok" && header.ok)) return `${outcome}, not ${expect.outcome}`;
  if (expect.code && header.error?.code !== expect.code) return `not the error ${expect.code}`;
  if (expect.reason && !any(header, (value) => value?.code === expect.reason)) return `no reason ${expect.reason}`;
  if (expect.text && !any(header, (value) => typeof value === "string" && value.includes(expect.text)))
    return `no text ${expect.text}`;
  if (expect.answer && !includes(header.ok, expect.answer)) return "another answer";
  if (expect.document && !includes(JSON.parse(Buffer.from(blobs[0] ?? "null").toString()), expect.document))
    return "another document";
  return null;
}

export const flows = {
  async "vectors: every reply in the page is that of the other hosts"(flow) {
    const { fixtures, env } = flow;
    const vectors = readdirSync(env.vectors).flatMap((area) =>
      readdirSync(join(env.vectors, area)).map((file) => [
        `${area}/${file.replace(/\.json$/, "")}`,
        JSON.parse(readFileSync(join(env.vectors, area, file))),
      ]),
    );
    const { operation } = await fixtures.at("module.js");
    const messages = vectors.map(([, vector]) => {
      const number = operation[vector.operation] ?? Number(vector.operation);
      if (vector.message) return { number, message: new Uint8Array(bytesOf(vector.message)) };
      const header =
        vector.header !== undefined
          ? Buffer.from(JSON.stringify(vector.header))
          : vector.headerBytes
            ? bytesOf(vector.headerBytes)
            : Buffer.alloc(0);
      return {
        number,
        message: fixtures.framing.encode(
          new Uint8Array(header),
          (vector.blobs ?? []).map((blob) => new Uint8Array(bytesOf(blob))),
        ),
      };
    });
    const page = await flow.page();
    const inThePage = async () => {
      const replies = [];
      for (let at = 0; at < messages.length; at += 100) {
        const sent = messages
          .slice(at, at + 100)
          .map(({ number, message }) => ({ number, message: Buffer.from(message).toString("base64") }));
        replies.push(...(await page.evaluate(exchange, sent)));
      }
      return replies;
    };
    // Both at once: half of the work is in the browser's process.
    const waiting = inThePage();
    const want = env.native ? await natively(env.native, vectors) : await inNode(flow, messages);
    const others = env.native ? "natively" : "in Node";
    const problems = [];
    for (const [index, encoded] of (await waiting).entries()) {
      const [[name, vector], reply] = [vectors[index], new Uint8Array(Buffer.from(encoded, "base64"))];
      if (fixtures.sha256(reply) !== want[index]) problems.push(`${name}: other octets than ${others}`);
      const wrong = broken(vector.expect, reply, fixtures.framing.decode);
      if (wrong) problems.push(`${name}: ${wrong}`);
    }
    flow.expect(messages.length > 400, `more than 400 vectors, not ${messages.length}`);
    if (problems.length)
      throw new Error(`${problems.length} of ${messages.length}: ${problems.slice(0, 5).join("; ")}`);
    return `${messages.length} vectors: the same octets as ${others}, and what each vector says`;
  },
};

/** Digests of core's own replies, once their file is there. */
async function natively(file, vectors) {
  while (!existsSync(file))
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
  const digests = JSON.parse(readFileSync(file));
  return vectors.map(([name]) => digests[name]);
}

/** Digests of the replies in Node; kept, because the same module gives the same replies. */
async function inNode({ fixtures, env }, messages) {
  const file = join(env.root, "target/page/vectors.json");
  const key = fixtures.sha256(
    Buffer.concat([
      Buffer.from(fixtures.module.digest),
      ...messages.map(({ number, message }) => fixtures.framing.encode({ number }, [message])),
    ]),
  );
  const kept = existsSync(file) ? JSON.parse(readFileSync(file)) : {};
  if (kept.key === key) return kept.digests;
  const { start } = await fixtures.at("module.js");
  const digests = [];
  for (const { number, message } of messages) {
    digests.push(fixtures.sha256((await start(fixtures.module.compiled)).exchange(number, message)));
    // The browser's answers are waited for in between.
    await new Promise(setImmediate);
  }
  writeFileSync(file, JSON.stringify({ key, digests }));
  return digests;
}

/** In the page: messages to two workers, and their replies in order. */
async function exchange(encoded) {
  const [{ fromBase64, toBase64 }, { compile }, { Work }] = await Promise.all(
    ["./bytes.js", "./module.js", "./work.js"].map((name) => import(name)),
  );
  globalThis.ownVectors ??= fetch("bulla.wasm")
    .then((response) => response.arrayBuffer())
    .then(compile)
    .then((compiled) => [1, 2].map(() => new Work(Promise.resolve({ compiled, digest: "" }))));
  const workers = await globalThis.ownVectors;
  const half = Math.ceil(encoded.length / workers.length);
  const replies = await Promise.all(
    workers.map((work, index) => {
      const part = encoded.slice(index * half, (index + 1) * half);
      return work.run("exchange", {
        messages: part.map(({ number, message }) => ({ number, message: fromBase64(message) })),
      });
    }),
  );
  return replies.flat().map(toBase64);
}
