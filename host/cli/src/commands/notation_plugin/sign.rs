//! `describe-key`, `generate-signature` and `generate-envelope`: the key signs here, and the envelope is made by notation or by
//! the module.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use bulla_registry::{RegistryConfig, Sources};
use bulla_signer::Scheme;
use serde_json::{Value, json};

use super::protocol::{
    Code, DescribeKey, Failure, GENERATOR, GenerateEnvelope, GenerateSignature, PluginConfig, base64,
};
use crate::certificate::{Chain, public_key};
use crate::notation::{Envelope, Notation, Subject, Timestamps};
use crate::options::Global;
use crate::signer::Signer;
use crate::start;

/// The member of the configuration that names the file with the certificates.
const CHAIN: &str = "certificate-chain";
/// Those that are about envelopes: an authority for timestamps, the file with its root, and whether verifiers have to call a plugin.
const TIMESTAMP_URL: &str = "timestamp-url";
const TIMESTAMP_ROOT: &str = "timestamp-root-cert";
const VERIFICATION_PLUGIN: &str = "verification-plugin";

/// What is signed for Notation.
const PAYLOAD_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";

fn certificates(key_id: &str, config: &PluginConfig) -> Result<Chain> {
    let option = format!("--plugin-config {CHAIN}=FILE");
    Chain::find(key_id, config.get(CHAIN).map(Path::new), &option)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::Validation, message)
}

/// The kind of the key, which its certificate says: the key itself is not opened, and nobody has to touch a token twice.
pub(super) fn describe_key(request: &DescribeKey) -> Result<Value, Failure> {
    request.check()?;
    let chain = certificates(&request.key_id, &request.plugin_config)?;
    Ok(json!({"keyId": request.key_id, "keySpec": chain.spec.key}))
}

/// A signature over the payload, and the certificates that belong to it.
pub(super) fn generate_signature(global: &Global, request: &GenerateSignature) -> Result<Value, Failure> {
    request.check()?;
    for name in [TIMESTAMP_URL, TIMESTAMP_ROOT, VERIFICATION_PLUGIN] {
        if request.plugin_config.contains_key(name) {
            return Err(invalid(format!(
                "{name} is about envelopes, and notation makes this one: say {GENERATOR}=envelope"
            )));
        }
    }
    let chain = certificates(&request.key_id, &request.plugin_config)?;
    let spec = chain.spec;
    for (what, asked, is) in
        [("keySpec", &request.key_spec, spec.key), ("hashAlgorithm", &request.hash_algorithm, spec.hash)]
    {
        if asked != is {
            return Err(invalid(format!("{what} is {asked:?}, and that of the key is {is}")));
        }
    }
    let signature = signature(global, request, &chain)?;
    let certificates: Vec<String> = chain.to_der()?.iter().map(|der| base64(der)).collect();
    Ok(json!({
        "keyId": request.key_id,
        "signature": base64(&signature),
        "signingAlgorithm": spec.algorithm,
        "certificateChain": certificates,
    }))
}

fn signature(global: &Global, request: &GenerateSignature, chain: &Chain) -> Result<Vec<u8>> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let signer = Signer::open_for(&engine, &request.key_id, Scheme::Notation).await?;
        // Before it signs: a signature that nobody can verify may cost a touch, or a place in an audit log.
        chain.belongs_to(&public_key(&signer.public)?)?;
        signer.sign(&engine, &request.payload).await
    })
}

/// A whole envelope around the payload.
pub(super) fn generate_envelope(global: &Global, request: &GenerateEnvelope) -> Result<Value, Failure> {
    request.check()?;
    if request.payload_type != PAYLOAD_TYPE {
        return Err(invalid(format!("payloadType is {:?}: {PAYLOAD_TYPE} is signed", request.payload_type)));
    }
    let envelope = match request.signature_envelope_type.as_str() {
        "application/jose+json" => Envelope::Jws,
        "application/cose" => Envelope::Cose,
        other => {
            let message =
                format!("signatureEnvelopeType is {other:?}: application/jose+json and application/cose are made");
            return Err(invalid(message));
        }
    };
    let config = &request.plugin_config;
    let plugin = match config.get(VERIFICATION_PLUGIN).map(String::as_str) {
        None => false,
        Some("bulla") => true,
        Some(other) => {
            return Err(invalid(format!("{VERIFICATION_PLUGIN} is {other:?}: only `bulla` is asked for here")));
        }
    };
    let now = bulla_server::now();
    let expiry = match request.expiry_duration_in_seconds {
        0 => None,
        seconds => Some(now.saturating_add(i64::from(seconds))),
    };
    let chain = certificates(&request.key_id, config)?;
    let notation = Notation { envelope, chain, now, expiry, timestamps: timestamps(config)?, plugin };
    let made = made(global, request, &notation)?;
    Ok(json!({
        "signatureEnvelope": base64(&made),
        "signatureEnvelopeType": request.signature_envelope_type,
        "annotations": {},
    }))
}

fn timestamps(config: &PluginConfig) -> Result<Option<Timestamps>, Failure> {
    match (config.get(TIMESTAMP_URL), config.get(TIMESTAMP_ROOT)) {
        (None, None) => Ok(None),
        (Some(url), Some(file)) => {
            let roots = std::fs::read_to_string(file).with_context(|| format!("{TIMESTAMP_ROOT} {file}"))?;
            Ok(Some(Timestamps { option: TIMESTAMP_URL, url: url.clone(), roots }))
        }
        _ => Err(invalid(format!("{TIMESTAMP_URL} and {TIMESTAMP_ROOT} belong together"))),
    }
}

fn made(global: &Global, request: &GenerateEnvelope, notation: &Notation) -> Result<Vec<u8>> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let signer = Signer::open_for(&engine, &request.key_id, Scheme::Notation).await?;
        notation.chain.belongs_to(&public_key(&signer.public)?)?;
        let prepared = notation.prepare(&engine, Subject::Payload(&request.payload), &BTreeMap::new()).await?;
        let signature = notation.sign(&engine, &signer, &prepared).await?;
        let sources = Sources::new(&RegistryConfig::default())?;
        notation.envelope(&engine, sources.client(), &prepared, &signature).await
    })
}
