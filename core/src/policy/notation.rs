//! A signer of Notation in a policy document (docs/policy.md): pinned certificates, identities, and how strictly they are taken.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::limits::{MAX_ANNOTATIONS, MAX_TRUST_ENTRIES};
use crate::notation::level::{Action, Kind, Level, Name};
use crate::notation::revocation::Crl;
use crate::notation::{Identities, StoreKind, Trust, TrustStores, VerifyTimestamp};
use crate::x509::read_all;
use crate::yaml::{Document, YamlError};

/// The signer as it stands in a document, below `signers.NAME.notation`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotationSigner {
    trust_stores: Stores,
    trusted_identities: Vec<String>,
    level: Name,
    #[serde(default, rename = "override")]
    overrides: BTreeMap<Kind, Action>,
    #[serde(default)]
    verify_timestamp: VerifyTimestamp,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    crls: Vec<String>,
}

/// Certificates by what they are pinned for: each text is PEM, with one or more of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stores {
    #[serde(default)]
    ca: Vec<String>,
    #[serde(default)]
    signing_authority: Vec<String>,
    #[serde(default)]
    tsa: Vec<String>,
}

impl NotationSigner {
    /// Reads the signer at this path of a document, e.g. `spec.signers.builders.notation`.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub fn read(self, path: &str, document: &Document) -> Result<Trust, YamlError> {
        let error = |field: &str, message: String| document.error(&format!("{path}.{field}"), message);
        let mut stores = TrustStores::default();
        for (kind, texts) in [
            (StoreKind::Ca, &self.trust_stores.ca),
            (StoreKind::SigningAuthority, &self.trust_stores.signing_authority),
            (StoreKind::Tsa, &self.trust_stores.tsa),
        ] {
            for (index, text) in texts.iter().enumerate() {
                let place = format!("trustStores.{}[{index}]", kind.name());
                let certificates = read_all(text.as_bytes()).map_err(|problem| error(&place, problem.to_string()))?;
                stores.add(kind, certificates).map_err(|problem| error(&place, problem.to_string()))?;
            }
        }
        if stores.get(StoreKind::Ca).is_empty() && stores.get(StoreKind::SigningAuthority).is_empty() {
            let message = "nobody is pinned: certificates are needed under ca or signingAuthority";
            return Err(error("trustStores", message.to_owned()));
        }
        let identities = Identities::read(&self.trusted_identities).map_err(|problem| {
            let place = problem.position().map_or_else(String::new, |position| format!("[{position}]"));
            error(&format!("trustedIdentities{place}"), problem.to_string())
        })?;
        let level =
            Level::new(self.level, &self.overrides).map_err(|problem| error("override", problem.to_string()))?;
        if self.metadata.len() > MAX_ANNOTATIONS {
            return Err(error("metadata", format!("more than {MAX_ANNOTATIONS} entries")));
        }
        if self.crls.len() > MAX_TRUST_ENTRIES {
            return Err(error("crls", format!("more than {MAX_TRUST_ENTRIES} lists")));
        }
        let mut crls = Vec::new();
        for (index, text) in self.crls.iter().enumerate() {
            crls.push(read_crl(text).map_err(|message| error(&format!("crls[{index}]"), message))?);
        }
        Ok(Trust { stores, identities, level, verify_timestamp: self.verify_timestamp, metadata: self.metadata, crls })
    }
}

