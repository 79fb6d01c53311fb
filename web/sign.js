// Signing: prepare gives the exact octets, a signer signs them, assemble gives a push plan (docs/abi.md, "Signing").

import { operation, start } from "./module.js";

/**
 * What will be signed, exactly.
 * @param {{image: string}[]} images references by digest
 * @returns {Promise<{image: string, payload: Uint8Array, message: Uint8Array, hash: string, digest: string}[]>}
 */
export async function prepare(compiled, { images, form = "legacy", annotations = {} }) {
  const instance = await start(compiled);
  return images.map(({ image }) => {
    const { ok, blobs } = instance.call(operation.prepare, { image, form, annotations });
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
  { images, form = "legacy", annotations = {}, signatureRepository, signer, signal, onProgress },
) {
  const prepared = await prepare(compiled, { images, form, annotations });
  const plans = [];
  for (const [index, { image, payload, message, hash }] of prepared.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done: index, of: images.length, image });
    const signature = await signer.sign(message, hash);
    const { publicKey } = signer;
    const { manifest, mediaType, existing } = images[index];
    const signed = { image, form, payload, signature, publicKey, signatureRepository };
    plans.push(await assemble(compiled, signed, { manifest, mediaType, existing }));
  }
  return plans;
}

/** The plan for one signature again, with what lies under its tag by now. */
export const assembleAnew = (compiled, { signed }, existing) => assemble(compiled, signed, { existing });

async function assemble(compiled, signed, { manifest, mediaType, existing }) {
  const { image, form, payload, signature, publicKey, signatureRepository } = signed;
  // A fresh instance for each: what one image brought along is not there for the next.
  const instance = await start(compiled);
  const blobs = [payload, signature, publicKey];
  const header = { image, form, payload: 0, signature: 1, publicKey: 2 };
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
