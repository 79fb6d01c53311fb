//! Notary's private key files (notary, tuf/utils/pkcs8.go and x509.go; RFC 1421; RFC 8018, PBES2).
//!
//! One PEM block with headers that say role and collection. Inside is PKCS #8 with quirks: version 1 without a public key for
//! ECDSA, no parameters for RSA, another object identifier for Ed25519. Old files are encrypted as RFC 1421 does it.

use std::collections::BTreeMap;

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _};
use md5::Md5;
use pkcs8::{EncodePrivateKey as _, PrivateKeyInfoRef};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::key::Key;
use crate::key::{Algorithm, PrivateKey, PrivateKeyError, pem};
use crate::limits::{MAX_KEY_BYTES, MAX_KEY_ROUNDS};
use crate::text::excerpt;

/// Octets of entropy that [`write()`] takes to encrypt: a salt of 8 and an initialisation vector of 16.
pub const ENTROPY_BYTES: usize = SALT_BYTES + BLOCK_BYTES;

const SALT_BYTES: usize = 8;
const BLOCK_BYTES: usize = 16;
/// What Notary writes.
const WRITTEN_ROUNDS: u32 = 2048;
/// Characters of a header's value.
const MAX_HEADER: usize = 255;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const NOTARY_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.7");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");

/// A private key with what its file says about it.
#[derive(Debug)]
pub struct KeyFile {
    /// The key.
    pub key: PrivateKey,
    /// The role that it signs, or the name of a signer.
    pub role: Option<String>,
    /// The collection, for keys of one.
    pub gun: Option<String>,
}

#[derive(der::Sequence)]
struct Encrypted<'b> {
    algorithm: Scheme<'b>,
    content: &'b OctetStringRef,
}

#[derive(der::Sequence)]
struct Scheme<'b> {
    oid: ObjectIdentifier,
    parameters: Parameters<'b>,
}

#[derive(der::Sequence)]
struct Parameters<'b> {
    derivation: Derivation<'b>,
    encryption: Encryption<'b>,
}

#[derive(der::Sequence)]
struct Derivation<'b> {
    oid: ObjectIdentifier,
    parameters: Rounds<'b>,
}

#[derive(der::Sequence)]
struct Rounds<'b> {
    salt: &'b OctetStringRef,
    rounds: u32,
    #[asn1(optional = "true")]
    key_length: Option<u32>,
    #[asn1(optional = "true")]
    hash: Option<AlgorithmIdentifierRef<'b>>,
}

#[derive(der::Sequence)]
struct Encryption<'b> {
    oid: ObjectIdentifier,
    iv: &'b OctetStringRef,
}

/// PKCS #8 as Notary writes it: any version, parameters or none.
#[derive(der::Sequence)]
struct Info<'b> {
    version: u8,
    algorithm: InfoAlgorithm<'b>,
    key: &'b OctetStringRef,
}

#[derive(der::Sequence)]
struct InfoAlgorithm<'b> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<AnyRef<'b>>,
}

/// Reads a key file. The passphrase opens an encrypted one, and is ignored by others.
///
/// # Errors
/// [`PrivateKeyError`]; a wrong passphrase and a damaged file cannot always be told apart.
pub fn read(file: &[u8], passphrase: Option<&[u8]>) -> Result<KeyFile, PrivateKeyError> {
    let (headers, block) = headers(file)?;
    let (label, content) = pem::single_block(&block).map_err(|error| PrivateKeyError::Pem(error.to_string()))?;
    let needed = || passphrase.ok_or(PrivateKeyError::PassphraseNeeded);
    let is_rfc1421 = headers.contains_key("Proc-Type");
    let content = match headers.get("DEK-Info").filter(|_| is_rfc1421) {
        Some(info) => rfc1421(info, &content, needed()?)?,
        None => content,
    };
    let key = match label.as_str() {
        "ENCRYPTED PRIVATE KEY" => from_pkcs8(&decrypt(&content, needed()?)?).map_err(|error| match error {
            // With another passphrase the padding fits now and then, and nothing else.
            PrivateKeyError::Encoding(_) => PrivateKeyError::PassphraseWrong,
            other => other,
        }),
        "PRIVATE KEY" => from_pkcs8(&content),
        "EC PRIVATE KEY" => PrivateKey::from_sec1(&content),
        "RSA PRIVATE KEY" => PrivateKey::from_pkcs1(&content),
        "ED25519 PRIVATE KEY" => from_ed25519(&content),
        "PUBLIC KEY" => Err(PrivateKeyError::Public),
        _ => Err(PrivateKeyError::Label(excerpt(&label))),
    };
    let key = key.map_err(|error| match error {
        PrivateKeyError::Encoding(_) if is_rfc1421 => PrivateKeyError::PassphraseWrong,
        other => other,
    })?;
    Ok(KeyFile { key, role: headers.get("role").cloned(), gun: headers.get("gun").cloned() })
}

