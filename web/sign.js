// Signing: prepare gives the exact octets, a signer signs them, assemble gives a push plan (docs/abi.md, "Signing").

import { operation, start } from "./module.js";

/**
 * What is said about every image in place of “it is signed”: a predicate of some type, as `cosign attest` takes it.
 * @typedef {{predicateType: string, predicate: Uint8Array, now?: number}} Attestation `now`, Unix time, for the type `custom`
 */

/**
 * What will be signed, exactly.
 * @param {{image: string}[]} images references by digest
 * @param {Attestation | null} attestation
 * @returns {Promise<{image: string, payload: Uint8Array, message: Uint8Array, hash: string, digest: string}[]>}
 */
export async function prepare(compiled, { images, form = "legacy", annotations = {}, attestation = null }) {
  const instance = await start(compiled);
  const { predicateType, predicate, now } = attestation ?? {};
  const statement = attestation
    ? { attestation: { predicateType, predicate: 0, ...(now !== undefined && { now }) } }
    : { annotations };
  return images.map(({ image }) => {
    const request = { image, form, ...statement };
    const { ok, blobs } = instance.call(operation.prepare, request, attestation ? [predicate] : []);
    return { image, payload: blobs[ok.payload], message: blobs[ok.message], hash: ok.hash, digest: ok.digest };
  });
}

/**
 * Signs every image, and gives what is to be pushed. Everything is signed and checked before anything is given.
 * @param {{image: string, manifest?: Uint8Array, mediaType?: string, existing?: Uint8Array}[]} images `manifest` is the
 * image's own, for bundles; `existing` is the manifest under the signature tag now, for legacy signatures
 * @param {import("./signers.js").Signer} signer
 */
export async function sign(
  compiled,
  { images, form = "legacy", annotations = {}, attestation = null, signatureRepository, signer, signal, onProgress },
) {
  const prepared = await prepare(compiled, { images, form, annotations, attestation });
  const predicateType = attestation?.predicateType ?? null;
  const plans = [];
  for (const [index, { image, payload, message, hash }] of prepared.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done: index, of: images.length, image });
    const signature = await signer.sign(message, hash);
    const { publicKey } = signer;
    const { manifest, mediaType, existing } = images[index];
    const signed = { image, form, predicateType, payload, signature, publicKey, signatureRepository };
    plans.push(await assemble(compiled, signed, { manifest, mediaType, existing }));
  }
  return plans;
}

/** The plan for one signature again, with what lies under its tag by now. */
export const assembleAnew = (compiled, { signed }, existing) => assemble(compiled, signed, { existing });

async function assemble(compiled, signed, { manifest, mediaType, existing }) {
  const { image, form, predicateType, payload, signature, publicKey, signatureRepository } = signed;
  // A fresh instance for each: what one image brought along is not there for the next.
  const instance = await start(compiled);
  const blobs = [payload, signature, publicKey];
  const header = { image, form, payload: 0, signature: 1, publicKey: 2 };
  if (predicateType !== null) header.attestation = { predicateType };
  if (signatureRepository) header.signatureRepository = signatureRepository;
  if (form === "bundle") {
    header.manifest = blobs.push(manifest) - 1;
    if (mediaType) header.mediaType = mediaType;
  } else if (existing) {
    header.existing = blobs.push(existing) - 1;
  }
  const { ok, blobs: planned } = instance.call(operation.assemble, header, blobs);
  const content = ok.blobs.map(({ blob, ...described }) => ({ ...described, bytes: planned[blob] }));
  return { ...ok, image, form, payload, signed, manifest: planned[ok.manifest], blobs: content };
}
