//! Why an image was not accepted: one variant for each reason, with both compared values.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::place::Place;
use crate::digest::Digest;
use crate::evidence::{Need, Outcome};
use crate::key::Fingerprint;
use crate::policy::Invalid;
use crate::text::excerpt;
use crate::time::UnixTime;

/// A reason. Its code is stable, for programs; its text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The text asked about is not an image reference.
    #[error("{what}")]
    Reference {
        /// What is wrong with it.
        what: String,
    },
    /// No policy has a say about this image.
    #[error(
        "no policy matches {repository}{}: an image that no policy matches is rejected",
        .without.map_or(String::new(), |what| format!(" without {what}"))
    )]
    NoPolicy {
        /// The repository asked about.
        repository: String,
        /// What the question does not tell, and the policies that match it are for.
        without: Option<&'static str>,
    },
    /// The registry says that there is no such image.
    #[error("{image} does not exist, says its registry")]
    ImageAbsent {
        /// The image asked about.
        image: String,
    },
    /// There is no signature image under the tag that would hold it.
    #[error("not signed: there is no {tag}")]
    NotSigned {
        /// The tag that was looked for.
        tag: String,
    },
    /// There is no image of attestations under the tag that would hold it.
    #[error("not attested: there is no {tag}")]
    NotAttested {
        /// The tag that was looked for.
        tag: String,
    },
    /// Nothing that was found is said to be what is asked for.
    #[error("no {what} was found for this digest")]
    NothingFound {
        /// What was looked for.
        what: String,
    },
    /// The signature image cannot be read.
    #[error("{what}")]
    SignatureImage {
        /// What is wrong with it.
        what: String,
    },
    /// The signature image has no layers.
    #[error("not signed: {tag} holds no signature")]
    NoSignatures {
        /// The tag.
        tag: String,
    },
    /// What lies at a place cannot be used.
    #[error("{place}: {what}")]
    Defect {
        /// Where it lies.
        place: Place,
        /// What is wrong with it.
        what: String,
    },
    /// What was fetched does not have the digest that it is named by.
    #[error("{place}: payload {want} has digest {got}")]
    PayloadDigest {
        /// Where it lies.
        place: Place,
        /// The digest that it is named by.
        want: Digest,
        /// The digest of the bytes that came.
        got: Digest,
    },
    /// The policy refuses this digest, whatever is signed.
    #[error("{digest} is revoked by this policy")]
    RevokedDigest {
        /// The digest of the image, or of the leaf.
        digest: Digest,
    },
    /// The signer does not count at the time of the question. That is known, so it never makes an outcome unknown.
    #[error(
        "this signer counts{}{}, and it is {now}",
        .not_before.map_or(String::new(), |from| format!(" from {from}")),
        .not_after.map_or(String::new(), |until| format!(" until {until}"))
    )]
    SignerNotValid {
        /// The first moment at which it counts.
        not_before: Option<UnixTime>,
        /// The last one.
        not_after: Option<UnixTime>,
        /// When it was asked.
        now: UnixTime,
    },
    /// Others may have had the key when the question was asked.
    #[error(
        "this signer is revoked since {since}, and it is {now}: without a trusted time on a signature none by this key can \
         be known to be older"
    )]
    SignerRevoked {
        /// Since when.
        since: UnixTime,
        /// When it was asked.
        now: UnixTime,
    },
    /// Signatures that this key did not make.
    #[error("{count} of {total} {what} are not by key {key}")]
    OtherKey {
        /// `signatures`, or `attestations`.
        what: &'static str,
        /// How many.
        count: usize,
        /// Out of how many.
        total: usize,
        /// The pinned key.
        key: Fingerprint,
    },
    /// Signed by the key, but what was signed is not a payload.
    #[error("{place}: signed by this key, but {what}")]
    Payload {
        /// Where it lies.
        place: Place,
        /// What is wrong with it.
        what: String,
    },
    /// Signed by the key, and of another predicate type.
    #[error("{place}: a statement of type {got:?}, not of {want:?}")]
    WrongPredicateType {
        /// Where it lies.
        place: Place,
        /// The type that is asked for.
        want: String,
        /// The type that was signed.
        got: String,
    },
    /// Signed by the key, and the predicate does not say what the policy asks for.
    #[error("{place}: {pointer} is {}, expected {want}", .got.as_deref().unwrap_or("missing"))]
    Predicate {
        /// Where it lies.
        place: Place,
        /// JSON pointer into the predicate.
        pointer: String,
        /// The value that the policy asks for, as JSON.
        want: String,
        /// The value that was signed, as JSON, if there is one.
        got: Option<String>,
    },
    /// A Notation signature that does not count, by the check that it fails.
    #[error("{place}: {check}: {what}")]
    Notation {
        /// Where it lies.
        place: Place,
        /// The check (signing-and-verification-workflow.md).
        check: &'static str,
        /// Why it fails.
        what: String,
    },
    /// The role files of Docker Content Trust are not believed, or do not say what is asked for.
    #[error("{what}")]
    ContentTrust {
        /// Which attack or which rule, stable for programs.
        code: &'static str,
        /// What, with its values.
        what: String,
    },
    /// A Notation signature of which a check cannot be made.
    #[error("{place}: {check} is not known: {what}")]
    NotationUnknown {
        /// Where it lies.
        place: Place,
        /// The check.
        check: &'static str,
        /// What is missing.
        what: String,
    },
    /// Signed by the key, and it does not state the time that the policy wants to know.
    #[error("{place}: {at} is {}, expected a time as RFC 3339 writes it", .got.as_deref().unwrap_or("missing"))]
    NoTime {
        /// Where it lies.
        place: Place,
        /// JSON pointer into the predicate.
        at: String,
        /// What stands there, as JSON, if anything does.
        got: Option<String>,
    },
    /// Signed by the key, and older than the policy allows, or of the future.
    #[error("{place}: it is of {time}, and at {now} it may be {max} old")]
    Age {
        /// Where it lies.
        place: Place,
        /// The time that it states.
        time: UnixTime,
        /// The age that is allowed, as the policy writes it.
        max: String,
        /// When it was asked.
        now: UnixTime,
    },
    /// Signed by the key, and a condition of the policy does not hold for it.
    #[error(
        "{place}: {}{condition:?} {}",
        .message.as_ref().map_or(String::new(), |message| format!("{message}: ")),
        .problem.as_ref().map_or("is false".to_owned(), |problem| format!("cannot be said: {problem}"))
    )]
    Condition {
        /// Where it lies.
        place: Place,
        /// The condition.
        condition: String,
        /// What the policy says to that.
        message: Option<String>,
        /// Why the condition is neither true nor false.
        problem: Option<String>,
    },
    /// Signed by the key, for another digest.
    #[error("{place}: made for {}, not for {asked}", .signed.as_ref().map_or("no digest that can be compared".to_owned(), ToString::to_string))]
    WrongDigest {
        /// Where it lies.
        place: Place,
        /// The digest that was signed, or the first of several.
        signed: Option<Digest>,
        /// The digest asked about.
        asked: Digest,
    },
    /// Signed by the key, for another repository or tag.
    #[error("{place}: {}, not for {asked:?} (identity: {rule})", .signed.as_ref().map_or("it does not say for which image it was made".to_owned(), |signed| format!("made for {signed:?}")))]
    WrongIdentity {
        /// Where it lies.
        place: Place,
        /// The identity that was signed, if one was.
        signed: Option<String>,
        /// The image asked about.
        asked: String,
        /// The rule of the policy.
        rule: &'static str,
    },
    /// Signed by the key, without an annotation that the policy asks for.
    #[error("{place}: annotation {name:?} is {}, expected {want:?}", .got.as_deref().unwrap_or("missing"))]
    Annotation {
        /// Where it lies.
        place: Place,
        /// The annotation's name.
        name: String,
        /// The value that the policy asks for.
        want: String,
        /// The value that was signed, if any.
        got: Option<String>,
    },
    /// The index cannot be read.
    #[error("index: {what}")]
    Index {
        /// What is wrong with it.
        what: String,
    },
    /// Fewer different keys than the policy asks for.
    #[error("{got} of {need} required signers have signed")]
    Threshold {
        /// Different keys that signed.
        got: usize,
        /// Different keys required.
        need: usize,
    },
    /// More of something than one decision looks at. That is not the same as unsigned.
    #[error("budget reached: {got} {what}, at most {limit} are looked at")]
    Budget {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// How much there is, or was when the decision stopped.
        got: u64,
    },
    /// Evidence that could not be had.
    #[error("{need}: {reason}")]
    Unfetched {
        /// The need.
        need: String,
        /// What happened.
        reason: String,
    },
    /// More reasons of the same kind than are listed.
    #[error("and {count} more")]
    More {
        /// How many.
        count: usize,
    },
}

