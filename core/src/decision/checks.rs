//! Signature checks: each signature by each key at most once, and no more work than one decision may do.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Reason;
use super::gather::Material;
use crate::cel;
use crate::claim::Claim;
use crate::digest::Digest;
use crate::key::{Fingerprint, PublicKey, SignatureError};
use crate::limits::{MAX_REMEMBERED_CLAIM, MAX_VERIFICATION_UNITS};
use crate::verify::{Kind, Proof, Verified, VerifyError};

/// Signature checks that were made, so that no round and no second policy repeats them.
#[derive(Debug, Default)]
pub struct Checks {
    done: BTreeMap<Check, Result<Proof, SignatureError>>,
    /// Claims that were read from short messages. One of a long message is read again: it takes too much room.
    claims: BTreeMap<(Kind, Digest), Checked>,
}

/// Who, over which bytes read as what, with which signature.
type Check = (Fingerprint, Kind, Digest, Vec<u8>);

/// What came of a check.
pub(super) type Checked = Result<Rc<Verified<Claim>>, VerifyError>;

/// The work of one decision, with its budget: it ends the same way whether its checks are new or remembered.
pub(super) struct Pass<'c> {
    checks: &'c mut Checks,
    paid: BTreeSet<Check>,
    units: u32,
    /// Steps that conditions may still take.
    pub(super) steps: cel::Budget,
}

impl Checks {
    pub(super) fn pass(&mut self) -> Pass<'_> {
        Pass { checks: self, paid: BTreeSet::new(), units: 0, steps: cel::Budget::new() }
    }
}

impl Pass<'_> {
    /// Checks what was found at one place by one key: the first of its signatures that this key made decides.
    ///
    /// # Errors
    /// [`Reason::Budget`] when the decision has done all the work that one decision may do.
    pub(super) fn check(&mut self, material: &Material<'_>, key: &PublicKey) -> Result<Checked, Reason> {
        let mut outcome = Err(SignatureError::Mismatch);
        for signature in &material.signatures {
            outcome = self.check_one(material, signature, key)?;
            if outcome.is_ok() {
                break;
            }
        }
        match outcome {
            Err(error) => Ok(Err(VerifyError::Signature(error))),
            Ok(proof) => self.read(material, &proof),
        }
    }

    fn check_one(
        &mut self,
        material: &Material<'_>,
        signature: &[u8],
        key: &PublicKey,
    ) -> Result<Result<Proof, SignatureError>, Reason> {
        let message = &material.message;
        let check = (key.fingerprint(), message.kind(), message.digest().clone(), signature.to_vec());
        let known = self.checks.done.get(&check).cloned();
        let is_paid = self.paid.contains(&check);
        let units = self.afford(if is_paid { 0 } else { message.verification_units(key) })?;
        let outcome = known.unwrap_or_else(|| message.check(signature, key));
        // What cannot be a signature by this kind of key is told apart without any curve arithmetic: it costs nothing, and
        // there is no need to remember it.
        if !matches!(outcome, Err(SignatureError::Malformed { .. })) {
            self.units = units;
            if !is_paid {
                self.paid.insert(check.clone());
                self.checks.done.insert(check, outcome.clone());
            }
        }
        Ok(outcome)
    }

    fn read(&mut self, material: &Material<'_>, proof: &Proof) -> Result<Checked, Reason> {
        let message = &material.message;
        if message.bytes().len() > MAX_REMEMBERED_CLAIM {
            self.units = self.afford(message.reading_units().saturating_add(1))?;
            return Ok(message.read(proof).map(Rc::new));
        }
        let known = self.checks.claims.entry((message.kind(), message.digest().clone()));
        Ok(known.or_insert_with(|| message.read(proof).map(Rc::new)).clone())
    }

    /// The units that were spent when these are as well.
    fn afford(&self, cost: u32) -> Result<u32, Reason> {
        let units = self.units.saturating_add(cost);
        if units > MAX_VERIFICATION_UNITS {
            let (limit, got) = (u64::from(MAX_VERIFICATION_UNITS), u64::from(units));
            return Err(Reason::Budget { what: "units of signature checks", limit, got });
        }
        Ok(units)
    }
}
