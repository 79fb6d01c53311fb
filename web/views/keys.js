// The key that signs: brought as a file, kept in the browser encrypted, or made here.

import { pem, toBytes, toText } from "../bytes.js";
import { announce, button, choice, digest, el, field, mark, problemBox, save } from "../dom.js";
import { dropPlace } from "../drop.js";
import { generateInBrowser } from "../signers.js";
import { texts } from "../texts.js";

/** Octets of a key file. The largest, RSA 4096 in PEM, has 4 KiB. */
const MAX_KEY_BYTES = 64 * 1024;

/**
 * @param {() => void} onChange called before another key takes the place of the one before
 * @returns {{element: HTMLElement, current: () => object | null}} the key: `file` with the field of its passphrase, or `pair`
 */
export function keyChooser(app, onChange) {
  const said = texts.sign;
  let current = null;
  const chosen = el("div", { class: "chosen-key", "aria-live": "polite" });
  const ways = el("div", { class: "key-ways" });
  showKeyWays();
  return { element: el("div", {}, chosen, ways), current: () => current };

  async function showKeyWays() {
    const kept = await app.store.all("keys");
    const file = dropPlace({
      label: said.keyFile,
      hint: said.keyFileHint,
      folders: false,
      multiple: false,
      onFiles: ([{ file: dropped }]) => importKey(dropped),
    });
    const algorithms = choice(
      said.algorithm,
      ["ecdsa-p256", "ecdsa-p384", "ed25519"].map((value) => ({ value, label: said.algorithms[value] })),
      "ecdsa-p256",
    );
    const where = choice(
      said.where,
      [
        { value: "file", label: said.asFile, hint: said.asFileHint },
        { value: "browser", label: said.inBrowser, hint: said.inBrowserHint },
      ],
      "file",
    );
    const passphrase = field(said.newPassphrase, el("input", { type: "password", autocomplete: "new-password" }), {
      hint: said.newPassphraseHint,
      error: true,
    });
    where.addEventListener("change", () => {
      passphrase.hidden = where.value !== "file";
    });
    const make = el(
      "form",
      {
        onsubmit: async (event) => {
          event.preventDefault();
          await generate(algorithms.value, where.value, passphrase);
        },
      },
      algorithms,
      where,
      passphrase,
      el("p", {}, el("button", { type: "submit" }, said.generate)),
    );
    ways.replaceChildren(
      ...[
        kept.length > 0 &&
          el(
            "div",
            {},
            el("h3", {}, said.keptKeys),
            el(
              "ul",
              { class: "cards" },
              kept.map((entry) =>
                el(
                  "li",
                  {},
                  el("div", {}, el("b", {}, entry.label), el("p", {}, digest(entry.fingerprint))),
                  el(
                    "span",
                    {},
                    button(said.use, () => useFile(entry.file.slice(), entry, true), {
                      "aria-label": said.useThis({ label: entry.label }),
                    }),
                    " ",
                    button(
                      texts.pins.remove,
                      async () => {
                        await app.store.remove("keys", entry.id);
                        await showKeyWays();
                      },
                      { class: "small", "aria-label": texts.pins.removeThis({ label: entry.label }) },
                    ),
                  ),
                ),
              ),
            ),
          ),
        el(
          "div",
          { class: "ways" },
          el("section", { "aria-label": said.importTitle }, el("h3", {}, said.importTitle), file),
          el("section", { "aria-label": said.generateTitle }, el("h3", {}, said.generateTitle), make),
        ),
      ].filter(Boolean),
    );
  }

  async function importKey(file) {
    onChange();
    try {
      if (file.size > MAX_KEY_BYTES) throw new Error(said.keyTooLarge);
      const bytes = new Uint8Array(await file.arrayBuffer());
      const encrypted = toText(bytes)?.includes("ENCRYPTED");
      if (encrypted) {
        useFile(bytes, { label: file.name }, true);
        return;
      }
      const opened = await app.once("privateKey", { file: bytes.slice() });
      useFile(bytes, { label: file.name, ...opened }, false);
    } catch (error) {
      choose(null);
      chosen.replaceChildren(problemBox(error));
    }
  }

  /** Another key takes the place of the one before, whose octets are wiped. */
  function choose(next) {
    current?.file?.fill(0);
    current = next;
  }

  /** A key file is chosen. An encrypted one asks for its passphrase each time it signs. */
  function useFile(file, { label, fingerprint, algorithm }, encrypted) {
    onChange();
    const passphrase = encrypted
      ? field(said.passphrase, el("input", { type: "password", autocomplete: "off" }), {
          hint: said.passphraseHint,
          error: true,
        })
      : null;
    choose({ label, file, passphrase, encrypted });
    const keep = el("div", {});
    chosen.replaceChildren(
      el(
        "div",
        { class: "card" },
        el("p", {}, mark("accept"), el("b", {}, label), " ", algorithm ?? said.encrypted),
        fingerprint && el("p", {}, digest(fingerprint)),
        passphrase,
        !encrypted && el("p", { class: "note" }, said.notEncrypted),
        keep,
      ),
    );
    if (encrypted && !fingerprint)
      keep.append(button(said.keep, () => keepKey(label, file, passphrase), { class: "small" }));
    passphrase?.control.focus();
  }

  /** Keeps an encrypted file in the browser; it is opened once, so that nobody keeps what does not open. */
  async function keepKey(label, file, passphrase) {
    try {
      const { fingerprint, algorithm } = await app.once("privateKey", {
        file: file.slice(),
        passphrase: toBytes(passphrase.control.value),
      });
      await app.store.put("keys", { label, fingerprint, algorithm, file: file.slice() });
      announce(said.kept);
      await showKeyWays();
    } catch (error) {
      passphrase.complain(error.message);
    }
  }

  async function generate(algorithm, where, passphrase) {
    onChange();
    passphrase.complain(null);
    try {
      if (where === "browser") {
        const pair = await generateInBrowser(algorithm);
        const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
        showNewKey(
          { pair, label: said.browserKey },
          await app.work().run("readPin", { text: toText(pem("PUBLIC KEY", spki)) }),
          null,
        );
        return;
      }
      if (passphrase.control.value.length < 8) {
        passphrase.complain(said.passphraseShort);
        return;
      }
      const made = await app.once("generate", { algorithm, passphrase: toBytes(passphrase.control.value) });
      showNewKey(
        { file: made.file, label: said.newKey, encrypted: true, secret: passphrase.control },
        { ...made, publicKey: toText(made.publicKey) },
        made.file,
      );
      await app.store.put("keys", {
        label: `${said.newKey} ${new Date().toISOString().slice(0, 10)}`,
        fingerprint: made.fingerprint,
        algorithm: made.algorithm,
        file: made.file.slice(),
      });
    } catch (error) {
      chosen.replaceChildren(problemBox(error));
    }
  }

  function showNewKey(keyToUse, { fingerprint, algorithm, publicKey }, file) {
    choose(keyToUse);
    // The passphrase was typed a moment ago, and is asked for again only when the page was left.
    if (keyToUse.secret)
      current.passphrase = Object.assign(field(said.passphrase, keyToUse.secret.cloneNode(), { error: true }));
    if (keyToUse.secret) current.passphrase.control.value = keyToUse.secret.value;
    if (keyToUse.secret) keyToUse.secret.value = "";
    chosen.replaceChildren(
      el(
        "div",
        { class: "card" },
        el("p", {}, mark("accept"), el("b", {}, keyToUse.label), " ", algorithm),
        el("p", {}, digest(fingerprint)),
        el(
          "p",
          { class: "actions" },
          file && button(said.savePrivate, () => save("bulla.key", file)),
          button(said.savePublic, () => save("bulla.pub", publicKey)),
          button(said.pinIt, async () => {
            await app.store.put("pins", {
              label: keyToUse.label,
              fingerprint,
              algorithm,
              publicKey,
              use: "key",
              scope: [],
              notBefore: null,
              notAfter: null,
            });
            announce(texts.pins.pinned({ label: keyToUse.label }));
          }),
        ),
        file ? el("p", { class: "hint" }, said.savePrivateHint) : el("p", { class: "note" }, said.inBrowserHint),
        current.passphrase,
      ),
    );
  }
}
