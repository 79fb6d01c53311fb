//! The one place of this crate where a clock is read: for the age of what is kept, never for a verdict.

use std::time::SystemTime;

/// Now.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
