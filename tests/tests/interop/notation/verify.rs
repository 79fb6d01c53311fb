//! What the notation CLI and Bulla say about one signature under one trust policy: the same, and Bulla says which check it was.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_tests::support::certificates::{Authority, Leaf, identity};
use bulla_tests::support::notation::{FORMATS, Notation, Trust};
use bulla_tests::support::{RegistryKind, bulla, bulla_verify, output};
use serde_json::{Value, json};

use super::cli::{Place, signed_by_both};
use super::document::in_words;
use crate::matrix::compare_or_write;

/// Seconds that a certificate or a signature is valid which is to be over soon: enough to sign, timestamp and look at it.
const SOON: u32 = 12;

/// What was held so far, as lines of docs/interop.md.
struct Held<'w> {
    notation: &'w Notation,
    place: &'w Place,
    lines: Vec<String>,
    failures: Vec<String>,
}

/// What Bulla says. notation accepts exactly what Bulla accepts, but for one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Accept,
    /// With this reason.
    Reject(&'static str),
    /// With this reason, where notation accepts.
    Stricter(&'static str),
    /// With this reason.
    Unknown(&'static str),
}

impl Held<'_> {
    /// Holds what both say about these images, one for each kind of envelope, under this trust policy.
    fn hold(&mut self, what: &str, images: &[String], trust: &Trust<'_>, says: Says) {
        self.notation.policy(trust);
        for image in images {
            let place = format!("{what} / {} / {image}", in_words(trust));
            let theirs = self.notation.verify(image, &[]);
            if theirs.status.success() != matches!(says, Says::Accept | Says::Stricter(_)) {
                let said = String::from_utf8_lossy(&theirs.stderr).into_owned();
                self.failures.push(format!("{place}: Bulla should say {says:?}, and notation says {said}"));
            }
            let config = self.notation.folder().join("bulla.yaml");
            let (code, verdict) = self.notation.bulla(image, &["--config", config.to_str().expect("UTF-8")]);
            let reason = |reason: &str| verdict.to_string().contains(&format!("\"code\":\"{reason}\""));
            let is_so = match says {
                Says::Accept => code == 0,
                Says::Reject(why) | Says::Stricter(why) => code == 1 && reason(why),
                Says::Unknown(why) => code == 2 && reason(why),
            };
            if !is_so {
                self.failures.push(format!("{place}: Bulla should say {says:?}, and ends with {code}: {verdict:#}"));
            }
        }
        let outcome = match says {
            Says::Accept => "accept".to_owned(),
            Says::Reject(why) => format!("reject: `{why}`"),
            Says::Stricter(why) => format!("reject: `{why}`; notation accepts"),
            Says::Unknown(why) => format!("unknown: `{why}`"),
        };
        self.lines.push(format!("| {what} | {} | {outcome} |", in_words(trust)));
    }

    /// An image for each kind of envelope, signed with this key.
    fn signed(&self, key: &str, name: &str, more: &[&str]) -> Vec<String> {
        let sign = |format: &&str| {
            let image = self.place.image(&format!("{name}-{format}"));
            self.notation.sign(key, format, &image, more);
            image
        };
        FORMATS.iter().map(sign).collect()
    }
}

/// Bulla asks addresses on loopback where it is told to. As long as it takes: this machine does other things too.
fn configure(notation: &Notation, private: &[String]) {
    let revocation = json!({"privateHosts": private, "ocspMilliseconds": 20_000, "crlMilliseconds": 20_000});
    let config = json!({"registry": {"revocation": revocation}});
    fs::write(notation.folder().join("bulla.yaml"), config.to_string()).expect("a file");
}

#[test]
fn what_notation_says_of_a_signature_bulla_says() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    configure(&notation, &[]);
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.trust("ca:other", &notation.authority("other", "EC-256").own.certificate);
    notation.add_key("release", &authority.issue("release", "EC-256", &Leaf::default()));
    let mut held = Held { notation: &notation, place: &place, lines: Vec::new(), failures: Vec::new() };
    trust_and_expiry(&mut held);
    timestamps(&mut held, &authority);
    revocation(&mut held, "crl");
    revocation(&mut held, "ocsp");
    assert!(held.failures.is_empty(), "{} failures:\n{}", held.failures.len(), held.failures.join("\n"));
    let table = format!(
        "Held by `what_notation_says_of_a_signature_bulla_says` at {}, for JWS and COSE. notation accepts what Bulla accepts, \
         and nothing else but what is said. Bulla looks up no revocation where a chain reaches no pinned certificate, and \
         then takes it for not given.\n\n| what | trust policy | Bulla |\n| --- | --- | --- |\n{}\n",
        RegistryKind::Ferro.program(),
        held.lines.join("\n")
    );
    compare_or_write("what notation says", &table);
}