/// Writes a key file as Notary does, encrypted when a passphrase comes with [`ENTROPY_BYTES`] octets of entropy.
///
/// # Errors
/// [`PrivateKeyError::Pem`] for a header that does not fit a line, [`PrivateKeyError::Encryption`] for an empty passphrase or
/// too little entropy.
pub fn write(
    key: &PrivateKey,
    role: Option<&str>,
    gun: Option<&str>,
    encryption: Option<(&[u8], &[u8])>,
) -> Result<Zeroizing<String>, PrivateKeyError> {
    let info = to_pkcs8(key)?;
    let (label, content) = match encryption {
        None => ("PRIVATE KEY", info),
        Some((passphrase, entropy)) => ("ENCRYPTED PRIVATE KEY", encrypt(&info, passphrase, entropy)?),
    };
    let block = pem::write(label, &content).map_err(encoding)?;
    let mut lines = String::new();
    // Notary's client takes an encrypted key in only with the name of its file, which is the key's id.
    let path = Key::bare(key.public().clone()).id().to_string();
    for (name, value) in [("gun", gun), ("path", Some(path.as_str())), ("role", role)] {
        let Some(value) = value else { continue };
        if value.is_empty() || value.len() > MAX_HEADER || !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(PrivateKeyError::Pem(format!("{} does not fit into the header {name}", excerpt(value))));
        }
        lines.push_str(&format!("{name}: {value}\n"));
    }
    lines.push('\n');
    let begin = format!("-----BEGIN {label}-----\n");
    let body = block.strip_prefix(begin.as_str()).unwrap_or_default();
    Ok(Zeroizing::new([begin.as_str(), &lines, body].concat()))
}

/// Takes the headers out of a PEM block, so that what is left is one that other readers know.
#[expect(clippy::type_complexity, reason = "said once, taken apart at once")]
fn headers(file: &[u8]) -> Result<(BTreeMap<String, String>, Zeroizing<Vec<u8>>), PrivateKeyError> {
    let bad = |what: &str| PrivateKeyError::Pem(what.to_owned());
    if file.len() > MAX_KEY_BYTES {
        return Err(bad(&format!("{} octets, a key file has at most {MAX_KEY_BYTES}", file.len())));
    }
    let text = core::str::from_utf8(file).map_err(|_| bad("not PEM: not text"))?.trim();
    let mut headers = BTreeMap::new();
    let mut block = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut in_headers = false;
    for (number, line) in text.lines().enumerate() {
        match line.split_once(": ") {
            Some((name, value)) if number == 1 || in_headers => {
                in_headers = true;
                if value.len() > MAX_HEADER || headers.insert(name.to_owned(), value.trim().to_owned()).is_some() {
                    return Err(bad(&format!("the header {} stands there twice or is too long", excerpt(name))));
                }
            }
            _ if in_headers && line.trim().is_empty() => in_headers = false,
            _ if in_headers => return Err(bad("no empty line behind the headers")),
            _ => {
                block.extend_from_slice(line.as_bytes());
                block.push(b'\n');
            }
        }
    }
    Ok((headers, block))
}

