//! Operations for Notation: prepare and assemble with `"form": "notation"`, and what a verification plugin is asked.

use std::collections::BTreeMap;

use bulla_abi::{ErrorBody, Evidence, Message};
use bulla_core::evidence::Need;
use bulla_core::notation::algorithm::Algorithm;
use bulla_core::notation::{Format, Identities, Outcome, Report, Scheme, certificates as rules, plugin, timestamp};
use bulla_core::reference::Reference;
use bulla_core::signing::notation::{self, Image, Made, Manner, Prepared, Request, Signed};
use bulla_core::time::UnixTime;
use bulla_core::x509::{self, Certificate, Chain};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::module::{gathered, needs};
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

/// What is signed: an image, or a payload as it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Prepare {
    #[serde(default)]
    image: Option<Reference>,
    #[serde(rename = "form")]
    _form: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    manifest: Option<u32>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    payload: Option<u32>,
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
    /// Whether verifiers have to call Bulla as their plugin.
    #[serde(default)]
    plugin: bool,
}

pub(crate) fn prepare(message: &Message) -> Reply {
    let header: Prepare = reply::header(message)?;
    let chain = certificates(message, header.notation.chain, "chain")?;
    let manner = Manner {
        format: header.notation.envelope,
        chain: &chain,
        signing_time: header.notation.now,
        expiry: header.notation.expiry,
        plugin: header.notation.plugin,
    };
    let prepared = match (&header.image, header.manifest, header.payload) {
        (Some(reference), Some(manifest), None) => {
            let manifest = reply::blob(message, manifest)?;
            let image = Image { reference, manifest, media_type: header.media_type.as_deref() };
            notation::prepare(&Request { image, metadata: &header.annotations, manner })
        }
        (None, None, Some(payload)) if header.media_type.is_none() && header.annotations.is_empty() => {
            notation::prepare_payload(reply::blob(message, payload)?, &manner)
        }
        _ => return misplaced(),
    }
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

fn misplaced<T>() -> Result<T, ErrorBody> {
    Err(error(
        "message-invalid",
        "header: either `image` with its `manifest`, or a `payload` without `mediaType` and `annotations`, which are in it",
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Assemble {
    #[serde(default)]
    image: Option<Reference>,
    #[serde(rename = "form")]
    _form: String,
    payload: u32,
    signature: u32,
    #[serde(default)]
    manifest: Option<u32>,
    #[serde(default)]
    media_type: Option<String>,
    notation: Given,
}

/// What was signed, and what goes into the envelope with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
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
    let given = header.notation;
    let signing = |problem: &dyn core::fmt::Display| error("signing", problem);
    let chain = certificates(message, given.chain, "chain")?;
    let leaf = chain.first().ok_or_else(|| error("signing", "the chain has no certificate"))?;
    let prepared = Prepared {
        format: given.envelope,
        protected: reply::blob(message, given.protected)?.to_vec(),
        payload: reply::blob(message, header.payload)?.to_vec(),
        algorithm: Algorithm::of(leaf.key()).map_err(|problem| signing(&problem))?,
    };
    let made = Made {
        prepared: &prepared,
        signature: reply::blob(message, header.signature)?,
        chain: &chain,
        timestamp: None,
        agent: given.agent.as_deref(),
    };
    let image = match (&header.image, header.manifest) {
        (Some(reference), Some(manifest)) => {
            let manifest = reply::blob(message, manifest)?;
            Some(Image { reference, manifest, media_type: header.media_type.as_deref() })
        }
        (None, None) if header.media_type.is_none() => None,
        _ => return misplaced(),
    };
    let finish = |made: Made<'_>| match image {
        Some(image) => {
            let plan = notation::assemble(&Signed { image, made, repository: None });
            planned(plan.map_err(|problem| signing(&problem))?)
        }
        None => {
            let envelope = notation::envelope(&made).map_err(|problem| signing(&problem))?;
            Answer::with(&json!({"envelope": 0, "mediaType": given.envelope.media_type()}), vec![envelope])
        }
    };
    let Some(stamp) = given.timestamp else { return finish(made) };
    let nonce = reply::blob(message, stamp.nonce)?;
    let roots = certificates(message, stamp.roots, "roots")?;
    let Some(response) = stamp.response else {
        // An authority is asked about signatures that hold.
        finish(made)?;
        let request = timestamp::request(made.signature, prepared.algorithm.hash(), nonce);
        let request = request.map_err(|problem| signing(&problem))?;
        return Answer::with(&json!({"timestampRequest": 0}), vec![request]);
    };
    let token = timestamp::token(reply::blob(message, response)?, nonce).map_err(|problem| signing(&problem))?;
    finish(Made { timestamp: Some((&token, &roots)), ..made })
}

/// The certificates in a blob, PEM.
fn certificates(message: &Message, index: u32, field: &str) -> Result<Vec<Certificate>, ErrorBody> {
    x509::read_all(reply::blob(message, index)?)
        .map_err(|problem| error("signing", format!("notation.{field}: {problem}")))
}

/// What a verification plugin is asked: each check that is there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Check {
    /// DER, the leaf first.
    chain: Vec<u32>,
    scheme: Scheme,
    /// As RFC 3339 writes it.
    #[serde(default)]
    signing_time: Option<String>,
    #[serde(default)]
    identities: Option<Vec<String>>,
    #[serde(default)]
    revocation: bool,
    now: UnixTime,
    evidence: Vec<Evidence>,
}

pub(crate) fn check(mut message: Message) -> Reply {
    let header: Check = reply::header(&message)?;
    let evidence = gathered(header.evidence, &mut message)?;
    let invalid = |problem: &dyn core::fmt::Display| error("chain-invalid", problem);
    let ders = header.chain.iter().map(|index| reply::blob(&message, *index));
    let ders = ders.collect::<Result<Vec<_>, ErrorBody>>()?;
    let chain = Chain::parse(ders.into_iter()).map_err(|problem| invalid(&problem))?;
    let chain = rules::code_signing(chain).map_err(|problem| invalid(&problem))?;
    let identities = header.identities.as_deref().map(Identities::read).transpose();
    let identities = identities.map_err(|problem| error("identities-invalid", problem))?;
    // Anybody else's word about the time of signing is not trusted.
    let signing_time = match header.scheme {
        Scheme::X509 => None,
        Scheme::SigningAuthority => {
            let stated = header.signing_time.as_deref().and_then(UnixTime::parse_with_offset);
            let no =
                || error("message-invalid", "header: `signingTime` is no moment, and a signing authority states one");
            Some(stated.ok_or_else(no)?)
        }
    };
    let asked = plugin::Asked {
        chain: &chain,
        identities: identities.as_ref(),
        revocation: header.revocation,
        signing_time,
        now: header.now,
    };
    if evidence.is_over_budget() {
        return Err(error(
            "budget",
            format!("{} octets of evidence are more than one question may have", evidence.bytes()),
        ));
    }
    let report = plugin::check(&asked, &evidence.revocation());
    match report.wanted.as_slice() {
        [] => Answer::new(&json!({"checks": noted(&report)})),
        wanted => needs(&wanted.iter().map(|wanted| Need::revocation(&wanted.request)).collect::<Vec<_>>()),
    }
}

fn noted(report: &Report) -> Vec<Value> {
    let note = |checked: &bulla_core::notation::Checked| {
        let (passed, what) = match &checked.outcome {
            Outcome::Passed | Outcome::Skipped => (Some(true), None),
            Outcome::Failed(failure) => (Some(false), Some(failure.to_string())),
            Outcome::Unknown(why) => (None, Some(why.join("; "))),
        };
        json!({"check": checked.check, "passed": passed, "what": what})
    };
    report.checks.iter().map(note).collect()
}
