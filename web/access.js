// Who asks the host's gateway: the user's token for this server, and, where typed, credentials for a registry.

import { el, field } from "./dom.js";
import { texts } from "./texts.js";

/** The token is kept until the page is closed or loaded anew, and nowhere but here. */
const visit = { token: "" };
const tokens = new Set();

/** Refusals that a token mends. */
const SIGNED_OUT = new Set(["not-signed-in", "wrong-token"]);

/** The fields for both, in a part that opens; `more` stands above them. */
export function accessFields(summary, ...more) {
  const said = texts.access;
  const plainText = { autocomplete: "off", spellcheck: "false" };
  const token = field(
    said.token,
    el("input", {
      type: "password",
      ...plainText,
      oninput: () => {
        visit.token = token.control.value.trim();
        token.complain(null);
        for (const other of tokens) if (other !== token.control) other.value = token.control.value;
      },
    }),
    { hint: said.tokenHint, error: true },
  );
  token.control.value = visit.token;
  tokens.add(token.control);
  const user = field(said.user, el("input", { type: "text", ...plainText }));
  const password = field(said.password, el("input", { type: "password", autocomplete: "off" }));
  const element = el(
    "details",
    { class: "more" },
    el("summary", {}, summary),
    more,
    token,
    el("p", { class: "hint" }, said.credentialsHint),
    el("div", { class: "pair" }, user, password),
  );
  return {
    element,
    /** What was typed, as the worker's tasks take it. */
    typed: () => ({
      token: visit.token || undefined,
      credentials:
        user.control.value && password.control.value
          ? { user: user.control.value, password: password.control.value }
          : undefined,
    }),
    /** The password is for what was just begun. */
    forgetPassword() {
      password.control.value = "";
    },
    /** Where the gateway does not know who asks, shows where that is said. */
    mend(error) {
      if (error?.code !== "gatewaySaid" || !SIGNED_OUT.has(error.values.code)) return;
      element.open = true;
      token.complain(error.values.code === "wrong-token" ? said.tokenWrong : said.tokenMissing);
    },
  };
}
