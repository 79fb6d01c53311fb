//! The client against small programs.

use core::time::Duration;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use serde_json::{Value, json};

use super::Plugin;
use crate::error::{FormError, PluginError, PluginFailure};
use crate::options::SignerOptions;
use crate::reference::{KeyReference, RemoteReference};

/// A folder with a program for `test://` in it.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    /// The program is this shell script. `$1` and `$2` are the protocol's arguments.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        // Written by another process: a file that this one has open for writing cannot be run, and a test beside this
        // one may start a program at any time, which then has it open too.
        let write = "cat > \"$0\" && chmod 755 \"$0\"";
        let path = folder.path().join("sigstore-kms-test");
        let mut shell =
            Command::new("sh").args(["-c", write]).arg(path).stdin(Stdio::piped()).spawn().expect("a shell");
        let script = format!("#!/bin/sh\n{script}\n");
        shell.stdin.take().expect("pipe").write_all(script.as_bytes()).expect("written");
        assert!(shell.wait().expect("ended").success());
        Self { folder }
    }

    /// A program that answers `publicKey` properly, and `signMessage` by this script.
    fn with_key(script: &str) -> Self {
        let answer = public_key_answer();
        Self::new(&format!("case \"$2\" in *'\"publicKey\"'*) echo '{answer}'; exit;; esac\n{script}"))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sigstore-kms-test")
    }

    fn open(&self) -> Result<Plugin, PluginError> {
        let folder = self.folder.path().as_os_str().to_owned();
        let environment = move |name: &str| (name == "PATH").then(|| folder.clone());
        let options = SignerOptions {
            program_timeout: Duration::from_secs(60),
            environment: Box::new(environment),
            ..SignerOptions::default()
        };
        match KeyReference::parse("test://a key\u{202e}") {
            Ok(KeyReference::Remote(RemoteReference::Plugin(reference))) => Plugin::open(&reference, &options),
            other => panic!("{other:?}"),
        }
    }

    fn sign(&self) -> Result<Vec<u8>, PluginError> {
        self.open().expect("it gives its public key").sign(b"message")
    }
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).expect("key")
}

fn public_pem() -> String {
    VerifyingKey::from(&key()).to_public_key_pem(der::pem::LineEnding::LF).expect("PEM")
}

fn public_key_answer() -> Value {
    json!({ "publicKey": { "publicKeyPEM": STANDARD.encode(public_pem()) } })
}

fn signature_answer(signature: &[u8]) -> String {
    json!({ "signMessage": { "signature": STANDARD.encode(signature) } }).to_string()
}

/// A real signature of `message` by the key.
fn signature() -> Vec<u8> {
    let signature: Signature = key().sign(b"message");
    signature.to_der().as_bytes().to_vec()
}