/// Identities, stores, levels, and signatures that are over.
fn trust_and_expiry(held: &mut Held<'_>) {
    let authenticity = Says::Reject("notation-authenticity");
    let soon = Instant::now() + Duration::from_secs(SOON.into());
    let over = held.signed("release", "over", &["--expiry", &format!("{SOON}s")]);
    held.hold("signature with an expiry that is not there yet", &over, &Trust::default(), Says::Accept);
    let signed = held.signed("release", "trusted", &[]);
    let (named, another) = (identity("release"), identity("another"));
    let (named, another) = ([named.as_str()], [another.as_str()]);
    let by = |identity| Trust { identities: identity, ..Trust::default() };
    held.hold("any identity under the authority", &signed, &by(&["*"]), Says::Accept);
    held.hold("the certificate's identity", &signed, &by(&named), Says::Accept);
    held.hold("another identity", &signed, &by(&another), authenticity);
    let other = Trust { stores: &["ca:other"], ..Trust::default() };
    held.hold("another authority in the store", &signed, &other, authenticity);
    let permissive = Trust { level: "permissive", ..other.clone() };
    held.hold("another authority in the store", &signed, &permissive, authenticity);
    let logged = Trust { overrides: json!({"authenticity": "log"}), ..other.clone() };
    // Nothing that nobody pinned is asked where its revocation list is.
    held.hold("another authority in the store", &signed, &logged, Says::Stricter("notation-revocation"));
    let audit = Trust { level: "audit", ..other.clone() };
    held.hold("another authority in the store", &signed, &audit, Says::Accept);
    let enforced = Trust { overrides: json!({"authenticity": "enforce"}), ..audit };
    held.hold("another authority in the store", &signed, &enforced, authenticity);
    let nobody = [held.place.image("nobody")];
    for level in ["strict", "audit"] {
        let trust = Trust { level, ..Trust::default() };
        held.hold("no signature", &nobody, &trust, Says::Reject("nothing-found"));
    }
    std::thread::sleep((soon + Duration::from_secs(2)).saturating_duration_since(Instant::now()));
    for (level, overrides, says) in [
        ("strict", Value::Null, Says::Reject("notation-expiry")),
        ("strict", json!({"expiry": "log"}), Says::Accept),
        ("permissive", Value::Null, Says::Accept),
        ("permissive", json!({"expiry": "enforce"}), Says::Reject("notation-expiry")),
    ] {
        held.hold("signature that has expired", &over, &Trust { level, overrides, ..Trust::default() }, says);
    }
}

