//! What a bundle brings for its verification (sigstore_bundle.proto, `VerificationMaterial`; sigstore_rekor.proto,
//! `TransparencyLogEntry`): read for its shape, and counted.

use std::collections::BTreeSet;

use super::{BundleError, Version};
use crate::limits::{MAX_CHAIN_CERTIFICATES, MAX_LOG_ENTRIES, MAX_PROOF_HASHES, MAX_TIMESTAMPS};
use crate::protojson::{Message, octets};

/// What a bundle says about the key that signed (`VerificationMaterial.content`). Nothing of it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// A long-lived key, which the verifier has.
    PublicKey {
        /// A hint at the key; see [`super::key_hint`]. Empty when absent.
        hint: String,
    },
    /// A certificate: signed without a long-lived key.
    Certificate,
    /// A certificate with those above it, as versions 0.1 and 0.2 have it.
    CertificateChain {
        /// Certificates there are, the leaf among them.
        length: usize,
    },
}

/// Reads the material, and counts log entries and timestamps.
pub(super) fn read(mut message: Message, version: Version) -> Result<(Material, usize, usize), BundleError> {
    let material = content(&mut message, version)?;
    let entries = message.messages("tlogEntries")?;
    let log_entries = entries.len();
    if log_entries > MAX_LOG_ENTRIES {
        return Err(BundleError::LogEntries { got: log_entries });
    }
    let mut places = BTreeSet::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let number = index.saturating_add(1);
        if !places.insert(log_entry(entry, number, version)?) {
            return Err(BundleError::RepeatedLogEntry { number });
        }
    }
    let timestamps = match message.message("timestampVerificationData")? {
        None => 0,
        Some(data) => timestamps(data)?,
    };
    message.finish()?;
    Ok((material, log_entries, timestamps))
}

