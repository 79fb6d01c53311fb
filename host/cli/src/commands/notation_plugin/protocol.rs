//! Requests, answers and errors (Notary Project, plugin-extensibility.md, "Plugin contract"). Members that are not known
//! are left out, as the contract says.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::output::{self, Coded};

/// The version of the contract.
const CONTRACT: &str = "1.0";
/// The member of the configuration that says who makes the envelope.
pub(super) const GENERATOR: &str = "generator";

/// What of the configuration this plugin reads: `--plugin-config NAME=VALUE`.
pub(super) type PluginConfig = BTreeMap<String, String>;

/// What this plugin does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Capability {
    /// A signature, around which notation makes the envelope.
    #[serde(rename = "SIGNATURE_GENERATOR.RAW")]
    Raw,
    /// The whole envelope.
    #[serde(rename = "SIGNATURE_GENERATOR.ENVELOPE")]
    Envelope,
    #[serde(rename = "SIGNATURE_VERIFIER.TRUSTED_IDENTITY")]
    TrustedIdentity,
    #[serde(rename = "SIGNATURE_VERIFIER.REVOCATION_CHECK")]
    RevocationCheck,
}

/// `get-plugin-metadata`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetMetadata {
    #[serde(default, deserialize_with = "or_nothing")]
    plugin_config: PluginConfig,
}

/// `describe-key`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeKey {
    contract_version: String,
    pub(super) key_id: String,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) plugin_config: PluginConfig,
}

/// `generate-signature`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerateSignature {
    contract_version: String,
    pub(super) key_id: String,
    pub(super) key_spec: String,
    pub(super) hash_algorithm: String,
    #[serde(deserialize_with = "octets")]
    pub(super) payload: Vec<u8>,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) plugin_config: PluginConfig,
}

/// `generate-envelope`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerateEnvelope {
    contract_version: String,
    pub(super) key_id: String,
    #[serde(deserialize_with = "octets")]
    pub(super) payload: Vec<u8>,
    pub(super) payload_type: String,
    pub(super) signature_envelope_type: String,
    /// 0, as notation writes it, for a signature that does not expire.
    #[serde(default)]
    pub(super) expiry_duration_in_seconds: u32,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) plugin_config: PluginConfig,
}

/// `verify-signature`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerifySignature {
    contract_version: String,
    pub(super) signature: Signature,
    pub(super) trust_policy: TrustPolicy,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) plugin_config: PluginConfig,
}

/// What notation has read of a signature.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signature {
    pub(super) critical_attributes: CriticalAttributes,
    #[serde(deserialize_with = "all_octets")]
    pub(super) certificate_chain: Vec<Vec<u8>>,
}

/// The attributes that bear on the checks. Those that notation does not know are left to other plugins: none is processed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CriticalAttributes {
    pub(super) signing_scheme: String,
    #[serde(default)]
    pub(super) authentic_signing_time: Option<String>,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrustPolicy {
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) trusted_identities: Vec<String>,
    pub(super) signature_verification: Vec<Capability>,
}

/// The codes of errors, as far as this plugin has a use for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Validation,
    UnsupportedContractVersion,
    AccessDenied,
    Generic,
}

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Failure {
    code: Code,
    message: String,
}

/// The answer to `get-plugin-metadata`. Where a plugin can make both, notation makes the envelope itself: who wants the other
/// way says so, and then it is the only one that is named.
pub(super) fn metadata(request: &GetMetadata) -> Result<Value, Failure> {
    let generators = match request.plugin_config.get(GENERATOR).map(String::as_str) {
        None => vec![Capability::Raw, Capability::Envelope],
        Some("raw") => vec![Capability::Raw],
        Some("envelope") => vec![Capability::Envelope],
        Some(other) => {
            let message = format!("{GENERATOR} is {other:?}: `raw` and `envelope` are possible");
            return Err(Failure::new(Code::Validation, message));
        }
    };
    let verifiers = [Capability::TrustedIdentity, Capability::RevocationCheck];
    Ok(json!({
        "name": "bulla",
        "description": "Signs with keys in files, tokens and programs, as `bulla sign` does, and verifies identities and revocation",
        "version": env!("CARGO_PKG_VERSION"),
        "url": env!("CARGO_PKG_REPOSITORY"),
        "supportedContractVersions": [CONTRACT],
        "capabilities": generators.into_iter().chain(verifiers).collect::<Vec<_>>(),
    }))
}

macro_rules! checked {
    ($($request:ty),*) => {$(
        impl $request {
            /// Holds the version against the one that is spoken here.
            pub(super) fn check(&self) -> Result<(), Failure> {
                check(&self.contract_version)
            }
        }
    )*};
}

checked!(DescribeKey, GenerateSignature, GenerateEnvelope, VerifySignature);

fn check(version: &str) -> Result<(), Failure> {
    match version {
        CONTRACT => Ok(()),
        _ => {
            let message = format!("contract version {version:?} is not supported: {CONTRACT} is");
            Err(Failure::new(Code::UnsupportedContractVersion, message))
        }
    }
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn to_json(&self) -> Value {
        let code = match self.code {
            Code::Validation => "VALIDATION_ERROR",
            Code::UnsupportedContractVersion => "UNSUPPORTED_CONTRACT_VERSION",
            Code::AccessDenied => "ACCESS_DENIED",
            Code::Generic => "ERROR",
        };
        json!({"errorCode": code, "errorMessage": self.message})
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let coded = error.chain().find_map(|cause| cause.downcast_ref::<Coded>());
        let code = match coded.map(|coded| coded.code.as_str()) {
            Some("key-passphrase-wrong" | "key-passphrase-needed") => Code::AccessDenied,
            Some("message-invalid" | "chain-invalid" | "identities-invalid") => Code::Validation,
            _ => Code::Generic,
        };
        Self::new(code, output::sentence(&error))
    }
}

/// Octets are base64 in Go's JSON.
fn octets<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

fn all_octets<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts: Vec<String> = Vec::deserialize(deserializer)?;
    texts.into_iter().map(|text| STANDARD.decode(text).map_err(serde::de::Error::custom)).collect()
}

/// Go writes what is empty as `null`.
fn or_nothing<'d, T: Default + Deserialize<'d>, D: Deserializer<'d>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The same, written.
pub(super) fn base64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}
