// OCI image layouts (image-spec 1.1, image-layout.md) as a source of evidence: archives and folders that were dropped, all
// together as one repository. What `cosign save` writes is such a layout with hints of its own.

import { isDigest, toJson, toBytes } from "../bytes.js";
import { Problem } from "../problem.js";
import { unasked } from "./evidence.js";

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPES = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  INDEX_TYPE,
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
/** The annotation that holds a tag or a whole name. */
const REF_NAME = "org.opencontainers.image.ref.name";
/** What cosign calls the parts of an image that it saves. */
const KIND = "kind";
const COSIGN = { "dev.cosignproject.cosign/sigs": "sig", "dev.cosignproject.cosign/atts": "att" };
const COSIGN_IMAGE = "dev.cosignproject.cosign/image";
/** Octets of `index.json`: what registries take for a manifest. */
const MAX_INDEX_BYTES = 4 * 1024 * 1024;
/** Entries of `index.json`. As many as the host reads of a layout. */
const MAX_ENTRIES = 2000;
/** Octets of a manifest that may refer to another: the module reads at most 4 KiB of one that brings a bundle. */
const MAX_REFERRER_BYTES = 64 * 1024;
/** Blobs that are looked at for referrers. */
const MAX_SCANNED = 10_000;
/** A tag under which signatures, attestations or a list of referrers lie. */
const ABOUT_DIGEST = /^sha256-[0-9a-f]{64}(\.\w+)?$/;

export class Layout {
  #blobs = new Map();
  #entries = [];
  #referrers;

  /** Adds the files of a layout. Of two that say different things under one name, the later one counts. */
  async add(name, files) {
    const marker = await json(files.get("oci-layout"), name, "oci-layout", 4096);
    if (!marker) throw new Problem("layoutNone", { name });
    if (marker.imageLayoutVersion !== "1.0.0") {
      throw new Problem("layoutVersion", { name, got: String(marker.imageLayoutVersion) });
    }
    const index = await json(files.get("index.json"), name, "index.json", MAX_INDEX_BYTES);
    if (!Array.isArray(index?.manifests)) throw new Problem("layoutIndex", { name });
    if (index.manifests.length > MAX_ENTRIES) {
      throw new Problem("layoutEntries", { name, got: index.manifests.length, limit: MAX_ENTRIES });
    }
    for (const [path, blob] of files) {
      const [, algorithm, encoded] = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/.exec(path) ?? [];
      if (algorithm) this.#blobs.set(`${algorithm}:${encoded}`, blob);
    }
    const entries = index.manifests.filter((entry) => typeof entry?.digest === "string");
    const image = entries.find((entry) => entry.annotations?.[KIND] === COSIGN_IMAGE);
    for (const entry of entries) {
      const place = COSIGN[entry.annotations?.[KIND]];
      const tag = place && image ? `${image.digest.replace(":", "-")}.${place}` : entry.annotations?.[REF_NAME];
      this.#entries.unshift({ tag, digest: entry.digest, mediaType: entry.mediaType, size: entry.size, file: name });
    }
    this.#referrers = undefined;
  }

  /** The images that lie here: everything in the indexes that is not about another image. */
  async images() {
    const about = new Set((await this.#allReferrers()).map(({ digest }) => digest));
    const found = new Map();
    for (const { tag, digest, mediaType, file } of [...this.#entries].reverse()) {
      if (about.has(digest) || (tag && ABOUT_DIGEST.test(tag)) || !isDigest(digest)) continue;
      const known = found.get(digest);
      if (known) known.names.push(...[tag].filter((name) => name && !known.names.includes(name)));
      else found.set(digest, { digest, mediaType, file, names: tag ? [tag] : [], here: this.#blobs.has(digest) });
    }
    return [...found.values()];
  }

  /** Octets of a blob, or null where it is not here. */
  async blob(digest, limit) {
    const blob = this.#blobs.get(digest);
    if (!blob) return null;
    if (blob.size > limit) throw new Problem("blobTooLarge", { digest, got: blob.size, limit });
    return new Uint8Array(await blob.arrayBuffer());
  }

  /** Answers needs (docs/abi.md, "Needs and evidence"). */
  async fetchAll(needs, signal) {
    const pieces = [];
    for (const need of needs) {
      signal?.throwIfAborted();
      pieces.push(unasked(need) ?? { need: need.id, ...(await this.#answer(need)) });
    }
    return pieces;
  }

  async #answer({ kind, reference, limit }) {
    if (kind === "resolve") {
      const entry = this.#find(reference);
      return entry ? { outcome: "digest", digest: entry.digest } : { outcome: "absent" };
    }
    if (kind === "referrers") {
      const manifests = (await this.#allReferrers()).filter(({ subject }) => subject === reference);
      const descriptors = manifests.map(({ descriptor }) => descriptor);
      const bytes = toBytes(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: descriptors }));
      return sized(bytes, limit, INDEX_TYPE);
    }
    const entry = kind === "manifest" ? this.#find(reference) : undefined;
    const digest = entry?.digest ?? reference;
    const blob = this.#blobs.get(digest);
    if (!blob) return { outcome: "absent" };
    if (blob.size > limit) return { outcome: "tooLarge", got: blob.size };
    const bytes = new Uint8Array(await blob.arrayBuffer());
    if (kind !== "manifest") return { outcome: "found", bytes };
    const mediaType = entry?.mediaType ?? toJson(bytes)?.mediaType;
    return { outcome: "found", bytes, ...(typeof mediaType === "string" ? { mediaType } : {}) };
  }

  #find(reference) {
    if (isDigest(reference)) return this.#entries.find(({ digest }) => digest === reference);
    return this.#entries.find(({ tag }) => tag === reference || tag?.endsWith(`:${reference}`));
  }

  /** Manifests with a subject. `cosign save` stores bundles without listing them, so every small blob is looked at. */
  async #allReferrers() {
    if (this.#referrers) return this.#referrers;
    const found = [];
    let scanned = 0;
    for (const [digest, blob] of this.#blobs) {
      if (blob.size > MAX_REFERRER_BYTES || blob.size < 2 || !isDigest(digest)) continue;
      if (++scanned > MAX_SCANNED) throw new Problem("layoutBlobs", { limit: MAX_SCANNED });
      const bytes = new Uint8Array(await blob.arrayBuffer());
      if (bytes[0] !== 0x7b) continue;
      const manifest = toJson(bytes);
      const subject = manifest?.subject?.digest;
      if (typeof subject !== "string" || !MANIFEST_TYPES.has(manifest.mediaType)) continue;
      const { mediaType, artifactType, config, annotations } = manifest;
      const descriptor = {
        mediaType,
        digest,
        size: blob.size,
        artifactType: artifactType ?? config?.mediaType,
        annotations,
      };
      found.push({ digest, subject, descriptor });
    }
    this.#referrers = found;
    return found;
  }
}

const sized = (bytes, limit, mediaType) =>
  bytes.length > limit ? { outcome: "tooLarge", got: bytes.length } : { outcome: "found", bytes, mediaType };

async function json(file, name, path, limit) {
  if (!file) return null;
  if (file.size > limit) throw new Problem("layoutFile", { name, path, got: file.size, limit });
  const value = toJson(new Uint8Array(await file.arrayBuffer()));
  if (value === undefined) throw new Problem("layoutJson", { name, path });
  return value;
}
