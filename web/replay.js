// Replay (docs/records.md): the same question to the same module, with the same policies and evidence.

import { same, toBytes, toJson } from "./bytes.js";
import { decideOnce } from "./decide.js";
import { compile } from "./module.js";
import { Problem } from "./problem.js";
import { readRecord } from "./record.js";

/**
 * Decides anew what a record says was decided, and compares the answers octet by octet.
 * @param {{compiled: WebAssembly.Module, digest: string}} own this page's module
 * @param {Uint8Array} file
 * @param {{policies?: {name: string, text: string}[], otherModule?: boolean}} options `policies` are tried in place of the
 * recorded ones, and then nothing is compared; `otherModule` decides with this page's module where the record's is not there
 */
export async function replay(own, file, { policies, otherModule = false } = {}) {
  const { id, record, question, documents, evidence, verdict, module } = await readRecord(file);
  const facts = {
    id,
    record,
    question,
    evidence,
    documents: documents.map(({ name, bytes }) => ({ name, text: new TextDecoder().decode(bytes) })),
  };
  const isOwn = record.module === own.digest;
  if (!isOwn && !module && !otherModule && !policies) return { ...facts, by: null, result: "noModule" };
  const recorded = verdict && toJson(verdict)?.ok?.verdict;
  // A policy that is tried out is tried with the module that one has; a replay needs the one that decided.
  const theirs = !isOwn && module && !policies && !otherModule;
  const compiled = theirs ? await compile(module) : own.compiled;
  const by = theirs ? record.module : own.digest;
  const tried = policies?.map(({ name, text }) => ({ name, bytes: toBytes(text) }));
  const answer = await decideOnce(compiled, { documents: tried ?? documents, question, evidence });
  if (answer.ok.needs) {
    if (!policies && !otherModule)
      throw new Problem("recordEvidence", { needs: answer.ok.needs.map(({ id: need }) => need).join(", ") });
    return { ...facts, by, recorded, result: "needs", needs: answer.ok.needs.map(({ id: need }) => need) };
  }
  const outcome = { ...facts, by, recorded, header: answer.header, verdict: answer.ok.verdict };
  if (policies) return { ...outcome, result: "tried" };
  if (!verdict) return { ...outcome, result: "noVerdict" };
  if (same(answer.header, verdict)) return { ...outcome, result: "agrees" };
  const difference = firstDifference(toJson(verdict), answer && toJson(answer.header));
  return {
    ...outcome,
    result: "differs",
    difference: difference ?? { pointer: "", recorded: verdict.length, replayed: answer.header.length },
  };
}

/** The first place in which two JSON values differ, as a JSON pointer (RFC 6901), or null. */
export function firstDifference(recorded, replayed, pointer = "") {
  const isBranch = (value) => value !== null && typeof value === "object";
  if (!isBranch(recorded) || !isBranch(replayed) || Array.isArray(recorded) !== Array.isArray(replayed)) {
    return Object.is(recorded, replayed) ? null : { pointer, recorded, replayed };
  }
  const names = [...new Set([...Object.keys(recorded), ...Object.keys(replayed)])];
  if (!Array.isArray(recorded)) names.sort();
  for (const name of names) {
    const step = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    const found = firstDifference(recorded[name], replayed[name], step);
    if (found) return found;
  }
  return null;
}
