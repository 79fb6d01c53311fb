//! `verify-signature`: the module makes the checks that notation leaves to the plugin of a signature, and what certificates
//! name is fetched here, within the same bounds as for images.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bulla_engine::abi::Operation;
use bulla_engine::{DecideError, inquire};
use bulla_registry::{RegistryConfig, Sources};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::protocol::{Capability, Code, Failure, PluginConfig, VerifySignature};
use crate::options::Global;
use crate::{ask, start};

/// The member of the configuration that names hosts of revocation lists or OCSP on this machine or in a private network.
const PRIVATE_HOST: &str = "private-host";
/// Wall time for one signature, everything that is fetched included.
const BUDGET: Duration = Duration::from_secs(30);

/// A check that the module made.
#[derive(Deserialize)]
struct Checked {
    check: String,
    passed: Option<bool>,
    #[serde(default)]
    what: Option<String>,
}

/// Makes the checks that are asked for.
pub(super) fn verify_signature(global: &Global, request: &VerifySignature) -> Result<Value, Failure> {
    request.check()?;
    let asked = &request.trust_policy.signature_verification;
    let of_signing = |capability: &&Capability| matches!(capability, Capability::Raw | Capability::Envelope);
    if asked.is_empty() || asked.iter().any(|capability| of_signing(&capability)) {
        let message = "signatureVerification names no checks, or others than those of a verifier";
        return Err(Failure::new(Code::Validation, message));
    }
    let checks = checks(global, request)?;
    let mut results = Map::new();
    for capability in asked {
        let (name, check) = match capability {
            Capability::RevocationCheck => ("SIGNATURE_VERIFIER.REVOCATION_CHECK", "revocation"),
            _ => ("SIGNATURE_VERIFIER.TRUSTED_IDENTITY", "authenticity"),
        };
        let made = checks.iter().find(|made| made.check == check);
        let made = made.ok_or_else(|| Failure::new(Code::Generic, format!("the module has not checked {check}")))?;
        let what = made.what.as_deref().unwrap_or_default();
        results.insert(
            name.to_owned(),
            match made.passed {
                Some(true) => json!({"success": true}),
                Some(false) => json!({"success": false, "reason": what}),
                None => json!({"success": false, "reason": format!("it is not known: {what}")}),
            },
        );
    }
    // Attributes that notation does not know are not known here either.
    Ok(json!({"verificationResults": results, "processedAttributes": []}))
}

fn checks(global: &Global, request: &VerifySignature) -> Result<Vec<Checked>, Failure> {
    let chain = &request.signature.certificate_chain;
    let attributes = &request.signature.critical_attributes;
    let asks = |capability| request.trust_policy.signature_verification.contains(&capability);
    let mut question = json!({
        "chain": (0..chain.len()).collect::<Vec<_>>(),
        "scheme": attributes.signing_scheme,
        "revocation": asks(Capability::RevocationCheck),
        "now": bulla_server::now(),
    });
    if let Some(time) = &attributes.authentic_signing_time {
        question["signingTime"] = json!(time);
    }
    if asks(Capability::TrustedIdentity) {
        question["identities"] = json!(request.trust_policy.trusted_identities);
    }
    let deadline = Instant::now() + BUDGET;
    let made = make(global, &question, chain.clone(), &request.plugin_config, deadline)?;
    serde_json::from_value(made).map_err(|error| Failure::new(Code::Generic, format!("the module's answer: {error}")))
}

fn make(
    global: &Global,
    question: &Value,
    chain: Vec<Vec<u8>>,
    config: &PluginConfig,
    deadline: Instant,
) -> Result<Value> {
    let mut registry = RegistryConfig::default();
    let hosts = config.get(PRIVATE_HOST).map(String::as_str).unwrap_or_default();
    registry.revocation.private_hosts.extend(hosts.split(',').filter(|host| !host.is_empty()).map(str::to_owned));
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let sources = Sources::new(&registry).with_context(|| format!("{PRIVATE_HOST}={hosts}"))?;
        let answered = inquire(&engine, Operation::Chain, question, chain, &sources, deadline).await;
        let (checks, _) = answered.map_err(|error| match error {
            DecideError::Sandbox(error) => ask::plain(error),
            other => other.into(),
        })?;
        Ok(checks)
    })
}
