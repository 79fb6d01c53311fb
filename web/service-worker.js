// Offline after the first load. The page is kept as one set of files, each held against the others by being fetched together:
// a page of one build never runs with the module of another. A newer set is fetched aside, and used from the next load on.

/** Every file that the page is made of; a test compares it with the folder. */
export const FILES = [
  "./",
  "access.js",
  "begin.js",
  "bulla.css",
  "bulla.svg",
  "bulla.wasm",
  "bulla.js",
  "bytes.js",
  "change.js",
  "collect.js",
  "config.js",
  "decide.js",
  "dom.js",
  "drop.js",
  "loose.js",
  "main.js",
  "module.js",
  "pins.js",
  "plan.js",
  "problem.js",
  "record.js",
  "replay.js",
  "sign.js",
  "signers.js",
  "sources/evidence.js",
  "sources/gateway.js",
  "sources/layout.js",
  "sources/registry.js",
  "store.js",
  "tar.js",
  "texts.js",
  "views/about.js",
  "views/check.js",
  "views/editor.js",
  "views/keys.js",
  "views/pins.js",
  "views/replay.js",
  "views/sign.js",
  "views/verdict.js",
  "work.js",
  "worker.js",
];
const PREFIX = "bulla-page-";

self.addEventListener("install", (event) => event.waitUntil(refresh().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = request.url.startsWith(self.registration.scope)
    ? request.url.slice(self.registration.scope.length).split(/[?#]/)[0]
    : null;
  if (request.method !== "GET" || path === null || !FILES.includes(path || "./")) return;
  event.respondWith(answer(request, path || "./"));
});

// A page that has started asks whether there is something newer.
self.addEventListener("message", (event) => event.waitUntil(lookForNewer(event.source)));

async function answer(request, path) {
  if (request.mode === "navigate") await advance();
  const [name] = await sets();
  const kept = name && (await (await caches.open(name)).match(new URL(path, self.registration.scope)));
  return kept ?? fetch(request);
}

/** At a load, what was fetched aside is used, unless another window still runs on the set before it. */
async function advance() {
  const [inUse, next] = await sets();
  if (!next) return;
  // A window that is loaded anew is still among them.
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (windows.length <= 1) await caches.delete(inUse);
}

/** The sets of files that are there, the one in use first. */
async function sets() {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX)).sort();
}

/** Fetches all files, and keeps them as the next set where any of them differs from the one in use. */
async function refresh() {
  const fetched = await Promise.all(
    FILES.map(async (path) => {
      const url = new URL(path, self.registration.scope);
      const response = await fetch(url, { cache: "no-cache" });
      if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
      return { url, bytes: await response.arrayBuffer(), headers: [...response.headers] };
    }),
  );
  const whole = await new Blob(fetched.flatMap(({ url, bytes }) => [url.pathname, bytes])).arrayBuffer();
  const digest = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)), (octet) =>
    octet.toString(16).padStart(2, "0"),
  ).join("");
  const there = await sets();
  const latest = there.at(-1);
  if (latest?.endsWith(digest)) return;
  const name = `${PREFIX}${String(Date.now()).padStart(15, "0")}-${digest}`;
  const cache = await caches.open(name);
  await Promise.all(
    fetched.map(({ url, bytes, headers }) =>
      cache.put(url, new Response(bytes, { headers: headers.filter(([header]) => header !== "content-encoding") })),
    ),
  );
  // Between the one in use and this one there may be one that nobody ever used.
  for (const old of there.slice(1)) await caches.delete(old);
}

async function lookForNewer(client) {
  // Offline, or the host is away: what is kept stays.
  await refresh().catch(() => {});
  if ((await sets()).length > 1) client.postMessage("newer");
}
