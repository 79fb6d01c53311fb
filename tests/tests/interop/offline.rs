//! A verification touches its registry and nothing else: no log, no trust host, no name service.

use std::fs;
use std::path::Path;
use std::process::Command;

use bulla_tests::peers;
use bulla_tests::support::{
    Registry, RegistryKind, bulla, bulla_path, bulla_verify, cosign_key, cosign_sign, output, run,
};

use crate::bundles::{cosign_bundle, provenance};

/// Everything that is verified below, signed by cosign.
struct Signed {
    registry: Registry,
    folder: tempfile::TempDir,
    public: String,
}

impl Signed {
    fn at(kind: RegistryKind) -> Option<Self> {
        let (old, new) = (peers::require("cosign-2.6")?, peers::require("cosign-3.1")?);
        let registry = Registry::start_kind(kind)?;
        let folder = tempfile::tempdir().expect("a folder");
        let (private, public) = cosign_key(&new, folder.path(), "cosign");
        let name = |image: &str| registry.name(&format!("offline/{image}:1"));
        registry.push_image(&name("bundle"), "bundle");
        registry.push_image(&name("legacy"), "legacy");
        registry.push_image(&name("attested"), "attested");
        let leaves = registry.push_index(&name("index"), "index");
        cosign_bundle(&new, "sign", &private, &name("bundle"), &[]);
        cosign_sign(&old, &private, &name("legacy"), &[]);
        let predicate = provenance(folder.path()).display().to_string();
        let attest = ["--type", "slsaprovenance1", "--predicate", &predicate];
        cosign_bundle(&new, "attest", &private, &name("attested"), &attest);
        for leaf in [&leaves.amd64, &leaves.arm64] {
            cosign_bundle(&new, "sign", &private, &registry.name(&format!("offline/index@{leaf}")), &[]);
        }
        Some(Self { registry, folder, public: public.display().to_string() })
    }

    /// The arguments of `bulla verify`, and what it has to exit with.
    fn questions(&self) -> Vec<(Vec<String>, i32)> {
        let asked = [
            ("bundle", &[][..], 0),
            ("legacy", &[], 0),
            ("legacy", &["--form", "bundle"], 1),
            ("attested", &["--attestation", "slsaprovenance1"], 0),
            ("attested", &[], 1),
            ("index", &["--leaves"], 0),
            ("index", &[], 1),
        ];
        let question = |(image, more, code): &(&str, &[&str], i32)| {
            let image = self.registry.name(&format!("offline/{image}:1"));
            let words = [&[image.as_str(), "--key", &self.public], *more].concat();
            (words.into_iter().map(str::to_owned).collect(), *code)
        };
        asked.iter().map(question).collect()
    }
}

/// With a network that has nothing but loopback, signing by cosign and verifying by Bulla go as they always do.
#[test]
fn verification_needs_no_network_but_its_registry() {
    let (Some(unshare), Some(ip)) = (peers::require("unshare"), peers::require("ip")) else { return };
    let possible = output(Command::new(&unshare).args(["--net", "true"])).status.success();
    if !peers::possible(possible, "the right to make a network namespace (root)") {
        return;
    }
    let script = "\"$1\" link set lo up && exec \"$2\" --exact offline::inside_a_network_of_loopback_alone --ignored";
    let own = std::env::current_exe().expect("a path");
    let inside = run(Command::new(unshare).args(["--net", "sh", "-c", script, "sh"]).arg(ip).arg(own));
    let said = String::from_utf8_lossy(&inside.stdout);
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by verification_needs_no_network_but_its_registry, in a network namespace of its own"]
fn inside_a_network_of_loopback_alone() {
    let devices = fs::read_to_string("/proc/self/net/dev").expect("the devices of this network");
    let devices: Vec<&str> = devices.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
    assert_eq!(devices, ["lo"], "this network has more than loopback");
    for kind in RegistryKind::ALL {
        let Some(signed) = Signed::at(kind) else { return };
        for (question, expected) in signed.questions() {
            let words: Vec<&str> = question.iter().map(String::as_str).collect();
            let (code, verdict) = bulla_verify(&words);
            assert_eq!(code, expected, "{question:?} at {kind:?}: {verdict}");
        }
    }
}

/// Every connection that `bulla verify` opens is one to the registry, and it asks no name service.
#[test]
fn every_connection_goes_to_the_registry() {
    let Some(strace) = peers::require("strace") else { return };
    let possible = output(Command::new(&strace).args(["-o", "/dev/null", "true"])).status.success();
    if !peers::possible(possible, "the right to trace a process") {
        return;
    }
    for kind in RegistryKind::ALL {
        let Some(signed) = Signed::at(kind) else { return };
        let port = signed.registry.address.port();
        let log = signed.folder.path().join("trace");
        for (question, expected) in signed.questions() {
            let mut command = Command::new(&strace);
            command.args(["-f", "-q", "-e", "trace=network", "-o"]).arg(&log).arg(bulla_path());
            // The environment of `bulla`, under strace.
            command.envs(bulla().get_envs().filter_map(|(name, value)| Some((name, value?))));
            let done = output(command.arg("verify").args(&question));
            assert_eq!(done.status.code(), Some(expected), "{question:?}: {done:?}");
            let connections = held_to_the_registry(&log, port);
            assert!(connections > 0, "{question:?}: nothing was traced");
        }
    }
}

/// Reads a trace: the number of connections, all of which go to loopback at this port.
fn held_to_the_registry(log: &Path, port: u16) -> usize {
    let trace = fs::read_to_string(log).expect("a trace");
    let registry = format!("sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"127.0.0.1\")");
    let mut connections = 0;
    for line in trace.lines() {
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        if call.starts_with("connect(") {
            assert!(call.contains(&registry), "a connection elsewhere: {line}");
            connections += 1;
        }
        // Name services are asked by datagrams, or through a socket of this machine.
        let is_other = call.starts_with("socket(") && !call.starts_with("socket(AF_INET, SOCK_STREAM");
        assert!(!is_other, "a socket that is no connection to loopback: {line}");
        assert!(!call.starts_with("bind(") && !call.starts_with("listen("), "it listens: {line}");
    }
    connections
}
