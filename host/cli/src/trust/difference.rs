//! What a change to a collection would change, for people.

use std::time::Duration;

use serde_json::{Map, Value};
use x509_cert::der::DateTime;

use crate::records::clean;

/// A moment as `2027-01-15T08:00:00Z`.
pub(crate) fn moment(value: Option<&Value>) -> String {
    let seconds = value.and_then(Value::as_u64);
    let moment = seconds.and_then(|seconds| DateTime::from_unix_duration(Duration::from_secs(seconds)).ok());
    moment.map_or_else(|| "-".to_owned(), |moment| moment.to_string())
}

/// Lines about the files that would change, at this time.
pub(crate) fn text(differences: &[Value], now: i64) -> String {
    differences.iter().map(|difference| file(difference, now)).collect::<Vec<_>>().join("\n")
}

fn file(difference: &Value, now: i64) -> String {
    let part = |pointer: &str| difference.pointer(pointer).filter(|it| !it.is_null());
    let role = difference.get("role").and_then(Value::as_str).unwrap_or_default();
    let version = part("/version/1").map(Value::to_string).unwrap_or_default();
    let before = part("/version/0").map_or_else(|| "new".to_owned(), |version| format!("version {version}"));
    let mut lines =
        vec![format!("{role}  {before} -> version {version}, until {}", moment(difference.pointer("/expires/1")))];
    if let Some(expired) = part("/expires/0").filter(|it| it.as_i64().is_some_and(|expired| expired <= now)) {
        lines.push(format!("  ! it expired at {}: everything in it counts again", moment(Some(expired))));
    }
    if let Some(newer) = part("/newerSeen") {
        lines.push(format!(
            "  ! version {newer} of it was seen, signed by another key: be sure that this is what you want"
        ));
    }
    for (tag, said) in members(difference, "added") {
        lines.push(format!("  + {}  {}", clean(tag), target(said)));
    }
    for (tag, said) in members(difference, "changed") {
        let (old, new) = (said.get(0).unwrap_or(&Value::Null), said.get(1).unwrap_or(&Value::Null));
        lines.push(format!("  ~ {}  {} -> {}", clean(tag), target(old), target(new)));
    }
    for (tag, said) in members(difference, "removed") {
        lines.push(format!("  - {}  {}", clean(tag), target(said)));
    }
    for (sign, field) in [('+', "gained"), ('-', "lost")] {
        let grants = difference.get(field).and_then(Value::as_array);
        lines.extend(grants.into_iter().flatten().map(|it| format!("  {sign} {}", grant(it))));
    }
    let others = difference.get("other").and_then(Value::as_array);
    lines.extend(others.into_iter().flatten().filter_map(Value::as_str).map(|name| format!("  ~ {}", clean(name))));
    match difference.get("unchanged").and_then(Value::as_u64) {
        None | Some(0) => {}
        Some(1) => lines.push("  1 other target stays as it is".to_owned()),
        Some(count) => lines.push(format!("  {count} other targets stay as they are")),
    }
    lines.join("\n") + "\n"
}

fn members<'d>(difference: &'d Value, field: &str) -> impl Iterator<Item = (&'d String, &'d Value)> {
    difference.get(field).and_then(Value::as_object).map(Map::iter).into_iter().flatten()
}

fn target(said: &Value) -> String {
    let digest = said.get("digest").and_then(Value::as_str).unwrap_or("no sha256");
    let length = said.get("length").and_then(Value::as_u64).map(|length| format!(", {length} octets"));
    clean(digest) + &length.unwrap_or_default()
}

fn grant(grant: &Value) -> String {
    let role = clean(grant.get("role").and_then(Value::as_str).unwrap_or_default());
    let what = match (grant.get("key"), grant.get("path"), grant.get("threshold")) {
        (Some(key), ..) => format!("key {}", clean(key.as_str().unwrap_or_default())),
        (_, Some(path), _) if path == "" => "all names".to_owned(),
        (_, Some(path), _) => format!("names that begin with {:?}", clean(path.as_str().unwrap_or_default())),
        (.., threshold) => format!("threshold {}", threshold.map(Value::to_string).unwrap_or_default()),
    };
    format!("{role}: {what}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{moment, text};

    #[test]
    fn every_change_has_its_line() {
        let differences = [json!({
            "role": "targets/releases", "version": [3, 4], "expires": [1_600_000_000_i64, 1_800_000_000_i64],
            "added": {"3.0": {"digest": "sha256:33", "length": 5, "more": false}},
            "changed": {"1.0": [{"digest": "sha256:11", "length": 1}, {"digest": null, "length": 2}]},
            "removed": {"0.9\u{1b}[2J": {"digest": "sha256:09", "length": 9}},
            "unchanged": 2, "other": ["custom"],
            "gained": [{"role": "targets/a", "key": "ab"}, {"role": "targets/a", "path": ""}],
            "newerSeen": 9,
            "lost": [{"role": "targets/a", "threshold": 2}, {"role": "targets/a", "path": "v"}]
        })];
        let lines: Vec<String> = text(&differences, 1_700_000_000).lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "targets/releases  version 3 -> version 4, until 2027-01-15T08:00:00Z",
                "  ! it expired at 2020-09-13T12:26:40Z: everything in it counts again",
                "  ! version 9 of it was seen, signed by another key: be sure that this is what you want",
                "  + 3.0  sha256:33, 5 octets",
                "  ~ 1.0  sha256:11, 1 octets -> no sha256, 2 octets",
                "  - 0.9\u{fffd}[2J  sha256:09, 9 octets",
                "  + targets/a: key ab",
                "  + targets/a: all names",
                "  - targets/a: threshold 2",
                "  - targets/a: names that begin with \"v\"",
                "  ~ custom",
                "  2 other targets stay as they are",
            ]
        );
        assert!(!text(&differences, 1_500_000_000).contains("expired"));
        assert_eq!(moment(None), "-");
    }
}
