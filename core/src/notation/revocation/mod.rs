//! Whether a certificate was revoked (trust-store-trust-policy.md, "Certificate Revocation Evaluation"): answers come in as bytes
//! with the time, and what is missing goes out as requests. OCSP is asked first, CRLs where it gives nothing.

mod crl;
mod ocsp;
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub use crl::{Crl, CrlError};
pub use ocsp::{OcspError, request, request_address};

use crate::limits::{MAX_CRL_BYTES, MAX_OCSP_BYTES, OCTETS_PER_UNIT};
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::x509::{Certificate, Thumbprint};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An OCSP response (RFC 6960).
    Ocsp,
    /// A CRL, or a delta to one (RFC 5280, section 5).
    Crl,
}

impl Kind {
    /// Octets that an answer may have.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Ocsp => MAX_OCSP_BYTES,
            Self::Crl => MAX_CRL_BYTES,
        }
    }
}

/// Something that has to be fetched, by GET. The address comes from a certificate whose chain reached a pinned one, or from a CRL
/// that such a certificate signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Request {
    /// What it gives.
    pub kind: Kind,
    /// The address, `http:` always. For OCSP, the question is in it (RFC 6960, appendix A.1).
    pub url: String,
    /// The certificate that is asked about.
    pub certificate: Thumbprint,
}

/// What came for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'e> {
    /// Its content.
    Content(&'e [u8]),
    /// Nothing, and why.
    Failed(&'e str),
}

/// What was fetched about revocation: answers by what was asked and its address. A list is no response, whoever gives both.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'e> {
    /// By kind and address.
    pub answers: BTreeMap<(Kind, &'e str), Answer<'e>>,
}

impl Evidence<'_> {
    /// What checking a chain of so many certificates against all of it, and against CRLs, can cost, in units of one P-256
    /// verification.
    pub fn verification_units(&self, certificates: usize, crls: &[Crl]) -> u32 {
        // An OCSP response has two signatures, a CRL one; a key of the slowest kind takes 6.
        let octets = |octets: usize| {
            u32::try_from(u64::try_from(octets).unwrap_or(u64::MAX) / OCTETS_PER_UNIT).unwrap_or(u32::MAX)
        };
        let answers = self.answers.values().map(|answer| match answer {
            Answer::Content(content) => octets(content.len()).saturating_mul(2).saturating_add(12),
            Answer::Failed(_) => 0,
        });
        let crls = crls.iter().map(|crl| octets(crl.octets()).saturating_mul(2).saturating_add(6));
        let one = answers.chain(crls).fold(0, u32::saturating_add);
        one.saturating_mul(u32::try_from(certificates).unwrap_or(u32::MAX))
    }
}

/// Since when a certificate is revoked, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Since when.
    pub at: UnixTime,
    /// The reason, by its number (RFC 5280, section 5.3.1).
    pub reason: Option<u8>,
}

/// What is known about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It is not revoked.
    Good,
    /// It names nobody who could revoke it.
    NotRevocable,
    /// It is.
    Revoked(Revoked),
    /// Nothing can be said: answers that cannot be used, and requests without an answer.
    Unknown {
        /// What was wrong with the answers.
        reasons: Vec<String>,
        /// What to ask.
        wanted: Vec<Request>,
    },
}

/// Looks up one certificate. `signing_time` is only given where it is trusted: then a certificate that became invalid after it
/// counts (`invalidityDate`). `stapled` are CRLs that need not be fetched.
pub fn check(
    (certificate, issuer): (&Certificate, &Certificate),
    signing_time: Option<UnixTime>,
    now: UnixTime,
    stapled: &[Crl],
    evidence: &Evidence<'_>,
) -> Status {
    let mut lookup = Lookup { certificate, issuer, signing_time, now, reasons: Vec::new(), wanted: Vec::new() };
    if let Some(status) = lookup.stapled(stapled) {
        return status;
    }
    let extensions = certificate.extensions();
    if let Some(status) = lookup.ocsp(&extensions.ocsp_addresses, evidence) {
        return status;
    }
    if lookup.wanted.is_empty() && !extensions.crl_addresses.is_empty() {
        let before = lookup.reasons.len();
        if let Some(status) = lookup.crls(&extensions.crl_addresses, evidence) {
            return status;
        }
        if lookup.wanted.is_empty() && lookup.reasons.len() == before {
            return Status::Good;
        }
    }
    // A list that the policy brought and that cannot be used says that there is one.
    let names_nobody = extensions.ocsp_addresses.is_empty() && extensions.crl_addresses.is_empty();
    if names_nobody && lookup.reasons.is_empty() {
        return Status::NotRevocable;
    }
    Status::Unknown { reasons: lookup.reasons, wanted: lookup.wanted }
}

