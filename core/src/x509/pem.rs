//! Certificates in a file: PEM (RFC 7468, section 5), one or more, or DER, one.

use super::{Certificate, CertificateError};
use crate::limits::{MAX_CERTIFICATE_FILE_BYTES, MAX_STORE_CERTIFICATES};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Reads the certificates of a file: text before and between PEM blocks is skipped, as other readers do; there is at least one.
///
/// # Errors
/// [`CertificateError`] for the first that is none, [`CertificateError::Pem`] for a file without any or with other blocks.
pub fn read_all(file: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let pem = |message: &str| CertificateError::Pem(message.to_owned());
    if file.len() > MAX_CERTIFICATE_FILE_BYTES {
        return Err(pem(&format!("{} octets, at most {MAX_CERTIFICATE_FILE_BYTES} are read", file.len())));
    }
    if file.first() == Some(&0x30) {
        return Ok(vec![Certificate::from_der(file)?]);
    }
    let text = core::str::from_utf8(file).map_err(|_| pem("it is neither text nor DER"))?;
    if text.matches("-----BEGIN ").count() != text.matches(BEGIN).count() {
        return Err(pem("it has blocks that are no certificates"));
    }
    let mut certificates = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once(BEGIN) {
        let (body, after) = block.split_once(END).ok_or_else(|| pem("a block without its end"))?;
        if certificates.len() >= MAX_STORE_CERTIFICATES {
            return Err(pem(&format!("more than {MAX_STORE_CERTIFICATES} certificates")));
        }
        let block = format!("{BEGIN}{body}{END}\n");
        let (_, der) = pem_rfc7468::decode_vec(block.as_bytes()).map_err(|error| pem(&error.to_string()))?;
        certificates.push(Certificate::from_der(&der)?);
        rest = after;
    }
    if certificates.is_empty() { Err(pem("there is no certificate in it")) } else { Ok(certificates) }
}
