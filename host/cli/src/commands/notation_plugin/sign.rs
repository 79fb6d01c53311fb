//! `describe-key` and `generate-signature`: the key signs here, notation makes the envelope.

use anyhow::Result;
use bulla_signer::Scheme;
use serde_json::{Value, json};

use super::key::Chain;
use super::protocol::{Code, DescribeKey, Failure, GenerateSignature, base64};
use crate::certificate::public_key;
use crate::options::Global;
use crate::signer::Signer;
use crate::start;

/// The kind of the key, which its certificate says: the key itself is not opened, and nobody has to touch a token twice.
pub(super) fn describe_key(request: &DescribeKey) -> Result<Value, Failure> {
    request.check()?;
    let chain = Chain::find(&request.key_id, &request.plugin_config)?;
    Ok(json!({"keyId": request.key_id, "keySpec": chain.spec.key}))
}

/// A signature over the payload, and the certificates that belong to it.
pub(super) fn generate_signature(global: &Global, request: &GenerateSignature) -> Result<Value, Failure> {
    request.check()?;
    let chain = Chain::find(&request.key_id, &request.plugin_config)?;
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
