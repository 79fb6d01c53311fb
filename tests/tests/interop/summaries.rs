//! A decision that was recorded, summed up and signed by Bulla: cosign accepts the summary, and what it says is the record's.

use std::path::Path;
use std::process::Output;

use base64::Engine as _;
use bulla_tests::peers;
use bulla_tests::support::{Registry, bulla, bulla_key, cosign_command, output, run};
use serde_json::{Value, json};

const TYPE: &str = "https://slsa.dev/verification_summary/v1";
const VERIFIER: &str = "https://bulla.example/admission";

/// The id of the record that `bulla verify --record` makes, whatever the verdict.
fn recorded(image: &str, public: &Path, records: &Path) -> String {
    let mut command = bulla();
    command.args(["--output", "json", "verify", image, "--key"]).arg(public).arg("--record").arg(records);
    let verdicts: Value = serde_json::from_slice(&output(&mut command).stdout).expect("verdicts");
    verdicts[0]["record"].as_str().expect("a record's id").to_owned()
}

fn attest(id: &str, records: &Path, key: &Path, form: &str) -> Output {
    let mut command = bulla();
    command.args(["record", "attest", id, "--verifier", VERIFIER, "--yes", "--form", form, "--records"]);
    output(command.arg(records).arg("--key").arg(key))
}

fn verify(cosign: &Path, public: &Path, image: &str) -> Output {
    let mut command = cosign_command(cosign);
    command.args(["verify-attestation", "--type", TYPE, "--insecure-ignore-tlog", "--allow-http-registry", "--key"]);
    output(command.arg(public).arg(image))
}

/// The statement in what cosign prints: an envelope a line, or a bundle's.
fn statement(verified: &Output) -> Value {
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let printed: Value = serde_json::from_slice(&verified.stdout).expect("one envelope");
    let payload = printed["payload"].as_str().expect("a payload");
    let bytes = base64::engine::general_purpose::STANDARD.decode(payload).expect("base64");
    serde_json::from_slice(&bytes).expect("a statement")
}

#[test]
fn cosign_3_1_accepts_the_summary_of_a_recorded_decision() {
    let Some(registry) = Registry::start() else { return };
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("records");
    let (release, release_public) = bulla_key(folder.path(), "release", "ecdsa-p256");
    let (host, host_public) = bulla_key(folder.path(), "host", "ecdsa-p256");
    let (_, other_public) = bulla_key(folder.path(), "other", "ecdsa-p256");

    for (form, name) in [("legacy", "sum/legacy:1"), ("bundle", "sum/bundle:1")] {
        let image = registry.name(name);
        let digest = registry.push_image(&image, name);
        run(bulla().args(["sign", "--yes", "--key"]).arg(&release).arg(&image));
        let id = recorded(&image, &release_public, &records);
        let attested = attest(&id, &records, &host, form);
        assert!(attested.status.success(), "{}", String::from_utf8_lossy(&attested.stderr));

        let statement = statement(&verify(&cosign, &host_public, &image));
        let hex = digest.strip_prefix("sha256:").expect("sha256");
        assert_eq!(statement["predicateType"], json!(TYPE));
        assert_eq!(statement["subject"][0]["digest"]["sha256"], json!(hex), "{form}");
        let predicate = &statement["predicate"];
        assert_eq!(predicate["verificationResult"], json!("PASSED"));
        assert_eq!(predicate["verifier"]["id"], json!(VERIFIER));
        assert_eq!(predicate["urn:bulla:record"], json!(id));
        for wrong in [&other_public, &release_public] {
            let refused = verify(&cosign, wrong, &image);
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success(), "{form}: {}", wrong.display());
            assert!(!said.contains("connection refused") && !said.contains("unknown flag"), "{said}");
        }
    }
}

/// By hand, the same: `bulla record summary` makes the file and `bulla attest` takes it as it is.
#[test]
fn cosign_3_1_accepts_a_summary_that_was_attested_by_hand() {
    let Some(registry) = Registry::start() else { return };
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("records");
    let (_, release_public) = bulla_key(folder.path(), "release", "ecdsa-p256");
    let (host, host_public) = bulla_key(folder.path(), "host", "ecdsa-p256");
    let image = registry.name("sum/unsigned:1");
    registry.push_image(&image, "unsigned");
    let id = recorded(&image, &release_public, &records);
    let summary =
        run(bulla().args(["record", "summary", &id, "--verifier", VERIFIER, "--records"]).arg(&records)).stdout;
    let predicate = folder.path().join("summary.json");
    std::fs::write(&predicate, &summary).expect("written");
    run(bulla()
        .args(["attest", &image, "--yes", "--type", TYPE, "--predicate"])
        .arg(&predicate)
        .arg("--key")
        .arg(&host));
    let statement = statement(&verify(&cosign, &host_public, &image));
    assert_eq!(statement["predicate"], serde_json::from_slice::<Value>(&summary).expect("JSON"));
    assert_eq!(statement["predicate"]["verificationResult"], json!("FAILED"), "nobody signed it");
}

/// A verdict that says neither, or a record that was tampered with, is never signed for.
#[test]
fn what_is_unknown_or_damaged_has_no_summary() {
    let Some(mut registry) = Registry::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("records");
    let (release, public) = bulla_key(folder.path(), "release", "ecdsa-p256");
    let image = registry.name("sum/app:1");
    registry.push_image(&image, "app");
    run(bulla().args(["sign", "--yes", "--key"]).arg(&release).arg(&image));
    let accepted = recorded(&image, &public, &records);
    registry.stop();
    let unknown = recorded(&image, &public, &records);
    let refused = attest(&unknown, &records, &release, "legacy");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("the verdict is unknown"), "{said}");

    let journal = records.join("journal/0000000001.log");
    let text = std::fs::read_to_string(&journal).expect("a journal").replace("\"allowed\"", "\"warned\"");
    std::fs::write(&journal, text).expect("written");
    let refused = attest(&accepted, &records, &release, "legacy");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("tampered"), "{said}");
}
