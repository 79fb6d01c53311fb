// One decision: the question, what the module needs, what a source gives, the verdict.

import { sha256, toBytes } from "./bytes.js";
import { operation, start } from "./module.js";
import { Problem } from "./problem.js";
import { framed } from "./sources/evidence.js";

/** Rounds of one decision: the module asks at most 12 times (docs/abi.md). */
const MAX_ROUNDS = 16;

/**
 * Asks the module in a fresh instance, and fetches what it needs.
 * @returns {Promise<{verdict: object, header: Uint8Array, evidence: object[], signers: object[]}>} `header` is the octets
 * that the module answered with; each piece of evidence has its octets and their digest
 */
export async function decide(compiled, { documents, question, source, signal, onProgress }) {
  const instance = await start(compiled);
  const named = documents.map(({ name }, blob) => ({ name, blob }));
  const { ok: loaded } = instance.call(
    operation.load,
    { documents: named },
    documents.map(({ text }) => toBytes(text)),
  );
  let answer = instance.call(operation.open, { question });
  const evidence = [];
  for (let round = 1; answer.ok.needs; round += 1) {
    if (round > MAX_ROUNDS) throw new Problem("tooManyRounds", { limit: MAX_ROUNDS });
    signal?.throwIfAborted();
    onProgress?.({ round, needs: answer.ok.needs.map(({ id }) => id) });
    const pieces = await source.fetchAll(answer.ok.needs, signal);
    signal?.throwIfAborted();
    evidence.push(...pieces);
    const { evidence: header, blobs } = framed(pieces);
    answer = instance.call(operation.supply, { evidence: header }, blobs);
  }
  for (const piece of evidence) if (piece.bytes) piece.content = await sha256(piece.bytes);
  return { verdict: answer.ok.verdict, header: answer.header, evidence, question, signers: loaded.policies };
}

/** Everything at once: documents and evidence that are already there. Gives needs where evidence is missing. */
export async function decideOnce(compiled, { documents, question, evidence }) {
  const instance = await start(compiled);
  const blobs = documents.map(({ bytes }) => bytes);
  const named = documents.map(({ name }, blob) => ({ name, blob }));
  const { evidence: header } = framed(evidence, blobs);
  return instance.call(operation.decide, { documents: named, question, evidence: header }, blobs);
}

/** The manifests behind an index that was decided about, as far as the source has it; empty for an image. */
export async function platforms(compiled, source, verdict, signal) {
  const [registry, ...path] = verdict.repository.split("/");
  const need = {
    id: "index",
    kind: "manifest",
    registry,
    repository: path.join("/"),
    reference: verdict.digest,
    limit: 4194304,
  };
  const [piece] = await source.fetchAll([need], signal);
  if (piece.outcome !== "found") return [];
  const instance = await start(compiled);
  const header = { digest: verdict.digest, manifest: 0, ...(piece.mediaType ? { mediaType: piece.mediaType } : {}) };
  // Octets that do not have the digest end here, so what is shown is what was decided about.
  const { ok } = instance.call(operation.contents, header, [piece.bytes]);
  if (ok.kind !== "index") return [];
  const entries = JSON.parse(new TextDecoder().decode(piece.bytes)).manifests;
  return entries.map(({ digest, platform }) => ({
    digest,
    platform: platform ? [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/") : null,
  }));
}
