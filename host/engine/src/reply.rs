//! Reading what the module answers: `{"ok": …}` or `{"error": {…}}`.

use bulla_abi::{ErrorBody, Message};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::SandboxError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Reply<T> {
    Ok(T),
    Error(ErrorBody),
}

/// The body of a reply that is not an error.
///
/// # Errors
/// [`SandboxError::Module`] when it is one; [`SandboxError::Header`] when the header is neither.
pub(crate) fn body<T: DeserializeOwned>(message: &Message) -> Result<T, SandboxError> {
    match serde_json::from_slice(&message.header)? {
        Reply::Ok(body) => Ok(body),
        Reply::Error(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use bulla_abi::Message;
    use serde_json::{Value, json};

    use super::body;
    use crate::error::SandboxError;

    fn message(header: &[u8]) -> Message {
        Message { header: header.to_vec(), blobs: Vec::new() }
    }

    #[test]
    fn ok_error_and_neither() {
        assert_eq!(body::<Value>(&message(br#"{"ok": {"a": 1}}"#)).ok(), Some(json!({"a": 1})));
        match body::<Value>(&message(br#"{"error": {"code": "policy-invalid", "message": "no", "details": [7]}}"#)) {
            Err(SandboxError::Module { code, message, details }) => {
                assert_eq!((code.as_str(), message.as_str(), details), ("policy-invalid", "no", vec![json!(7)]));
            }
            other => panic!("{other:?}"),
        }
        for bad in [&b"{}"[..], b"", b"[1]", b"\xff", br#"{"ok":1,"error":2}"#] {
            assert!(matches!(body::<Value>(&message(bad)), Err(SandboxError::Header(_))), "{bad:?}");
        }
    }
}
