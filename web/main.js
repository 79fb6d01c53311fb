// The page: loads the module, starts the worker, shows one of five views. Everything long happens in the worker.

import { sha256 } from "./bytes.js";
import { el, announce } from "./dom.js";
import { compile, operation, start } from "./module.js";
import { Problem } from "./problem.js";
import { openStore } from "./store.js";
import { texts } from "./texts.js";
import { once, Work } from "./work.js";

/** The views. Each is fetched when it is first shown, or when there is time. */
const VIEWS = {
  check: async () => (await import("./views/check.js")).checkView,
  sign: async () => (await import("./views/sign.js")).signView,
  pins: async () => (await import("./views/pins.js")).pinsView,
  replay: async () => (await import("./views/replay.js")).replayView,
  about: async () => (await import("./views/about.js")).aboutView,
};

/** The module, compiled once for every worker; its digest is of the very octets that were compiled. */
async function ownModule() {
  if (!isSecureContext) throw new Problem("insecure", { origin: location.origin });
  const response = await globalThis.begun.response;
  if (!response?.ok) throw new Problem("moduleFetch", { url: "bulla.wasm", status: response?.status ?? null });
  const bytes = await response.arrayBuffer();
  const [digest, compiled] = await Promise.all([sha256(bytes), compile(bytes)]);
  return { digest, compiled, octets: bytes.byteLength };
}

const own = ownModule();
let work = new Work(own, globalThis.begun.worker);
const store = openStore();

/** What views share. */
const app = {
  own,
  store,
  /** The worker for what is looked at; a new one when the last was ended by a cancel. */
  work() {
    if (work.ended) work = new Work(own);
    return work;
  },
  /** A worker of its own, ended afterwards. */
  once: (task, args, options) => once(own, task, args, options),
  async describe() {
    const { compiled, digest, octets } = await own;
    return { ...(await start(compiled)).call(operation.describe, {}).ok, digest, octets };
  },
  show,
};

const main = document.getElementById("main");
const tabs = document.getElementById("tabs");
const views = new Map();

tabs.setAttribute("aria-label", texts.navigation);
tabs.append(
  ...Object.keys(VIEWS).map((name) => el("a", { href: `#${name}`, "data-wide": texts.tabs[name] }, texts.tabs[name])),
);
for (const element of document.querySelectorAll("[data-text]")) element.textContent = texts[element.dataset.text];

async function show(name, moveFocus = true) {
  if (!views.has(name)) {
    const make = await VIEWS[name]();
    // Somebody may have asked twice while it was fetched.
    if (views.has(name)) return;
    const view = make(app);
    view.id = name;
    view.classList.add("view");
    views.set(name, view);
    main.append(view);
  }
  for (const [other, view] of views) view.hidden = other !== name;
  for (const tab of tabs.children) {
    if (tab.hash === `#${name}`) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${texts.tabs[name]} · Bulla`;
  if (moveFocus) {
    const heading = views.get(name).querySelector("h1");
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
}

const asked = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "check");
main.replaceChildren();
await show(asked(), false);
addEventListener("hashchange", () => {
  if (location.hash !== "#main") show(asked());
});
// What is dropped beside the places for it does not replace the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => event.preventDefault());
// A closed part is not printed, and a printed verdict has to be whole.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll(".view:not([hidden]) .verdict details:not([open]):not(.bulk)")) {
    part.open = true;
    part.dataset.forPrint = "";
  }
});
addEventListener("afterprint", () => {
  for (const part of document.querySelectorAll("details[data-for-print]")) {
    part.open = false;
    delete part.dataset.forPrint;
  }
});

own.then(
  async ({ digest }) => {
    const line = document.getElementById("module-line");
    line.replaceChildren(
      texts.moduleLine,
      " ",
      el("code", { title: digest }, digest.slice(0, 19)),
      " · ",
      el("a", { href: "#about" }, texts.isItMine),
    );
    const pinned = (await store.get("settings", "module"))?.digest;
    if (pinned && pinned !== digest) {
      main.prepend(
        el("div", { class: "problem page-wide", role: "alert" }, el("p", {}, texts.otherModule({ pinned, digest }))),
      );
    }
    document.documentElement.dataset.ready = "";
    requestIdleCallback(() => Object.values(VIEWS).forEach((view) => view()));
  },
  (error) => {
    main.prepend(el("div", { class: "problem page-wide", role: "alert" }, el("p", {}, error.message)));
    announce(error.message);
  },
);
store.keeps().then((keeps) => keeps || document.getElementById("notices").append(texts.storageRefused));

if ("serviceWorker" in navigator && isSecureContext) keepOffline();

/** Keeps the page for offline use, and says when a newer one is there. It is used from the next load on. */
async function keepOffline() {
  const notices = document.getElementById("notices");
  navigator.serviceWorker.onmessage = () =>
    notices.replaceChildren(
      texts.newer,
      " ",
      el("button", { type: "button", class: "small", onclick: () => location.reload() }, texts.reload),
    );
  try {
    await navigator.serviceWorker.register("service-worker.js", { type: "module" });
    (await navigator.serviceWorker.ready).active.postMessage("look");
  } catch {
    notices.append(" ", texts.offlineRefused);
  }
}
