//! What a vector says must come out, and whether it did.

use bulla_abi::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the reply must be. Every part that is there must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// `accept`, `reject`, `unknown` or `needs` for a decision; `ok` or `error` for any operation.
    pub outcome: String,
    /// The code of an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The code of a reason that must be among those of the verdict, wherever it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A text that must stand in some text of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Members that the answer must have, compared as far as they go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Members that the first blob of the reply, a JSON document, must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
}

impl Expect {
    /// Only an outcome.
    pub fn outcome(outcome: &str) -> Self {
        Self { outcome: outcome.to_owned(), code: None, reason: None, text: None, answer: None, document: None }
    }

    /// An error with this code.
    pub fn error(code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..Self::outcome("error") }
    }

    /// With a reason of this code.
    #[must_use]
    pub fn reason(self, code: &str) -> Self {
        Self { reason: Some(code.to_owned()), ..self }
    }

    /// With this text somewhere.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..self }
    }

    /// With these members in the answer.
    #[must_use]
    pub fn answer(self, answer: Value) -> Self {
        Self { answer: Some(answer), ..self }
    }

    /// With these members in the document that is the first blob.
    #[must_use]
    pub fn document(self, document: Value) -> Self {
        Self { document: Some(document), ..self }
    }

    /// Holds a reply against this.
    ///
    /// # Errors
    /// A sentence about the first part that does not hold, with the reply.
    pub fn check(&self, reply: &[u8]) -> Result<(), String> {
        let message = Message::decode(reply).map_err(|error| format!("the reply is not a message: {error}"))?;
        let header: Value =
            serde_json::from_slice(&message.header).map_err(|error| format!("the reply's header: {error}"))?;
        let fail = |what: String| Err(format!("{what}, but the reply is {header}"));
        let got = outcome(&header);
        let same = got == self.outcome || (self.outcome == "ok" && header.get("ok").is_some());
        if !same {
            return fail(format!("expected {}, got {got}", self.outcome));
        }
        if let Some(code) = &self.code
            && header.pointer("/error/code").and_then(Value::as_str) != Some(code)
        {
            return fail(format!("expected the error {code}"));
        }
        if let Some(reason) = &self.reason
            && !any(&header, &|value| value.get("code").and_then(Value::as_str) == Some(reason))
        {
            return fail(format!("expected a reason {reason}"));
        }
        if let Some(text) = &self.text
            && !any(&header, &|value| value.as_str().is_some_and(|value| value.contains(text)))
        {
            return fail(format!("expected a text with {text:?}"));
        }
        if let Some(answer) = &self.answer
            && !header.get("ok").is_some_and(|ok| includes(ok, answer))
        {
            return fail(format!("expected an answer with {answer}"));
        }
        if let Some(document) = &self.document {
            let blob = message.blobs.first().map(Vec::as_slice).unwrap_or_default();
            let there: Value = serde_json::from_slice(blob).unwrap_or_default();
            if !includes(&there, document) {
                return Err(format!("expected a document with {document}, but it is {there}"));
            }
        }
        Ok(())
    }
}

fn outcome(header: &Value) -> &str {
    let verdict = header.pointer("/ok/verdict/outcome").and_then(Value::as_str);
    match verdict {
        Some(outcome) => outcome,
        None if header.pointer("/ok/needs").is_some() => "needs",
        None if header.get("ok").is_some() => "ok",
        None => "error",
    }
}

fn any(value: &Value, holds: &dyn Fn(&Value) -> bool) -> bool {
    holds(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| any(item, holds)),
            Value::Object(members) => members.values().any(|member| any(member, holds)),
            _ => false,
        }
}

/// Whether `part` is in `whole`: objects member by member, lists item by item, everything else equal.
fn includes(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| includes(whole, part)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| includes(whole, part))
        }
        (whole, part) => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use super::Expect;
    use bulla_abi::Message;
    use serde_json::json;

    #[test]
    fn what_is_not_there_is_missed() {
        let header =
            json!({"ok": {"verdict": {"outcome": "reject", "reasons": [{"code": "no-policy", "message": "none"}]}}});
        let blobs = vec![br#"{"a":{"b":1,"c":2}}"#.to_vec()];
        let reply = Message { header: header.to_string().into_bytes(), blobs }.encode().expect("small");
        let reject = || Expect::outcome("reject");
        for holds in [
            reject().reason("no-policy"),
            reject().text("non"),
            Expect::outcome("ok").document(json!({"a": {"b": 1}})),
            reject().answer(json!({"verdict": {"reasons": [{"code": "no-policy"}]}})),
        ] {
            assert_eq!(holds.check(&reply), Ok(()));
        }
        for misses in [
            Expect::outcome("accept"),
            Expect::outcome("needs"),
            Expect::error("no-policy"),
            reject().reason("other-key"),
            reject().text("nothing"),
            reject().document(json!({"a": {"b": 2}})),
            reject().answer(json!({"verdict": {"reasons": []}})),
        ] {
            assert!(misses.check(&reply).is_err(), "{misses:?}");
        }
    }
}
