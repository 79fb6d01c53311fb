// Bulla in a page or a program of your own: check, sign and replay, by the same module as everywhere. bulla.d.ts says what goes
// in and what comes out. Nothing here touches the document, so it runs in a worker as well; long work belongs there.

import { sha256 } from "./bytes.js";
import { collect } from "./collect.js";
import { decide, platforms } from "./decide.js";
import { compile, operation, start } from "./module.js";
import { documentsOf, pinnedFor, readPin } from "./pins.js";
import { layoutOf } from "./plan.js";
import { Problem } from "./problem.js";
import { replay as replayRecord } from "./replay.js";
import { sign as signImages } from "./sign.js";
import { fileSigner, webCryptoSigner } from "./signers.js";

export { ModuleError } from "./module.js";
export { Problem } from "./problem.js";
export { Evidence, readPieces, writePieces } from "./sources/evidence.js";
export { Gateway } from "./sources/gateway.js";
export { Layout } from "./sources/layout.js";
export { Registry } from "./sources/registry.js";
export { readTar } from "./tar.js";

let own;

/** Loads the module: from beside this file, from another address, or from its octets. */
export async function load({ module = new URL("bulla.wasm", import.meta.url), digest } = {}) {
  const bytes = module instanceof URL || typeof module === "string" ? await fetched(module) : module;
  const found = await sha256(bytes);
  if (digest !== undefined && digest !== found) throw new Problem("moduleDigest", { found, wanted: digest });
  const compiled = await compile(bytes);
  const { ok } = (await start(compiled)).call(operation.describe, {});
  return { compiled, digest: found, octets: bytes.byteLength, ...ok };
}

/** Decides about one image. */
export async function check({
  image,
  policies = [],
  keys = [],
  files,
  source,
  now,
  namespace,
  operation: done,
  labels,
  module,
  signal,
  onProgress,
}) {
  const { compiled } = await (module ?? ownModule());
  const pins = await Promise.all(
    keys.map(async (key, index) => {
      const pin = await readPin(compiled, key);
      return { label: `key ${index + 1}`, ...pinnedFor(pin.uses[0], pin) };
    }),
  );
  const documents = [...documentsOf(pins), ...policies];
  const from = source ?? (await layoutIn(compiled, files, signal));
  const question = { image, now: now ?? Math.floor(Date.now() / 1000) };
  if (namespace !== undefined) question.namespace = namespace;
  if (done !== undefined) question.operation = done;
  if (labels !== undefined) question.labels = labels;
  const decision = await decide(compiled, { documents, question, source: from, signal, onProgress });
  const leaves = decision.verdict.digest ? await platforms(compiled, from, decision.verdict, signal) : [];
  return { ...decision, platforms: leaves };
}

/** Signs images and gives their push plans, and the same as an archive in OCI layout. Publishes nothing. */
export async function sign({
  images,
  key,
  form,
  annotations,
  attestation,
  signatureRepository,
  module,
  signal,
  onProgress,
}) {
  const { compiled } = await (module ?? ownModule());
  const signer = key.privateKey ? await webCryptoSigner(key) : await fileSigner(compiled, key.file, key.passphrase);
  try {
    const plans = await signImages(compiled, {
      images,
      form,
      annotations,
      attestation,
      signatureRepository,
      signer,
      signal,
      onProgress,
    });
    return { plans, publicKey: signer.publicKey, ...(await layoutOf(plans)) };
  } finally {
    signer.end();
  }
}

/** Decides anew what the file of a record says was decided. */
export async function replay({ record, policies, otherModule, module }) {
  return replayRecord(await (module ?? ownModule()), record, { policies, otherModule });
}

function ownModule() {
  own ??= load();
  // A failure is not kept: the next call may find the host again.
  own.catch(() => {
    own = undefined;
  });
  return own;
}

async function layoutIn(compiled, files, signal) {
  const { layout, items } = await collect(compiled, files ?? [], { signal });
  const broken = items.find(({ kind }) => kind === "problem");
  if (broken) throw Object.assign(new Error(broken.error.message), broken.error);
  if (!layout) throw new Problem("noSource");
  return layout;
}

async function fetched(url) {
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new Problem("moduleFetch", { url: String(url), status: response?.status ?? null });
  return response.arrayBuffer();
}
