//! A token of its own for each test, in a process of its own: SoftHSM reads its configuration from the environment, and
//! a library is initialised once a process.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulla_signer::{KeyReference, RemoteKey, Scheme, SignerError, SignerOptions};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use der::Encode as _;
use der::asn1::ObjectIdentifier;

pub(crate) const PIN: &str = "1234";

/// Where distributions put the library.
const LIBRARIES: [&str; 6] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// Tells the test in the inner process where its token is.
const FOLDER: &str = "BULLA_SIGNER_TEST_FOLDER";

/// SoftHSM with one token `t` in it.
pub(crate) struct Token {
    pub(crate) library: PathBuf,
    pub(crate) folder: PathBuf,
}

/// Runs a test with a token, in a process of its own. `name` is the test's path in this file.
pub(crate) fn with_token(name: &str, test: impl FnOnce(&Token)) {
    with_configured_token(name, "", test);
}

/// The same with lines in SoftHSM's configuration.
pub(crate) fn with_configured_token(name: &str, configuration: &str, test: impl FnOnce(&Token)) {
    let Some(library) = LIBRARIES.iter().map(PathBuf::from).find(|path| path.is_file()) else {
        return missing(name);
    };
    if let Some(folder) = env::var_os(FOLDER) {
        return test(&Token { library, folder: folder.into() });
    }
    let folder = tempfile::tempdir().expect("folder");
    let tokens = folder.path().join("tokens");
    fs::create_dir(&tokens).expect("folder");
    let file = folder.path().join("softhsm2.conf");
    let lines = format!("directories.tokendir = {}\nobjectstore.backend = file\n{configuration}\n", tokens.display());
    fs::write(&file, lines).expect("written");
    new_token(&file, "t");
    let inner = Command::new(env::current_exe().expect("this program"))
        .args([name, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &file)
        .env(FOLDER, folder.path())
        .output()
        .expect("started");
    let output = [inner.stdout, inner.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.contains("1 passed") && inner.status.success(), "{output}");
}

fn new_token(configuration: &Path, label: &str) {
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "4321"])
        .env("SOFTHSM2_CONF", configuration)
        .output()
        .expect("softhsm2-util is beside the library");
    assert!(made.status.success(), "{made:?}");
}

/// Skipping is never silent: as `tests/src/peers.rs` does it.
fn missing(name: &str) {
    let required = env::var_os("BULLA_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{name} needs softhsm2-util: run `cargo xtask peers softhsm2-util`");
    let line = format!("{name}: needs softhsm2-util");
    eprintln!("skipped {line}");
    if let Some(file) = env::var_os("BULLA_SKIPPED") {
        let opened = OpenOptions::new().append(true).create(true).open(file);
        opened.and_then(|mut file| writeln!(file, "{line}")).expect("BULLA_SKIPPED names a file that can be written");
    }
}

impl Token {
    /// A second token.
    pub(crate) fn another(&self, label: &str) {
        new_token(&self.folder.join("softhsm2.conf"), label);
    }

    /// Opens a key with the token's PIN in the environment.
    pub(crate) fn open(&self, path: &str) -> Result<RemoteKey, SignerError> {
        self.open_with(&format!("pkcs11:{path}"), &[("BULLA_PKCS11_PIN", PIN)])
    }

    /// The same for signatures of Notation.
    pub(crate) fn open_for_notation(&self, path: &str) -> Result<RemoteKey, SignerError> {
        self.open_as(Scheme::Notation, &format!("pkcs11:{path}"), &[("BULLA_PKCS11_PIN", PIN)])
    }

    /// Opens a key by a URI without `module-path`, with these variables.
    pub(crate) fn open_with(&self, uri: &str, variables: &[(&str, &str)]) -> Result<RemoteKey, SignerError> {
        self.open_as(Scheme::Cosign, uri, variables)
    }

    fn open_as(&self, scheme: Scheme, uri: &str, variables: &[(&str, &str)]) -> Result<RemoteKey, SignerError> {
        let library = ("BULLA_PKCS11_MODULE".to_owned(), OsString::from(&self.library));
        let mut variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        if !variables.iter().any(|(name, _)| name.contains("MODULE")) {
            variables.push(library);
        }
        let environment =
            move |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        open(uri, &SignerOptions { scheme, environment: Box::new(environment), ..SignerOptions::default() })
    }

    /// A session in which the test does what an administrator would do. The library is left initialised, as it is in a
    /// program that uses it elsewhere too.
    pub(crate) fn session(&self) -> Session {
        let library = Pkcs11::new(&self.library).expect("library");
        // A second time in this process, where a key was opened before.
        let _ = library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        let slots = library.get_slots_with_initialized_token().expect("slots").into_iter();
        let mut named = slots.filter(|slot| library.get_token_info(*slot).is_ok_and(|info| info.label() == "t"));
        let session = library.open_rw_session(named.next().expect("token")).expect("session");
        // It may be logged in already, by a key.
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN)));
        session
    }
}

/// Opens a key that is not in a file.
pub(crate) fn open(uri: &str, options: &SignerOptions) -> Result<RemoteKey, SignerError> {
    match KeyReference::parse(uri) {
        Ok(KeyReference::Remote(reference)) => RemoteKey::open(&reference, options),
        other => panic!("{uri}: {other:?}"),
    }
}

/// The name of a curve as CKA_EC_PARAMS.
pub(crate) fn curve(identifier: &str) -> Attribute {
    Attribute::EcParams(ObjectIdentifier::new_unwrap(identifier).to_der().expect("DER"))
}

pub(crate) const P256: &str = "1.2.840.10045.3.1.7";
pub(crate) const P384: &str = "1.3.132.0.34";
pub(crate) const P521: &str = "1.3.132.0.35";

/// Generates a pair of keys in the token. `more` are attributes of the private one.
pub(crate) fn generate(
    session: &Session,
    mechanism: &Mechanism<'_>,
    public: &[Attribute],
    (label, id): (&str, &[u8]),
    more: &[Attribute],
) -> (ObjectHandle, ObjectHandle) {
    let names = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(id.to_vec())];
    let public = [&names[..], &[Attribute::Verify(true), Attribute::Private(false)], public].concat();
    let mut private = [&names[..], &[Attribute::Private(true), Attribute::Sensitive(true)], more].concat();
    if !more.iter().any(|attribute| attribute.attribute_type() == AttributeType::Sign) {
        private.push(Attribute::Sign(true));
    }
    session.generate_key_pair(mechanism, &public, &private).expect("generated")
}

/// A P-256 pair of keys.
pub(crate) fn generate_p256(session: &Session, label: &str, id: &[u8], more: &[Attribute]) {
    generate(session, &Mechanism::EccKeyPairGen, &[curve(P256)], (label, id), more);
}

/// Removes the public keys with this label.
pub(crate) fn remove_public(session: &Session, label: &str) {
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(label.into())];
    for object in session.find_objects(&template).expect("found") {
        session.destroy_object(object).expect("destroyed");
    }
}
