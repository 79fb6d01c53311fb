// Pins: the keys and roots that count, for which images and how long; and policy documents as they stand.

import { announce, button, choice, digest, el, field, problemBox, save } from "../dom.js";
import { dropPlace } from "../drop.js";
import { documentsOf, isComplete, pinnedFor, useOf } from "../pins.js";
import { texts } from "../texts.js";

export function pinsView(app) {
  const said = texts.pins;
  const list = el("div", { class: "pins" });
  const adding = el("div", { class: "adding", "aria-live": "polite" });
  const text = field(
    said.material,
    el("textarea", { rows: "5", spellcheck: "false", autocomplete: "off", oninput: () => text.complain(null) }),
    { hint: said.materialHint, error: true },
  );
  const form = el(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        look(text.control.value, "");
      },
    },
    text,
    el("p", {}, el("button", { type: "submit", class: "primary" }, said.look)),
  );
  const place = dropPlace({ label: said.drop, hint: said.dropHint, folders: false, onFiles: take });
  const view = el(
    "section",
    { "aria-labelledby": "pins-title" },
    el("h1", { id: "pins-title" }, said.title),
    el("p", { class: "lead" }, said.lead),
    list,
    el("h2", {}, said.add),
    el("div", { class: "ways" }, form, place),
    adding,
  );
  app.store.watch(show);
  show();
  return view;

  async function show() {
    const [pins, policies] = await Promise.all([app.store.all("pins"), app.store.all("policies")]);
    const scopes = new Map();
    for (const pin of pins) scopes.set(pin.scope.join(", "), [...(scopes.get(pin.scope.join(", ")) ?? []), pin]);
    list.replaceChildren(
      ...[
        pins.length + policies.length === 0 && el("p", { class: "empty" }, said.none),
        [...scopes]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([scope, together]) =>
            el(
              "section",
              { class: "scope" },
              el("h2", {}, scope ? said.scope({ scope }) : said.everyImage),
              el("p", { class: "hint" }, said.oneOf(counted(together))),
              el("ul", { class: "cards" }, together.map(pinCard)),
            ),
          ),
        policies.length > 0 &&
          el(
            "section",
            { class: "scope" },
            el("h2", {}, said.policies),
            el("p", { class: "hint" }, said.policiesHint),
            el("ul", { class: "cards" }, policies.map(policyCard)),
          ),
        documentsOf(pins).length > 0 &&
          el(
            "p",
            { class: "actions" },
            button(said.export, () => exportPins(pins)),
          ),
      ]
        .flat()
        .filter(Boolean),
    );
  }

  function pinCard(pin) {
    const use = useOf(pin);
    const until = [
      pin.notBefore && said.from({ moment: spaced(pin.notBefore) }),
      pin.notAfter && said.until({ moment: spaced(pin.notAfter) }),
    ]
      .filter(Boolean)
      .join(", ");
    const validity = use === "key" && (until || (isComplete(pin) && said.always));
    return el(
      "li",
      {},
      el(
        "div",
        {},
        el("h3", {}, pin.label),
        el("p", {}, digest(pin.fingerprint)),
        pin.certificates?.map((one) =>
          el("p", {}, el("code", {}, one.subject), el("span", { class: "hint" }, " · ", valid(one))),
        ),
        pin.identities?.length > 0 && el("p", {}, said.only, " ", el("code", {}, pin.identities.join("; "))),
        el("p", { class: "hint" }, [pinWords(pin), validity].filter(Boolean).join(" · ")),
      ),
      button(
        said.remove,
        async () => {
          await app.store.remove("pins", pin.id);
          announce(said.removed({ label: pin.label }));
        },
        { class: "small", "aria-label": said.removeThis({ label: pin.label }) },
      ),
    );
  }

  function policyCard({ id, name, text: content, policies }) {
    return el(
      "li",
      {},
      el(
        "div",
        {},
        el("h3", {}, name),
        el(
          "ul",
          { class: "signers" },
          policies.flatMap(({ policy, mode, signers }) =>
            signers.map((signer) =>
              el(
                "li",
                {},
                el("b", {}, signer.signer),
                " ",
                said.inPolicy({ policy, mode, what: signerWords(signer) }),
                " ",
                signer.key && digest(signer.key),
                signer.certificates && certificateList(signer.certificates),
              ),
            ),
          ),
        ),
        el("details", {}, el("summary", {}, said.showText), el("pre", { tabindex: "0" }, content)),
      ),
      button(said.remove, () => app.store.remove("policies", id), {
        class: "small",
        "aria-label": said.removeThis({ label: name }),
      }),
    );
  }

  async function look(material, label) {
    text.complain(null);
    try {
      if (/^\s*"?kind"?:/m.test(material)) return await takePolicy(label || "policy.yaml", material);
      propose(await app.work().run("readPin", { text: material }), label);
    } catch (error) {
      if (label) adding.replaceChildren(problemBox(error));
      else text.complain(error.message);
    }
    return undefined;
  }

  async function take(files) {
    const content = await app.work().run("collect", { token: crypto.randomUUID(), files });
    adding.replaceChildren(
      ...content.items.filter(({ kind }) => kind === "problem").map(({ error }) => problemBox(error)),
    );
    for (const { name, text: policy, policies } of content.policies) await keepPolicy(name, policy, policies);
    for (const { name, ...pin } of content.keys) propose(pin, name);
    if (content.images.length) adding.append(el("p", { class: "note" }, said.noKeyInside));
  }

  async function takePolicy(name, content) {
    const policies = await app.work().run("readPolicies", { documents: [{ name, text: content }] });
    await keepPolicy(name, content, policies);
  }

  async function keepPolicy(name, content, policies) {
    const known = (await app.store.all("policies")).find((policy) => policy.name === name);
    await app.store.put("policies", {
      ...(known && { id: known.id, added: known.added }),
      name,
      text: content,
      policies,
    });
    text.control.value = "";
    announce(said.policyKept({ name }));
  }

  /** Shows what would be pinned; nothing is kept before somebody has compared the fingerprint. */
  function propose(given, source) {
    const label = field(
      said.label,
      el("input", {
        type: "text",
        required: true,
        maxlength: "100",
        autocomplete: "off",
        value: source.replace(/\.(pub|pem|crt|cert|cer|der)$/, ""),
      }),
      { error: true },
    );
    const scope = field(
      said.scopeField,
      el("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "registry.example/team/**" }),
      { hint: said.scopeHint, error: true },
    );
    const from = field(said.notBefore, el("input", { type: "date", value: given.notBefore?.slice(0, 10) }));
    const until = field(said.notAfter, el("input", { type: "date", value: given.notAfter?.slice(0, 10) }), {
      error: true,
    });
    const identities = field(
      said.identities,
      el("textarea", {
        rows: "2",
        spellcheck: "false",
        autocomplete: "off",
        placeholder: "x509.subject: C=DE, ST=BE, O=Shop, CN=release",
      }),
      { hint: said.identitiesHint, error: true },
    );
    const level = choice(
      said.level,
      ["strict", "permissive"].map((value) => ({ value, label: said.levels[value], hint: said.levelHints[value] })),
      "strict",
    );
    const server = field(
      said.server,
      el("input", {
        type: "text",
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "https://notary.example:4443",
      }),
      { hint: said.serverHint, error: true },
    );
    const what = choice(
      said.useTitle,
      given.uses.map((value) => ({ value, label: said.uses[value], hint: said.useHints[value] })),
      given.uses[0],
      fit,
    );
    const shown = el("div", { class: "shown" });
    const pair = el("div", { class: "pair" }, from, until);
    const box = el(
      "form",
      {
        class: "proposal",
        onsubmit: async (event) => {
          event.preventDefault();
          await pinIt();
        },
      },
      el("h3", {}, said.proposal),
      shown,
      given.uses.length > 1 && what,
      label,
      scope,
      identities,
      level,
      server,
      pair,
      el(
        "p",
        {},
        el("button", { type: "submit", class: "primary" }, said.pin),
        " ",
        button(texts.cancel, () => box.remove()),
      ),
    );
    fit();
    adding.append(box);
    label.control.focus();

    /** Shows what belongs to the use that is chosen, and the fingerprint of what would count. */
    function fit() {
      const use = what.value;
      const pin = pinnedFor(use, given);
      const compare = given.source === "fingerprint" ? said.compareFingerprint[use] : said.compare[use];
      const [first, ...more] = given.certificates ?? [];
      const rows = [
        [use === "key" ? said.ofKey : use === "rootKey" ? said.ofRootKey : said.ofCertificate, digest(pin.fingerprint)],
        first && [said.certificate, [el("code", {}, first.subject), el("p", { class: "hint" }, valid(first))]],
        more.length > 0 && [said.withIt, certificateList(more)],
      ].filter(Boolean);
      shown.replaceChildren(
        el(
          "dl",
          { class: "facts" },
          rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        ),
        el("p", { class: "hint" }, compare),
      );
      const isSigner = use === "ca" || use === "signingAuthority";
      identities.hidden = level.hidden = !isSigner;
      server.hidden = !use.startsWith("root");
      pair.hidden = use !== "key";
    }

    function entered() {
      const use = what.value;
      const pin = {
        ...pinnedFor(use, given),
        label: label.control.value.trim(),
        scope: scope.control.value
          .split(/[\s,]+/)
          .filter(Boolean)
          .sort(),
      };
      if (use === "key") {
        pin.notBefore = momentOf(from.control.value, given.notBefore, "00:00:00");
        pin.notAfter = momentOf(until.control.value, given.notAfter, "23:59:59");
      }
      if (use === "ca" || use === "signingAuthority") {
        pin.level = level.value;
        pin.identities = identities.control.value
          .split("\n")
          .map((line) => line.trim())
          .filter(Boolean);
      }
      if (use.startsWith("root")) pin.server = server.control.value.trim() || null;
      return pin;
    }

    async function pinIt() {
      const entry = entered();
      for (const one of [label, scope, until, identities, server]) one.complain(null);
      const pins = await app.store.all("pins");
      const same = pins.find(
        (other) =>
          useOf(other) === entry.use &&
          other.fingerprint === entry.fingerprint &&
          other.scope.join() === entry.scope.join(),
      );
      if (same) return label.complain(said.alreadyPinned({ label: same.label }));
      try {
        // The module says whether this can stand in a policy: patterns, times, names. What is missing yet is looked at once it is there.
        // An authority for timestamps is looked at beside some signer.
        const [document] = documentsOf(entry.use === "tsa" ? [{ ...entry, use: "ca" }, entry] : [entry]);
        if (document) await app.work().run("readPolicies", { documents: [document] });
      } catch (error) {
        const [{ path = "", message } = {}] = error.details ?? [];
        const places = { images: scope, notBefore: until, notAfter: until, trustedIdentities: identities, server };
        const [, place] = Object.entries(places).find(([part]) => path.includes(part)) ?? [null, label];
        return place.complain(message ?? error.message);
      }
      await app.store.put("pins", entry);
      box.remove();
      text.control.value = "";
      announce(said.pinned({ label: entry.label }));
      return list.querySelector("h2")?.scrollIntoView({ block: "nearest" });
    }
  }

  function exportPins(pins) {
    save(
      "pins.policy.yaml",
      documentsOf(pins)
        .map(({ text: content }) => content)
        .join("---\n"),
      "application/yaml",
    );
  }
}

/** A day as the moment at which it starts or ends; a certificate's own moment where the day was left as it is. */
const momentOf = (day, own, time) => (!day ? null : own?.startsWith(day) ? own : `${day}T${time}Z`);

/** Pins of one scope that sign, and how many of them wait for their key or certificate. */
const counted = (pins) => ({
  count: pins.filter((pin) => useOf(pin) !== "tsa").length,
  waiting: pins.filter((pin) => !isComplete(pin)).length,
});

/** What a pin stands for, in a few words. */
function pinWords(pin) {
  const said = texts.pins;
  const use = useOf(pin);
  if (!isComplete(pin)) return use === "key" ? said.keyMissing : said.certificateMissing({ use: said.short[use] });
  if (use === "key") return pin.algorithm;
  const at = use.startsWith("root") && said.atServer({ server: pin.server });
  return [said.short[use], pin.level && said.levels[pin.level], at].filter(Boolean).join(" · ");
}

/** What a signer of a policy is known by. */
function signerWords({ system, algorithm, server, certificates }) {
  const said = texts.pins.systems;
  if (system === "notation") return said.notation({ count: certificates.length });
  return system === "contentTrust" ? said.contentTrust({ server }) : algorithm;
}

const certificateList = (certificates) =>
  el(
    "ul",
    { class: "certificates" },
    certificates.map((one) =>
      el(
        "li",
        {},
        el("code", {}, one.subject),
        one.store ? ` (${one.store}) ` : " ",
        digest(`sha256:${one.thumbprint}`),
        one.notAfter && el("span", { class: "hint" }, " ", valid(one)),
      ),
    ),
  );

const valid = ({ notBefore, notAfter }) => texts.pins.validWords({ from: spaced(notBefore), until: spaced(notAfter) });
/** `2026-01-31T12:00:00Z` as people read it. */
const spaced = (moment) => moment.replace("T", " ").replace("Z", " UTC");
