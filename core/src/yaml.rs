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
    places: Vec<Part>,
}

/// One value, named below the one that holds it: whole paths would take memory with the square of the nesting.
#[derive(Debug, Clone)]
struct Part {
    parent: usize,
    /// `.name`, `[3]`; nothing for the document itself.
    name: String,
    place: Place,
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

    /// Where the value at this path begins. A path that is not there (a missing field) is shown at what should hold it.
    pub fn place(&self, path: &str) -> Place {
        let dotted = if path.is_empty() || path.starts_with('[') { path.to_owned() } else { format!(".{path}") };
        let (mut here, mut rest) = (0, dotted.as_str());
        while !rest.is_empty() {
            let below = self.places.iter().enumerate().skip(1).filter(|(_, part)| part.parent == here);
            let fits = below.filter_map(|(index, part)| {
                let after = rest.strip_prefix(part.name.as_str())?;
                (after.is_empty() || after.starts_with(['.', '['])).then_some((index, after))
            });
            // A name may hold dots: the longest one that fits is meant.
            match fits.min_by_key(|(_, after)| after.len()) {
                Some((index, after)) => (here, rest) = (index, after),
                None => break,
            }
        }
        self.places.get(here).map_or(Place { line: 1, column: 1 }, |part| part.place)
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
        // An unknown field is shown at its own place, not at its parent's.
        crate::shape::shape(self.value.clone()).map_err(|misfit| self.error(&misfit.path, misfit.message))
    }
}

#[derive(Default)]
struct Reader {
    root: Option<Value>,
    open: Vec<Open>,
    places: Vec<Part>,
}

enum Open {
    Sequence { items: Vec<Value>, part: usize },
    Mapping { members: Map<String, Value>, key: Option<(String, usize)>, part: usize },
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        let place = Place { line: span.start.line(), column: span.start.col().saturating_add(1) };
        let fail = |reader: &Self, message: String| Err(YamlError { place, path: reader.path(), message });
        match event {
            Event::Alias(_) => fail(self, "aliases are not allowed: write the value out".to_owned()),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                fail(self, "anchors are not allowed: write the value out".to_owned())
            }
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag)) => {
                fail(self, format!("tags are not allowed: {}{}", excerpt(&tag.handle), excerpt(&tag.suffix)))
            }
            Event::Scalar(text, style, _, None) => {
                if self.expects_key() {
                    return self.key(text.into_owned(), place);
                }
                let value = match style {
                    ScalarStyle::Plain => plain(&text).or_else(|message| fail(self, message).map(|()| Value::Null))?,
                    _ => Value::String(text.into_owned()),
                };
                self.part(place);
                self.put(value);
                Ok(())
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if self.expects_key() {
                    return fail(self, "a key must be text".to_owned());
                }
                if self.open.len() >= MAX_DEPTH {
                    return fail(self, format!("nested deeper than {MAX_DEPTH} levels"));
                }
                let part = self.part(place);
                self.open.push(match event {
                    Event::SequenceStart(..) => Open::Sequence { items: Vec::new(), part },
                    _ => Open::Mapping { members: Map::new(), key: None, part },
                });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                match self.open.pop() {
                    Some(Open::Sequence { items, .. }) => self.put(Value::Array(items)),
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
        let next = self.places.len();
        let Some(Open::Mapping { members, key, part }) = self.open.last_mut() else { return Ok(()) };
        let known = members.contains_key(&name);
        let shown = excerpt(&name);
        self.places.push(Part { parent: *part, name: format!(".{name}"), place });
        *key = Some((name, next));
        if known {
            return Err(YamlError { place, path: self.path(), message: format!("duplicate key {shown:?}") });
        }
        Ok(())
    }

    /// Notes the part that starts here and gives its index. The value of a key has the key's part.
    fn part(&mut self, place: Place) -> usize {
        let next = self.places.len();
        let part = match self.open.last() {
            None => Part { parent: 0, name: String::new(), place },
            Some(Open::Sequence { items, part }) => Part { parent: *part, name: format!("[{}]", items.len()), place },
            Some(Open::Mapping { key: Some((_, part)), .. }) => return *part,
            Some(Open::Mapping { key: None, part, .. }) => return *part,
        };
        self.places.push(part);
        next
    }

    /// The path of what is being read, for an error.
    fn path(&self) -> String {
        let mut here = match self.open.last() {
            None => return String::new(),
            Some(Open::Mapping { key: Some((_, part)), .. }) => *part,
            Some(Open::Sequence { part, .. } | Open::Mapping { part, .. }) => *part,
        };
        let mut names = Vec::new();
        while let Some(part) = self.places.get(here).filter(|_| here != 0) {
            names.push(part.name.as_str());
            here = part.parent;
        }
        names.reverse();
        excerpt(names.concat().trim_start_matches('.'))
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::Sequence { items, .. }) => items.push(value),
            Some(Open::Mapping { members, key, .. }) => {
                if let Some((name, _)) = key.take() {
                    members.insert(name, value);
                }
            }
        }
    }
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
