//! `bulla demo --once`: everything together.

use crate::common::{Place, json_of};

#[test]
fn one_image_is_accepted_and_two_are_rejected_by_webhook_and_proxy() {
    let place = Place::new();
    let ended = place.run_with(&["demo", "--once", "--dir", "demo", "--output", "json"], &[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let report = json_of(&ended.out);
    let outcomes: Vec<(bool, bool)> = report["report"]["images"]
        .as_array()
        .expect("images")
        .iter()
        .map(|image| (image["webhook"]["accepted"] == true, image["proxy"]["accepted"] == true))
        .collect();
    assert_eq!(outcomes, [(true, true), (false, false), (false, false)]);
    assert!(place.path("demo/bulla.yaml").exists());
    let again = place.run_with(&["demo", "--once", "--dir", "demo"], &[]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("--dir demo: not empty"), "{}", again.err);
}
