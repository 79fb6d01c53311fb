//! Where it is kept what is remembered: a folder, for one machine; a database, where several decide (docs/content-trust.md).

use std::io;
use std::path::PathBuf;

use bulla_registry::ConfigError;

use crate::config::TrustConfig;
use crate::database::Database;
use crate::folder::Folder;
use crate::state::{Conflict, MAX_KEYS, State};

/// Octets of what is remembered of one collection. 1 MiB: what the module reads (docs/abi.md, "Limits").
pub(crate) const MAX_STATE_BYTES: u64 = 1024 * 1024;

/// What is remembered of collections. Versions only grow in it, whoever writes. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Store {
    /// For the processes of one machine.
    Folder(Folder),
    /// For several machines.
    Database(Database),
}

/// What was there when something was to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing newer.
    Newest,
    /// Something newer: others have seen it since this was read. What rests on it has to be decided anew.
    Superseded,
}

/// Why something is not remembered, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refuses.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others could write there.
    #[error("{}: {why}", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database does not do what it is asked to.
    #[error("{place}: {error}")]
    Database {
        /// The server and the database.
        place: String,
        /// What it says, or why it could not be asked.
        error: String,
    },
    /// Others write all the time.
    #[error("{place}: others are writing, {tried}")]
    Busy {
        /// The lock file, or the database.
        place: String,
        /// For how long, or how often, it was tried.
        tried: String,
    },
    /// A file or a row that does not say what it should. Nobody but an operator may remove it: it could hide that versions went
    /// back.
    #[error("{place}: {why}; remove it only if you know why")]
    Damaged {
        /// The file, or the row of the database.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than could be read again, or than is kept of a role: whoever may give keys to a role has given it hundreds.
    #[error("{collection}: {what}; remove what is remembered of it only if you know why")]
    Full {
        /// The collection.
        collection: String,
        /// What is too much.
        what: String,
    },
    /// Another decision saw another file of the same version, signed by the same key.
    #[error("{collection}: two different files of role {role} have version {version}")]
    Conflict {
        /// The collection.
        collection: String,
        /// The role.
        role: String,
        /// The version.
        version: u64,
    },
}

impl Store {
    /// Where the configuration says.
    ///
    /// # Errors
    /// [`ConfigError`] when a database is named that cannot be used. Nobody is asked yet.
    pub fn new(config: &TrustConfig) -> Result<Self, ConfigError> {
        match &config.database {
            Some(database) => Ok(Self::Database(Database::new(database)?)),
            None => Ok(Self::Folder(Folder::new(config.state.clone()))),
        }
    }

    /// What is remembered of a collection, which is a server, a name and a digest of pins with spaces between; nothing where it was
    /// never seen.
    ///
    /// # Errors
    /// [`StoreError`]: then it is not known, which is not nothing.
    pub async fn read(&self, collection: &str) -> Result<Option<State>, StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, collection) = (folder.clone(), collection.to_owned());
                blocking(move || folder.read(&collection)).await
            }
            Self::Database(database) => database.read(collection).await,
        }
    }

    /// Takes in what a verdict says is to be remembered. When it returns, that is written for good, and no version went back.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing has changed, but where a database did not answer in time: then it is not known.
    pub async fn remember(&self, collection: &str, state: &State) -> Result<Kept, StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, collection, state) = (folder.clone(), collection.to_owned(), state.clone());
                blocking(move || folder.remember(&collection, &state)).await
            }
            Self::Database(database) => database.remember(collection, state).await,
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(StoreError::Io { what: "use", path: PathBuf::new(), error: io::Error::other(error) })
    })
}

/// What is to be written in place of what there is, if anything is new, and whether that was newer.
pub(crate) fn merge(
    collection: &str,
    before: Option<&State>,
    state: &State,
) -> Result<(Option<State>, Kept), StoreError> {
    let kept = if before.is_none_or(|before| state.covers(before)) { Kept::Newest } else { Kept::Superseded };
    let mut merged = before.cloned().unwrap_or_default();
    merged.merge(state).map_err(|Conflict { role, version }| StoreError::Conflict {
        collection: collection.to_owned(),
        role,
        version,
    })?;
    let full = |what| Err(StoreError::Full { collection: collection.to_owned(), what });
    // What is new has to be among what is kept: else an older one could be believed next time.
    if let Some(role) = merged.lost(state, before) {
        return full(format!("of role {role} higher versions by {MAX_KEYS} other keys are remembered"));
    }
    if before == Some(&merged) {
        return Ok((None, kept));
    }
    let got = serde_json::to_vec(&merged).map_or(usize::MAX, |bytes| bytes.len());
    if got as u64 > MAX_STATE_BYTES {
        return full(format!("{got} octets are to be remembered, at most {MAX_STATE_BYTES} are"));
    }
    Ok((Some(merged), kept))
}
