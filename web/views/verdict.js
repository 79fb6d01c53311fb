// A verdict for people: in words first, then the tree, then what it rests on.

import { toJson, toText, fromBase64 } from "../bytes.js";
import { change } from "../change.js";
import { button, copyButton, digest, el, fresh, mark, prose, save, when } from "../dom.js";
import { writePieces } from "../sources/evidence.js";
import { texts } from "../texts.js";

/** Octets of evidence that are shown; what is longer can be saved. */
const MAX_SHOWN = 64 * 1024;
/** What lies in a manifest of its own, as its only layer. */
const IN_ONE = new Set(["bundle", "notation"]);

/**
 * @param {{verdict: object, header: Uint8Array, evidence: object[], question: object, signers: object[], leaves?: object[]}} result
 * @param {{level?: number, against?: string, module?: string}} context
 */
export function verdictView(result, { level = 2, against, module } = {}) {
  const { verdict, header, evidence, question, leaves = [] } = result;
  const said = texts.verdict;
  const id = fresh("verdict");
  const advice = change(verdict);
  const pieces = evidenceList(evidence);
  const facts = [
    [said.image, el("code", {}, verdict.image.split("@")[0])],
    [said.digest, verdict.digest ? digest(verdict.digest) : said.notSettled],
    [said.asked, when(question.now)],
    against && [said.against, against],
    module && [said.module, digest(module)],
  ].filter(Boolean);
  return el(
    "article",
    { class: `verdict ${verdict.outcome}`, "aria-labelledby": id },
    el(
      "header",
      {},
      mark(verdict.outcome),
      el(
        "div",
        {},
        el(`h${level}`, { id }, said.outcome[verdict.outcome]),
        el("p", { class: "plain" }, plainWords(verdict)),
      ),
    ),
    !verdict.enforced && el("p", { class: "note" }, said.notEnforced),
    verdict.warnings.map((warning) => el("p", { class: "note" }, prose(warning))),
    advice && el("p", { class: "change" }, el("strong", {}, said.change), " ", prose(advice)),
    el(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
    ),
    el(`h${level + 1}`, {}, said.how),
    verdict.reasons.length > 0 && reasonList(verdict.reasons),
    verdict.policies.map(({ policy, mode, tree }) =>
      el(
        "section",
        { class: "policy" },
        el(
          "p",
          { class: "policy-name" },
          said.policy,
          " ",
          el("b", {}, policy),
          mode !== "enforce" && el("span", { class: "tag" }, said.modes[mode]),
        ),
        el("ul", { class: "tree" }, node(tree, result, pieces)),
      ),
    ),
    verdict.remember && rememberList(verdict.remember),
    verdict.otherForms?.length > 0 && el("p", { class: "note" }, said.otherForms(verdict.otherForms)),
    leaves.length > 0 && platformTable(leaves, level, { against, module }),
    el(`h${level + 1}`, {}, said.evidence),
    el("p", { class: "hint" }, said.evidenceHint),
    pieces.list,
    el(
      "p",
      { class: "actions" },
      button(said.saveEvidence, () =>
        save(
          "bulla.evidence",
          writePieces(
            question,
            evidence.map(({ content, ...piece }) => piece),
          ),
        ),
      ),
      button(said.saveVerdict, () => save("verdict.json", header, "application/json")),
      button(said.print, () => print()),
    ),
  );
}

/** One sentence without jargon. */
export function plainWords(verdict) {
  const said = texts.verdict;
  if (verdict.outcome === "accept") {
    const signers = new Set(verdict.policies.flatMap(({ tree }) => signersIn(tree)));
    if (verdict.policies.some(({ tree }) => tree.broken)) return said.acceptedBroken;
    if (!signers.size && verdict.policies.some(({ tree }) => tree.exempted)) return said.acceptedExempt;
    return signers.size ? said.acceptedBy({ signers: [...signers] }) : said.acceptedPlain;
  }
  if (verdict.outcome === "unknown") return said.unknownPlain;
  const codes = new Set(
    verdict.policies.flatMap(({ tree }) => codesIn(tree)).concat(verdict.reasons.map(({ code }) => code)),
  );
  const telling = [
    "no-policy",
    "revoked-digest",
    "signer-revoked",
    "signer-not-valid",
    "notation-revocation",
    "notation-expiry",
    "notation-timestamp",
    "notation-integrity",
    "notation-authenticity",
    "notation-metadata",
    "notation-target",
    "age",
    "wrong-identity",
    "wrong-digest",
    "annotation",
    "condition",
    "predicate",
    "threshold",
    "other-key",
    "not-signed",
    "nothing-found",
  ];
  const code = telling.find((one) => codes.has(one));
  return said.rejected[code] ?? said.rejectedPlain;
}

