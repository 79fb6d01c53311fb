//! The JWS envelope (signature-envelope-jws.md; RFC 7515, section 7.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::attributes::{
    AUTHENTIC_SIGNING_TIME, Attributes, EXPIRY, Headers, OWN_PLUGIN, PLUGIN, PLUGIN_VERSION, SIGNING_AGENT,
    SIGNING_SCHEME, SIGNING_TIME, Scheme, TIMESTAMP,
};
use super::envelope::{EnvelopeError, Parts, Written};
use super::payload;
use crate::json::{self, JsonError};
use crate::limits::{MAX_HEADER_MEMBERS, MAX_NOTATION_ENVELOPE_BYTES};
use crate::text::excerpt;
use crate::time::UnixTime;

/// Reads an envelope. Members that it does not have are refused, in it and in its unprotected header.
///
/// # Errors
/// [`EnvelopeError`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parts, EnvelopeError> {
    let mut envelope = Object::read(json::parse(bytes, MAX_NOTATION_ENVELOPE_BYTES)?, "the envelope")?;
    let (payload, protected) = (envelope.needed("payload")?, envelope.needed("protected")?);
    let signature = url_safe(&envelope.needed("signature")?, "signature")?;
    let header = envelope.members.remove("header").ok_or(EnvelopeError::Missing("header"))?;
    if let Some(name) = envelope.members.keys().next() {
        let message = format!("unknown member {:?}", excerpt(name));
        return Err(JsonError::Shape { path: ".".to_owned(), message }.into());
    }
    let mut header = Object::read(header, "header")?;
    let chain = match header.members.remove("x5c") {
        None => return Err(EnvelopeError::Missing("x5c")),
        Some(Value::Array(certificates)) => {
            certificates.iter().map(|certificate| standard(certificate, "x5c")).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong("x5c", "a list of base64 texts")),
    };
    let timestamp = header.members.remove(TIMESTAMP).map(|token| standard(&token, TIMESTAMP)).transpose()?;
    let agent = header.text(SIGNING_AGENT)?;
    if let Some(name) = header.members.keys().next() {
        return Err(EnvelopeError::Unprotected(excerpt(name)));
    }
    let (algorithm, headers) = read_protected(&url_safe(&protected, "protected")?)?;
    Ok(Parts {
        algorithm,
        headers,
        payload: url_safe(&payload, "payload")?,
        signed: format!("{protected}.{payload}").into_bytes(),
        signature,
        chain,
        timestamp,
        agent,
    })
}

fn read_protected(bytes: &[u8]) -> Result<(Algorithm, Headers), EnvelopeError> {
    let mut protected = Object::read(json::parse(bytes, MAX_NOTATION_ENVELOPE_BYTES)?, "the protected header")?;
    let algorithm = protected.text("alg")?.ok_or(EnvelopeError::Missing("alg"))?;
    let algorithm = Algorithm::from_jws(&algorithm).ok_or_else(|| EnvelopeError::Algorithm(excerpt(&algorithm)))?;
    let critical = match protected.members.remove("crit") {
        None => Vec::new(),
        Some(Value::Array(names)) => {
            let text = |name| match name {
                Value::String(text) => Ok(text),
                _ => Err(wrong("crit", "a list of texts")),
            };
            names.into_iter().map(text).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong("crit", "a list of texts")),
    };
    let headers = Headers {
        content_type: protected.text("cty")?,
        critical,
        scheme: protected.text(SIGNING_SCHEME)?,
        signing_time: protected.time(SIGNING_TIME)?,
        authentic_signing_time: protected.time(AUTHENTIC_SIGNING_TIME)?,
        expiry: protected.time(EXPIRY)?,
        plugin: protected.text(PLUGIN)?,
        plugin_version: protected.text(PLUGIN_VERSION)?,
        extended: protected.members.into_iter().map(|(name, _)| name).collect(),
    };
    Ok((algorithm, headers))
}

/// The protected header of a new envelope. Nothing for a moment that RFC 3339 cannot write.
pub(super) fn prepare(algorithm: Algorithm, attributes: Attributes) -> Option<Vec<u8>> {
    let mut critical = vec![SIGNING_SCHEME];
    let mut header = Map::new();
    let time = |moment: UnixTime| moment.rfc3339().map(Value::String);
    let name = match attributes.scheme {
        Scheme::X509 => SIGNING_TIME,
        Scheme::SigningAuthority => {
            critical.push(AUTHENTIC_SIGNING_TIME);
            AUTHENTIC_SIGNING_TIME
        }
    };
    header.insert(name.to_owned(), time(attributes.signing_time)?);
    if let Some(expiry) = attributes.expiry {
        critical.push(EXPIRY);
        header.insert(EXPIRY.to_owned(), time(expiry)?);
    }
    if attributes.plugin {
        critical.push(PLUGIN);
        header.insert(PLUGIN.to_owned(), json!(OWN_PLUGIN));
    }
    header.insert("alg".to_owned(), json!(algorithm.jws()));
    header.insert("cty".to_owned(), json!(payload::MEDIA_TYPE));
    header.insert("crit".to_owned(), json!(critical));
    header.insert(SIGNING_SCHEME.to_owned(), json!(attributes.scheme.name()));
    Some(Value::Object(header).to_string().into_bytes())
}

/// The JWS Signing Input (RFC 7515, section 5.1).
pub(super) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(protected), URL_SAFE_NO_PAD.encode(payload)).into_bytes()
}

/// A whole envelope.
pub(super) fn assemble(parts: &Written<'_>) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("x5c".to_owned(), parts.chain.iter().map(|certificate| STANDARD.encode(certificate.der())).collect());
    header.extend(parts.timestamp.map(|token| (TIMESTAMP.to_owned(), json!(STANDARD.encode(token)))));
    header.extend(parts.agent.map(|agent| (SIGNING_AGENT.to_owned(), json!(agent))));
    let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let (payload, protected) = (encode(parts.payload), encode(parts.protected));
    let signature = encode(parts.signature);
    json!({"payload": payload, "protected": protected, "header": header, "signature": signature})
        .to_string()
        .into_bytes()
}

/// An object of which members are taken.
struct Object {
    members: Map<String, Value>,
}

impl Object {
    fn read(value: Value, name: &str) -> Result<Self, EnvelopeError> {
        match value {
            Value::Object(members) if members.len() <= MAX_HEADER_MEMBERS => Ok(Self { members }),
            Value::Object(members) => Err(EnvelopeError::Members { got: members.len() }),
            _ => Err(wrong(name, "an object")),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, EnvelopeError> {
        match self.members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "text")),
        }
    }

    fn needed(&mut self, name: &'static str) -> Result<String, EnvelopeError> {
        self.text(name)?.ok_or(EnvelopeError::Missing(name))
    }

    fn time(&mut self, name: &str) -> Result<Option<UnixTime>, EnvelopeError> {
        let read = |text: String| UnixTime::parse_with_offset(&text);
        self.text(name)?
            .map(|text| read(text).ok_or_else(|| wrong(name, "a moment in whole seconds as RFC 3339 writes it")))
            .transpose()
    }
}

fn wrong(name: &str, expected: &'static str) -> EnvelopeError {
    EnvelopeError::Type { name: name.to_owned(), expected }
}

fn url_safe(text: &str, name: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| EnvelopeError::Base64(name))
}

fn standard(value: &Value, name: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    let text = value.as_str().ok_or_else(|| wrong(name, "base64 text"))?;
    STANDARD.decode(text).map_err(|_| EnvelopeError::Base64(name))
}
