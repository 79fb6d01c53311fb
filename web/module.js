// The module in a page: messages as docs/abi.md describes them, through the four C functions alone.

import { Problem } from "./problem.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** Blobs of one message (docs/abi.md, "Messages"). */
const MAX_BLOBS = 4096;

/** Operation numbers (docs/abi.md). */
export const operation = Object.freeze({
  describe: 0,
  load: 1,
  open: 2,
  supply: 3,
  decide: 4,
  extract: 5,
  respond: 6,
  contents: 7,
  prepare: 8,
  sign: 9,
  assemble: 10,
  check: 11,
  generate: 12,
  key: 13,
  inspect: 14,
  convert: 15,
  update: 16,
  certify: 17,
  publish: 18,
  blob: 19,
  chain: 20,
});

/** What a module answered instead of a result; `code` is stable. */
export class ModuleError extends Error {
  constructor({ code, message, details }) {
    super(message);
    this.name = "ModuleError";
    this.code = code;
    this.details = details ?? [];
  }
}

/** Compiles the bytes and refuses what is not ours. @returns {Promise<WebAssembly.Module>} */
export async function compile(bytes) {
  let compiled;
  try {
    compiled = await WebAssembly.compile(bytes);
  } catch (error) {
    throw new Problem("moduleNotOne", { reason: error.message });
  }
  const imports = WebAssembly.Module.imports(compiled);
  if (imports.length > 0) throw new Problem("moduleImports", { name: `${imports[0].module}.${imports[0].name}` });
  const exports = new Set(WebAssembly.Module.exports(compiled).map(({ name }) => name));
  for (const name of ["memory", "bulla_abi", "bulla_alloc", "bulla_free", "bulla_call"]) {
    if (!exports.has(name)) throw new Problem("moduleWithout", { name });
  }
  return compiled;
}

/** A fresh instance: nothing is left in it of what another one was asked. */
export async function start(compiled) {
  const { exports } = await WebAssembly.instantiate(compiled, {});
  if (exports.bulla_abi() !== 1) throw new Problem("moduleAbi", { got: exports.bulla_abi() });
  return new Instance(exports);
}

/** One instance. After a trap it is unusable: start another one. */
class Instance {
  #exports;

  constructor(exports) {
    this.#exports = exports;
  }

  /** Carries out an operation on the octets of a message, and gives the octets of the answer. */
  exchange(number, message) {
    const { bulla_alloc, bulla_call, bulla_free, memory } = this.#exports;
    const pointer = bulla_alloc(message.length) >>> 0;
    new Uint8Array(memory.buffer, pointer, message.length).set(message);
    const packed = BigInt.asUintN(64, bulla_call(number, pointer, message.length));
    const [start, length] = [Number(packed >> 32n), Number(packed & 0xffffffffn)];
    const reply = new Uint8Array(memory.buffer, start, length).slice();
    bulla_free(start, length);
    bulla_free(pointer, message.length);
    return reply;
  }

  /** Carries out an operation. @returns {{ok: object, header: Uint8Array, blobs: Uint8Array[]}} */
  call(number, header, blobs = []) {
    const message = encode(header, blobs);
    const answer = decode(this.exchange(number, message));
    // The request may have held a key or a passphrase.
    message.fill(0);
    const { ok, error } = JSON.parse(decoder.decode(answer.header));
    if (error) throw new ModuleError(error);
    return { ok, header: answer.header, blobs: answer.blobs };
  }
}

/** A message: a header, as a value or as octets, and blobs. */
export function encode(header, blobs = []) {
  const parts = [header instanceof Uint8Array ? header : encoder.encode(JSON.stringify(header)), ...blobs];
  const message = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(message.buffer);
  let offset = 0;
  for (const part of parts) {
    view.setUint32(offset, part.length, true);
    message.set(part, offset + 4);
    offset += 4 + part.length;
  }
  return message;
}

/** The octets of header and blobs. Files and answers of hosts have this form too, so nothing is taken for granted. */
export function decode(message) {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const parts = [];
  for (let offset = 0; offset < message.length;) {
    if (offset + 4 > message.length) throw new Problem("messageCut", { octets: message.length });
    const length = view.getUint32(offset, true);
    if (offset + 4 + length > message.length) throw new Problem("messageCut", { octets: message.length });
    parts.push(message.subarray(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  if (parts.length === 0) throw new Problem("messageCut", { octets: 0 });
  if (parts.length > MAX_BLOBS + 1) throw new Problem("messageBlobs", { got: parts.length - 1, limit: MAX_BLOBS });
  return { header: parts[0], blobs: parts.slice(1) };
}
