//! What is trusted: pinned certificates by kind, identities, and how strictly (trust-store-trust-policy.md, "Trust Store",
//! "Trusted Identities").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attributes::Scheme;
use super::level::Level;
use super::revocation::Crl;
use crate::limits::{MAX_STORE_CERTIFICATES, MAX_TRUST_ENTRIES};
use crate::text::excerpt;
use crate::x509::Certificate;
use crate::x509::name::{self, NameError, Subject};

/// Everything that a signature is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Pinned certificates.
    pub stores: TrustStores,
    /// Whose signatures count.
    pub identities: Identities,
    /// Which checks are enforced.
    pub level: Level,
    /// When a timestamp is looked at.
    pub verify_timestamp: VerifyTimestamp,
    /// User metadata that must have been signed with exactly these values.
    pub metadata: BTreeMap<String, String>,
    /// CRLs that need not be fetched.
    pub crls: Vec<Crl>,
}

/// When a timestamp is looked at, where a store of timestamp authorities is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerifyTimestamp {
    /// Always: there has to be one.
    #[default]
    Always,
    /// Only when a certificate of the signer has expired.
    AfterCertExpiry,
}

/// What the certificates of a store are pinned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StoreKind {
    /// Signers of the scheme `notary.x509`.
    Ca,
    /// Signing authorities.
    SigningAuthority,
    /// Timestamp authorities.
    Tsa,
}

impl StoreKind {
    /// The name in trust policies and folders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::SigningAuthority => "signingAuthority",
            Self::Tsa => "tsa",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Ca, Self::SigningAuthority, Self::Tsa].into_iter().find(|kind| kind.name() == name)
    }
}

/// Pinned certificates by kind. A certificate that is there is one that its store may hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustStores {
    ca: Vec<Certificate>,
    signing_authority: Vec<Certificate>,
    tsa: Vec<Certificate>,
}

/// Why a certificate cannot be pinned in a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// More than [`MAX_STORE_CERTIFICATES`].
    #[error("more than {MAX_STORE_CERTIFICATES} certificates in one kind of trust store")]
    Full,
    /// Neither a CA nor self-signed.
    #[error("{0:?} is neither a CA nor self-signed: a leaf that somebody else issued cannot be pinned")]
    Leaf(String),
    /// Not a root, for timestamp authorities.
    #[error("{0:?} is not a self-signed CA: only roots of timestamp authorities can be pinned")]
    NotRoot(String),
}

impl TrustStores {
    /// Pins certificates. One that is there already is there once.
    ///
    /// # Errors
    /// [`StoreError`] at the first that its store may not hold.
    pub fn add(&mut self, kind: StoreKind, certificates: Vec<Certificate>) -> Result<(), StoreError> {
        for certificate in certificates {
            let is_ca = certificate.extensions().basic_constraints.is_some_and(|constraints| constraints.is_ca);
            let self_signed = || certificate.is_self_issued() && certificate.verify(&certificate).is_ok();
            match kind {
                StoreKind::Tsa if !is_ca || !self_signed() => {
                    return Err(StoreError::NotRoot(certificate.subject_text()));
                }
                StoreKind::Ca | StoreKind::SigningAuthority if !is_ca && !self_signed() => {
                    return Err(StoreError::Leaf(certificate.subject_text()));
                }
                _ => {}
            }
            let store = match kind {
                StoreKind::Ca => &mut self.ca,
                StoreKind::SigningAuthority => &mut self.signing_authority,
                StoreKind::Tsa => &mut self.tsa,
            };
            if store.contains(&certificate) {
                continue;
            }
            if store.len() >= MAX_STORE_CERTIFICATES {
                return Err(StoreError::Full);
            }
            store.push(certificate);
        }
        Ok(())
    }

    /// The certificates of one kind.
    pub fn get(&self, kind: StoreKind) -> &[Certificate] {
        match kind {
            StoreKind::Ca => &self.ca,
            StoreKind::SigningAuthority => &self.signing_authority,
            StoreKind::Tsa => &self.tsa,
        }
    }

