//! Strict YAML (YAML 1.2, JSON schema subset): the one reader for policies and configuration.
//!
//! Anchors, aliases, tags, duplicate keys and keys that are not text are refused: they make documents that two readers
//! understand differently, or small ones that grow large. What is left is JSON, with comments and a place for every value.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_DEPTH, MAX_POLICY_BYTES};
use crate::text::excerpt;

/// A place in a document, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// One YAML document: its value, and where each part of it stands.
#[derive(Debug, Clone)]
pub struct Document {
    value: Value,
    places: Vec<(String, Place)>,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("{}:{}: {message}", .place.line, .place.column)]
pub struct YamlError {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The path to the value, e.g. `spec.match.images[0]`; empty when the text is not YAML at all.
    pub path: String,
    /// What was wrong, with which value, and what to do.
    pub message: String,
}

impl Document {
    /// Reads all documents of a text, which `---` separates. Empty ones are skipped.
    ///
    /// # Errors
    /// [`YamlError`] for the first thing that is wrong.
    pub fn read_all(text: &str) -> Result<Vec<Self>, YamlError> {
        let start = Place { line: 1, column: 1 };
        if text.len() > MAX_POLICY_BYTES {
            let message = format!("{} octets, at most {MAX_POLICY_BYTES} are allowed", text.len());
            return Err(YamlError { place: start, path: String::new(), message });
        }
        let mut documents = Vec::new();
        let mut reader = Reader::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| YamlError {
                place: Place { line: error.marker().line(), column: error.marker().col().saturating_add(1) },
                path: String::new(),
                message: format!("not YAML: {}", excerpt(error.info())),
            })?;
            match event {
                Event::DocumentEnd => {
                    let reader = core::mem::take(&mut reader);
                    if let Some(value) = reader.root.filter(|value| !value.is_null()) {
                        documents.push(Self { value, places: reader.places });
                    }
                }
                event => reader.take(event, &span)?,
            }
        }
        Ok(documents)
    }

    /// The document as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Where the value at this path begins; where the document begins when there is no such path.
    pub fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some((_, place)) = self.places.iter().find(|(known, _)| known == path) {
                return *place;
            }
            // A path that is not there (a missing field) is shown at what should have held it.
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None if path.is_empty() => return Place { line: 1, column: 1 },
                None => path = "",
            }
        }
    }

    /// An error about the value at this path.
    pub fn error(&self, path: &str, message: impl Into<String>) -> YamlError {
        YamlError { place: self.place(path), path: path.to_owned(), message: message.into() }
    }

    /// Turns the document into a type.
    ///
    /// # Errors
    /// [`YamlError`] at the value that does not fit.
    pub fn shape<T: DeserializeOwned>(&self) -> Result<T, YamlError> {
        serde_path_to_error::deserialize(self.value.clone()).map_err(|error| {
            let path = match error.path().to_string() {
                root if root == "." => String::new(),
                path => path,
            };
            // An unknown field is shown at its own place, not at its parent's.
            let message = error.inner().to_string();
            let place = self.place(&path);
            YamlError { place, path, message }
        })
    }
}

#[derive(Default)]
struct Reader {
    root: Option<Value>,
    open: Vec<Open>,
    places: Vec<(String, Place)>,
}

