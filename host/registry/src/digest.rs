//! Content digests (image-spec 1.1, descriptor.md, section "Digests").

use core::fmt;

use sha2::{Digest as _, Sha256, Sha512};

/// A digest whose text was checked: `sha256:` or `sha512:` and lower-case hex of the right length. Safe in a URL or a
/// path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

/// Why a text is not a digest that we take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest: sha256 with 64 or sha512 with 128 lower-case hex characters is expected")]
pub struct DigestError {
    /// The text, cut to 160 characters.
    pub text: String,
}

impl Digest {
    /// Checks the text of a digest.
    ///
    /// # Errors
    /// [`DigestError`] for another algorithm, another length, or hex in upper case, which is another text and so
    /// another digest.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let length = match text.split_once(':') {
            Some(("sha256", hex)) if is_lower_hex(hex) => hex.len() == 64,
            Some(("sha512", hex)) if is_lower_hex(hex) => hex.len() == 128,
            _ => false,
        };
        if length { Ok(Self(text.to_owned())) } else { Err(DigestError { text: text.chars().take(160).collect() }) }
    }

    /// The SHA-256 digest of these bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the colon: 64 or 128 lower-case hex characters.
    pub fn encoded(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, encoded)| encoded)
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest of these bytes by this digest's algorithm: equal to `self` when they are the content that it names.
    pub fn recompute(&self, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::like(self);
        hasher.update(bytes);
        hasher.finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes content that comes in parts.
#[derive(Debug)]
pub struct Hasher(State);

#[derive(Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// A hasher by the algorithm of this digest.
    pub fn like(digest: &Digest) -> Self {
        Self(if digest.algorithm() == "sha512" { State::Sha512(Sha512::new()) } else { State::Sha256(Sha256::new()) })
    }

    /// Takes the next part.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        Digest(match self.0 {
            State::Sha256(state) => format!("sha256:{}", hex::encode(state.finalize())),
            State::Sha512(state) => format!("sha512:{}", hex::encode(state.finalize())),
        })
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::Digest;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_lower_case_hex_of_the_right_length_is_a_digest() {
        assert_eq!(Digest::parse(EMPTY).expect("well formed").as_str(), EMPTY);
        assert!(Digest::parse(&format!("sha512:{}", "0f".repeat(64))).is_ok());
        for bad in [
            "",
            "sha256:",
            "sha256:../../../etc/passwd",
            "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
            &EMPTY.to_uppercase(),
            &EMPTY.replace('e', "E"),
            &EMPTY[..70],
            &format!("{EMPTY}0"),
            &format!("{EMPTY}/.."),
            &EMPTY.replace("sha256", "sha512"),
        ] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn recomputing_uses_the_algorithm_of_the_digest() {
        let short = Digest::parse(EMPTY).expect("well formed");
        assert_eq!(short.recompute(b""), short);
        assert_ne!(short.recompute(b"x"), short);
        let long = Digest::parse(&format!("sha512:{}", "0".repeat(128))).expect("well formed");
        assert!(long.recompute(b"").as_str().starts_with("sha512:cf83e1357eefb8bd"));
    }
}
