//! Whether a tag was signed as Docker Content Trust signs: the role files of its collection, updated as a client does, and what
//! they say about the tag (docker/cli, cli/trust; notary, client/tufclient.go).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Reason;
use super::accepted::{Signed, Subject};
use super::asking::Asking;
use super::checks::Pass;
use super::conditions::{self, Said};
use super::identity::Identity;
use super::place::{Holder, Place};
use crate::evidence::{Evidence, Need, Outcome};
use crate::key::Fingerprint;
use crate::ordered::Ordered as _;
use crate::policy::{Condition, ContentTrust};
use crate::tuf::resolve::{Found, ResolveError};
use crate::tuf::role::Gun;
use crate::tuf::{self, Fetched, Files, Remembered, Repository, Request, Step, TrustError};

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
    let (trust, image) = (signer.trust, subject.image.repository());
    let gun = trust.gun_of(image);
    let server = host_of(&trust.server_of(image)).to_owned();
    let need = Need::remembered(&server, &gun);
    let remembered = remembered(&need, ask)?;
    let is_known = ask.get(&need).is_some();
    let evidence = ask.evidence();
    let files = files(&server, &gun, evidence);
    pass.spend_on_roles(files.len()).map_err(Some)?;
    let request = Request {
        gun: &gun,
        pins: &trust.pins,
        roles: &trust.lookup.roles(),
        now: subject.question.now,
        remembered: remembered.as_ref(),
        minimum_versions: &trust.minimum_versions,
    };
    let repository = match tuf::update(&request, &files) {
        Ok(Step::Settled(repository)) => *repository,
        Ok(Step::Needs(needs)) => {
            for need in needs {
                let need = Need::role(&server, &gun, &need.file, need.limit);
                if let Some(Outcome::TooLarge { got }) = ask.get(&need) {
                    let (limit, got) = (need.limit, *got);
                    return Err(Some(Reason::Budget { what: "octets of a role file", limit, got }));
                }
            }
            return Err(None);
        }
        Ok(Step::Unknown(missing)) => {
            let first = missing.into_iter().next();
            let (file, reason) = first.map_or_else(Default::default, |missing| (missing.file, missing.reason));
            return Err(Some(Reason::Unfetched { need: Need::role(&server, &gun, &file, 0).id(), reason }));
        }
        Err(error) => return Err(Some(Reason::ContentTrust { code: code(&error), what: error.to_string() })),
    };
    // Whether these are older files than what was seen before is not known before the host has said.
    if !is_known {
        return Err(None);
    }
    ask.remember(format!("{server} {gun}"), repository.remember().clone());
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

/// What the host remembers of the collection. One that it cannot read is unknown: it could hide that this is an old one.
fn remembered(need: &Need, ask: &mut Asking<'_>) -> Result<Option<Remembered>, Option<Reason>> {
    let unknown = |reason: String| Err(Some(Reason::Unfetched { need: need.id(), reason }));
    match ask.get(need) {
        None => Ok(None),
        Some(Outcome::Absent) => Ok(None),
        Some(Outcome::Found { bytes, .. }) => match serde_json::from_slice(bytes) {
            Ok(remembered) => Ok(Some(remembered)),
            Err(error) => unknown(format!("what this host remembers cannot be read: {error}")),
        },
        Some(other) => Err(Some(Reason::unfetched(need, other))),
    }
}

/// What was fetched of the collection so far.
fn files<'e>(server: &str, gun: &Gun, evidence: &'e Evidence) -> Files<'e> {
    let prefix = Need::role(server, gun, "", 0).id();
    let named = evidence.starting_with(&prefix);
    let fetched = named.into_iter().filter_map(|(file, outcome)| {
        let fetched = match outcome {
            Outcome::Found { bytes, .. } => Fetched::Bytes(bytes),
            Outcome::Absent => Fetched::NotFound,
            Outcome::Failed { reason } => Fetched::Failed(reason),
            Outcome::TooLarge { .. } => return None,
            Outcome::Digest(_) => Fetched::Failed("evidence of another kind than was asked for"),
        };
        Some((file.to_owned(), fetched))
    });
    fetched.collect()
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

/// `host:port` of `https://host:port`.
fn host_of(server: &str) -> &str {
    server.strip_prefix("https://").unwrap_or(server)
}

/// Stable, for programs: which attack or which rule.
const fn code(error: &TrustError) -> &'static str {
    match error {
        TrustError::NotFound { .. } | TrustError::NotInSnapshot(_) | TrustError::NotDelegated { .. } => "trust-absent",
        TrustError::Endless { .. } => "trust-endless",
        TrustError::Length { .. } | TrustError::Hash { .. } => "trust-hash",
        TrustError::MixAndMatch { .. } => "trust-mix-and-match",
        TrustError::Threshold { .. } => "trust-threshold",
        TrustError::Expired { .. } => "trust-expired",
        TrustError::Rollback { .. } | TrustError::OtherContent { .. } | TrustError::BelowMinimum { .. } => {
            "trust-rollback"
        }
        TrustError::NoPin(_) | TrustError::NotPinned { .. } | TrustError::NoRootKey { .. } => "trust-root",
        TrustError::Rotation { .. } | TrustError::RootVersion { .. } | TrustError::RootChain { .. } => "trust-rotation",
        _ => "trust-format",
    }
}
