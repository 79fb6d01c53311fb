//! How many requests a cold decision makes to a real registry, whatever the number of keys.

use bulla_tests::peers;
use bulla_tests::support::{Registry, bulla, bulla_key, bulla_verify, run};

use crate::table::Table;

/// 15 keys in the policy, of which the last three signed the image, each with an annotation of its own: no payload
/// follows from the digest, so each has to be fetched.
pub(crate) fn measure(table: &mut Table) {
    let what = "registry requests of a cold decision, 15 keys × 3 legacy signatures, `forms: [legacy, bundle]`";
    if peers::require("docker-registry").is_none() {
        return table.row(what, "not measured: docker-registry is missing".to_owned(), "at most 6", String::new());
    }
    let Some(registry) = Registry::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let image = registry.name("bench/app:1");
    registry.push_image(&image, "bench");
    let keys: Vec<_> = (0..15).map(|n| bulla_key(folder.path(), &format!("k{n}"), "ecdsa-p256")).collect();
    for (n, (private, _)) in keys.iter().enumerate().skip(12) {
        run(bulla()
            .args(["sign", "--yes", "--key"])
            .arg(private)
            .args(["--annotation", &format!("n={n}")])
            .arg(&image));
    }
    let mut arguments = vec![image];
    for (_, public) in &keys {
        arguments.extend(["--key".to_owned(), public.display().to_string()]);
    }
    let count = |forms: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(forms.iter().copied()).collect();
        let before = registry.requests();
        let (code, verdict) = bulla_verify(&arguments);
        assert_eq!(code, 0, "{verdict}");
        registry.requests() - before
    };
    let requests = count(&["--form", "legacy", "--form", "bundle"]);
    table.row(what, requests.to_string(), "goal at most 6", format!("{requests} / 6"));
    let requests = count(&[]);
    let what = "the same where bundles are looked for first, and the registry has no referrers API";
    table.row(what, requests.to_string(), "the list, and its fallback tag, more", String::new());
}
