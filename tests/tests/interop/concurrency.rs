//! Twenty signers of one image at the same moment: whoever is told that it signed, has its signature there at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bulla_tests::peers;
use bulla_tests::support::{Registry, RegistryKind, bulla, bulla_verify, cosign_key, output, run};

use crate::bundles::cosign_bundle;

const SIGNERS: usize = 20;
/// Beside them, where nobody writes what is another's.
const COSIGN_SIGNERS: usize = 5;
/// Two by default, ten with `--soak`.
const ROUNDS: (usize, usize) = (2, 10);

/// A key of one signer, not encrypted, so that all start at nearly the same moment.
#[derive(Clone)]
struct Signer {
    private: PathBuf,
    public: String,
}

/// What came of one `bulla sign`.
struct Outcome {
    signed: bool,
    said: String,
    took: Duration,
}

#[test]
fn nobody_who_signed_is_missing_after_twenty_signed_at_once() {
    let (Some(openssl), Some(cosign)) = (peers::require("openssl"), peers::require("cosign-3.1")) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let signers: Vec<Signer> =
        (0..SIGNERS).map(|n| plain_key(&openssl, folder.path(), &format!("bulla-{n}"))).collect();
    let others: Vec<Signer> = (0..COSIGN_SIGNERS)
        .map(|n| cosign_key(&cosign, folder.path(), &format!("cosign-{n}")))
        .map(|(private, public)| Signer { private, public: public.display().to_string() })
        .collect();
    let registries: Option<Vec<_>> =
        RegistryKind::ALL.into_iter().map(|kind| Some((kind, Registry::start_kind(kind)?))).collect();
    let Some(registries) = registries else { return };
    let soak = std::env::var_os("BULLA_SOAK").is_some_and(|value| value == "1");
    let rounds = if soak { ROUNDS.1 } else { ROUNDS.0 };

    for round in 0..rounds {
        // What waits for itself to settle leaves the processors to the others.
        thread::scope(|scope| {
            for (kind, registry) in &registries {
                for form in ["legacy", "bundle"] {
                    let beside = if *kind == RegistryKind::Ferro && form == "bundle" { others.as_slice() } else { &[] };
                    let (signers, cosign) = (signers.as_slice(), &cosign);
                    let title = format!("{form} at {}, round {round}", kind.program());
                    scope.spawn(move || one_round(registry, form, &title, signers, beside, cosign));
                }
            }
        });
    }
}

/// All sign a fresh image at once; then each is looked for.
fn one_round(registry: &Registry, form: &str, title: &str, signers: &[Signer], beside: &[Signer], cosign: &Path) {
    let image = registry.name(&format!("race/{}:1", title.replace([' ', ','], "-")));
    registry.push_image(&image, title);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let others = beside.iter().map(|other| {
            let image = &image;
            scope.spawn(move || cosign_bundle(cosign, "sign", &other.private, image, &[]))
        });
        let others: Vec<_> = others.collect();
        let signing = signers.iter().map(|signer| {
            let image = &image;
            scope.spawn(move || sign(signer, form, image))
        });
        let signing: Vec<_> = signing.collect();
        others.into_iter().for_each(|other| other.join().expect("cosign signs"));
        signing.into_iter().map(|one| one.join().expect("an outcome")).collect()
    });

    let mut slowest = Duration::ZERO;
    let (mut lost, mut conflicts) = (0, 0);
    for (signer, outcome) in signers.iter().zip(&outcomes) {
        slowest = slowest.max(outcome.took);
        conflicts += outcome.conflicts();
        if outcome.signed {
            let (code, verdict) = bulla_verify(&[&image, "--form", form, "--key", &signer.public]);
            assert_eq!(code, 0, "{title}: a signer was told that it signed, and is missing: {verdict}");
        } else {
            lost += 1;
            assert!(outcome.said.contains("error: "), "{title}: a loser does not say so: {}", outcome.said);
        }
    }
    for other in beside {
        let (code, verdict) = bulla_verify(&[&image, "--form", form, "--key", &other.public]);
        assert_eq!(code, 0, "{title}: a signature of cosign is missing: {verdict}");
    }
    if !beside.is_empty() {
        assert_eq!(lost, 0, "{title}: where nobody writes what is another's, nobody loses");
    }
    eprintln!("{title}: {lost} of {SIGNERS} gave up, {conflicts} merges again, slowest {:.1} s", slowest.as_secs_f32());
}

fn sign(signer: &Signer, form: &str, image: &str) -> Outcome {
    let start = Instant::now();
    let mut command = bulla();
    command.args(["--log", "bulla::publish=debug", "sign", "--yes", "--form", form, "--key"]).arg(&signer.private);
    let done = output(command.arg(image));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Outcome { signed: done.status.success(), said, took: start.elapsed() }
}

impl Outcome {
    /// How often it had to merge again, by its log.
    fn conflicts(&self) -> usize {
        let number = self.said.split("conflicts=").nth(1).unwrap_or_default();
        number.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or_default()
    }
}

/// A P-256 key as OpenSSL makes it.
pub(crate) fn plain_pem(openssl: &Path, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (private, public) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.pub")));
    let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    run(Command::new(openssl).args(curve).arg(&private));
    run(Command::new(openssl).args(["pkey", "-pubout", "-in"]).arg(&private).arg("-out").arg(&public));
    (private, public)
}

fn plain_key(openssl: &Path, folder: &Path, name: &str) -> Signer {
    let (private, public) = plain_pem(openssl, folder, name);
    Signer { private, public: public.display().to_string() }
}
