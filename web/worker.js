// The worker: everything that takes time or holds a key. It runs one task at a time, for whoever started it.

// What others import is named here as well, so that all of it is fetched at once; what only signing, replay or the network needs comes then.
import "./bytes.js";
import "./loose.js";
import "./record.js";
import "./sources/layout.js";
import "./tar.js";
import "./texts.js";
import { ModuleError, operation, start } from "./module.js";
import { collect } from "./collect.js";
import { decide, platforms } from "./decide.js";
import { readPin, readPolicies } from "./pins.js";
import { plain, Problem } from "./problem.js";
import { Evidence } from "./sources/evidence.js";

/** Octets of a manifest (docs/abi.md, "Limits"). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Octets of one blob of an earlier signature that goes along into an archive. A payload has at most 16 KiB, an attestation 4 MiB. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;
/** Leaves of an index that are decided about one by one. As many as the module takes in place of an index. */
const MAX_LEAVES = 64;
/** Pushes of one plan while others sign the same image. */
const MAX_PUSHES = 5;

let own;
/** What was dropped last, so that it is read once. */
let dropped = { token: null, content: null };

const tasks = {
  async collect({ token, files }, report) {
    const content = await contentOf(token, files, report);
    const images = [];
    for (const image of (await content.layout?.images()) ?? []) images.push(await named(content.layout, image));
    for (const [index, { question, pieces }] of content.evidence.entries()) {
      if (question?.image)
        images.push({ evidence: index, names: [question.image], digest: null, here: true, pieces: pieces.length });
    }
    const { keys, policies, items } = content;
    return { images, keys, policies, items };
  },

  async check({ token, files, images, documents, now, access, leaves }, report) {
    const content = files.length ? await contentOf(token, files, report) : null;
    for (const [index, { image, from, evidence }] of images.entries()) {
      const question = { image, now };
      try {
        const source = await sourceOf({ from, evidence, image, content, access });
        const onProgress = (progress) => report({ index, ...progress });
        const {
          verdict,
          header,
          evidence: pieces,
          signers,
        } = await decide(own.compiled, { documents, question, source, onProgress });
        const parts = leaves && verdict.digest ? await leavesOf(source, verdict, documents, now) : [];
        report({ index, result: { verdict, header, evidence: pieces, question, signers, leaves: parts } });
      } catch (error) {
        report({ index, result: { error: plain(error), question } });
      }
    }
    return { done: images.length };
  },

  /** What is needed of images before they can be signed: digests, manifests, and what is signed already. */
  async gather({ token, files, images, form, attests, access }, report) {
    const content = files.length ? await contentOf(token, files, report) : null;
    const gathered = [];
    for (const [index, { image, from }] of images.entries()) {
      report({ index, image });
      gathered.push(await gatherOne(image, await sourceOf({ from, image, content, access }), form, attests));
    }
    return gathered;
  },

  async prepare(request) {
    const { prepare } = await import("./sign.js");
    return prepare(own.compiled, request);
  },

  async sign({ images, form, annotations, attestation, file, passphrase, pair, kept }, report) {
    const [{ sign }, { fileSigner, webCryptoSigner }, { fileName, layoutOf }] = await Promise.all([
      import("./sign.js"),
      import("./signers.js"),
      import("./plan.js"),
    ]);
    const signer = pair ? await webCryptoSigner(pair) : await fileSigner(own.compiled, file, passphrase);
    try {
      const plans = await sign(own.compiled, { images, form, annotations, attestation, signer, onProgress: report });
      const repositories = new Map();
      for (const [index, plan] of plans.entries()) {
        const name = `${plan.registry}/${plan.repository}`;
        const group = repositories.get(name) ?? { name, plans: [], kept: [] };
        group.plans.push(plan);
        group.kept.push(...kept[index]);
        repositories.set(name, group);
      }
      const archives = [];
      for (const { name, plans: together, kept: blobs } of repositories.values()) {
        const { archive, references } = await layoutOf(together, blobs);
        archives.push({ repository: name, file: await fileName(together[0]), archive, references });
      }
      return { plans, archives, publicKey: signer.publicKey };
    } finally {
      signer.end();
      file?.fill(0);
      passphrase?.fill(0);
    }
  },

  async push({ plan, access }) {
    const gateway = await gatewayFor(plan.image, access);
    for (let tries = 1; ; tries += 1) {
      try {
        return await gateway.push(plan);
      } catch (error) {
        // Somebody signed meanwhile: his signature stays, beside this one.
        if (error.values?.code !== "changed" || !plan.tag || tries === MAX_PUSHES) throw error;
        plan = await merged(plan, gateway);
      }
    }
  },

  async generate({ algorithm, passphrase }) {
    const instance = await start(own.compiled);
    const { limits } = instance.call(operation.describe, {}).ok;
    const entropy = crypto.getRandomValues(new Uint8Array(limits.keyEntropyBytes + limits.encryptionEntropyBytes));
    const { ok, blobs } = instance.call(operation.generate, { algorithm, entropy: 0, passphrase: 1 }, [
      entropy,
      passphrase,
    ]);
    entropy.fill(0);
    passphrase.fill(0);
    return {
      algorithm: ok.algorithm,
      fingerprint: ok.fingerprint,
      file: blobs[ok.privateKey],
      publicKey: blobs[ok.publicKey],
    };
  },

  /** Opens a private key file, and writes it anew in cosign's encrypted form where it is to be kept. */
  async privateKey({ file, passphrase, keepUnder }) {
    const instance = await start(own.compiled);
    const blobs = [file];
    const header = { key: 0 };
    if (passphrase) header.passphrase = blobs.push(passphrase) - 1;
    if (keepUnder) {
      const entropy = crypto.getRandomValues(
        new Uint8Array(instance.call(operation.describe, {}).ok.limits.encryptionEntropyBytes),
      );
      header.write = { form: "cosign", passphrase: blobs.push(keepUnder) - 1, entropy: blobs.push(entropy) - 1 };
    } else {
      // Asking for it to be written anew is how the module says that a file is no private key.
      header.write = { form: "pkcs8" };
    }
    const { ok, blobs: written } = instance.call(operation.key, header, blobs);
    const kept = keepUnder ? written[ok.privateKey] : null;
    if (!keepUnder) written[ok.privateKey].fill(0);
    for (const blob of blobs) blob.fill(0);
    return { algorithm: ok.algorithm, fingerprint: ok.fingerprint, publicKey: written[ok.publicKey], file: kept };
  },

  readPin: ({ text }) => readPin(own.compiled, text),
  readPolicies: ({ documents }) => readPolicies(own.compiled, documents),

  async replay({ file, policies, otherModule }) {
    const { replay } = await import("./replay.js");
    return replay(own, new Uint8Array(await file.arrayBuffer()), { policies, otherModule });
  },

  /** Octets to the module and back, as they are: the shared vectors run like this. */
  async exchange({ messages }) {
    const replies = [];
    for (const { number, message } of messages) replies.push((await start(own.compiled)).exchange(number, message));
    return replies;
  },
};

