// Who holds the key while an image is signed: the module, for a file; the browser, for a key that cannot be taken out of it.

import { pem } from "./bytes.js";
import { operation, start } from "./module.js";
import { Problem } from "./problem.js";

/** @typedef {{publicKey: Uint8Array, sign: (message: Uint8Array, hash: string) => Promise<Uint8Array>, end: () => void}} Signer */

/**
 * A signer that holds a key file: PKCS #8, SEC 1 or PKCS #1 PEM, or cosign's encrypted PEM with its passphrase. A passphrase
 * is asked for once; what it opened is wiped by `end`.
 * @returns {Promise<Signer>}
 */
export async function fileSigner(compiled, file, passphrase) {
  const instance = await start(compiled);
  const opened = (form) => {
    const blobs = passphrase ? [file, passphrase] : [file];
    return instance.call(operation.key, { key: 0, ...(passphrase ? { passphrase: 1 } : {}), write: { form } }, blobs);
  };
  const {
    ok,
    blobs: [publicKey, key],
  } = opened("pkcs8");
  if (ok.algorithm.startsWith("rsa")) {
    key.fill(0);
    // The module has no constant-time RSA, and so does not sign with it; the browser does.
    const {
      blobs: [, der],
    } = opened("pkcs8Der");
    const rsa = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    const privateKey = await crypto.subtle.importKey("pkcs8", der, rsa, false, ["sign"]);
    der.fill(0);
    const sign = async (message) => new Uint8Array(await crypto.subtle.sign(rsa, privateKey, message));
    return { publicKey, sign, end() {} };
  }
  return {
    publicKey,
    async sign(message, hash) {
      const {
        blobs: [signature],
      } = instance.call(operation.sign, { key: 0, message: 1, hash }, [key, message]);
      return signature;
    },
    end: () => key.fill(0),
  };
}

/** A signer over a key pair of WebCrypto, whose private half stays in the browser. @returns {Promise<Signer>} */
export async function webCryptoSigner({ privateKey, publicKey }) {
  const { name } = privateKey.algorithm;
  if (!["ECDSA", "Ed25519", "RSASSA-PKCS1-v1_5"].includes(name)) throw new Problem("keyAlgorithm", { name });
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return {
    publicKey: pem("PUBLIC KEY", spki),
    async sign(message) {
      const algorithm = name === "ECDSA" ? { name, hash: "SHA-256" } : { name };
      const signature = new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, message));
      return name === "ECDSA" ? derSignature(signature) : signature;
    },
    end() {},
  };
}

/** Makes a key pair whose private half cannot be taken out of the browser. */
export function generateInBrowser(algorithm) {
  const parameters = {
    "ecdsa-p256": { name: "ECDSA", namedCurve: "P-256" },
    "ecdsa-p384": { name: "ECDSA", namedCurve: "P-384" },
    ed25519: { name: "Ed25519" },
  }[algorithm];
  if (!parameters) throw new Problem("keyAlgorithm", { name: algorithm });
  return crypto.subtle.generateKey(parameters, false, ["sign", "verify"]);
}

/** WebCrypto gives r and s side by side, everybody else wants them as ECDSA-Sig-Value (RFC 3279, section 2.2.3). */
function derSignature(raw) {
  const half = raw.length / 2;
  const integer = (bytes) => {
    let from = 0;
    while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
    const value = bytes[from] & 0x80 ? [0, ...bytes.subarray(from)] : [...bytes.subarray(from)];
    return [2, value.length, ...value];
  };
  const body = [...integer(raw.subarray(0, half)), ...integer(raw.subarray(half))];
  // P-521 has more than 127 octets of content.
  return Uint8Array.from(body.length < 128 ? [0x30, body.length, ...body] : [0x30, 0x81, body.length, ...body]);
}
