//! Files of cases (docs/policy-tests.md): what stands in them, read as strictly as policies are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_core::yaml::Document;
use bulla_engine::Fetched;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::policies::Form;

/// The folder beside policies in which their cases are. Services read `*.yaml` of a folder and never look below it.
pub(super) const FOLDER: &str = "tests";
/// Octets of a file that a case names. 16 MiB: what one decision may fetch.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// The policy, relative to this file; the one of the same name in the folder above unless said.
    #[serde(default)]
    policy: Option<PathBuf>,
    /// Other keys for signers of the policy: PEM, or a file beside this one.
    #[serde(default)]
    pub(super) keys: BTreeMap<String, String>,
    pub(super) cases: Vec<Case>,
}

/// One case: a question, what the registry holds, and the verdict that it is to give.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default)]
    pub(super) image: Option<String>,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// Seconds since 1970.
    #[serde(default)]
    pub(super) now: Option<i64>,
    /// Anything else that the module may be asked with.
    #[serde(default)]
    pub(super) question: Map<String, Value>,
    #[serde(default)]
    signed: Option<Vec<Said>>,
    #[serde(default)]
    platforms: Vec<String>,
    #[serde(default)]
    evidence: Option<Vec<Answer>>,
    #[serde(default)]
    record: Option<PathBuf>,
    #[serde(default)]
    layout: Option<PathBuf>,
    pub(super) expect: Expect,
    /// A code that one of the verdict's reasons must have.
    #[serde(default)]
    pub(super) reason: Option<String>,
    /// What must stand in the verdict's summary, warnings or reasons.
    #[serde(default)]
    pub(super) text: Option<String>,
}

/// The verdict that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expect {
    Accept,
    Reject,
    Unknown,
}

impl Expect {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Unknown => "unknown",
        }
    }
}

/// One signature or attestation that the test makes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// A signer of the policy, or `stranger`: a key that the policy does not name.
    pub(super) by: String,
    #[serde(default)]
    pub(super) form: Kept,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    /// The repository that it was made for, and from which it was copied here.
    #[serde(default, rename = "for")]
    pub(super) made_for: Option<String>,
    /// The repository that it is kept in.
    #[serde(default, rename = "in")]
    pub(super) kept_in: Option<String>,
    /// One of the case's platforms: that leaf is signed, not the index.
    #[serde(default)]
    pub(super) platform: Option<String>,
    /// A predicate type: it is an attestation then.
    #[serde(default)]
    pub(super) attestation: Option<String>,
    #[serde(default)]
    pub(super) predicate: Option<Value>,
}

/// How a signature is kept.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kept {
    #[default]
    Bundle,
    Legacy,
}

impl From<Kept> for Form {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Bundle => Self::Bundle,
            Kept::Legacy => Self::Legacy,
        }
    }
}

/// What came of one need, as in the vectors.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    need: String,
    outcome: Came,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    got: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
    #[serde(default)]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Came {
    Found,
    Digest,
    Absent,
    TooLarge,
    Failed,
}

/// What the registry holds in a case.
#[derive(Debug)]
pub(super) enum Holds<'c> {
    /// An image, with what is said about it; of several platforms where some are named.
    Made { signed: &'c [Said], platforms: &'c [String] },
    /// These answers.
    Answers(Vec<(String, Fetched)>),
    /// What an exported record has.
    Record(PathBuf),
    /// A folder.
    Layout(PathBuf),
}

impl Cases {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let bytes = limited(file)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("{shown}: not UTF-8"))?;
        let documents = Document::read_all(text).map_err(|error| anyhow!("{shown}:{error}"))?;
        let [document] = documents.as_slice() else {
            bail!("{shown}: {} documents, a file of cases is one", documents.len());
        };
        let cases: Self = document.shape().map_err(|error| match error.path.is_empty() {
            true => anyhow!("{shown}:{error}"),
            false => anyhow!("{shown}:{}:{}: {}: {}", error.place.line, error.place.column, error.path, error.message),
        })?;
        if cases.cases.is_empty() {
            bail!("{shown}: no cases");
        }
        for (index, case) in cases.cases.iter().enumerate() {
            let wrong = |message: String| anyhow!("{shown}:{}", document.error(&format!("cases[{index}]"), message));
            if cases.cases.iter().take(index).any(|other| other.name == case.name) {
                return Err(wrong(format!("two cases have the name {:?}", case.name)));
            }
            case.holds(file).map_err(|error| wrong(format!("case {:?}: {error:#}", case.name)))?;
        }
        Ok(cases)
    }

    /// The policy that a file of cases is about: the one it names, or that of its name in the folder above.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn policy(&self, file: &Path) -> Result<PathBuf> {
        if let Some(named) = &self.policy {
            return Ok(beside(file, named));
        }
        let above = file.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        let name = file.file_name().unwrap_or_default();
        let policy = above.join(name);
        if policy.is_file() {
            return Ok(policy);
        }
        bail!("{}: there is no {}; name it with `policy:`", file.display(), policy.display())
    }
}

