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
    /// A database for the same in place of the folder, for several machines that decide. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseConfig>,
    /// PEM file with certificates of authorities that Notary servers may use beside the system's. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// A PostgreSQL database of Bulla's own. It is spoken to over TLS and has to prove its name; a Unix socket needs neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://USER@HOST[:PORT]/DATABASE`, without a password. The host may be the folder of a Unix socket: `%2Fvar%2Frun%2Fpostgresql`.
    pub url: String,
    /// The file with the password of the user, read at start. Default: none; then the server has to let the user in by other means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM file with the certificate of an authority that the server may use beside those that browsers know. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

impl Default for TrustConfig {
    fn default() -> Self {
        Self { state: PathBuf::from("bulla-state/trust"), database: None, ca_file: None }
    }
}