/// A CRL as PEM (RFC 7468, section 7), or as the base64 of its DER.
fn read_crl(text: &str) -> Result<Crl, String> {
    let der = if text.trim_start().starts_with("-----BEGIN ") {
        let (label, der) =
            pem_rfc7468::decode_vec(text.trim().as_bytes()).map_err(|error| format!("not PEM: {error}"))?;
        if label != "X509 CRL" {
            return Err(format!("PEM block {label:?} is no CRL: expected \"X509 CRL\""));
        }
        der
    } else {
        let digits: String = text.split_ascii_whitespace().collect();
        STANDARD.decode(digits).map_err(|error| format!("neither PEM nor base64: {error}"))?
    };
    Crl::parse(&der).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::NotationSigner;
    use crate::notation::level::{Action, Kind};
    use crate::notation::{StoreKind, Trust, VerifyTimestamp};
    use crate::yaml::{Document, YamlError};

    const ROOT: &str = include_str!("../../testdata/notation/root.pem");
    const LEAF: &str = include_str!("../../testdata/notation/p256.pem");
    const TSA: &str = include_str!("../../testdata/notation/tsa-root.pem");
    const CRL: &[u8] = include_bytes!("../../testdata/notation/revocation/empty.crl");

    fn signer() -> Value {
        json!({
            "trustStores": {"ca": [ROOT], "tsa": [TSA]},
            "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Bulla Test"],
            "level": "strict",
            "override": {"revocation": "log"},
            "verifyTimestamp": "afterCertExpiry",
            "metadata": {"team": "builders"},
            "crls": [STANDARD.encode(CRL)]
        })
    }

    fn read(signer: &Value) -> Result<Trust, YamlError> {
        // The document is one that holds the signer under its name, as in a policy.
        let document = Document::read_all(&json!({"signers": {"a": {"notation": signer}}}).to_string()).expect("YAML");
        let source: NotationSigner = serde_json::from_value(signer.clone())
            .map_err(|error| document[0].error("signers.a.notation", error.to_string()))?;
        source.read("signers.a.notation", &document[0])
    }

    #[test]
    fn a_signer_is_read_into_what_is_trusted() {
        let trust = read(&signer()).expect("valid");
        assert_eq!(trust.stores.get(StoreKind::Ca).len(), 1);
        assert_eq!(trust.stores.get(StoreKind::Tsa).len(), 1);
        assert_eq!(trust.level.action(Kind::Revocation), Action::Log);
        assert_eq!(trust.verify_timestamp, VerifyTimestamp::AfterCertExpiry);
        assert_eq!((trust.metadata["team"].as_str(), trust.crls.len()), ("builders", 1));
        let pem = pem_rfc7468::encode_string("X509 CRL", pem_rfc7468::LineEnding::LF, CRL).expect("PEM");
        let mut with_pem = signer();
        with_pem["crls"] = json!([pem]);
        assert_eq!(read(&with_pem), Ok(trust));
    }

    #[test]
    fn what_is_wrong_is_shown_at_its_place() {
        let mut long = json!({});
        (0..129).for_each(|number| long[number.to_string()] = json!("x"));
        for (field, value, path, hint) in [
            ("trustStores", json!({"ca": [ROOT, "x"]}), ".trustStores.ca[1]", "no certificate"),
            ("trustStores", json!({"ca": [LEAF]}), ".trustStores.ca[0]", "neither a CA nor self-signed"),
            ("trustStores", json!({"ca": [ROOT], "tsa": [LEAF]}), ".trustStores.tsa[0]", "not a self-signed CA"),
            ("trustStores", json!({"tsa": [TSA]}), ".trustStores", "nobody is pinned"),
            ("trustedIdentities", json!([]), ".trustedIdentities", "no trusted identity"),
            ("trustedIdentities", json!(["*", "*"]), ".trustedIdentities[0]", "stand alone"),
            ("trustedIdentities", json!(["x509.subject: C=US"]), ".trustedIdentities[0]", "no ST"),
            ("override", json!({"expiry": "skip"}), ".override", "cannot be skipped"),
            ("override", json!({"integrity": "log"}), ".override", "always enforced"),
            ("metadata", long, ".metadata", "more than 128"),
            ("crls", json!(["x y"]), ".crls[0]", "neither PEM nor base64"),
            ("crls", json!([LEAF]), ".crls[0]", "is no CRL"),
            ("crls", json!(["MAA="]), ".crls[0]", "not a list"),
            ("level", json!("skip"), "", "unknown variant"),
            ("override", json!({"other": "log"}), "", "unknown variant"),
            ("more", json!(1), "", "unknown field"),
        ] {
            let mut signer = signer();
            signer[field] = value;
            let error = read(&signer).expect_err(hint);
            assert_eq!(error.path, format!("signers.a.notation{path}"), "{error}");
            assert!(error.message.contains(hint), "{error}");
        }
    }
}
