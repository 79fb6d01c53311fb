// One change that would make an image pass, found where the tree of its verdict fails.

import { texts } from "./texts.js";

/** Codes from the one that says most to the one that says least: a signature that is nearly right before none. */
const TELLING = [
  "unfetched",
  "budget",
  "notation-unknown",
  "notation-metadata",
  "notation-timestamp",
  "notation-revocation",
  "notation-expiry",
  "wrong-identity",
  "annotation",
  "predicate",
  "no-time",
  "age",
  "condition",
  "wrong-digest",
  "wrong-predicate-type",
  "payload",
  "not-signed",
  "not-attested",
  "nothing-found",
];
/** Codes of a signer that does not count at this time, whatever it signs. */
const OVER = new Set(["signer-not-valid", "signer-revoked"]);

/** What would make the image pass, in a sentence; null where it does. */
export function change(verdict) {
  if (verdict.outcome === "accept") return null;
  const image = verdict.pinned ?? verdict.image;
  const [reason] = verdict.reasons;
  if (reason) return ofImage(reason, verdict);
  const failing = verdict.policies.filter(({ mode, tree }) => mode === "enforce" && tree.outcome !== "accept");
  // A rejection is firmer than what is unknown: it would stand when the unknown is known.
  const first = failing.find(({ tree }) => tree.outcome === "reject") ?? failing[0];
  return first ? below(first.tree, image) : null;
}

function ofImage({ code, message }, verdict) {
  const said = texts.change;
  if (code === "no-policy") return said.noPolicy({ repository: verdict.repository ?? verdict.image });
  if (code === "image-absent") return said.imageAbsent({ message });
  if (code === "reference") return said.reference({ message });
  return general(code, message);
}

function below(node, image) {
  const open = (node.of ?? []).filter(({ outcome }) => outcome !== "accept");
  const about = node.digest ? `${image.split("@")[0]}@${node.digest}` : image;
  const [, signer] = /^signer (.*)$/.exec(node.rule) ?? [];
  if (signer !== undefined) return leaf(node, signer, null, about);
  const [, attestation, by] = /^attestation (.*) by (.*?)$/.exec(node.rule) ?? [];
  if (attestation !== undefined) return leaf(node, by, attestation, about);
  const all = node.rule === "allOf" || node.rule === "every leaf";
  // Where one is enough, what is unknown may hold already, and who does not count now is asked last.
  const cost = ({ outcome, reasons = [] }) =>
    outcome === "unknown" ? 0 : reasons.some(({ code }) => OVER.has(code)) ? 2 : 1;
  const part = all
    ? (open.find(({ outcome }) => outcome === "reject") ?? open[0])
    : [...open].sort((a, b) => cost(a) - cost(b))[0];
  if (!part) return general(node.reasons?.[0]?.code, node.reasons?.[0]?.message ?? node.rule);
  const inner = below(part, about);
  return node.rule.startsWith("atLeast ") ? texts.change.oneMore({ change: inner }) : inner;
}

function leaf({ reasons = [], key }, signer, attestation, image) {
  const reason = TELLING.map((code) => reasons.find((one) => one.code === code)).find(Boolean) ?? reasons[0] ?? {};
  const { code, message = "" } = reason;
  const said = texts.change;
  if (["unfetched", "budget", "index", "revoked-digest"].includes(code)) return general(code, message);
  if (code === "notation-unknown") return general("unfetched", message);
  if (OVER.has(code)) return said.over({ signer });
  if (code === "wrong-identity") return said.identity({ signer });
  if (code === "annotation") return said.annotation({ signer });
  if (["predicate", "condition", "age", "no-time"].includes(code)) return said.predicate({ signer });
  if (/^(notation|trust)-/.test(code ?? "")) return said.without({ signer, message });
  return attestation === null ? said.sign({ signer, image, key }) : said.attest({ signer, image, attestation });
}

function general(code, message) {
  const said = texts.change;
  if (code === "unfetched") return said.unfetched({ message });
  if (code === "budget") return said.budget({ message });
  if (code === "revoked-digest") return said.revoked;
  return said.general({ message });
}
