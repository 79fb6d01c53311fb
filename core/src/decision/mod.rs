//! Decisions: a question and evidence give needs, or a verdict. There is no other way to a verdict.
//!
//! [`decide`] is a pure function. [`Session`] calls it again each time evidence comes; what it gives in the end is what
//! [`decide`] gives with all of the evidence at once.

mod accepted;
mod asking;
mod blob;
mod checks;
mod collection;
mod conditions;
mod entrusted;
mod gather;
mod identity;
mod inspect;
mod leaves;
mod notarized;
mod overview;
mod place;
mod reason;
mod session;
mod standing;
mod tree;
mod verdict;

pub use blob::{BlobQuestion, BlobReason, BlobStep, BlobVerdict, about_blob};
pub use checks::Checks;
pub use collection::{Asked, Collection, CollectionError};
pub use identity::Identity;
pub use inspect::{
    Claimed, Contents, Entry, EntryKind, InspectStep, Inspection, ListedLeaf, Listing, Maker, NotationEntry, inspect,
};
pub use overview::{KeyOverview, Overview, RoleOverview, SkippedOverview, Tag, overview};
pub use place::{Holder, Place};
pub use reason::Reason;
pub use session::Session;
pub use verdict::{CheckNote, Findings, Form, Node, Outcome, Permit, PolicyResult, Verdict};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::asking::Asking;
use self::checks::Pass;
use self::conditions::Surroundings;
use self::gather::{Gathered, Target, Wanted};
use self::standing::Standing;
use crate::digest::Digest;
use crate::evidence::{self, Evidence, Need};
use crate::ordered::Ordered as _;
use crate::policy::{Circumstances, Mode, Policy, PolicySet, User};
use crate::reference::{Reference, Repository};
use crate::time::UnixTime;

/// What is asked: may this image run, now, here? A projection: never the object that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The image, as it was asked for. A text that is not a reference is rejected, not an error.
    pub image: String,
    /// When.
    pub now: UnixTime,
    /// The Kubernetes namespace, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What is done to the Kubernetes object that names it, where there is one: `CREATE` or `UPDATE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The labels of that object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Who asks for it, as the API server has authenticated them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Why the image is to run whatever is signed: the annotation `bulla.dev/break-glass` of that object. It counts where a
    /// policy lets this user break its glass, and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
}

impl Question {
    fn circumstances(&self) -> Circumstances<'_> {
        let (namespace, operation) = (self.namespace.as_deref(), self.operation.as_deref());
        Circumstances { namespace, operation, labels: self.labels.as_ref() }
    }
}

/// How far a decision has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// These are to be fetched, all at once.
    Needs(Vec<Need>),
    /// It is settled.
    Settled(Box<Verdict>),
}

/// Decides, as far as the evidence goes. `checks` remembers signature checks between calls; it never changes the outcome.
pub fn decide(policies: &PolicySet, question: &Question, evidence: &Evidence, checks: &mut Checks) -> Step {
    let image = match Reference::parse(&question.image) {
        Ok(image) => image,
        Err(error) => {
            let shown = crate::text::excerpt(&question.image);
            return Findings::new(&shown, None).reject(Reason::Reference { what: error.to_string() });
        }
    };
    let repository = image.repository();
    let circumstances = question.circumstances();
    let mut findings = Findings::new(&image.to_string(), Some(repository));
    let matching = policies.matching(repository, circumstances);
    // A policy for something in particular that the question does not tell never grants by itself.
    if matching.iter().all(|policy| policy.unknown(circumstances).is_some()) {
        // Nothing is fetched for an image that no policy speaks about: its registry is named by nobody we trust.
        return findings.reject(Reason::NoPolicy {
            repository: repository.to_string(),
            without: matching.iter().find_map(|policy| policy.unknown(circumstances)),
        });
    }
    findings.enforced = matching.iter().any(|policy| decides(policy.mode));
    let mut ask = Asking::new(evidence);
    let wants_manifest = matching.iter().any(|policy| policy.asks_for_manifest());
    let digest = match subject(&image, wants_manifest, &mut ask) {
        Subject::Known(digest) => digest,
        Subject::Asked => return ask.end().map_or_else(|reason| findings.unknown(reason), Step::Needs),
        Subject::Absent(reason) => return findings.reject(reason),
        Subject::Unknown(reason) => return findings.unknown(reason),
    };
    findings.subject(&image, &digest);

    let surroundings = &Surroundings::of(question, &image, &digest, None);
    let subject = accepted::Subject { image: &image, digest: &digest, surroundings, question };
    let standing = Standing::of(&matching, subject);
    if let Some(refused) = standing.refusal() {
        return findings.settle(refused, repository, &digest);
    }
    findings.warnings = standing.warnings(subject);
    let open = &standing.open;
    let mut results: Vec<PolicyResult> = open.iter().map(|policy| PolicyResult::open(policy)).collect();
    let mut pass = checks.pass();
    let found = shelf_by_shelf(open, &mut results, subject, &mut ask, &mut pass);
    let is_whole = found.is_some() && leaves::evaluate(open, &mut results, subject, &mut ask, &mut pass);
    let is_accepted = results.iter().filter(|result| decides(result.mode)).all(PolicyResult::accepts);
    findings.remember = ask.to_remember().clone();
    match ask.end() {
        // What was accepted stays so, when there is no room left to ask on behalf of policies that only speak.
        Err(_) if is_accepted && findings.enforced => {}
        Err(reason) => return findings.unknown(reason),
        Ok(needs) if !is_whole => return Step::Needs(needs),
        Ok(_) => {}
    }
    // What lies there unread is named, so that nobody takes "rejected" for "unsigned".
    if results.iter().any(|result| result.tree.outcome == Outcome::Reject) {
        findings.other_forms(found.unwrap_or_default());
    }
    findings.settle(standing.with(results), repository, &digest)
}

