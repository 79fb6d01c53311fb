//! What a peer does not do. Each is checked: a peer that does it after all fails the run.

/// A limitation, or a flag that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    /// cosign verifies P-384 and P-521 over SHA-256 unless told, and signs over the curve's own hash.
    HashFlag,
    /// cosign signs Ed25519ph and verifies Ed25519.
    Ed25519ph,
    /// cosign looks at the digest that it was asked for, and at nothing under it.
    NoLeaves,
    /// cosign 2.6 writes bundles without the annotations that it was given.
    AnnotationNotSigned,
    /// cosign 2.6 does not compare annotations in bundles.
    AnnotationNotCompared,
    /// cosign 2.6 writes bundles beside the image and looks for them there only.
    RepositoryIgnored,
}

impl Note {
    /// In the order in which the document lists them.
    pub(super) const ALL: [Self; 6] = [
        Self::HashFlag,
        Self::Ed25519ph,
        Self::NoLeaves,
        Self::AnnotationNotSigned,
        Self::AnnotationNotCompared,
        Self::RepositoryIgnored,
    ];

    /// How a cell refers to it.
    pub(super) fn letter(self) -> char {
        match self {
            Self::HashFlag => 'a',
            Self::Ed25519ph => 'b',
            Self::NoLeaves => 'c',
            Self::AnnotationNotSigned => 'd',
            Self::AnnotationNotCompared => 'e',
            Self::RepositoryIgnored => 'f',
        }
    }

    /// What it is.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::HashFlag => {
                "cosign signs with a P-384 or P-521 key over SHA-384 or SHA-512, and verifies over SHA-256 unless told: \
                 `--signature-digest-algorithm sha384` (`sha512`). Without that flag it refuses its own signature. Bulla \
                 signs over SHA-256 and verifies both."
            }
            Self::Ed25519ph => {
                "cosign signs Ed25519ph with an Ed25519 key file, and verifies pure Ed25519: no flag of either version \
                 verifies what it signed. Bulla signs and verifies pure Ed25519."
            }
            Self::NoLeaves => {
                "cosign verifies the digest that it was asked for and never walks an index; the leaves by themselves it \
                 verifies."
            }
            Self::AnnotationNotSigned => {
                "cosign 2.6 drops `-a` when it signs a bundle: whoever compares annotations refuses, rightly."
            }
            Self::AnnotationNotCompared => {
                "cosign 2.6 ignores `-a` when it verifies a bundle: it accepts another value as well."
            }
            Self::RepositoryIgnored => {
                "cosign 2.6 ignores `COSIGN_REPOSITORY` for bundles: it writes them beside the image and looks for them \
                 there."
            }
        }
    }
}
