//! Which crates may be in which program.

use super::Finding;
use crate::toolchain::TARGET;
use crate::{process, workspace};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What core may depend on, and for what. A crate more is a decision: every host and the page run it on hostile input.
const CORE: [(&str, &str); 31] = [
    ("aes", "keys: Notary's private keys"),
    ("base64", "encoding"),
    ("cbc", "keys: Notary's private keys"),
    ("cel", "policies: lexer and parser of conditions; they are evaluated by our own code"),
    ("ciborium", "envelopes in COSE"),
    ("der", "encoding"),
    ("ed25519-dalek", "signatures"),
    ("hex", "encoding"),
    ("md-5", "keys: RFC 1421 encryption of Notary's old private keys"),
    ("oci-spec", "manifests"),
    ("p256", "signatures"),
    ("p384", "signatures"),
    ("p521", "signatures"),
    ("pbkdf2", "keys: Notary's private keys"),
    ("pem-rfc7468", "encoding"),
    ("pkcs8", "keys"),
    ("poly1305", "keys"),
    ("rsa", "signatures"),
    ("salsa20", "keys"),
    ("saphyr-parser", "policies"),
    ("scrypt", "keys"),
    ("sec1", "keys"),
    ("serde", "formats"),
    ("serde_json", "formats"),
    (
        "sha1",
        "identifiers of certificates in questions to OCSP responders, PBKDF2 of Notary's private keys; no signature is over it",
    ),
    ("sha2", "digests"),
    ("spki", "keys"),
    ("subtle", "comparison"),
    ("thiserror", "errors"),
    ("x509-cert", "certificates and CRLs"),
    ("zeroize", "secrets"),
];

/// What cannot work, or must not happen, inside the module.
const BANNED_FROM_MODULE: [(&str, &str); 4] = [
    ("getrandom", "entropy comes in as an argument"),
    ("js-sys", "it brings imports"),
    ("rand", "entropy comes in as an argument"),
    ("web-sys", "it brings imports"),
];

/// Crates that may be in the module twice: they run in the compiler, not in the module.
const MAY_BE_TWICE: [&str; 1] = ["syn"];

/// The rules about dependencies.
///
/// # Errors
/// When cargo cannot resolve the workspace.
pub(super) fn check() -> Result<Vec<Finding>> {
    let mut findings = core_dependencies()?;
    findings.extend(module_crates()?);
    findings.extend(no_ring()?);
    Ok(findings)
}

fn core_dependencies() -> Result<Vec<Finding>> {
    let printed = process::output(workspace::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&printed).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let core = packages.iter().find(|package| package["name"] == "bulla-core");
    let core = core.context("the workspace has no package bulla-core; tidy's rules are about it")?;
    let dependencies = core["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    // A `kind` names development and build dependencies; they are not in the module.
    let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
    let unlisted = normal.filter_map(|dependency| dependency["name"].as_str()).filter(|name| !listed(name));
    let why =
        |name| format!("core must not depend on `{name}` without an entry and a reason in xtask/src/tidy/graph.rs");
    Ok(unlisted.map(|name| finding("core/Cargo.toml", "core-dependencies", why(name))).collect())
}

fn listed(name: &str) -> bool {
    CORE.iter().any(|(allowed, _)| *allowed == name)
}

fn module_crates() -> Result<Vec<Finding>> {
    let mut tree = workspace::cargo();
    tree.args(["tree", "--package", "bulla-wasm", "--target", TARGET, "--edges", "normal"]);
    tree.args(["--prefix", "none", "--format", "{p}"]);
    Ok(judge_module(&process::output(&mut tree)?))
}

/// Judges the output of `cargo tree`: a name and a version in each line.
fn judge_module(tree: &str) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    let mut findings = Vec::new();
    for (name, why) in BANNED_FROM_MODULE.iter().filter(|(name, _)| versions.contains_key(name)) {
        let why = format!("`{name}` is in the module: {why}; `cargo tree -p bulla-wasm --target {TARGET} -i {name}`");
        findings.push(finding("wasm/Cargo.toml", "module-crates", why));
    }
    for (name, versions) in versions.iter().filter(|(name, of)| of.len() > 1 && !MAY_BE_TWICE.contains(name)) {
        let versions = versions.iter().copied().collect::<Vec<_>>().join(" and ");
        let why =
            format!("`{name}` is in the module as {versions}; two generations do not fit together, and cost size");
        findings.push(finding("Cargo.lock", "one-version", why));
    }
    findings
}

/// One provider of cryptography for TLS: with two, rustls refuses to choose at run time.
fn no_ring() -> Result<Vec<Finding>> {
    let mut tree = workspace::cargo();
    tree.args(["tree", "--workspace", "--edges", "normal,build", "--invert", "ring", "--depth", "2"]);
    let output = tree.output().context("cannot start cargo tree")?;
    let users = String::from_utf8_lossy(&output.stdout);
    // Without `ring` in the graph cargo prints nothing there, and may or may not call that a failure.
    if users.trim().is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<&str> =
        users.lines().skip(1).map(|line| line.trim_start_matches(['│', '├', '└', '─', ' '])).collect();
    let why = format!("`ring` is in the graph through {}; aws-lc-rs is the one provider", users.join(", "));
    Ok(vec![finding("Cargo.lock", "no-ring", why)])
}

fn finding(file: &str, rule: &'static str, why: String) -> Finding {
    Finding { file: file.to_owned(), line: 0, rule, why }
}

#[cfg(test)]
mod tests {
    use super::judge_module;

    fn rules(tree: &str) -> Vec<&'static str> {
        judge_module(tree).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn banned_crates_and_second_versions_are_found() {
        assert_eq!(rules("bulla-wasm v0.1.0 (wasm)\nsha2 v0.11.1\nsha2 v0.11.1 (*)\n"), [""; 0]);
        assert_eq!(rules("getrandom v0.3.4\n"), ["module-crates"]);
        assert_eq!(rules("sha2 v0.10.9\nsha2 v0.11.1\n"), ["one-version"]);
        assert_eq!(rules("syn v1.0.0 (proc-macro)\nsyn v2.0.0\n"), [""; 0]);
    }
}