/// Timestamps, while the certificate is valid and after it has expired.
fn timestamps(held: &mut Held<'_>, authority: &Authority) {
    let notation = held.notation;
    let stamping = notation.authority("tsa-root", "RSA-2048");
    let leaf = stamping.issue("tsa", "RSA-2048", &Leaf { timestamping: true, ..Leaf::default() });
    let served = stamping.serve_timestamps(&leaf);
    notation.trust("tsa:acme", &stamping.own.certificate);
    notation.trust("tsa:other", &notation.authority("tsa-other", "RSA-2048").own.certificate);
    let (url, root) = (served.url("/"), stamping.own.certificate.display().to_string());
    let stamped = ["--timestamp-url", &url, "--timestamp-root-cert", &root];
    let soon = Instant::now() + Duration::from_secs(SOON.into());
    notation.add_key("brief", &authority.issue("brief", "EC-256", &Leaf { seconds: Some(SOON), ..Leaf::default() }));
    let brief_with = held.signed("brief", "brief-with", &stamped);
    let brief_without = held.signed("brief", "brief-without", &[]);
    assert!(Instant::now() < soon, "signing took longer than the certificate is valid");
    let with = held.signed("release", "with", &stamped);
    let without = held.signed("release", "without", &[]);
    let when = |stores, timestamps| Trust { stores, timestamps: Some(timestamps), ..Trust::default() };
    let (ours, others) = (["ca:acme", "tsa:acme"], ["ca:acme", "tsa:other"]);
    let refused = Says::Reject("notation-timestamp");
    held.hold("with a timestamp", &with, &when(&ours, "always"), Says::Accept);
    held.hold("with a timestamp of another authority", &with, &when(&others, "always"), refused);
    held.hold("without a timestamp", &without, &when(&ours, "always"), refused);
    held.hold("without a timestamp", &without, &when(&ours, "afterCertExpiry"), Says::Accept);
    let permissive = Trust { level: "permissive", ..when(&ours, "always") };
    held.hold("without a timestamp", &without, &permissive, Says::Accept);
    std::thread::sleep((soon + Duration::from_secs(2)).saturating_duration_since(Instant::now()));
    for timestamps in ["always", "afterCertExpiry"] {
        let (with, without) = ("certificate expired since, with a timestamp", "certificate expired since, without one");
        held.hold(with, &brief_with, &when(&ours, timestamps), Says::Accept);
        held.hold(without, &brief_without, &when(&ours, timestamps), refused);
    }
    held.hold("certificate expired since, no store for timestamps", &brief_with, &Trust::default(), refused);
    let logged = Trust { overrides: json!({"authenticTimestamp": "log"}), ..Trust::default() };
    held.hold("certificate expired since, no store for timestamps", &brief_with, &logged, Says::Accept);
}

/// Leaves in good standing and revoked ones, by list or by OCSP.
fn revocation(held: &mut Held<'_>, by: &str) {
    let authority = Arc::new(held.notation.authority(by, "EC-256"));
    held.notation.trust("ca:acme", &authority.own.certificate);
    let served = if by == "crl" { authority.serve_crl() } else { authority.serve_ocsp() };
    let leaf = match by {
        "crl" => Leaf { crl: Some(served.url("/list.crl")), ..Leaf::default() },
        _ => Leaf { ocsp: Some(served.url("")), ..Leaf::default() },
    };
    let [good, revoked] = signed_by_both(held.notation, held.place, &authority, &leaf, by);
    let how = by.to_uppercase();
    let good = [good];
    // An address on loopback is asked only where that is allowed.
    configure(held.notation, &[]);
    held.notation.policy(&Trust::default());
    let before = served.asked().len();
    let config = held.notation.folder().join("bulla.yaml").display().to_string();
    let (code, verdict) = held.notation.bulla(&good[0], &["--config", &config]);
    assert!(code == 2 && verdict.to_string().contains("notation-unknown"), "{by}: {code} {verdict:#}");
    assert_eq!(served.asked().len(), before, "{by}: loopback was asked");
    configure(held.notation, &[served.host()]);
    held.hold(&format!("certificate in good standing by {how}"), &good, &Trust::default(), Says::Accept);
    for (level, overrides, says) in [
        ("strict", Value::Null, Says::Reject("notation-revocation")),
        ("strict", json!({"revocation": "log"}), Says::Accept),
        ("strict", json!({"revocation": "skip"}), Says::Accept),
        ("permissive", Value::Null, Says::Accept),
        ("permissive", json!({"revocation": "enforce"}), Says::Reject("notation-revocation")),
        ("audit", Value::Null, Says::Accept),
    ] {
        let trust = Trust { level, overrides, ..Trust::default() };
        held.hold(&format!("certificate revoked by {how}"), std::slice::from_ref(&revoked), &trust, says);
    }
    drop(served);
    held.notation.forget();
    let what = format!("nobody answers for {how}");
    held.hold(&what, &good, &Trust::default(), Says::Unknown("notation-unknown"));
    let permissive = Trust { level: "permissive", ..Trust::default() };
    held.hold(&what, &good, &permissive, Says::Accept);
}