struct Lookup<'c> {
    certificate: &'c Certificate,
    issuer: &'c Certificate,
    signing_time: Option<UnixTime>,
    now: UnixTime,
    reasons: Vec<String>,
    wanted: Vec<Request>,
}

impl Lookup<'_> {
    fn stapled(&mut self, stapled: &[Crl]) -> Option<Status> {
        let mut is_good = false;
        for crl in stapled.iter().filter(|crl| crl.issuer() == self.issuer.subject()) {
            match crl.status(None, (self.certificate, self.issuer), self.signing_time, self.now) {
                Ok(Some(revoked)) => return Some(Status::Revoked(revoked)),
                // One that is for a part of the certificates says nothing about the other parts.
                Ok(None) => is_good = is_good || crl.is_complete(),
                Err(error) => self.reasons.push(format!("a CRL of the policy: {error}")),
            }
        }
        is_good.then_some(Status::Good)
    }

    fn ocsp(&mut self, addresses: &[String], evidence: &Evidence<'_>) -> Option<Status> {
        for address in addresses {
            let Some(url) = request_address(address, self.certificate, self.issuer).filter(|url| is_http(url)) else {
                self.reasons.push(format!("{:?} cannot be asked: only http: is", excerpt(address)));
                continue;
            };
            match evidence.answers.get(&(Kind::Ocsp, url.as_str())) {
                None => self.want(Kind::Ocsp, url),
                Some(Answer::Failed(why)) => self.reasons.push(format!("{}: {}", excerpt(address), excerpt(why))),
                Some(Answer::Content(content)) => {
                    match ocsp::status(content, self.certificate, self.issuer, self.signing_time, self.now) {
                        Ok(None) => return Some(Status::Good),
                        Ok(Some(revoked)) => return Some(Status::Revoked(revoked)),
                        Err(error) => {
                            self.reasons.push(format!("{}: {error}", excerpt(address)));
                            // A responder that answers so has answered: others are not asked after it.
                            if error == OcspError::Unknown {
                                self.wanted.clear();
                                return None;
                            }
                        }
                    }
                }
            }
        }
        None
    }

    /// Every address: together they may be the parts of one list.
    fn crls(&mut self, addresses: &[String], evidence: &Evidence<'_>) -> Option<Status> {
        for address in addresses {
            let Some(content) = self.content(address, evidence) else { continue };
            let crl = match Crl::parse(content) {
                Ok(crl) => crl,
                Err(error) => {
                    self.reasons.push(format!("{}: {error}", excerpt(address)));
                    continue;
                }
            };
            let Some(delta) = self.delta(&crl, address, evidence) else { continue };
            match crl.status(delta.as_ref(), (self.certificate, self.issuer), self.signing_time, self.now) {
                Ok(Some(revoked)) => return Some(Status::Revoked(revoked)),
                Ok(None) => {}
                Err(error) => self.reasons.push(format!("{}: {error}", excerpt(address))),
            }
        }
        None
    }

    /// The delta that a CRL asks for (RFC 5280, section 5.2.6); nothing when it is still missing. Its address is believed only
    /// when the CRL holds.
    fn delta(&mut self, crl: &Crl, address: &str, evidence: &Evidence<'_>) -> Option<Option<Crl>> {
        let Some(freshest) = crl.delta_address() else {
            if self.certificate.extensions().has_freshest_crl {
                self.reasons
                    .push(format!("{}: the certificate asks for a delta, and the CRL names none", excerpt(address)));
                return None;
            }
            return Some(None);
        };
        if let Err(error) = crl.verify(self.issuer, self.now) {
            self.reasons.push(format!("{}: {error}", excerpt(address)));
            return None;
        }
        match Crl::parse(self.content(freshest, evidence)?) {
            Ok(delta) => Some(Some(delta)),
            Err(error) => {
                self.reasons.push(format!("{}: {error}", excerpt(freshest)));
                None
            }
        }
    }

    fn content<'e>(&mut self, url: &str, evidence: &Evidence<'e>) -> Option<&'e [u8]> {
        match evidence.answers.get(&(Kind::Crl, url)) {
            Some(Answer::Content(content)) => return Some(content),
            Some(Answer::Failed(why)) => self.reasons.push(format!("{}: {}", excerpt(url), excerpt(why))),
            None if is_http(url) => self.want(Kind::Crl, url.to_owned()),
            None => self.reasons.push(format!("{:?} cannot be asked: only http: is", excerpt(url))),
        }
        None
    }

    fn want(&mut self, kind: Kind, url: String) {
        self.wanted.push(Request { kind, url, certificate: self.certificate.thumbprint() });
    }
}

fn is_http(url: &str) -> bool {
    let is_text = url.bytes().all(|byte| byte.is_ascii_graphic());
    is_text && url.len() > 7 && url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}
