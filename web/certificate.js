// The public key and the validity of a certificate (RFC 5280, section 4.1), found by walking over what stands before them.
// Nothing is verified here: whoever pins the key compares its fingerprint. The module reads the key itself.

import { fromBase64, pem } from "./bytes.js";
import { Problem } from "./problem.js";

/** @returns {{publicKey: Uint8Array, notBefore: string, notAfter: string}} the key as PEM, the validity as policies write it */
export function keyOfCertificate(text) {
  const [, body] = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(text) ?? [];
  const der = body && fromBase64(body.replace(/\s/g, ""));
  if (!der) throw new Problem("certificateUnreadable");
  const certificate = element(der, 0, 0x30);
  const fields = element(der, certificate.content, 0x30);
  let at = fields.content;
  const next = (tag) => {
    const found = element(der, at, tag);
    at = found.end;
    return found;
  };
  if (der[at] === 0xa0) next(0xa0); // version
  next(0x02); // serialNumber
  next(0x30); // signature
  next(0x30); // issuer
  const validity = next(0x30);
  next(0x30); // subject
  const key = next(0x30);
  if (at > fields.end) throw new Problem("certificateUnreadable");
  const from = element(der, validity.content);
  return {
    publicKey: pem("PUBLIC KEY", der.subarray(key.start, key.end)),
    notBefore: moment(der, from),
    notAfter: moment(der, element(der, from.end)),
  };
}

/** Where one element starts, where its content starts, and where it ends (X.690, section 8.1). */
function element(der, start, tag) {
  const [found, first] = [der[start], der[start + 1]];
  let [content, length] = [start + 2, first];
  if (first & 0x80) {
    const octets = first & 0x7f;
    if (octets < 1 || octets > 3) throw new Problem("certificateUnreadable");
    length = der.subarray(content, content + octets).reduce((value, octet) => value * 256 + octet, 0);
    content += octets;
  }
  if (found === undefined || (tag !== undefined && found !== tag) || !(content + length <= der.length)) {
    throw new Problem("certificateUnreadable");
  }
  return { tag: found, start, content, end: content + length };
}

/** UTCTime and GeneralizedTime (RFC 5280, section 4.1.2.5) as `2026-01-31T12:00:00Z`. */
function moment(der, { tag, content, end }) {
  const digits = new TextDecoder().decode(der.subarray(content, end));
  const [, year, ...rest] = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? [];
  if (!year || (tag !== 0x17 && tag !== 0x18) || year.length !== (tag === 0x17 ? 2 : 4))
    throw new Problem("certificateUnreadable");
  const full = tag === 0x18 ? year : `${Number(year) < 50 ? 20 : 19}${year}`;
  return `${full}-${rest[0]}-${rest[1]}T${rest[2]}:${rest[3]}:${rest[4]}Z`;
}
