//! Keys that are not in a file: a PKCS #11 token, and a program that speaks sigstore's key plugin protocol. What Bulla signs
//! with them cosign verifies, and what cosign signs through the same program Bulla verifies.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulla_tests::peers;
use bulla_tests::support::{
    Registry, RegistryKind, bulla, bulla_key, bulla_verify, cosign_command, cosign_verify, run,
};

use crate::concurrency::plain_pem;

const PIN: &str = "1234";

/// Where distributions put SoftHSM's library.
const LIBRARIES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// Both forms, at the registry with the referrers API; then cosign 3.1 and Bulla verify, and under another key neither.
fn bulla_signs_both_verify(
    registry: &Registry,
    cosign: &Path,
    name: &str,
    public: &Path,
    key: &str,
    bulla: impl Fn() -> Command,
) {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, other) = bulla_key(folder.path(), "other", "ecdsa-p256");
    for form in ["legacy", "bundle"] {
        let image = registry.name(&format!("interop/{name}-{form}:1"));
        registry.push_image(&image, name);
        run(bulla().args(["sign", "--yes", "--form", form, "--key", key, &image]));
        let accepted = cosign_verify(cosign, public, &image, &[]);
        assert!(accepted.status.success(), "{name} {form}: {}", String::from_utf8_lossy(&accepted.stderr));
        assert!(!cosign_verify(cosign, &other, &image, &[]).status.success(), "another key was accepted");
        let (code, verdict) = bulla_verify(&[&image, "--form", form, "--key", &public.display().to_string()]);
        assert_eq!(code, 0, "{verdict}");
    }
}

/// A token `release` with this private key as `images`, in a folder; and the environment in which Bulla finds it and knows
/// its PIN.
pub(crate) fn soft_token(softhsm: &Path, folder: &Path, private: &Path) -> [(&'static str, OsString); 3] {
    let configuration = folder.join("softhsm2.conf");
    let tokens = folder.join("tokens");
    fs::create_dir(&tokens).expect("a folder");
    fs::write(&configuration, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()))
        .expect("a configuration");
    let softhsm = || {
        let mut command = Command::new(softhsm);
        command.env("SOFTHSM2_CONF", &configuration);
        command
    };
    run(softhsm().args(["--init-token", "--free", "--label", "release", "--pin", PIN, "--so-pin", "4321"]));
    let import = ["--token", "release", "--label", "images", "--id", "01", "--pin", PIN];
    run(softhsm().arg("--import").arg(private).args(import));
    let library = LIBRARIES.iter().find(|library| Path::new(library).is_file()).expect("it comes with softhsm2-util");
    [
        ("SOFTHSM2_CONF", configuration.into_os_string()),
        ("BULLA_PKCS11_PIN", PIN.into()),
        ("BULLA_PKCS11_MODULE", library.into()),
    ]
}

#[test]
fn bulla_signs_with_a_token_cosign_3_1_verifies() {
    let (Some(softhsm), Some(openssl)) = (peers::require("softhsm2-util"), peers::require("openssl")) else { return };
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    let Some(registry) = Registry::start_kind(RegistryKind::Ferro) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = plain_pem(&openssl, folder.path(), "images");
    let token = soft_token(&softhsm, folder.path(), &private);
    // The key is in the token alone.
    fs::remove_file(&private).expect("the file");
    bulla_signs_both_verify(&registry, &cosign, "token", &public, "pkcs11:token=release;object=images", || {
        let mut command = bulla();
        command.envs(token.clone());
        command
    });
}

#[test]
fn bulla_and_cosign_3_1_sign_through_one_program() {
    let (Some(openssl), Some(_)) = (peers::require("openssl"), peers::require("python3")) else { return };
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    let Some(registry) = Registry::start_kind(RegistryKind::Ferro) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = put_program(folder.path());
    let (private, public) = plain_pem(&openssl, folder.path(), "images");
    let key = format!("testkms://{}", private.display());
    bulla_signs_both_verify(&registry, &cosign, "program", &public, &key, || {
        let mut command = bulla();
        command.env("PATH", &path);
        command
    });

    for form in ["legacy", "bundle"] {
        let image = registry.name(&format!("interop/by-cosign-{form}:1"));
        registry.push_image(&image, form);
        let mut sign = cosign_command(&cosign);
        sign.env("PATH", &path).args(["sign", "--use-signing-config=false", "--tlog-upload=false"]);
        sign.arg(format!("--new-bundle-format={}", form == "bundle"));
        run(sign.args(["--key", &key, &image]));
        let (code, verdict) = bulla_verify(&[&image, "--form", form, "--key", &public.display().to_string()]);
        assert_eq!(code, 0, "{verdict}");
    }
}

/// The program of docs/signers.md as `sigstore-kms-testkms`. Gives the `PATH` on which it is found first.
pub(crate) fn put_program(folder: &Path) -> OsString {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/signers.md")).expect("docs/signers.md");
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a program");
    let file: PathBuf = folder.join("sigstore-kms-testkms");
    fs::write(&file, program).expect("a program");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a mode");
    let others = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([folder.to_owned()].into_iter().chain(std::env::split_paths(&others))).expect("a PATH")
}