#[test]
fn what_was_signed_as_metadata_is_held_against_what_the_policy_wants() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    let authority = notation.authority("root", "EC-256");
    notation.add_key("release", &authority.issue("release", "EC-256", &Leaf::default()));
    let root = fs::read_to_string(&authority.own.certificate).expect("a certificate");
    let policy = notation.folder().join("policy.json");
    for format in FORMATS {
        let image = place.image(&format!("metadata-{format}"));
        notation.sign("release", format, &image, &["--user-metadata", "stage=tested", "--user-metadata", "team=a"]);
        for (metadata, refused) in [
            (json!({}), false),
            (json!({"stage": "tested"}), false),
            (json!({"stage": "tested", "team": "a"}), false),
            (json!({"stage": "released"}), true),
            (json!({"stage": "tested", "more": "b"}), true),
        ] {
            let signer = json!({"trustStores": {"ca": [root]}, "trustedIdentities": ["*"], "level": "strict",
                "metadata": metadata});
            let document = json!({"apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "all"},
                "spec": {"match": {"everyImage": true}, "signers": {"acme": {"notation": signer}}, "require": "acme"}});
            fs::write(&policy, document.to_string()).expect("a file");
            let (code, verdict) = bulla_verify(&[&image, "--policy", &policy.display().to_string()]);
            assert_eq!(code, i32::from(refused), "{metadata}: {verdict:#}");
            assert_eq!(verdict.to_string().contains("\"code\":\"notation-metadata\""), refused, "{verdict:#}");
        }
    }
}

/// notation's files as they stand: of several statements the one about the image, and where they are looked for.
#[test]
fn bulla_reads_the_files_of_notation_where_they_are() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.add_key("release", &authority.issue("release", "EC-256", &Leaf::default()));
    let [named, rest, skipped] = ["named", "rest", "skipped"].map(|name| place.image(name));
    let repository = |image: &str| image.split('@').next().unwrap_or_default().to_owned();
    let statement = |name: &str, scope: &str, identity: &str| {
        json!({"name": name, "registryScopes": [scope], "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:acme"], "trustedIdentities": [identity]})
    };
    let skip = json!({"name": "skipped", "registryScopes": [repository(&skipped)],
        "signatureVerification": {"level": "skip"}});
    let policy = json!({"version": "1.0", "trustPolicies": [
        statement("named", &repository(&named), &identity("release")), skip, statement("rest", "*", &identity("nobody"))]});
    // The one that notation 1.3 reads.
    let file = notation.config().join("trustpolicy.json");
    fs::write(&file, policy.to_string()).expect("a file");
    for image in [&named, &rest] {
        notation.sign("release", "cose", image, &[]);
    }
    for (image, accepted) in [(&named, true), (&rest, false)] {
        assert_eq!(notation.verify(image, &[]).status.success(), accepted, "{image}");
        assert_eq!(notation.bulla(image, &[]).0, i32::from(!accepted), "{image}");
    }
    let fails = |words: &[&str], config: &str, hint: &str| {
        let mut command = bulla();
        command.env("XDG_CONFIG_HOME", notation.folder().join(config));
        let said = output(command.arg("verify").args(words));
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.code() == Some(2) && text.contains(hint), "{words:?}: {text}");
    };
    fails(&[&skipped, "--trust-policy"], "config", "skip admits unsigned images");
    let newer = notation.config().join("trustpolicy.oci.json");
    fs::write(&newer, "{}").expect("a file");
    fails(&[&named, "--trust-policy"], "config", "trustpolicy.oci.json: version: it is needed");
    fails(&[&named, "--trust-policy"], "nowhere", "neither trustpolicy.oci.json nor trustpolicy.json is in");
    let (policy, empty) = (file.display().to_string(), notation.folder().join("empty").display().to_string());
    let elsewhere = [named.as_str(), "--trust-policy", &policy, "--trust-store", &empty];
    fails(&elsewhere, "nowhere", "trustPolicies[0].trustStores[0]: no file with certificates is in");
    let moved = notation.folder().join("stores");
    fs::rename(notation.config().join("truststore"), &moved).expect("a move");
    let moved = moved.display().to_string();
    let words = [named.as_str(), "--trust-policy", &policy, "--trust-store", &moved];
    assert_eq!(output(bulla().arg("verify").args(words)).status.code(), Some(0));
    std::os::unix::fs::symlink("/dev/null", format!("{moved}/x509/ca/acme/link.pem")).expect("a link");
    fails(&words, "nowhere", "a trust store has no links");
}
