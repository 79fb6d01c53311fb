//! Message framing (docs/abi.md, section "Messages").
//!
//! ```text
//! message = length header *( length blob )     ; nothing after the last blob
//! length  = 4 octets, unsigned, little-endian  ; octets of what follows
//! header  = one JSON object, UTF-8
//! ```
//! Blobs are raw, so nothing large is ever base64; the header names them by their index.

use serde::Serialize;

/// Octets of a header. 16 MiB: an AdmissionReview travels as a blob, so only lists of needs and evidence fill a header.
pub const MAX_HEADER_BYTES: usize = 16 * 1024 * 1024;
/// Blobs in one message: evidence of one round never has more than one blob for each need.
pub const MAX_BLOBS: usize = 4096;

/// One message, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The JSON header, as it stands on the wire.
    pub header: Vec<u8>,
    /// The blobs, in order.
    pub blobs: Vec<Vec<u8>>,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A length points past the end of the message.
    #[error("message cut short: {wanted} octets announced at offset {offset}, {available} there")]
    Truncated {
        /// Octets from the start of the message to the announced part.
        offset: usize,
        /// Octets announced.
        wanted: usize,
        /// Octets there.
        available: usize,
    },
    /// The header is larger than [`MAX_HEADER_BYTES`].
    #[error("header of {got} octets, at most {MAX_HEADER_BYTES} are allowed")]
    HeaderTooLarge {
        /// Octets announced.
        got: usize,
    },
    /// More than [`MAX_BLOBS`] blobs.
    #[error("more than {MAX_BLOBS} blobs")]
    TooManyBlobs,
    /// A part does not fit the four octets of a length.
    #[error("a part of {got} octets does not fit a 32-bit length")]
    PartTooLarge {
        /// Octets of the part.
        got: usize,
    },
}

impl Message {
    /// A message with this header and no blobs.
    ///
    /// # Errors
    /// When the header cannot be serialised.
    pub fn new(header: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { header: serde_json::to_vec(header)?, blobs: Vec::new() })
    }

    /// Adds a blob and gives the index by which the header names it.
    pub fn push(&mut self, blob: Vec<u8>) -> usize {
        self.blobs.push(blob);
        self.blobs.len().saturating_sub(1)
    }

    /// The message as bytes.
    ///
    /// # Errors
    /// [`FrameError::PartTooLarge`] for a part of 4 GiB or more.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let parts = || core::iter::once(&self.header).chain(&self.blobs);
        let total = parts().fold(0usize, |sum, part| sum.saturating_add(4).saturating_add(part.len()));
        let mut bytes = Vec::with_capacity(total);
        for part in parts() {
            let length = u32::try_from(part.len()).map_err(|_| FrameError::PartTooLarge { got: part.len() })?;
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(part);
        }
        Ok(bytes)
    }

    /// Reads a message. The header is not parsed.
    ///
    /// # Errors
    /// [`FrameError`] when the bytes are not exactly one message within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut offset = 0usize;
        let header = part(bytes, &mut offset, MAX_HEADER_BYTES)?.to_vec();
        let mut blobs = Vec::new();
        while offset < bytes.len() {
            if blobs.len() >= MAX_BLOBS {
                return Err(FrameError::TooManyBlobs);
            }
            blobs.push(part(bytes, &mut offset, usize::MAX)?.to_vec());
        }
        Ok(Self { header, blobs })
    }
}

fn part<'a>(bytes: &'a [u8], offset: &mut usize, limit: usize) -> Result<&'a [u8], FrameError> {
    let rest = bytes.get(*offset..).unwrap_or_default();
    let Some((length, rest)) = rest.split_first_chunk::<4>() else {
        return Err(FrameError::Truncated { offset: *offset, wanted: 4, available: rest.len() });
    };
    let wanted = u32::from_le_bytes(*length) as usize;
    if wanted > limit {
        return Err(FrameError::HeaderTooLarge { got: wanted });
    }
    let start = offset.saturating_add(4);
    let found = rest.get(..wanted).ok_or(FrameError::Truncated { offset: start, wanted, available: rest.len() })?;
    *offset = start.saturating_add(wanted);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{FrameError, Message};

    #[test]
    fn a_message_survives_the_round_trip() {
        let mut message = Message::new(&serde_json::json!({"a": 1})).expect("serialisable");
        assert_eq!(message.push(b"first".to_vec()), 0);
        assert_eq!(message.push(Vec::new()), 1);
        let bytes = message.encode().expect("small");
        assert_eq!(Message::decode(&bytes), Ok(message));
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_message() {
        let mut message = Message::new(&serde_json::json!({})).expect("serialisable");
        message.push(vec![7; 9]);
        let bytes = message.encode().expect("small");
        for cut in 0..bytes.len() {
            match Message::decode(&bytes[..cut]) {
                Err(FrameError::Truncated { .. }) => {}
                Ok(shorter) => assert!(shorter.blobs.is_empty(), "cut at {cut}"),
                Err(other) => panic!("cut at {cut}: {other}"),
            }
        }
    }

    #[test]
    fn an_announced_length_is_never_allocated_before_it_is_there() {
        let bytes = [2, 0, 0, 0, b'{', b'}', 0xff, 0xff, 0xff, 0xff];
        assert_eq!(
            Message::decode(&bytes),
            Err(FrameError::Truncated { offset: 10, wanted: 0xffff_ffff, available: 0 })
        );
    }
}
