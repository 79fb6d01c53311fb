//! Configuration of content trust. Every key has a default.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How Notary servers are asked, and where it is kept what was seen there. Credentials, time limits and what else is special about
/// a server are those of `registry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrustConfig {
    /// The folder for what is remembered of collections, its owner's only; processes on one machine may share it. It is made when
    /// there is something to remember. Default: `bulla-state/trust`.
    pub state: PathBuf,
    /// PEM file with certificates of authorities that Notary servers may use beside the system's. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

impl Default for TrustConfig {
    fn default() -> Self {
        Self { state: PathBuf::from("bulla-state/trust"), ca_file: None }
    }
}