impl Reason {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Reference { .. } => "reference",
            Self::NoPolicy { .. } => "no-policy",
            Self::ImageAbsent { .. } => "image-absent",
            Self::NotSigned { .. } => "not-signed",
            Self::SignatureImage { .. } => "signature-image",
            Self::NoSignatures { .. } => "no-signatures",
            Self::NotAttested { .. } => "not-attested",
            Self::NothingFound { .. } => "nothing-found",
            Self::Defect { .. } => "signature-defect",
            Self::WrongPredicateType { .. } => "wrong-predicate-type",
            Self::Predicate { .. } => "predicate",
            Self::Condition { .. } => "condition",
            Self::Notation { check, .. } => notation_code(check),
            Self::NotationUnknown { .. } => "notation-unknown",
            Self::ContentTrust { code, .. } => code,
            Self::NoTime { .. } => "no-time",
            Self::Age { .. } => "age",
            Self::PayloadDigest { .. } => "payload-digest",
            Self::RevokedDigest { .. } => "revoked-digest",
            Self::SignerNotValid { .. } => "signer-not-valid",
            Self::SignerRevoked { .. } => "signer-revoked",
            Self::OtherKey { .. } => "other-key",
            Self::Payload { .. } => "payload",
            Self::WrongDigest { .. } => "wrong-digest",
            Self::WrongIdentity { .. } => "wrong-identity",
            Self::Annotation { .. } => "annotation",
            Self::Index { .. } => "index",
            Self::Threshold { .. } => "threshold",
            Self::Budget { .. } => "budget",
            Self::Unfetched { .. } => "unfetched",
            Self::More { .. } => "more",
        }
    }

    /// Whether the reason is that something could not be known, so that another try may end differently.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Budget { .. } | Self::Unfetched { .. } | Self::NotationUnknown { .. })
    }

    /// The reason why a signer does not count now.
    pub(super) const fn invalid(invalid: Invalid, now: UnixTime) -> Self {
        match invalid {
            Invalid::Outside(bounds) => {
                Self::SignerNotValid { not_before: bounds.not_before, not_after: bounds.not_after, now }
            }
            Invalid::Revoked(since) => Self::SignerRevoked { since, now },
        }
    }

    /// The reason that an outcome other than bytes gives.
    pub(super) fn unfetched(need: &Need, outcome: &Outcome) -> Self {
        let reason = match outcome {
            Outcome::TooLarge { got } => {
                return Self::Budget { what: "octets of a document", limit: need.limit, got: *got };
            }
            Outcome::Failed { reason } => excerpt(reason),
            Outcome::Absent => "the registry says it does not exist".to_owned(),
            Outcome::Found { .. } | Outcome::Digest(_) => "evidence of another kind than was asked for".to_owned(),
        };
        Self::Unfetched { need: need.id(), reason }
    }
}

/// The code of a check of Notation's.
pub(super) fn notation_code(check: &str) -> &'static str {
    match check {
        "target" => "notation-target",
        "metadata" => "notation-metadata",
        "authenticity" => "notation-authenticity",
        "expiry" => "notation-expiry",
        "authenticTimestamp" => "notation-timestamp",
        "revocation" => "notation-revocation",
        _ => "notation-integrity",
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Reason", 2)?;
        fields.serialize_field("code", self.code())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}
