//! A PIN: wiped when dropped, absent from `Debug`.

use core::fmt;

use zeroize::Zeroizing;

/// Octets of a PIN. Not always text: some tokens take any octets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    pub(crate) fn new(octets: Zeroizing<Vec<u8>>) -> Self {
        Self(octets)
    }

    /// The octets themselves. Named so that each use stands out.
    #[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "only tokens are told a PIN"))]
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
