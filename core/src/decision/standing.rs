//! What is settled about a policy before anything that lies in a registry is looked at: a digest that it revokes, an image
//! that it exempts, a glass that was broken.

use super::accepted::Subject;
use super::verdict::{Node, Outcome, PolicyResult};
use super::{Question, Reason};
use crate::digest::Digest;
use crate::limits::{MAX_EXEMPTION_REASON, MAX_SUMMARY};
use crate::policy::{Mode, Policy};
use crate::text::{cut, excerpt};

/// What the policies say for which nothing needs to be looked at, and the others.
pub(super) struct Standing<'p> {
    /// The policies for which signatures are looked for.
    pub(super) open: Vec<&'p Policy>,
    settled: Vec<Option<PolicyResult>>,
}

impl<'p> Standing<'p> {
    pub(super) fn of(matching: &[&'p Policy], subject: Subject<'_>) -> Self {
        let settled: Vec<Option<PolicyResult>> = matching
            .iter()
            .map(|policy| {
                let tree = revoked(policy, subject.digest)
                    .or_else(|| broken(policy, subject.question))
                    .or_else(|| exempted(policy, subject))?;
                Some(PolicyResult { tree, ..PolicyResult::open(policy) })
            })
            .collect();
        let open = matching.iter().zip(&settled).filter(|(_, settled)| settled.is_none()).map(|(policy, _)| *policy);
        Self { open: open.collect(), settled }
    }

    /// What is settled so far, where that is enough to refuse the image: nothing has to be fetched then.
    pub(super) fn refusal(&self) -> Option<Vec<PolicyResult>> {
        let settled = || self.settled.iter().flatten();
        let is_refused = settled().any(|result| super::decides(result.mode) && !result.accepts());
        is_refused.then(|| settled().cloned().collect())
    }

    /// One line for each policy whose glass was broken, or not although somebody wanted to, and for each that would have left
    /// the image alone until a while ago.
    pub(super) fn warnings(&self, subject: Subject<'_>) -> Vec<String> {
        let speaking = self.open.iter().filter(|policy| policy.mode != Mode::Audit);
        let namespace = subject.question.namespace.as_deref();
        let expired = speaking.clone().filter_map(|policy| {
            let exemptions = policy.exemptions(subject.image.repository(), namespace);
            let last = exemptions.max_by_key(|exemption| exemption.until)?;
            let line =
                format!("policy {}: the exemption until {} has expired: {}", policy.name, last.until, last.reason);
            Some(cut(&line, MAX_SUMMARY))
        });
        let whole: Vec<&str> = match subject.question.break_glass {
            Some(_) => speaking.map(|policy| policy.name.as_str()).collect(),
            None => Vec::new(),
        };
        let who = subject.question.user.as_ref().map_or("nobody that is known".to_owned(), |user| excerpt(&user.name));
        let line = cut(&format!("{who} may not break the glass of {}", whole.join(", ")), MAX_SUMMARY);
        let whole = (!whole.is_empty()).then_some(line);
        let broken = self.settled.iter().flatten().filter(|result| result.tree.broken).map(|result| {
            let why = result.tree.exempted.as_deref().unwrap_or_default();
            cut(&format!("policy {}: {}: {why}", result.policy, result.tree.rule), MAX_SUMMARY)
        });
        broken.chain(whole).chain(expired).collect()
    }

    /// What every policy says, in the order of the policies, when these are the results of those that were open.
    pub(super) fn with(self, results: Vec<PolicyResult>) -> Vec<PolicyResult> {
        let mut results = results.into_iter();
        self.settled.into_iter().filter_map(|settled| settled.or_else(|| results.next())).collect()
    }
}

/// An accept, where somebody who may has broken the policy's glass.
fn broken(policy: &Policy, question: &Question) -> Option<Node> {
    let (reason, user) = (question.break_glass.as_ref()?, question.user.as_ref()?);
    let may = policy.break_glass.as_ref()?.lets(user, question.namespace.as_deref());
    let rule = format!("glass broken by {}", excerpt(&user.name));
    let exempted = Some(cut(reason, MAX_EXEMPTION_REASON));
    may.then(|| Node { exempted, broken: true, ..Node::composite(rule, Outcome::Accept, Vec::new()) })
}

/// An accept, where the policy leaves the image alone for now.
fn exempted(policy: &Policy, subject: Subject<'_>) -> Option<Node> {
    let mut exemptions = policy.exemptions(subject.image.repository(), subject.question.namespace.as_deref());
    let exemption = exemptions.find(|exemption| subject.question.now < exemption.until)?;
    let rule = format!("exempt until {}", exemption.until);
    let exempted = Some(cut(&exemption.reason, MAX_EXEMPTION_REASON));
    Some(Node { exempted, ..Node::composite(rule, Outcome::Accept, Vec::new()) })
}

/// A reject, where the policy revokes this digest: whatever is signed, and whoever has signed it.
pub(super) fn revoked(policy: &Policy, digest: &Digest) -> Option<Node> {
    policy.revoked.contains(digest).then(|| {
        let mut node = Node::composite("revoked".to_owned(), Outcome::Reject, Vec::new());
        node.reasons.push(Reason::RevokedDigest { digest: digest.clone() });
        node
    })
}
