//! What a program is told and what it answers: JSON (sigstore, `pkg/signature/kms/cliplugin/common/interface.go`).

use core::time::Duration;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::DateTime;
use serde::{Deserialize, Serialize};

use super::Unusable;
use crate::scheme::Hash;
use crate::text::tame;

/// The first argument: the version of the protocol.
pub(super) const VERSION: &str = "v1";

/// As Go numbers hashes (`crypto.Hash`). Cosign asks for SHA-256 whatever the key: a P-384 key signs SHA-256 of the payload.
fn number(hash: Hash) -> u8 {
    match hash {
        Hash::Sha256 => 5,
        Hash::Sha384 => 6,
        Hash::Sha512 => 7,
    }
}

/// What a program is asked to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method {
    PublicKey,
    SignMessage,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publicKey",
            Self::SignMessage => "signMessage",
        }
    }
}

/// The second argument, `PluginArgs`, with the members that cosign sends.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Arguments<'a> {
    init_options: InitOptions<'a>,
    method_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<PublicKeyArguments<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_message: Option<SignMessageArguments<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitOptions<'a> {
    ctx_deadline: &'a str,
    protocol_version: &'static str,
    #[serde(rename = "keyResourceID")]
    key_resource_id: &'a str,
    hash_func: u8,
    rpc_options: RpcOptions<'a>,
}

/// Version and place of verification are what cosign sends when nothing was chosen.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct RpcOptions<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx_deadline: Option<&'a str>,
    key_version: &'static str,
    remote_verification: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyArguments<'a> {
    public_key_options: PublicKeyOptions<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyOptions<'a> {
    rpc_options: RpcOptions<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignMessageArguments<'a> {
    sign_options: SignOptions<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignOptions<'a> {
    rpc_options: RpcOptions<'a>,
    message_options: MessageOptions,
}

/// A digest could be sent here instead of the message. It is `null`, as with cosign: the message is on standard input.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageOptions {
    digest: Option<&'static str>,
}

/// The second argument for this method and key. The deadline is RFC 3339.
pub(super) fn arguments(method: Method, key: &str, hash: Hash, deadline: &str) -> String {
    let rpc_options = RpcOptions { ctx_deadline: Some(deadline), ..RpcOptions::default() };
    let (public_key, sign_message) = match method {
        Method::PublicKey => (Some(PublicKeyArguments { public_key_options: PublicKeyOptions { rpc_options } }), None),
        Method::SignMessage => {
            let message_options = MessageOptions { digest: None };
            (None, Some(SignMessageArguments { sign_options: SignOptions { rpc_options, message_options } }))
        }
    };
    let init_options = InitOptions {
        ctx_deadline: deadline,
        protocol_version: VERSION,
        key_resource_id: key,
        hash_func: number(hash),
        rpc_options: RpcOptions::default(),
    };
    let arguments = Arguments { init_options, method_name: method.name(), public_key, sign_message };
    // Texts, numbers and names: nothing here that JSON cannot say.
    serde_json::to_string(&arguments).unwrap_or_default()
}

/// When a program that starts now will be ended, in whole seconds and not earlier than that.
pub(super) fn deadline(timeout: Duration) -> String {
    #[allow(
        clippy::disallowed_methods,
        reason = "no decision sees it: it tells a program how long it will be waited for"
    )]
    let now = SystemTime::now();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    in_seconds(now.saturating_add(timeout))
}

/// RFC 3339, section 5.6. Up to the year 9999, after which it stands still.
fn in_seconds(since_1970: Duration) -> String {
    let rounded_up = since_1970.saturating_add(Duration::from_nanos(999_999_999));
    DateTime::from_unix_duration(rounded_up).unwrap_or(DateTime::INFINITY).to_string()
}

/// What a program writes on standard output, `PluginResp`. Members that are not for Bulla are left out, as Go does.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    error_message: Option<String>,
    public_key: Option<PublicKeyAnswer>,
    sign_message: Option<SignMessageAnswer>,
}

#[derive(Debug, Deserialize)]
struct PublicKeyAnswer {
    #[serde(rename = "publicKeyPEM")]
    public_key_pem: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SignMessageAnswer {
    signature: Option<String>,
}

impl Answer {
    /// Reads the answer as a whole.
    ///
    /// # Errors
    /// What the reader says.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err("it is empty".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|error| tame(&error.to_string()))
    }

