//! A record as a verification summary.

use bulla_records::{NoSummary, PREDICATE_TYPE, SummaryOptions, Whole, summary};
use serde_json::json;

use crate::common::{Case, open, run, vector};

fn whole(case: &Case) -> Whole {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    let id = case.write(&store).id;
    let reader = store.reader();
    let (id, bytes) = reader.find(&id.hex()).expect("there");
    Whole::gather(id, bytes, &reader).expect("whole")
}

fn options() -> SummaryOptions {
    SummaryOptions { verifier: "https://bulla.example/webhook".into(), policy_uri: None, resource_uri: None }
}

#[test]
fn an_accept_passed_and_a_reject_failed() {
    assert_eq!(PREDICATE_TYPE, "https://slsa.dev/verification_summary/v1");
    let whole = whole(&run(vector("accept/p256")).expect("a decision"));
    let made = summary(&whole, &options()).expect("an accept");
    let digest = "sha256:64b3662af7da71069b9dbf696a7f3e6806faead1090a4d1ecc397e75254a017c";
    assert_eq!(made.subject, digest);
    assert_eq!(made.image, format!("registry.example/app@{digest}"));
    let predicate = &made.predicate;
    assert_eq!(predicate["verifier"], json!({"id": "https://bulla.example/webhook"}));
    assert_eq!(predicate["timeVerified"], "2026-01-01T00:00:00Z");
    assert_eq!(predicate["verificationResult"], "PASSED");
    assert_eq!(predicate["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_0"]));
    let resource = format!("pkg:oci/app@{}?repository_url=registry.example/app", digest.replace(':', "%3A"));
    assert_eq!(predicate["resourceUri"], resource);
    assert_eq!(predicate["policy"]["digest"]["sha256"], whole.record.policies.digest.hex());
    assert_eq!(predicate["urn:bulla:record"], whole.id.to_string());
    let inputs = predicate["inputAttestations"].as_array().expect("a list");
    assert_eq!(inputs.len(), whole.evidence.iter().filter(|(_, bytes)| bytes.is_some()).count());
    assert!(inputs[0]["uri"].as_str().expect("a text").starts_with("oci://registry.example/app:sha256-64b3"));

    let other = SummaryOptions { resource_uri: Some("urn:x".into()), policy_uri: Some("urn:y".into()), ..options() };
    let predicate = summary(&whole, &other).expect("an accept").predicate;
    assert_eq!((&predicate["resourceUri"], &predicate["policy"]["uri"]), (&json!("urn:x"), &json!("urn:y")));
}

#[test]
fn what_is_neither_has_no_summary() {
    let good = run(vector("accept/p256")).expect("a decision");
    let say = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut case = good.clone();
        change(&mut case.verdict);
        case.verdict_bytes = json!({"ok": {"verdict": case.verdict}}).to_string().into_bytes();
        summary(&whole(&case), &options())
    };
    assert_eq!(say(&|verdict| verdict["outcome"] = "unknown".into()), Err(NoSummary::Unknown));
    assert_eq!(say(&|verdict| verdict["enforced"] = false.into()), Err(NoSummary::NotEnforced));
    assert_eq!(say(&|verdict| verdict["digest"] = serde_json::Value::Null), Err(NoSummary::NoDigest));
    let failed = say(&|verdict| verdict["outcome"] = "reject".into()).expect("a reject").predicate;
    assert_eq!((&failed["verificationResult"], &failed["verifiedLevels"]), (&json!("FAILED"), &json!(["FAILED"])));
}
