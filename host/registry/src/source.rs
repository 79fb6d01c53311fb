//! How an error of a registry is evidence.

use bulla_source::Fetched;

use crate::error::RegistryError;

impl From<RegistryError> for Fetched {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Absent { .. } => Self::Absent,
            RegistryError::TooLarge { got, .. } => Self::TooLarge { got },
            other => Self::Failed { reason: other.to_string() },
        }
    }
}
