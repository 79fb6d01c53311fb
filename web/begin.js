// What takes longest starts first, before the rest of the page is there: the module's octets and the first worker. A plain
// script, because a module waits for the document.

globalThis.begun = {
  response: fetch("bulla.wasm").catch(() => null),
  worker: new Worker("worker.js", { type: "module" }),
};
