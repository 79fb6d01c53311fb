//! Operations on keys: check, sign, generate, key.

use bulla_abi::{ErrorBody, Message};
use bulla_core::key::{self, Algorithm, Hash, PrivateKey, PrivateKeyError, PublicKey, PublicKeyError};
use bulla_core::tuf::key::Key;
use bulla_core::tuf::private_key;
use bulla_core::x509::{self, Certificate};
use serde::Deserialize;
use serde_json::json;

use crate::reply::{self, Answer, Reply, error};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    key: u32,
    message: u32,
    signature: u32,
    hash: Hash,
}

pub(crate) fn check(message: &Message) -> Reply {
    let header: Check = reply::header(message)?;
    let key = PublicKey::parse(reply::blob(message, header.key)?).map_err(|problem| error("key-invalid", problem))?;
    let outcome =
        key.verify(reply::blob(message, header.message)?, reply::blob(message, header.signature)?, header.hash);
    Answer::new(&json!({
        "valid": outcome.is_ok(),
        "reason": outcome.err().map(|problem| problem.to_string()),
        "algorithm": key.algorithm(),
        "fingerprint": key.fingerprint(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sign {
    key: u32,
    #[serde(default)]
    passphrase: Option<u32>,
    message: u32,
    hash: Hash,
}

pub(crate) fn sign(message: &Message) -> Reply {
    let header: Sign = reply::header(message)?;
    let key = private(message, header.key, header.passphrase)?;
    let signature = key.sign(reply::blob(message, header.message)?, header.hash).map_err(key_error)?;
    let public = key.public();
    Answer::with(
        &json!({
            "signature": 0,
            "publicKey": 1,
            "algorithm": public.algorithm(),
            "fingerprint": public.fingerprint(),
        }),
        vec![signature, public.to_pem().into_bytes()],
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Generate {
    algorithm: Algorithm,
    entropy: u32,
    #[serde(default)]
    passphrase: Option<u32>,
}

pub(crate) fn generate(message: &Message) -> Reply {
    let header: Generate = reply::header(message)?;
    let entropy = reply::blob(message, header.entropy)?;
    let (for_key, for_file) = entropy.split_at_checked(key::GENERATION_ENTROPY_BYTES).unwrap_or((entropy, &[]));
    let key = PrivateKey::generate(header.algorithm, for_key).map_err(key_error)?;
    let passphrase = header.passphrase.map(|index| reply::blob(message, index)).transpose()?;
    let file = match passphrase {
        None => key.to_pem().map_err(key_error)?,
        Some(passphrase) => {
            key::encrypt(&key, passphrase, for_file).map_err(|problem| error("key-invalid", problem))?
        }
    };
    let public = key.public();
    Answer::with(
        &json!({
            "privateKey": 0,
            "publicKey": 1,
            "algorithm": public.algorithm(),
            "fingerprint": public.fingerprint(),
        }),
        vec![file.as_bytes().to_vec(), public.to_pem().into_bytes()],
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Described {
    key: u32,
    #[serde(default)]
    passphrase: Option<u32>,
    #[serde(default)]
    write: Option<Write>,
}

/// How a private key is written anew.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields, tag = "form")]
enum Write {
    /// PKCS #8 DER, for a host that signs with its own library.
    Pkcs8Der,
    /// PKCS #8 PEM, not encrypted.
    Pkcs8,
    /// Cosign's encrypted PEM.
    Cosign { passphrase: u32, entropy: u32 },
    /// Notary's PEM, encrypted where there is a passphrase.
    Notary {
        #[serde(default)]
        role: Option<String>,
        #[serde(default)]
        gun: Option<String>,
        #[serde(default)]
        passphrase: Option<u32>,
        #[serde(default)]
        entropy: Option<u32>,
    },
}

/// Describes a key: public, private, or in a certificate. A private key is only shown as its public half, unless it is to be
/// written anew.
pub(crate) fn key(message: &Message) -> Reply {
    let header: Described = reply::header(message)?;
    let file = reply::blob(message, header.key)?;
    match PublicKey::parse(file) {
        Ok(public) if header.write.is_none() => return describe("public", &public, &[], None),
        Err(problem) if header.write.is_none() && may_be_certificates(file) => {
            return match (x509::read_all(file), is_pem(file)) {
                (Ok(certificates), _) => match certificates.first() {
                    Some(first) => describe("certificate", first.key(), &certificates, None),
                    None => Err(error("key-invalid", problem)),
                },
                (Err(unread), true) => Err(error("key-invalid", unread)),
                // DER that is neither: it was given as a key.
                (Err(_), false) => Err(error("key-invalid", problem)),
            };
        }
        // Whoever only wants to see a key mostly has a public one: a file that is neither is told so as one.
        Err(problem)
            if header.write.is_none() && !matches!(problem, PublicKeyError::Private(_)) && !is_notarys(file) =>
        {
            return Err(error("key-invalid", problem));
        }
        _ => {}
    }
    let key = private(message, header.key, header.passphrase)?;
    let written = match header.write {
        None => None,
        Some(Write::Pkcs8Der) => Some(key.to_pkcs8().map_err(key_error)?.to_vec()),
        Some(Write::Pkcs8) => Some(key.to_pem().map_err(key_error)?.as_bytes().to_vec()),
        Some(Write::Cosign { passphrase, entropy }) => {
            let file = key::encrypt(&key, reply::blob(message, passphrase)?, reply::blob(message, entropy)?);
            Some(file.map_err(|problem| error("key-invalid", problem))?.as_bytes().to_vec())
        }
        Some(Write::Notary { role, gun, passphrase, entropy }) => {
            let encryption = match (passphrase, entropy) {
                (Some(passphrase), Some(entropy)) => {
                    Some((reply::blob(message, passphrase)?, reply::blob(message, entropy)?))
                }
                (None, None) => None,
                _ => return Err(error("message-invalid", "header: write: passphrase and entropy go together")),
            };
            let file = private_key::write(&key, role.as_deref(), gun.as_deref(), encryption).map_err(key_error)?;
            let id = Key::bare(key.public().clone()).id();
            let mut answer = describe("private", key.public(), &[], Some(file.as_bytes().to_vec()))?;
            // What names the key in role files, and its file where Notary keeps it.
            answer.set("notaryId", &id);
            return Ok(answer);
        }
    };
    describe("private", key.public(), &[], written)
}

/// Whether a file that is no public key is to be read as certificates.
fn may_be_certificates(file: &[u8]) -> bool {
    file.first() == Some(&0x30) || is_pem(file)
}

fn is_pem(file: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    file.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// A certificate, for whoever decides whether to pin it. What it says of itself is not checked by anybody's signature.
fn certificate(certificate: &Certificate, pem: usize) -> serde_json::Value {
    let is_ca = certificate.extensions().basic_constraints.is_some_and(|constraints| constraints.is_ca);
    json!({
        "pem": pem,
        "subject": certificate.subject_text(),
        "thumbprint": certificate.thumbprint(),
        "notBefore": certificate.not_before(),
        "notAfter": certificate.not_after(),
        "isCa": is_ca,
        "isSelfIssued": certificate.is_self_issued(),
    })
}

fn describe(kind: &str, public: &PublicKey, certificates: &[Certificate], written: Option<Vec<u8>>) -> Reply {
    let mut blobs = vec![public.to_pem().into_bytes()];
    let index = written.is_some().then_some(1);
    blobs.extend(written);
    let first_certificate = blobs.len();
    blobs.extend(certificates.iter().map(|certificate| certificate.to_pem().into_bytes()));
    let mut answer = json!({
        "kind": kind,
        "algorithm": public.algorithm(),
        "fingerprint": public.fingerprint(),
        "publicKey": 0,
        "privateKey": index,
    });
    if !certificates.is_empty() {
        answer["certificates"] =
            certificates.iter().zip(first_certificate..).map(|(one, pem)| certificate(one, pem)).collect();
    }
    Answer::with(&answer, blobs)
}

fn private(message: &Message, key: u32, passphrase: Option<u32>) -> Result<PrivateKey, ErrorBody> {
    let passphrase = passphrase.map(|index| reply::blob(message, index)).transpose()?;
    let file = reply::blob(message, key)?;
    let parsed = PrivateKey::parse(file, passphrase);
    let is_other =
        matches!(parsed, Err(PrivateKeyError::Pem(_) | PrivateKeyError::Label(_) | PrivateKeyError::Encoding(_)));
    // Notary's files have headers, an encryption of their own, and PKCS #8 with quirks.
    if is_other && is_notarys(file) {
        return private_key::read(file, passphrase).map(|file| file.key).map_err(key_error);
    }
    parsed.map_err(key_error)
}

/// Whether a file may be a private key as Notary writes it.
fn is_notarys(file: &[u8]) -> bool {
    let text = String::from_utf8_lossy(file);
    let begins = |label: &str| text.trim_start().starts_with(&format!("-----BEGIN {label}-----"));
    ["ENCRYPTED PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ED25519 PRIVATE KEY"]
        .into_iter()
        .any(begins)
}

/// Codes on which a host acts: it asks for a passphrase, or signs with its own library.
fn key_error(problem: PrivateKeyError) -> ErrorBody {
    let code = match problem {
        PrivateKeyError::PassphraseNeeded => "key-passphrase-needed",
        PrivateKeyError::PassphraseWrong => "key-passphrase-wrong",
        PrivateKeyError::RsaSigning => "key-rsa-signing",
        _ => "key-invalid",
    };
    error(code, problem)
}
