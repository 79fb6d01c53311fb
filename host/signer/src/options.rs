//! What opening a key may use beside its reference.

use core::fmt;
use core::time::Duration;
use std::env;
use std::ffi::OsString;

use zeroize::Zeroizing;

use crate::scheme::Scheme;

/// Where the path of the PKCS #11 library is taken from when the URI does not say it; the first one that is set. The
/// second is cosign's.
#[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "only tokens have a library"))]
pub(crate) const MODULE_VARIABLES: [&str; 2] = ["BULLA_PKCS11_MODULE", "COSIGN_PKCS11_MODULE_PATH"];

/// Where a token's PIN is taken from when the URI does not say it; the first one that is set. The second is cosign's.
pub const PIN_VARIABLES: [&str; 2] = ["BULLA_PKCS11_PIN", "COSIGN_PKCS11_PIN"];

/// Secrets of Bulla's own in the environment, which are no business of a program that signs.
pub(crate) const KEPT_FROM_PROGRAMS: [&str; 3] = ["BULLA_PASSPHRASE", "BULLA_NEW_PASSPHRASE", PIN_VARIABLES[0]];

/// How a variable of the environment is read.
type Environment = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// How a PIN is asked for: the token is named, and None means that nobody answers.
type AskPin = Box<dyn Fn(&str) -> Option<Zeroizing<String>> + Send + Sync>;

/// What opening a key may use beside its reference. The default suits a service: the process's environment, nobody to
/// ask, and ten seconds for each answer of a program.
pub struct SignerOptions {
    /// How long a program may take for one answer. 10 s: what a network key service needs on a bad day; a key that
    /// waits for a touch or a one-time password needs more.
    pub program_timeout: Duration,
    /// What the key's signatures are for.
    pub scheme: Scheme,
    /// Reads a variable of the environment: `PATH` and those of this crate.
    pub environment: Environment,
    /// Asks for a token's PIN, when neither the URI nor the environment has one. The text names the token.
    pub ask_pin: Option<AskPin>,
}

impl Default for SignerOptions {
    fn default() -> Self {
        Self {
            program_timeout: Duration::from_secs(10),
            scheme: Scheme::Cosign,
            environment: Box::new(|name| env::var_os(name)),
            ask_pin: None,
        }
    }
}

impl SignerOptions {
    /// The first of these variables that is set and not empty, with its name.
    #[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "only tokens are described by variables"))]
    pub(crate) fn first_of(&self, names: &[&'static str]) -> Option<(&'static str, OsString)> {
        let set = names.iter().filter_map(|name| Some((*name, (self.environment)(name)?)));
        set.into_iter().find(|(_, value)| !value.is_empty())
    }
}

impl fmt::Debug for SignerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerOptions").field("program_timeout", &self.program_timeout).finish_non_exhaustive()
    }
}
