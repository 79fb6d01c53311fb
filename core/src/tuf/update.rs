//! The client's update (notary, client/tufclient.go, `Update`): what is needed next, or the state of a collection.
//!
//! It is asked again with everything that was fetched so far, and does no I/O. Root and timestamp come first, then the snapshot
//! that the timestamp names, then the targets files that the snapshot names, all at once.

mod roots;

use std::collections::{BTreeMap, BTreeSet};

use super::error::{FormatError, TrustError};
use super::format::Hashes;
use super::memory::{Remembered, Seen};
use super::pinning::Pins;
use super::role::{Gun, Role};
use super::root::Root;
use super::signature::{Budget, Envelope, RoleKeys};
use super::snapshot::Snapshot;
use super::targets::Targets;
use super::timestamp::Timestamp;
use super::trusted::{Base, Expiry, Repository, Trusted, TrustedTargets};
use crate::digest::Digest;
use crate::limits::{MAX_ROLE_FILE_BYTES, MAX_TIMESTAMP_FILE_BYTES, MAX_TRUST_ROLES};
use crate::ordered::Ordered as _;
use crate::time::UnixTime;

/// What is asked about a collection.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// The collection.
    pub gun: &'r Gun,
    /// Which root keys are trusted.
    pub pins: &'r Pins,
    /// The delegations that count. Those above them count too, and `targets` always.
    pub roles: &'r BTreeSet<Role>,
    /// Delegations that are looked at beside them, for people: what is wrong with one of these stops nothing, and what is seen
    /// of it is not remembered.
    pub beside: &'r BTreeSet<Role>,
    /// The time.
    pub now: UnixTime,
    /// What was seen of this collection before, if anything.
    pub remembered: Option<&'r Remembered>,
    /// The lowest versions that are allowed, by role.
    pub minimum_versions: &'r BTreeMap<Role, u64>,
}

/// What came of a need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched<'b> {
    /// The file.
    Bytes(&'b [u8]),
    /// More octets than the limit; so many were announced or read when reading stopped.
    TooLong(u64),
    /// The server says that it has no such file.
    NotFound,
    /// Anything else, with the reason.
    Failed(&'b str),
}

/// What was fetched so far, by the name of the file.
pub type Files<'b> = BTreeMap<String, Fetched<'b>>;

/// A role file to fetch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Its name below `_trust/tuf/`, e.g. `snapshot.<sha256>.json`.
    pub file: String,
    /// Octets after which to stop reading.
    pub limit: u64,
}

/// A role file that could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<T> {
    /// These files are needed, in any order.
    Needs(Vec<Need>),
    /// These files could not be fetched: nothing is known.
    Unknown(Vec<Missing>),
    /// Everything was checked.
    Settled(Box<T>),
}

/// Goes on with the update of a collection.
///
/// # Errors
/// [`TrustError`]: the collection is not believed.
pub fn update<'b>(
    request: &Request<'_>,
    files: &Files<'b>,
    budget: &mut Budget,
) -> Result<Step<Repository<'b>>, TrustError> {
    Updater::new(request, files, Expiry::Enforced, budget).run()
}

/// As [`update`], for somebody who signs again what has expired. The timestamp must not have: who signs again what somebody
/// holds back makes it count anew.
///
/// # Errors
/// [`TrustError`]: the collection is not believed.
pub fn update_for_signing<'b>(
    request: &Request<'_>,
    files: &Files<'b>,
    budget: &mut Budget,
) -> Result<Step<Base<'b>>, TrustError> {
    let mut updater = Updater::new(request, files, Expiry::ToBeRenewed, budget);
    Ok(match updater.run()? {
        Step::Settled(repository) => {
            Step::Settled(Box::new(Base { repository: *repository, unwitnessed: updater.unwitnessed }))
        }
        Step::Needs(needs) => Step::Needs(needs),
        Step::Unknown(missing) => Step::Unknown(missing),
    })
}

/// What is believed of the roles that say what tags are, and why the others are not.
type Lists<'b> = (BTreeMap<Role, TrustedTargets<'b>>, BTreeMap<Role, TrustError>);

