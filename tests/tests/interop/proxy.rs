//! `skopeo copy` through the proxy, in front of a real registry.

use serde_json::Value;

use bulla_tests::support::{Registry, Serving, bulla, bulla_key, free_address, output, run};

#[test]
fn skopeo_gets_the_signed_image_whole_and_the_unsigned_one_not_at_all() {
    let Some(registry) = Registry::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = bulla_key(folder.path(), "release", "ecdsa-p256");
    let (signed, unsigned) = (registry.name("shop/app:signed"), registry.name("shop/app:unsigned"));
    let digest = registry.push_image(&signed, "signed");
    let unsigned_digest = registry.push_image(&unsigned, "unsigned");
    run(bulla().args(["sign", "--yes", "--key"]).arg(&private).arg(&signed));

    let key: String =
        std::fs::read_to_string(&public).expect("a key").lines().map(|line| format!("          {line}\n")).collect();
    let policy = format!(
        "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: shop}}\nspec:\n  match: {{images: ['{}/shop/**']}}\n  \
         signers:\n    release:\n      cosign:\n        publicKey: |\n{key}  require: release\n",
        registry.address
    );
    std::fs::write(folder.path().join("policy.yaml"), policy).expect("policy");
    let address = free_address();
    let config = format!(
        "policies: [policy.yaml]\nstateDir: state\nproxy:\n  listen: '{address}'\n  upstream: '{}'\n",
        registry.address
    );
    let _serving = Serving::start(folder.path(), &config, address);

    // Through the proxy, and past it: the same files, byte for byte.
    let (through, direct) = (folder.path().join("through"), folder.path().join("direct"));
    registry.copy(&format!("docker://{address}/shop/app:signed"), &format!("dir:{}", through.display()));
    registry.copy(&format!("docker://{signed}"), &format!("dir:{}", direct.display()));
    let files = |folder: &std::path::Path| {
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file"))
            })
            .collect();
        files.sort();
        files
    };
    assert_eq!(files(&through), files(&direct));
    assert!(files(&through).iter().any(|(name, _)| name == "manifest.json"));
    registry.copy(
        &format!("docker://{address}/shop/app@{digest}"),
        &format!("dir:{}", folder.path().join("again").display()),
    );

    // By tag and by digest, the unsigned one is refused with the reason; nothing of it arrives.
    for reference in ["shop/app:unsigned".to_owned(), format!("shop/app@{unsigned_digest}")] {
        let nothing = folder.path().join("nothing");
        let refused = output(
            registry
                .skopeo()
                .args(["copy", "--src-tls-verify=false"])
                .arg(format!("docker://{address}/{reference}"))
                .arg(format!("dir:{}", nothing.display())),
        );
        assert!(!refused.status.success(), "{reference} was served");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("not signed") || said.contains("denied"), "{said}");
        assert!(!nothing.join("manifest.json").exists());
    }

    // Its blobs are as closed as its manifest, although the same registry would give them.
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(registry.blob_file(&unsigned_digest)).expect("the unsigned manifest"))
            .expect("JSON");
    let layer = manifest["layers"][0]["digest"].as_str().expect("a digest");
    let curl = bulla_tests::peers::require("curl").expect("curl");
    let answer = run(std::process::Command::new(curl)
        .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"])
        .arg(format!("http://{address}/v2/shop/app/blobs/{layer}")));
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "403");
}
