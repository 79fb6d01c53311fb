//! The shapes of predicates that cosign knows, and holding an object against one.

use serde_json::{Map, Value};

use crate::json::JsonError;
use crate::protojson::shape;

/// What is done about members that a shape does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// They are kept: the type's specification allows them.
    Keep,
    /// They are an error: it does not.
    Refuse,
}

/// One member of a shape: its name, what it holds, and whether it has to be there.
pub(super) type Member = (&'static str, Kind, Need);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Optional,
    Required,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Any,
    Text,
    Flag,
    Time,
    Texts,
    Object,
    ObjectOfTexts,
    ObjectOfDigestSets,
    Shape(&'static [Member]),
    Shapes(&'static [Member]),
}

use self::Kind::{Any, Flag, Object, ObjectOfDigestSets, ObjectOfTexts, Shape, Shapes, Text, Texts, Time};
use self::Need::{Optional, Required};

/// COSIGN_VULN_ATTESTATION_SPEC.md.
pub(super) const VULN: &[Member] = &[
    (
        "invocation",
        Shape(&[
            ("parameters", Any, Optional),
            ("uri", Text, Optional),
            ("event_id", Text, Optional),
            ("builder.id", Text, Optional),
        ]),
        Optional,
    ),
    (
        "scanner",
        Shape(&[
            ("uri", Text, Optional),
            ("version", Text, Optional),
            ("db", Shape(&[("uri", Text, Optional), ("version", Text, Optional)]), Optional),
            ("result", Any, Optional),
        ]),
        Optional,
    ),
    ("metadata", Shape(&[("scanStartedOn", Time, Required), ("scanFinishedOn", Time, Required)]), Required),
];

/// <https://slsa.dev/provenance/v0.2>, as in-toto attestation has it in protos/…/provenance/v0.2.
pub(super) const PROVENANCE_02: &[Member] = &[
    ("builder", Shape(&[("id", Text, Optional)]), Optional),
    ("buildType", Text, Optional),
    (
        "invocation",
        Shape(&[
            (
                "configSource",
                Shape(&[("uri", Text, Optional), ("digest", ObjectOfTexts, Optional), ("entryPoint", Text, Optional)]),
                Optional,
            ),
            ("parameters", Object, Optional),
            ("environment", Object, Optional),
        ]),
        Optional,
    ),
    ("buildConfig", Object, Optional),
    (
        "metadata",
        Shape(&[
            ("buildInvocationId", Text, Optional),
            ("buildStartedOn", Time, Optional),
            ("buildFinishedOn", Time, Optional),
            (
                "completeness",
                Shape(&[
                    ("parameters", Flag, Optional),
                    ("environment", Flag, Optional),
                    ("materials", Flag, Optional),
                ]),
                Optional,
            ),
            ("reproducible", Flag, Optional),
        ]),
        Optional,
    ),
    ("materials", Shapes(&[("uri", Text, Optional), ("digest", ObjectOfTexts, Optional)]), Optional),
];

/// <https://slsa.dev/provenance/v1>, as in-toto attestation has it in protos/…/provenance/v1.
pub(super) const PROVENANCE_1: &[Member] = &[
    (
        "buildDefinition",
        Shape(&[
            ("buildType", Text, Optional),
            ("externalParameters", Object, Optional),
            ("internalParameters", Object, Optional),
            ("resolvedDependencies", Shapes(RESOURCE), Optional),
        ]),
        Optional,
    ),
    (
        "runDetails",
        Shape(&[
            (
                "builder",
                Shape(&[
                    ("id", Text, Optional),
                    ("version", ObjectOfTexts, Optional),
                    ("builderDependencies", Shapes(RESOURCE), Optional),
                ]),
                Optional,
            ),
            (
                "metadata",
                Shape(&[
                    ("invocationId", Text, Optional),
                    ("startedOn", Time, Optional),
                    ("finishedOn", Time, Optional),
                ]),
                Optional,
            ),
            ("byproducts", Shapes(RESOURCE), Optional),
        ]),
        Optional,
    ),
];

/// In-toto attestation spec, v1/resource_descriptor.md.
const RESOURCE: &[Member] = &[
    ("name", Text, Optional),
    ("uri", Text, Optional),
    ("digest", ObjectOfTexts, Optional),
    ("content", Text, Optional),
    ("downloadLocation", Text, Optional),
    ("mediaType", Text, Optional),
    ("annotations", Object, Optional),
];

/// A link of in-toto 0.9 (in-toto-golang, in_toto/model.go, `Link`): cosign wants all of it.
pub(super) const LINK: &[Member] = &[
    ("_type", Text, Required),
    ("name", Text, Required),
    ("materials", ObjectOfDigestSets, Required),
    ("products", ObjectOfDigestSets, Required),
    ("byproducts", Object, Required),
    ("command", Texts, Required),
    ("environment", Object, Required),
];

/// Holds an object against a shape. Null is absent, as for both of the libraries that cosign uses.
pub(super) fn check(
    path: &str,
    object: &Map<String, Value>,
    members: &[Member],
    others: Others,
) -> Result<(), JsonError> {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, kind, need) in members {
        match object.get(*name).filter(|value| !value.is_null()) {
            Some(value) => kind.check(&at(name), value, others)?,
            None if *need == Required => return Err(shape(&at(name), "missing")),
            None => {}
        }
    }
    let unknown = object.keys().find(|name| !members.iter().any(|(known, ..)| known == name));
    match unknown {
        Some(name) if others == Others::Refuse => Err(shape(&at(name), "unknown member")),
        _ => Ok(()),
    }
}

impl Kind {
    fn check(self, path: &str, value: &Value, others: Others) -> Result<(), JsonError> {
        let texts = |map: &Map<String, Value>| map.values().all(Value::is_string);
        let (fits, expected) = match self {
            Any => (true, ""),
            Text => (value.is_string(), "a string"),
            Flag => (value.is_boolean(), "true or false"),
            Time => (value.as_str().is_some_and(is_time), "a time such as 2026-01-31T12:00:00Z"),
            Texts => (value.as_array().is_some_and(|list| list.iter().all(Value::is_string)), "a list of strings"),
            Object => (value.is_object(), "an object"),
            ObjectOfTexts => (value.as_object().is_some_and(texts), "an object of strings"),
            ObjectOfDigestSets => (
                value.as_object().is_some_and(|map| map.values().all(|set| set.as_object().is_some_and(texts))),
                "an object of digest sets",
            ),
            Shape(members) => match value.as_object() {
                Some(object) => return check(path, object, members, others),
                None => (false, "an object"),
            },
            Shapes(members) => match value.as_array() {
                Some(items) => {
                    return items
                        .iter()
                        .enumerate()
                        .try_for_each(|(index, item)| Shape(members).check(&format!("{path}[{index}]"), item, others));
                }
                None => (false, "a list of objects"),
            },
        };
        if fits { Ok(()) } else { Err(shape(path, &format!("expected {expected}"))) }
    }
}

/// Writes members that are absent as Go writes them: empty texts and structures, and null for what may be anything.
pub(super) fn fill(object: &mut Map<String, Value>, members: &[Member]) {
    for (name, kind, _) in members {
        let value = object.entry(*name).or_insert(Value::Null);
        match kind {
            Text if value.is_null() => *value = Value::String(String::new()),
            Shape(members) => {
                if value.is_null() {
                    *value = Value::Object(Map::new());
                }
                if let Some(object) = value.as_object_mut() {
                    fill(object, members);
                }
            }
            _ => {}
        }
    }
}

/// Whether a text is a moment (RFC 3339, section 5.6), with `T` and `Z` in upper case and without leap seconds, as in Go.
pub(super) fn is_time(text: &str) -> bool {
    fn number(text: &str, digits: usize, most: u32) -> Option<u32> {
        let well_formed = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| well_formed && *number <= most)
    }
    fn parts<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
        text.split(separator).collect::<Vec<_>>().try_into().ok()
    }
    fn read(text: &str) -> Option<()> {
        let (date, rest) = text.split_once('T')?;
        let [year, month, day] = parts(date, '-')?;
        let year = number(year, 4, 9999)?;
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match number(month, 2, 12)? {
            0 => return None,
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if number(day, 2, days)? == 0 {
            return None;
        }
        let clock = match rest.strip_suffix('Z') {
            Some(clock) => clock,
            None => {
                let (clock, offset) = rest.rsplit_once(['+', '-'])?;
                let [hours, minutes] = parts(offset, ':')?;
                number(hours, 2, 23)?;
                number(minutes, 2, 59)?;
                clock
            }
        };
        let clock = match clock.split_once('.') {
            Some((clock, fraction)) => {
                number(fraction, fraction.len(), u32::MAX).filter(|_| (1..=9).contains(&fraction.len()))?;
                clock
            }
            None => clock,
        };
        let [hours, minutes, seconds] = parts(clock, ':')?;
        number(hours, 2, 23)?;
        number(minutes, 2, 59)?;
        number(seconds, 2, 59).map(|_| ())
    }
    read(text).is_some()
}