    /// The certificates that are pinned for a signing scheme.
    pub fn of(&self, scheme: Scheme) -> &[Certificate] {
        match scheme {
            Scheme::X509 => &self.ca,
            Scheme::SigningAuthority => &self.signing_authority,
        }
    }
}

/// Whose signatures count, of those whose chain reaches a pinned certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identities {
    /// Everybody's: `*`.
    Any,
    /// Those whose subject has all of these attributes.
    Subjects(Vec<Subject>),
}

/// Why a list of identities is refused. Positions count from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentitiesError {
    /// None at all.
    #[error("there is no trusted identity: say \"*\" for everybody whose certificate is issued under the trust stores")]
    None,
    /// More than [`MAX_TRUST_ENTRIES`].
    #[error("{got} trusted identities, at most {MAX_TRUST_ENTRIES} are read")]
    TooMany {
        /// Identities there are.
        got: usize,
    },
    /// `*` beside others.
    #[error("\"*\" stands for everybody and has to stand alone")]
    Wildcard {
        /// Its place.
        position: usize,
    },
    /// Another kind of identity.
    #[error("{text:?} is no identity: expected \"x509.subject: C=…, ST=…, O=…\" or \"*\"")]
    Kind {
        /// Its place.
        position: usize,
        /// What stands there.
        text: String,
    },
    /// A subject that cannot be compared.
    #[error("{error}")]
    Name {
        /// Its place.
        position: usize,
        /// What is wrong.
        error: NameError,
    },
    /// One is a part of another one.
    #[error("it overlaps with the identity at place {other}: whoever matches one matches the other")]
    Overlap {
        /// Its place.
        position: usize,
        /// The place of the other one.
        other: usize,
    },
}

impl IdentitiesError {
    /// Which identity is meant, where one is.
    pub fn position(&self) -> Option<usize> {
        match self {
            Self::None | Self::TooMany { .. } => None,
            Self::Wildcard { position }
            | Self::Kind { position, .. }
            | Self::Name { position, .. }
            | Self::Overlap { position, .. } => Some(*position),
        }
    }
}

impl Identities {
    /// Reads a list of identities.
    ///
    /// # Errors
    /// [`IdentitiesError`], one variant for each rule.
    pub fn read(list: &[String]) -> Result<Self, IdentitiesError> {
        match list {
            [] => return Err(IdentitiesError::None),
            [one] if one == "*" => return Ok(Self::Any),
            list if list.len() > MAX_TRUST_ENTRIES => return Err(IdentitiesError::TooMany { got: list.len() }),
            _ => {}
        }
        let mut subjects: Vec<Subject> = Vec::new();
        for (position, text) in list.iter().enumerate() {
            if text == "*" {
                return Err(IdentitiesError::Wildcard { position });
            }
            let name = text
                .strip_prefix("x509.subject:")
                .ok_or_else(|| IdentitiesError::Kind { position, text: excerpt(text) })?;
            let subject = Subject::parse(name).map_err(|error| IdentitiesError::Name { position, error })?;
            let overlaps = |other: &Subject| subject.is_part_of(other) || other.is_part_of(&subject);
            if let Some(other) = subjects.iter().position(overlaps) {
                return Err(IdentitiesError::Overlap { position, other });
            }
            subjects.push(subject);
        }
        Ok(Self::Subjects(subjects))
    }

    /// The identity that asks for the whole subject of a certificate; `*` where no other one matches it.
    pub fn naming(certificate: &Certificate) -> String {
        let subject = certificate.subject();
        match (Subject::of(subject), name::render(subject)) {
            (Ok(_), Ok(text)) => format!("x509.subject: {text}"),
            _ => "*".to_owned(),
        }
    }

    /// Whether the subject of a certificate is one of them.
    ///
    /// # Errors
    /// [`NameError`] where the certificate has a subject that cannot be compared.
    pub fn contain(&self, certificate: &Certificate) -> Result<bool, NameError> {
        match self {
            Self::Any => Ok(true),
            Self::Subjects(subjects) => {
                let subject = Subject::of(certificate.subject())?;
                Ok(subjects.iter().any(|wanted| wanted.is_part_of(&subject)))
            }
        }
    }
}
