// Pins: the keys that count, for which images and how long; and policy documents as they stand.

import { announce, button, digest, el, field, problemBox, save } from "../dom.js";
import { dropPlace } from "../drop.js";
import { documentsOf } from "../pins.js";
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
              el("p", { class: "hint" }, said.oneOf({ count: together.length })),
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
        pins.some(({ publicKey }) => publicKey) &&
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
    const until = [
      pin.notBefore && said.from({ moment: pin.notBefore }),
      pin.notAfter && said.until({ moment: pin.notAfter }),
    ]
      .filter(Boolean)
      .join(", ");
    return el(
      "li",
      {},
      el(
        "div",
        {},
        el("h3", {}, pin.label),
        el("p", {}, digest(pin.fingerprint)),
        el("p", { class: "hint" }, [pin.algorithm ?? said.keyMissing, until || said.always].join(" · ")),
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
  function propose(pin, source) {
    const label = field(
      said.label,
      el("input", {
        type: "text",
        required: true,
        maxlength: "100",
        autocomplete: "off",
        value: source.replace(/\.(pub|pem|crt|cert)$/, ""),
      }),
      { error: true },
    );
    const scope = field(
      said.scopeField,
      el("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "registry.example/team/**" }),
      { hint: said.scopeHint, error: true },
    );
    const from = field(said.notBefore, el("input", { type: "date", value: pin.notBefore?.slice(0, 10) }));
    const until = field(said.notAfter, el("input", { type: "date", value: pin.notAfter?.slice(0, 10) }), {
      error: true,
    });
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
      el("p", {}, digest(pin.fingerprint)),
      el("p", { class: "hint" }, said.compare[pin.source] ?? said.compare.key),
      label,
      scope,
      el("div", { class: "pair" }, from, until),
      el(
        "p",
        {},
        el("button", { type: "submit", class: "primary" }, said.pin),
        " ",
        button(texts.cancel, () => box.remove()),
      ),
    );
    adding.append(box);
    label.control.focus();

    async function pinIt() {
      const { source: _, ...material } = pin;
      const entry = {
        ...material,
        label: label.control.value.trim(),
        scope: scope.control.value
          .split(/[\s,]+/)
          .filter(Boolean)
          .sort(),
        notBefore: momentOf(from.control.value, pin.notBefore, "00:00:00"),
        notAfter: momentOf(until.control.value, pin.notAfter, "23:59:59"),
      };
      for (const one of [label, scope, until]) one.complain(null);
      const pins = await app.store.all("pins");
      const same = pins.find(
        ({ fingerprint, scope: other }) => fingerprint === entry.fingerprint && other.join() === entry.scope.join(),
      );
      if (same) return label.complain(said.alreadyPinned({ label: same.label }));
      try {
        // The module says whether this can stand in a policy: patterns, times, names. A missing key is stood in for.
        const [document] = documentsOf([entry]);
        if (document) await app.work().run("readPolicies", { documents: [document] });
      } catch (error) {
        const path = error.details?.[0]?.path ?? "";
        return (path.includes("images") ? scope : path.includes("not") ? until : label).complain(
          error.details?.[0]?.message ?? error.message,
        );
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

/** What a signer of a policy is known by. */
function signerWords({ system, algorithm, server, certificates }) {
  const said = texts.pins.systems;
  if (system === "notation") return said.notation({ count: certificates.length });
  return system === "contentTrust" ? said.contentTrust({ server }) : algorithm;
}

const certificateList = (certificates) =>
  el(
    "ul",
    {},
    certificates.map(({ store, subject, thumbprint }) =>
      el("li", {}, el("code", {}, subject), ` (${store}) `, digest(thumbprint)),
    ),
  );