/// Looks at one shelf after the other: what is found on the likeliest costs no request for the next. Gives what lies there
/// unread; `None` while something is still to be fetched.
fn shelf_by_shelf(
    matching: &[&Policy],
    results: &mut [PolicyResult],
    subject: accepted::Subject<'_>,
    ask: &mut Asking<'_>,
    pass: &mut Pass<'_>,
) -> Option<BTreeMap<String, usize>> {
    let repository = subject.image.repository();
    let wanted = Wanted::by(matching, repository);
    let shelves = wanted.values().map(|wanted| wanted.shelves().len()).max().unwrap_or_default().max(1);
    // Where only role files count, they come first, and what lies on the shelves is only named.
    let first = usize::from(!wanted.values().all(Wanted::is_elsewhere));
    for looked_at in first..=shelves {
        let Some(gathered) = gather_all(&wanted, repository, subject.digest, looked_at, ask) else {
            // Role files lie elsewhere and are asked for meanwhile. What they say is looked at when everything is there.
            tree::ask_ahead(matching, subject, (ask, pass));
            return None;
        };
        // Policies that decide come first: others must not spend the work that these need. What accepts goes on doing so.
        for deciding in [true, false] {
            for (policy, result) in matching.iter().zip(results.iter_mut()) {
                if decides(policy.mode) == deciding && !result.accepts() {
                    result.tree = tree::evaluate(policy, &gathered, subject, (ask, pass));
                }
            }
        }
        let are_all_accepted = results.iter().all(PolicyResult::accepts);
        // What certificates name is asked for while signatures are looked at.
        if ask.is_waiting() && !are_all_accepted {
            return None;
        }
        if looked_at == shelves || are_all_accepted {
            return Some(gather::unread(&gathered));
        }
    }
    None
}

/// Gathers from the first shelves of every repository that policies name. `None` while something is to be fetched; then
/// everything that can be asked for already has been.
fn gather_all<'e>(
    wanted: &BTreeMap<Repository, Wanted>,
    image: &Repository,
    digest: &Digest,
    looked_at: usize,
    ask: &mut Asking<'e>,
) -> Option<BTreeMap<Repository, Gathered<'e>>> {
    let gathered: Vec<_> = wanted
        .iter()
        .map(|(repository, wanted)| {
            let shelves: Vec<_> = wanted.shelves().into_iter().take(looked_at).collect();
            let target = Target { image, place: repository, digest };
            Gathered::collect(target, wanted, &shelves, ask).map(|found| (repository.clone(), found))
        })
        .collect();
    gathered.into_iter().map(|found| found.ok_or(())).try_into_map().ok()
}

enum Subject {
    Known(Digest),
    Asked,
    Absent(Reason),
    Unknown(Reason),
}

/// The digest that the decision is about. It is settled once; everything after it is by digest.
fn subject(image: &Reference, wants_manifest: bool, ask: &mut Asking<'_>) -> Subject {
    if let Some(digest) = image.digest() {
        return Subject::Known(digest.clone());
    }
    // Whoever needs the manifest itself has its digest with it, in one request.
    let tag = image.tag().unwrap_or("latest");
    let need =
        if wants_manifest { Need::manifest(image.repository(), tag) } else { Need::resolve(image.repository(), tag) };
    let claimed = match ask.get(&need) {
        None => return Subject::Asked,
        Some(evidence::Outcome::Digest(claimed)) => Digest::parse(claimed),
        Some(evidence::Outcome::Found { bytes, media_type }) => {
            let digest = Digest::sha256(bytes);
            ask.came_by_tag(digest.clone(), bytes, media_type.as_deref());
            Ok(digest)
        }
        Some(evidence::Outcome::Absent) => return Subject::Absent(Reason::ImageAbsent { image: image.to_string() }),
        Some(other) => return Subject::Unknown(Reason::unfetched(&need, other)),
    };
    match claimed {
        Ok(digest) => Subject::Known(digest),
        Err(error) => {
            Subject::Unknown(Reason::Unfetched { need: need.id(), reason: format!("the registry answered: {error}") })
        }
    }
}

/// Whether an outcome under this mode decides about the image; the other modes only speak.
const fn decides(mode: Mode) -> bool {
    matches!(mode, Mode::Enforce)
}
