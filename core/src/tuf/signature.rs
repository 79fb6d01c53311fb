//! The envelope of a role file, and how many of a role's keys signed it (notary, tuf/signed/verify.go, verifiers.go).
//!
//! What is signed is the canonical form of the member `signed`, however the file is laid out.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::canonical::{self, CanonicalError};
use super::error::{FormatError, TrustError};
use super::format::{object, text};
use super::key::{Key, KeyId, KeyType, Keys};
use super::role::Role;
use crate::digest::Digest;
use crate::json;
use crate::key::{Algorithm, Hash, PublicKey, SignatureError};
use crate::limits::{MAX_ROLE_KEYS, MAX_SIGNATURE_BYTES, MAX_TRUST_UNITS, OCTETS_PER_UNIT};
use crate::ordered::Ordered as _;
use crate::text::excerpt;

/// How a signature is made and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// ECDSA over SHA-256, whatever the curve, as r and s of equal length one behind the other.
    Ecdsa,
    /// RSASSA-PSS over SHA-256 with a salt of 32 octets.
    RsaPss,
    /// RSASSA-PKCS1-v1_5 over SHA-256.
    RsaPkcs1v15,
    /// Ed25519 over the message itself.
    Eddsa,
    /// As [`Method::RsaPss`], with keys that are listed as PEM.
    PyCrypto,
}

/// A signature as it stands in a role file, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) key: KeyId,
    method: String,
    value: Vec<u8>,
}

/// A role file that was parsed. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    signed: Map<String, Value>,
    message: Vec<u8>,
    signatures: Vec<Signature>,
    sha256: Digest,
}

/// The keys of a role, and how many of them have to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeys {
    /// The role.
    pub role: Role,
    /// Its keys, those too that cannot be used.
    pub keys: Keys,
    /// How many distinct ones have to sign; at least 1.
    pub threshold: u64,
}

/// How many of the keys that were needed signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortfall {
    pub(super) got: usize,
    pub(super) need: u64,
    pub(super) problems: Vec<String>,
}

/// The work that one look at a collection may take, in units of one P-256 verification. Whoever writes role files chooses how
/// many signatures they have.
#[derive(Debug)]
pub struct Budget {
    left: u32,
    spent: u32,
    known: Known,
}

/// What came of signatures that were checked: each is computed once, however many rounds, roots and signers ask about it. They pay
/// for it each time, so that it ends the same way whatever is known.
#[derive(Debug, Default)]
pub struct Known(Vec<Checked>);

#[derive(Debug)]
struct Checked {
    key: KeyId,
    message: Digest,
    signature: Signature,
    outcome: Result<(), SignatureProblem>,
}

impl Known {
    /// What came of it, or what comes of it now. There are a few: whoever makes them many has to pay for each.
    fn outcome(&mut self, signature: &Signature, of: &Envelope, key: &Key) -> Result<(), SignatureProblem> {
        let is_it = |it: &&Checked| it.key == key.id() && it.message == of.sha256 && it.signature == *signature;
        if let Some(known) = self.0.iter().find(is_it) {
            return known.outcome.clone();
        }
        let outcome = signature.check(&of.message, key);
        let (message, signature) = (of.sha256.clone(), signature.clone());
        self.0.push(Checked { key: key.id(), message, signature, outcome: outcome.clone() });
        outcome
    }
}

impl Budget {
    /// So much, and at most [`MAX_TRUST_UNITS`].
    pub fn of(units: u32) -> Self {
        Self::knowing(Known::default(), units)
    }

    /// The same for somebody who has checked signatures before.
    pub fn knowing(known: Known, units: u32) -> Self {
        Self { left: units.min(MAX_TRUST_UNITS), spent: 0, known }
    }

    /// What is known afterwards.
    pub fn into_known(self) -> Known {
        self.known
    }

    /// What was spent.
    pub const fn spent(&self) -> u32 {
        self.spent
    }

    /// Takes so many units away. Nothing is left once there were too few.
    pub(super) fn spend(&mut self, units: u32) -> Result<(), TrustError> {
        let left = self.left.checked_sub(units);
        self.spent = self.spent.saturating_add(units.min(self.left));
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(TrustError::Work)
    }

