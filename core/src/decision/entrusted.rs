//! Whether a tag was signed as Docker Content Trust signs: the role files of its collection, updated as a client does, and what
//! they say about the tag (docker/cli, cli/trust; notary, client/tufclient.go).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Reason;
use super::accepted::{Signed, Subject};
use super::asking::Asking;
use super::checks::Pass;
use super::collection::{Collection, Look, remembered, too_large};
use super::conditions::{self, Said};
use super::identity::Identity;
use super::place::{Holder, Place};
use crate::key::Fingerprint;
use crate::ordered::Ordered as _;
use crate::policy::{Condition, ContentTrust};
use crate::tuf::resolve::{Found, ResolveError};
use crate::tuf::{self, Repository, Step, TrustError};

/// What conditions see as the type of what was signed.
const TARGETS: &str = "Targets";

/// A signer of Docker Content Trust, as a policy names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whom<'p> {
    /// Its name.
    pub(super) name: &'p str,
    /// Where its role files are, and what is pinned.
    pub(super) trust: &'p ContentTrust,
    /// What must hold beyond that.
    pub(super) conditions: &'p [Condition],
}

/// Looks whether the roles that count say that the tag is this digest. Role files are asked for on the way.
pub(super) fn by(signer: Whom<'_>, subject: Subject<'_>, (ask, pass): (&mut Asking<'_>, &mut Pass<'_>)) -> Signed {
    judge(signer, subject, ask, pass).unwrap_or_else(|reason| Signed::not(reason.into_iter().collect()))
}

/// `Err(None)`: something is still to be fetched.
fn judge(
    signer: Whom<'_>,
    subject: Subject<'_>,
    ask: &mut Asking<'_>,
    pass: &mut Pass<'_>,
) -> Result<Signed, Option<Reason>> {
    let trust = signer.trust;
    let collection = Collection::of(trust, subject.image.repository());
    let memory = collection.memory();
    // What is remembered comes first: files that were fetched later are never older, whoever publishes and remembers meanwhile.
    let Some(known) = remembered(&memory, ask.get(&memory)).map_err(Some)? else { return Err(None) };
    // Another signer may have looked at the same collection just now, and at other roles.
    let seen = ask.to_remember().get(&collection.name()).cloned().or(known);
    let roles = trust.lookup.roles();
    let beside = BTreeSet::new();
    let look = Look { roles: &roles, beside: &beside, now: subject.question.now, remembered: seen.as_ref() };
    let evidence = ask.evidence();
    let mut budget = pass.budget_for_roles();
    let updated = tuf::update(&collection.request(&look), &collection.files(evidence, &beside), &mut budget);
    let spent = pass.spent_on_roles(budget);
    let repository = match updated {
        Ok(Step::Settled(repository)) => *repository,
        Ok(Step::Needs(needs)) => {
            for need in needs {
                let need = collection.need(&need.file, need.limit);
                if let Some(reason) = too_large(&need, ask.get(&need)) {
                    return Err(Some(reason));
                }
            }
            return Err(None);
        }
        Ok(Step::Unknown(missing)) => return Err(Some(collection.missing(missing))),
        Err(TrustError::Work) => {
            let limit = u64::from(spent);
            let got = limit.saturating_add(1);
            return Err(Some(Reason::Budget { what: "units of signature checks", limit, got }));
        }
        Err(error) => return Err(Some(Reason::ContentTrust { code: error.code(), what: error.to_string() })),
    };
    ask.remember(collection.name(), repository.remember().clone());
    let found = resolve(&repository, trust, subject)
        .map_err(|error| Some(Reason::ContentTrust { code: "trust-tag", what: error.to_string() }))?;
    let keys = keys(&repository, &found);
    let Some(key) = keys.first().copied() else { return Err(None) };
    let place = Place { holder: Holder::RoleFile, number: 1, manifest: None };
    let annotations: BTreeMap<String, Value> = BTreeMap::new();
    let said = Said {
        place: &place,
        predicate: None,
        predicate_type: TARGETS,
        annotations: &annotations,
        signer: signer.name,
        key: Some(key),
        certificate: None,
        signed: None,
        timestamp: None,
    };
    conditions::hold(signer.conditions, said, subject, &mut pass.steps).map_err(Some)?;
    let mut signed = Signed::at(place);
    signed.key = Some(key);
    signed.who = keys.into_iter().map(Identity::Key).into_set();
    Ok(signed)
}

/// What the roles say about the image as it was asked for: by its tag, or by a digest that some tag has.
fn resolve(repository: &Repository<'_>, trust: &ContentTrust, subject: Subject<'_>) -> Result<Found, ResolveError> {
    let Some(tag) = subject.image.tag() else {
        let found = repository.tags_of(subject.digest, &trust.lookup).into_iter().next();
        let roles = trust.lookup.roles().into_iter().collect();
        let tag = subject.digest.to_string();
        return found.ok_or(ResolveError::NotSigned { tag, roles, passed_over: Vec::new() });
    };
    let found = repository.resolve(tag, &trust.lookup)?;
    if found.digest == *subject.digest {
        return Ok(found);
    }
    Err(ResolveError::OtherDigest { tag: found.tag, signed: found.digest, asked: subject.digest.clone() })
}

/// The keys that have signed what the roles say.
fn keys(repository: &Repository<'_>, found: &Found) -> BTreeSet<Fingerprint> {
    let files = found.roles.iter().filter_map(|role| repository.targets().get(role));
    let signers = files.flat_map(|targets| {
        let listed = &targets.file().keys().keys;
        targets.file().signers().iter().filter_map(|id| listed.get(id)?.as_ref().ok())
    });
    signers.map(|key| key.public().fingerprint()).into_set()
}
