//! Tests of documents turned into types.
#![cfg(test)]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::shape::{Misfit, shape};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    number: u8,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    map: BTreeMap<String, Choice>,
    inner: Option<Inner>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Inner(bool);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Choice {
    Plain,
    Of(i32),
    Named { a: (u8, String) },
}

#[test]
fn what_fits_is_read() {
    let map = json!({"x": "plain", "y": {"of": -3}, "z": {"named": {"a": [1, "b"]}}});
    let value = json!({"number": 7, "texts": ["a", "b"], "map": map, "inner": true});
    let map = [("x", Choice::Plain), ("y", Choice::Of(-3)), ("z", Choice::Named { a: (1, "b".to_owned()) })];
    let map = map.into_iter().map(|(name, choice)| (name.to_owned(), choice)).collect();
    let texts = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(shape(value), Ok(Whole { number: 7, texts, map, inner: Some(Inner(true)) }));
    let keys: BTreeMap<Choice, ()> = [(Choice::Plain, ())].into();
    assert_eq!(shape(json!({"plain": null})), Ok(keys));
}

#[test]
fn what_does_not_fit_is_shown_at_its_place() {
    for (value, path, message) in [
        (json!({}), "", "missing field `number`"),
        (json!([1]), "", "invalid type: sequence, expected struct Whole"),
        (json!({"number": 300}), "number", "invalid value: integer `300`, expected u8"),
        (json!({"number": -1}), "number", "invalid value: integer `-1`, expected u8"),
        (json!({"number": 1.5}), "number", "invalid type: floating point `1.5`, expected u8"),
        (json!({"number": null}), "number", "invalid type: null, expected u8"),
        (json!({"number": 1, "other": 1}), "other", "unknown field `other`"),
        (json!({"number": 1, "texts": ["a", 2]}), "texts[1]", "invalid type: integer `2`, expected a string"),
        (json!({"number": 1, "texts": {}}), "texts", "invalid type: map, expected a sequence"),
        (json!({"number": 1, "inner": "x"}), "inner", "invalid type: string \"x\", expected a boolean"),
        (json!({"number": 1, "map": {"k": 1}}), "map.k", "invalid type: integer `1`, expected string or map"),
        (json!({"number": 1, "map": {"k": "none"}}), "map.k", "unknown variant `none`"),
        (json!({"number": 1, "map": {"k": {"plain": 1}}}), "map.k.plain", "expected unit"),
        (json!({"number": 1, "map": {"k": {"of": "x"}}}), "map.k.of", "expected i32"),
        (json!({"number": 1, "map": {"k": "of"}}), "map.k.of", "unit variant, expected newtype variant"),
        (json!({"number": 1, "map": {"k": {}}}), "map.k", "expected map with a single key"),
        (json!({"number": 1, "map": {"k": {"named": {"a": [1]}}}}), "map.k.named.a", "invalid length 1"),
        (json!({"number": 1, "map": {"k": {"named": {"a": [1, "", 2]}}}}), "map.k.named.a", "fewer elements"),
        (json!({"number": 1, "map": {"k": {"named": {"a": ["", ""]}}}}), "map.k.named.a[0]", "expected u8"),
    ] {
        let error: Misfit = shape::<Whole>(value.clone()).expect_err("it does not fit");
        assert_eq!(error.path, path, "{value}: {error:?}");
        assert!(error.message.contains(message), "{value}: {error:?}");
    }
}
