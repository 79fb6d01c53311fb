// What takes longest starts first, before the rest of the page is there: the module's octets and the first worker.

export const response = fetch("bulla.wasm").catch(() => null);
export const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
