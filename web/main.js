// The first page: loads the module, says what it is, and compares its digest with one that the reader brings.

import { load, operation } from "./module.js";

const place = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

async function start() {
  const response = await fetch("bulla.wasm");
  if (!response.ok) throw new Error(`bulla.wasm could not be fetched: HTTP ${response.status}`);
  const bytes = await response.arrayBuffer();
  const digest = hex(await crypto.subtle.digest("SHA-256", bytes));
  const module = await load(bytes);
  const { ok } = module.call(operation.describe, {});
  place("version").textContent = ok.version;
  place("abi").textContent = ok.abi;
  place("compiler").textContent = ok.compiler;
  place("size").textContent = `${number.format(bytes.byteLength)} octets`;
  place("digest").textContent = digest;
  place("facts").hidden = false;
  place("state").textContent = "The module is loaded and answers.";
  place("state").className = "good";
  place("expected").addEventListener("input", () => compare(digest));
  place("compare").addEventListener("submit", (event) => event.preventDefault());
  compare(digest);
}

/** Says whether the digest that the reader pasted is the module's. */
function compare(digest) {
  const expected = place("expected").value.trim().toLowerCase().replace(/^sha256:/, "");
  const comparison = place("comparison");
  const outcome = !expected ? ["", ""]
    : !/^[0-9a-f]{64}$/.test(expected) ? ["A SHA-256 digest has 64 hexadecimal digits.", "bad"]
    : expected === digest ? ["It is the same module.", "good"]
    : ["It is another module.", "bad"];
  [comparison.textContent, comparison.className] = outcome;
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (octet) => octet.toString(16).padStart(2, "0")).join("");
}

start().catch((problem) => {
  place("state").textContent = location.protocol === "file:"
    ? "Open this page through `bulla serve`: a browser does not let a page from a file load its module."
    : `The module could not be loaded: ${problem.message}`;
  place("state").className = "bad";
});
