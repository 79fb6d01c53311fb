// Push plans as an OCI layout (image-spec 1.1, image-layout.md) that `skopeo` and `oras` can push.

import { hex, sha256, toBytes, toJson } from "./bytes.js";
import { writeTar } from "./tar.js";

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const REF_NAME = "org.opencontainers.image.ref.name";

/**
 * Plans for one repository, as one archive. What refers to an image is listed under the fallback tag as well, for registries
 * without the referrers API (distribution-spec 1.1, "Unavailable Referrers API").
 * @param {object[]} plans
 * @param {{digest: string, bytes: Uint8Array}[]} kept blobs of signatures that were there before, which a tag's manifest names
 * @returns {Promise<{archive: Blob, references: string[]}>} `references` are the tags to push
 */
export async function layoutOf(plans, kept = []) {
  const blobs = new Map(kept.map(({ digest, bytes }) => [digest, bytes]));
  const entries = [];
  const fallback = new Map();
  for (const plan of plans) {
    const digest = await sha256(plan.manifest);
    blobs.set(digest, plan.manifest);
    for (const blob of plan.blobs) blobs.set(blob.digest, blob.bytes);
    const entry = { mediaType: plan.mediaType, digest, size: plan.manifest.length };
    if (plan.tag) {
      entries.push({ ...entry, annotations: { [REF_NAME]: plan.tag } });
    } else {
      const { artifactType, annotations } = toJson(plan.manifest);
      entries.push(entry);
      fallback.set(plan.subject, [...(fallback.get(plan.subject) ?? []), { ...entry, artifactType, annotations }]);
    }
  }
  for (const [subject, manifests] of fallback) {
    const index = toBytes(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests }));
    const digest = await sha256(index);
    blobs.set(digest, index);
    const annotations = { [REF_NAME]: subject.replace(":", "-") };
    entries.push({ mediaType: INDEX_TYPE, digest, size: index.length, annotations });
  }
  const index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: entries };
  const files = [
    ["oci-layout", toBytes('{"imageLayoutVersion":"1.0.0"}')],
    ["index.json", toBytes(JSON.stringify(index))],
    ...[...blobs].map(([digest, bytes]) => [`blobs/${digest.replace(":", "/")}`, bytes]),
  ];
  return { archive: writeTar(files), references: entries.flatMap(({ annotations }) => annotations?.[REF_NAME] ?? []) };
}

/** A file's name for the plans of a repository: no slash, no colon, told apart by the repository's own digest. */
export async function fileName({ registry, repository }) {
  const whole = new Uint8Array(await crypto.subtle.digest("SHA-256", toBytes(`${registry}/${repository}`)));
  return `${repository.replaceAll("/", "-").slice(-60)}-${hex(whole).slice(0, 8)}.signatures.tar`;
}
