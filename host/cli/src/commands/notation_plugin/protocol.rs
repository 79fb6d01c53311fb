//! Requests, answers and errors (Notary Project, plugin-extensibility.md, "Plugin contract"). Members that are not known
//! are left out, as the contract says.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::output::{self, Coded};

/// The version of the contract.
const CONTRACT: &str = "1.0";
/// What this plugin does.
pub(super) const CAPABILITIES: [&str; 1] = ["SIGNATURE_GENERATOR.RAW"];

/// What of the configuration this plugin reads: `--plugin-config NAME=VALUE`.
pub(super) type PluginConfig = BTreeMap<String, String>;

/// `describe-key`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeKey {
    contract_version: String,
    pub(super) key_id: String,
    #[serde(default)]
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
    #[serde(default)]
    pub(super) plugin_config: PluginConfig,
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

/// The answer to `get-plugin-metadata`.
pub(super) fn metadata() -> Value {
    json!({
        "name": "bulla",
        "description": "Signs with keys in files, tokens and programs, as `bulla sign` does",
        "version": env!("CARGO_PKG_VERSION"),
        "url": env!("CARGO_PKG_REPOSITORY"),
        "supportedContractVersions": [CONTRACT],
        "capabilities": CAPABILITIES,
    })
}

impl DescribeKey {
    /// Holds the version against the one that is spoken here.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check(&self.contract_version)
    }
}

impl GenerateSignature {
    /// The same.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check(&self.contract_version)
    }
}

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

/// The same, written.
pub(super) fn base64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}
