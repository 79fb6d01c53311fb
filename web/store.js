// What the page keeps in the browser's own storage: pins, policies, encrypted key files, a few settings. Where the browser
// refuses (private windows of some), it is kept until the page is closed, and the page says so.

const NAME = "bulla";
const VERSION = 1;
const STORES = ["pins", "policies", "keys", "settings"];
/** Milliseconds that the browser has to open its storage: a page that waits for ever is of no use. */
const PATIENCE = 3000;

/** The store, at once; what asks it waits until it is open. */
export function openStore() {
  const late = new Promise((resolve) => {
    setTimeout(() => resolve(null), PATIENCE);
  });
  return new Store(Promise.race([opened().catch(() => null), late]));
}

class Store {
  #database;
  #memory = new Map(STORES.map((name) => [name, new Map()]));
  #listeners = new Set();

  constructor(database) {
    this.#database = database;
  }

  /** Whether the browser keeps what is put here. */
  async keeps() {
    return (await this.#database) !== null;
  }

  /** Everything of a kind, oldest first. */
  async all(kind) {
    const entries = (await this.keeps())
      ? await this.#do(kind, "readonly", (store) => store.getAll())
      : [...this.#memory.get(kind).values()];
    return entries.sort((a, b) => a.added - b.added);
  }

  async get(kind, id) {
    return (await this.keeps()) ? this.#do(kind, "readonly", (store) => store.get(id)) : this.#memory.get(kind).get(id);
  }

  /** Adds or replaces; gives the id. */
  async put(kind, entry) {
    // A browser that is short of room may drop what a page keeps, unless it was asked not to.
    navigator.storage?.persist?.().catch(() => {});
    const whole = { id: crypto.randomUUID(), added: Date.now(), ...entry };
    if (await this.keeps()) await this.#do(kind, "readwrite", (store) => store.put(whole));
    else this.#memory.get(kind).set(whole.id, whole);
    this.#changed(kind);
    return whole.id;
  }

  async remove(kind, id) {
    if (await this.keeps()) await this.#do(kind, "readwrite", (store) => store.delete(id));
    else this.#memory.get(kind).delete(id);
    this.#changed(kind);
  }

  async clear() {
    for (const kind of STORES) {
      if (await this.keeps()) await this.#do(kind, "readwrite", (store) => store.clear());
      else this.#memory.get(kind).clear();
      this.#changed(kind);
    }
  }

  /** Calls back whenever something of a kind has changed. */
  watch(listener) {
    this.#listeners.add(listener);
  }

  #changed(kind) {
    for (const listener of this.#listeners) listener(kind);
  }

  async #do(kind, mode, act) {
    const database = await this.#database;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(kind, mode);
      const request = act(transaction.objectStore(kind));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }
}

async function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => STORES.forEach((name) => request.result.createObjectStore(name, { keyPath: "id" }));
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  });
}
