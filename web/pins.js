// Pinned keys, and the policy documents that say what a pin means. Pins of one scope are one policy: one of its keys has to
// have signed. An image in several scopes needs a signature for each, as with any policies (docs/policy.md).

import { toBytes } from "./bytes.js";
import { keyOfCertificate } from "./certificate.js";
import { operation, start } from "./module.js";
import { Problem } from "./problem.js";

/**
 * @typedef {object} Pin
 * @property {string} label
 * @property {string} fingerprint `sha256:` and 64 digits: of the key's SubjectPublicKeyInfo
 * @property {string | null} publicKey PEM; null where only the fingerprint is known
 * @property {string | null} algorithm
 * @property {string | null} notBefore `2026-01-31T12:00:00Z`
 * @property {string | null} notAfter
 * @property {string[]} scope patterns over repositories; none for every image
 */

/** What somebody gave to be pinned: a public key or a certificate as PEM, or a fingerprint. */
export async function readPin(compiled, text) {
  const trimmed = text.trim();
  // As Bulla writes it, or octet by octet with colons, as others do.
  const [, digits] = /^([0-9a-f]{64})$/i.exec(trimmed.replace(/^sha256:/i, "").replaceAll(/[:\s]/g, "")) ?? [];
  if (digits)
    return { publicKey: null, fingerprint: `sha256:${digits.toLowerCase()}`, algorithm: null, source: "fingerprint" };
  if (trimmed.startsWith("{") && trimmed.includes("certificateAuthorities")) throw new Problem("trustedRoot");
  const certificate = trimmed.includes("-----BEGIN CERTIFICATE-----") ? keyOfCertificate(trimmed) : null;
  const instance = await start(compiled);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(trimmed)) throw new Problem("privateForPublic");
  const {
    ok,
    blobs: [pem],
  } = instance.call(operation.key, { key: 0 }, [certificate?.publicKey ?? toBytes(`${trimmed}\n`)]);
  return {
    publicKey: new TextDecoder().decode(pem),
    fingerprint: ok.fingerprint,
    algorithm: ok.algorithm,
    notBefore: certificate?.notBefore ?? null,
    notAfter: certificate?.notAfter ?? null,
    source: certificate ? "certificate" : "key",
  };
}

/** The policy documents that these pins stand for, one for each scope. Pins without a key wait for it, and are in none. */
export function documentsOf(pins) {
  const scopes = new Map();
  for (const pin of pins.filter(({ publicKey }) => publicKey)) {
    const scope = [...(pin.scope ?? [])].sort();
    const key = JSON.stringify(scope);
    scopes.set(key, { scope, pins: [...(scopes.get(key)?.pins ?? []), pin] });
  }
  const sorted = [...scopes].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, { scope, pins: together }], index) => ({
    name: `pins-${index + 1}.yaml`,
    text: documentOf(scope, together),
  }));
}

function documentOf(scope, pins) {
  // JSON texts are YAML texts, so whatever a label holds stays a label.
  const quoted = JSON.stringify;
  const names = new Map();
  for (const pin of pins) {
    let name = pin.label;
    for (let count = 2; names.has(name); count += 1) name = `${pin.label} (${count})`;
    names.set(name, pin);
  }
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
  for (const [name, pin] of names) {
    lines.push(`    ${quoted(name)}:`, "      cosign:");
    if (pin.notBefore) lines.push(`        notBefore: ${pin.notBefore}`);
    if (pin.notAfter) lines.push(`        notAfter: ${pin.notAfter}`);
    lines.push(`        fingerprint: ${pin.fingerprint}`, "        publicKey: |");
    lines.push(
      ...pin.publicKey
        .trim()
        .split("\n")
        .map((line) => `          ${line}`),
    );
  }
  const [first, ...more] = [...names.keys()].map((name) => quoted(name));
  lines.push(more.length ? `  require: {anyOf: [${[first, ...more].join(", ")}]}` : `  require: ${first}`);
  return `${lines.join("\n")}\n`;
}

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
