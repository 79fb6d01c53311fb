//! DSSE envelopes and the bytes that they sign (secure-systems-lab/dsse, envelope.md and protocol.md, version 1.0.2).
//!
//! An envelope is read once. Its decoded payload is what the signature is checked over and what is parsed afterwards.

use crate::json::{self, JsonError};
use crate::limits::{MAX_ENVELOPE_SIGNATURES, MAX_SIGNATURE_BYTES};
use crate::protojson::{Message, Names};

/// Payload type of an in-toto statement (in-toto attestation spec, v1/envelope.md).
pub const IN_TOTO_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A payload and signatures over it, unverified (envelope.md, "Standard JSON envelope").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// How the payload is to be read. Signed together with it; never empty.
    pub payload_type: String,
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// At least one, at most [`MAX_ENVELOPE_SIGNATURES`].
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// A hint at the key, not signed and never a reason to accept (protocol.md, "KEYID"). Empty when absent.
    pub keyid: String,
    /// The signature, decoded; never empty, at most [`MAX_SIGNATURE_BYTES`].
    pub signature: Vec<u8>,
}

/// Why a document is not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not strict JSON, or not of an envelope's shape. A `sig` or `payload` that is not base64 is that too.
    #[error("envelope: {0}")]
    Json(#[from] JsonError),
    /// No `payload` (envelope.md, "Parsing rules": REQUIRED, even if empty).
    #[error("envelope has no payload")]
    NoPayload,
    /// No `payloadType`, or an empty one.
    #[error("envelope has no payload type")]
    NoPayloadType,
    /// No signature.
    #[error("envelope has no signature")]
    NoSignature,
    /// More signatures than [`MAX_ENVELOPE_SIGNATURES`].
    #[error("envelope has {got} signatures, at most {MAX_ENVELOPE_SIGNATURES} are accepted")]
    TooMany {
        /// Signatures there are.
        got: usize,
    },
    /// A signature without octets.
    #[error("envelope has an empty signature")]
    EmptySignature,
    /// A signature larger than [`MAX_SIGNATURE_BYTES`].
    #[error("envelope has a signature of {got} octets, at most {MAX_SIGNATURE_BYTES} are accepted")]
    SignatureSize {
        /// Its octets.
        got: usize,
    },
}

impl Envelope {
    /// Parses an envelope that is a document of its own: the layer of a legacy attestation.
    ///
    /// Members that are not known are ignored, at both levels (envelope.md, "Parsing rules": consumers MUST): they are
    /// neither signed nor read.
    ///
    /// # Errors
    /// [`EnvelopeError`], one variant for each rule.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Self, EnvelopeError> {
        let mut document = Message::document(json::parse(bytes, limit)?, Names::Camel)?;
        let (envelope, _) = Self::read(&mut document)?;
        Ok(envelope)
    }

    /// Reads the `dsseEnvelope` of a Sigstore bundle.
    ///
    /// There the schema is a protobuf message, and members that are not known are refused, as sigstore-go and the other
    /// readers of ProtoJSON do (pkg/bundle/bundle.go, `UnmarshalJSON`).
    ///
    /// # Errors
    /// [`EnvelopeError`], one variant for each rule.
    pub(crate) fn from_message(mut message: Message) -> Result<Self, EnvelopeError> {
        let (envelope, rest) = Self::read(&mut message)?;
        message.finish()?;
        rest.into_iter().try_for_each(Message::finish)?;
        Ok(envelope)
    }

    /// Reads the members that are known, and gives the signatures' messages with whatever else is in them.
    fn read(message: &mut Message) -> Result<(Self, Vec<Message>), EnvelopeError> {
        let payload = message.octets("payload")?.ok_or(EnvelopeError::NoPayload)?;
        let payload_type = message.text("payloadType")?.unwrap_or_default();
        if payload_type.is_empty() {
            return Err(EnvelopeError::NoPayloadType);
        }
        let mut messages = message.messages("signatures")?;
        if messages.is_empty() {
            return Err(EnvelopeError::NoSignature);
        }
        if messages.len() > MAX_ENVELOPE_SIGNATURES {
            return Err(EnvelopeError::TooMany { got: messages.len() });
        }
        let signatures = messages.iter_mut().map(EnvelopeSignature::read).collect::<Result<_, _>>()?;
        Ok((Self { payload_type, payload, signatures }, messages))
    }

    /// The bytes that each signature is over.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }
}

impl EnvelopeSignature {
    fn read(message: &mut Message) -> Result<Self, EnvelopeError> {
        let signature = message.octets("sig")?.unwrap_or_default();
        if signature.is_empty() {
            return Err(EnvelopeError::EmptySignature);
        }
        if signature.len() > MAX_SIGNATURE_BYTES {
            return Err(EnvelopeError::SignatureSize { got: signature.len() });
        }
        Ok(Self { keyid: message.text("keyid")?.unwrap_or_default(), signature })
    }
}

