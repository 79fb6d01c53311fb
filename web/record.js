// The file of a decision record (docs/records.md), read and held against every digest in it.

import { isDigest, same, sha256, toBytes, toJson } from "./bytes.js";
import { decode } from "./module.js";
import { Problem } from "./problem.js";

const FORMAT = "bulla.dev/record/1";
/** The version of records that this page reads. */
const VERSION = 1;
/** Octets of the file of a record, and of the record in it (docs/records.md). */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_RECORD_BYTES = 4096;

/** Whether octets are the file of a record, going by its header alone. */
export function isRecord(bytes) {
  try {
    return toJson(decode(bytes).header)?.format === FORMAT;
  } catch {
    return false;
  }
}

/**
 * Reads the file of a record. Each part has the digest by which the record names it, or the error names the part.
 * @returns {Promise<{id: string, record: object, question: object, documents: object[], evidence: object[],
 *   verdict: Uint8Array | null, module: Uint8Array | null}>}
 */
export async function readRecord(bytes) {
  if (bytes.length > MAX_FILE_BYTES) throw new Problem("recordTooLarge", { got: bytes.length, limit: MAX_FILE_BYTES });
  const { header, blobs } = decode(bytes);
  const { format, blobs: digests } = toJson(header) ?? {};
  if (format !== FORMAT) throw new Problem("recordFormat", { got: String(format), want: FORMAT });
  if (!Array.isArray(digests) || digests.length !== blobs.length) {
    throw new Problem("recordCut", { named: digests?.length ?? 0, there: blobs.length });
  }
  const parts = new Map(digests.map((digest, index) => [digest, blobs[index]]));
  const used = new Set();
  const part = async (digest, what) => {
    const content = parts.get(digest);
    if (!content) throw new Problem("recordMissing", { part: what });
    const found = await sha256(content);
    if (found !== digest) throw new Problem("recordTampered", { part: what, found, wanted: digest });
    used.add(digest);
    return content;
  };
  const value = async (digest, what) => {
    const content = await part(digest, what);
    const read = toJson(content);
    if (read === undefined || !same(toBytes(canonical(read)), content))
      throw new Problem("recordCanonical", { part: what });
    return read;
  };

  const id = digests[0];
  if ((blobs[0]?.length ?? 0) > MAX_RECORD_BYTES)
    throw new Problem("recordTooLarge", { got: blobs[0].length, limit: MAX_RECORD_BYTES });
  const record = await value(id, { name: "record" });
  if (record.version !== VERSION) throw new Problem("recordVersion", { got: String(record.version), want: VERSION });
  const question = record.question ?? (await value(record.largeQuestion?.digest, { name: "question" }));
  const listed = async ({ digest, count }, what) => {
    const entries = await value(digest, what);
    if (entries.length !== count) throw new Problem("recordCount", { part: what, got: entries.length, want: count });
    return entries;
  };
  const documents = [];
  for (const { digest, name } of await listed(record.policies, { name: "policies" })) {
    documents.push({ name, bytes: await part(digest, { name: "policy", value: name }) });
  }
  const evidence = [];
  for (const { content, octets, ...piece } of await listed(record.evidence, { name: "evidence" })) {
    const what = { name: "piece", value: piece.need };
    if (piece.outcome === "found") evidence.push({ ...piece, bytes: await part(content, what), content });
    // A number that a stranger chose stands as a text in a record, and as a number in a message.
    else evidence.push(piece.outcome === "tooLarge" ? { ...piece, got: Number(piece.got) } : piece);
  }
  const verdict = record.verdict.digest ? await part(record.verdict.digest, { name: "verdict" }) : null;
  const module = parts.has(record.module) ? await part(record.module, { name: "module" }) : null;
  const stranger = digests.find((digest) => !used.has(digest));
  if (stranger !== undefined) throw new Problem("recordStranger", { digest: isDigest(stranger) ? stranger : "?" });
  return { id, record, question, documents, evidence, verdict, module };
}

/** Canonical JSON (RFC 8785) of the values that records have: JSON.stringify writes texts and whole numbers as it asks. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  // By UTF-16 code units (section 3.2.3), which is how JavaScript compares texts.
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}
