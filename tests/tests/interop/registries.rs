//! The registries that the other tests run against are what these tests take them for.

use std::process::Command;

use bulla_tests::peers;
use bulla_tests::support::{Registry, RegistryKind, run};
use serde_json::Value;

/// docker-registry stands for registries without the referrers API, ferro-oci-server and zot for those with it; all take an
/// index with its two images.
#[test]
fn registries_take_an_index_and_all_but_one_know_referrers() {
    let Some(curl) = peers::require("curl") else { return };
    for kind in RegistryKind::there() {
        let Some(registry) = Registry::start_kind(kind) else { return };
        let get = |path: String| {
            let output = run(Command::new(&curl)
                .args(["--silent", "--header", "Accept: application/vnd.oci.image.index.v1+json"])
                .args(["--write-out", "\n%{http_code}"])
                .arg(format!("http://{}/v2/shop/app/{path}", registry.address)));
            let text = String::from_utf8(output.stdout).expect("text");
            let (body, status) = text.rsplit_once('\n').expect("a status");
            (status.parse::<u16>().expect("a status"), body.to_owned())
        };
        let pushed = registry.push_index(&registry.name("shop/app:1"), "app");
        let (status, index) = get("manifests/1".to_owned());
        let index: Value = serde_json::from_str(&index).expect("JSON");
        assert_eq!(status, 200);
        for (entry, (architecture, digest)) in [("amd64", &pushed.amd64), ("arm64", &pushed.arm64)].iter().enumerate() {
            assert_eq!(index["manifests"][entry]["digest"].as_str(), Some(digest.as_str()), "{index}");
            assert_eq!(index["manifests"][entry]["platform"]["architecture"].as_str(), Some(*architecture), "{index}");
            let leaf = registry.name(&format!("shop/app@{digest}"));
            let config = run(registry.skopeo().args(["inspect", "--tls-verify=false", "--config"]).args([
                "--override-arch",
                architecture,
                &format!("docker://{leaf}"),
            ]));
            let config: Value = serde_json::from_slice(&config.stdout).expect("JSON");
            assert_eq!(config["architecture"].as_str(), Some(*architecture), "{config}");
        }
        assert_ne!(pushed.amd64, pushed.arm64);
        // Pushed byte for byte: the name of these bytes is still the digest of the layout.
        assert_eq!(registry.digest(&registry.name(&format!("shop/app@{}", pushed.digest))), pushed.digest);

        for digest in [&pushed.digest, &pushed.amd64] {
            let (status, body) = get(format!("referrers/{digest}"));
            match kind.lists_referrers() {
                false => assert_eq!(status, 404, "{body}"),
                true => {
                    assert_eq!(status, 200, "{body}");
                    let list: Value = serde_json::from_str(&body).expect("JSON");
                    assert_eq!(list["mediaType"].as_str(), Some("application/vnd.oci.image.index.v1+json"));
                    assert_eq!(list["manifests"].as_array().map(Vec::len), Some(0), "{list}");
                }
            }
        }
    }
}
