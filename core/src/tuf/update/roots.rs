//! The newest root (notary, client/tufclient.go, `updateRoot`): pinned itself or led to by one that is, and no step back.

use super::{Fetched, Updater};
use crate::limits::{MAX_ROOT_CHAIN, MAX_ROOT_FILE_BYTES};
use crate::tuf::error::TrustError;
use crate::tuf::pinning::Anchor;
use crate::tuf::role::Role;
use crate::tuf::root::Root;
use crate::tuf::rotation::{self, Candidate};
use crate::tuf::signature::Envelope;
use crate::tuf::trusted::{Expiry, Trusted};

impl<'b> Updater<'_, 'b> {
    /// The newest root, when it is pinned and follows the one that is remembered. Nothing when files are still needed.
    pub(super) fn root(&mut self) -> Result<Option<Trusted<'b, Root>>, TrustError> {
        let anchors = self.request.pins.anchors(self.request.gun)?;
        let Some(bytes) = self.first(&Role::root(), MAX_ROOT_FILE_BYTES)? else { return Ok(None) };
        let newest = candidate(&Role::root().file(), bytes)?;
        if !self.follows_remembered(&newest)? | !self.is_pinned(&anchors, &newest)? {
            return Ok(None);
        }
        let now = (self.expiry == Expiry::Enforced).then_some(self.request.now);
        newest.check_own(self.request.gun, now, self.budget)?;
        let signers = self.budget.check(&newest.envelope, newest.root.root())?.unwrap_or_default();
        let keys = newest.root.root().clone();
        let sha256 = newest.envelope.sha256().clone();
        let (version, expires) = (newest.root.version(), newest.root.expires());
        let root = Trusted { content: newest.root, bytes, sha256, signers, keys };
        self.check_current(&root, version, expires)?;
        Ok(Some(root))
    }

    /// The newest root is the one that is remembered, or one that it leads to. Not so when files are still needed.
    fn follows_remembered(&mut self, newest: &Candidate) -> Result<bool, TrustError> {
        let Some(seen) = self.remember.root.clone() else { return Ok(true) };
        // An older version, or other content of the same one: check_current says so.
        if newest.root.version() <= seen.version {
            return Ok(true);
        }
        let name = Role::root().file_by_version(seen.version);
        let Some(bytes) = self.file(&name, Some(&Role::root()), MAX_ROOT_FILE_BYTES)? else { return Ok(false) };
        let start = versioned(&name, bytes, seen.version)?;
        if *start.envelope.sha256() != seen.sha256 {
            let (role, got) = (Role::root(), start.envelope.sha256().clone());
            return Err(TrustError::OtherContent { role, version: seen.version, got, remembered: seen.sha256 });
        }
        self.leads_to(&start.root, newest)
    }

    /// A pin names the newest root's keys, or those of an older one that leads to it.
    fn is_pinned(&mut self, anchors: &[&Anchor], newest: &Candidate) -> Result<bool, TrustError> {
        let (gun, now) = (self.request.gun, self.request.now);
        let direct = newest.check_pinned(anchors, gun, now, self.expiry == Expiry::Enforced, self.budget);
        let older: Vec<&Anchor> = anchors.iter().copied().filter(|anchor| anchor.may_be_succeeded()).collect();
        let (Err(reason), false) = (&direct, older.is_empty()) else { return direct.map(|()| true) };
        let last = newest.root.version().saturating_sub(1);
        if last > MAX_ROOT_CHAIN {
            return Err(TrustError::RootChain { from: 1, to: newest.root.version() });
        }
        let mut start = None;
        for version in 1..=last {
            let name = Role::root().file_by_version(version);
            // A gap is no failure here: what lies before it may lead to the newest root directly.
            if matches!(self.files.get(&name), Some(Fetched::NotFound)) {
                continue;
            }
            let Some(bytes) = self.file(&name, Some(&Role::root()), MAX_ROOT_FILE_BYTES)? else { continue };
            let candidate = versioned(&name, bytes, version)?;
            match candidate.check_pinned(&older, gun, now, false, self.budget) {
                Ok(()) => start = Some(candidate.root),
                Err(TrustError::Work) => return Err(TrustError::Work),
                Err(_) => {}
            }
        }
        if !self.needs.is_empty() || !self.missing.is_empty() {
            return Ok(false);
        }
        // The last one that is pinned: the fewer have to be believed for what they signed.
        self.leads_to(&start.ok_or_else(|| reason.clone())?, newest)
    }

    /// The keys of a root that is trusted signed the newest one, or those in between lead to it.
    fn leads_to(&mut self, start: &Root, newest: &Candidate) -> Result<bool, TrustError> {
        let gun = self.request.gun;
        let direct = newest.check_successor_of(start, gun, self.budget);
        let (from, to) = (start.version(), newest.root.version());
        let between = from.saturating_add(1)..to;
        let (Err(TrustError::Rotation { .. }), false) = (&direct, between.is_empty()) else {
            return direct.map(|()| true);
        };
        if to.saturating_sub(from) > MAX_ROOT_CHAIN {
            return Err(TrustError::RootChain { from, to });
        }
        let mut chain = Vec::new();
        let mut is_whole = true;
        for version in between {
            let name = Role::root().file_by_version(version);
            match self.file(&name, Some(&Role::root()), MAX_ROOT_FILE_BYTES)? {
                Some(bytes) => chain.push(versioned(&name, bytes, version)?),
                None => is_whole = false,
            }
        }
        if !is_whole {
            return Ok(false);
        }
        rotation::check_chain(start, &chain, newest, gun, self.budget).map(|()| true)
    }
}

fn candidate(file: &str, bytes: &[u8]) -> Result<Candidate, TrustError> {
    let format = |error| TrustError::Format { file: file.to_owned(), error };
    let envelope = Envelope::parse(bytes, MAX_ROOT_FILE_BYTES).map_err(format)?;
    let root = Root::read(&envelope).map_err(format)?;
    Ok(Candidate { envelope, root })
}

fn versioned(file: &str, bytes: &[u8], version: u64) -> Result<Candidate, TrustError> {
    let candidate = candidate(file, bytes)?;
    let got = candidate.root.version();
    if got == version { Ok(candidate) } else { Err(TrustError::RootVersion { file: file.to_owned(), got }) }
}