fn from_pkcs8(der: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
    let Ok(info) = Info::from_der(der) else {
        // With attributes or a public key behind it: not Notary's.
        return PrivateKey::from_pkcs8(der);
    };
    match info.algorithm.oid {
        NOTARY_ED25519 => from_ed25519(info.key.as_bytes()),
        RSA => PrivateKey::from_pkcs1(info.key.as_bytes()),
        EC => {
            let algorithm = AlgorithmIdentifierRef { oid: EC, parameters: info.algorithm.parameters };
            let plain = PrivateKeyInfoRef::new(algorithm, info.key);
            PrivateKey::from_pkcs8(&Zeroizing::new(plain.to_der().map_err(encoding)?))
        }
        _ => PrivateKey::from_pkcs8(der),
    }
}

/// 32 octets of public key, then 64 of private key, which are the seed and the public key once more.
fn from_ed25519(octets: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
    let bad = || encoding("an Ed25519 key of Notary has 96 octets: the public key and the private key");
    let (public, private) = octets.split_first_chunk::<32>().filter(|(_, rest)| rest.len() == 64).ok_or_else(bad)?;
    let seed = private.first_chunk::<32>().ok_or_else(bad)?;
    let pair = ed25519_dalek::pkcs8::KeypairBytes { secret_key: *seed, public_key: None };
    let key = PrivateKey::from_pkcs8(pair.to_pkcs8_der().map_err(encoding)?.as_bytes())?;
    if key.public().spki().last_chunk::<32>() != Some(public) {
        return Err(encoding("the public key in the file is not that of the private key"));
    }
    Ok(key)
}

fn to_pkcs8(key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let der = key.to_pkcs8()?;
    let info = PrivateKeyInfoRef::try_from(der.as_slice()).map_err(encoding)?;
    let octets = info.private_key.as_bytes();
    let (version, algorithm, octets) = match key.public().algorithm() {
        Algorithm::Rsa => (0, InfoAlgorithm { oid: RSA, parameters: None }, Zeroizing::new(octets.to_vec())),
        Algorithm::Ed25519 => {
            let seed = <&OctetStringRef>::from_der(octets).map_err(encoding)?;
            let public = key.public().spki().last_chunk::<32>().ok_or_else(|| encoding("no Ed25519 key"))?;
            let octets = Zeroizing::new([public.as_slice(), seed.as_bytes(), public].concat());
            (0, InfoAlgorithm { oid: NOTARY_ED25519, parameters: None }, octets)
        }
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 => {
            let curve = info.algorithm.parameters_oid().map_err(encoding)?;
            let mut inner = sec1::EcPrivateKey::try_from(octets).map_err(encoding)?;
            inner.parameters = Some(sec1::EcParameters::NamedCurve(curve));
            let octets = Zeroizing::new(inner.to_der().map_err(encoding)?);
            (1, InfoAlgorithm { oid: EC, parameters: info.algorithm.parameters }, octets)
        }
    };
    let key = OctetStringRef::new(&octets).map_err(encoding)?;
    Info { version, algorithm, key }.to_der().map(Zeroizing::new).map_err(encoding)
}

fn decrypt(content: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let bad = |what: String| PrivateKeyError::Encryption(what);
    let file = Encrypted::from_der(content).map_err(|error| bad(format!("not PBES2 of PKCS #5: {error}")))?;
    let Parameters { derivation, encryption } = &file.algorithm.parameters;
    for (got, want, name) in [
        (file.algorithm.oid, PBES2, "PBES2"),
        (derivation.oid, PBKDF2, "PBKDF2"),
        (encryption.oid, AES_256_CBC, "AES-256-CBC"),
    ] {
        if got != want {
            return Err(bad(format!("{got} is not supported, {name} is")));
        }
    }
    let Rounds { salt, rounds, key_length, hash } = &derivation.parameters;
    if !(1..=MAX_KEY_ROUNDS).contains(rounds) {
        return Err(bad(format!("{rounds} rounds of PBKDF2 are not accepted: 1 to {MAX_KEY_ROUNDS} are")));
    }
    if key_length.is_some_and(|length| length != 32) {
        return Err(bad("the key of AES-256 has 32 octets".to_owned()));
    }
    let mut key = Zeroizing::new([0; 32]);
    match hash.as_ref().map_or(HMAC_SHA1, |hash| hash.oid) {
        HMAC_SHA1 => pbkdf2::pbkdf2_hmac::<Sha1>(passphrase, salt.as_bytes(), *rounds, key.as_mut_slice()),
        HMAC_SHA256 => pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt.as_bytes(), *rounds, key.as_mut_slice()),
        other => return Err(bad(format!("{other} is not supported: HMAC with SHA-1 and SHA-256 are"))),
    }
    let iv =
        encryption.iv.as_bytes().try_into().map_err(|_| bad("an initialisation vector has 16 octets".to_owned()))?;
    open(&key, iv, file.content.as_bytes())
}

