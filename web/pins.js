// What is pinned, and the policy documents that say what it means. Pins of one scope are one policy: one of its signers has to
// have signed. An image in several scopes needs a signature for each, as with any policies (docs/policy.md).

import { toBytes, toText } from "./bytes.js";
import { operation, start } from "./module.js";
import { Problem } from "./problem.js";

/** Uses of a certificate in Notation's trust stores: their names there and in policy documents. */
const STORES = new Set(["ca", "signingAuthority", "tsa"]);

/**
 * @typedef {object} Pin
 * @property {string} label
 * @property {Use} use
 * @property {string} fingerprint of a key `sha256:` and 64 digits, of its SubjectPublicKeyInfo; of a certificate the same, of its
 * DER; of a root key the digits alone, Notary's id of it
 * @property {string | null} publicKey PEM; null where only the fingerprint is known
 * @property {string | null} algorithm
 * @property {Certificate[]} [certificates] for uses of a certificate; none where only the fingerprint is known
 * @property {string[]} [identities] whose signatures count under a root, as Notation's trust policies write them; none for everybody's
 * @property {"strict" | "permissive"} [level] how strictly Notation's checks are taken
 * @property {string | null} [server] the notary server; null for the image's registry
 * @property {string | null} notBefore `2026-01-31T12:00:00Z`
 * @property {string | null} notAfter
 * @property {string[]} scope patterns over repositories; none for every image
 *
 * @typedef {"key" | "ca" | "signingAuthority" | "tsa" | "rootKey" | "rootCertificate" | "rootAuthority"} Use a key that signs for
 * cosign; certificates of Notation's trust stores; roots of Docker Content Trust
 * @typedef {{pem: string, subject: string, thumbprint: string, notBefore: string, notAfter: string}} Certificate
 */

/**
 * What somebody gave to be pinned: a public key, certificates (PEM, or one as DER), or a fingerprint. `uses` are those that it
 * can be pinned for, the likeliest first.
 *
 * @param {string | Uint8Array} given
 */
export async function readPin(compiled, given) {
  const text = typeof given === "string" ? given.trim() : (toText(given)?.trim() ?? "");
  // As Bulla writes it, or octet by octet with colons, as others do.
  const [, digits] = /^([0-9a-f]{64})$/i.exec(text.replace(/^sha256:/i, "").replaceAll(/[:\s]/g, "")) ?? [];
  if (digits) {
    const uses = ["key", "ca", "signingAuthority", "tsa", "rootKey"];
    const fingerprint = `sha256:${digits.toLowerCase()}`;
    return {
      publicKey: null,
      fingerprint,
      algorithm: null,
      notBefore: null,
      notAfter: null,
      uses,
      source: "fingerprint",
    };
  }
  if (text.startsWith("{") && text.includes("certificateAuthorities")) throw new Problem("trustedRoot");
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw new Problem("privateForPublic");
  const file = typeof given === "string" ? toBytes(`${text}\n`) : given;
  const { ok, blobs } = (await start(compiled)).call(operation.key, { key: 0 }, [file]);
  const certificates = ok.certificates?.map((one) => ({
    ...one,
    pem: toText(blobs[one.pem]),
    notBefore: momentOf(one.notBefore),
    notAfter: momentOf(one.notAfter),
  }));
  return {
    publicKey: toText(blobs[ok.publicKey]),
    fingerprint: ok.fingerprint,
    algorithm: ok.algorithm,
    ...(certificates && { certificates }),
    notBefore: certificates?.[0].notBefore ?? null,
    notAfter: certificates?.[0].notAfter ?? null,
    uses: certificates ? usesOf(certificates) : ["key"],
    source: certificates ? "certificate" : "key",
  };
}

/** What the first of some certificates can be pinned for. The module says so in the end; this offers nothing that it refuses. */
function usesOf([{ isCa, isSelfIssued }]) {
  if (isCa) return ["ca", "signingAuthority", ...(isSelfIssued ? ["tsa"] : []), "rootAuthority", "key"];
  return ["key", ...(isSelfIssued ? ["ca", "signingAuthority"] : []), "rootCertificate"];
}

/** Unix time as policy documents write it. */
const momentOf = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** What was given, pinned for a use: by the fingerprint of what then counts. */
export function pinnedFor(use, { source: _, uses: __, certificates, ...given }) {
  if (use === "key") return { ...given, use };
  const bare = { ...given, use, publicKey: null, algorithm: null, notBefore: null, notAfter: null };
  if (use === "rootKey") return { ...bare, fingerprint: given.fingerprint.replace("sha256:", "") };
  return certificates ? { ...bare, certificates, fingerprint: `sha256:${certificates[0].thumbprint}` } : bare;
}

/** The same pin once what it is a fingerprint of has come along; null where this is something else. */
export function completed(pin, { publicKey, algorithm, fingerprint, certificates = [] }) {
  if (isComplete(pin)) return null;
  if (useOf(pin) === "key")
    return fingerprint === pin.fingerprint && publicKey ? { ...pin, publicKey, algorithm } : null;
  const meant = certificates.filter(({ thumbprint }) => `sha256:${thumbprint}` === pin.fingerprint);
  return meant.length ? { ...pin, certificates: meant } : null;
}

