//! Who issues: a certificate with those above it, held against what it is about to issue (RFC 5280, sections 4.2.1.3 and
//! 4.2.1.9).

use anyhow::{Context as _, Result, bail, ensure};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::Time;

use super::Purpose;

/// An authority's certificate, and its own issuers up to a self-signed one.
pub(crate) struct Issuer {
    /// The issuer first.
    chain: Vec<Certificate>,
}

impl Issuer {
    /// When the first of its certificates ends, seconds since 1970.
    pub(crate) fn ends(&self) -> u64 {
        let ends = self.chain.iter().map(|it| it.tbs_certificate().validity().not_after.to_unix_duration().as_secs());
        ends.min().unwrap_or_default()
    }

    /// Reads a file with the certificate and those above it, and holds the key against it.
    ///
    /// # Errors
    /// When they are no chain that ends with a self-signed certificate, or the key is another one's.
    pub(crate) fn read(pem: &[u8], key: &SubjectPublicKeyInfoOwned) -> Result<Self> {
        let chain = Certificate::load_pem_chain(pem).context("not PEM with certificates")?;
        let Some(issuer) = chain.first() else { bail!("no certificate in it") };
        ensure!(
            issuer.tbs_certificate().subject_public_key_info() == key,
            "the key of --issuer-key is not the one of this certificate"
        );
        let above = chain.iter().skip(1);
        for (place, (below, above)) in chain.iter().zip(above).enumerate() {
            ensure!(
                below.tbs_certificate().issuer() == above.tbs_certificate().subject(),
                "certificate {} is issued by {}, and the next one is that of {}: the order is from the issuer to the root",
                place.saturating_add(1),
                below.tbs_certificate().issuer(),
                above.tbs_certificate().subject()
            );
        }
        if let Some(last) = chain.last() {
            let last = last.tbs_certificate();
            ensure!(
                last.issuer() == last.subject(),
                "it ends with the certificate of {}, which {} issued: verifiers want all certificates up to the root",
                last.subject(),
                last.issuer()
            );
        }
        Ok(Self { chain })
    }

    pub(crate) fn name(&self) -> &Name {
        self.certificate().subject()
    }

    pub(crate) fn public(&self) -> &SubjectPublicKeyInfoOwned {
        self.certificate().subject_public_key_info()
    }

    /// The certificates that belong into the chain of what is issued, from the issuer to the root.
    pub(crate) fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Whether it may issue a certificate for this that ends then.
    ///
    /// # Errors
    /// When it may not: with the reason.
    pub(crate) fn may_issue(&self, purpose: Purpose, end: Time) -> Result<()> {
        for (below, certificate) in self.chain.iter().enumerate() {
            let certificate = certificate.tbs_certificate();
            let subject = certificate.subject();
            let constraints = certificate.get_extension::<BasicConstraints>()?.map(|(_, constraints)| constraints);
            let Some(constraints) = constraints.filter(|constraints| constraints.ca) else {
                bail!("{subject} is no authority: its certificate has no basic constraints with CA:TRUE");
            };
            let usage = certificate.get_extension::<KeyUsage>()?;
            ensure!(
                usage.is_some_and(|(critical, usage)| critical && usage.key_cert_sign()),
                "{subject} must not issue certificates: its key usage is not critical with keyCertSign"
            );
            let authorities = below.saturating_add(usize::from(purpose == Purpose::Authority));
            if let Some(most) = constraints.path_len_constraint {
                ensure!(
                    authorities <= usize::from(most),
                    "{subject} allows {most} authorities below it (pathLenConstraint), here would be {authorities}"
                );
            }
            // Signatures are valid while every certificate of their chain is.
            let last = certificate.validity().not_after;
            ensure!(
                end.to_unix_duration() <= last.to_unix_duration(),
                "the certificate would end on {}, later than that of {subject} on {}: give fewer --days",
                end.to_date_time(),
                last.to_date_time()
            );
        }
        Ok(())
    }

    fn certificate(&self) -> &x509_cert::certificate::TbsCertificate {
        // `read` has seen that there is one.
        self.chain[0].tbs_certificate()
    }
}
