//! The COSE envelope (signature-envelope-cose.md; RFC 9052, section 4.2; RFC 9360, section 2).

use ciborium::Value;
use ciborium::value::Integer;

use super::algorithm::Algorithm;
use super::attributes::{
    AUTHENTIC_SIGNING_TIME, Attributes, EXPIRY, Headers, OWN_PLUGIN, PLUGIN, PLUGIN_VERSION, SIGNING_AGENT,
    SIGNING_SCHEME, SIGNING_TIME, Scheme, TIMESTAMP,
};
use super::envelope::{EnvelopeError, Parts, Written};
use super::payload;
use crate::limits::{MAX_CBOR_DEPTH, MAX_HEADER_MEMBERS};
use crate::ordered::sorted;
use crate::text::excerpt;
use crate::time::UnixTime;

/// Tag of COSE_Sign1.
const SIGN1: u64 = 18;
/// Tag of seconds since the epoch (RFC 8949, section 3.4.2).
const EPOCH: u64 = 1;
const ALG: i64 = 1;
const CRIT: i64 = 2;
const CONTENT_TYPE: i64 = 3;
const X5CHAIN: i64 = 33;

/// Reads an envelope.
///
/// # Errors
/// [`EnvelopeError`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parts, EnvelopeError> {
    let Value::Tag(SIGN1, message) = read(bytes)? else { return Err(EnvelopeError::NotSign1) };
    let Value::Array(members) = *message else { return Err(EnvelopeError::NotSign1) };
    let members = <[Value; 4]>::try_from(members).map_err(|_| EnvelopeError::NotSign1)?;
    let [Value::Bytes(protected), Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)] = members
    else {
        return Err(EnvelopeError::NotSign1);
    };
    let Value::Map(header) = read(&protected)? else { return Err(wrong("the protected header", "a map")) };
    let mut header = Members::read(header)?;
    let mut unprotected = Members::read(unprotected)?;
    if let Some((label, _)) = header.0.iter().find(|(label, _)| unprotected.has(label)) {
        return Err(EnvelopeError::Duplicate(shown(label)));
    }
    let chain = match unprotected.take(&number(X5CHAIN)) {
        None => return Err(EnvelopeError::Missing("x5chain")),
        Some(Value::Array(certificates)) => {
            certificates.into_iter().map(|der| octets(der, "x5chain")).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong("x5chain", "a list of octet strings")),
    };
    let timestamp = unprotected.take(&text(TIMESTAMP)).map(|token| octets(token, TIMESTAMP)).transpose()?;
    let agent = unprotected.text(&text(SIGNING_AGENT), SIGNING_AGENT)?;
    if let Some((label, _)) = unprotected.0.first() {
        return Err(EnvelopeError::Unprotected(shown(label)));
    }
    let algorithm = match header.take(&number(ALG)) {
        None => return Err(EnvelopeError::Missing("alg")),
        Some(Value::Integer(algorithm)) => i64::try_from(i128::from(algorithm))
            .ok()
            .and_then(Algorithm::from_cose)
            .ok_or_else(|| EnvelopeError::Algorithm(i128::from(algorithm).to_string()))?,
        Some(_) => return Err(wrong("alg", "an integer")),
    };
    let critical = match header.take(&number(CRIT)) {
        None => Vec::new(),
        Some(Value::Array(labels)) => {
            let label = |label: Value| label.into_text().map_err(|_| wrong("crit", "a list of text labels"));
            labels.into_iter().map(label).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong("crit", "a list of text labels")),
    };
    let headers = Headers {
        content_type: header.text(&number(CONTENT_TYPE), "content type")?,
        critical,
        scheme: header.text(&text(SIGNING_SCHEME), SIGNING_SCHEME)?,
        signing_time: header.time(SIGNING_TIME)?,
        authentic_signing_time: header.time(AUTHENTIC_SIGNING_TIME)?,
        expiry: header.time(EXPIRY)?,
        plugin: header.text(&text(PLUGIN), PLUGIN)?,
        plugin_version: header.text(&text(PLUGIN_VERSION), PLUGIN_VERSION)?,
        extended: header.0.iter().map(|(label, _)| shown(label)).collect(),
    };
    let signed = to_be_signed(&protected, &payload)?;
    Ok(Parts { algorithm, headers, payload, signed, signature, chain, timestamp, agent })
}

/// The Sig_structure (RFC 9052, section 4.4).
pub(super) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    write(&Value::Array(vec![text("Signature1"), bytes(protected), bytes(&[]), bytes(payload)]))
}

