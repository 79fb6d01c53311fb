//! Requests and replies: headers as types, blobs by index, errors with a stable code.

use bulla_abi::{ErrorBody, Message};
use bulla_core::json::{self, JsonError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroize as _;

/// A reply before it is a message.
pub(crate) type Reply = Result<Answer, ErrorBody>;

/// The `ok` part of a reply and its blobs.
pub(crate) struct Answer {
    header: serde_json::Value,
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Answer {
    /// An answer with this header and no blobs.
    pub(crate) fn new(header: &impl Serialize) -> Reply {
        Self::with(header, Vec::new())
    }

    /// An answer with this header and these blobs.
    pub(crate) fn with(header: &impl Serialize, blobs: Vec<Vec<u8>>) -> Reply {
        let header = serde_json::to_value(header).map_err(|e| error("internal", format!("the answer: {e}")))?;
        Ok(Self { header, blobs })
    }

    /// One member more.
    pub(crate) fn set(&mut self, name: &str, value: &impl ToString) {
        if let Some(members) = self.header.as_object_mut() {
            members.insert(name.to_owned(), value.to_string().into());
        }
    }
}

/// The bytes of a reply.
pub(crate) fn encode(reply: Reply) -> Vec<u8> {
    let message = match reply {
        Ok(answer) => Message::new(&serde_json::json!({ "ok": answer.header }))
            .map(|message| Message { blobs: answer.blobs, ..message }),
        Err(body) => Message::new(&serde_json::json!({ "error": body })),
    };
    // Neither can fail: headers are JSON values, and blobs come from memory of at most 4 GiB.
    let Ok(mut message) = message else { return Vec::new() };
    let bytes = message.encode().unwrap_or_default();
    // A blob may be a private key: only the copy that the host frees, which is wiped then, is left.
    message.blobs.zeroize();
    bytes
}

/// An error with a stable code.
pub(crate) fn error(code: &str, message: impl ToString) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message: message.to_string(), details: Vec::new() }
}

/// The header of a request as the type that the operation takes.
pub(crate) fn header<T: DeserializeOwned>(message: &Message) -> Result<T, ErrorBody> {
    let invalid = |problem: JsonError| error("message-invalid", format!("header: {problem}"));
    let header = json::parse(&message.header, bulla_abi::MAX_HEADER_BYTES).map_err(invalid)?;
    json::check_objects(
        &header,
        &[
            "",
            "/question",
            "/settings",
            "/write",
            "/attestation",
            "/notation",
            "/notation/timestamp",
            "/initial",
            "/expiries",
        ],
    )
    .map_err(invalid)?;
    json::shape(header).map_err(invalid)
}

/// The blob that a header names.
pub(crate) fn blob(message: &Message, index: u32) -> Result<&[u8], ErrorBody> {
    usize::try_from(index).ok().and_then(|index| message.blobs.get(index)).map(Vec::as_slice).ok_or_else(|| {
        error("message-invalid", format!("the header names blob {index}, and there are {}", message.blobs.len()))
    })
}
