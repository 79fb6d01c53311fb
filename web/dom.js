// Small things that every view uses. Texts become text nodes: nothing that came from outside is ever read as markup.

import { texts } from "./texts.js";

/** An element. `on…` are listeners, `true` is an attribute without value, null and false leave one out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

let serial = 0;
/** An id that no other element has. */
export const fresh = (name) => `${name}-${(serial += 1)}`;

/** Says something to who cannot see it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

export const button = (label, onclick, more = {}) => el("button", { type: "button", onclick, ...more }, label);

/** A label, its control, a hint and a place for what is wrong with it. `control` may be any input element. */
export function field(label, control, { hint, error } = {}) {
  control.id ||= fresh("field");
  const described = [hint && fresh("hint"), error && fresh("error")].filter(Boolean);
  if (described.length) control.setAttribute("aria-describedby", described.join(" "));
  const wrong = error && el("p", { class: "wrong", id: described.at(-1), role: "alert" });
  const whole = el(
    "div",
    { class: "field" },
    el("label", { for: control.id }, label),
    control,
    hint && el("p", { class: "hint", id: described[0] }, hint),
    wrong,
  );
  return Object.assign(whole, {
    control,
    complain(text) {
      wrong.textContent = sentence(text ?? "");
      if (text) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
      if (text) control.focus();
    },
  });
}

/** A choice of one among several. */
export function choice(legend, options, chosen, onchange) {
  const name = fresh("choice");
  const inputs = options.map(({ value, label, hint }) => {
    const input = el("input", {
      type: "radio",
      name,
      value,
      checked: value === chosen,
      onchange: () => onchange?.(value),
    });
    return el("label", { class: "option" }, input, el("span", {}, label, hint && el("span", { class: "hint" }, hint)));
  });
  const group = el("fieldset", { class: "choice" }, el("legend", {}, legend), inputs);
  Object.defineProperty(group, "value", { get: () => group.querySelector("input:checked").value });
  return group;
}

/** Rows of images to choose from: many of them are short, in a list of their own height. */
export function choiceList(choices) {
  const many = choices.length > 3;
  const more = many
    ? {
        class: "choices many",
        tabindex: "0",
        role: "group",
        "aria-label": texts.check.images({ count: choices.length }),
      }
    : { class: "choices" };
  return el(
    "div",
    more,
    choices.map(({ row }) => row),
  );
}

/** A digest or fingerprint, in groups so that two of them can be compared by eye; copied without the gaps. */
export function digest(value) {
  const [, algorithm, digits] = /^(\w+):([0-9a-f]+)$/.exec(value) ?? [];
  if (!digits) return el("code", {}, value);
  const groups = digits.match(/.{1,8}/g).map((part) => el("span", {}, part));
  return el("code", { class: "digest" }, `${algorithm}:`, groups);
}

/** The module's messages start in lower case, because hosts put a name before them. An address stays as it is. */
const sentence = (text) => (/^\w+:\/\//.test(text) ? text : text.slice(0, 1).toUpperCase() + text.slice(1));

/** A sentence whose digests and image names are set as code. */
export const prose = (text) =>
  text
    .split(/(\S*sha(?:256|512)[:-][0-9a-f]{64,}\S*?(?=[.,;:)]*(?:\s|$)))/)
    .map((part, index) => (index % 2 ? el("code", {}, part) : part));

/** A button that copies a text. */
export function copyButton(text, label = texts.copy) {
  const copy = button(
    label,
    async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = texts.copied;
        announce(texts.copied);
      } catch {
        announce(texts.copyRefused);
        copy.textContent = texts.copyRefused;
      }
      setTimeout(() => {
        copy.textContent = label;
      }, 2000);
    },
    { class: "small" },
  );
  return copy;
}

/** Hands a file to the reader. */
export function save(name, content, type = "application/octet-stream") {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** What went wrong, in a box that a screen reader reads at once. */
export function problemBox(error) {
  const details = (error.details ?? []).filter(({ message }) => message && message !== error.message);
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("p", {}, mark("unknown"), sentence(error.message)),
    details.length > 0 &&
      el(
        "ul",
        {},
        details.map(({ line, column, message }) => el("li", {}, line ? texts.atLine({ line, column }) : "", message)),
      ),
  );
}

const SHAPES = {
  accept: "M5 12.5l4.5 4.5L19 7.5",
  reject: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  unknown: "M12 6v7.5M12 17v1",
};

/** A sign for an outcome: shape as well as colour. */
export function mark(outcome) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({
    viewBox: "0 0 24 24",
    class: `mark ${outcome}`,
    "aria-hidden": "true",
    focusable: "false",
  }))
    svg.setAttribute(name, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[outcome] ?? SHAPES.unknown);
  svg.append(path);
  return svg;
}

/** A progress bar with its words and a way to stop. */
export function progress(label, onCancel) {
  const bar = el("progress", { max: "1", "aria-label": label });
  const words = el("span", {}, label);
  announce(label);
  const box = el(
    "div",
    { class: "progress" },
    bar,
    words,
    onCancel && button(texts.cancel, onCancel, { class: "small" }),
  );
  return Object.assign(box, {
    to(share, text) {
      if (share === null) bar.removeAttribute("value");
      else bar.value = share;
      if (text) words.textContent = text;
    },
  });
}

/** When, in the reader's own words. */
export const when = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", " UTC").replace("T", " ");
export const amount = (octets) =>
  new Intl.NumberFormat("en", octets < 10_000 ? {} : { notation: "compact", maximumFractionDigits: 1 }).format(octets);
