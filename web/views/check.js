// Check: an image by its name through the host's gateway, or files, against pinned keys.

import { accessFields } from "../access.js";
import { announce, button, choiceList, digest, el, field, mark, problemBox, progress } from "../dom.js";
import { dropPlace } from "../drop.js";
import { completed, documentsOf, isComplete, pinnedFor } from "../pins.js";
import { texts } from "../texts.js";
import { verdictView } from "./verdict.js";

/** Results that are shown in full at once; more are a list of lines that open. */
const MAX_OPEN = 3;
/** Lines that are added between two frames, so that none takes longer than it should. */
const ROWS_A_FRAME = 8;

export function checkView(app) {
  const said = texts.check;
  /** What was dropped so far. A new token makes the worker read it anew. */
  const drop = { token: null, files: [], content: null };
  let choices = [];
  /** Ends the check that is running, if one is: a new one takes its place. */
  let running = new AbortController();

  const name = field(
    said.reference,
    el("input", {
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "registry.example/team/app:1.4",
    }),
    { hint: said.referenceHint, error: true },
  );
  const access = accessFields(texts.access.title);
  const byName = el(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        const image = name.control.value.trim();
        name.complain(image ? null : said.noReference);
        if (image) run([{ image, from: "gateway" }]);
      },
    },
    name,
    access.element,
    el("p", {}, el("button", { type: "submit", class: "primary" }, said.check)),
  );

  const found = el("div", { class: "found" });
  const results = el("div", { class: "results" });
  const against = el("p", { class: "against" });
  const place = dropPlace({ label: said.drop, hint: said.dropHint, onFiles: take });

  const view = el(
    "section",
    { "aria-labelledby": "check-title" },
    el("h1", { id: "check-title" }, said.title),
    el("p", { class: "lead" }, said.lead),
    against,
    el(
      "div",
      { class: "ways" },
      el("section", { "aria-label": said.byName }, el("h2", {}, said.byName), byName),
      el("section", { "aria-label": said.byFile }, el("h2", {}, said.byFile), place),
    ),
    found,
    results,
  );
  app.store.watch(showAgainst);
  showAgainst();
  return view;

  async function showAgainst() {
    const { documents, words } = await trust();
    against.replaceChildren(
      mark(documents.length ? "accept" : "unknown"),
      words,
      " ",
      el("a", { href: "#pins" }, documents.length ? said.seePins : said.addPin),
    );
  }

  /** What is checked against: what was dropped for this check, or else what is pinned. */
  async function trust() {
    const { keys = [], policies = [] } = drop.content ?? {};
    if (keys.length || policies.length) {
      const pins = keys.map(({ name: label, ...key }) => ({ label, scope: [], ...pinnedFor(key.uses[0], key) }));
      const names = [...keys.map(({ name: label }) => label), ...policies.map(({ name: label }) => label)];
      return {
        documents: [...documentsOf(pins), ...policies.map(({ name: label, text }) => ({ name: label, text }))],
        words: said.againstDropped({ names }),
        short: said.droppedShort({ names }),
      };
    }
    const [pins, kept] = await Promise.all([app.store.all("pins"), app.store.all("policies")]);
    const documents = [...documentsOf(pins), ...kept.map(({ name: label, text }) => ({ name: label, text }))];
    const usable = pins.filter(isComplete).length;
    return {
      documents,
      words: documents.length ? said.againstPins({ keys: usable, policies: kept.length }) : said.againstNothing,
      short: said.pinsShort({ keys: usable, policies: kept.length }),
    };
  }

  async function take(files) {
    drop.files = [...drop.files.filter(({ path }) => !files.some((file) => file.path === path)), ...files];
    await look();
  }

  async function look() {
    drop.token = crypto.randomUUID();
    results.replaceChildren();
    const stop = new AbortController();
    const bar = progress(said.reading, () => stop.abort());
    found.replaceChildren(bar);
    bar.to(null);
    try {
      drop.content = await app.work().run(
        "collect",
        { token: drop.token, files: drop.files },
        {
          signal: stop.signal,
          onProgress: ({ reading, share }) => reading && bar.to(share, said.readingFile({ name: reading })),
        },
      );
    } catch (error) {
      if (stop.signal.aborted) clear();
      else found.replaceChildren(problemBox(error));
      return;
    }
    await completePins(drop.content.keys);
    showFound();
    await showAgainst();
    const [only] = drop.content.images;
    // One image whose name is in the file needs no question.
    if (drop.content.images.length === 1 && only.names.length === 1) await runChosen();
  }

  /** A pin that is only a fingerprint is complete when its key or certificate comes along. */
  async function completePins(keys) {
    for (const pin of await app.store.all("pins")) {
      const whole = keys.map((key) => completed(pin, key)).find(Boolean);
      if (whole) await app.store.put("pins", whole);
    }
  }

  function clear() {
    Object.assign(drop, { token: null, files: [], content: null });
    found.replaceChildren();
    results.replaceChildren();
    showAgainst();
  }

  function showFound() {
    const { items, images } = drop.content;
    const files = el(
      "ul",
      { class: "items" },
      items.map((item) =>
        el(
          "li",
          {},
          item.kind === "problem"
            ? [
                mark("unknown"),
                !item.error.message.startsWith(item.name) && [el("b", {}, item.name), ": "],
                el("span", { class: "wrong" }, item.error.message),
                detailList(item.error.details),
              ]
            : [
                el("b", {}, item.name),
                " ",
                said.kinds[item.kind],
                item.fingerprint && [" ", digest(item.fingerprint)],
                item.kind === "record" && [" ", el("a", { href: "#replay" }, said.toReplay)],
                item.notes?.length > 0 &&
                  el(
                    "ul",
                    {},
                    item.notes.map((note) => el("li", {}, note.message ?? String(note))),
                  ),
              ],
        ),
      ),
    );
    choices = images.map((image, index) => choiceOf(image, index));
    const parts = [el("h2", {}, said.found), files, button(said.clear, clear, { class: "small" })];
    if (images.length) {
      const start = el("button", { type: "submit", class: "primary" }, said.checkThese({ count: images.length }));
      const form = el(
        "form",
        {
          class: "images",
          onsubmit: (event) => {
            event.preventDefault();
            runChosen();
          },
        },
        el("h3", {}, said.images({ count: images.length })),
        images.length > 1 && allBox(start),
        choiceList(choices),
        el("p", {}, start),
      );
      parts.push(form);
    } else if (!items.some(({ kind }) => ["key", "root", "policy", "converted", "record", "problem"].includes(kind))) {
      parts.push(el("p", {}, said.noImages));
    } else if (items.every(({ kind }) => ["key", "root", "policy", "converted"].includes(kind))) {
      parts.push(el("p", {}, said.keyOnly));
    }
    found.replaceChildren(...parts);
    announce(said.images({ count: images.length }));
  }

  function allBox(start) {
    const box = el("input", {
      type: "checkbox",
      checked: true,
      onchange: () => {
        for (const { check } of choices) check.checked = box.checked;
        start.textContent = said.checkThese({ count: box.checked ? choices.length : 0 });
      },
    });
    return el("label", { class: "all" }, box, said.all);
  }

  function choiceOf(image) {
    const check = el("input", {
      type: "checkbox",
      checked: true,
      "aria-label": said.include({ name: image.names[0] ?? image.digest }),
    });
    const value = image.names[0] ?? withTag(image) ?? "";
    const control = field(
      said.checkedAs,
      el("input", {
        type: "text",
        value,
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "registry.example/team/app",
      }),
      { hint: !image.names.length && value ? said.claimedName : null, error: true },
    );
    const row = el(
      "div",
      { class: "row" },
      check,
      el("div", {}, control, image.digest && el("p", { class: "hint" }, digest(image.digest))),
    );
    return { image, check, control, row };
  }

  async function runChosen() {
    const chosen = choices.filter(({ check }) => check.checked);
    const unnamed = chosen.find(({ control }) => !control.control.value.trim());
    for (const { control } of chosen) control.complain(null);
    if (unnamed) {
      unnamed.control.complain(said.nameNeeded);
      return;
    }
    await run(
      chosen.map(({ image, control }) => {
        const asked = control.control.value.trim();
        const reference = image.digest && !asked.includes("@") ? `${asked}@${image.digest}` : asked;
        return { image: reference, from: "files", evidence: image.evidence };
      }),
    );
  }

  async function run(images) {
    // What was decided about something else is not left standing beside a new question.
    results.replaceChildren();
    const { documents, short } = await trust();
    if (!documents.length) {
      results.replaceChildren(
        el(
          "div",
          { class: "problem", role: "alert" },
          el("p", {}, mark("unknown"), said.nothingPinned, " ", el("a", { href: "#pins" }, said.addPin)),
        ),
      );
      return;
    }
    running.abort();
    const stop = (running = new AbortController());
    const bar = progress(said.checking({ done: 0, of: images.length }), () => stop.abort());
    const list = el("div", { class: "list" });
    const tally = el("p", { class: "tally", role: "status" });
    // What is said at the end takes the place of the bar, so that nothing below it moves.
    const slot = el("div", { class: "slot" }, bar, tally);
    results.replaceChildren(slot, list);
    const alone = images.length === 1;
    if (alone) bar.to(null);
    const typed = access.typed();
    access.forgetPassword();
    const { digest: module } = await app.own;
    const counts = { accept: 0, reject: 0, unknown: 0 };
    let done = 0;
    const waiting = [];
    let frame = 0;
    const flush = () => {
      frame = 0;
      for (const result of waiting.splice(0, ROWS_A_FRAME))
        list.append(resultView(result, images, { against: short, module }));
      if (alone && done) slot.remove();
      else bar.to(alone ? null : done / images.length, said.checking({ done, of: images.length }));
      if (waiting.length) frame = requestAnimationFrame(flush);
    };
    try {
      const request = {
        token: drop.token,
        files: drop.files,
        images,
        documents,
        access: typed,
        leaves: images.length <= MAX_OPEN,
        now: Math.floor(Date.now() / 1000),
      };
      await app.work().run("check", request, {
        signal: stop.signal,
        onProgress: ({ index, result, round, needs }) => {
          if (round) {
            if (alone) bar.to(null, said.round({ round, count: needs.length }));
            return;
          }
          if (!result) return;
          done += 1;
          counts[result.verdict?.outcome ?? "unknown"] += 1;
          if (images[index].from === "gateway") access.mend(result.error);
          waiting.push({ index, ...result });
          frame ||= requestAnimationFrame(flush);
        },
      });
      while (waiting.length) {
        await new Promise((resolve) => {
          requestAnimationFrame(resolve);
        });
        if (!frame) flush();
      }
      bar.remove();
      tally.textContent = said.tally(counts);
      if (alone) announce(list.querySelector("h2")?.textContent ?? said.failed);
      results.dataset.done = String(done);
      if (alone) list.firstElementChild?.scrollIntoView({ block: "nearest" });
    } catch (error) {
      bar.remove();
      slot.append(
        stop.signal.aborted
          ? el("p", { class: "note", role: "status" }, said.cancelled({ done, of: images.length }))
          : problemBox(error),
      );
    }
  }

  function resultView(result, images, context) {
    const { image } = images[result.index];
    if (images.length <= MAX_OPEN)
      return result.error
        ? el("div", {}, el("h2", {}, said.failed), el("p", {}, el("code", {}, image)), problemBox(result.error))
        : verdictView(result, context);
    const outcome = result.verdict?.outcome ?? "unknown";
    const details = el(
      "details",
      {
        class: "line",
        ontoggle: () => {
          if (details.open && details.children.length === 1)
            details.append(result.error ? problemBox(result.error) : verdictView(result, { ...context, level: 3 }));
        },
      },
      el(
        "summary",
        {},
        mark(outcome),
        el("span", { class: "need" }, image.split("@")[0]),
        el("span", { class: `word ${outcome}` }, texts.verdict.outcome[outcome]),
      ),
    );
    return details;
  }
}

const detailList = (details) =>
  details?.length > 1 &&
  el(
    "ul",
    {},
    details.map(({ line, column, message }) => el("li", {}, line ? texts.atLine({ line, column }) : "", message)),
  );

/** The name that the signatures claim, with the file's tag. */
const withTag = ({ claimed, tag }) =>
  claimed && (tag && !/:[^/]*$/.test(claimed.replace(/^[^/]*/, "")) ? `${claimed}:${tag}` : claimed);