impl Case {
    /// What the registry holds.
    ///
    /// # Errors
    /// When that is said in no way or in two, or what is said makes no sense.
    pub(super) fn holds(&self, file: &Path) -> Result<Holds<'_>> {
        let said = [self.signed.is_some(), self.evidence.is_some(), self.record.is_some(), self.layout.is_some()];
        if said.iter().filter(|said| **said).count() != 1 {
            bail!("say what the registry holds: one of `signed`, `evidence`, `record`, `layout`");
        }
        if self.image.is_none() && self.record.is_none() {
            bail!("`image` is missing");
        }
        if self.signed.is_none() && !self.platforms.is_empty() {
            bail!("`platforms` goes with `signed`");
        }
        if let Some(signed) = &self.signed {
            signed.iter().try_for_each(|said| said.check(&self.platforms))?;
            return Ok(Holds::Made { signed, platforms: &self.platforms });
        }
        if let Some(answers) = &self.evidence {
            let answers = answers.iter().map(|answer| Ok((answer.need.clone(), answer.fetched(file)?)));
            return answers.collect::<Result<_>>().map(Holds::Answers);
        }
        match (&self.record, &self.layout) {
            (Some(record), _) => Ok(Holds::Record(beside(file, record))),
            (_, layout) => Ok(Holds::Layout(beside(file, layout.as_deref().unwrap_or(Path::new(""))))),
        }
    }
}

impl Said {
    fn check(&self, platforms: &[String]) -> Result<()> {
        if self.attestation.is_some() != self.predicate.is_some() {
            bail!("`attestation` and `predicate` go together");
        }
        match &self.platform {
            Some(platform) if !platforms.contains(platform) => {
                bail!("{platform:?} is none of the case's `platforms`")
            }
            _ => Ok(()),
        }
    }
}

impl Answer {
    fn fetched(&self, file: &Path) -> Result<Fetched> {
        let bytes = match (&self.text, &self.base64, &self.file) {
            (Some(text), None, None) => Some(text.clone().into_bytes()),
            (None, Some(text), None) => Some(STANDARD.decode(text).context("`base64`")?),
            (None, None, Some(named)) => Some(limited(&beside(file, named))?),
            (None, None, None) => None,
            _ => bail!("{}: one of `text`, `base64`, `file`", self.need),
        };
        let fields = (bytes, &self.media_type, &self.digest, self.got, &self.reason);
        Ok(match (self.outcome, fields) {
            (Came::Found, (Some(bytes), media_type, None, None, None)) => {
                Fetched::Bytes { bytes: bytes.into(), media_type: media_type.clone() }
            }
            (Came::Digest, (None, None, Some(digest), None, None)) => Fetched::Digest(digest.clone()),
            (Came::Absent, (None, None, None, None, None)) => Fetched::Absent,
            (Came::TooLarge, (None, None, None, Some(got), None)) => Fetched::TooLarge { got },
            (Came::Failed, (None, None, None, None, Some(reason))) => Fetched::Failed { reason: reason.clone() },
            _ => bail!(
                "{}: found takes `text`, `base64` or `file`, and perhaps `mediaType`; digest takes `digest`, tooLarge \
                 `got`, failed `reason`, absent nothing",
                self.need
            ),
        })
    }
}

/// A path in a file, which is relative to that file.
pub(super) fn beside(file: &Path, named: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(named)
}

fn limited(file: &Path) -> Result<Vec<u8>> {
    let shown = || file.display().to_string();
    let size = file.metadata().with_context(shown)?.len();
    if size > MAX_FILE_BYTES {
        bail!("{}: {size} octets, at most {MAX_FILE_BYTES} are read", shown());
    }
    std::fs::read(file).with_context(shown)
}
