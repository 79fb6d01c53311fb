// A registry that this page may ask directly: it allows other origins (CORS), and the page was built to name it (config.js).

import { Problem } from "../problem.js";
import { texts } from "../texts.js";
import { unasked } from "./evidence.js";

const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

export class Registry {
  #origin;

  /** @param {string} origin e.g. `https://registry.example` */
  constructor(origin) {
    this.#origin = origin;
  }

  /** Answers needs, all at once. */
  fetchAll(needs, signal) {
    return Promise.all(
      needs.map(async (need) => unasked(need) ?? { need: need.id, ...(await this.#answer(need, signal)) }),
    );
  }

  async #answer({ kind, repository, reference, limit }, signal) {
    const part = { resolve: "manifests", manifest: "manifests", referrers: "referrers", blob: "blobs" }[kind];
    const url = `${this.#origin}/v2/${repository}/${part}/${reference}`;
    let response;
    try {
      const method = kind === "resolve" ? "HEAD" : "GET";
      response = await fetch(url, {
        method,
        signal,
        headers: { Accept: ACCEPT },
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      // A browser does not tell a page why; both causes are named.
      throw new Problem("registryCors", { registry: this.#origin });
    }
    if (response.status === 404) {
      return kind === "referrers" ? this.#fallback(repository, reference, limit, signal) : { outcome: "absent" };
    }
    if (!response.ok)
      return {
        outcome: "failed",
        reason: texts.check.registryStatus({ registry: this.#origin, status: response.status }),
      };
    if (kind === "resolve") {
      const digest = response.headers.get("Docker-Content-Digest");
      return digest
        ? { outcome: "digest", digest }
        : { outcome: "failed", reason: texts.check.registryDigest({ registry: this.#origin }) };
    }
    const bytes = await within(response, limit);
    if (!(bytes instanceof Uint8Array)) return { outcome: "tooLarge", got: bytes };
    const mediaType = kind === "blob" ? null : response.headers.get("Content-Type");
    return { outcome: "found", bytes, ...(mediaType ? { mediaType } : {}) };
  }

  /** Registries without the referrers API keep the list under a tag (distribution-spec 1.1). */
  #fallback(repository, digest, limit, signal) {
    return this.#answer({ kind: "manifest", repository, reference: digest.replace(":", "-"), limit }, signal);
  }
}

/** The body, or how many octets there were when it was more than the limit. */
async function within(response, limit) {
  const reader = response.body.getReader();
  const parts = [];
  let got = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    got += value.length;
    if (got > limit) {
      await reader.cancel();
      return got;
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
