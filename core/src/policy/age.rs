//! How old what is attested may be, by a time that the attestation itself states.

use serde::Deserialize;
use serde_json::Value;

use super::attestation::is_pointer;
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::yaml::{Document, YamlError};

/// Seconds by which a stated time may lie in the future. 300: clocks that nobody keeps in time drift that far.
const LEEWAY: i64 = 300;

/// The units of an age, in seconds.
const UNITS: [(char, i64); 3] = [('m', 60), ('h', 3_600), ('d', 86_400)];

/// Predicate types that have a place for the time at which what they describe was found.
const TIMES: [(&str, &str); 7] = [
    ("https://cosign.sigstore.dev/attestation/vuln/v1", "/metadata/scanFinishedOn"),
    ("https://in-toto.io/attestation/vulns/v0.1", "/metadata/scanFinishedOn"),
    ("https://in-toto.io/attestation/vulns/v0.2", "/metadata/scanFinishedOn"),
    ("https://slsa.dev/provenance/v1", "/runDetails/metadata/finishedOn"),
    ("https://slsa.dev/provenance/v0.2", "/metadata/buildFinishedOn"),
    ("https://spdx.dev/Document", "/creationInfo/created"),
    ("https://cyclonedx.org/bom", "/metadata/timestamp"),
];

/// How old what an attestation says may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// Seconds.
    pub max: i64,
    /// As it was written.
    pub text: String,
    /// Where the predicate states the time: a JSON pointer (RFC 6901).
    pub at: String,
}

/// Why an age does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotYoung {
    /// No moment stands there. The value, if there is one.
    NoTime(Option<String>),
    /// It is too old, or not yet there.
    Outside(UnixTime),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgeDocument {
    max: String,
    #[serde(default)]
    at: Option<String>,
}

impl Age {
    /// Reads the age at this path of a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read(
        source: AgeDocument,
        predicate_type: &str,
        path: &str,
        document: &Document,
    ) -> Result<Self, YamlError> {
        let error = |field: &str, message: String| document.error(&format!("{path}.{field}"), message);
        let Some(max) = seconds(&source.max) else {
            let message = format!("{:?} is no age: expected e.g. 30d, 12h or 90m", excerpt(&source.max));
            return Err(error("max", message));
        };
        let usual = TIMES.iter().find(|(known, _)| *known == predicate_type).map(|(_, at)| (*at).to_owned());
        let at = match source.at.or(usual) {
            Some(at) if is_pointer(&at) => at,
            Some(at) => {
                let message = format!("{:?} is not a JSON pointer: expected e.g. /metadata/finishedOn", excerpt(&at));
                return Err(error("at", message));
            }
            None => {
                let message =
                    format!("at is missing: where does a predicate of type {predicate_type:?} state its time?");
                return Err(document.error(path, message));
            }
        };
        Ok(Self { max, text: source.max, at })
    }

    /// Holds a predicate against it.
    ///
    /// # Errors
    /// [`NotYoung`].
    pub fn holds(&self, predicate: Option<&Value>, now: UnixTime) -> Result<(), NotYoung> {
        let stated = predicate.and_then(|predicate| predicate.pointer(&self.at));
        let Some(time) = stated.and_then(Value::as_str).and_then(crate::cel::moment) else {
            return Err(NotYoung::NoTime(stated.map(|value| excerpt(&value.to_string()))));
        };
        let age = now.0.saturating_sub(time.0);
        if (-LEEWAY..=self.max).contains(&age) { Ok(()) } else { Err(NotYoung::Outside(time)) }
    }
}

/// A whole number of one unit, at least one and at most a hundred years.
fn seconds(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let (_, factor) = UNITS.iter().find(|(known, _)| *known == unit)?;
    let number = text.strip_suffix(unit)?;
    let is_plain = !number.starts_with('0') && number.bytes().all(|octet| octet.is_ascii_digit());
    let seconds = number.parse::<i64>().ok().filter(|_| is_plain)?.checked_mul(*factor)?;
    (1..=100 * 366 * 86_400).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::{Age, NotYoung, seconds};
    use crate::time::UnixTime;
    use serde_json::json;

    #[test]
    fn ages_are_whole_numbers_of_one_unit() {
        for (text, want) in [("30d", Some(2_592_000)), ("12h", Some(43_200)), ("90m", Some(5_400))] {
            assert_eq!(seconds(text), want, "{text}");
        }
        for text in ["", "d", "0d", "30", "-1d", "+1d", "01d", "1.5h", "1h30m", "40000d", "9999999999999999999d", "1y"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn both_ends_are_inside() {
        let age = Age { max: 60, text: "1m".to_owned(), at: "/t".to_owned() };
        let stated = json!({"t": "1970-01-01T00:16:40Z"});
        let holds = |now| age.holds(Some(&stated), UnixTime(now));
        let outside = Err(NotYoung::Outside(UnixTime(1000)));
        for (now, want) in [
            (699, outside.clone()),
            (700, Ok(())),
            (1000, Ok(())),
            (1060, Ok(())),
            (1061, outside.clone()),
            (i64::MIN, outside),
        ] {
            assert_eq!(holds(now), want, "{now}");
        }
        assert_eq!(age.holds(None, UnixTime(0)), Err(NotYoung::NoTime(None)));
        let number = json!({"t": 1000});
        assert_eq!(age.holds(Some(&number), UnixTime(1000)), Err(NotYoung::NoTime(Some("1000".to_owned()))));
    }
}