self.onmessage = async ({ data: { id, task, args } }) => {
  if (task === "begin") {
    own = args;
    return;
  }
  try {
    const value = await tasks[task](args, (progress) => self.postMessage({ id, progress }));
    self.postMessage({ id, value });
  } catch (error) {
    const known = error instanceof Problem || error instanceof ModuleError;
    // A trap leaves an instance unusable; each task starts its own, so the next one is not touched by it.
    self.postMessage({
      id,
      error: known ? plain(error) : plain(new Problem("moduleTrap", { reason: String(error?.message ?? error) })),
    });
  }
};

async function contentOf(token, files, report) {
  if (dropped.token !== token) dropped = { token, content: await collect(own.compiled, files, { onProgress: report }) };
  return dropped.content;
}

async function sourceOf({ from, evidence, image, content, access }) {
  if (from === "gateway") {
    const [{ registries }, { Registry }] = await Promise.all([import("./config.js"), import("./sources/registry.js")]);
    const origin = registries[image.split("/")[0]];
    return origin ? new Registry(origin) : gatewayFor(image, access);
  }
  return evidence === undefined ? content.layout : new Evidence(content.evidence[evidence].pieces);
}

/** The gateway, with what was typed; a password is for the image's own registry. */
async function gatewayFor(image, { token, credentials } = {}) {
  const { Gateway } = await import("./sources/gateway.js");
  const [first] = image.split("/");
  const registry = image.includes("/") && /[.:]|^localhost$/.test(first) ? first : "docker.io";
  return new Gateway({ token, credentials: credentials && { registry, ...credentials } });
}

/** A push plan that keeps what lies under its tag now. */
async function merged(plan, gateway) {
  const [{ needFor }, { assembleAnew }] = await Promise.all([import("./sources/gateway.js"), import("./sign.js")]);
  const [there] = await gateway.fetchAll([needFor("manifest", plan, plan.tag, MAX_MANIFEST_BYTES)]);
  if (there.outcome !== "found" && there.outcome !== "absent")
    throw new Problem("existingUnknown", { image: plan.image, reason: there.reason ?? there.outcome });
  return assembleAnew(own.compiled, plan, there.bytes);
}