const signersIn = ({ rule, outcome, of = [] }) =>
  outcome !== "accept"
    ? []
    : [/^signer (.*)$/.exec(rule)?.[1], /^attestation .* by (.*?)$/.exec(rule)?.[1], ...of.flatMap(signersIn)].filter(
        Boolean,
      );
const codesIn = ({ reasons = [], of = [] }) => [...reasons.map(({ code }) => code), ...of.flatMap(codesIn)];

/** A rule of the tree, in words. */
function ruleWords(rule) {
  const said = texts.verdict;
  if (said.rules[rule]) return said.rules[rule];
  const [, count] = /^atLeast (\d+)$/.exec(rule) ?? [];
  if (count) return said.atLeast({ count });
  const [, signer] = /^signer (.*)$/.exec(rule) ?? [];
  if (signer !== undefined) return said.signer({ signer });
  const [, attestation, by] = /^attestation (.*) by (.*?)$/.exec(rule) ?? [];
  if (attestation !== undefined) return said.attestation({ attestation, by });
  const [, moment] = /^exempt until (.*)$/.exec(rule) ?? [];
  if (moment) return said.exempt({ moment });
  const [, user] = /^glass broken by (.*)$/.exec(rule) ?? [];
  if (user !== undefined) return said.glassBroken({ user });
  const [, platform] = /^leaf (.*)$/.exec(rule) ?? [];
  return platform !== undefined ? said.leaf({ platform }) : rule;
}

function node(tree, result, pieces) {
  const said = texts.verdict;
  const found = piecesOf(tree.signature, result.evidence);
  const links = found.map(({ index, name }) => button(name, () => pieces.show(index), { class: "link" }));
  const facts = [
    tree.key && el("p", {}, said.key, " ", digest(tree.key)),
    tree.certificate && el("p", {}, said.certificate, " ", el("code", {}, tree.certificate)),
    tree.exempted && el("p", {}, tree.exempted),
    tree.digest && el("p", {}, said.digest, " ", digest(tree.digest)),
    tree.signature &&
      el("p", {}, said.place[tree.signature.holder] ?? tree.signature.holder, " ", String(tree.signature.number)),
    tree.checks?.length > 0 && checkList(tree.checks),
    tree.reasons?.length > 0 && reasonList(tree.reasons),
    links.length > 0 && el("p", { class: "links" }, said.show, " ", links),
  ].filter(Boolean);
  const line = [
    mark(tree.outcome),
    el("span", { class: "rule" }, ruleWords(tree.rule)),
    el("span", { class: `word ${tree.outcome}` }, said.holds[tree.outcome]),
  ];
  // What failed and is only logged is easily missed: it is in sight as what failed for good is.
  const open = tree.outcome !== "accept" || tree.broken || tree.checks?.some(({ passed }) => passed === false);
  const own = facts.length
    ? el("details", { open }, el("summary", {}, line), facts)
    : el("p", { class: "line" }, line);
  return el(
    "li",
    {},
    own,
    tree.of?.length > 0 &&
      el(
        "ul",
        {},
        tree.of.map((part) => node(part, result, pieces)),
      ),
  );
}

const reasonList = (reasons) =>
  el(
    "ul",
    { class: "reasons" },
    reasons.map(({ code, message }) => el("li", {}, prose(message), " ", el("span", { class: "code" }, code))),
  );

/** What Notation checks of a signature, one by one (trust store and trust policy specification). */
function checkList(checks) {
  const said = texts.verdict;
  return [
    el("p", {}, said.checks),
    el(
      "ul",
      { class: "checks" },
      checks.map(({ check, action, passed, what }) => {
        const outcome = passed === true ? "accept" : passed === false ? "reject" : "unknown";
        return el(
          "li",
          {},
          mark(outcome),
          el("span", {}, said.checkNames[check] ?? check),
          " ",
          el("span", { class: `word ${outcome}` }, action === "skip" ? said.skipped : said.checked[outcome]),
          action === "log" && [" ", el("span", { class: "tag" }, said.onlyLogged)],
          what && [": ", prose(what)],
        );
      }),
    ),
  ];
}

/** What a host keeps of collections of Docker Content Trust, so that nobody shows it older ones. */
const rememberList = (collections) =>
  el(
    "details",
    { class: "bulk" },
    el("summary", {}, texts.verdict.remember),
    el("p", { class: "hint" }, texts.verdict.rememberHint),
    Object.entries(collections).map(([collection, state]) => [
      el("p", {}, el("code", {}, collection)),
      el("pre", { tabindex: "0" }, JSON.stringify(state, null, 2)),
    ]),
  );

