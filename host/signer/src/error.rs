//! Why a key does not open or does not sign.

use core::time::Duration;
use std::path::PathBuf;

use crate::text::{span, tail};

/// Why a key does not open or does not sign. What tokens and programs say is in it without control characters and cut;
/// a PIN never is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// A program did not do its part.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A token did not do its part.
    #[error(transparent)]
    Pkcs11(#[from] Pkcs11Error),
    /// This build has no PKCS #11.
    #[error("{reference}: this build of Bulla has no PKCS #11 (cargo feature `pkcs11` of bulla-signer)")]
    NotBuilt {
        /// The key that was to be opened, without its PIN.
        reference: String,
    },
}

/// What is wrong with a public key or a signature that came from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// Not a PEM block with a public key.
    #[error("the public key is no PEM block \"PUBLIC KEY\" or \"RSA PUBLIC KEY\": {0}")]
    Pem(String),
    /// Not the DER that it should be.
    #[error("{what} is not the ASN.1 that it should be: {reason}")]
    Encoding {
        /// Of what.
        what: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// A kind of key or a curve that Bulla does not use.
    #[error("keys of the kind {0} are not used: ECDSA P-256, P-384, P-521, RSA and Ed25519 are")]
    Algorithm(String),
    /// A key that Bulla uses and Notation does not.
    #[error("{0} keys do not sign for Notation: RSA of 2048, 3072 and 4096 bits and ECDSA P-256, P-384, P-521 do")]
    Notation(String),
    /// Programs sign with RSA in cosign's way alone.
    #[error("the protocol of such programs has no RSASSA-PSS, which RSA keys sign with for Notation: use an ECDSA key")]
    NoPss,
    /// So many octets cannot be what they should be.
    #[error("{what} has {got} octets and should have {want}")]
    Length {
        /// Of what.
        what: &'static str,
        /// Octets that came.
        got: usize,
        /// Octets that there should be.
        want: usize,
    },
    /// An ECDSA signature with a zero in it, which nothing verifies (FIPS 186-5, section 6.4.2).
    #[error("the ECDSA signature has a zero in it")]
    Zero,
}

/// A program did not do its part (sigstore, `pkg/signature/kms/cliplugin/README.md`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// There is no such program.
    #[error("{program} is in no folder of PATH; it is the program that signs with keys of {scheme}://{}", relative_note(*.relative))]
    Missing {
        /// Its name.
        program: String,
        /// What stands before `://`.
        scheme: String,
        /// Whether it is in a folder of `PATH` that is named relative to the current folder, which is never used.
        relative: bool,
    },
    /// It was called and gave nothing that can be used.
    #[error("{program} {method}: {failure}{}", tail(.said))]
    Call {
        /// Its name.
        program: String,
        /// What it was asked: `publicKey` or `signMessage`.
        method: &'static str,
        /// What went wrong.
        failure: PluginFailure,
        /// What it wrote on standard error.
        said: String,
    },
}

