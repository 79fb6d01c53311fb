// The page as `bulla serve` serves it: the same files, media types and headers (host/server/src/page.rs), and a gateway
// (docs/gateway.md) in front of a registry that lies in memory. Loopback only.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

/** The policy that the host serves the page with, read from where it is written. */
const source = readFileSync(new URL("../../host/server/src/page.rs", import.meta.url), "utf8");
export const POLICY = /let policy = format!\(\s*"([^"]+)"/
  .exec(source)[1]
  .replace(/\\\n\s*/g, "")
  .replace("{connect}", /CONNECT_SELF: &str = "([^"]+)"/.exec(source)[1]);

/** The token that the gateway signs its user in by. */
export const TOKEN = "dGhlIHRva2VuIG9mIHRoZXNlIHRlc3Rz";
/** What each request has to come with, as host/server/src/gateway/door.rs reads it. */
const CONTENT = { fetch: "application/json", push: "application/vnd.bulla.message" };

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".ts": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/**
 * @param {{web: string, module: string, framing: object, replaced?: Record<string, string>, policy?: string}} options `replaced`
 * stands in for files of the folder
 */
export async function serve({ web, module, framing, replaced = {}, policy = POLICY }) {
  const gateway = { source: null, pushed: [], refusals: [], fetches: 0, credentials: [], problem: null, gone: false };
  const sockets = new Set();
  /** Files and their tags, read once. */
  const kept = new Map();
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const origin = `http://127.0.0.1:${server.address().port}`;
  const served = {
    origin,
    gateway,
    replaced,
    /** Called with the number that a measuring page sends. */
    measured() {},
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(resolve);
      }),
  };
  return served;

  async function answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, "http://page").pathname);
    response.setHeader("Content-Security-Policy", policy);
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Referrer-Policy", "no-referrer");
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cache-Control", "no-cache");
    if (request.method === "POST" && path.startsWith("/gateway/v1/"))
      return gatewayAnswer(path.slice("/gateway/v1/".length), request, response);
    if (request.method === "POST" && path === "/measured") {
      for await (const part of request) served.measured(Number(part));
      return response.end();
    }
    const name = path === "/" ? "/index.html" : normalize(path);
    const file = name === "/bulla.wasm" ? module : join(web, name);
    const { bytes, tag } = replaced[name] ? tagged(replaced[name]) : await read(file);
    if (!bytes) {
      response.statusCode = 404;
      return response.end("there is nothing here\n");
    }
    response.setHeader("Content-Type", TYPES[extname(name)] ?? "application/octet-stream");
    response.setHeader("ETag", tag);
    if (request.headers["if-none-match"] === tag) {
      response.statusCode = 304;
      return response.end();
    }
    return response.end(bytes);
  }

  async function read(file) {
    if (!kept.has(file)) kept.set(file, tagged(await readFile(file).catch(() => null)));
    return kept.get(file);
  }

  async function gatewayAnswer(what, request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    if (gateway.gone) return request.socket.destroy();
    const refusal = refused(what, request.headers);
    if (refusal) {
      const [status, code, message] = refusal;
      gateway.refusals.push(code);
      response.statusCode = status;
      return response.end(JSON.stringify({ error: { code, message } }));
    }
    gateway.credentials.push(request.headers["bulla-registry-authorization"] ?? null);
    if (!gateway.source) {
      response.statusCode = 404;
      return response.end("there is nothing here\n");
    }
    if (gateway.problem) {
      const { status = 502, ...error } = gateway.problem;
      response.statusCode = status;
      return response.end(JSON.stringify({ error }));
    }
    if (what === "push") {
      const { header, blobs } = framing.decode(new Uint8Array(body));
      const { plan } = JSON.parse(new TextDecoder().decode(header));
      const changed = await gateway.meanwhile?.(plan, blobs);
      if (changed) {
        response.statusCode = 409;
        return response.end(JSON.stringify({ error: { code: "changed", message: changed } }));
      }
      gateway.pushed.push({ plan, blobs });
      await gateway.take?.(plan, blobs);
      return response.end(framing.encode({ ok: {} }));
    }
    gateway.fetches += 1;
    const pieces = await gateway.source.fetchAll(JSON.parse(body.toString()).needs);
    const blobs = [];
    const evidence = pieces.map(({ bytes, ...piece }) =>
      piece.outcome === "found" ? { ...piece, blob: blobs.push(bytes) - 1 } : piece,
    );
    return response.end(framing.encode({ evidence }, blobs));
  }
}

/** Status, code and message for a request that is not this page's, or nobody's; null for one that comes in. */
function refused(what, headers) {
  if (!CONTENT[what]) return [404, "unknown", "there is nothing here"];
  if (headers["sec-fetch-site"] !== "same-origin") return [403, "cross-site", "the request comes from another site"];
  if (headers["bulla-page"] !== "1") return [403, "not-the-page", "it lacks the header Bulla-Page: 1"];
  if (headers["content-type"] !== CONTENT[what]) return [415, "other-type", `${CONTENT[what]} is expected`];
  if (!headers.authorization) return [401, "not-signed-in", "nobody is signed in"];
  return headers.authorization === `Bearer ${TOKEN}` ? null : [401, "wrong-token", "this token is nobody's"];
}

const tagged = (bytes) => ({ bytes, tag: bytes && `"${createHash("sha256").update(bytes).digest("hex")}"` });
