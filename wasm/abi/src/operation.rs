//! Operation numbers (docs/abi.md, section "Operations").

/// What `bulla_call` is asked to do. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Operation {
    /// Name, version, ABI, compiler and limits of the module.
    Describe = 0,
    /// Takes policy documents; a sandbox that has loaded them can open questions.
    Load = 1,
    /// Asks a question about one image. Answers with needs or a verdict.
    Open = 2,
    /// Brings evidence for an open question. Answers with needs or a verdict.
    Supply = 3,
    /// Load, open and supply in one call: the same verdict bytes. Replay uses this.
    Decide = 4,
    /// Finds the images in an AdmissionReview.
    Extract = 5,
    /// Makes the AdmissionReview response from verdicts.
    Respond = 6,
    /// Checks a manifest against its digest and lists the manifests and blobs it names.
    Contents = 7,
    /// Makes the exact bytes that a signer of an image has to sign.
    Prepare = 8,
    /// Signs bytes with a private key given to it (ECDSA, Ed25519).
    Sign = 9,
    /// Takes a signature over prepared bytes and gives a push plan.
    Assemble = 10,
    /// Checks one raw signature by one public key.
    Check = 11,
    /// Makes a key pair from given entropy.
    Generate = 12,
    /// Reads a public or private key, describes it, and writes it in another form.
    Key = 13,
    /// Lists the signatures and attestations that lie in a registry for an image. Answers with needs or a listing.
    Inspect = 14,
    /// Says another's policies as Bulla's own.
    Convert = 15,
    /// Verifies a collection of Docker Content Trust by pins, as its clients update it. Answers with needs or what it says.
    Update = 16,
    /// Makes the certificate of a root key for such a collection, which the key itself signs.
    Certify = 17,
    /// Makes such a collection, or changes to one: what is to be signed, then the files to post. Answers with needs or these.
    Publish = 18,
    /// Verifies Notation's signature of a blob. Answers with needs or a verdict.
    Blob = 19,
    /// Makes the checks that notation leaves to a verification plugin. Answers with needs or the checks.
    Chain = 20,
}

impl Operation {
    /// Every operation, in the order of its number.
    pub const ALL: [Self; 21] = [
        Self::Describe,
        Self::Load,
        Self::Open,
        Self::Supply,
        Self::Decide,
        Self::Extract,
        Self::Respond,
        Self::Contents,
        Self::Prepare,
        Self::Sign,
        Self::Assemble,
        Self::Check,
        Self::Generate,
        Self::Key,
        Self::Inspect,
        Self::Convert,
        Self::Update,
        Self::Certify,
        Self::Publish,
        Self::Blob,
        Self::Chain,
    ];

    /// The number that goes over the boundary.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The operation with this number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.number() == number)
    }

    /// The name used in documents, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Load => "load",
            Self::Open => "open",
            Self::Supply => "supply",
            Self::Decide => "decide",
            Self::Extract => "extract",
            Self::Respond => "respond",
            Self::Contents => "contents",
            Self::Prepare => "prepare",
            Self::Sign => "sign",
            Self::Assemble => "assemble",
            Self::Check => "check",
            Self::Generate => "generate",
            Self::Key => "key",
            Self::Inspect => "inspect",
            Self::Convert => "convert",
            Self::Update => "update",
            Self::Certify => "certify",
            Self::Publish => "publish",
            Self::Blob => "blob",
            Self::Chain => "chain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Operation;

    #[test]
    fn numbers_are_dense_and_go_both_ways() {
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(operation.number()), Ok(index));
            assert_eq!(Operation::from_number(operation.number()), Some(operation));
        }
        assert_eq!(Operation::from_number(21), None);
        assert_eq!(Operation::from_number(-1), None);
    }
}
