//! From a tag to a digest, and from a digest to tags (docker/cli, cli/trust; notary, client/reader.go).

use std::collections::BTreeSet;

use super::error::TrustError;
use super::role::Role;
use super::trusted::Repository;
use crate::digest::{Algorithm, Digest};
use crate::ordered::Ordered as _;
use crate::text::excerpt;

/// Which roles say what a tag is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The first of these that has the tag, as Docker's clients do with `targets/releases` and `targets`. Roles that were never
    /// delegated to are passed over; one that is there and not believed ends it.
    FirstOf(Vec<Role>),
    /// Every one of these, and all say the same.
    AllOf(BTreeSet<Role>),
}

/// What a tag is, as roles say that are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The tag.
    pub tag: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Octets of its manifest.
    pub length: u64,
    /// The roles that say so.
    pub roles: Vec<Role>,
}

/// Why a tag is nothing that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No role that is asked has the tag. Delegations that were passed over might have had it.
    #[error("{tag:?} is not signed in {}{}", names(.roles), over(.passed_over))]
    NotSigned {
        /// The tag.
        tag: String,
        /// The roles that were asked.
        roles: Vec<Role>,
        /// Those that were passed over, with the reason.
        passed_over: Vec<String>,
    },
    /// The role has the tag and may not name it.
    #[error("{role} has {tag:?}, and may only name what begins with one of {paths:?}")]
    OutsidePaths {
        /// The role.
        role: Role,
        /// The tag.
        tag: String,
        /// What its targets may begin with.
        paths: Vec<String>,
    },
    /// The role has the tag without a SHA-256, so that it names no manifest.
    #[error("{role} has {tag:?} without a sha256")]
    NoSha256 {
        /// The role.
        role: Role,
        /// The tag.
        tag: String,
    },
    /// A role that is required counts for nothing, or one that is asked first has disappeared.
    #[error("{role} is required: {reason}")]
    Required {
        /// The role.
        role: Role,
        /// Why.
        reason: Box<TrustError>,
    },
    /// A role that is required does not have the tag.
    #[error("{role} is required, and has no {tag:?}")]
    NotIn {
        /// The role.
        role: Role,
        /// The tag.
        tag: String,
    },
    /// Two roles that are required say different things.
    #[error("{} says {} of {} octets, and {} says {} of {} octets", names(&.one.roles), .one.digest, .one.length, names(&.other.roles), .other.digest, .other.length)]
    Disagree {
        /// What one says.
        one: Box<Found>,
        /// What the other says.
        other: Box<Found>,
    },
    /// The tag is another digest than the one that is asked about.
    #[error("{tag:?} is {signed}, not {asked}")]
    OtherDigest {
        /// The tag.
        tag: String,
        /// What it is.
        signed: Digest,
        /// What was asked about.
        asked: Digest,
    },
    /// The manifest has another length than the one that was signed.
    #[error("{tag:?} has {signed} octets, and the manifest has {got}")]
    OtherLength {
        /// The tag.
        tag: String,
        /// Octets that were signed.
        signed: u64,
        /// Octets that the manifest has.
        got: u64,
    },
}

impl Lookup {
    /// What Docker's clients ask: `targets/releases`, then `targets`.
    pub fn docker() -> Self {
        Self::FirstOf(vec![Role::releases(), Role::targets()])
    }

    /// The roles that it asks: those to put into [`super::Request::roles`].
    pub fn roles(&self) -> BTreeSet<Role> {
        match self {
            Self::FirstOf(roles) => roles.iter().cloned().into_set(),
            Self::AllOf(roles) => roles.clone(),
        }
    }
}

