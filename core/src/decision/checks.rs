//! Signature checks: each signature by each key at most once, and no more work than one decision may do.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Reason;
use super::gather::Material;
use super::notarized::Whom;
use crate::cel;
use crate::claim::Claim;
use crate::digest::Digest;
use crate::key::{Fingerprint, PublicKey, SignatureError};
use crate::limits::{MAX_REMEMBERED_CLAIM, MAX_VERIFICATION_UNITS};
use crate::notation::payload::Target;
use crate::notation::timestamp::Timestamps;
use crate::notation::{self, Before, Envelope, EnvelopeError, Format, Report, revocation};
use crate::time::UnixTime;
use crate::tuf;
use crate::verify::{Kind, Proof, Verified, VerifyError};

/// Signature checks that were made, so that no round and no second policy repeats them.
#[derive(Debug, Default)]
pub struct Checks {
    done: BTreeMap<Check, Result<Proof, SignatureError>>,
    /// Claims that were read from short messages. One of a long message is read again: it takes too much room.
    claims: BTreeMap<(Kind, Digest), Checked>,
    /// Notation's envelopes, by the digest of their octets and their format.
    envelopes: BTreeMap<(Digest, Format), Rc<Result<notation::Signed, EnvelopeError>>>,
    /// The timestamps in them.
    timestamps: Timestamps,
    /// Signatures of role files.
    roles: tuf::Known,
}

/// Who, over which bytes read as what, with which signature.
type Check = (Fingerprint, Kind, Digest, Vec<u8>);

/// What came of a check.
pub(super) type Checked = Result<Rc<Verified<Claim>>, VerifyError>;

/// The work of one decision, with its budget: it ends the same way whether its checks are new or remembered.
pub(super) struct Pass<'c> {
    checks: &'c mut Checks,
    paid: BTreeSet<Check>,
    paid_envelopes: BTreeSet<(Digest, Format)>,
    units: u32,
    /// Steps that conditions may still take.
    pub(super) steps: cel::Budget,
}

impl Checks {
    pub(super) fn pass(&mut self) -> Pass<'_> {
        Pass {
            checks: self,
            paid: BTreeSet::new(),
            paid_envelopes: BTreeSet::new(),
            units: 0,
            steps: cel::Budget::new(),
        }
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

    /// Holds one of Notation's envelopes against what a policy pins. Its signature and chain are checked once.
    ///
    /// # Errors
    /// [`Reason::Budget`] when the decision has done all the work that one decision may do.
    pub(super) fn verify_envelope(
        &mut self,
        (envelope, digest): (&Envelope, &Digest),
        artifact: &Target,
        signer: Whom<'_>,
        now: UnixTime,
        evidence: &revocation::Evidence<'_>,
    ) -> Result<Report, Reason> {
        let id = (digest.clone(), envelope.format());
        if !self.paid_envelopes.contains(&id) {
            self.units = self.afford(envelope.verification_units())?;
            self.paid_envelopes.insert(id.clone());
        }
        let signed = self.checks.envelopes.entry(id).or_insert_with(|| Rc::new(envelope.verify())).clone();
        // Nobody is asked before the chain reaches a pinned certificate: only then answers are looked at.
        if let Ok(signed) = signed.as_ref()
            && notation::needs_standing(signed, artifact, signer.trust)
        {
            let certificates = signed.chain().certificates().len();
            self.units = self.afford(evidence.verification_units(certificates, &signer.trust.crls))?;
        }
        let before = Before { signed: &signed, timestamps: &mut self.checks.timestamps };
        Ok(notation::verify_signed(envelope, before, artifact, signer.trust, now, evidence))
    }

    /// What role files of Docker Content Trust may still take. It is given back by [`spent_on_roles`](Self::spent_on_roles).
    pub(super) fn budget_for_roles(&mut self) -> tuf::Budget {
        let known = core::mem::take(&mut self.checks.roles);
        tuf::Budget::knowing(known, MAX_VERIFICATION_UNITS.saturating_sub(self.units))
    }

    /// Notes what they took, and what is known of their signatures. Gives the units that were spent.
    pub(super) fn spent_on_roles(&mut self, budget: tuf::Budget) -> u32 {
        let spent = budget.spent();
        self.units = self.units.saturating_add(spent);
        self.checks.roles = budget.into_known();
        spent
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