struct Updater<'r, 'b> {
    request: &'r Request<'r>,
    files: &'r Files<'b>,
    expiry: Expiry,
    needs: Vec<Need>,
    missing: Vec<Missing>,
    remember: Remembered,
    budget: &'r mut Budget,
    /// The roles with targets that count.
    counting: BTreeSet<Role>,
    unwitnessed: BTreeMap<Role, &'b [u8]>,
}

impl<'r, 'b> Updater<'r, 'b> {
    fn new(request: &'r Request<'r>, files: &'r Files<'b>, expiry: Expiry, budget: &'r mut Budget) -> Self {
        let remember = request.remembered.cloned().unwrap_or_default();
        let counting = with_parents(request.roles);
        let (needs, missing, unwitnessed) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { request, files, expiry, needs, missing, remember, budget, counting, unwitnessed }
    }

    fn run(&mut self) -> Result<Step<Repository<'b>>, TrustError> {
        let beside = with_parents(self.request.beside);
        let wanted = self.counting.union(&beside).cloned().into_set();
        if wanted.len() > MAX_TRUST_ROLES {
            return Err(TrustError::Roles { got: wanted.len() });
        }
        let timestamp = self.first(&Role::timestamp(), MAX_TIMESTAMP_FILE_BYTES)?;
        let Some(root) = self.root()? else { return Ok(self.pause()) };
        let Some(bytes) = timestamp else { return Ok(self.pause()) };
        let timestamp = self.role_file(root.content.timestamp(), bytes, Timestamp::read)?;
        self.check_current(&timestamp, timestamp.content.version(), timestamp.content.expires())?;

        let meta = timestamp.content.snapshot();
        let name = Role::snapshot().file_by_hash(timestamp.content.snapshot_sha256());
        let Some(bytes) = self.named(&name, &Role::snapshot(), &Role::timestamp(), meta)? else {
            return Ok(self.pause());
        };
        let snapshot = self.role_file(root.content.snapshot(), bytes, Snapshot::read)?;
        self.check_current(&snapshot, snapshot.content.version(), snapshot.content.expires())?;
        for want in snapshot.content.files().get(&Role::root()).into_iter().flat_map(Hashes::digests) {
            if want.check(root.bytes).is_err() {
                return Err(TrustError::MixAndMatch { got: Digest::of(want.algorithm(), root.bytes), want });
            }
        }

