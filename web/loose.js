// A Sigstore bundle that came without the manifest that brings it: wrapped into a layout of its own, as a registry would have
// it. Nothing is proved by the wrapping; the signature inside is, or is not.

import { fromBase64, sha256, toBytes, toJson } from "./bytes.js";
import { Problem } from "./problem.js";

const BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle(\.v0\.3\+json|\+json;version=0\.\d+)$/;
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

/** Whether a JSON value says that it is a bundle. */
export const isBundle = (value) => typeof value?.mediaType === "string" && BUNDLE_TYPE.test(value.mediaType);

/** The files of a layout in which this bundle refers to every image that its statement names. */
export async function layoutOfBundle(name, bytes) {
  const bundle = toJson(bytes);
  const statement = toJson(fromBase64(bundle?.dsseEnvelope?.payload ?? "") ?? new Uint8Array());
  const subjects = (statement?.subject ?? []).filter((subject) => /^[0-9a-f]{64}$/.test(subject?.digest?.sha256 ?? ""));
  if (subjects.length === 0) throw new Problem("bundleSubject", { name });
  const empty = toBytes("{}");
  const files = new Map();
  const put = async (content) => {
    const digest = await sha256(content);
    files.set(`blobs/${digest.replace(":", "/")}`, new Blob([content]));
    return { digest, size: content.length };
  };
  const config = { mediaType: "application/vnd.oci.empty.v1+json", ...(await put(empty)) };
  const layer = { mediaType: bundle.mediaType, ...(await put(bytes)) };
  const annotations = {
    "dev.sigstore.bundle.content": "dsse-envelope",
    "dev.sigstore.bundle.predicateType": String(statement.predicateType),
  };
  const manifests = [];
  for (const subject of subjects) {
    const about = { mediaType: MANIFEST_TYPE, digest: `sha256:${subject.digest.sha256}`, size: 0 };
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: bundle.mediaType,
      config,
      layers: [layer],
      subject: about,
      annotations,
    };
    manifests.push({ mediaType: MANIFEST_TYPE, ...(await put(toBytes(JSON.stringify(manifest)))) });
    // The image itself is not here, and a decision by digest does not need it.
    manifests.push({
      mediaType: MANIFEST_TYPE,
      digest: about.digest,
      size: 0,
      annotations: { "org.opencontainers.image.ref.name": subject.name || undefined },
    });
  }
  files.set("oci-layout", new Blob(['{"imageLayoutVersion":"1.0.0"}']));
  files.set("index.json", new Blob([JSON.stringify({ schemaVersion: 2, manifests })]));
  return files;
}
