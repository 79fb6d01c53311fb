// A host's gateway to registries, on the page's own origin (docs/gateway.md). The page names what it needs; the host has the
// network, and the user's credentials for this one request where they were typed.

import { toBase64, toBytes, toJson } from "../bytes.js";
import { encode } from "../module.js";
import { Problem } from "../problem.js";
import { readPieces, unasked } from "./evidence.js";

/** Octets of one answer: what a decision fetches at most (16 MiB), with room for manifests and framing. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** What a header can carry: visible ASCII. */
const TOKEN = /^[\x21-\x7e]+$/;

export class Gateway {
  #root;
  #token;
  #credentials;

  /**
   * @param {{root?: string | URL, token?: string, credentials?: {registry: string, user: string, password: string}}} options
   * `token` says who asks, where the host signs users in by tokens; `credentials` are for that registry and no other
   */
  constructor({ root = new URL("../gateway/", import.meta.url), token, credentials } = {}) {
    if (token !== undefined && !TOKEN.test(token)) throw new Problem("tokenForm");
    this.#root = root;
    this.#token = token;
    this.#credentials = credentials;
  }

  /** Answers needs: one request for all of one registry. */
  async fetchAll(needs, signal) {
    const answered = new Map(needs.map((need) => [need.id, unasked(need)]));
    const asked = needs.filter(({ id }) => !answered.get(id));
    for (const registry of new Set(asked.map((need) => need.registry))) {
      const together = asked.filter((need) => need.registry === registry);
      const body = JSON.stringify({ needs: together });
      const message = await this.#post("v1/fetch", "application/json", body, registry, signal);
      for (const piece of readPieces(message)?.pieces ?? []) answered.set(piece.need, piece);
    }
    const missing = needs.find(({ id }) => !answered.get(id));
    if (missing) throw new Problem("gatewayAnswer", { need: missing.id });
    return needs.map(({ id }) => answered.get(id));
  }

  /** Carries out one push plan. */
  async push(plan, signal) {
    const { registry, repository, tag, reference, subject, mediaType } = plan;
    const blobs = [plan.manifest, ...plan.blobs.map(({ bytes }) => bytes)];
    const planned = plan.blobs.map(({ digest, mediaType: type }, index) => ({
      digest,
      mediaType: type,
      blob: index + 1,
    }));
    const header = { plan: { registry, repository, tag, reference, subject, mediaType, manifest: 0, blobs: planned } };
    await this.#post("v1/push", "application/vnd.bulla.message", encode(header, blobs), registry, signal);
  }

  async #post(path, type, body, registry, signal) {
    const headers = { "Content-Type": type, "Bulla-Page": "1" };
    if (this.#token !== undefined) headers.Authorization = `Bearer ${this.#token}`;
    if (this.#credentials?.registry === registry) {
      const { user, password } = this.#credentials;
      headers["Bulla-Registry-Authorization"] = `Basic ${toBase64(toBytes(`${user}:${password}`))}`;
    }
    let response;
    let bytes;
    try {
      const url = new URL(path, this.#root);
      response = await fetch(url, {
        method: "POST",
        headers,
        body,
        signal,
        cache: "no-store",
        credentials: "same-origin",
        redirect: "error",
      });
      bytes = new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem("gatewayGone");
    }
    if (response.ok) {
      if (bytes.length > MAX_ANSWER_BYTES)
        throw new Problem("gatewayTooMuch", { got: bytes.length, limit: MAX_ANSWER_BYTES });
      return bytes;
    }
    const { error } = toJson(bytes) ?? {};
    if (error?.message) throw new Problem("gatewaySaid", { code: String(error.code), message: String(error.message) });
    throw new Problem(response.status === 404 ? "gatewayNone" : "gatewayStatus", { status: response.status });
  }
}

/** Asks for what is under a tag or a digest, outside of a decision: what is to be signed, and what is signed already. */
export function needFor(kind, { registry, repository }, reference, limit) {
  return { id: `${kind} ${registry}/${repository} ${reference}`, kind, registry, repository, reference, limit };
}
