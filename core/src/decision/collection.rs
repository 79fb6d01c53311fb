//! A collection of Docker Content Trust, as a signer of a policy names it: where it is, what was fetched of it, and the look at
//! it that everything else rests on. Decisions, overviews and changes all go through here.

use core::fmt;
use std::collections::BTreeSet;

use super::Reason;
use crate::evidence::{Evidence, Need, Outcome};
use crate::ordered::Ordered as _;
use crate::policy::ContentTrust;
use crate::reference::Repository;
use crate::time::UnixTime;
use crate::tuf::role::{Gun, Role};
use crate::tuf::{self, Budget, Fetched, Files, Missing, Remembered, Request, Step, TrustError};

/// Where a collection is, and with which pins it is looked at.
#[derive(Debug, Clone)]
pub struct Collection<'c> {
    trust: &'c ContentTrust,
    server: String,
    gun: Gun,
    pins: String,
}

/// What a look at a collection needs beside evidence.
pub(super) struct Look<'l> {
    pub(super) roles: &'l BTreeSet<Role>,
    pub(super) beside: &'l BTreeSet<Role>,
    pub(super) now: UnixTime,
    pub(super) remembered: Option<&'l Remembered>,
}

/// How far somebody has come who asks for a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked<T> {
    /// These are to be fetched, all at once.
    Needs(Vec<Need>),
    /// It was looked at.
    Settled(T),
}

/// Why a collection is not shown, or is no base for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionError {
    /// Stable, for programs: which attack or which rule.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl fmt::Display for CollectionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<TrustError> for CollectionError {
    fn from(error: TrustError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl<'c> Collection<'c> {
    /// The collection that a signer asks about an image of this repository.
    pub fn of(trust: &'c ContentTrust, image: &Repository) -> Self {
        let server = trust.server_of(image);
        let host = server.strip_prefix("https://").unwrap_or(&server);
        Self { trust, server: host.to_owned(), gun: trust.gun_of(image), pins: trust.pins.digest() }
    }

    /// Its name.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The host of the server that has it, as `host[:port]`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The name under which it is kept what was seen of it: server, collection and a digest of the pins.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.server, self.gun, self.pins)
    }

    /// What the host remembers of it.
    pub(super) fn memory(&self) -> Need {
        Need::remembered(&self.server, &self.gun, &self.pins)
    }

    /// One of its role files.
    pub(super) fn need(&self, file: &str, limit: u64) -> Need {
        Need::role(&self.server, &self.gun, file, limit)
    }

    /// What was fetched of it so far.
    ///
    /// Of a file of which the host says that it is too large nothing is known: its word alone refutes nothing. For one `beside`
    /// those that count that is an answer.
    pub(super) fn files<'e>(&self, evidence: &'e Evidence, beside: &BTreeSet<Role>) -> Files<'e> {
        let prefix = self.need("", 0).id();
        let named = evidence.starting_with(&prefix);
        let fetched = named.into_iter().filter_map(|(file, outcome)| {
            let fetched = match outcome {
                Outcome::Found { bytes, .. } => Fetched::Bytes(bytes),
                Outcome::Absent => Fetched::NotFound,
                Outcome::Failed { reason } => Fetched::Failed(reason),
                Outcome::TooLarge { .. } if beside.iter().any(|role| is_of(role, file)) => {
                    Fetched::Failed("it has more octets than its snapshot says")
                }
                Outcome::TooLarge { .. } => return None,
                Outcome::Digest(_) => Fetched::Failed("evidence of another kind than was asked for"),
            };
            Some((file.to_owned(), fetched))
        });
        fetched.into_map()
    }

    /// What is asked about it.
    pub(super) fn request<'r>(&'r self, look: &Look<'r>) -> Request<'r> {
        Request {
            gun: &self.gun,
            pins: &self.trust.pins,
            roles: look.roles,
            beside: look.beside,
            now: look.now,
            remembered: look.remembered,
            minimum_versions: &self.trust.minimum_versions,
        }
    }

    /// Looks at the collection and the delegations that count as somebody who decides by it would, and at others beside them.
    ///
    /// # Errors
    /// [`CollectionError`]: it is not believed, or something could not be fetched.
    pub fn look<'e>(
        &self,
        roles: &BTreeSet<Role>,
        beside: &BTreeSet<Role>,
        now: UnixTime,
        evidence: &'e Evidence,
    ) -> Result<Asked<Box<tuf::Repository<'e>>>, CollectionError> {
        self.ask((roles, beside), now, evidence, tuf::update)
    }

    /// The same for somebody who signs it again: all but the timestamp may have expired.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn base<'e>(
        &self,
        roles: &BTreeSet<Role>,
        now: UnixTime,
        evidence: &'e Evidence,
    ) -> Result<Asked<Box<tuf::Base<'e>>>, CollectionError> {
        self.ask((roles, &BTreeSet::new()), now, evidence, tuf::update_for_signing)
    }

    fn ask<'e, T>(
        &self,
        (roles, beside): (&BTreeSet<Role>, &BTreeSet<Role>),
        now: UnixTime,
        evidence: &'e Evidence,
        update: impl Fn(&Request<'_>, &Files<'e>, &mut Budget) -> Result<Step<T>, TrustError>,
    ) -> Result<Asked<Box<T>>, CollectionError> {
        // What is remembered comes first: files that were fetched later are never older, whoever publishes and remembers meanwhile.
        let memory = self.memory();
        let Some(known) = remembered(&memory, evidence.get(&memory)).map_err(unfetched)? else {
            return Ok(Asked::Needs(vec![memory]));
        };
        let look = Look { roles, beside, now, remembered: known.as_ref() };
        let step = update(&self.request(&look), &self.files(evidence, beside), &mut Budget::of(u32::MAX))?;
        match step {
            Step::Settled(settled) => Ok(Asked::Settled(settled)),
            Step::Needs(needs) => {
                let needs: Vec<Need> = needs.into_iter().map(|need| self.need(&need.file, need.limit)).collect();
                match needs.iter().find_map(|need| too_large(need, evidence.get(need))) {
                    Some(reason) => Err(unfetched(reason)),
                    None => Ok(Asked::Needs(needs)),
                }
            }
            Step::Unknown(missing) => Err(unfetched(self.missing(missing))),
        }
    }

    /// The reason why something of it is not known.
    pub(super) fn missing(&self, missing: Vec<Missing>) -> Reason {
        let first = missing.into_iter().next();
        let (file, reason) = first.map_or_else(Default::default, |missing| (missing.file, missing.reason));
        Reason::Unfetched { need: self.need(&file, 0).id(), reason }
    }
}