/** The evidence behind a line: the manifest that brings a signature, and what was signed. */
function piecesOf(signature, evidence) {
  if (!signature) return [];
  const said = texts.verdict;
  if (signature.holder === "roleFile") {
    return evidence.flatMap(({ need, outcome }, index) =>
      need.startsWith("role ") && outcome === "found" ? [{ index, name: need.slice(need.lastIndexOf(":") + 1) }] : [],
    );
  }
  const isManifest = signature.manifest
    ? (piece) => piece.content === signature.manifest
    : (piece) => piece.need.endsWith(signature.holder === "attestation" ? ".att" : ".sig") && piece.outcome === "found";
  const at = evidence.findIndex(isManifest);
  if (at < 0) return [];
  const layers = toJson(evidence[at].bytes ?? new Uint8Array())?.layers ?? [];
  // The number of a bundle or an envelope is its place in the list of referrers, any other is that of a layer.
  const layer = layers[IN_ONE.has(signature.holder) ? 0 : signature.number - 1];
  const payload = evidence.findIndex(({ content }) => content && content === layer?.digest);
  return [{ index: at, name: said.manifest }, payload >= 0 && { index: payload, name: said.payload }].filter(Boolean);
}

function evidenceList(evidence) {
  const said = texts.verdict;
  const items = evidence.map((piece) => {
    const body = el("div", { class: "body" });
    const details = el(
      "details",
      {
        class: "bulk",
        ontoggle: () => {
          if (details.open && !body.hasChildNodes()) body.append(...pieceBody(piece));
        },
      },
      el(
        "summary",
        {},
        el("span", { class: "need" }, needWords(piece.need)),
        el("span", { class: "word" }, said.came[piece.outcome]?.(piece) ?? piece.outcome),
      ),
      body,
    );
    return details;
  });
  const list = evidence.length
    ? el(
        "ol",
        { class: "evidence" },
        items.map((item) => el("li", {}, item)),
      )
    : el("p", {}, said.noEvidence);
  return {
    list,
    show(index) {
      items[index].open = true;
      const summary = items[index].querySelector("summary");
      summary.scrollIntoView({ block: "center" });
      summary.focus();
    },
  };
}

/** A need in short: what it is, and the ends of its digest. The whole one is inside. */
const needWords = (need) =>
  el("code", { title: need }, need.replace(/([0-9a-f]{8})[0-9a-f]{48}([0-9a-f]{8})/g, "$1…$2"));

function pieceBody(piece) {
  const said = texts.verdict;
  const asked = el("p", { class: "hint" }, el("code", {}, piece.need));
  if (piece.outcome !== "found")
    return [
      asked,
      el("p", {}, piece.digest ? digest(piece.digest) : (piece.reason ?? said.came[piece.outcome]?.(piece) ?? "")),
    ];
  const value = toJson(piece.bytes);
  const inner = value?.payload ?? value?.dsseEnvelope?.payload;
  const decoded = typeof inner === "string" ? toJson(fromBase64(inner) ?? new Uint8Array()) : undefined;
  const text = value === undefined ? (toText(piece.bytes) ?? said.binary) : JSON.stringify(value, null, 2);
  const shown = (content) =>
    el("pre", { tabindex: "0" }, content.length > MAX_SHOWN ? `${content.slice(0, MAX_SHOWN)}\n${said.cut}` : content);
  return [
    asked,
    el("p", {}, digest(piece.content), piece.mediaType && el("span", { class: "media" }, piece.mediaType)),
    decoded !== undefined && [
      el("p", {}, said.signedStatement),
      shown(JSON.stringify(decoded, null, 2)),
      el("p", {}, said.asItLies),
    ],
    shown(text),
    el(
      "p",
      {},
      copyButton(text),
      " ",
      button(texts.save, () => save(piece.content.slice(7, 19), piece.bytes), { class: "small" }),
    ),
  ]
    .flat()
    .filter(Boolean);
}

function platformTable(leaves, level, context) {
  const said = texts.verdict;
  const rows = leaves.map(({ platform, digest: leaf, result }) => {
    const holder = el("td", { colspan: "3", class: "inner" });
    const row = el("tr", { hidden: true }, holder);
    const toggle = button(
      platform ?? said.noPlatform,
      () => {
        if (!holder.hasChildNodes()) holder.append(verdictView(result, { level: Math.min(level + 2, 4), ...context }));
        row.hidden = !row.hidden;
        toggle.setAttribute("aria-expanded", String(!row.hidden));
      },
      { class: "link", "aria-expanded": "false" },
    );
    return [
      el(
        "tr",
        {},
        el("th", { scope: "row" }, toggle),
        el("td", {}, mark(result.verdict.outcome), texts.verdict.outcome[result.verdict.outcome]),
        el("td", {}, digest(leaf)),
      ),
      row,
    ];
  });
  return el(
    "div",
    { class: "platforms" },
    el(`h${level + 1}`, {}, said.platforms),
    el("p", { class: "hint" }, said.platformsHint),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": said.platforms },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            [said.platform, said.alone, said.digest].map((name) => el("th", { scope: "col" }, name)),
          ),
        ),
        el("tbody", {}, rows),
      ),
    ),
  );
}