/// What went wrong with one call of a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginFailure {
    /// The system does not start it.
    #[error("cannot be started: {0}")]
    Start(String),
    /// It took too long and was ended.
    #[error("no answer within {}; it was ended", span(.0))]
    Timeout(Duration),
    /// It wrote more than an answer can have, and was ended.
    #[error("more than {0} octets on standard output; it was ended")]
    TooMuch(usize),
    /// It was ended by a signal, or its pipes failed.
    #[error("{0}")]
    Broken(String),
    /// What it wrote is not the JSON of the protocol.
    #[error("the answer is not the JSON that it should be: {reason} ({status})")]
    Answer {
        /// What the reader says.
        reason: String,
        /// How the program ended.
        status: String,
    },
    /// It answered with an error message.
    #[error("it answers: {0}")]
    Refused(String),
    /// The key or the signature in its answer is none.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// A token did not do its part (PKCS #11, version 2.40 and later).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// Nobody says which library speaks to the token.
    #[error("which PKCS #11 library? Say module-path=/…/lib….so in the URI, or set {}", crate::options::MODULE_VARIABLES[0])]
    NoModule,
    /// A variable names the library by a path that depends on the current folder.
    #[error("{variable} must be an absolute path")]
    RelativeModule {
        /// The variable.
        variable: &'static str,
    },
    /// The library cannot be loaded.
    #[error("PKCS #11 library {}: {reason}", path.display())]
    Load {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A function of the library failed.
    #[error("{place}: {call}: {reason}")]
    Call {
        /// The library, token or key.
        place: String,
        /// The function.
        call: String,
        /// Its return value.
        reason: String,
    },
    /// The library is not the one that the URI describes.
    #[error("PKCS #11 library {} is {is}, which the URI does not match", path.display())]
    OtherLibrary {
        /// Where it is.
        path: PathBuf,
        /// What it says of itself.
        is: String,
    },
    /// No token matches.
    #[error("no token matches {wanted}; the library has {}", list(.has))]
    NoToken {
        /// The URI, without its PIN.
        wanted: String,
        /// The tokens that there are.
        has: Vec<String>,
    },
    /// Several tokens match.
    #[error("{wanted} matches several tokens; say which by token, serial or slot-id: {}", list(.has))]
    SeveralTokens {
        /// The URI, without its PIN.
        wanted: String,
        /// The tokens that match.
        has: Vec<String>,
    },
    /// The token wants a PIN and nobody has one.
    #[error("{token} needs a PIN: set {} (or {}), or name a file by pin-source in the URI", crate::options::PIN_VARIABLES[0], crate::options::PIN_VARIABLES[1])]
    NoPin {
        /// The token.
        token: String,
    },
    /// The file with the PIN cannot be used.
    #[error("pin-source {}: {reason}", path.display())]
    PinFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The token does not take this PIN.
    #[error("{token} does not take the PIN ({reason}){}", tail(.note))]
    PinRefused {
        /// The token.
        token: String,
        /// The return value of the library.
        reason: String,
        /// How near the token is to being locked, as far as it says so.
        note: String,
    },
    /// No private key matches.
    #[error("{token} has no private key {wanted}; it has {}", list(.has))]
    NoKey {
        /// The token.
        token: String,
        /// Label and identifier that were asked for.
        wanted: String,
        /// The private keys that there are.
        has: Vec<String>,
    },
    /// Several private keys match.
    #[error("{token} has several private keys {wanted}; say which by object and id: {}", list(.has))]
    SeveralKeys {
        /// The token.
        token: String,
        /// Label and identifier that were asked for.
        wanted: String,
        /// The private keys that match.
        has: Vec<String>,
    },
    /// The key is not for signing (CKA_SIGN is false).
    #[error("{key} may not sign (CKA_SIGN)")]
    MayNotSign {
        /// The key.
        key: String,
    },
    /// A kind of key that Bulla does not use.
    #[error("{key} is of the kind {kind}, which is not used: EC, RSA and Ed25519 are")]
    Kind {
        /// The key.
        key: String,
        /// CKA_KEY_TYPE.
        kind: String,
    },
    /// The token does not have the public half.
    #[error(
        "{key}: the token has neither its public key nor a certificate under the same {by}; write one of them to the token"
    )]
    NoPublicKey {
        /// The key.
        key: String,
        /// What was compared: id or label.
        by: &'static str,
    },
    /// The token has several public halves.
    #[error("{key}: the token has different public keys under the same {by}")]
    SeveralPublicKeys {
        /// The key.
        key: String,
        /// What was compared: id or label.
        by: &'static str,
    },
    /// The token cannot make the signature that is needed.
    #[error("{key}: the token does not sign with {mechanism}")]
    Mechanism {
        /// The key.
        key: String,
        /// What would be needed.
        mechanism: String,
    },
    /// Public key or signature are none.
    #[error("{key}: {error}")]
    Form {
        /// The key.
        key: String,
        /// What is wrong.
        error: FormError,
    },
}

fn relative_note(relative: bool) -> &'static str {
    if relative { " (a folder of PATH that has it is relative to the current folder, and is not used)" } else { "" }
}

/// Entries of a list in a message. More are counted: a token may have thousands.
const MAX_LISTED: usize = 20;

fn list(items: &[String]) -> String {
    let listed = items.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match items.len() {
        0 => "none".to_owned(),
        count if count > MAX_LISTED => format!("{listed} and {} more", count - MAX_LISTED),
        _ => listed,
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LISTED, list};

    #[test]
    fn lists_end() {
        assert_eq!(list(&[]), "none");
        assert_eq!(list(&["a".into(), "b".into()]), "a, b");
        let many: Vec<String> = (0..MAX_LISTED + 5).map(|number| number.to_string()).collect();
        assert!(list(&many).ends_with("18, 19 and 5 more"), "{}", list(&many));
    }
}
