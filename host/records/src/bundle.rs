//! One record with everything that it names, in one file: a message of the module's contract (docs/abi.md, "Messages"),
//! which browsers read as well. The same record gives the same octets, everywhere.

use std::collections::HashMap;
use std::io;

use bulla_engine::abi::{FrameError, MAX_BLOBS, Message};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::canonical::canonical;
use crate::compose::Composed;
use crate::digest::Digest;
use crate::limits::MAX_BUNDLE_BYTES;
use crate::lists::Policies;
use crate::reader::Contents;
use crate::store::{Store, StoreError, Written};
use crate::whole::{Damage, Part, Problem, Whole};

/// What the file calls itself.
const FORMAT: &str = "bulla.dev/record/1";

/// The file of one record, read and not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    id: Digest,
    record: Vec<u8>,
    contents: HashMap<Digest, Vec<u8>>,
    bytes: Bytes,
}

/// Why octets are not the file of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Too large.
    #[error("{got} octets, the file of a record has at most {MAX_BUNDLE_BYTES}")]
    TooLarge {
        /// Octets.
        got: u64,
    },
    /// The record rests on more parts than a file can hold.
    #[error("{got} parts, the file of a record holds at most {MAX_BLOBS}")]
    TooMany {
        /// Parts.
        got: usize,
    },
    /// Cut short, or no message at all.
    #[error("not the file of a record: {0}")]
    Frame(#[from] FrameError),
    /// The header is not one of ours.
    #[error("not the file of a record: {0}")]
    Header(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Of the blobs, in order; the record first.
    blobs: Vec<Digest>,
    format: String,
}

impl Whole {
    /// The file. With the module in it, it can be replayed where nobody has heard of that module.
    ///
    /// # Errors
    /// [`BundleError::TooMany`], [`BundleError::TooLarge`].
    pub fn export(&self, with_module: bool) -> Result<Vec<u8>, BundleError> {
        let parts = self.parts(with_module);
        let blobs = std::iter::once((self.id, self.bytes.clone())).chain(parts);
        let (blobs, contents): (Vec<Digest>, Vec<Bytes>) = blobs.unzip();
        if blobs.len() > MAX_BLOBS {
            return Err(BundleError::TooMany { got: blobs.len() });
        }
        let octets = contents.iter().fold(0u64, |sum, bytes| sum.saturating_add(bytes.len() as u64));
        if octets > MAX_BUNDLE_BYTES / 2 {
            return Err(BundleError::TooLarge { got: octets });
        }
        let header = Header { blobs, format: FORMAT.to_owned() };
        let header = canonical(&header).map_err(|error| BundleError::Header(error.to_string()))?;
        Ok(Message { header, blobs: contents.iter().map(|bytes| bytes.to_vec()).collect() }.encode()?)
    }
}

impl Bundle {
    /// Reads the file of a record. Nothing in it is held against its digest yet.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn read(bytes: impl Into<Bytes>) -> Result<Self, BundleError> {
        let bytes: Bytes = bytes.into();
        if bytes.len() as u64 > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge { got: bytes.len() as u64 });
        }
        let message = Message::decode(&bytes)?;
        let header: Header = serde_json::from_slice(&message.header)
            .map_err(|error| BundleError::Header(format!("its header cannot be read: {error}")))?;
        if header.format != FORMAT {
            let got: String = header.format.chars().take(80).collect();
            return Err(BundleError::Header(format!("its format is {got:?}, not {FORMAT:?}")));
        }
        if header.blobs.len() != message.blobs.len() {
            let (named, there) = (header.blobs.len(), message.blobs.len());
            return Err(BundleError::Header(format!("{named} parts are named, {there} are there: it was cut short")));
        }
        let mut parts = header.blobs.into_iter().zip(message.blobs);
        let Some((id, record)) = parts.next() else {
            return Err(BundleError::Header("no record is in it".to_owned()));
        };
        Ok(Self { id, record, contents: parts.collect(), bytes })
    }

    /// The record's id, as the file says.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The record with its parts, each held against its digest, and the file against the one that these parts make.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn whole(&self) -> Result<Whole, Damage> {
        let whole = Whole::gather(self.id, self.record.clone(), self)?;
        let with_module = self.contents.contains_key(&whole.record.module);
        match whole.export(with_module) {
            Ok(bytes) if bytes == *self.bytes => Ok(whole),
            _ => {
                let why = "was tampered with: all parts are good, and it holds them in another form".to_owned();
                Err(Damage::new(Part::File, Problem::Wrong { why }))
            }
        }
    }
}

impl Contents for Bundle {
    fn content(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        Ok(self.contents.get(digest).cloned())
    }
}

impl Store {
    /// Keeps a record that was made elsewhere.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn import(&self, whole: &Whole) -> Result<Written, StoreError> {
        let documents = whole.policies.iter().map(|(document, bytes)| (document.name.as_str(), bytes.clone()));
        let policies = Policies::new(documents)?;
        // The list as it came stands among the parts as well, should its form be another one than ours.
        self.adopt(&Composed { id: whole.id, bytes: whole.bytes.to_vec(), parts: whole.parts(true) }, &policies)
    }
}