impl Repository<'_> {
    /// What a tag is.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub fn resolve(&self, tag: &str, lookup: &Lookup) -> Result<Found, ResolveError> {
        match lookup {
            Lookup::FirstOf(roles) => self.first_of(tag, roles),
            Lookup::AllOf(roles) => self.all_of(tag, roles),
        }
    }

    /// The tags that are this digest: of each, what it is to whoever asks for it.
    pub fn tags_of(&self, digest: &Digest, lookup: &Lookup) -> Vec<Found> {
        let mut sha256 = [0; 32];
        if digest.algorithm() != Algorithm::Sha256 || hex::decode_to_slice(digest.encoded(), &mut sha256).is_err() {
            return Vec::new();
        }
        let roles = lookup.roles();
        let files = roles.iter().filter_map(|role| self.targets.get(role));
        // Only names that some role gives this digest are resolved: each costs a few look-ups, whatever the others are.
        let names =
            files.flat_map(|file| file.file.content.targets()).filter(|(_, target)| target.sha256 == Some(sha256));
        let names = names.map(|(name, _)| name).into_set();
        let found = names.into_iter().filter_map(|name| self.resolve(name, lookup).ok());
        found.filter(|found| found.digest == *digest).collect()
    }

    fn first_of(&self, tag: &str, roles: &[Role]) -> Result<Found, ResolveError> {
        let mut passed_over = Vec::new();
        for role in roles {
            match self.said(tag, role) {
                Ok(Some((digest, length))) => {
                    return Ok(Found { tag: tag.to_owned(), digest, length, roles: vec![role.clone()] });
                }
                Ok(None) => {}
                // A role that is there and not believed (expired, under its threshold, withdrawn) would let an older word of
                // another role count. Docker's clients pass over it; here that is nobody's decision but the owner's.
                Err(error @ ResolveError::Required { .. }) if self.has(role) => return Err(error),
                // Notary does not look into a role for names that it may not have.
                Err(problem @ (ResolveError::Required { .. } | ResolveError::OutsidePaths { .. })) => {
                    passed_over.push(problem.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Err(ResolveError::NotSigned { tag: excerpt(tag), roles: roles.to_vec(), passed_over })
    }

    /// Whether the collection has the role, believed or not. One that was never delegated to is not there.
    fn has(&self, role: &Role) -> bool {
        match self.skipped.get(role) {
            Some(TrustError::NotDelegated { .. } | TrustError::NotInSnapshot(_)) => false,
            Some(TrustError::ParentSkipped { parent, .. }) => self.has(parent),
            Some(_) => true,
            None => self.targets.contains_key(role),
        }
    }

    fn all_of(&self, tag: &str, roles: &BTreeSet<Role>) -> Result<Found, ResolveError> {
        let mut first: Option<Found> = None;
        for role in roles {
            let said = self.said(tag, role)?;
            let (digest, length) = said.ok_or_else(|| ResolveError::NotIn { role: role.clone(), tag: excerpt(tag) })?;
            let other = Found { tag: tag.to_owned(), digest, length, roles: vec![role.clone()] };
            match &mut first {
                None => first = Some(other),
                Some(one) if (&one.digest, one.length) != (&other.digest, other.length) => {
                    return Err(ResolveError::Disagree { one: Box::new(one.clone()), other: Box::new(other) });
                }
                Some(one) => one.roles.push(role.clone()),
            }
        }
        let none = || ResolveError::NotSigned { tag: excerpt(tag), roles: Vec::new(), passed_over: Vec::new() };
        first.ok_or_else(none)
    }

    /// What one role says about a tag.
    fn said(&self, tag: &str, role: &Role) -> Result<Option<(Digest, u64)>, ResolveError> {
        let Some(targets) = self.targets.get(role) else {
            let reason = self.skipped.get(role).cloned().unwrap_or_else(|| TrustError::NotInSnapshot(role.clone()));
            return Err(ResolveError::Required { role: role.clone(), reason: Box::new(reason) });
        };
        let Some(target) = targets.file.content.targets().get(tag) else { return Ok(None) };
        if !targets.may_name(tag) {
            let paths = targets.paths.clone();
            return Err(ResolveError::OutsidePaths { role: role.clone(), tag: excerpt(tag), paths });
        }
        let digest = target.sha256.and_then(|it| Digest::parse(&format!("sha256:{}", hex::encode(it))).ok());
        let digest = digest.ok_or_else(|| ResolveError::NoSha256 { role: role.clone(), tag: excerpt(tag) })?;
        Ok(Some((digest, target.length)))
    }
}

impl Found {
    /// Holds what was signed against a manifest.
    ///
    /// # Errors
    /// [`ResolveError::OtherDigest`], [`ResolveError::OtherLength`].
    pub fn check(&self, manifest: &[u8]) -> Result<(), ResolveError> {
        if let Err(mismatch) = self.digest.check(manifest) {
            let tag = excerpt(&self.tag);
            return Err(ResolveError::OtherDigest { tag, signed: self.digest.clone(), asked: mismatch.got });
        }
        let got = u64::try_from(manifest.len()).unwrap_or(u64::MAX);
        if got == self.length {
            return Ok(());
        }
        Err(ResolveError::OtherLength { tag: excerpt(&self.tag), signed: self.length, got })
    }
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(Role::name).collect::<Vec<_>>().join(" or ")
}

fn over(passed_over: &[String]) -> String {
    if passed_over.is_empty() { String::new() } else { format!(" (passed over: {})", passed_over.join("; ")) }
}
