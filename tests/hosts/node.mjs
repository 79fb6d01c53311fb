// A host in Node, through the C ABI alone (docs/abi.md): `node node.mjs bulla.wasm`.
// Reads lines of {"operation": number, "message": base64} and prints each reply as base64.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const compiled = new WebAssembly.Module(readFileSync(process.argv[2]));

/** Carries out one operation in a fresh instance: nothing is left for the next one. */
function call(operation, message) {
  // The module imports nothing, so there is nothing to give.
  const { memory, bulla_abi, bulla_alloc, bulla_free, bulla_call } = new WebAssembly.Instance(compiled).exports;
  if (bulla_abi() !== 1) throw new Error("this host speaks version 1 of the contract");
  const request = bulla_alloc(message.length) >>> 0;
  new Uint8Array(memory.buffer).set(message, request);
  const packed = BigInt.asUintN(64, bulla_call(operation, request, message.length));
  const [pointer, length] = [Number(packed >> 32n), Number(packed & 0xffffffffn)];
  // The call may have grown the memory, so its buffer is taken anew; the copy outlives it.
  const reply = Buffer.from(new Uint8Array(memory.buffer, pointer, length));
  bulla_free(pointer, length);
  bulla_free(request, message.length);
  return reply;
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { operation, message } = JSON.parse(line);
  process.stdout.write(call(operation, Buffer.from(message, "base64")).toString("base64") + "\n");
}
