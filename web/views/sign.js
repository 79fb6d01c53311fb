// Sign: choose images, choose a key, see exactly what will be signed, sign, and take away or push what came of it.

import { accessFields } from "../access.js";
import { toBytes, toJson, toText } from "../bytes.js";
import {
  amount,
  announce,
  button,
  choice,
  choiceList,
  copyButton,
  digest,
  el,
  field,
  fresh,
  mark,
  problemBox,
  progress,
  prose,
  save,
} from "../dom.js";
import { dropPlace } from "../drop.js";
import { attestedBy, documentsOf } from "../pins.js";
import { texts } from "../texts.js";
import { keyChooser } from "./keys.js";

/** Octets of a predicate's file (docs/policy.md, "Amounts"). */
const MAX_PREDICATE_BYTES = 4 * 1024 * 1024;
/** Names that cosign has for types of predicates. */
const PREDICATE_TYPES = ["slsaprovenance1", "spdxjson", "cyclonedx", "vuln", "openvex", "link", "custom"];

export function signView(app) {
  const said = texts.sign;
  const state = { token: null, files: [], rows: [], gathered: null, predicate: null };

  // 1: images
  const found = el("div", { class: "found" });
  const names = field(
    said.references,
    el("textarea", {
      rows: "2",
      spellcheck: "false",
      autocomplete: "off",
      placeholder: "registry.example/team/app:1.4",
    }),
    { hint: said.referencesHint },
  );
  const access = accessFields(said.byName, names);
  const images = el(
    "section",
    { class: "step" },
    el("h2", {}, said.images),
    dropPlace({ label: said.drop, hint: said.dropHint, onFiles: take }),
    found,
    access.element,
  );

  // 2: key
  const keys = keyChooser(app, stale);
  const key = el("section", { class: "step" }, el("h2", {}, said.key), keys.element);

  // 3: what is said
  const kind = choice(
    said.kind,
    [
      { value: "signature", label: said.signature, hint: said.signatureHint },
      { value: "attestation", label: said.attestation, hint: said.attestationHint },
    ],
    "signature",
    fit,
  );
  const known = fresh("types");
  const predicateType = field(
    said.predicateType,
    el("input", { type: "text", list: known, autocomplete: "off", spellcheck: "false", oninput: stale }),
    { hint: said.predicateTypeHint, error: true },
  );
  const predicate = el("p", { class: "hint", role: "status" });
  const statement = el(
    "div",
    {},
    predicateType,
    el(
      "datalist",
      { id: known },
      PREDICATE_TYPES.map((value) => el("option", { value })),
    ),
    dropPlace({
      label: said.predicate,
      hint: said.predicateHint,
      folders: false,
      multiple: false,
      onFiles: ([{ file }]) => takePredicate(file),
    }),
    predicate,
  );
  const form = choice(
    said.form,
    [
      { value: "legacy", label: said.legacy, hint: said.legacyHint },
      { value: "bundle", label: said.bundle, hint: said.bundleHint },
    ],
    "legacy",
    stale,
  );
  const annotations = field(
    said.annotations,
    el("textarea", {
      rows: "2",
      spellcheck: "false",
      autocomplete: "off",
      placeholder: "stage=production",
      oninput: stale,
    }),
    { hint: said.annotationsHint, error: true },
  );
  const preview = el("div", { class: "preview", "aria-live": "polite" });
  const what = el(
    "section",
    { class: "step" },
    el("h2", {}, said.what),
    kind,
    form,
    annotations,
    el("p", {}, button(said.preview, showPreview, { class: "primary" })),
    preview,
  );
  const done = el("div", { class: "results" });
  return el(
    "section",
    { "aria-labelledby": "sign-title" },
    el("h1", { id: "sign-title" }, said.title),
    el("p", { class: "lead" }, said.lead),
    images,
    key,
    what,
    done,
  );

  /** Shows what belongs to a signature, or to an attestation. */
  function fit() {
    stale();
    annotations.hidden = kind.value === "attestation";
    if (annotations.hidden) kind.after(statement);
    else statement.remove();
  }

  async function takePredicate(file) {
    stale();
    if (file.size > MAX_PREDICATE_BYTES) {
      state.predicate = null;
      predicate.textContent = said.predicateTooLarge;
      return;
    }
    state.predicate = new Uint8Array(await file.arrayBuffer());
    predicate.textContent = said.predicateTaken({ name: file.name, octets: state.predicate.length });
  }

  /** Whatever was prepared no longer stands for what is on the page. */
  function stale() {
    state.gathered = null;
    preview.replaceChildren();
    done.replaceChildren();
  }

  async function take(files) {
    stale();
    state.files = [...state.files.filter(({ path }) => !files.some((file) => file.path === path)), ...files];
    state.token = crypto.randomUUID();
    const stop = new AbortController();
    const bar = progress(texts.check.reading, () => stop.abort());
    bar.to(null);
    found.replaceChildren(bar);
    try {
      const { images: there, items } = await app.work().run(
        "collect",
        { token: state.token, files: state.files },
        {
          signal: stop.signal,
          onProgress: ({ reading, share }) => reading && bar.to(share, texts.check.readingFile({ name: reading })),
        },
      );
      const problems = items.filter(({ kind }) => kind === "problem");
      state.rows = there.filter((image) => image.digest).map(rowOf);
      found.replaceChildren(
        ...problems.map(({ error }) => problemBox(error)),
        state.rows.length ? choiceList(state.rows) : el("p", {}, texts.check.noImages),
        button(texts.check.clear, clear, { class: "small" }),
      );
      announce(texts.check.images({ count: state.rows.length }));
    } catch (error) {
      if (stop.signal.aborted) clear();
      else found.replaceChildren(problemBox(error));
    }
  }

  function clear() {
    Object.assign(state, { files: [], rows: [], token: null });
    found.replaceChildren();
    stale();
  }

  function rowOf(image) {
    const check = el("input", {
      type: "checkbox",
      checked: image.here,
      disabled: !image.here,
      onchange: stale,
      "aria-label": texts.check.include({ name: image.names[0] ?? image.digest }),
    });
    const claimed = image.claimed && `${image.claimed}${image.tag ? `:${image.tag}` : ""}`;
    const control = field(
      said.signAs,
      el("input", {
        type: "text",
        value: image.names[0] ?? claimed ?? "",
        oninput: stale,
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "registry.example/team/app:1.4",
      }),
      { error: true },
    );
    return {
      image,
      check,
      control,
      row: el(
        "div",
        { class: "row" },
        check,
        el("div", {}, control, el("p", { class: "hint" }, digest(image.digest), !image.here && said.notHere)),
      ),
    };
  }

  /** What is to be signed, as somebody asked for it; null where something is missing. */
  function request() {
    annotations.complain(null);
    predicateType.complain(null);
    const attests = kind.value === "attestation";
    if (attests && !predicateType.control.value.trim()) {
      predicateType.complain(said.noPredicateType);
      return null;
    }
    if (attests && !state.predicate) {
      preview.replaceChildren(problemBox(new Error(said.noPredicate)));
      return null;
    }
    const signed = {};
    for (const line of annotations.control.value
      .split("\n")
      .map((text) => text.trim())
      .filter(Boolean)) {
      const at = line.indexOf("=");
      if (at < 1) {
        annotations.complain(said.annotationWrong({ line }));
        return null;
      }
      signed[line.slice(0, at)] = line.slice(at + 1);
    }
    const rows = state.rows.filter(({ check }) => check.checked);
    for (const { control } of rows) control.complain(null);
    const unnamed = rows.find(({ control }) => !control.control.value.trim());
    if (unnamed) {
      unnamed.control.complain(texts.check.nameNeeded);
      return null;
    }
    const fromFiles = rows.map(({ image, control }) => {
      const name = control.control.value.trim();
      return { image: name.includes("@") ? name : `${name}@${image.digest}`, from: "files" };
    });
    const byName = names.control.value
      .split(/\s+/)
      .filter(Boolean)
      .map((image) => ({ image, from: "gateway" }));
    // Fixed here, so that what is shown is what is signed.
    const now = Math.floor(Date.now() / 1000);
    const attestation = attests
      ? { predicateType: predicateType.control.value.trim(), predicate: state.predicate, now }
      : null;
    return {
      images: [...fromFiles, ...byName],
      form: form.value,
      annotations: attests ? {} : signed,
      attestation,
    };
  }

  async function showPreview() {
    stale();
    const wanted = request();
    if (!wanted) return;
    if (!wanted.images.length) {
      preview.replaceChildren(problemBox(new Error(said.noImages)));
      return;
    }
    const stop = new AbortController();
    const bar = progress(said.gathering, () => stop.abort());
    preview.replaceChildren(bar);
    try {
      const gathered = await app.work().run(
        "gather",
        {
          token: state.token,
          files: state.files,
          images: wanted.images,
          form: wanted.form,
          attests: wanted.attestation !== null,
          access: access.typed(),
        },
        {
          signal: stop.signal,
          onProgress: ({ index, image }) => image && bar.to(index / wanted.images.length, image),
        },
      );
      const { form: chosen, annotations: signed, attestation } = wanted;
      const prepared = await app
        .work()
        .run("prepare", { images: gathered, form: chosen, annotations: signed, attestation });
      state.gathered = { ...wanted, images: gathered };
      showPrepared(prepared, gathered, wanted);
    } catch (error) {
      preview.replaceChildren(stop.signal.aborted ? el("p", { class: "note" }, said.cancelled) : problemBox(error));
      access.mend(error);
    }
  }

  function showPrepared(prepared, gathered, { form: chosen, attestation }) {
    const octets = chosen === "legacy" && !attestation ? said.exactly : said.exactlyBundle;
    const list = prepared.map(({ image, payload, digest: hash }, index) => {
      const [name, about] = image.split("@");
      const place =
        chosen === "legacy"
          ? said.placeTag({
              tag: `${about.replace(":", "-")}.${attestation ? "att" : "sig"}`,
              kept: gathered[index].existing ? toJson(gathered[index].existing).layers.length : 0,
            })
          : said.placeBundle;
      return el(
        "li",
        {},
        el(
          "details",
          { open: prepared.length <= 3 },
          el("summary", {}, el("b", {}, name), " ", el("span", { class: "tag" }, gathered[index].kind)),
          el("p", {}, digest(about)),
          el("p", {}, octets),
          el("pre", { tabindex: "0" }, toText(payload)),
          el("p", { class: "hint" }, said.messageDigest, " ", digest(hash)),
          el("p", {}, prose(place)),
        ),
      );
    });
    preview.replaceChildren(
      el("h3", {}, said.previewTitle({ count: prepared.length })),
      el("p", { class: "hint" }, said.previewHint),
      el("ol", { class: "prepared" }, list),
      el("p", {}, button(said.signThese({ count: prepared.length }), signAll, { class: "primary" })),
    );
  }

  async function signAll() {
    done.replaceChildren();
    const [own, wanted] = [keys.current(), state.gathered];
    if (!own) {
      done.replaceChildren(problemBox(new Error(said.noKey)));
      return;
    }
    own.passphrase?.complain(null);
    const stop = new AbortController();
    const bar = progress(said.signing, () => stop.abort());
    bar.to(null);
    done.replaceChildren(bar);
    try {
      const kept = wanted.images.map((image) => image.kept);
      const secret = own.pair
        ? { pair: own.pair }
        : { file: own.file.slice(), passphrase: own.encrypted ? toBytes(own.passphrase.control.value) : undefined };
      const signed = await app.once(
        "sign",
        { ...wanted, kept, ...secret },
        {
          signal: stop.signal,
          onProgress: ({ done: count, of, image }) =>
            bar.to(count / of, said.signingOne({ done: count + 1, of, image: image.split("@")[0] })),
        },
      );
      if (own.passphrase) own.passphrase.control.value = "";
      showSigned(signed);
    } catch (error) {
      if (stop.signal.aborted) done.replaceChildren(el("p", { class: "note" }, said.cancelled));
      else if (error.code?.startsWith("key-passphrase")) {
        done.replaceChildren();
        own.passphrase?.complain(error.message);
      } else done.replaceChildren(problemBox(error));
    }
  }

  function showSigned({ plans, archives, publicKey }) {
    const planned = plans.map((plan) =>
      el(
        "li",
        {},
        el(
          "details",
          {},
          el(
            "summary",
            {},
            el("b", {}, `${plan.registry}/${plan.repository}`),
            " ",
            plan.alreadyThere ? said.alreadyThere : said.toPush({ blobs: plan.blobs.length }),
          ),
          el(
            "dl",
            { class: "facts" },
            [
              [said.under, el("code", {}, plan.reference)],
              [texts.verdict.image, el("code", {}, plan.image)],
              ...plan.blobs.map((blob) => [
                blob.mediaType,
                [digest(blob.digest), ` ${amount(blob.bytes.length)} ${texts.octets}`],
              ]),
            ].map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
          ),
          el("p", {}, said.manifest),
          el("pre", { tabindex: "0" }, JSON.stringify(toJson(plan.manifest), null, 2)),
        ),
      ),
    );
    const downloads = archives.map(({ repository, file, archive, references }) => {
      const commands = references
        .map((reference) => `skopeo copy --all oci-archive:${file}:${reference} docker://${repository}:${reference}`)
        .join("\n");
      return el(
        "div",
        { class: "card" },
        el(
          "p",
          {},
          button(said.download({ file }), () => save(file, archive), { class: "primary" }),
        ),
        el("p", { class: "hint" }, said.pushWith),
        el("pre", { tabindex: "0" }, commands),
        el("p", {}, copyButton(commands)),
      );
    });
    const pushing = el("div", { "aria-live": "polite" });
    const heading = el("h2", { tabindex: "-1" }, said.signed({ count: plans.length }));
    done.replaceChildren(
      el(
        "div",
        { class: "verdict accept" },
        el("header", {}, mark("accept"), el("div", {}, heading, el("p", { class: "plain" }, said.signedPlain))),
        el("h3", {}, said.plan),
        el("ol", { class: "prepared" }, planned),
        el("h3", {}, said.take),
        downloads,
        el("h3", {}, said.pushTitle),
        el("p", { class: "hint" }, said.pushHint),
        el(
          "p",
          {},
          button(said.push, () => push(plans, publicKey, state.gathered?.attestation ?? null, pushing)),
        ),
        pushing,
      ),
    );
    heading.focus();
  }

  /** Pushes every plan, then reads back and decides by exactly this key. */
  async function push(plans, publicKey, attestation, place) {
    const typed = access.typed();
    access.forgetPassword();
    const bar = progress(said.pushing);
    place.replaceChildren(bar);
    let pushed = 0;
    try {
      for (const plan of plans) {
        await app.work().run("push", { plan, access: typed });
        pushed += 1;
        bar.to(pushed / plans.length, said.pushedOf({ done: pushed, of: plans.length }));
      }
      const own = await app.work().run("readPin", { text: toText(publicKey) });
      const outcomes = [];
      await app.work().run(
        "check",
        {
          token: null,
          files: [],
          images: plans.map(({ image }) => ({ image, from: "gateway" })),
          documents: attestation
            ? [attestedBy(own, attestation.predicateType)]
            : documentsOf([{ ...own, label: "key", scope: [] }]),
          access: typed,
          leaves: false,
          now: Math.floor(Date.now() / 1000),
        },
        {
          onProgress: ({ result }) => result && outcomes.push(result.verdict?.outcome ?? "unknown"),
        },
      );
      const good = outcomes.filter((outcome) => outcome === "accept").length;
      place.replaceChildren(
        el(
          "p",
          { role: "status" },
          mark(good === plans.length ? "accept" : "unknown"),
          said.readBack({ good, of: plans.length }),
        ),
      );
    } catch (error) {
      place.replaceChildren(problemBox(error), el("p", {}, said.pushedOf({ done: pushed, of: plans.length })));
      access.mend(error);
    }
  }
}
