// About this module: what it is, and whether it is the one that the reader knows.

import { button, copyButton, digest, el, field, problemBox } from "../dom.js";
import { texts } from "../texts.js";

export function aboutView(app) {
  const said = texts.about;
  const facts = el("div", { class: "module-facts" }, el("p", { role: "status" }, said.loading));
  const comparison = el("p", { class: "comparison", role: "status" });
  const expected = field(
    said.expected,
    el("input", { type: "text", autocomplete: "off", spellcheck: "false", oninput: compare }),
    { hint: said.expectedHint },
  );
  const form = el(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        await keep();
      },
    },
    expected,
    comparison,
    el("p", {}, el("button", { type: "submit" }, said.keep), " ", button(said.forget, forget)),
  );
  const limits = el("div", {});
  load();
  return el(
    "section",
    { "aria-labelledby": "about-title" },
    el("h1", { id: "about-title" }, said.title),
    el("p", { class: "lead" }, said.lead),
    facts,
    el("h2", {}, said.isIt),
    form,
    el("h2", {}, said.whereTitle),
    el(
      "ul",
      { class: "plain-list" },
      said.where.map((line) => el("li", {}, line)),
    ),
    limits,
    el("h2", {}, said.embedTitle),
    el("p", {}, said.embed),
    el("pre", { tabindex: "0" }, said.embedCode),
    el("h2", {}, said.forgetTitle),
    el("p", {}, said.forgetHint),
    el("p", {}, button(said.forgetAll, forgetAll, { class: "danger" })),
  );

  async function load() {
    try {
      const { version, abi, compiler, octets, digest: own, limits: counted, operations } = await app.describe();
      const rows = [
        [said.digest, [digest(own), " ", copyButton(own)]],
        [said.version, version],
        [said.abi, String(abi)],
        [said.compiler, compiler],
        [said.size, said.octets({ octets })],
        [said.operations, operations.map(({ operation }) => operation).join(", ")],
      ];
      facts.replaceChildren(
        el(
          "dl",
          { class: "facts" },
          rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        ),
      );
      limits.replaceChildren(
        el(
          "details",
          { class: "more" },
          el("summary", {}, said.limits),
          el(
            "dl",
            { class: "facts" },
            Object.entries(counted).map(([name, value]) =>
              el(
                "div",
                {},
                el("dt", {}, el("code", {}, name)),
                el("dd", {}, new Intl.NumberFormat("en").format(value)),
              ),
            ),
          ),
        ),
      );
      expected.control.value = (await app.store.get("settings", "module"))?.digest ?? "";
      compare();
    } catch (error) {
      facts.replaceChildren(problemBox(error));
    }
  }

  async function compare() {
    const { digest: own } = await app.own;
    const text = wanted();
    const [words, outcome] = !text
      ? ["", ""]
      : !/^sha256:[0-9a-f]{64}$/.test(text)
        ? [said.noDigest, "reject"]
        : text === own
          ? [said.same, "accept"]
          : [said.other, "reject"];
    comparison.textContent = words;
    comparison.className = `comparison ${outcome}`;
    return outcome;
  }

  function wanted() {
    const text = expected.control.value.trim().toLowerCase();
    return text && !text.startsWith("sha256:") ? `sha256:${text}` : text;
  }

  async function keep() {
    if (!/^sha256:[0-9a-f]{64}$/.test(wanted())) {
      comparison.textContent = said.noDigest;
      comparison.className = "comparison reject";
      return;
    }
    await app.store.put("settings", { id: "module", digest: wanted() });
    await compare();
    comparison.append(" ", said.kept);
  }

  async function forget() {
    await app.store.remove("settings", "module");
    expected.control.value = "";
    await compare();
  }

  async function forgetAll() {
    if (!confirm(said.forgetSure)) return;
    await app.store.clear();
    expected.control.value = "";
    await compare();
  }
}
