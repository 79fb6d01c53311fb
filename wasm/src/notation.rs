//! Operations of a signer for Notation: prepare and assemble with `"form": "notation"`.

use std::collections::BTreeMap;

use bulla_abi::{ErrorBody, Message};
use bulla_core::notation::algorithm::Algorithm;
use bulla_core::notation::{Format, Identities, timestamp};
use bulla_core::reference::Reference;
use bulla_core::signing::notation::{self, Image, Prepared, Request, Signed};
use bulla_core::time::UnixTime;
use bulla_core::x509::{self, Certificate};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::reply::{self, Answer, Reply, error};
use crate::signing::planned;

/// Whether a request is about this form: its headers have fields of their own.
pub(crate) fn is_meant(message: &Message) -> Result<bool, ErrorBody> {
    #[derive(Deserialize)]
    struct Which {
        #[serde(default)]
        form: Value,
    }
    Ok(reply::header::<Which>(message)?.form == "notation")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Prepare {
    image: Reference,
    #[serde(rename = "form")]
    _form: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    manifest: u32,
    #[serde(default)]
    media_type: Option<String>,
    notation: Wanted,
}

/// How it is signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    envelope: Format,
    chain: u32,
    now: UnixTime,
    #[serde(default)]
    expiry: Option<UnixTime>,
}

pub(crate) fn prepare(message: &Message) -> Reply {
    let header: Prepare = reply::header(message)?;
    let chain = certificates(message, header.notation.chain, "chain")?;
    let manifest = reply::blob(message, header.manifest)?;
    let prepared = notation::prepare(&Request {
        image: Image { reference: &header.image, manifest, media_type: header.media_type.as_deref() },
        format: header.notation.envelope,
        chain: &chain,
        signing_time: header.notation.now,
        expiry: header.notation.expiry,
        metadata: &header.annotations,
    })
    .map_err(|problem| error("signing", problem))?;
    let to_be_signed = prepared.message();
    let header = json!({
        "payload": 0,
        "protected": 1,
        "message": 2,
        "algorithm": prepared.algorithm,
        "hash": prepared.algorithm.hash(),
        "identity": chain.first().map(Identities::naming),
    });
    Answer::with(&header, vec![prepared.payload, prepared.protected, to_be_signed])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Assemble {
    image: Reference,
    #[serde(rename = "form")]
    _form: String,
    payload: u32,
    signature: u32,
    manifest: u32,
    #[serde(default)]
    media_type: Option<String>,
    notation: Made,
}

/// What was signed, and what goes into the envelope with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    envelope: Format,
    chain: u32,
    protected: u32,
    #[serde(default)]
    agent: Option<String>,
    #[serde(default)]
    timestamp: Option<Stamp>,
}

/// A timestamp that is to be asked for, or that was.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    nonce: u32,
    roots: u32,
    #[serde(default)]
    response: Option<u32>,
}

pub(crate) fn assemble(message: &Message) -> Reply {
    let header: Assemble = reply::header(message)?;
    let made = header.notation;
    let signing = |problem: &dyn core::fmt::Display| error("signing", problem);
    let chain = certificates(message, made.chain, "chain")?;
    let leaf = chain.first().ok_or_else(|| error("signing", "the chain has no certificate"))?;
    let prepared = Prepared {
        format: made.envelope,
        protected: reply::blob(message, made.protected)?.to_vec(),
        payload: reply::blob(message, header.payload)?.to_vec(),
        algorithm: Algorithm::of(leaf.key()).map_err(|problem| signing(&problem))?,
    };
    let signed = Signed {
        image: Image {
            reference: &header.image,
            manifest: reply::blob(message, header.manifest)?,
            media_type: header.media_type.as_deref(),
        },
        prepared: &prepared,
        signature: reply::blob(message, header.signature)?,
        chain: &chain,
        timestamp: None,
        agent: made.agent.as_deref(),
        repository: None,
    };
    let plan = |signed: &Signed<'_>| notation::assemble(signed).map_err(|problem| signing(&problem));
    let Some(stamp) = made.timestamp else { return planned(plan(&signed)?) };
    let nonce = reply::blob(message, stamp.nonce)?;
    let roots = certificates(message, stamp.roots, "roots")?;
    let Some(response) = stamp.response else {
        // An authority is asked about signatures that hold.
        plan(&signed)?;
        let request = timestamp::request(signed.signature, prepared.algorithm.hash(), nonce);
        let request = request.map_err(|problem| signing(&problem))?;
        return Answer::with(&json!({"timestampRequest": 0}), vec![request]);
    };
    let token = timestamp::token(reply::blob(message, response)?, nonce).map_err(|problem| signing(&problem))?;
    planned(plan(&Signed { timestamp: Some((&token, &roots)), ..signed })?)
}

/// The certificates in a blob, PEM.
fn certificates(message: &Message, index: u32, field: &str) -> Result<Vec<Certificate>, ErrorBody> {
    x509::read_all(reply::blob(message, index)?)
        .map_err(|problem| error("signing", format!("notation.{field}: {problem}")))
}