    /// Whether enough of these keys signed an envelope.
    pub(super) fn check(
        &mut self,
        envelope: &Envelope,
        keys: &RoleKeys,
    ) -> Result<Result<BTreeSet<KeyId>, Shortfall>, TrustError> {
        self.spend(envelope.units(keys))?;
        Ok(envelope.check(keys, &mut self.known))
    }
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureProblem {
    /// A method that is not known.
    #[error("signature method {0:?} is not supported")]
    Method(String),
    /// A method for another kind of key: the key decides how it signs, not the file.
    #[error("signature method {method:?} does not fit a key of type {}", .kind.name())]
    OtherMethod {
        /// The method.
        method: String,
        /// The kind of key.
        kind: KeyType,
    },
    /// Not an encoding of a signature by this key.
    #[error("the signature has {got} octets, expected {want}")]
    Length {
        /// Octets it has.
        got: usize,
        /// Octets it should have.
        want: usize,
    },
    /// Not by this key over these bytes.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Envelope {
    /// Reads a role file.
    ///
    /// # Errors
    /// [`FormatError`]: no strict JSON, no canonical form, too many signatures.
    pub fn parse(bytes: &[u8], limit: u64) -> Result<Self, FormatError> {
        let document = json::parse(bytes, usize::try_from(limit).unwrap_or(usize::MAX))?;
        let Value::Object(mut document) = document else {
            return Err(FormatError::Member { member: "the file", expected: "an object" });
        };
        let listed = document.get("signatures").and_then(Value::as_array);
        let listed = listed.ok_or(FormatError::Member { member: "signatures", expected: "a list" })?;
        if listed.len() > MAX_ROLE_KEYS {
            return Err(FormatError::Signatures { got: listed.len() });
        }
        let mut signatures = Vec::with_capacity(listed.len());
        for signature in listed {
            let signature = object(Some(signature), "signatures")?;
            let value = STANDARD.decode(text(signature.get("sig"), "signatures.sig")?);
            signatures.push(Signature {
                key: KeyId::parse(text(signature.get("keyid"), "signatures.keyid")?)?,
                method: text(signature.get("method"), "signatures.method")?.to_ascii_lowercase(),
                value: value.map_err(|error| FormatError::SignatureEncoding(error.to_string()))?,
            });
        }
        let signed = document.remove("signed").unwrap_or_default();
        object(Some(&signed), "signed")?;
        let message = canonical::write(&signed)?;
        let Value::Object(signed) = signed else {
            return Err(FormatError::Member { member: "signed", expected: "an object" });
        };
        Ok(Self { signed, sha256: Digest::sha256(&message), message, signatures })
    }

    /// What was signed, whoever may have.
    pub(super) fn signed(&self) -> &Map<String, Value> {
        &self.signed
    }

    /// SHA-256 of what is signed, in its canonical form.
    pub(super) fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// What checking the signatures of these keys takes, in units of one P-256 verification.
    fn units(&self, keys: &RoleKeys) -> u32 {
        let tried = self.signatures.iter().map(|signature| signature.key).into_set();
        let hashing = u64::try_from(self.message.len()).unwrap_or(u64::MAX) / OCTETS_PER_UNIT;
        let hashing = u32::try_from(hashing).unwrap_or(u32::MAX);
        let tried = tried.iter().filter_map(|id| keys.keys.get(id)?.as_ref().ok());
        let units = tried.map(|key| key.public().verification_units().saturating_add(hashing));
        units.fold(0, u32::saturating_add)
    }

    /// Whether enough of these keys signed. One key counts once, under however many ids it is listed; of several signatures
    /// under one id the first decides.
    fn check(&self, keys: &RoleKeys, known: &mut Known) -> Result<BTreeSet<KeyId>, Shortfall> {
        let mut tried = BTreeSet::new();
        let mut signers = BTreeSet::new();
        let mut counted = BTreeSet::new();
        let mut problems = Vec::new();
        for signature in &self.signatures {
            let Some(listed) = keys.keys.get(&signature.key).filter(|_| tried.insert(signature.key)) else { continue };
            let outcome = match listed {
                Ok(key) => known.outcome(signature, self, key).map(|()| key.public()).map_err(|it| it.to_string()),
                Err(unusable) => Err(unusable.to_string()),
            };
            match outcome {
                Ok(key) => {
                    signers.insert(signature.key);
                    counted.insert(key.fingerprint());
                }
                Err(problem) => problems.push(format!("key {}: {problem}", signature.key)),
            }
        }
        let got = counted.len();
        if u64::try_from(got).unwrap_or(u64::MAX) >= keys.threshold {
            return Ok(signers);
        }
        Err(Shortfall { got, need: keys.threshold, problems })
    }
}

impl Signature {
    fn check(&self, message: &[u8], key: &Key) -> Result<(), SignatureProblem> {
        let method = Method::parse(&self.method).ok_or_else(|| SignatureProblem::Method(excerpt(&self.method)))?;
        method.check(message, &self.value, key)
    }
}

impl Method {
    /// The name in a role file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::RsaPss => "rsapss",
            Self::RsaPkcs1v15 => "rsapkcs1v15",
            Self::Eddsa => "eddsa",
            Self::PyCrypto => "pycrypto-pkcs#1 pss",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [Self::Ecdsa, Self::RsaPss, Self::RsaPkcs1v15, Self::Eddsa, Self::PyCrypto];
        all.into_iter().find(|method| method.name() == name)
    }

