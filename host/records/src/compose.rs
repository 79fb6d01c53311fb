//! From a decision to its record, and to everything that has to be kept beside it.

use bulla_engine::Answered;
use bytes::Bytes;
use serde_json::Value;

use crate::canonical::{NotCanonical, canonical};
use crate::digest::Digest;
use crate::limits::{
    MAX_BREAK_GLASS_BYTES, MAX_IMAGE_DIGEST_BYTES, MAX_INLINE_QUESTION_BYTES, MAX_NAME_BYTES, MAX_OBJECT_BYTES,
    MAX_SUMMARY_BYTES,
};
use crate::lists::{EvidenceEntry, Policies};
use crate::record::{BreakGlass, LargeQuestion, Listed, Made, Outcome, Record, VERSION, Verdict};
use crate::text::cut;

/// A decision that is to be recorded.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// What the module was asked: the projection, never the object that it was taken from.
    pub question: &'a Value,
    /// The policies that were loaded.
    pub policies: &'a Policies,
    /// All evidence that was supplied, in order.
    pub evidence: &'a [Answered],
    /// The module that decided.
    pub module: Digest,
    /// What stands under `verdict` in its answer, or what the host said in its place.
    pub verdict: &'a Value,
    /// The header of its answer, octet by octet; empty where it gave none.
    pub verdict_bytes: &'a [u8],
    /// Where, and what the host did with it.
    pub made: Made,
    /// Who had the image pass all the same.
    pub break_glass: Option<BreakGlass>,
}

/// A record, and what has to be kept beside it.
pub(crate) struct Composed {
    pub(crate) id: Digest,
    pub(crate) bytes: Vec<u8>,
    /// What this decision brings, beside its policies.
    pub(crate) parts: Vec<(Digest, Bytes)>,
}

impl Draft<'_> {
    /// The record and its parts.
    pub(crate) fn compose(&self) -> Result<Composed, NotCanonical> {
        let mut parts = Vec::with_capacity(self.evidence.len().saturating_add(3));
        let (question, large_question) = self.question(&mut parts)?;
        let mut entries = Vec::with_capacity(self.evidence.len());
        for answered in self.evidence {
            let (entry, kept) = EvidenceEntry::of(answered);
            entries.push(entry);
            parts.extend(kept);
        }
        let evidence = canonical(&entries)?;
        let evidence = Listed { digest: add(&mut parts, evidence.into()), count: entries.len() as u64 };
        let answer = (!self.verdict_bytes.is_empty()).then(|| Bytes::copy_from_slice(self.verdict_bytes));
        let record = Record {
            version: VERSION,
            question,
            large_question,
            policies: self.policies.listed(),
            evidence,
            module: self.module,
            verdict: Verdict::of(self.verdict, answer.map(|answer| add(&mut parts, answer))),
            made: Made {
                object: self.made.object.as_deref().map(|name| cut(name, MAX_OBJECT_BYTES)),
                ..self.made.clone()
            },
            break_glass: self.break_glass.as_ref().map(|glass| BreakGlass {
                by: cut(&glass.by, MAX_BREAK_GLASS_BYTES),
                reason: cut(&glass.reason, MAX_BREAK_GLASS_BYTES),
            }),
        };
        let bytes = canonical(&record)?;
        Ok(Composed { id: Digest::of(&bytes), bytes, parts })
    }

    fn question(
        &self,
        parts: &mut Vec<(Digest, Bytes)>,
    ) -> Result<(Option<Value>, Option<LargeQuestion>), NotCanonical> {
        let bytes = canonical(self.question)?;
        if bytes.len() <= MAX_INLINE_QUESTION_BYTES {
            return Ok((Some(self.question.clone()), None));
        }
        let image = self.question.get("image").and_then(Value::as_str).unwrap_or_default();
        let now = self.question.get("now").and_then(Value::as_i64).unwrap_or_default();
        let digest = add(parts, bytes.into());
        Ok((None, Some(LargeQuestion { digest, image: cut(image, MAX_NAME_BYTES), now })))
    }
}

impl Verdict {
    /// What a record says about what stands under `verdict` in the module's answer, or what the host said in its place.
    pub(crate) fn of(verdict: &Value, digest: Option<Digest>) -> Self {
        let text = |name: &str| verdict.get(name).and_then(Value::as_str);
        Self {
            outcome: Outcome::of(verdict),
            digest,
            summary: cut(text("summary").unwrap_or_default(), MAX_SUMMARY_BYTES),
            image: text("digest").map(|digest| cut(digest, MAX_IMAGE_DIGEST_BYTES)),
            pinned: text("pinned").map(|name| cut(name, MAX_NAME_BYTES)),
        }
    }
}

fn add(parts: &mut Vec<(Digest, Bytes)>, bytes: Bytes) -> Digest {
    let digest = Digest::of(&bytes);
    parts.push((digest, bytes));
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Draft;
    use crate::digest::Digest;
    use crate::limits::MAX_RECORD_BYTES;
    use crate::lists::Policies;
    use crate::record::{Action, BreakGlass, Made, Record, Surface};

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,40}",
            (0usize..20_000).prop_map(|length| "\u{1}".repeat(length)),
            (0usize..20_000).prop_map(|length| "\"".repeat(length)),
            (0usize..9_000).prop_map(|length| "😀".repeat(length)),
            (0usize..20_000).prop_map(|length| "a".repeat(length)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_record_is_larger_than_a_page(
            image in hostile(), namespace in hostile(), summary in hostile(), pinned in hostile(), digest in hostile(),
            object in hostile(), by in hostile(), reason in hostile(), label in hostile(), now in any::<i32>(),
        ) {
            let question = json!({"image": image, "now": now, "namespace": namespace, "labels": {&label: &label}});
            let verdict = json!({"outcome": "accept", "summary": summary, "pinned": pinned, "digest": digest});
            let policies = Policies::new([("p", "p".into())]).expect("canonical");
            let draft = Draft {
                question: &question,
                policies: &policies,
                evidence: &[],
                module: Digest::of(b"module"),
                verdict: &verdict,
                verdict_bytes: b"{}",
                made: Made { surface: Surface::CommandLine, action: Action::Allowed, object: Some(object) },
                break_glass: Some(BreakGlass { by, reason }),
            };
            let composed = draft.compose().expect("composed");
            prop_assert!(composed.bytes.len() <= MAX_RECORD_BYTES, "{} octets", composed.bytes.len());
            let record = Record::parse(&composed.bytes).expect("its one form");
            let asked = match (&record.question, &record.large_question) {
                (Some(question), None) => question.clone(),
                (None, Some(large)) => {
                    let (_, bytes) = composed.parts.iter().find(|(digest, _)| *digest == large.digest).expect("kept");
                    serde_json::from_slice::<Value>(bytes).expect("JSON")
                }
                _ => panic!("one of the two"),
            };
            prop_assert_eq!(asked, question);
        }
    }
}
