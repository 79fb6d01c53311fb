//! The record: one page about one decision, which names everything else by digest.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::canonical;
use crate::digest::Digest;
use crate::limits::MAX_RECORD_BYTES;

/// The version that this crate writes and reads.
pub(crate) const VERSION: u32 = 1;

/// One decision. Its canonical octets are what is kept, and their SHA-256 is its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// 1. Another version has another meaning, and is not read.
    pub version: u32,
    /// What the module was asked, exactly; absent where it is too large for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Value>,
    /// Where the question is when it is not in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_question: Option<LargeQuestion>,
    /// The list of policy documents: names and digests, in the order in which they were loaded.
    pub policies: Listed,
    /// The list of evidence, in the order in which it was supplied.
    pub evidence: Listed,
    /// The module that decided.
    pub module: Digest,
    /// What came of it.
    pub verdict: Verdict,
    /// Where, and what the host did with it.
    pub made: Made,
    /// Who had it pass all the same. Reserved: nothing writes it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
}

/// A question that is kept beside its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LargeQuestion {
    /// Of its canonical octets.
    pub digest: Digest,
    /// The image that it is about, cut.
    pub image: String,
    /// When it was asked, in seconds since 1970.
    pub now: i64,
}

/// A list that is kept beside the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listed {
    /// Of its canonical octets.
    pub digest: Digest,
    /// Entries.
    pub count: u64,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// Of the header that the module answered with. Absent where the host had no answer from the module: such a record has
    /// nothing that could be replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// In one sentence, cut.
    pub summary: String,
    /// The digest that was decided about, where that was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The reference pinned to that digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
}

/// A verdict in one word. What a host does not know is unknown, never an accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The image may run.
    Accept,
    /// It may not.
    Reject,
    /// It is not known.
    Unknown,
}

/// Where a decision was made, and what the host did with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Made {
    /// Who asked.
    pub surface: Surface,
    /// What the host did.
    pub action: Action,
    /// The Kubernetes object, cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Surface {
    /// The admission webhook.
    Webhook,
    /// The enforcing proxy.
    Proxy,
    /// The command line, which decides about nothing but its exit code.
    CommandLine,
}

/// What a host did with a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It let the image pass.
    Allowed,
    /// It did not.
    Denied,
    /// It let the image pass with a warning: the configuration says so, or no policy enforces.
    Warned,
}

/// Who had an image pass against its verdict, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakGlass {
    /// The user, cut.
    pub by: String,
    /// The reason that was given, cut.
    pub reason: String,
}

/// Octets that are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotARecord {
    /// Too many octets.
    #[error("{got} octets, a record has at most {MAX_RECORD_BYTES}")]
    TooLarge {
        /// Octets.
        got: usize,
    },
    /// Another version of the format.
    #[error("a record of version {got}, this program reads version {VERSION}")]
    Version {
        /// The version.
        got: u64,
    },
    /// Not the JSON of a record.
    #[error("not a record: {0}")]
    Json(String),
    /// JSON of a record, but not in its one form.
    #[error("not in canonical form (RFC 8785)")]
    NotCanonical,
}

impl Record {
    /// Reads a record and holds it against its one form.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotARecord> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(NotARecord::TooLarge { got: bytes.len() });
        }
        let json = |error: serde_json::Error| NotARecord::Json(error.to_string());
        let value: Value = serde_json::from_slice(bytes).map_err(json)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => return Err(NotARecord::Version { got: version }),
            _ => {}
        }
        let record: Self = serde_json::from_value(value).map_err(json)?;
        if record.question.is_some() == record.large_question.is_some() {
            return Err(NotARecord::Json("either `question` or `largeQuestion`".to_owned()));
        }
        if canonical(&record).ok().as_deref() != Some(bytes) {
            return Err(NotARecord::NotCanonical);
        }
        Ok(record)
    }

    /// The image that was asked about, cut where the question was large.
    pub fn image(&self) -> &str {
        let inline = self.question.as_ref().and_then(|question| question.get("image")).and_then(Value::as_str);
        inline.or(self.large_question.as_ref().map(|large| large.image.as_str())).unwrap_or_default()
    }

    /// When it was asked, in seconds since 1970.
    pub fn now(&self) -> i64 {
        let inline = self.question.as_ref().and_then(|question| question.get("now")).and_then(Value::as_i64);
        inline.or(self.large_question.as_ref().map(|large| large.now)).unwrap_or_default()
    }
}

impl Outcome {
    /// The word in verdicts and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome of a verdict.
    pub(crate) fn of(verdict: &Value) -> Self {
        match verdict.get("outcome").and_then(Value::as_str) {
            Some("accept") => Self::Accept,
            Some("reject") => Self::Reject,
            _ => Self::Unknown,
        }
    }
}

impl Surface {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Proxy => "proxy",
            Self::CommandLine => "commandLine",
        }
    }
}

impl Action {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Warned => "warned",
        }
    }
}