fn encrypt(info: &[u8], passphrase: &[u8], entropy: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let bad = |what: &str| PrivateKeyError::Encryption(what.to_owned());
    let (Some((salt, rest)), false) = (entropy.split_first_chunk::<SALT_BYTES>(), passphrase.is_empty()) else {
        return Err(bad("it takes a passphrase and 24 octets of entropy"));
    };
    let iv = rest.first_chunk::<BLOCK_BYTES>().ok_or_else(|| bad("it takes 24 octets of entropy"))?;
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha1>(passphrase, salt, WRITTEN_ROUNDS, key.as_mut_slice());
    // The last block is whole padding when the others are full.
    let mut buffer = Zeroizing::new(info.to_vec());
    buffer.resize(info.len().saturating_add(BLOCK_BYTES), 0);
    let cipher = cbc::Encryptor::<Aes256>::new((&*key).into(), iv.into());
    let content = cipher.encrypt_padded::<Pkcs7>(&mut buffer, info.len()).map_err(encoding)?;
    let octets = |bytes| OctetStringRef::new(bytes).map_err(encoding);
    let file = Encrypted {
        algorithm: Scheme {
            oid: PBES2,
            parameters: Parameters {
                derivation: Derivation {
                    oid: PBKDF2,
                    parameters: Rounds { salt: octets(salt)?, rounds: WRITTEN_ROUNDS, key_length: None, hash: None },
                },
                encryption: Encryption { oid: AES_256_CBC, iv: octets(iv)? },
            },
        },
        content: octets(content)?,
    };
    file.to_der().map(Zeroizing::new).map_err(encoding)
}

/// RFC 1421, section 4.6.1.3, as OpenSSL fills it in: the key is one round of MD5 over passphrase and salt, continued.
fn rfc1421(info: &str, content: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let bad = |what: String| PrivateKeyError::Encryption(what);
    let (cipher, iv) = info.split_once(',').unwrap_or((info, ""));
    if cipher != "AES-256-CBC" {
        return Err(bad(format!("{} is not supported: AES-256-CBC is", excerpt(cipher))));
    }
    let mut vector = [0; BLOCK_BYTES];
    hex::decode_to_slice(iv, &mut vector).map_err(|_| bad("an initialisation vector has 16 octets".to_owned()))?;
    let salt = vector.first_chunk::<SALT_BYTES>().copied().unwrap_or_default();
    let first = Zeroizing::new(<[u8; 16]>::from(Md5::new().chain_update(passphrase).chain_update(salt).finalize()));
    let next = Md5::new().chain_update(*first).chain_update(passphrase).chain_update(salt).finalize();
    let second = Zeroizing::new(<[u8; 16]>::from(next));
    let mut key = Zeroizing::new([0; 32]);
    for (octet, of) in key.iter_mut().zip(first.iter().chain(second.iter())) {
        *octet = *of;
    }
    open(&key, &vector, content)
}

fn open(key: &[u8; 32], iv: &[u8; BLOCK_BYTES], content: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let mut buffer = Zeroizing::new(content.to_vec());
    let cipher = cbc::Decryptor::<Aes256>::new(key.into(), iv.into());
    let opened = cipher.decrypt_padded::<Pkcs7>(&mut buffer).map_err(|_| PrivateKeyError::PassphraseWrong)?;
    Ok(Zeroizing::new(opened.to_vec()))
}

fn encoding(error: impl core::fmt::Display) -> PrivateKeyError {
    PrivateKeyError::Encoding(error.to_string())
}
