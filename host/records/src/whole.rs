//! A record with everything that it names, each part held against its digest, so that what was changed or lost is named.

use std::fmt;
use std::sync::OnceLock;

use bulla_engine::{Answered, EMBEDDED};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::digest::Digest;
use crate::lists::{Document, EvidenceEntry};
use crate::reader::Contents;
use crate::record::{Listed, Record, Verdict};

/// A part of what a record rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The record itself.
    Record,
    /// A question that is kept beside it.
    Question,
    /// The list of policies.
    PolicyList,
    /// One policy document.
    Policy {
        /// Its name.
        name: String,
    },
    /// The list of evidence.
    EvidenceList,
    /// The octets of one piece of evidence.
    Evidence {
        /// Its place in the list, from 0.
        index: usize,
        /// The need that it answers.
        need: String,
    },
    /// The octets of the verdict.
    Verdict,
    /// The module.
    Module,
    /// The file that they came in.
    File,
}

/// What is wrong with a part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// It is not there.
    Missing,
    /// Its octets have another digest.
    Tampered {
        /// The digest that they have.
        found: Digest,
        /// The digest by which it is named.
        wanted: Digest,
    },
    /// It is not what it should be.
    Wrong {
        /// Why.
        why: String,
    },
}

/// A part that was tampered with, or is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {problem}")]
pub struct Damage {
    /// The part.
    pub part: Part,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A record with everything that it names. Every part has the digest by which it is named.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The record's id.
    pub id: Digest,
    /// The record.
    pub record: Record,
    /// Its octets.
    pub bytes: Bytes,
    /// What the module was asked.
    pub question: Value,
    /// The policy documents in the order in which they were loaded.
    pub policies: Vec<(Document, Bytes)>,
    /// The evidence in the order in which it was supplied.
    pub evidence: Vec<(EvidenceEntry, Option<Bytes>)>,
    /// The header of the module's answer; `None` where it gave none.
    pub verdict: Option<Bytes>,
    /// The module, where it is kept; this program's own if it is the same. `None` where only its digest is known.
    pub module: Option<Bytes>,
    pub(crate) question_bytes: Option<Bytes>,
    pub(crate) policy_list: Bytes,
    pub(crate) evidence_list: Bytes,
}

impl Whole {
    /// Gathers what a record names.
    ///
    /// # Errors
    /// [`Damage`], which names the first part that is missing or has another digest than it should.
    pub fn gather(id: Digest, bytes: Vec<u8>, contents: &dyn Contents) -> Result<Self, Damage> {
        let found = Digest::of(&bytes);
        if found != id {
            return Err(Damage::new(Part::Record, Problem::Tampered { found, wanted: id }));
        }
        let wrong = |part, why: String| Damage::new(part, Problem::Wrong { why });
        let record = Record::parse(&bytes).map_err(|error| wrong(Part::Record, error.to_string()))?;
        let (question, question_bytes) = match (&record.question, &record.large_question) {
            (Some(question), _) => (question.clone(), None),
            (None, large) => {
                let digest = large.as_ref().map_or(id, |large| large.digest);
                let bytes = fetch(contents, digest, Part::Question)?;
                (json(&bytes, Part::Question)?, Some(bytes))
            }
        };
        let (policy_list, documents) = list::<Document>(contents, record.policies, Part::PolicyList)?;
        let named = |document: Document| {
            let bytes = fetch(contents, document.digest, Part::Policy { name: document.name.clone() })?;
            Ok((document, bytes))
        };
        let policies = documents.into_iter().map(named).collect::<Result<_, _>>()?;
        let (evidence_list, entries) = list::<EvidenceEntry>(contents, record.evidence, Part::EvidenceList)?;
        let numbered = |(index, entry): (usize, EvidenceEntry)| {
            let part = || Part::Evidence { index, need: entry.need.clone() };
            let bytes = entry.content().map(|digest| fetch(contents, digest, part())).transpose()?;
            Ok((entry, bytes))
        };
        let evidence = entries.into_iter().enumerate().map(numbered).collect::<Result<_, _>>()?;
        let verdict = record.verdict.digest.map(|digest| fetch(contents, digest, Part::Verdict)).transpose()?;
        if let Some(verdict) = &verdict {
            let answer: Value = json(verdict, Part::Verdict)?;
            let said = answer.pointer("/ok/verdict").unwrap_or(&Value::Null);
            if Verdict::of(said, record.verdict.digest) != record.verdict {
                let why = "does not say what the verdict says that it names".to_owned();
                return Err(wrong(Part::Record, why));
            }
        }
        let module = match fetch(contents, record.module, Part::Module) {
            Err(Damage { problem: Problem::Missing, .. }) => {
                (record.module == embedded()).then(|| Bytes::from_static(EMBEDDED))
            }
            fetched => Some(fetched?),
        };
        let bytes = bytes.into();
        Ok(Self {
            id,
            record,
            bytes,
            question,
            policies,
            evidence,
            verdict,
            module,
            question_bytes,
            policy_list,
            evidence_list,
        })
    }

