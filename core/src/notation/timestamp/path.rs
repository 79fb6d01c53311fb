//! From the certificate of a timestamp's signer to a pinned root (RFC 5280, section 6), over those that came with the token.

use super::TimestampError;
use crate::limits::{MAX_CHAIN_CERTIFICATES, MAX_TOKEN_UNITS};
use crate::notation::certificates::{ANY, TIME_STAMPING};
use crate::time::UnixTime;
use crate::x509::Certificate;

/// A path to a root, each certificate valid at a moment and signed by the next.
///
/// # Errors
/// [`TimestampError::NotPinned`], and [`TimestampError::Work`] when too many have to be tried.
pub(super) fn build(
    signer: &Certificate,
    others: &[Certificate],
    roots: &[Certificate],
    at: UnixTime,
) -> Result<Vec<Certificate>, TimestampError> {
    let mut search = Search { others, roots, at, units: signer.key().verification_units() };
    let mut path = vec![signer];
    if signer.is_valid_at(at) && search.extend(&mut path)? {
        return Ok(path.into_iter().cloned().collect());
    }
    Err(TimestampError::NotPinned { subject: signer.subject_text(), at })
}

struct Search<'c> {
    others: &'c [Certificate],
    roots: &'c [Certificate],
    at: UnixTime,
    units: u32,
}

impl<'c> Search<'c> {
    /// Whether the path could be made to end with a root. Depth is limited by the longest chain, breadth by the work.
    fn extend(&mut self, path: &mut Vec<&'c Certificate>) -> Result<bool, TimestampError> {
        let (Some(last), true) = (path.last().copied(), path.len() < MAX_CHAIN_CERTIFICATES) else { return Ok(false) };
        let candidates = self.roots.iter().map(|root| (root, true));
        let candidates = candidates.chain(self.others.iter().map(|other| (other, false)));
        for (issuer, is_root) in candidates {
            let is_ca = issuer.extensions().basic_constraints.is_some_and(|constraints| constraints.is_ca);
            // Purposes nest, as readers of certificates for the web do it (and tspclient-go with them).
            let purposes = issuer.extensions().extended_key_usage.as_ref().map(|usage| &usage.purposes);
            let may_stamp = purposes.is_none_or(|all| all.iter().any(|it| it == TIME_STAMPING || it == ANY));
            let fits = issuer.subject() == last.issuer() && is_ca && may_stamp && issuer.is_valid_at(self.at);
            if !fits || path.contains(&issuer) {
                continue;
            }
            // The chain is checked once more as a whole, and its root with its own key.
            self.units = self.units.saturating_add(issuer.key().verification_units().saturating_mul(3));
            if self.units > MAX_TOKEN_UNITS {
                return Err(TimestampError::Work);
            }
            if last.verify(issuer).is_err() {
                continue;
            }
            path.push(issuer);
            if is_root || self.extend(path)? {
                return Ok(true);
            }
            path.pop();
        }
        Ok(false)
    }
}
