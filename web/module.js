// The module in a page: messages as docs/abi.md describes them, through the four C functions alone.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Operation numbers (docs/abi.md). */
export const operation = Object.freeze({
  describe: 0, load: 1, open: 2, supply: 3, decide: 4, extract: 5, respond: 6,
  contents: 7, prepare: 8, sign: 9, assemble: 10, check: 11, generate: 12, key: 13,
  inspect: 14, convert: 15,
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

/** Compiles the bytes and refuses what is not ours. @returns {Promise<Module>} */
export async function load(bytes) {
  const compiled = await WebAssembly.compile(bytes);
  const imports = WebAssembly.Module.imports(compiled);
  if (imports.length > 0) throw new Error(`not Bulla's module: it imports ${imports[0].module}.${imports[0].name}`);
  const { exports } = await WebAssembly.instantiate(compiled, {});
  for (const name of ["bulla_abi", "bulla_alloc", "bulla_free", "bulla_call"]) {
    if (typeof exports[name] !== "function") throw new Error(`not Bulla's module: it has no ${name}`);
  }
  if (exports.bulla_abi() !== 1) throw new Error(`this page speaks ABI 1, the module ABI ${exports.bulla_abi()}`);
  return new Module(exports);
}

/** One instance. After a trap it is unusable: load another one. */
class Module {
  #exports;

  constructor(exports) {
    this.#exports = exports;
  }

  /** Carries out an operation. @returns {{ok: object, blobs: Uint8Array[]}} */
  call(number, header, blobs = []) {
    const message = encode(header, blobs);
    const { bulla_alloc, bulla_call, bulla_free, memory } = this.#exports;
    const pointer = bulla_alloc(message.length) >>> 0;
    new Uint8Array(memory.buffer, pointer, message.length).set(message);
    const packed = BigInt.asUintN(64, bulla_call(number, pointer, message.length));
    const [start, length] = [Number(packed >> 32n), Number(packed & 0xffffffffn)];
    const reply = new Uint8Array(memory.buffer, start, length).slice();
    bulla_free(start, length);
    bulla_free(pointer, message.length);
    const answer = decode(reply);
    if (answer.header.error) throw new ModuleError(answer.header.error);
    return { ok: answer.header.ok, blobs: answer.blobs };
  }
}

function encode(header, blobs) {
  const parts = [encoder.encode(JSON.stringify(header)), ...blobs];
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

function decode(message) {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const parts = [];
  for (let offset = 0; offset < message.length;) {
    const length = view.getUint32(offset, true);
    parts.push(message.subarray(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return { header: JSON.parse(decoder.decode(parts[0])), blobs: parts.slice(1) };
}
