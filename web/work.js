// The page's side of a worker: one call, one answer. Cancelling ends the worker, because the module cannot be interrupted.

import { Problem } from "./problem.js";

export class Work {
  #worker;
  #open = new Map();
  #next = 0;
  ended = false;

  /** @param {Promise<{compiled: WebAssembly.Module, digest: string}>} own the page's module, when it is there
   * @param {Worker} [worker] one that was started already */
  constructor(own, worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" })) {
    this.#worker = worker;
    this.begun = own.then(({ compiled, digest }) =>
      this.#worker.postMessage({ task: "begin", args: { compiled, digest } }),
    );
    this.begun.catch(() => {});
    this.#worker.onmessage = ({ data: { id, value, error, progress } }) => {
      const call = this.#open.get(id);
      if (!call) return;
      if (progress) {
        call.onProgress?.(progress);
        return;
      }
      this.#open.delete(id);
      if (error) call.reject(Object.assign(new Error(error.message), error));
      else call.resolve(value);
    };
    this.#worker.onerror = (event) => this.end(new Problem("workerGone", { reason: event.message || "?" }));
  }

  /** Runs a task of worker.js. */
  async run(task, args, { onProgress, signal, transfer = [] } = {}) {
    await this.begun;
    signal?.throwIfAborted();
    if (this.ended) throw new Problem("workerGone", { reason: "ended" });
    const id = (this.#next += 1);
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject, onProgress });
      signal?.addEventListener("abort", () => this.#open.has(id) && this.end(signal.reason), { once: true });
      this.#worker.postMessage({ id, task, args }, transfer);
    });
  }

  /** Ends the worker, with everything that it holds. */
  end(reason = new DOMException("ended", "AbortError")) {
    this.ended = true;
    this.#worker.terminate();
    for (const { reject } of this.#open.values()) reject(reason);
    this.#open.clear();
  }
}

/** Runs one task in a worker of its own that is ended afterwards: for keys. */
export async function once(own, task, args, options) {
  const work = new Work(own);
  try {
    return await work.run(task, args, options);
  } finally {
    work.end();
  }
}
