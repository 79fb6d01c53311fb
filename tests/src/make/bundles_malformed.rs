//! Bundles that are not what their schema says, by the right key throughout: none of them counts, and each is named with
//! what is wrong.

use serde_json::{Value, json};

use super::bundles_accepted::{log_entry, of_version};
use super::dsse::{BUNDLE, Stored, bundle, changed, statement, text};
use super::scene::{Scene, policy_of};
use super::toolbox::Key;
use super::{Book, add, rejected};
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    members(book);
    texts(book);
    material(book);
}

/// Adds a scene with one stored bundle that is not looked at further because of its shape.
pub(super) fn refused(book: &mut Book, name: &str, layer: &str, stored: Stored, comment: &str, text: &str) {
    let scene = Scene::bundled(policy_of(&Key::p256(1)), &[stored]).no_tag();
    let expect = rejected(if layer == "statement" { "payload" } else { "signature-defect" }).text(text);
    add(book, &format!("{layer}/{name}"), scene.vector(layer, comment, expect));
}

pub(super) fn good() -> Value {
    bundle(&Key::p256(1), &statement())
}

fn members(book: &mut Book) {
    let mut change = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        let changed = changed(good(), change);
        assert_ne!(changed, good(), "{name} changes nothing");
        refused(book, name, "bundle", Stored::new(&changed), comment, text);
    };
    let message = json!({"messageDigest": {"algorithm": "SHA2_256", "digest": "AAAA"}, "signature": "MEUC"});
    let remove = |value: &mut Value, name: &str| {
        value.as_object_mut().expect("an object").remove(name);
    };
    change(
        "message-signature",
        &|it| {
            remove(it, "dsseEnvelope");
            it["messageSignature"] = message.clone();
        },
        "A signature over the manifest's bytes, as sign-blob makes it: cosign refuses it for images too.",
        "signature over bytes",
    );
    change(
        "two-contents",
        &|it| it["messageSignature"] = message.clone(),
        "Both members of a oneof: readers differ in which one they take.",
        "both an envelope and a message signature",
    );
    change("no-content", &|it| remove(it, "dsseEnvelope"), "Neither member of the oneof.", "no content");
    change(
        "no-material",
        &|it| remove(it, "verificationMaterial"),
        "No verification material.",
        "no verification material",
    );
    change(
        "no-media-type",
        &|it| remove(it, "mediaType"),
        "No media type: any JSON could be meant.",
        "media type is \"\"",
    );
    change(
        "other-media-type",
        &|it| it["mediaType"] = json!("application/json"),
        "Another document's media type.",
        "media type is \"application/json\"",
    );
    change(
        "v04-inside",
        &|it| it["mediaType"] = json!("application/vnd.dev.sigstore.bundle.v0.4+json"),
        "A later version may mean something else by the same members.",
        "0.1, 0.2 and 0.3 are",
    );
    change(
        "v02-inside",
        &|it| it["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.2"),
        "The manifest says 0.3: which rules hold?",
        "its descriptor says 0.3",
    );
    change(
        "unknown-member",
        &|it| it["extra"] = json!(1),
        "sigstore-go refuses what it does not know.",
        "unknown member",
    );
    change(
        "unknown-member-in-material",
        &|it| it["verificationMaterial"]["extra"] = json!(1),
        "The same below.",
        "unknown member",
    );
    change(
        "unknown-member-in-key",
        &|it| it["verificationMaterial"]["publicKey"]["rawBytes"] = json!("AAAA"),
        "A key in the evidence: it would be the attacker's.",
        "unknown member",
    );
    change(
        "unknown-member-in-envelope",
        &|it| it["dsseEnvelope"]["extra"] = json!(1),
        "The same in the envelope.",
        "unknown member",
    );
    change(
        "unknown-member-in-signature",
        &|it| it["dsseEnvelope"]["signatures"][0]["cert"] = json!("x"),
        "The same in the signature.",
        "unknown member",
    );
    change(
        "two-spellings",
        &|it| it["media_type"] = it["mediaType"].clone(),
        "One member under both of its names is a duplicate.",
        "also given as",
    );
    change(
        "envelope-a-list",
        &|it| it["dsseEnvelope"] = json!([it["dsseEnvelope"]]),
        "A list for a message.",
        "expected an object",
    );
}

