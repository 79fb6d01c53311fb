// Replay: a decision record is decided anew; a policy can be changed and tried on it.

import { announce, button, digest, el, mark, problemBox, progress, when } from "../dom.js";
import { dropPlace } from "../drop.js";
import { texts } from "../texts.js";
import { editor } from "./editor.js";
import { verdictView } from "./verdict.js";

/** Octets of the file of a record (docs/records.md). */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

export function replayView(app) {
  const said = texts.replay;
  const results = el("div", { class: "results" });
  const place = dropPlace({
    label: said.drop,
    hint: said.dropHint,
    folders: false,
    multiple: false,
    onFiles: ([{ file }]) => run(file),
  });
  return el(
    "section",
    { "aria-labelledby": "replay-title" },
    el("h1", { id: "replay-title" }, said.title),
    el("p", { class: "lead" }, said.lead),
    place,
    results,
  );

  async function run(file, otherModule = false) {
    const stop = new AbortController();
    const bar = progress(said.replaying, () => stop.abort());
    bar.to(null);
    results.replaceChildren(bar);
    try {
      if (file.size > MAX_FILE_BYTES) throw new Error(said.tooLarge);
      const replayed = await app.work().run("replay", { file, otherModule }, { signal: stop.signal });
      results.replaceChildren(...view(file, replayed, await app.own));
      announce(said.results[replayed.result]);
    } catch (error) {
      results.replaceChildren(stop.signal.aborted ? el("p", { class: "note" }, said.cancelled) : failed(error));
    }
  }

  function failed(error) {
    return el("div", {}, el("h2", {}, said.notReplayed), problemBox(error));
  }

  function view(file, replayed, own) {
    const { result, record, id, question, by, difference, documents } = replayed;
    const outcome = { agrees: "accept", differs: "reject" }[result] ?? "unknown";
    const isOwn = record.module === own.digest;
    const facts = [
      [said.id, digest(id)],
      [said.image, el("code", {}, question.image)],
      [said.asked, when(question.now)],
      [
        said.made,
        said.madeWords({
          surface: said.surfaces[record.made.surface] ?? record.made.surface,
          action: said.actions[record.made.action] ?? record.made.action,
          object: record.made.object,
        }),
      ],
      [said.recordedOutcome, texts.verdict.outcome[record.verdict.outcome]],
      [said.module, [digest(record.module), el("p", { class: "hint" }, isOwn ? said.ownModule : said.otherModule)]],
    ];
    return [
      el(
        "article",
        { class: `verdict ${outcome}` },
        el(
          "header",
          {},
          mark(outcome),
          el(
            "div",
            {},
            el("h2", {}, said.results[result]),
            el(
              "p",
              { class: "plain" },
              said.plain[result]({ isOwn: by === own.digest, summary: record.verdict.summary }),
            ),
          ),
        ),
        difference &&
          el(
            "dl",
            { class: "facts difference" },
            el(
              "div",
              {},
              el("dt", {}, said.where),
              el("dd", {}, el("code", {}, difference.pointer || said.onlyWriting)),
            ),
            el(
              "div",
              {},
              el("dt", {}, said.recorded),
              el("dd", {}, el("code", {}, JSON.stringify(difference.recorded) ?? said.nothing)),
            ),
            el(
              "div",
              {},
              el("dt", {}, said.now),
              el("dd", {}, el("code", {}, JSON.stringify(difference.replayed) ?? said.nothing)),
            ),
          ),
        replayed.needs?.length > 0 &&
          el(
            "ul",
            {},
            replayed.needs.map((need) => el("li", {}, el("code", {}, need))),
          ),
        result === "noModule" &&
          el(
            "p",
            {},
            button(said.useOwn, () => run(file, true)),
          ),
        el(
          "dl",
          { class: "facts" },
          facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        ),
      ),
      replayed.verdict &&
        el(
          "details",
          { class: "more" },
          el("summary", {}, said.showVerdict),
          verdictView({ ...replayed, signers: [], leaves: [] }, { level: 3, module: by }),
        ),
      tryOut(file, documents),
    ].filter(Boolean);
  }

  /** The recorded policies in an editor each, and what they would decide. */
  function tryOut(file, documents) {
    const editors = documents.map(({ name, text }) =>
      editor({
        name,
        text,
        read: (candidate) => app.work().run("readPolicies", { documents: [{ name, text: candidate }] }),
      }),
    );
    const outcome = el("div", { class: "results", "aria-live": "polite" });
    const form = el(
      "form",
      {
        onsubmit: async (event) => {
          event.preventDefault();
          await attempt();
        },
      },
      el("h2", {}, said.tryTitle),
      el("p", { class: "hint" }, said.tryHint),
      editors.map((one) => one.element),
      el(
        "p",
        {},
        el("button", { type: "submit", class: "primary" }, said.try),
        " ",
        button(said.reset, () => {
          for (const one of editors) one.reset();
          outcome.replaceChildren();
        }),
      ),
      outcome,
    );
    return form;

    async function attempt() {
      const policies = editors.map((one) => ({ name: one.name, text: one.value() }));
      try {
        const tried = await app.work().run("replay", { file, policies });
        if (tried.result === "needs") {
          outcome.replaceChildren(
            el(
              "div",
              { class: "note" },
              el("p", {}, said.wouldNeed),
              el(
                "ul",
                {},
                tried.needs.map((need) => el("li", {}, el("code", {}, need))),
              ),
            ),
          );
        } else {
          outcome.replaceChildren(
            verdictView(
              { ...tried, signers: [], leaves: [] },
              { level: 3, against: said.changedPolicies, module: tried.by },
            ),
          );
        }
      } catch (error) {
        const wrong = new Set((error.details ?? []).map(({ document }) => document));
        for (const one of editors)
          one.showErrors((error.details ?? []).filter(({ document }) => document === one.name));
        const first = editors.find(({ name }) => wrong.has(name));
        outcome.replaceChildren(problemBox(error));
        first?.focusError();
      }
    }
  }
}
