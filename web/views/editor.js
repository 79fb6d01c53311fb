// A policy document in a text field, with line numbers, and what the module finds wrong at its place.

import { button, el, fresh } from "../dom.js";
import { texts } from "../texts.js";

/** Milliseconds after the last key before the module reads the text: a thought, not a keystroke. */
const PAUSE = 250;

/** @param {{name: string, text: string, read: (text: string) => Promise<unknown>}} options */
export function editor({ name, text, read }) {
  const said = texts.editor;
  const id = fresh("editor");
  const area = el("textarea", {
    id,
    spellcheck: "false",
    autocomplete: "off",
    wrap: "off",
    rows: String(Math.min(30, Math.max(8, text.split("\n").length + 1))),
    "aria-describedby": `${id}-errors`,
    oninput: changed,
    onscroll: () => {
      gutter.scrollTop = area.scrollTop;
    },
  });
  area.value = text;
  const gutter = el("div", { class: "gutter", "aria-hidden": "true" });
  const errors = el("ul", { class: "errors" });
  const element = el(
    "div",
    { class: "editor" },
    el("label", { for: id }, name),
    el("div", { class: "editor-body" }, gutter, area),
    el("div", { class: "error-room", id: `${id}-errors`, role: "status" }, errors),
  );
  let timer = 0;
  let wrong = [];
  number();
  return { name, element, value: () => area.value, reset, showErrors, focusError: () => wrong[0] && go(wrong[0]) };

  function number() {
    const bad = new Map(wrong.map(({ line, message }) => [line, message]));
    const lines = area.value
      .split("\n")
      .map((_, index) =>
        el("span", bad.has(index + 1) ? { class: "bad", title: bad.get(index + 1) } : {}, String(index + 1)),
      );
    gutter.replaceChildren(...lines);
    gutter.scrollTop = area.scrollTop;
  }

  function changed() {
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE);
    number();
  }

  async function check() {
    const asked = area.value;
    const found = await read(asked).then(
      () => [],
      (error) => error.details ?? [{ line: 1, column: 1, message: error.message }],
    );
    if (asked === area.value) showErrors(found);
  }

  function showErrors(found) {
    wrong = found;
    area.setAttribute("aria-invalid", found.length ? "true" : "false");
    errors.replaceChildren(
      ...found.map((one) =>
        el(
          "li",
          {},
          button(said.at(one), () => go(one), { class: "link" }),
          " ",
          one.path && el("code", {}, one.path),
          " ",
          one.message,
        ),
      ),
    );
    number();
  }

  /** Puts the cursor where something is wrong. */
  function go({ line = 1, column = 1 }) {
    const start =
      area.value
        .split("\n")
        .slice(0, line - 1)
        .reduce((sum, one) => sum + one.length + 1, 0) +
      column -
      1;
    area.focus();
    area.setSelectionRange(start, start);
    area.scrollTop = Math.max(0, (line - 5) * (area.scrollHeight / area.value.split("\n").length));
  }

  function reset() {
    area.value = text;
    showErrors([]);
  }
}
