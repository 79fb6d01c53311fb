//! Reading another's document strictly and to its end: what is wrong is noted, and the reading goes on.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Refused;
use crate::text::excerpt;

/// What was found on the way.
#[derive(Debug, Default)]
pub(super) struct Log {
    refused: Vec<Refused>,
    notes: Vec<String>,
}

impl Log {
    /// A field cannot be said in ours.
    pub(super) fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.refused.push(Refused { path: path.into(), message: message.into(), file: None });
    }

    /// A field names a file that was not given.
    pub(super) fn missing(&mut self, path: impl Into<String>, file: &str) {
        let message = format!("the file {:?} was not given", excerpt(file));
        self.refused.push(Refused { path: path.into(), message, file: Some(file.to_owned()) });
    }

    /// Something that all policies of this source share.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// What was refused, and the notes.
    pub(super) fn into_parts(self) -> (Vec<Refused>, Vec<String>) {
        (self.refused, self.notes)
    }
}

/// An object whose members are taken one by one; what nobody took is refused at its end.
#[derive(Debug)]
pub(super) struct Object<'v> {
    path: String,
    members: &'v Map<String, Value>,
    known: BTreeSet<&'static str>,
}

impl<'v> Object<'v> {
    /// The object at this path; anything else is refused.
    pub(super) fn read(value: &'v Value, path: impl Into<String>, log: &mut Log) -> Option<Self> {
        let path = path.into();
        match value.as_object() {
            Some(members) => Some(Self { path, members, known: BTreeSet::new() }),
            None => {
                log.refuse(path, "expected an object");
                None
            }
        }
    }

    /// The path of a member.
    pub(super) fn path(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// A member. `null` is none, as it is for Go's readers.
    pub(super) fn get(&mut self, field: &'static str) -> Option<&'v Value> {
        self.known.insert(field);
        self.members.get(field).filter(|value| !value.is_null())
    }

    /// A member that is an object.
    pub(super) fn object(&mut self, field: &'static str, log: &mut Log) -> Option<Self> {
        let value = self.get(field)?;
        Self::read(value, self.path(field), log)
    }

    /// A member that is text.
    pub(super) fn text(&mut self, field: &'static str, log: &mut Log) -> Option<&'v str> {
        let value = self.get(field)?;
        if value.as_str().is_none() {
            log.refuse(self.path(field), "expected text");
        }
        value.as_str()
    }

    /// A member that is a list, each item with its path. Empty when it is not there.
    pub(super) fn list(&mut self, field: &'static str, log: &mut Log) -> Vec<(String, &'v Value)> {
        let Some(value) = self.get(field) else { return Vec::new() };
        list(value, &self.path(field), log)
    }

    /// Every member, where any name may stand.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
        self.members.iter()
    }

    /// Members that bring nothing to a decision.
    pub(super) fn ignore(&mut self, fields: &[&'static str]) {
        self.known.extend(fields);
    }

    /// A member that ours cannot say.
    pub(super) fn refuse(&mut self, field: &'static str, message: &str, log: &mut Log) {
        if self.get(field).is_some() {
            log.refuse(self.path(field), message);
        }
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self, log: &mut Log) {
        for name in self.members.keys().filter(|name| !self.known.contains(name.as_str())) {
            log.refuse(self.path(&excerpt(name)), "unknown field");
        }
    }
}

/// The items of a list, each with its path.
pub(super) fn list<'v>(value: &'v Value, path: &str, log: &mut Log) -> Vec<(String, &'v Value)> {
    let Some(items) = value.as_array() else {
        log.refuse(path, "expected a list");
        return Vec::new();
    };
    items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
}
