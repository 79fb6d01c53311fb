// Evidence that was kept in a file: a message whose header lists the pieces (docs/abi.md, "Needs and evidence").

import { toBytes, toJson } from "../bytes.js";
import { decode, encode } from "../module.js";
import { texts } from "../texts.js";

/** Pieces with their octets, out of a message; null where its header lists no evidence. */
export function readPieces(message) {
  const { header, blobs } = decode(message);
  const { evidence, question } = toJson(header) ?? {};
  if (!Array.isArray(evidence)) return null;
  const pieces = evidence.map(({ blob, ...piece }) =>
    piece.outcome === "found" ? { ...piece, bytes: blobs[blob] } : piece,
  );
  if (pieces.some((piece) => typeof piece.need !== "string" || (piece.outcome === "found" && !piece.bytes)))
    return null;
  return { pieces, question };
}

/** The header's list and the blobs behind it, as `supply` takes them. */
export function framed(pieces, blobs = []) {
  const evidence = pieces.map(({ bytes, ...piece }) => {
    if (piece.outcome !== "found") return piece;
    blobs.push(bytes);
    return { ...piece, blob: blobs.length - 1 };
  });
  return { evidence, blobs };
}

/** A file of evidence, with the question that it was collected for. */
export function writePieces(question, pieces) {
  const { evidence, blobs } = framed(pieces);
  return encode(toBytes(JSON.stringify({ question, evidence })), blobs);
}

/** Kinds of need that a browser has nobody to ask for: what certificates name, and Docker Content Trust. */
const UNASKED = new Set(["crl", "ocsp", "role", "remembered"]);

/** The answer to a need of such a kind; null for one that may be asked for. Saved evidence may well have it. */
export const unasked = ({ id, kind }) =>
  UNASKED.has(kind) ? { need: id, outcome: "failed", reason: texts.check.unasked[kind] } : null;

export class Evidence {
  #pieces;

  constructor(pieces) {
    this.#pieces = new Map(pieces.map((piece) => [piece.need, piece]));
  }

  async fetchAll(needs) {
    const missing = { outcome: "failed", reason: texts.check.notInEvidence };
    return needs.map(({ id }) => this.#pieces.get(id) ?? { need: id, ...missing });
  }
}