/// The protected header of a new envelope, its labels in the order of RFC 8949, section 4.2.1.
pub(super) fn prepare(algorithm: Algorithm, attributes: Attributes) -> Result<Vec<u8>, EnvelopeError> {
    let time = |moment: UnixTime| Value::Tag(EPOCH, Box::new(Value::Integer(moment.0.into())));
    let mut critical = vec![text(SIGNING_SCHEME)];
    let mut members = vec![
        (number(ALG), number(algorithm.cose())),
        (number(CONTENT_TYPE), text(payload::MEDIA_TYPE)),
        (text(SIGNING_SCHEME), text(attributes.scheme.name())),
    ];
    let name = match attributes.scheme {
        Scheme::X509 => SIGNING_TIME,
        Scheme::SigningAuthority => {
            critical.push(text(AUTHENTIC_SIGNING_TIME));
            AUTHENTIC_SIGNING_TIME
        }
    };
    members.push((text(name), time(attributes.signing_time)));
    if let Some(expiry) = attributes.expiry {
        critical.push(text(EXPIRY));
        members.push((text(EXPIRY), time(expiry)));
    }
    if attributes.plugin {
        critical.push(text(PLUGIN));
        members.push((text(PLUGIN), text(OWN_PLUGIN)));
    }
    members.push((number(CRIT), Value::Array(critical)));
    let mut written = Vec::new();
    for (label, value) in members {
        written.push((write(&label)?, label, value));
    }
    let ordered = sorted(written, |(one, ..), (other, ..)| one < other);
    write(&Value::Map(ordered.into_iter().map(|(_, label, value)| (label, value)).collect()))
}

/// A whole envelope.
pub(super) fn assemble(parts: &Written<'_>) -> Result<Vec<u8>, EnvelopeError> {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let chain = parts.chain.iter().map(|certificate| bytes(certificate.der())).collect();
    let mut unprotected = vec![(number(X5CHAIN), Value::Array(chain))];
    unprotected.extend(parts.agent.map(|agent| (text(SIGNING_AGENT), text(agent))));
    unprotected.extend(parts.timestamp.map(|token| (text(TIMESTAMP), bytes(token))));
    let members = vec![bytes(parts.protected), Value::Map(unprotected), bytes(parts.payload), bytes(parts.signature)];
    write(&Value::Tag(SIGN1, Box::new(Value::Array(members))))
}

/// Reads one item, of which no shorter form exists and after which nothing comes: one message has one encoding.
fn read(bytes: &[u8]) -> Result<Value, EnvelopeError> {
    let value: Value =
        ciborium::de::from_reader_with_recursion_limit(bytes, MAX_CBOR_DEPTH).map_err(|_| EnvelopeError::Cbor)?;
    if write(&value)? == bytes { Ok(value) } else { Err(EnvelopeError::Serialization) }
}

fn write(value: &Value) -> Result<Vec<u8>, EnvelopeError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|_| EnvelopeError::Cbor)?;
    Ok(bytes)
}

/// The members of a header, each label once.
struct Members(Vec<(Value, Value)>);

impl Members {
    fn read(members: Vec<(Value, Value)>) -> Result<Self, EnvelopeError> {
        if members.len() > MAX_HEADER_MEMBERS {
            return Err(EnvelopeError::Members { got: members.len() });
        }
        for (index, (label, _)) in members.iter().enumerate() {
            if !matches!(label, Value::Integer(_) | Value::Text(_)) {
                return Err(wrong("a label", "an integer or text"));
            }
            if members.iter().take(index).any(|(earlier, _)| earlier == label) {
                return Err(EnvelopeError::Duplicate(shown(label)));
            }
        }
        Ok(Self(members))
    }

    fn has(&self, label: &Value) -> bool {
        self.0.iter().any(|(there, _)| there == label)
    }

    fn take(&mut self, label: &Value) -> Option<Value> {
        let index = self.0.iter().position(|(there, _)| there == label)?;
        Some(self.0.remove(index).1)
    }

    fn text(&mut self, label: &Value, name: &str) -> Result<Option<String>, EnvelopeError> {
        self.take(label).map(|value| value.into_text().map_err(|_| wrong(name, "text"))).transpose()
    }

    /// A moment: an integer with the tag of one. Other readers disagree about fractions and untagged numbers.
    fn time(&mut self, name: &str) -> Result<Option<UnixTime>, EnvelopeError> {
        let expected = "whole seconds since 1970 with tag 1";
        let read = |value| match value {
            Value::Tag(EPOCH, seconds) => {
                seconds.as_integer().and_then(|seconds| i64::try_from(i128::from(seconds)).ok())
            }
            _ => None,
        };
        self.take(&text(name)).map(|value| read(value).map(UnixTime).ok_or_else(|| wrong(name, expected))).transpose()
    }
}

fn number(number: i64) -> Value {
    Value::Integer(Integer::from(number))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn octets(value: Value, name: &str) -> Result<Vec<u8>, EnvelopeError> {
    value.into_bytes().map_err(|_| wrong(name, "an octet string"))
}

fn wrong(name: &str, expected: &'static str) -> EnvelopeError {
    EnvelopeError::Type { name: name.to_owned(), expected }
}

fn shown(label: &Value) -> String {
    match label {
        Value::Text(text) => excerpt(text),
        Value::Integer(number) => i128::from(*number).to_string(),
        _ => String::new(),
    }
}
