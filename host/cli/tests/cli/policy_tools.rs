//! `bulla policy test`, `explain` and `diff`.

use crate::common::{IMAGE, Place, json_of};

const LAYOUT: &str = "registry.test/app=layout";

/// A policy about `registry.test/**` with the public keys of these files as signers.
fn policy(place: &Place, name: &str, signers: &[&str], more: &str, require: &str) -> String {
    let mut text = format!(
        "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: {name}}}\nspec:\n  match: {{images: \
         ['registry.test/**']}}\n  signers:\n"
    );
    for signer in signers {
        text.push_str(&format!("    {signer}:\n      cosign:\n{more}        publicKey: |\n"));
        text.extend(place.read(&format!("{signer}.pub")).lines().map(|line| format!("          {line}\n")));
    }
    format!("{text}  require: {require}\n")
}

/// A folder with an image, two key pairs, and a policy that asks for the first.
fn place() -> Place {
    let place = Place::new();
    place.layout();
    for name in ["ci", "release"] {
        place.done(&["key", "generate", "--no-passphrase", "--out", name]);
    }
    place.write("policy.yaml", &policy(&place, "app", &["ci"], "", "ci"));
    place
}

fn sign(place: &Place, more: &[&str]) {
    place.done(&[&["sign", IMAGE, "--yes", "--layout", LAYOUT], more].concat());
}

fn cases(place: &Place, text: &str) {
    std::fs::create_dir_all(place.path("tests")).expect("a folder");
    place.write("tests/policy.yaml", &format!("cases:\n{text}"));
}

#[test]
fn cases_of_every_kind_are_decided_without_a_network() {
    let place = place();
    sign(&place, &["--key", "ci.key"]);
    let line = ["verify", IMAGE, "--policy", "policy.yaml", "--layout", LAYOUT, "--record", "bulla-records"];
    let id = json_of(&place.done(&[line.as_slice(), &["--output", "json"]].concat()))[0]["record"].clone();
    std::fs::create_dir(place.path("tests")).expect("a folder");
    let export = ["record", "export", id.as_str().expect("an id"), "--to", "tests/signed.record", "--without-module"];
    place.done(&export);
    cases(
        &place,
        "  - {name: made, image: 'registry.test/app:1', signed: [{by: ci}], expect: accept}\n\
         \x20 - {name: a stranger, image: 'registry.test/app:1', signed: [{by: stranger}], expect: reject, reason: other-key}\n\
         \x20 - {name: a short name, image: 'registry.test/app:1', signed: [{by: ci, for: app}], expect: reject, reason: \
            wrong-identity, text: docker.io/library/app}\n\
         \x20 - {name: a record, record: signed.record, expect: accept}\n\
         \x20 - {name: a record about another image, record: signed.record, image: 'registry.test/b:1', expect: unknown, \
            reason: unfetched, text: 'resolve registry.test/b:1: no evidence'}\n\
         \x20 - {name: a layout, image: 'registry.test/app:1', layout: ../layout, expect: accept}\n\
         \x20 - {name: answers, image: 'registry.test/app:1', evidence: [{need: 'resolve registry.test/app:1', outcome: \
            absent}], expect: reject, reason: image-absent}\n\
         \x20 - {name: nobody's, image: 'elsewhere.test/app:1', evidence: [], expect: reject, reason: no-policy}\n",
    );
    for path in ["policy.yaml", "tests/policy.yaml", "."] {
        let ran = place.done(&["policy", "test", path]);
        assert!(ran.contains("✓ ") && ran.ends_with("8 passed, 0 failed\n"), "{ran}");
    }
}