    const fn fits(self, kind: KeyType) -> bool {
        match self {
            Self::Ecdsa => matches!(kind, KeyType::Ecdsa | KeyType::EcdsaX509),
            Self::RsaPss | Self::RsaPkcs1v15 => matches!(kind, KeyType::Rsa | KeyType::RsaX509),
            Self::Eddsa => matches!(kind, KeyType::Ed25519),
            Self::PyCrypto => matches!(kind, KeyType::Rsa),
        }
    }

    /// Checks a signature as it stands in a role file.
    ///
    /// # Errors
    /// [`SignatureProblem`].
    pub fn check(self, message: &[u8], signature: &[u8], key: &Key) -> Result<(), SignatureProblem> {
        if !self.fits(key.kind()) {
            return Err(SignatureProblem::OtherMethod { method: self.name().to_owned(), kind: key.kind() });
        }
        if signature.len() > MAX_SIGNATURE_BYTES {
            return Err(SignatureProblem::Length { got: signature.len(), want: MAX_SIGNATURE_BYTES });
        }
        match self {
            Self::Ecdsa => {
                check_length(signature, key.public())?;
                key.public().verify_raw(message, signature, Hash::Sha256)?;
            }
            Self::RsaPkcs1v15 | Self::Eddsa => key.public().verify(message, signature, Hash::Sha256)?,
            Self::RsaPss | Self::PyCrypto => key.public().verify_pss(message, signature, Hash::Sha256)?,
        }
        Ok(())
    }

    /// Turns a signature as signers make it (ECDSA as DER, RSA in either way) into what stands in a role file, if it holds.
    ///
    /// # Errors
    /// [`SignatureProblem`].
    pub fn of(message: &[u8], signature: &[u8], key: &Key) -> Result<(Self, Vec<u8>), SignatureProblem> {
        let (method, value) = match key.kind() {
            KeyType::Ecdsa | KeyType::EcdsaX509 => (Self::Ecdsa, from_der(signature, key.public())?),
            KeyType::Ed25519 => (Self::Eddsa, signature.to_vec()),
            KeyType::Rsa | KeyType::RsaX509 if Self::RsaPss.check(message, signature, key).is_ok() => {
                return Ok((Self::RsaPss, signature.to_vec()));
            }
            KeyType::Rsa | KeyType::RsaX509 => (Self::RsaPkcs1v15, signature.to_vec()),
        };
        method.check(message, &value, key)?;
        Ok((method, value))
    }
}

/// Octets of r, and of s, in a role file.
const fn part_length(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::EcdsaP384 => 48,
        Algorithm::EcdsaP521 => 66,
        _ => 32,
    }
}

const fn malformed(algorithm: Algorithm) -> SignatureProblem {
    SignatureProblem::Signature(SignatureError::Malformed { algorithm, what: "not two numbers below the order" })
}

/// The octets are as many as the curve's two numbers have.
fn check_length(raw: &[u8], key: &PublicKey) -> Result<(), SignatureProblem> {
    let want = part_length(key.algorithm()).saturating_mul(2);
    if raw.len() == want { Ok(()) } else { Err(SignatureProblem::Length { got: raw.len(), want }) }
}

fn from_der(der: &[u8], key: &PublicKey) -> Result<Vec<u8>, SignatureProblem> {
    let algorithm = key.algorithm();
    let bad = |_| malformed(algorithm);
    Ok(match algorithm {
        Algorithm::EcdsaP384 => p384::ecdsa::Signature::from_der(der).map_err(bad)?.to_bytes().to_vec(),
        Algorithm::EcdsaP521 => p521::ecdsa::Signature::from_der(der).map_err(bad)?.to_bytes().to_vec(),
        _ => p256::ecdsa::Signature::from_der(der).map_err(bad)?.to_bytes().to_vec(),
    })
}

/// Writes a role file in the very octets in which Notary would write it: a server that signs the snapshot names the hash of
/// what it writes itself, not of what it was sent.
///
/// # Errors
/// [`CanonicalError`], as what has no canonical form was not signed.
pub(crate) fn write_file(
    signed: &Value,
    signatures: &BTreeMap<KeyId, (Method, Vec<u8>)>,
) -> Result<Vec<u8>, CanonicalError> {
    let mut file = b"{\"signed\":".to_vec();
    let canonical = canonical::write(signed)?;
    for c in String::from_utf8_lossy(&canonical).chars() {
        match c {
            // Go's encoder escapes these, and canonical JSON does not. Control characters are JSON only when escaped.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                file.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            _ => file.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    let listed = signatures.iter().map(|(key, (method, value))| {
        format!("{{\"keyid\":\"{key}\",\"method\":\"{}\",\"sig\":\"{}\"}}", method.name(), STANDARD.encode(value))
    });
    let listed = listed.collect::<Vec<_>>().join(",");
    file.extend_from_slice(format!(",\"signatures\":[{listed}]}}").as_bytes());
    Ok(file)
}