    /// Why the program does not do it. An empty message is none (Go's `omitempty`).
    pub(super) fn error_message(&self) -> Option<String> {
        self.error_message.as_deref().filter(|message| !message.is_empty()).map(tame)
    }

    /// The public key, PEM.
    ///
    /// # Errors
    /// When there is none, or not in base64.
    pub(super) fn public_key_pem(self) -> Result<Vec<u8>, Unusable> {
        decoded("publicKey.publicKeyPEM", self.public_key.and_then(|answer| answer.public_key_pem))
    }

    /// The signature.
    ///
    /// # Errors
    /// When there is none, or not in base64.
    pub(super) fn signature(self) -> Result<Vec<u8>, Unusable> {
        decoded("signMessage.signature", self.sign_message.and_then(|answer| answer.signature))
    }
}

/// Octets are base64 in Go's JSON.
fn decoded(name: &str, text: Option<String>) -> Result<Vec<u8>, Unusable> {
    let text = text.ok_or_else(|| Unusable::Answer(format!("it has no {name}")))?;
    STANDARD.decode(text).map_err(|error| Unusable::Answer(format!("{name} is not base64: {error}")))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use serde_json::{Value, json};

    use super::{Answer, Hash, Method, arguments, in_seconds};

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn the_arguments_are_those_of_the_protocol() {
        let at = "2026-11-21T22:31:08Z";
        let chosen_by_nobody = json!({ "keyVersion": "", "remoteVerification": false });
        let rpc = json!({ "ctxDeadline": at, "keyVersion": "", "remoteVerification": false });
        let init = json!({
            "ctxDeadline": at,
            "protocolVersion": "v1",
            "keyResourceID": "a\"ä",
            "hashFunc": 5,
            "rpcOptions": chosen_by_nobody,
        });
        let expected = json!({
            "initOptions": init.clone(),
            "methodName": "publicKey",
            "publicKey": { "publicKeyOptions": { "rpcOptions": rpc.clone() } },
        });
        assert_eq!(parsed(&arguments(Method::PublicKey, "a\"ä", Hash::Sha256, at)), expected);
        let expected = json!({
            "initOptions": init,
            "methodName": "signMessage",
            "signMessage": { "signOptions": { "rpcOptions": rpc, "messageOptions": { "digest": null } } },
        });
        assert_eq!(parsed(&arguments(Method::SignMessage, "a\"ä", Hash::Sha256, at)), expected);
        for (hash, number) in [(Hash::Sha384, 6), (Hash::Sha512, 7)] {
            assert_eq!(parsed(&arguments(Method::SignMessage, "a", hash, at))["initOptions"]["hashFunc"], number);
        }
    }

    #[test]
    fn deadlines_are_whole_seconds_and_never_early() {
        let at = |seconds, nanoseconds| in_seconds(Duration::new(seconds, nanoseconds));
        assert_eq!(at(1_795_300_268, 0), "2026-11-21T22:31:08Z");
        assert_eq!(at(1_795_300_268, 1), "2026-11-21T22:31:09Z");
        assert_eq!(in_seconds(Duration::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn answers_are_read_as_go_writes_them() {
        let answer = Answer::parse(b"{\"publicKey\":{\"publicKeyPEM\":\"bXlwZW0=\"},\"more\":1}\n").expect("answer");
        assert_eq!(answer.error_message(), None);
        assert!(answer.public_key_pem().is_ok_and(|pem| pem == b"mypem"));
        let answer = Answer::parse(br#"{"errorMessage":"","signMessage":{"signature":"YW55LXNpZ25hdHVyZQ=="}}"#);
        let answer = answer.expect("answer");
        assert_eq!(answer.error_message(), None);
        assert!(answer.signature().is_ok());
        let answer = Answer::parse(br#"{"errorMessage":"no\u001b[31m such\nkey","signMessage":null}"#).expect("answer");
        assert_eq!(answer.error_message().as_deref(), Some("no[31m such key"));
        for none in ["{}", r#"{"signMessage":{}}"#, r#"{"signMessage":{"signature":null}}"#] {
            assert!(Answer::parse(none.as_bytes()).expect("answer").signature().is_err(), "{none}");
        }
    }
}
