// Octets and texts.

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true });

export const toBytes = (text) => encoder.encode(text);

/** The text that these octets are, or null where they are none. */
export function toText(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** The JSON value that these octets are, or undefined where they are none. */
export function toJson(bytes) {
  try {
    return JSON.parse(strict.decode(bytes));
  } catch {
    return undefined;
  }
}

export const hex = (bytes) => Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");

/** `sha256:` and 64 digits. */
export async function sha256(bytes) {
  return `sha256:${hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))}`;
}

export const isDigest = (text) => /^sha256:[0-9a-f]{64}$/.test(text);

export const same = (a, b) => a.length === b.length && a.every((octet, index) => octet === b[index]);

export function toBase64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** The octets that a text in base64 stands for, or null. */
export function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** One PEM block (RFC 7468). */
export function pem(label, bytes) {
  const lines = toBase64(bytes)
    .match(/.{1,64}/g)
    .join("\n");
  return toBytes(`-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`);
}