#[test]
fn a_case_that_fails_says_how() {
    let place = place();
    cases(
        &place,
        "  - {name: wrong, image: 'registry.test/app:1', signed: [], expect: accept}\n\
         \x20 - {name: right, image: 'registry.test/app:1', signed: [], expect: reject, reason: other-key, text: nonsense}\n",
    );
    let ended = place.run(&["policy", "test", "policy.yaml"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    for line in [
        "✗ tests/policy.yaml: wrong\n    expected accept, got reject\n    rejected: ",
        "✗ tests/policy.yaml: right\n    expected the reason other-key, got not-signed\n    expected the text \"nonsense\"\n",
        "\n0 passed, 2 failed\n",
    ] {
        assert!(ended.out.contains(line), "{line}\n{}", ended.out);
    }
    let ended = place.run(&["policy", "test", "policy.yaml", "--output", "json"]);
    let report = json_of(&ended.out);
    assert_eq!((report["failed"].as_u64(), report["cases"][0]["got"].as_str()), (Some(2), Some("reject")));
}

#[test]
fn cases_that_make_no_sense_are_refused_at_their_place() {
    let place = place();
    assert_eq!(place.run(&["policy", "test", "policy.yaml"]).code, 2, "no cases");
    assert_eq!(place.run(&["policy", "test", "."]).code, 2, "no cases");
    assert_eq!(place.run(&["policy", "test", "absent"]).code, 2);
    let image = "name: a, image: 'registry.test/app:1', expect: accept";
    for (case, hint) in [
        (format!("{{{image}}}"), "policy.yaml:2:5: case \"a\": say what the registry holds"),
        (format!("{{{image}, signed: [], evidence: []}}"), "say what the registry holds"),
        (format!("{{{image}, signd: []}}"), "unknown field `signd`"),
        (format!("{{{image}, signed: [{{by: ci, attestation: custom}}]}}"), "go together"),
        (format!("{{{image}, signed: [{{by: ci, platform: linux/amd64}}]}}"), "none of the case's `platforms`"),
        (format!("{{{image}, evidence: [{{need: a, outcome: found}}]}}"), "found takes"),
        (format!("{{{image}, evidence: [{{need: a, outcome: absent, text: b}}]}}"), "absent nothing"),
        ("{name: a, expect: maybe, signed: []}".to_owned(), "unknown variant `maybe`"),
        ("{name: a, expect: accept, signed: []}".to_owned(), "`image` is missing"),
        (format!("{{{image}, signed: []}}\n  - {{{image}, signed: []}}"), "two cases have the name"),
    ] {
        cases(&place, &format!("  - {case}\n"));
        let ended = place.run(&["policy", "test", "policy.yaml"]);
        assert_eq!(ended.code, 2, "{case}: {}", ended.out);
        assert!(ended.err.contains(hint) && ended.err.contains("tests/policy.yaml"), "{case}: {}", ended.err);
    }
    // What only shows when a case is run is the case's failure.
    for (case, hint) in [
        (format!("{{{image}, signed: [{{by: cii}}]}}"), "no signer of the policy"),
        (format!("{{{image}, signed: [{{by: ci, for: 'A b'}}]}}"), "`for: A b`"),
        (format!("{{{image}, signed: [{{by: ci, in: 'registry.test/A'}}]}}"), "`in: registry.test/A`"),
        (format!("{{{image}, layout: nowhere}}"), "nowhere"),
        (format!("{{{image}, record: nowhere}}"), "no such file"),
        ("{name: a, image: 'registry.test/A', expect: accept, signed: []}".to_owned(), "rejected: "),
    ] {
        cases(&place, &format!("  - {case}\n"));
        let ended = place.run(&["policy", "test", "policy.yaml"]);
        assert_eq!(ended.code, 1, "{case}: {}", ended.err);
        assert!(ended.out.contains(hint), "{case}: {}", ended.out);
    }
    place.write("policy.yaml", &policy(&place, "app", &["ci"], "", "cii"));
    let ended = place.run(&["policy", "test", "tests/policy.yaml"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("did you mean `ci`?"), "{}", ended.out);
}

#[test]
fn a_folder_of_policies_is_tested_as_it_is_in_force() {
    let place = place();
    std::fs::create_dir_all(place.path("all/tests")).expect("a folder");
    place.write("all/one.yaml", &policy(&place, "one", &["ci"], "", "ci"));
    let other = policy(&place, "two", &["release"], "", "release").replace("    release:\n", "    ci:\n");
    place.write("all/two.yaml", &other.replace("require: release", "require: ci"));
    place.write(
        "all/tests/both.yaml",
        "policy: ..\ncases:\n\
         \x20 - {name: both, image: 'registry.test/a:1', signed: [{by: one/ci}, {by: two/ci}], expect: accept}\n\
         \x20 - {name: one of them, image: 'registry.test/a:1', signed: [{by: one/ci}], expect: reject, reason: other-key}\n\
         \x20 - {name: which, image: 'registry.test/a:1', signed: [{by: ci}], expect: reject}\n",
    );
    let ended = place.run(&["policy", "test", "all"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.out.contains("write `by: POLICY/ci`") && ended.out.contains("2 passed, 1 failed"), "{}", ended.out);
    assert!(ended.out.contains("· all/one.yaml: no cases"), "{}", ended.out);
}

fn explained(place: &Place, code: i32) -> String {
    let ended = place.run(&["policy", "explain", IMAGE, "--policy", "policy.yaml", "--layout", LAYOUT]);
    assert_eq!(ended.code, code, "{}{}", ended.out, ended.err);
    ended.out
}

#[test]
fn one_change_follows_from_the_reasons() {
    let place = place();
    let said = explained(&place, 1);
    assert!(said.contains("\none change: signer ci: sign registry.test/app:1@sha256:"), "{said}");
    let key = place.done(&["key", "show", "ci.pub", "--output", "json"]);
    let fingerprint = json_of(&key)["fingerprint"].as_str().expect("a fingerprint").to_owned();
    assert!(said.contains(&format!("--key '<the private key with fingerprint {fingerprint}>'")), "{said}");

    sign(&place, &["--key", "ci.key"]);
    let said = explained(&place, 0);
    assert!(said.starts_with("accept  ") && !said.contains("one change"), "{said}");

    place.write("policy.yaml", &policy(&place, "app", &["ci", "release"], "", "{atLeast: 2, of: [ci, release]}"));
    let said = explained(&place, 1);
    assert!(
        said.contains("one change: one more of release has to sign (1 of 2 required signers have signed)"),
        "{said}"
    );

    place.write("policy.yaml", &policy(&place, "app", &["ci"], "        forms: [bundle]\n", "ci"));
    let said = explained(&place, 1);
    assert!(said.contains("add that form to `forms` of signer ci in policy app (now [bundle])"), "{said}");

    place.write("policy.yaml", &policy(&place, "app", &["ci"], "        annotations: {stage: built}\n", "ci"));
    let said = explained(&place, 1);
    assert!(said.contains("sign again with the annotations") && said.contains(" --annotation stage=built"), "{said}");

    let elsewhere = policy(&place, "app", &["ci"], "", "ci").replace("registry.test/**", "registry.test/team/**");
    place.write("policy.yaml", &elsewhere);
    let said = explained(&place, 1);
    assert!(said.contains("· policy app does not match: images: registry.test/team/**\n"), "{said}");
    assert!(said.contains("add the pattern `registry.test/app`"), "{said}");
}

#[test]
fn a_change_is_said_to_programs_and_a_policy_that_is_wrong_is_an_error() {
    let place = place();
    sign(&place, &["--key", "ci.key"]);
    place.write("policy.yaml", &policy(&place, "app", &["release"], "", "release"));
    let line = ["policy", "explain", IMAGE, "--policy", "policy.yaml", "--layout", LAYOUT, "--output", "json"];
    let said = json_of(&place.run(&line).out);
    assert_eq!(said["verdict"]["outcome"], "reject");
    assert!(said["change"]["command"].as_str().is_some_and(|line| line.starts_with("bulla sign ")), "{said}");
    place.write("policy.yaml", "kind: Pod\n");
    assert_eq!(place.run(&line).code, 2);
    assert_eq!(place.run(&["policy", "explain", IMAGE]).code, 2);
}

#[test]
fn what_would_end_differently_is_listed_and_nothing_is_guessed() {
    let place = place();
    sign(&place, &["--key", "ci.key"]);
    place.done(&["verify", IMAGE, "--policy", "policy.yaml", "--layout", LAYOUT, "--record", "bulla-records"]);
    let diff = |new: &str, against: &str| place.run(&["policy", "diff", "policy.yaml", new, "--against", against]);

    let same = diff("policy.yaml", "bulla-records");
    assert_eq!((same.code, same.out.as_str()), (0, "0 end differently, 1 the same, 0 not known\n"));

    // What lies under the tag was looked at, and so were bundles; another key asks for nothing else before it rejects.
    place.write("new.yaml", &policy(&place, "app", &["ci"], "        annotations: {stage: built}\n", "ci"));
    let ended = diff("new.yaml", "bulla-records");
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert!(ended.out.starts_with("accept → reject  registry.test/app:1  sha256:"), "{}", ended.out);
    assert!(ended.out.contains("annotation \"stage\" is missing"), "{}", ended.out);

    let elsewhere = "        signatureRepository: registry.test/signatures\n";
    place.write("new.yaml", &policy(&place, "app", &["ci"], elsewhere, "ci"));
    let ended = diff("new.yaml", "bulla-records");
    assert_eq!(ended.code, 2, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("B needs more evidence: ") && ended.out.contains("registry.test/signatures"),
        "{}",
        ended.out
    );

    assert_eq!(diff("absent.yaml", "bulla-records").code, 2);
    assert_eq!(diff("policy.yaml", "nowhere").code, 2);
    place.write("new.yaml", &policy(&place, "app", &["ci"], "", "cii"));
    assert_eq!(diff("new.yaml", "bulla-records").code, 1);
    place.write("text", "no record");
    let ended = diff("policy.yaml", "text");
    assert_eq!(ended.code, 2);
    assert!(ended.out.contains("not the file of a record"), "{}", ended.out);
}