fn content(message: &mut Message, version: Version) -> Result<Material, BundleError> {
    let mut found: Option<(&'static str, Message)> = None;
    for name in ["publicKey", "certificate", "x509CertificateChain"] {
        if let Some(content) = message.message(name)?
            && let Some((first, _)) = found.replace((name, content))
        {
            return Err(BundleError::TwoMaterials(first, name));
        }
    }
    let (name, mut content) = found.ok_or(BundleError::NoMaterial)?;
    let material = match name {
        "publicKey" => Material::PublicKey { hint: content.text("hint")?.unwrap_or_default() },
        "certificate" => return certificate(content).map(|()| Material::Certificate),
        _ => {
            if version == Version::V03 {
                return Err(BundleError::Chain);
            }
            let certificates = content.messages("certificates")?;
            let length = certificates.len();
            if length == 0 {
                return Err(BundleError::EmptyCertificate(content.path_to("certificates")));
            }
            if length > MAX_CHAIN_CERTIFICATES {
                return Err(BundleError::Certificates { got: length });
            }
            certificates.into_iter().try_for_each(certificate)?;
            Material::CertificateChain { length }
        }
    };
    content.finish()?;
    Ok(material)
}

fn certificate(mut message: Message) -> Result<(), BundleError> {
    if message.octets("rawBytes")?.unwrap_or_default().is_empty() {
        return Err(BundleError::EmptyCertificate(message.path_to("rawBytes")));
    }
    Ok(message.finish()?)
}

/// Inspects one log entry (sigstore-go, pkg/tlog/entry.go, `ParseTransparencyLogEntry`) and gives its log and its place there.
fn log_entry(mut entry: Message, number: usize, version: Version) -> Result<(Vec<u8>, i64), BundleError> {
    let defect = |defect: &'static str| BundleError::LogEntry { number, defect };
    let log_index = entry.integer("logIndex")?;
    if log_index < 0 {
        return Err(defect("its index is below zero"));
    }
    let mut log = entry.message("logId")?.ok_or_else(|| defect("it names no log"))?;
    let log_id = log.octets("keyId")?.filter(|id| !id.is_empty()).ok_or_else(|| defect("it names no log"))?;
    log.finish()?;
    let mut kind = entry.message("kindVersion")?.ok_or_else(|| defect("it has no kind"))?;
    for name in ["kind", "version"] {
        if kind.text(name)?.unwrap_or_default().is_empty() {
            return Err(defect("it has no kind"));
        }
    }
    kind.finish()?;
    entry.integer("integratedTime")?;
    let promised = match entry.message("inclusionPromise")? {
        None => false,
        Some(mut promise) => {
            let timestamp = promise.octets("signedEntryTimestamp")?;
            promise.finish()?;
            timestamp.is_some_and(|timestamp| !timestamp.is_empty())
        }
    };
    let proved = match entry.message("inclusionProof")? {
        None => false,
        Some(proof) => inclusion_proof(proof, number)?,
    };
    if entry.octets("canonicalizedBody")?.unwrap_or_default().is_empty() {
        return Err(defect("it has no body"));
    }
    entry.finish()?;
    match version {
        Version::V01 if !promised => Err(BundleError::NoPromise { number }),
        Version::V02 | Version::V03 if !proved => Err(BundleError::NoProof { version, number }),
        _ => Ok((log_id, log_index)),
    }
}

/// Inspects an inclusion proof. False when it has no checkpoint, and so proves nothing to anybody.
fn inclusion_proof(mut proof: Message, number: usize) -> Result<bool, BundleError> {
    for name in ["logIndex", "treeSize"] {
        if proof.integer(name)? < 0 {
            return Err(BundleError::LogEntry { number, defect: "its proof has a number below zero" });
        }
    }
    proof.octets("rootHash")?;
    let path = proof.path_to("hashes");
    let hashes = proof.list("hashes")?;
    if hashes.len() > MAX_PROOF_HASHES {
        return Err(BundleError::ProofHashes { number, got: hashes.len() });
    }
    for hash in &hashes {
        octets(&path, hash)?;
    }
    let checkpoint = match proof.message("checkpoint")? {
        None => None,
        Some(mut checkpoint) => {
            let envelope = checkpoint.text("envelope")?;
            checkpoint.finish()?;
            envelope
        }
    };
    proof.finish()?;
    Ok(checkpoint.is_some_and(|envelope| !envelope.is_empty()))
}

fn timestamps(mut data: Message) -> Result<usize, BundleError> {
    let timestamps = data.messages("rfc3161Timestamps")?;
    let got = timestamps.len();
    if got > MAX_TIMESTAMPS {
        return Err(BundleError::Timestamps { got });
    }
    for (index, mut timestamp) in timestamps.into_iter().enumerate() {
        if timestamp.octets("signedTimestamp")?.unwrap_or_default().is_empty() {
            return Err(BundleError::EmptyTimestamp { number: index.saturating_add(1) });
        }
        timestamp.finish()?;
    }
    data.finish()?;
    Ok(got)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{COSIGN, COSIGN_MESSAGE, full, media_type, parse, with};
    use super::super::{Bundle, BundleError, Version};

    #[test]
    fn alternatives_exclude_each_other() {
        let material = "/verificationMaterial";
        let two = with(full(Version::V03), "/verificationMaterial/publicKey", json!({"hint": "x"}));
        assert_eq!(parse(&two), Err(BundleError::TwoMaterials("publicKey", "certificate")));
        let two = with(full(Version::V02), "/verificationMaterial/certificate", json!({"rawBytes": "MIIC"}));
        assert_eq!(parse(&two), Err(BundleError::TwoMaterials("certificate", "x509CertificateChain")));
        assert_eq!(
            parse(&with(full(Version::V03), "/verificationMaterial/certificate", Value::Null)),
            Err(BundleError::NoMaterial)
        );
        assert_eq!(parse(&with(full(Version::V03), material, Value::Null)), Err(BundleError::NoMaterial));
        let chain = with(full(Version::V02), "/mediaType", json!(media_type(Version::V03)));
        assert_eq!(parse(&chain), Err(BundleError::Chain));

        let message = Bundle::parse(COSIGN_MESSAGE.as_bytes(), 1 << 16);
        assert_eq!(message, Err(BundleError::MessageSignature));
        let both = with(full(Version::V03), "/messageSignature", json!({}));
        assert_eq!(parse(&both), Err(BundleError::TwoContents));
        assert_eq!(parse(&with(full(Version::V03), "/dsseEnvelope", Value::Null)), Err(BundleError::NoContent));
    }

    #[test]
    fn log_entries_have_what_their_version_asks_for() {
        let entry = |version, name: &str, value: Value| {
            parse(&with(full(version), &format!("/verificationMaterial/tlogEntries/0/{name}"), value))
        };
        let (old, new) = (Version::V01, Version::V03);
        assert_eq!(entry(old, "inclusionPromise", Value::Null), Err(BundleError::NoPromise { number: 1 }));
        assert_eq!(entry(old, "inclusionPromise", json!({})), Err(BundleError::NoPromise { number: 1 }));
        assert!(entry(old, "inclusionProof", Value::Null).is_ok());
        for version in [Version::V02, new] {
            for (name, value) in [
                ("inclusionProof", Value::Null),
                ("inclusionProof", json!({})),
                ("inclusionProof/checkpoint", Value::Null),
                ("inclusionProof/checkpoint", json!({"envelope": ""})),
            ] {
                assert_eq!(entry(version, name, value), Err(BundleError::NoProof { version, number: 1 }));
            }
            assert!(entry(version, "inclusionPromise", Value::Null).is_ok());
        }
        for (name, value) in [
            ("logIndex", json!("-1")),
            ("logId", Value::Null),
            ("logId", json!({})),
            ("kindVersion", Value::Null),
            ("kindVersion", json!({"kind": "dsse"})),
            ("canonicalizedBody", Value::Null),
            ("canonicalizedBody", json!("")),
            ("inclusionProof/treeSize", json!(-1)),
            ("inclusionProof/logIndex", json!("-1")),
        ] {
            let result = entry(new, name, value.clone());
            assert!(matches!(result, Err(BundleError::LogEntry { number: 1, .. })), "{name} {value}: {result:?}");
        }
        for (name, value) in [
            ("logIndex", json!("x")),
            ("integratedTime", json!(true)),
            ("logId/keyId", json!("*")),
            ("kindVersion/kind", json!(1)),
            ("inclusionPromise/signedEntryTimestamp", json!(1)),
            ("inclusionProof/hashes", json!("wNI9")),
            ("inclusionProof/hashes", json!(["*"])),
            ("inclusionProof/hashes", json!([null])),
            ("inclusionProof/rootHash", json!([])),
            ("inclusionProof/checkpoint", json!("text")),
        ] {
            assert!(matches!(entry(new, name, value.clone()), Err(BundleError::Json(_))), "{name} {value}");
        }
        let hashes = |count| entry(new, "inclusionProof/hashes", json!(vec!["wNI9"; count]));
        assert!(hashes(64).is_ok());
        assert_eq!(hashes(65), Err(BundleError::ProofHashes { number: 1, got: 65 }));
    }

    #[test]
    fn work_is_limited_and_entries_do_not_repeat() {
        let one = full(Version::V03);
        let entry = one.pointer("/verificationMaterial/tlogEntries/0").expect("an entry");
        let entries = |count: usize| {
            let entries = (0..count).map(|n| with(json!({"e": entry}), "/e/logIndex", json!(n)));
            let entries: Vec<_> = entries.map(|it| it["e"].clone()).collect();
            parse(&with(one.clone(), "/verificationMaterial/tlogEntries", json!(entries)))
        };
        assert_eq!(entries(32).map(|bundle| bundle.log_entries), Ok(32));
        assert_eq!(entries(33), Err(BundleError::LogEntries { got: 33 }));
        let twice = with(one.clone(), "/verificationMaterial/tlogEntries", json!([entry, entry]));
        assert_eq!(parse(&twice), Err(BundleError::RepeatedLogEntry { number: 2 }));
        let elsewhere = with(json!({"e": entry}), "/e/logId/keyId", json!("wNI9"))["e"].clone();
        assert!(parse(&with(one.clone(), "/verificationMaterial/tlogEntries", json!([entry, elsewhere]))).is_ok());

        let at = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
        let timestamps = |count| parse(&with(one.clone(), at, json!(vec![json!({"signedTimestamp": "MIIC"}); count])));
        assert_eq!(timestamps(32).map(|bundle| bundle.timestamps), Ok(32));
        assert_eq!(timestamps(33), Err(BundleError::Timestamps { got: 33 }));
        assert_eq!(parse(&with(one.clone(), at, json!([{}]))), Err(BundleError::EmptyTimestamp { number: 1 }));

        let at = "/verificationMaterial/x509CertificateChain/certificates";
        let chain = |certificates: Value| parse(&with(full(Version::V01), at, certificates));
        assert!(chain(json!(vec![json!({"rawBytes": "MIIC"}); 16])).is_ok());
        assert_eq!(chain(json!(vec![json!({"rawBytes": "MIIC"}); 17])), Err(BundleError::Certificates { got: 17 }));
        for empty in [json!([]), json!([{}]), json!([{"rawBytes": ""}])] {
            assert!(matches!(chain(empty), Err(BundleError::EmptyCertificate(_))));
        }
        let empty = with(full(Version::V03), "/verificationMaterial/certificate", json!({}));
        assert!(matches!(parse(&empty), Err(BundleError::EmptyCertificate(_))));
        assert!(Bundle::parse(COSIGN.as_bytes(), 100).is_err());
    }

    /// Every object of the schema: a member that is not in it, and something else than an object in its place.
    #[test]
    fn the_schema_is_closed() {
        fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    found.push(at.to_owned());
                    members.iter().for_each(|(name, value)| objects(value, &format!("{at}/{name}"), found));
                }
                Value::Array(items) => {
                    items.iter().enumerate().for_each(|(index, item)| objects(item, &format!("{at}/{index}"), found));
                }
                _ => {}
            }
        }
        let mut seen = 0;
        for version in [Version::V01, Version::V03] {
            let (good, mut found) = (full(version), Vec::new());
            objects(&good, "", &mut found);
            for at in found {
                let unknown = with(good.clone(), &format!("{at}/extra"), json!(1));
                let error = parse(&unknown).expect_err(&at).to_string();
                assert!(error.ends_with("extra: unknown member"), "{at}: {error}");
                let mut list = good.clone();
                *list.pointer_mut(&at).expect("it is there") = json!([]);
                assert!(parse(&list).is_err(), "{at}");
                seen += 1;
            }
        }
        assert_eq!(seen, 27);
        let twice = COSIGN.replacen("\"dsseEnvelope\"", "\"dsseEnvelope\":{},\"dsseEnvelope\"", 1);
        assert!(matches!(Bundle::parse(twice.as_bytes(), 1 << 16), Err(BundleError::Json(_))));
    }
}