/** Pins that were kept before there were others are of keys. */
export const useOf = ({ use = "key" }) => use;

/** Whether there is enough of it to count: a fingerprint alone waits for its key or certificate. */
export const isComplete = (pin) =>
  useOf(pin) === "rootKey" || (useOf(pin) === "key" ? Boolean(pin.publicKey) : Boolean(pin.certificates?.length));

/** The policy documents that these pins stand for, one for each scope in which somebody can sign. Incomplete ones are in none. */
export function documentsOf(pins) {
  const scopes = new Map();
  for (const pin of pins.filter(isComplete)) {
    const scope = [...(pin.scope ?? [])].sort();
    const key = JSON.stringify(scope);
    scopes.set(key, { scope, pins: [...(scopes.get(key)?.pins ?? []), pin] });
  }
  const sorted = [...scopes].sort(([a], [b]) => (a < b ? -1 : 1));
  // Timestamps alone are nobody's signature.
  const signing = sorted.filter(([, { pins: together }]) => together.some((pin) => useOf(pin) !== "tsa"));
  return signing.map(([, { scope, pins: together }], index) => ({
    name: `pins-${index + 1}.yaml`,
    text: documentOf(scope, together),
  }));
}

/** The policy document by which an image has to be attested by this pin. */
export function attestedBy(pin, predicateType) {
  const signed = documentOf([], [{ ...pin, label: "key" }]);
  const attestation = `  attestations:\n    it: {predicateType: ${quoted(predicateType)}, signer: "key"}\n`;
  return {
    name: "attested.yaml",
    text: signed.replace(/ {2}require: .*\n$/, `${attestation}  require: {attestation: it}\n`),
  };
}

// JSON texts are YAML texts, so whatever a label holds stays a label.
const quoted = JSON.stringify;

function documentOf(scope, pins) {
  const names = new Map();
  for (const pin of pins.filter((one) => useOf(one) !== "tsa")) {
    let name = pin.label;
    for (let count = 2; names.has(name); count += 1) name = `${pin.label} (${count})`;
    names.set(name, pin);
  }
  const authorities = pins.filter((one) => useOf(one) === "tsa").flatMap(({ certificates }) => certificates);
  const lines = [
    "apiVersion: bulla.dev/v1alpha1",
    "kind: ImagePolicy",
    "metadata:",
    `  name: ${quoted(scope.length ? `pins for ${scope.join(", ")}`.slice(0, 250) : "pins for every image")}`,
    "spec:",
    "  match:",
    scope.length ? `    images: ${quoted(scope)}` : "    everyImage: true",
    "  signers:",
  ];
  for (const [name, pin] of names) lines.push(`    ${quoted(name)}:`, ...signerOf(pin, authorities));
  const [first, ...more] = [...names.keys()].map((name) => quoted(name));
  lines.push(more.length ? `  require: {anyOf: [${[first, ...more].join(", ")}]}` : `  require: ${first}`);
  return `${lines.join("\n")}\n`;
}

/** The lines of one signer, below its name. `authorities` are the certificates that timestamps lead to. */
function signerOf(pin, authorities) {
  const use = useOf(pin);
  if (use === "key") {
    return [
      "      cosign:",
      ...(pin.notBefore ? [`        notBefore: ${pin.notBefore}`] : []),
      ...(pin.notAfter ? [`        notAfter: ${pin.notAfter}`] : []),
      `        fingerprint: ${pin.fingerprint}`,
      "        publicKey: |",
      ...indented(pin.publicKey, 10),
    ];
  }
  if (STORES.has(use)) {
    const { identities = [], level = "strict" } = pin;
    return [
      "      notation:",
      "        trustStores:",
      ...listed(use, pin.certificates),
      ...(authorities.length ? listed("tsa", authorities) : []),
      `        trustedIdentities: ${quoted(identities.length ? identities : ["*"])}`,
      `        level: ${level}`,
    ];
  }
  const certificates = pin.certificates ?? [];
  return [
    "      contentTrust:",
    ...(pin.server ? [`        server: ${quoted(pin.server)}`] : []),
    "        pins:",
    ...(use === "rootKey" ? [`          rootKeys: [${quoted(pin.fingerprint)}]`] : []),
    ...(use === "rootCertificate"
      ? listed("rootCertificates", [{ pem: certificates.map(({ pem }) => pem).join("") }])
      : []),
    ...(use === "rootAuthority" ? ["          ca: |", ...certificates.flatMap(({ pem }) => indented(pem, 12))] : []),
  ];
}

const listed = (name, certificates) => [
  `          ${name}:`,
  ...certificates.flatMap(({ pem }) => ["            - |", ...indented(pem, 14)]),
];
const indented = (pem, count) =>
  pem
    .trim()
    .split("\n")
    .map((line) => `${" ".repeat(count)}${line}`);

/** Reads policy documents with the module, which says what is wrong and where. @returns the policies and their signers */
export async function readPolicies(compiled, documents) {
  const instance = await start(compiled);
  const named = documents.map(({ name }, blob) => ({ name, blob }));
  const { ok } = instance.call(
    operation.load,
    { documents: named },
    documents.map(({ text }) => toBytes(text)),
  );
  return ok.policies;
}
