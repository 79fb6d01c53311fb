// What went wrong, as a code with values; the sentence is in texts.js, so that it can be translated.

import { problems } from "./texts.js";

/** An error that a person can act on. `code` is stable. */
export class Problem extends Error {
  constructor(code, values = {}) {
    super(problems[code](values));
    this.name = "Problem";
    this.code = code;
    this.values = values;
  }
}

/** An error as a plain value, for a message between threads. */
export function plain(error) {
  const { name, code, message, values, details } = error;
  return { name, code: code ?? null, message, values, details };
}
