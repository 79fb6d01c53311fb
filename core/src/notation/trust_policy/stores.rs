//! The certificates of trust stores, as files (trust-store-trust-policy.md, "Trust Store").

use super::Requirement;
use crate::notation::trust_store::{StoreKind, Trust, TrustStores};
use crate::text::excerpt;
use crate::x509::read_all;

/// Why a store that a statement names cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFilesError {
    /// No file is in it.
    #[error("there is no file in {0}")]
    Empty(String),
    /// A file in it has no certificates that it may hold.
    #[error("{file}: {what}")]
    File {
        /// Its path.
        file: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Requirement {
    /// The stores that are named, from files whose path ends with `x509/KIND/STORE/FILE`, as they lie in Notation's folder;
    /// and everything that is wrong with them, by the place of the store in the list.
    pub fn read_stores(&self, files: &[(String, &[u8])]) -> (TrustStores, Vec<(usize, StoreFilesError)>) {
        let (mut stores, mut errors) = (TrustStores::default(), Vec::new());
        for (index, (kind, name)) in self.stores.iter().enumerate() {
            let folder = ["x509", kind.name(), name.as_str()];
            let mut is_there = false;
            for (file, bytes) in files.iter().filter(|(file, _)| is_in(file, folder)) {
                is_there = true;
                if let Err(what) = add(&mut stores, *kind, bytes) {
                    errors.push((index, StoreFilesError::File { file: excerpt(file), what }));
                }
            }
            if !is_there {
                errors.push((index, StoreFilesError::Empty(format!("truststore/{}", folder.join("/")))));
            }
        }
        (stores, errors)
    }

    /// What signatures are held against, with these stores.
    pub fn trust(&self, stores: TrustStores) -> Trust {
        Trust {
            stores,
            identities: self.identities.clone(),
            level: self.level,
            verify_timestamp: self.verify_timestamp,
            metadata: Default::default(),
            crls: Vec::new(),
        }
    }
}

fn add(stores: &mut TrustStores, kind: StoreKind, bytes: &[u8]) -> Result<(), String> {
    let certificates = read_all(bytes).map_err(|error| error.to_string())?;
    stores.add(kind, certificates).map_err(|error| error.to_string())
}

/// Whether a file lies in this folder, and not below it.
fn is_in(file: &str, folder: [&str; 3]) -> bool {
    let parts: Vec<&str> = file.split(['/', '\\']).collect();
    matches!(parts.as_slice(), [.., one, two, three, _] if [*one, *two, *three] == folder)
}
