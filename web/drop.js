// A place for files: dropped, chosen one by one, or as a folder. By keyboard as well, since both choices are plain inputs.

import { el, fresh } from "./dom.js";
import { texts } from "./texts.js";

/** Files of one drop. A folder with more is no image layout. */
const MAX_FILES = 100_000;

/** @param {(files: {path: string, file: File}[]) => void} onFiles */
export function dropPlace({ label, hint, folders = true, multiple = true, onFiles }) {
  const input = (text, attributes) => {
    const id = fresh("files");
    const control = el("input", {
      type: "file",
      id,
      class: "unseen",
      ...attributes,
      onchange: () => {
        const files = [...control.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
        control.value = "";
        if (files.length) onFiles(files);
      },
    });
    return el("span", { class: "file" }, control, el("label", { for: id, class: "button" }, text));
  };
  const place = el(
    "div",
    { class: "drop", role: "group", "aria-label": label },
    el("p", { class: "drop-label" }, label),
    hint && el("p", { class: "hint" }, hint),
    el(
      "p",
      { class: "drop-buttons" },
      input(multiple ? texts.chooseFiles : texts.chooseFile, { multiple }),
      folders && input(texts.chooseFolder, { webkitdirectory: true }),
    ),
  );
  let depth = 0;
  const over = (change) => {
    depth = change === 0 ? 0 : depth + change;
    place.classList.toggle("over", depth > 0);
  };
  place.addEventListener("dragenter", () => over(1));
  place.addEventListener("dragleave", () => over(-1));
  place.addEventListener("dragover", (event) => event.preventDefault());
  place.addEventListener("drop", async (event) => {
    event.preventDefault();
    over(0);
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [];
    for (const entry of entries) await walk(entry, "", files);
    if (files.length) onFiles(files);
  });
  return place;
}

async function walk(entry, prefix, files) {
  if (files.length >= MAX_FILES) return;
  if (entry.isFile) {
    files.push({
      path: prefix + entry.name,
      file: await new Promise((resolve, reject) => entry.file(resolve, reject)),
    });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return;
    for (const inner of batch) await walk(inner, `${prefix}${entry.name}/`, files);
  }
}