/// Pre-authentication encoding (protocol.md, "Signature Definition"): lengths in octets, decimal, without leading zeros.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Envelope, EnvelopeError, pae};
    use crate::limits::MAX_SIGNATURE_BYTES;
    use crate::protojson::{Message, Names};

    /// The example of protocol.md, "Test Vectors".
    const EXAMPLE: &str = r#"{"payload": "aGVsbG8gd29ybGQ=",
        "payloadType": "http://example.com/HelloWorld",
        "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;

    fn parse(text: &str) -> Result<Envelope, EnvelopeError> {
        Envelope::parse(text.as_bytes(), 1 << 16)
    }

    fn in_bundle(value: Value) -> Result<Envelope, EnvelopeError> {
        Envelope::from_message(Message::document(value, Names::Both)?)
    }

    #[test]
    fn the_specifications_example_has_its_encoding() {
        let envelope = parse(EXAMPLE).expect("valid");
        assert_eq!(envelope.pae(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!((envelope.signatures[0].keyid.as_str(), envelope.signatures[0].signature.len()), ("", 64));
        assert_eq!(in_bundle(serde_json::from_str(EXAMPLE).expect("JSON")), Ok(envelope));
        // Lengths are in octets, and the empty texts have one.
        assert_eq!(pae("ä", b""), "DSSEv1 2 ä 0 ".as_bytes());
        assert_eq!(pae("", b"\xff"), b"DSSEv1 0  1 \xff");
    }

    #[test]
    fn either_alphabet_is_read_and_keyid_may_be_empty() {
        let url_safe = EXAMPLE.replace("F+FnZ+O88", "F-FnZ-O88").replace(r#"{"sig""#, r#"{"keyid":"","sig""#);
        assert_ne!(url_safe, EXAMPLE);
        assert_eq!(parse(&url_safe), parse(EXAMPLE));
        assert_eq!(parse(&EXAMPLE.replace("ZA==", "ZA")), parse(EXAMPLE));
        assert_eq!(parse(&EXAMPLE.replace(r#"{"sig""#, r#"{"keyid":null,"sig""#)), parse(EXAMPLE));
        let named = parse(&EXAMPLE.replace(r#"{"sig""#, r#"{"keyid":"k","sig""#)).expect("valid");
        assert_eq!(named.signatures[0].keyid, "k");
    }

    #[test]
    fn unknown_members_are_ignored_in_a_document_and_refused_in_a_bundle() {
        for (from, to) in [
            (r#""payload":"#, r#""extra":1,"payload":"#),
            (r#"{"sig""#, r#"{"cert":"x","sig""#),
            (r#""payload":"#, r#""PayloadType":"x","payload":"#),
        ] {
            let more = EXAMPLE.replacen(from, to, 1);
            assert_ne!(more, EXAMPLE);
            assert_eq!(parse(&more), parse(EXAMPLE), "{more}");
            let refused = in_bundle(serde_json::from_str(&more).expect("JSON"));
            assert!(matches!(refused, Err(EnvelopeError::Json(_))), "{more}");
        }
        // The schema's own spelling is a name in a bundle only.
        let snake: Value = serde_json::from_str(&EXAMPLE.replace("payloadType", "payload_type")).expect("JSON");
        assert_eq!(parse(&snake.to_string()), Err(EnvelopeError::NoPayloadType));
        assert_eq!(in_bundle(snake), parse(EXAMPLE));
    }

    #[test]
    fn every_deviation_is_refused() {
        let signature = |octets: usize| json!({"sig": "AAAA".repeat(octets.div_ceil(3))});
        for (signatures, error) in [
            (json!(null), EnvelopeError::NoSignature),
            (json!([]), EnvelopeError::NoSignature),
            (json!([{}]), EnvelopeError::EmptySignature),
            (json!([{"sig": ""}]), EnvelopeError::EmptySignature),
            (json!([signature(MAX_SIGNATURE_BYTES + 2)]), EnvelopeError::SignatureSize { got: 1026 }),
            (json!(vec![signature(3); 17]), EnvelopeError::TooMany { got: 17 }),
        ] {
            let envelope = json!({"payload": "", "payloadType": "t", "signatures": signatures});
            assert_eq!(parse(&envelope.to_string()), Err(error.clone()));
            assert_eq!(in_bundle(envelope), Err(error));
        }
        assert!(parse(r#"{"payload":"","payloadType":"t","signatures":[{"sig":"AAAA"}]}"#).is_ok());
        for (from, to) in [
            ("\"payload\"", "\"payloads\""),
            ("aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGR="),
            ("aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ*"),
            ("\"aGVsbG8gd29ybGQ=\"", "7"),
            ("http://example.com/HelloWorld", ""),
            ("\"http://example.com/HelloWorld\"", "1"),
            ("F+FnZ", "F-FnZ"),
            ("ZA==", "ZB=="),
            ("{\"sig\"", "{\"keyid\":1,\"sig\""),
            ("{\"sig\"", "{\"sig\":\"AAAA\",\"sig\""),
            ("[{\"sig\"", "[null,{\"sig\""),
        ] {
            let bad = EXAMPLE.replacen(from, to, 1);
            assert_ne!(bad, EXAMPLE);
            assert!(parse(&bad).is_err(), "{bad}");
        }
        assert!(parse("[]").is_err());
        assert!(Envelope::parse(EXAMPLE.as_bytes(), 100).is_err());
    }
}
