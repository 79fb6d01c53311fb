// Images, signatures and records for the flows, made by the module itself.

import { createHash, createPrivateKey, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";

/** A certificate, chain or key of core's material for Notation (core/testdata/notation/README.md). */
export const material = (name) => readFileSync(new URL(`../../core/testdata/notation/${name}`, import.meta.url));

export async function fixtures({ web, moduleBytes }) {
  const at = (name) => import(new URL(name, `file://${web}/`).href);
  const [bulla, { writeTar }, { encode, operation, start }, { canonical }, { toBytes }] = await Promise.all(
    ["bulla.js", "tar.js", "module.js", "record.js", "bytes.js"].map(at),
  );
  const module = await bulla.load({ module: moduleBytes });
  const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const passphrase = "correct horse";

  async function key(algorithm = "ecdsa-p256", encrypted = false) {
    const instance = await start(module.compiled);
    const blobs = [randomBytes(320), ...(encrypted ? [toBytes(passphrase)] : [])];
    if (!encrypted) blobs[0] = blobs[0].subarray(0, 264);
    const {
      ok,
      blobs: [file, pem],
    } = instance.call(operation.generate, { algorithm, entropy: 0, ...(encrypted ? { passphrase: 1 } : {}) }, blobs);
    return { file, pem: Buffer.from(pem).toString(), fingerprint: ok.fingerprint };
  }

  /** A small image; different contents have different digests. */
  function image(content = "app") {
    const config = toBytes(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: {},
        rootfs: { type: "layers", diff_ids: [sha256(content)] },
      }),
    );
    const layer = toBytes(content);
    const manifest = toBytes(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: sha256(config), size: config.length },
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: sha256(layer), size: layer.length }],
      }),
    );
    return {
      manifest,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: sha256(manifest),
      blobs: [config, layer],
    };
  }

  function index(images) {
    const platforms = [
      { os: "linux", architecture: "amd64" },
      { os: "linux", architecture: "arm64", variant: "v8" },
    ];
    const manifest = toBytes(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: images.map((one, at_) => ({
          mediaType: one.mediaType,
          digest: one.digest,
          size: one.manifest.length,
          platform: platforms[at_],
        })),
      }),
    );
    return {
      manifest,
      mediaType: "application/vnd.oci.image.index.v1+json",
      digest: sha256(manifest),
      blobs: images.flatMap((one) => [one.manifest, ...one.blobs]),
    };
  }

  async function signed(images, signer, options = {}) {
    const { plans } = await bulla.sign({ module, key: { file: Uint8Array.from(signer.file) }, ...options, images });
    return plans;
  }

  /** A plan with a signature as notation makes it, by the key of core's material and with these certificates beside it. */
  async function notarized(name, one, ...certificates) {
    const instance = await start(module.compiled);
    const chain = Buffer.concat(certificates.map(material));
    const about = { image: `${name}@${one.digest}`, form: "notation", manifest: 0, mediaType: one.mediaType };
    const now = Math.floor(Date.now() / 1000) - 60;
    const prepared = instance.call(operation.prepare, { ...about, notation: { envelope: "jws", chain: 1, now } }, [
      one.manifest,
      chain,
    ]);
    const [payload, protected_, message] = ["payload", "protected", "message"].map(
      (part) => prepared.blobs[prepared.ok[part]],
    );
    const key = createPrivateKey(material("p256.key"));
    const signature = sign(prepared.ok.hash, message, { key, dsaEncoding: "ieee-p1363" });
    const { ok, blobs } = instance.call(
      operation.assemble,
      { ...about, payload: 2, signature: 3, notation: { envelope: "jws", chain: 1, protected: 4 } },
      [one.manifest, chain, payload, signature, protected_],
    );
    return {
      ...ok,
      manifest: blobs[ok.manifest],
      blobs: ok.blobs.map(({ blob, ...said }) => ({ ...said, bytes: blobs[blob] })),
    };
  }

  /** The files of a layout with these images by name, and what was signed about them. */
  function layoutFiles(named, plans = []) {
    const files = new Map([["oci-layout", toBytes('{"imageLayoutVersion":"1.0.0"}')]]);
    const put = (bytes) => files.set(`blobs/${sha256(bytes).replace(":", "/")}`, bytes);
    const entries = Object.entries(named).map(([name, one]) => {
      [one.manifest, ...one.blobs].forEach(put);
      return {
        mediaType: one.mediaType,
        digest: one.digest,
        size: one.manifest.length,
        annotations: { "org.opencontainers.image.ref.name": name },
      };
    });
    for (const plan of plans) {
      [plan.manifest, ...plan.blobs.map(({ bytes }) => bytes)].forEach(put);
      const annotations = plan.tag ? { "org.opencontainers.image.ref.name": plan.tag } : undefined;
      entries.push({
        mediaType: plan.mediaType,
        digest: sha256(plan.manifest),
        size: plan.manifest.length,
        annotations,
      });
    }
    files.set("index.json", toBytes(JSON.stringify({ schemaVersion: 2, manifests: entries })));
    return files;
  }

  const tar = async (files) => Buffer.from(await writeTar(files).arrayBuffer());

  /** The file of a record, as `bulla record export` writes it. */
  async function record(
    decision,
    documents,
    {
      withModule = null,
      module: named = withModule ? sha256(withModule) : module.digest,
      change = (value) => value,
    } = {},
  ) {
    const parts = [];
    const keep = (bytes) => {
      const digest = sha256(bytes);
      if (!parts.some(([there]) => there === digest)) parts.push([digest, bytes]);
      return digest;
    };
    const listed = (entries) => {
      const bytes = toBytes(canonical(entries));
      return { digest: keep(bytes), count: entries.length };
    };
    const policies = listed(documents.map(({ name, text }) => ({ digest: sha256(text), name })));
    documents.forEach(({ text }) => keep(toBytes(text)));
    const evidence = listed(
      decision.evidence.map(({ bytes, content, ...piece }) =>
        piece.outcome === "found" ? { ...piece, content, octets: bytes.length } : piece,
      ),
    );
    decision.evidence.forEach(({ bytes }) => bytes && keep(bytes));
    const header = change(decision.header);
    const said = JSON.parse(Buffer.from(header).toString()).ok.verdict;
    const verdict = {
      outcome: said.outcome,
      digest: keep(header),
      summary: said.summary.slice(0, 400),
      image: said.digest,
      pinned: said.pinned,
    };
    for (const name of ["image", "pinned"]) if (verdict[name] === null) delete verdict[name];
    const own = toBytes(
      canonical({
        version: 1,
        question: decision.question,
        policies,
        evidence,
        module: named,
        verdict,
        made: { surface: "webhook", action: said.outcome === "accept" ? "allowed" : "denied", object: "Pod web" },
      }),
    );
    if (withModule) keep(withModule);
    const whole = [[sha256(own), own], ...parts];
    return Buffer.from(
      encode(
        toBytes(canonical({ blobs: whole.map(([digest]) => digest), format: "bulla.dev/record/1" })),
        whole.map(([, bytes]) => bytes),
      ),
    );
  }

  const policy = (name, pem, more = "") => ({
    name: `${name}.yaml`,
    text: `apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: ${name}\nspec:\n  match:\n    images: [registry.example/**]\n${more}  signers:\n    release:\n      cosign:\n        publicKey: |\n${pem
      .trim()
      .split("\n")
      .map((line) => `          ${line}`)
      .join("\n")}\n  require: release\n`,
  });

  return {
    bulla,
    module,
    key,
    image,
    index,
    signed,
    notarized,
    layoutFiles,
    tar,
    record,
    policy,
    sha256,
    passphrase,
    framing: { encode, decode: (await at("module.js")).decode },
    at,
  };
}
