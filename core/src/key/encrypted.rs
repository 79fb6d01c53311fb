//! Cosign's encrypted private keys (go-securesystemslib `encrypted`): scrypt (RFC 7914) and NaCl secretbox around PKCS #8.
//!
//! Secretbox is XSalsa20 with Poly1305: the first 32 octets of key stream are the Poly1305 key, the rest encrypts, and the
//! 16-octet tag stands in front of the ciphertext.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::pem;
use super::private::{PrivateKey, PrivateKeyError};
use crate::json;
use crate::limits::MAX_KEY_BYTES;

/// Octets of entropy that [`encrypt`] takes: a salt of 32 and a nonce of 24.
pub const ENTROPY_BYTES: usize = SALT_BYTES + NONCE_BYTES;

const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// What cosign writes: N = 2^16, 64 MiB of memory.
const WRITTEN_LOG_N: u8 = 16;
/// What go-securesystemslib has ever written; anything else is a way to make a reader allocate.
const ACCEPTED_N: [u64; 3] = [32_768, 65_536, 131_072];

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Why a key could not be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// Salt and nonce need [`ENTROPY_BYTES`] octets.
    #[error("encrypting a key takes {ENTROPY_BYTES} octets of entropy, got {got}")]
    Entropy {
        /// Octets given.
        got: usize,
    },
    /// The key could not be encoded.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
}

/// Decrypts the content of an `ENCRYPTED SIGSTORE PRIVATE KEY` block and gives the PKCS #8 inside.
pub(super) fn decrypt(content: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let bad = |what: String| PrivateKeyError::Encryption(what);
    let file: File = json::parse_as(content, MAX_KEY_BYTES).map_err(|error| bad(error.to_string()))?;
    if file.kdf.name != "scrypt" || file.cipher.name != "nacl/secretbox" {
        return Err(bad(format!(
            "{} with {} is not supported: scrypt with nacl/secretbox is",
            crate::text::excerpt(&file.kdf.name),
            crate::text::excerpt(&file.cipher.name)
        )));
    }
    let Params { n, r, p } = file.kdf.params;
    if !ACCEPTED_N.contains(&n) || r != 8 || p != 1 {
        return Err(bad(format!("scrypt N={n} r={r} p={p} is not accepted: N is 32768, 65536 or 131072, r 8, p 1")));
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|error| bad(error.to_string()))?;
    let decode = |name: &str, text: &str| STANDARD.decode(text).map_err(|error| bad(format!("{name}: {error}")));
    let salt = decode("salt", &file.kdf.salt)?;
    let nonce: [u8; NONCE_BYTES] = decode("nonce", &file.cipher.nonce)?
        .try_into()
        .map_err(|other: Vec<u8>| bad(format!("nonce of {} octets, expected {NONCE_BYTES}", other.len())))?;
    let boxed = decode("ciphertext", &file.ciphertext)?;
    let Some((tag, ciphertext)) = boxed.split_first_chunk::<TAG_BYTES>() else {
        return Err(bad(format!("ciphertext of {} octets is shorter than its tag", boxed.len())));
    };
    let key = derive(passphrase, &salt, log_n)?;
    let (mut cipher, authenticator) = secretbox(&key, &nonce);
    // The tag is compared in constant time and before anything is decrypted.
    let computed = authenticator.compute_unpadded(ciphertext);
    if !bool::from(computed.as_slice().ct_eq(tag)) {
        return Err(PrivateKeyError::PassphraseWrong);
    }
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    cipher.apply_keystream(&mut plaintext);
    Ok(plaintext)
}

