//! A vector: one message to the module, and what must come of it. One failure, or one success, each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bulla_abi::{Message, Operation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::expect::Expect;
use crate::recipe::{Recipe, sorted};

/// Octets of one vector file. What is larger is described, not stored.
pub const MAX_FILE_BYTES: usize = 100 * 1024;

/// One vector, as it stands in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vector {
    /// Why it is there: the rule or the CVE.
    pub comment: String,
    /// The part that must catch it, or that must let it through.
    pub layer: String,
    /// The operation by its name, or its number where there is no such operation.
    pub operation: String,
    /// The header of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Value>,
    /// The header's bytes, where they are not JSON or not one reading of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_bytes: Option<Recipe>,
    /// The whole message, where the framing itself is what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Recipe>,
    /// The blobs of the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Recipe>,
    /// What must come of it.
    pub expect: Expect,
}

impl Vector {
    /// The number of the operation.
    pub fn number(&self) -> i32 {
        match Operation::ALL.into_iter().find(|operation| operation.name() == self.operation) {
            Some(operation) => operation.number(),
            None => self.operation.parse().expect("an operation is a name or a number"),
        }
    }

    /// The message as bytes.
    pub fn encode(&self) -> Vec<u8> {
        match &self.message {
            Some(message) => message.bytes(),
            None => self.parts().encode().expect("vectors are smaller than 4 GiB"),
        }
    }

    /// The message in its parts; of no use where the framing is what is wrong.
    pub fn parts(&self) -> Message {
        let header = match (&self.header, &self.header_bytes) {
            (Some(header), _) => header.to_string().into_bytes(),
            (None, Some(bytes)) => bytes.bytes(),
            (None, None) => Vec::new(),
        };
        Message { header, blobs: self.blobs.iter().map(Recipe::bytes).collect() }
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut ordered = self.clone();
        ordered.header = ordered.header.as_ref().map(sorted);
        ordered.expect.answer = ordered.expect.answer.as_ref().map(sorted);
        ordered.expect.document = ordered.expect.document.as_ref().map(sorted);
        ordered.blobs.iter_mut().for_each(order);
        let mut text = serde_json::to_string_pretty(&ordered).expect("a vector is JSON");
        text.push('\n');
        text
    }
}

fn order(recipe: &mut Recipe) {
    match recipe {
        Recipe::Json(value) => *value = sorted(value),
        Recipe::Concat(parts) => parts.iter_mut().for_each(order),
        _ => {}
    }
}

/// The folder of the vectors.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The text of every vector file, by `area/name`.
pub fn texts() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for area in entries(&folder()) {
        for file in entries(&area) {
            let name =
                |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            found.insert(format!("{}/{}", name(&area), name(&file)), text);
        }
    }
    found
}

/// Every vector, by `area/name`.
pub fn all() -> BTreeMap<String, Vector> {
    let read = |(name, text): (String, String)| {
        let vector = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, vector)
    };
    texts().into_iter().map(read).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}