fn failure(result: Result<Vec<u8>, PluginError>) -> (PluginFailure, String) {
    match result {
        Err(PluginError::Call { program, method: "signMessage", failure, said }) => {
            assert_eq!(program, "sigstore-kms-test");
            (failure, said)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_gives_key_and_signature() {
    let script = format!(
        "cat > \"$0.message\"; printf '%s' \"$1 $2\" > \"$0.arguments\"; echo '{}'",
        signature_answer(&signature())
    );
    let fixture = Fixture::with_key(&script);
    let plugin = fixture.open().expect("opened");
    assert_eq!(plugin.public_key_pem(), public_pem());
    let described = format!("key \"a key\" of sigstore-kms-test ({})", fixture.path().display());
    assert_eq!(plugin.describe(), described);

    let signed = plugin.sign(b"message").expect("signed");
    let public = VerifyingKey::from_public_key_pem(plugin.public_key_pem()).expect("key");
    public.verify(b"message", &Signature::from_der(&signed).expect("DER")).expect("verified");

    let beside = |ending: &str| fs::read(format!("{}.{ending}", fixture.path().display())).expect("written");
    assert_eq!(beside("message"), b"message");
    let arguments = String::from_utf8(beside("arguments")).expect("text");
    let (version, arguments) = arguments.split_once(' ').expect("two arguments");
    let arguments: Value = serde_json::from_str(arguments).expect("JSON");
    assert_eq!((version, &arguments["methodName"]), ("v1", &json!("signMessage")));
    assert_eq!(arguments["initOptions"]["keyResourceID"], json!("a key\u{202e}"));
}

#[test]
fn the_exit_code_does_not_count_when_there_is_an_answer() {
    let fixture = Fixture::with_key(&format!("echo '{}'; exit 3", signature_answer(&signature())));
    assert_eq!(fixture.sign(), Ok(signature()));
    let fixture =
        Fixture::with_key("printf '%s' '{\"errorMessage\":\"locked\\nfor today\"}'; echo details >&2; exit 0");
    assert_eq!(failure(fixture.sign()), (PluginFailure::Refused("locked for today".into()), "details".into()));
}

#[test]
fn what_is_no_answer_is_said_with_the_exit_code_and_the_last_words() {
    let answer = |reason: &str, code: u8| PluginFailure::Answer {
        reason: reason.to_owned(),
        status: format!("exit status: {code}"),
    };
    let not_json = "expected value at line 1 column 1";
    let truncated = "EOF while parsing an object at line 1 column 1";
    for (script, reason, code, said) in [
        ("printf 'no \\033[31mtoken\\nhere' >&2; exit 7", "it is empty", 7, "no [31mtoken here"),
        ("exit 0", "it is empty", 0, ""),
        ("echo garbage", not_json, 0, ""),
        ("printf '\\377\\376\\000'; exit 1", not_json, 1, ""),
        ("printf '{'", truncated, 0, ""),
        ("echo '{}{}'", "trailing characters at line 1 column 3", 0, ""),
        ("echo '{}'", "it has no signMessage.signature", 0, ""),
        ("echo '{\"signMessage\":{}}'", "it has no signMessage.signature", 0, ""),
        (
            "echo '{\"signMessage\":{\"signature\":7}}'",
            "invalid type: integer `7`, expected a string at line 1 column 29",
            0,
            "",
        ),
        (
            "echo '{\"signMessage\":{\"signature\":\"!\"}}'",
            "signMessage.signature is not base64: Invalid symbol 33, offset 0.",
            0,
            "",
        ),
    ] {
        assert_eq!(failure(Fixture::with_key(script).sign()), (answer(reason, code), said.to_owned()), "{script}");
    }
}

#[test]
fn what_is_no_signature_is_not_one() {
    for (octets, ended) in [(vec![], false), (vec![1; 64], false), (signature(), true)] {
        let result = Fixture::with_key(&format!("echo '{}'", signature_answer(&octets))).sign();
        match result {
            Ok(_) => assert!(ended),
            Err(_) => assert!(matches!(failure(result), (PluginFailure::Form(FormError::Encoding { .. }), _))),
        }
    }
}

#[test]
fn a_program_that_hangs_is_ended() {
    for (script, words) in [
        ("echo touch the key >&2; exec sleep 60", "touch the key"),
        ("exec >&-; exec sleep 60", ""),
        // What it started goes on, with both pipes open.
        ("echo $$ > \"$0.pid\"; echo waiting >&2; sleep 60; true", "waiting"),
    ] {
        let fixture = Fixture::with_key(script);
        let mut plugin = fixture.open().expect("it gives its public key");
        plugin.caller.timeout = Duration::from_millis(500);
        let start = Instant::now();
        let (failure, said) = failure(plugin.sign(b"message"));
        assert_eq!(failure, PluginFailure::Timeout(Duration::from_millis(500)), "{script}");
        assert_eq!(failure.to_string(), "no answer within 500 ms; it was ended");
        // The machine may be too slow to let it say something in that time.
        assert!(said == words || said.is_empty(), "{said}");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        if let Ok(pid) = fs::read_to_string(format!("{}.pid", fixture.path().display())) {
            assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid}");
        }
    }
    let fixture = Fixture::with_key(&format!("echo '{}'", signature_answer(&signature())));
    let mut plugin = fixture.open().expect("opened");
    plugin.caller.timeout = Duration::MAX;
    assert_eq!(plugin.sign(b"message"), Ok(signature()));
}

#[test]
fn a_program_that_writes_too_much_is_ended() {
    let fixture = Fixture::with_key("exec head -c 10000000 /dev/zero");
    assert_eq!(failure(fixture.sign()).0, PluginFailure::TooMuch(1024 * 1024));
    // On standard error it may write what it likes; little of it is shown.
    let script = format!("head -c 10000000 /dev/zero | tr '\\000' x >&2; echo '{}'", signature_answer(&signature()));
    assert_eq!(Fixture::with_key(&script).sign(), Ok(signature()));
    let (_, said) = failure(Fixture::with_key("head -c 10000000 /dev/zero | tr '\\000' x >&2").sign());
    assert!(said.starts_with("xxx") && said.len() < 500, "{said}");
}

#[test]
fn a_program_that_does_not_read_and_one_that_is_killed() {
    let plugin = Fixture::with_key(&format!("exec <&-; echo '{}'", signature_answer(&signature())));
    let signed = plugin.open().expect("opened").sign(&vec![0; 4 * 1024 * 1024]);
    assert_eq!(signed, Ok(signature()));
    let (failure, said) = failure(Fixture::with_key("echo dying >&2; echo '{}'; kill -9 $$").sign());
    assert_eq!(failure, PluginFailure::Broken("it was ended (signal: 9 (SIGKILL))".into()));
    assert_eq!(said, "dying");
}

#[test]
fn a_program_that_cannot_be_had() {
    let fixture = Fixture::new("exit 0");
    fs::remove_file(fixture.path()).expect("removed");
    let error = fixture.open().map(|_| ()).expect_err("gone");
    let expected = PluginError::Missing { program: "sigstore-kms-test".into(), scheme: "test".into(), relative: false };
    assert_eq!(error, expected);
    let text = "sigstore-kms-test is in no folder of PATH; it is the program that signs with keys of test://";
    assert_eq!(error.to_string(), text);

    let fixture = Fixture::new("exit 0");
    let write = "echo '#!/nowhere/interpreter' > \"$0\"";
    let written = Command::new("sh").args(["-c", write]).arg(fixture.path()).status();
    assert!(written.is_ok_and(|status| status.success()));
    let error = fixture.open().map(|_| ()).expect_err("no interpreter");
    let text = "sigstore-kms-test publicKey: cannot be started: No such file or directory (os error 2)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn what_is_no_public_key_is_not_one() {
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, reason) in [
        ("", "the public key is no PEM block"),
        (certificate, "it is \"CERTIFICATE\""),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "the public key is not the ASN.1"),
    ] {
        let answer = json!({ "publicKey": { "publicKeyPEM": STANDARD.encode(pem) } });
        let error = Fixture::new(&format!("echo '{answer}'")).open().map(|_| ()).expect_err(reason).to_string();
        assert!(error.starts_with("sigstore-kms-test publicKey: ") && error.contains(reason), "{error}");
    }
}
