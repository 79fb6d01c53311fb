//! What certificates of signers and of timestamp authorities have to be (Notary Project signature specification, "Certificate
//! Requirements").

use super::algorithm::{Algorithm, UnsupportedKey};
use crate::x509::{Certificate, Chain, ChainError, KeyUsageRule};

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
pub(super) const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
pub(super) const ANY: &str = "2.5.29.37.0";
/// What a key that signs code must not be for as well.
const EXCLUDED: [&str; 6] = [SERVER_AUTH, CLIENT_AUTH, EMAIL_PROTECTION, TIME_STAMPING, OCSP_SIGNING, ANY];
/// What the key of a leaf may be used for.
const LEAF_USAGES: [&str; 2] = ["digitalSignature", "nonRepudiation"];

/// Why a chain is not one of a signer, or of a timestamp authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// Not a chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The leaf is a CA.
    #[error("the signing certificate {0:?} is a CA")]
    LeafIsCa(String),
    /// The leaf does not say what its key is for.
    #[error("the signing certificate {0:?} has no keyUsage")]
    LeafNoKeyUsage(String),
    /// The leaf's `keyUsage` is not critical.
    #[error("the signing certificate {0:?} has a keyUsage that is not critical")]
    LeafKeyUsageNotCritical(String),
    /// The leaf's key is not for signatures.
    #[error("the key of the signing certificate {0:?} is not for digitalSignature")]
    LeafNoDigitalSignature(String),
    /// The leaf's key is for something else as well.
    #[error("the key of the signing certificate {subject:?} is for {usage} as well")]
    LeafKeyUsage {
        /// Its subject.
        subject: String,
        /// What it is for.
        usage: &'static str,
    },
    /// The leaf has a purpose beside which it must not sign code.
    #[error("the signing certificate {subject:?} has the extended key usage {purpose}")]
    LeafPurpose {
        /// Its subject.
        subject: String,
        /// The purpose, dotted.
        purpose: String,
    },
    /// The leaf's key has no algorithm.
    #[error("the signing certificate {subject:?}: {error}")]
    LeafKey {
        /// Its subject.
        subject: String,
        /// What it is.
        error: UnsupportedKey,
    },
    /// Not exactly the purpose of timestamping.
    #[error(
        "the timestamping certificate {subject:?} has the extended key usages [{purposes}], expected {TIME_STAMPING} alone"
    )]
    TsaPurpose {
        /// Its subject.
        subject: String,
        /// The purposes, dotted.
        purposes: String,
    },
    /// The purpose of timestamping is not critical (RFC 3161, section 2.3).
    #[error("the timestamping certificate {0:?} has an extended key usage that is not critical")]
    TsaPurposeNotCritical(String),
}

/// Checks the chain of a signer, without regard to time and trust.
///
/// # Errors
/// [`CertificatesError`], one variant for each rule.
pub fn code_signing(certificates: Vec<Certificate>) -> Result<Chain, CertificatesError> {
    let chain = Chain::verify(certificates, KeyUsageRule::Critical)?;
    let leaf = chain.leaf().ok_or(ChainError::Empty)?;
    check_leaf(leaf)?;
    let extensions = leaf.extensions();
    if extensions.key_usage.is_some_and(|usage| !usage.is_critical) {
        return Err(CertificatesError::LeafKeyUsageNotCritical(leaf.subject_text()));
    }
    let mut purposes = extensions.extended_key_usage.iter().flat_map(|usage| &usage.purposes);
    match purposes.find(|purpose| EXCLUDED.contains(&purpose.as_str())) {
        None => Ok(chain),
        Some(purpose) => {
            let (subject, purpose) = (leaf.subject_text(), purpose.clone());
            Err(CertificatesError::LeafPurpose { subject, purpose })
        }
    }
}

/// Checks the chain of a timestamp authority, without regard to time and trust.
///
/// # Errors
/// [`CertificatesError`], one variant for each rule.
pub fn timestamping(certificates: Vec<Certificate>) -> Result<Chain, CertificatesError> {
    let chain = Chain::verify(certificates, KeyUsageRule::Present)?;
    let leaf = chain.leaf().ok_or(ChainError::Empty)?;
    check_leaf(leaf)?;
    let usage = leaf.extensions().extended_key_usage.as_ref();
    let purposes = usage.map(|usage| usage.purposes.as_slice()).unwrap_or_default();
    if purposes != [TIME_STAMPING] {
        return Err(CertificatesError::TsaPurpose { subject: leaf.subject_text(), purposes: purposes.join(", ") });
    }
    if usage.is_some_and(|usage| !usage.is_critical) {
        return Err(CertificatesError::TsaPurposeNotCritical(leaf.subject_text()));
    }
    Ok(chain)
}

/// What both kinds of leaf have in common.
fn check_leaf(leaf: &Certificate) -> Result<(), CertificatesError> {
    let subject = || leaf.subject_text();
    let extensions = leaf.extensions();
    if extensions.basic_constraints.is_some_and(|constraints| constraints.is_ca) {
        return Err(CertificatesError::LeafIsCa(subject()));
    }
    let usage = extensions.key_usage.ok_or_else(|| CertificatesError::LeafNoKeyUsage(subject()))?;
    if !usage.allows("digitalSignature") {
        return Err(CertificatesError::LeafNoDigitalSignature(subject()));
    }
    if let Some(usage) = usage.names().find(|usage| !LEAF_USAGES.contains(usage)) {
        return Err(CertificatesError::LeafKeyUsage { subject: subject(), usage });
    }
    Algorithm::of(leaf.key()).map_err(|error| CertificatesError::LeafKey { subject: subject(), error })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::Deserialize;

    use crate::x509::Chain;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        rules: String,
        go: String,
        expect: String,
        chain: Vec<String>,
    }

    /// Where Bulla is stricter than notation-core-go, on purpose.
    const STRICTER: [&str; 4] = ["leaf-eku-any", "weak-ca", "unknown-critical", "name-constraints"];

    #[test]
    fn each_chain_is_accepted_or_fails_by_its_own_rule() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../testdata/notation/chains.json")).expect("valid");
        assert!(cases.len() >= 48);
        for Case { name, rules, go, expect, chain } in cases {
            let ders: Vec<Vec<u8>> = chain.iter().map(|der| STANDARD.decode(der).expect("base64")).collect();
            let outcome = Chain::parse(ders.iter().map(Vec::as_slice)).map_err(super::CertificatesError::Chain);
            let outcome = outcome.and_then(|certificates| match rules.as_str() {
                "codeSigning" => super::code_signing(certificates),
                _ => super::timestamping(certificates),
            });
            let got = match &outcome {
                Ok(chain) => {
                    assert_eq!(chain.certificates().len(), ders.len());
                    String::new()
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    let variant = format!("{error:?}");
                    let variant = variant.strip_prefix("Chain(").unwrap_or(&variant);
                    variant.split(['(', ' ', '{']).next().expect("a name").to_owned()
                }
            };
            assert_eq!(got, expect, "{name}: {outcome:?}");
            assert!(STRICTER.contains(&name.as_str()) || (go == "accepted") == expect.is_empty(), "{name}");
        }
    }
}