/** The names by which an image may be asked for. Where the file gives no whole name, what its signatures claim is offered. */
async function named(layout, image) {
  const whole = image.names.filter((name) => /^[^/]+[.:][^/]*\/|^localhost\//.test(name));
  const tag = image.names.find((name) => /^[\w.-]{1,128}$/.test(name)) ?? null;
  if (whole.length) return { ...image, names: whole, claimed: null, tag };
  return { ...image, names: [], claimed: await claimedName(layout, image.digest), tag };
}

async function claimedName(layout, digest) {
  const instance = await start(own.compiled);
  const evidence = [];
  const blobs = [];
  for (let round = 0; round < 12; round += 1) {
    const request = { image: `name.invalid/unknown@${digest}`, keys: [], evidence };
    const { ok } = instance.call(operation.inspect, request, blobs);
    if (ok.listing)
      return (
        ok.listing.entries
          .map(({ claim }) => claim?.identity)
          .find((identity) => identity && !identity.startsWith("name.invalid")) ?? null
      );
    for (const { bytes, ...piece } of await layout.fetchAll(ok.needs)) {
      evidence.push(bytes ? { ...piece, blob: blobs.push(bytes) - 1 } : piece);
    }
  }
  return null;
}

async function leavesOf(source, verdict, documents, now) {
  const found = await platforms(own.compiled, source, verdict);
  const leaves = [];
  for (const { digest, platform } of found.slice(0, MAX_LEAVES)) {
    const image = `${verdict.repository}@${digest}`;
    const {
      verdict: leaf,
      evidence,
      signers,
      header,
    } = await decide(own.compiled, { documents, question: { image, now }, source });
    leaves.push({
      platform,
      digest,
      result: { verdict: leaf, evidence, signers, header, question: { image, now }, leaves: [] },
    });
  }
  return leaves;
}

async function gatherOne(image, source, form, attests) {
  const { needFor } = await import("./sources/gateway.js");
  const place = placeOf(image);
  const answer = async (kind, reference, limit) => (await source.fetchAll([needFor(kind, place, reference, limit)]))[0];
  let { digest } = place;
  if (!digest) {
    const resolved = await answer("resolve", place.tag, 0);
    if (resolved.outcome !== "digest")
      throw new Problem("imageUnresolved", { image, reason: resolved.reason ?? resolved.outcome });
    digest = resolved.digest;
  }
  const fetched = await answer("manifest", digest, MAX_MANIFEST_BYTES);
  if (fetched.outcome !== "found")
    throw new Problem("imageMissing", { image, reason: fetched.reason ?? fetched.outcome });
  // The module holds the octets against the digest: nothing else is signed than what lies there.
  const { ok } = (await start(own.compiled)).call(operation.contents, { digest, manifest: 0, ...typed(fetched) }, [
    fetched.bytes,
  ]);
  const reference = `${place.registry}/${place.repository}${place.tag ? `:${place.tag}` : ""}@${digest}`;
  const gathered = {
    image: reference,
    digest,
    manifest: fetched.bytes,
    mediaType: fetched.mediaType,
    kind: ok.kind,
    existing: null,
    kept: [],
  };
  if (form !== "legacy") return gathered;
  const tag = `${digest.replace(":", "-")}.${attests ? "att" : "sig"}`;
  const there = await answer("manifest", tag, MAX_MANIFEST_BYTES);
  if (there.outcome === "absent") return gathered;
  if (there.outcome !== "found") throw new Problem("existingUnknown", { image, reason: there.reason ?? there.outcome });
  const { layers = [], config } = JSON.parse(new TextDecoder().decode(there.bytes));
  for (const named of [config, ...layers]) {
    const piece = await answer("blob", named.digest, MAX_KEPT_BYTES);
    if (piece.outcome === "found") gathered.kept.push({ digest: named.digest, bytes: piece.bytes });
  }
  return { ...gathered, existing: there.bytes };
}

const typed = ({ mediaType }) => (mediaType ? { mediaType } : {});

/** A reference in its parts. The module reads it anew and refuses what is none. */
function placeOf(image) {
  const [name, digest] = image.split("@");
  const slash = name.indexOf("/");
  const [, path, tag] = /^(.*?)(?::([\w][\w.-]{0,127}))?$/.exec(name.slice(slash + 1)) ?? [];
  if (slash < 1 || !/[.:]|^localhost$/.test(name.slice(0, slash))) throw new Problem("imageName", { image });
  return { registry: name.slice(0, slash), repository: path, tag: tag ?? (digest ? null : "latest"), digest };
}