fn texts(book: &mut Book) {
    let plain = text(&good());
    let twice = plain.replacen('{', &format!(r#"{{"mediaType":"{BUNDLE}","#), 1);
    let sig = plain.find(r#"{"sig":"#).expect("a signature") + 1;
    let sig_twice = format!("{}\"sig\":\"AAAA\",{}", &plain[..sig], &plain[sig..]);
    let deep = format!(r#"{{"extra":{}1{},{}"#, "[".repeat(100), "]".repeat(100), &plain[1..]);
    for (name, text, comment, hint) in [
        ("duplicate-key", twice, "Duplicate keys: readers differ in which one they take.", "duplicate"),
        ("duplicate-signature", sig_twice, "The same where it matters most.", "duplicate"),
        ("trailing-text", format!("{plain}{{}}"), "A second document behind the first.", "bundle: "),
        (
            "byte-order-mark",
            format!("\u{feff}{plain}"),
            "A byte order mark is no JSON (RFC 8259, section 8.1).",
            "bundle: ",
        ),
        ("cut", plain[..plain.len() - 1].to_owned(), "One octet short, with a digest of its own.", "bundle: "),
        ("not-json", "<html>".to_owned(), "Not JSON.", "bundle: "),
        ("a-list", format!("[{plain}]"), "A list of bundles, as in .sigstore.jsonl, is not one.", "expected an object"),
        ("deep", deep, "Nesting has a limit.", "bundle: "),
        ("empty", String::new(), "No octets.", "bundle: "),
    ] {
        refused(book, name, "bundle", Stored::bytes(Recipe::Text(text)), comment, hint);
    }
}

fn material(book: &mut Book) {
    let mut change = |name: &str, media_type: &str, material: Value, comment: &str, text: &str| {
        let bundle = changed(good(), |it| {
            let members = it["verificationMaterial"].as_object_mut().expect("an object");
            members.extend(material.as_object().expect("an object").clone());
            members.retain(|_, member| !member.is_null());
        });
        refused(book, name, "bundle", of_version(&bundle, media_type), comment, text);
    };
    let [v01, v02] = ["0.1", "0.2"].map(|it| format!("application/vnd.dev.sigstore.bundle+json;version={it}"));
    let certificate = json!({"rawBytes": "MIIC"});
    let chain = json!({"certificates": [certificate]});
    let without = |member: &str| {
        json!([changed(log_entry(0), |it| {
            it.as_object_mut().expect("an object").remove(member);
        })])
    };
    let entries = |count: usize| (0..count).map(log_entry).collect::<Vec<_>>();
    change(
        "v03-chain",
        BUNDLE,
        json!({"publicKey": null, "x509CertificateChain": chain}),
        "Version 0.3 has room for one certificate: a chain in it is what an older reader would trust.",
        "where one certificate is allowed",
    );
    change(
        "two-materials",
        BUNDLE,
        json!({"certificate": certificate}),
        "A key and a certificate.",
        "both publicKey and certificate",
    );
    change(
        "empty-material",
        BUNDLE,
        json!({"publicKey": null}),
        "Neither key nor certificate.",
        "no verification material",
    );
    change(
        "chain-empty",
        &v02,
        json!({"publicKey": null, "x509CertificateChain": {}}),
        "No certificate in a chain.",
        "empty",
    );
    let long = json!({"certificates": vec![certificate; 17]});
    change(
        "chain-of-17",
        &v02,
        json!({"publicKey": null, "x509CertificateChain": long}),
        "A chain has a limit.",
        "at most 16",
    );
    change(
        "v01-no-promise",
        &v01,
        json!({"tlogEntries": without("inclusionPromise")}),
        "Version 0.1: each log entry has a promise (sigstore-go, validate).",
        "no inclusion promise",
    );
    change(
        "v02-no-proof",
        &v02,
        json!({"tlogEntries": without("inclusionProof")}),
        "Version 0.2: each log entry has a proof (sigstore-go, validate).",
        "no inclusion proof",
    );
    change(
        "v03-no-proof",
        BUNDLE,
        json!({"tlogEntries": without("inclusionProof")}),
        "And version 0.3.",
        "no inclusion proof",
    );
    let unproved = changed(log_entry(0), |it| {
        it["inclusionProof"].as_object_mut().expect("an object").remove("checkpoint");
    });
    change(
        "proof-without-checkpoint",
        BUNDLE,
        json!({"tlogEntries": [unproved]}),
        "A proof against no checkpoint proves nothing.",
        "no inclusion proof",
    );
    for member in ["logId", "kindVersion", "canonicalizedBody"] {
        let name = format!("log-entry-without-{}", member.to_lowercase());
        let comment = "A log entry without what every entry has.";
        change(&name, BUNDLE, json!({"tlogEntries": without(member)}), comment, "log entry 1");
    }
    let negative = changed(log_entry(0), |it| it["logIndex"] = json!("-1"));
    change("log-index-negative", BUNDLE, json!({"tlogEntries": [negative]}), "An index below zero.", "below zero");
    let fraction = changed(log_entry(0), |it| it["logIndex"] = json!(1.0));
    change(
        "log-index-fraction",
        BUNDLE,
        json!({"tlogEntries": [fraction]}),
        "A number with a point.",
        "64-bit integer",
    );
    let unknown = changed(log_entry(0), |it| it["extra"] = json!(1));
    change(
        "log-entry-unknown-member",
        BUNDLE,
        json!({"tlogEntries": [unknown]}),
        "A member nobody knows.",
        "unknown member",
    );
    change(
        "33-log-entries",
        BUNDLE,
        json!({"tlogEntries": entries(33)}),
        "CVE-2024-45395: each entry would cost work.",
        "33 log entries",
    );
    change(
        "log-entry-twice",
        BUNDLE,
        json!({"tlogEntries": [log_entry(0), log_entry(0)]}),
        "One place in one log twice: it would count twice toward a threshold of logs.",
        "repeats an earlier one",
    );
    let proof = changed(log_entry(0), |it| it["inclusionProof"]["hashes"] = json!(vec!["AAAA"; 65]));
    change("65-proof-hashes", BUNDLE, json!({"tlogEntries": [proof]}), "CVE-2024-45395 for proofs.", "65 hashes");
    let stamps = |count: usize| json!({"rfc3161Timestamps": vec![json!({"signedTimestamp": "MIIC"}); count]});
    change(
        "33-timestamps",
        BUNDLE,
        json!({"timestampVerificationData": stamps(33)}),
        "CVE-2024-45395: each timestamp would cost work.",
        "33 timestamps",
    );
    let empty = json!({"rfc3161Timestamps": [{}]});
    change(
        "timestamp-empty",
        BUNDLE,
        json!({"timestampVerificationData": empty}),
        "A timestamp of nothing.",
        "timestamp 1 is empty",
    );
}
