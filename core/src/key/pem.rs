//! PEM (RFC 7468): exactly one block, nothing before it and nothing after it.

use zeroize::Zeroizing;

use crate::limits::MAX_KEY_BYTES;

/// Why bytes are not one PEM block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PemError {
    #[error("{got} octets, a key file has at most {MAX_KEY_BYTES}")]
    TooLarge { got: usize },
    #[error("not PEM: expected -----BEGIN …----- at the start")]
    NotPem,
    #[error("text after the first PEM block: a key file holds exactly one")]
    Trailing,
    #[error("not PEM: {0}")]
    Syntax(pem_rfc7468::Error),
}

/// The label and the decoded content of a file that is one PEM block.
pub(crate) fn single_block(bytes: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), PemError> {
    if bytes.len() > MAX_KEY_BYTES {
        return Err(PemError::TooLarge { got: bytes.len() });
    }
    let block = bytes.trim_ascii();
    if !block.starts_with(b"-----BEGIN ") {
        return Err(PemError::NotPem);
    }
    if occurrences(block, b"-----BEGIN ") > 1 || occurrences(block, b"-----END ") > 1 || !block.ends_with(b"-----") {
        return Err(PemError::Trailing);
    }
    let mut decoder = pem_rfc7468::Decoder::new_detect_wrap(block).map_err(PemError::Syntax)?;
    let label = decoder.type_label().to_owned();
    let mut content = Zeroizing::new(Vec::with_capacity(decoder.remaining_len()));
    decoder.decode_to_end(&mut content).map_err(PemError::Syntax)?;
    Ok((label, content))
}

/// Writes one PEM block with lines of 64 characters.
pub(crate) fn write(label: &str, content: &[u8]) -> Result<Zeroizing<String>, pem_rfc7468::Error> {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, content).map(Zeroizing::new)
}

fn occurrences(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}
