//! `describe-key` and `generate-signature`: the key signs here, notation makes the envelope.

use std::path::Path;

use anyhow::Result;
use bulla_signer::Scheme;
use serde_json::{Value, json};

use super::protocol::{Code, DescribeKey, Failure, GenerateSignature, PluginConfig, base64};
use crate::certificate::{Chain, public_key};
use crate::options::Global;
use crate::signer::Signer;
use crate::start;

/// The member of the configuration that names the file with the certificates.
const CHAIN: &str = "certificate-chain";

fn certificates(key_id: &str, config: &PluginConfig) -> Result<Chain> {
    let option = format!("--plugin-config {CHAIN}=FILE");
    Chain::find(key_id, config.get(CHAIN).map(Path::new), &option)
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
    let chain = certificates(&request.key_id, &request.plugin_config)?;
    let spec = chain.spec;
    for (what, asked, is) in
        [("keySpec", &request.key_spec, spec.key), ("hashAlgorithm", &request.hash_algorithm, spec.hash)]
    {
        if asked != is {
            return Err(Failure::new(Code::Validation, format!("{what} is {asked:?}, and that of the key is {is}")));
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