/// Writes a private key as cosign does: PEM `ENCRYPTED SIGSTORE PRIVATE KEY`. The passphrase may be empty.
///
/// # Errors
/// [`EncryptError`]: too little entropy, or a key that cannot be encoded.
pub fn encrypt(key: &PrivateKey, passphrase: &[u8], entropy: &[u8]) -> Result<Zeroizing<String>, EncryptError> {
    let too_little = EncryptError::Entropy { got: entropy.len() };
    let (Some((salt, rest)), true) = (entropy.split_first_chunk::<SALT_BYTES>(), entropy.len() >= ENTROPY_BYTES) else {
        return Err(too_little);
    };
    let Some(nonce) = rest.first_chunk::<NONCE_BYTES>() else { return Err(too_little) };
    let derived = derive(passphrase, salt, WRITTEN_LOG_N)?;
    let (mut cipher, authenticator) = secretbox(&derived, nonce);
    let mut ciphertext = key.to_pkcs8()?;
    cipher.apply_keystream(&mut ciphertext);
    let tag = authenticator.compute_unpadded(&ciphertext);
    let boxed = [tag.as_slice(), &ciphertext].concat();
    let file = File {
        kdf: Kdf {
            name: "scrypt".to_owned(),
            params: Params { n: 1 << WRITTEN_LOG_N, r: 8, p: 1 },
            salt: STANDARD.encode(salt),
        },
        cipher: Cipher { name: "nacl/secretbox".to_owned(), nonce: STANDARD.encode(nonce) },
        ciphertext: STANDARD.encode(boxed),
    };
    let content = serde_json::to_vec(&file).map_err(|error| PrivateKeyError::Encoding(error.to_string()))?;
    Ok(pem::write("ENCRYPTED SIGSTORE PRIVATE KEY", &content)
        .map_err(|error| PrivateKeyError::Encoding(error.to_string()))?)
}

fn derive(passphrase: &[u8], salt: &[u8], log_n: u8) -> Result<Zeroizing<[u8; 32]>, PrivateKeyError> {
    let bad = |error: &dyn core::fmt::Display| PrivateKeyError::Encryption(error.to_string());
    let params = scrypt::Params::new(log_n, 8, 1).map_err(|error| bad(&error))?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase, salt, &params, &mut *key).map_err(|error| bad(&error))?;
    Ok(key)
}

/// The stream cipher, positioned behind its first 32 octets, and the authenticator that these key.
fn secretbox(key: &[u8; 32], nonce: &[u8; NONCE_BYTES]) -> (XSalsa20, Poly1305) {
    let mut cipher = XSalsa20::new(key.into(), nonce.into());
    let mut authenticator_key = Zeroizing::new([0; 32]);
    cipher.apply_keystream(&mut *authenticator_key);
    let authenticator = Poly1305::new((&*authenticator_key).into());
    (cipher, authenticator)
}

#[cfg(test)]
mod tests {
    use super::{decrypt, encrypt, secretbox};
    use crate::key::{Algorithm, PrivateKey, PrivateKeyError};
    use salsa20::cipher::StreamCipher as _;

    /// The vector of NaCl's own tests (tests/secretbox.c and secretbox.out).
    #[test]
    fn secretbox_agrees_with_nacl() {
        let key: [u8; 32] = hex::decode("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
            .expect("hex")
            .try_into()
            .expect("32 octets");
        let nonce: [u8; 24] = hex::decode("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
            .expect("hex")
            .try_into()
            .expect("24 octets");
        let mut message = hex::decode(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
        )
        .expect("hex");
        let (mut cipher, authenticator) = secretbox(&key, &nonce);
        cipher.apply_keystream(&mut message);
        assert_eq!(hex::encode(authenticator.compute_unpadded(&message)), "f3ffc7703f9400e52a7dfb4b3d3305d9");
        assert!(hex::encode(&message).starts_with("8e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a"));
    }

    #[test]
    fn a_written_key_is_read_back_and_a_wrong_passphrase_is_named() {
        let key = PrivateKey::generate(Algorithm::EcdsaP256, &[7; 264]).expect("entropy");
        let file = encrypt(&key, b"secret", &[9; 56]).expect("encrypts");
        assert!(file.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        let read = PrivateKey::parse(file.as_bytes(), Some(b"secret")).expect("opens");
        assert_eq!(read.public(), key.public());
        assert_eq!(PrivateKey::parse(file.as_bytes(), Some(b"Secret")).err(), Some(PrivateKeyError::PassphraseWrong));
        assert_eq!(PrivateKey::parse(file.as_bytes(), None).err(), Some(PrivateKeyError::PassphraseNeeded));
    }

    #[test]
    fn parameters_that_would_exhaust_memory_are_refused_before_any_work() {
        let file = br#"{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":"AA=="},"cipher":{"name":"nacl/secretbox","nonce":"AA=="},"ciphertext":"AA=="}"#;
        let error = decrypt(file, b"").expect_err("refused");
        assert!(error.to_string().contains("N=1073741824"), "{error}");
    }
}
