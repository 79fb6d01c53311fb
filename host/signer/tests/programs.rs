//! Programs that sign: the one in docs/signers.md does what it says there.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bulla_signer::{KeyReference, RemoteKey, SignerError, SignerOptions};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::pkcs8::DecodePublicKey as _;
use sha2::{Digest as _, Sha256};

const MESSAGE: &[u8] = b"{\"critical\":{}}";

/// The program, in a folder that is all of `PATH` for whoever looks for it.
struct Example {
    folder: tempfile::TempDir,
}

impl Example {
    fn of_the_page() -> Self {
        let page = include_str!("../../../docs/signers.md");
        let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
        Self::with_program(program.expect("a program"))
    }

    fn with_program(program: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        // Written by another process, so that no program that a test beside this one starts has it open for writing.
        let mut shell = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(folder.path().join("sigstore-kms-example"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        shell.stdin.take().expect("pipe").write_all(program.as_bytes()).expect("written");
        assert!(shell.wait().expect("ended").success());
        Self { folder }
    }

    fn open(&self, key: &Path) -> Result<RemoteKey, SignerError> {
        let folder = self.folder.path().as_os_str().to_owned();
        let environment = move |name: &str| (name == "PATH").then(|| folder.clone());
        let options = SignerOptions { environment: Box::new(environment), ..SignerOptions::default() };
        match KeyReference::parse(&format!("example://{}", key.display())) {
            Ok(KeyReference::Remote(reference)) => RemoteKey::open(&reference, &options),
            other => panic!("{other:?}"),
        }
    }

    fn key(&self, kind: &str, option: &str) -> PathBuf {
        let file = self.folder.path().join(format!("{option}.pem"));
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", kind, "-pkeyopt", option, "-out"])
            .arg(&file)
            .output()
            .expect("started");
        assert!(made.status.success(), "{made:?}");
        file
    }
}

#[test]
fn the_example_signs() {
    if missing("the_example_signs") {
        return;
    }
    let example = Example::of_the_page();
    let key = example.open(&example.key("EC", "ec_paramgen_curve:P-256")).expect("opened");
    let public = p256::ecdsa::VerifyingKey::from_public_key_pem(key.public_key_pem()).expect("key");
    let signature = key.sign(MESSAGE).expect("signed");
    public.verify(MESSAGE, &p256::ecdsa::Signature::from_der(&signature).expect("DER")).expect("verified");

    // SHA-256 for this curve, too.
    let key = example.open(&example.key("EC", "ec_paramgen_curve:P-384")).expect("opened");
    let public = p384::ecdsa::VerifyingKey::from_public_key_pem(key.public_key_pem()).expect("key");
    let signature = p384::ecdsa::Signature::from_der(&key.sign(MESSAGE).expect("signed")).expect("DER");
    public.verify_prehash(&Sha256::digest(MESSAGE), &signature).expect("verified");

    let key = example.open(&example.key("RSA", "rsa_keygen_bits:2048")).expect("opened");
    let public = rsa::RsaPublicKey::from_public_key_pem(key.public_key_pem()).expect("key");
    let signature = key.sign(MESSAGE).expect("signed");
    let public = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(public);
    public.verify(MESSAGE, &signature.as_slice().try_into().expect("signature")).expect("verified");

    let nothing = example.folder.path().join("nothing.pem");
    fs::write(&nothing, "").expect("written");
    let error = example.open(&nothing).expect_err("no key").to_string();
    assert!(error.starts_with("sigstore-kms-example publicKey: it answers: openssl: exit code 1: "), "{error}");
}

/// Bulla's own secrets are no business of a program that signs. In a process of its own, which has them.
#[test]
fn a_program_does_not_get_the_secrets_of_bulla() {
    const INNER: &str = "BULLA_SIGNER_TEST_INNER";
    if env::var_os(INNER).is_none() {
        let inner = Command::new(env::current_exe().expect("this program"))
            .args(["a_program_does_not_get_the_secrets_of_bulla", "--exact"])
            .envs([(INNER, "1"), ("BULLA_PASSPHRASE", "s"), ("BULLA_NEW_PASSPHRASE", "s"), ("BULLA_PKCS11_PIN", "s")])
            .env("EXAMPLE_TOKEN", "t")
            .output()
            .expect("started");
        let output = String::from_utf8_lossy(&inner.stdout);
        assert!(output.contains("1 passed") && inner.status.success(), "{output}");
        return;
    }
    let example = Example::with_program("#!/bin/sh\nenv > \"$0.env\"\n");
    example.open(Path::new("a")).expect_err("it does not answer");
    let seen = fs::read_to_string(example.folder.path().join("sigstore-kms-example.env")).expect("written");
    assert!(seen.contains("EXAMPLE_TOKEN=t\n"), "{seen}");
    for secret in ["BULLA_PASSPHRASE", "BULLA_NEW_PASSPHRASE", "BULLA_PKCS11_PIN"] {
        assert!(!seen.contains(secret), "{secret}");
    }
}

/// Skipping is never silent: as `tests/src/peers.rs` does it.
fn missing(test: &str) -> bool {
    let absent = |program: &str| {
        let path = env::var_os("PATH").unwrap_or_default();
        !env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    let Some(peer) = ["python3", "openssl"].into_iter().find(|program| absent(program)) else {
        return false;
    };
    let required = env::var_os("BULLA_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{test} needs {peer}");
    eprintln!("skipped {test}: needs {peer}");
    if let Some(file) = env::var_os("BULLA_SKIPPED") {
        let opened = OpenOptions::new().append(true).create(true).open(file);
        opened
            .and_then(|mut file| writeln!(file, "{test}: needs {peer}"))
            .expect("BULLA_SKIPPED names a file that can be written");
    }
    true
}