    /// Whether the module that decided is the one in this program.
    pub fn by_this_module(&self) -> bool {
        self.record.module == embedded()
    }

    /// The evidence as the engine takes it.
    pub(crate) fn answered(&self) -> Vec<Answered> {
        self.evidence.iter().map(|(entry, bytes)| entry.answered(bytes.clone())).collect()
    }

    /// Everything beside the record, each once: question, policies, evidence, verdict, and the module if it is wanted.
    pub(crate) fn parts(&self, with_module: bool) -> Vec<(Digest, Bytes)> {
        let record = &self.record;
        let mut parts: Vec<(Digest, Bytes)> = Vec::new();
        let large = record.large_question.as_ref().map(|large| large.digest);
        parts.extend(large.zip(self.question_bytes.clone()));
        parts.push((record.policies.digest, self.policy_list.clone()));
        parts.extend(self.policies.iter().map(|(document, bytes)| (document.digest, bytes.clone())));
        parts.push((record.evidence.digest, self.evidence_list.clone()));
        parts.extend(self.evidence.iter().filter_map(|(entry, bytes)| entry.content().zip(bytes.clone())));
        parts.extend(record.verdict.digest.zip(self.verdict.clone()));
        if with_module {
            parts.extend(self.module.clone().map(|module| (record.module, module)));
        }
        let mut seen = std::collections::HashSet::new();
        parts.retain(|(digest, _)| seen.insert(*digest));
        parts
    }
}

impl Damage {
    pub(crate) const fn new(part: Part, problem: Problem) -> Self {
        Self { part, problem }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => f.write_str("the record"),
            Self::Question => f.write_str("the question"),
            Self::PolicyList => f.write_str("the list of policies"),
            Self::Policy { name } => write!(f, "the policy document {name:?}"),
            Self::EvidenceList => f.write_str("the list of evidence"),
            Self::Evidence { index, need } => write!(f, "evidence {index}, for `{need}`,"),
            Self::Verdict => f.write_str("the verdict"),
            Self::Module => f.write_str("the module"),
            Self::File => f.write_str("the file"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Tampered { found, wanted } => {
                write!(f, "was tampered with: its octets have the digest {found}, not {wanted}")
            }
            Self::Wrong { why } => f.write_str(why),
        }
    }
}

/// The digest of the module in this program.
pub(crate) fn embedded() -> Digest {
    static DIGEST: OnceLock<Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| Digest::of(EMBEDDED))
}

fn fetch(contents: &dyn Contents, wanted: Digest, part: Part) -> Result<Bytes, Damage> {
    let bytes = match contents.content(&wanted) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(Damage::new(part, Problem::Missing)),
        Err(error) => return Err(Damage::new(part, Problem::Wrong { why: format!("cannot be read: {error}") })),
    };
    match Digest::of(&bytes) {
        found if found == wanted => Ok(bytes.into()),
        found => Err(Damage::new(part, Problem::Tampered { found, wanted })),
    }
}

fn list<T: DeserializeOwned>(contents: &dyn Contents, listed: Listed, part: Part) -> Result<(Bytes, Vec<T>), Damage> {
    let bytes = fetch(contents, listed.digest, part.clone())?;
    let entries: Vec<T> = json(&bytes, part.clone())?;
    if entries.len() as u64 != listed.count {
        let why = format!("has {} entries, the record says {}", entries.len(), listed.count);
        return Err(Damage::new(part, Problem::Wrong { why }));
    }
    Ok((bytes, entries))
}

fn json<T: DeserializeOwned>(bytes: &[u8], part: Part) -> Result<T, Damage> {
    let why = |error: serde_json::Error| format!("cannot be read: {error}");
    serde_json::from_slice(bytes).map_err(|error| Damage::new(part, Problem::Wrong { why: why(error) }))
}
