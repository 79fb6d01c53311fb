// What was dropped: layouts, bundles, evidence, keys and policies, told apart by what is in them, never by their names.

import { toBytes, toJson, toText } from "./bytes.js";
import { isBundle, layoutOfBundle } from "./loose.js";
import { ModuleError, operation, start } from "./module.js";
import { pinnedFor, readPin, readPolicies } from "./pins.js";
import { plain, Problem } from "./problem.js";
import { isRecord } from "./record.js";
import { readPieces } from "./sources/evidence.js";
import { Layout } from "./sources/layout.js";
import { isTar, readTar } from "./tar.js";

/** Octets of a file that is read as a whole: a policy, a key, a bundle. The module takes a policy of at most 1 MiB. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
/** Octets of a file of evidence or a record: what records have at most (docs/records.md). */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/**
 * @param {{path: string, file: Blob}[]} files
 * @returns {Promise<{layout: Layout | null, evidence: object[], keys: object[], policies: object[], items: object[]}>} `items`
 * say for each file or folder what it is, or what is wrong with it
 */
export async function collect(compiled, files, { onProgress, signal } = {}) {
  const found = { layout: null, evidence: [], keys: [], policies: [], items: [] };
  const add = async (name, content) => {
    found.layout ??= new Layout();
    await found.layout.add(name, content);
  };
  const { folders, single } = grouped(files);
  const tasks = [
    ...[...folders].map(([name, content]) => ({
      name,
      look: () => add(name, content).then(() => ({ kind: "layout" })),
    })),
    ...single.map(({ path, file }) => ({
      name: path,
      look: () => one(compiled, path, file, found, add, { onProgress, signal }),
    })),
  ];
  for (const { name, look } of tasks) {
    signal?.throwIfAborted();
    try {
      found.items.push({ name, ...(await look()) });
    } catch (error) {
      if (signal?.aborted) throw error;
      found.items.push({ name, kind: "problem", error: plain(error) });
    }
  }
  return found;
}

/** Folders with a layout in them, and files that stand alone. */
function grouped(files) {
  const roots = files
    .filter(({ path }) => /(^|\/)oci-layout$/.test(path))
    .map(({ path }) => path.slice(0, -"oci-layout".length));
  const folders = new Map();
  const single = [];
  for (const entry of files) {
    const root = roots.find((prefix) => entry.path.startsWith(prefix) && prefix !== "");
    if (root === undefined) {
      single.push(entry);
      continue;
    }
    const name = root.slice(0, -1);
    if (!folders.has(name)) folders.set(name, new Map());
    folders.get(name).set(entry.path.slice(root.length), entry.file);
  }
  return { folders, single };
}

async function one(compiled, name, file, found, add, { onProgress, signal }) {
  if (file.size === 0) throw new Problem("fileEmpty", { name });
  const head = new Uint8Array(await file.slice(0, 512).arrayBuffer());
  if (isTar(head)) {
    await add(
      name,
      await readTar(file, { name, signal, onProgress: (share) => onProgress?.({ reading: name, share }) }),
    );
    return { kind: "layout" };
  }
  if ((head[0] === 0x1f && head[1] === 0x8b) || (head[0] === 0x28 && head[1] === 0xb5))
    throw new Problem("fileCompressed", { name });
  if (file.size > MAX_MESSAGE_BYTES || (file.size > MAX_TEXT_BYTES && head[3] !== 0))
    throw new Problem("fileUnknown", { name });
  const bytes = new Uint8Array(await file.arrayBuffer());
  // DER is one SEQUENCE; a message has its header, an object, behind four octets of length.
  if (bytes[0] === 0x30 && bytes[4] !== 0x7b && toText(bytes) === null) return pinned(compiled, name, bytes, found);
  if (isRecord(bytes)) return { kind: "record" };
  const text = toText(bytes);
  if (text === null || head[3] === 0) {
    const read = message(bytes);
    if (!read) throw new Problem("fileUnknown", { name });
    found.evidence.push({ name, ...read });
    return { kind: "evidence" };
  }
  // A policy holds keys as well, and is more than they are.
  if (text.includes("-----BEGIN") && !/^\s*kind:/m.test(text)) return pinned(compiled, name, text, found);
  const value = toJson(bytes);
  if (isBundle(value)) {
    await add(name, await layoutOfBundle(name, bytes));
    return { kind: "bundle" };
  }
  if (typeof value?.mediaType === "string" && value.mediaType.includes("trustedroot")) throw new Problem("trustedRoot");
  return policy(compiled, name, text, found);
}

async function pinned(compiled, name, given, found) {
  const pin = await readPin(compiled, given);
  const [use] = pin.uses;
  found.keys.push({ name, ...pin });
  return { kind: use === "key" ? "key" : "root", fingerprint: pinnedFor(use, pin).fingerprint };
}

async function policy(compiled, name, text, found) {
  if (/^\s*"?kind"?:\s*"?ImagePolicy/m.test(text)) {
    const policies = await readPolicies(compiled, [{ name, text }]);
    found.policies.push({ name, text, policies });
    return { kind: "policy" };
  }
  // Policies of other systems are said as ours, or refused by their fields.
  const instance = await start(compiled);
  try {
    const { ok, blobs } = instance.call(operation.convert, { name, blob: 0 }, [toBytes(text)]);
    for (const converted of ok.policies) {
      const document = { name: converted.name, text: toText(blobs[converted.blob]) };
      found.policies.push({ ...document, policies: await readPolicies(compiled, [document]) });
    }
    return { kind: "converted", notes: [...ok.notes, ...ok.policies.flatMap(({ notes }) => notes)] };
  } catch (error) {
    // A text whose kind nobody knows is no policy at all.
    if (error instanceof ModuleError && error.details[0]?.path === "kind") throw new Problem("fileUnknown", { name });
    throw error;
  }
}

function message(bytes) {
  try {
    return readPieces(bytes);
  } catch {
    return null;
  }
}