/// Whether a file is one of this role, by its name.
fn is_of(role: &Role, file: &str) -> bool {
    file.strip_prefix(role.name()).is_some_and(|rest| rest.starts_with('.'))
}

fn unfetched(reason: Reason) -> CollectionError {
    CollectionError { code: "unfetched", message: reason.to_string() }
}

/// A role file of which the host says that it is too large.
pub(super) fn too_large(need: &Need, outcome: Option<&Outcome>) -> Option<Reason> {
    match outcome {
        Some(Outcome::TooLarge { got }) => {
            Some(Reason::Budget { what: "octets of a role file", limit: need.limit, got: *got })
        }
        _ => None,
    }
}

/// What the host remembers of a collection: not asked yet, nothing, or something. What it cannot read is unknown: it could show
/// that these files are old ones.
pub(super) fn remembered(need: &Need, outcome: Option<&Outcome>) -> Result<Option<Option<Remembered>>, Reason> {
    match outcome {
        None => Ok(None),
        Some(Outcome::Absent) => Ok(Some(None)),
        Some(Outcome::Found { bytes, .. }) => match serde_json::from_slice(bytes) {
            Ok(remembered) => Ok(Some(Some(remembered))),
            Err(error) => {
                let reason = format!("what this host remembers cannot be read: {error}");
                Err(Reason::Unfetched { need: need.id(), reason })
            }
        },
        Some(other) => Err(Reason::unfetched(need, other)),
    }
}