        let (targets, skipped) = self.targets(&wanted, &root.content, &snapshot.content)?;
        if !self.needs.is_empty() || !self.missing.is_empty() {
            return Ok(self.pause());
        }
        let (gun, remember) = (self.request.gun.clone(), self.remember.clone());
        Ok(Step::Settled(Box::new(Repository { gun, root, timestamp, snapshot, targets, skipped, remember })))
    }

    fn pause(&mut self) -> Step<Repository<'b>> {
        let (needs, missing) = (core::mem::take(&mut self.needs), core::mem::take(&mut self.missing));
        if missing.is_empty() { Step::Needs(needs) } else { Step::Unknown(missing) }
    }

    /// A file, or nothing when it is still needed or could not be fetched.
    fn file(&mut self, name: &str, named_by: Option<&Role>, limit: u64) -> Result<Option<&'b [u8]>, TrustError> {
        match self.files.get(name) {
            None => {
                // A root can be wanted by what is remembered and by what is pinned.
                let need = Need { file: name.to_owned(), limit };
                if !self.needs.contains(&need) {
                    self.needs.push(need);
                }
            }
            Some(Fetched::Failed(reason)) => {
                self.missing.push(Missing { file: name.to_owned(), reason: (*reason).to_owned() });
            }
            Some(Fetched::NotFound) => {
                return Err(TrustError::NotFound { file: name.to_owned(), names: named_by.cloned() });
            }
            Some(Fetched::TooLong(got)) => {
                return Err(TrustError::Endless { file: name.to_owned(), got: *got, limit });
            }
            Some(Fetched::Bytes(bytes)) => {
                let got = octets(bytes);
                if got > limit {
                    return Err(TrustError::Endless { file: name.to_owned(), got, limit });
                }
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn first(&mut self, role: &Role, limit: u64) -> Result<Option<&'b [u8]>, TrustError> {
        self.file(&role.file(), None, limit)
    }

    /// A file that another one names with length and hashes.
    fn named(&mut self, name: &str, role: &Role, by: &Role, meta: &Hashes) -> Result<Option<&'b [u8]>, TrustError> {
        if meta.length > MAX_ROLE_FILE_BYTES {
            return Err(TrustError::Endless { file: name.to_owned(), got: meta.length, limit: MAX_ROLE_FILE_BYTES });
        }
        let Some(bytes) = self.file(name, Some(by), meta.length)? else { return Ok(None) };
        for want in meta.digests() {
            if let Err(mismatch) = want.check(bytes) {
                let got = mismatch.got;
                return Err(TrustError::Hash { role: role.clone(), by: by.clone(), got, want });
            }
        }
        if octets(bytes) != meta.length {
            let (got, want) = (octets(bytes), meta.length);
            return Err(TrustError::Length { role: role.clone(), by: by.clone(), got, want });
        }
        Ok(Some(bytes))
    }

    /// Reads a file and checks that enough of its role's keys signed it.
    fn role_file<T>(
        &mut self,
        keys: &RoleKeys,
        bytes: &'b [u8],
        read: impl Fn(&Envelope) -> Result<T, FormatError>,
    ) -> Result<Trusted<'b, T>, TrustError> {
        let role = &keys.role;
        let format = |error| TrustError::Format { file: role.file(), error };
        let envelope = Envelope::parse(bytes, MAX_ROLE_FILE_BYTES).map_err(format)?;
        let signers = self.budget.check(&envelope, keys)?.map_err(|short| TrustError::Threshold {
            role: role.clone(),
            got: short.got,
            need: short.need,
            problems: short.problems,
        })?;
        let content = read(&envelope).map_err(format)?;
        Ok(Trusted { content, bytes, sha256: envelope.sha256().clone(), signers, keys: keys.clone() })
    }

    /// Version and expiry, in this order: an old file has usually expired too, and it is its age that tells what goes on.
    fn check_current<T>(&mut self, file: &Trusted<'_, T>, version: u64, expires: UnixTime) -> Result<(), TrustError> {
        let role = &file.keys.role;
        let holding = self.remember.holding(&file.keys);
        if let Some(remembered) = holding.iter().map(|seen| seen.version).max().filter(|newest| version < *newest) {
            return Err(TrustError::Rollback { role: role.clone(), got: version, remembered });
        }
        if let Some(other) = holding.iter().find(|seen| seen.version == version && seen.sha256 != file.sha256) {
            let (got, remembered) = (file.sha256.clone(), other.sha256.clone());
            return Err(TrustError::OtherContent { role: role.clone(), version, got, remembered });
        }
        if let Some(minimum) = self.request.minimum_versions.get(role).filter(|minimum| version < **minimum) {
            return Err(TrustError::BelowMinimum { role: role.clone(), got: version, minimum: *minimum });
        }
        // Expiry has whole seconds here: a file whose last second has begun has expired.
        let now = self.request.now;
        let is_enforced = self.expiry == Expiry::Enforced || *role == Role::timestamp();
        if is_enforced && expires <= now {
            let keys = file.keys.keys.keys().copied().collect();
            return Err(TrustError::Expired { role: role.clone(), expired: expires, now, keys });
        }
        if !role.has_targets() || self.counting.contains(role) {
            let sha256 = file.sha256.clone();
            self.remember.see(role, file.signing_keys(), &Seen { version, sha256 });
        }
        Ok(())
    }

    /// `targets` has to be believed; a delegation that is not is skipped, as Notary does, unless it is an attack by itself. One
    /// that does not count is skipped whatever is wrong with it, and comes last: it takes no work away from those that count.
    fn targets(&mut self, wanted: &BTreeSet<Role>, root: &Root, snapshot: &Snapshot) -> Result<Lists<'b>, TrustError> {
        let mut lists = (BTreeMap::new(), BTreeMap::new());
        let (counting, beside): (Vec<&Role>, Vec<&Role>) =
            wanted.iter().partition(|role| self.counting.contains(*role));
        // Those above come first: their names are the beginning of those below.
        for role in counting {
            self.list(role, root, snapshot, &mut lists)?;
        }
        for role in beside {
            if let Err(error) = self.list(role, root, snapshot, &mut lists) {
                lists.1.insert(role.clone(), error);
            }
        }
        Ok(lists)
    }

    /// One of them.
    fn list(
        &mut self,
        role: &Role,
        root: &Root,
        snapshot: &Snapshot,
        (trusted, skipped): &mut Lists<'b>,
    ) -> Result<(), TrustError> {
        let (keys, paths) = match role.parent() {
            None => (root.targets().clone(), vec![String::new()]),
            Some(parent) => match trusted.get(&parent) {
                None if skipped.contains_key(&parent) => {
                    skipped.insert(role.clone(), TrustError::ParentSkipped { role: role.clone(), parent });
                    return Ok(());
                }
                // It is still needed itself. What the snapshot names is fetched together.
                None => {
                    self.ahead(role, snapshot);
                    return Ok(());
                }
                Some(above) => match above.file.content.delegations().get(role) {
                    None => {
                        skipped.insert(role.clone(), TrustError::NotDelegated { role: role.clone(), parent });
                        return Ok(());
                    }
                    Some(delegation) => (delegation.keys.clone(), delegation.paths_within(&above.paths)),
                },
            },
        };
        let Some(meta) = snapshot.files().get(role) else {
            // Whoever has seen the role knows that it is there, whichever keys it has now.
            let reason = match self.remember.version(role) {
                Some(remembered) => TrustError::Withdrawn { role: role.clone(), remembered },
                None => TrustError::NotInSnapshot(role.clone()),
            };
            skipped.insert(role.clone(), reason);
            return Ok(());
        };
        let sha256 = meta.sha256.ok_or_else(|| TrustError::Format {
            file: Role::snapshot().file(),
            error: FormatError::NoHash { of: role.to_string(), want: "sha256" },
        })?;
        let name = role.file_by_hash(&sha256);
        if let (Some(Fetched::Failed(reason)), false) = (self.files.get(&name), self.counting.contains(role)) {
            return Err(TrustError::Unfetched { file: name, reason: (*reason).to_owned() });
        }
        let Some(bytes) = self.named(&name, role, &Role::snapshot(), meta)? else { return Ok(()) };
        let read = self.role_file(&keys, bytes, |envelope| Targets::read(role, envelope)).and_then(|file| {
            self.check_current(&file, file.content.version(), file.content.expires())?;
            Ok(file)
        });
        match read {
            Ok(file) => {
                trusted.insert(role.clone(), TrustedTargets { file, paths });
            }
            Err(error @ (TrustError::Expired { .. } | TrustError::Threshold { .. })) if role.is_delegation() => {
                if !self.is_older(role, bytes) {
                    self.unwitnessed.insert(role.clone(), bytes);
                }
                skipped.insert(role.clone(), error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Asks for the file of a role before it is known whether the role is delegated to: one round trip less for each level.
    fn ahead(&mut self, role: &Role, snapshot: &Snapshot) {
        let Some(meta) = snapshot.files().get(role).filter(|meta| meta.length <= MAX_ROLE_FILE_BYTES) else { return };
        let Some(file) = meta.sha256.map(|sha256| role.file_by_hash(&sha256)) else { return };
        // Only so much: whether anybody delegates to the role is not known yet.
        let asked = self.needs.iter().map(|need| need.limit).fold(meta.length, u64::saturating_add);
        if asked <= MAX_ROLE_FILE_BYTES && !self.files.contains_key(&file) {
            self.needs.push(Need { file, limit: meta.length });
        }
    }

    /// Whether a file that nobody stands for is older than what was seen of its role: it is not put before anybody to be signed.
    /// The newest of any one key is not: another one may have been stolen, and have signed the highest version there is.
    fn is_older(&self, role: &Role, bytes: &[u8]) -> bool {
        let Some(newest) = self.remember.version(role) else { return false };
        let Ok(envelope) = Envelope::parse(bytes, MAX_ROLE_FILE_BYTES) else { return true };
        let is_older = Targets::read(role, &envelope).map_or(true, |targets| targets.version() < newest);
        is_older && !self.remember.has(role, envelope.sha256())
    }
}

/// `targets`, these delegations, and all between.
fn with_parents(roles: &BTreeSet<Role>) -> BTreeSet<Role> {
    let mut all = BTreeSet::new();
    all.insert(Role::targets());
    for role in roles.iter().filter(|role| role.has_targets()) {
        let mut next = Some(role.clone());
        while let Some(role) = next {
            next = role.parent();
            all.insert(role);
        }
    }
    all
}

fn octets(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