enum Open {
    Sequence(Vec<Value>, String),
    Mapping { members: Map<String, Value>, key: Option<String>, path: String },
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        let place = Place { line: span.start.line(), column: span.start.col().saturating_add(1) };
        let fail = |path: String, message: String| Err(YamlError { place, path, message });
        match event {
            Event::Alias(_) => fail(self.path(), "aliases are not allowed: write the value out".to_owned()),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                fail(self.path(), "anchors are not allowed: write the value out".to_owned())
            }
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag)) => {
                fail(self.path(), format!("tags are not allowed: {}{}", excerpt(&tag.handle), excerpt(&tag.suffix)))
            }
            Event::Scalar(text, style, _, None) => {
                if self.expects_key() {
                    return self.key(text.into_owned(), place);
                }
                let path = self.path();
                let value = match style {
                    ScalarStyle::Plain => {
                        plain(&text).map_err(|message| YamlError { place, path: path.clone(), message })?
                    }
                    _ => Value::String(text.into_owned()),
                };
                self.places.push((path, place));
                self.put(value);
                Ok(())
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let path = self.path();
                if self.expects_key() {
                    return fail(path, "a key must be text".to_owned());
                }
                if self.open.len() >= MAX_DEPTH {
                    return fail(path, format!("nested deeper than {MAX_DEPTH} levels"));
                }
                self.places.push((path.clone(), place));
                self.open.push(match event {
                    Event::SequenceStart(..) => Open::Sequence(Vec::new(), path),
                    _ => Open::Mapping { members: Map::new(), key: None, path },
                });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                match self.open.pop() {
                    Some(Open::Sequence(items, _)) => self.put(Value::Array(items)),
                    Some(Open::Mapping { members, .. }) => self.put(Value::Object(members)),
                    None => {}
                }
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping { key: None, .. }))
    }

    fn key(&mut self, name: String, place: Place) -> Result<(), YamlError> {
        if let Some(Open::Mapping { members, key, path }) = self.open.last_mut() {
            let path = join(path, &name);
            if members.contains_key(&name) {
                return Err(YamlError { place, path, message: format!("duplicate key {:?}", excerpt(&name)) });
            }
            self.places.push((path, place));
            *key = Some(name);
        }
        Ok(())
    }

    /// The path of the value that comes next.
    fn path(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some(Open::Sequence(items, path)) => format!("{path}[{}]", items.len()),
            Some(Open::Mapping { key, path, .. }) => join(path, key.as_deref().unwrap_or_default()),
        }
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::Sequence(items, _)) => items.push(value),
            Some(Open::Mapping { members, key, .. }) => {
                if let Some(name) = key.take() {
                    members.insert(name, value);
                }
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A plain scalar: null, true, false, a JSON number, or else text. `yes`, `no`, `on` and `0x1f` are text.
fn plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "True" | "TRUE" | "False" | "FALSE" | "Null" | "NULL" => {
            return Err(format!("{text} is read in different ways: write {} or put it in quotes", text.to_lowercase()));
        }
        text => match serde_json::from_str::<Number>(text) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.to_owned()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::Document;
    use serde_json::json;

    fn one(text: &str) -> serde_json::Value {
        let documents = Document::read_all(text).expect("valid");
        assert_eq!(documents.len(), 1, "{text}");
        documents[0].value().clone()
    }

    fn error(text: &str) -> String {
        Document::read_all(text).expect_err(text).to_string()
    }

    #[test]
    fn yaml_is_json_with_comments() {
        assert_eq!(
            one(
                "a: 1 # one\nb: [x, 'y', \"z\"]\nc:\n  - d: |\n      two\n      lines\n  - ~\ne: yes\nf: 1.5\ng: '1'\n"
            ),
            json!({"a": 1, "b": ["x", "y", "z"], "c": [{"d": "two\nlines\n"}, null], "e": "yes", "f": 1.5, "g": "1"})
        );
        assert_eq!(one("{\"a\": {\"b\": []}}"), json!({"a": {"b": []}}));
        assert_eq!(Document::read_all("---\na: 1\n---\nb: 2\n---\n").expect("valid").len(), 2);
        assert!(Document::read_all("").expect("valid").is_empty());
    }

    #[test]
    fn what_readers_disagree_about_is_refused_with_its_place() {
        assert_eq!(error("a: 1\nb:\n  c: 1\n  c: 2\n"), "4:3: duplicate key \"c\"");
        assert!(error("a: &x 1\nb: *x\n").starts_with("1:"));
        assert!(error("a: &x 1\n").contains("anchors are not allowed"));
        assert!(error("a: !!str 1\n").contains("tags are not allowed"));
        assert!(error("a: !include x\n").contains("tags are not allowed"));
        assert!(error("[a]: 1\n").contains("a key must be text"));
        assert!(error("a: True\n").contains("read in different ways"));
        assert!(error("a: [\n").contains("not YAML"));
        assert!(error(&"- ".repeat(100_000)).contains("nested deeper"));
        assert!(error(&"[".repeat(100)).contains("nested deeper"));
        assert!(error(&" ".repeat(300_000)).contains("at most"));
    }

    #[test]
    fn shape_errors_point_at_the_value() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Shape {
            a: Vec<u8>,
        }
        let document = &Document::read_all("a:\n  - 1\n  - x\n").expect("valid")[0];
        let error = document.shape::<Shape>().expect_err("not a number");
        assert_eq!((error.place.line, error.place.column, error.path.as_str()), (3, 5, "a[1]"));
        let document = &Document::read_all("a: []\nbb: 1\n").expect("valid")[0];
        let error = document.shape::<Shape>().expect_err("unknown field");
        assert_eq!(error.place.line, 2, "{error}");
    }
}
