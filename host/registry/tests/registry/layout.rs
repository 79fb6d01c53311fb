//! Layouts: written and read back, by others' rules, and refused where they are traps.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bulla_registry::{Digest, Fetched, Layout, LayoutError, Need, NeedKind};
use serde_json::{Value, json};

use crate::fake::{INDEX, MANIFEST, bytes, fetch};

fn need(kind: NeedKind, reference: &str) -> Need {
    Need {
        id: String::new(),
        kind,
        registry: "r".into(),
        repository: "a".into(),
        reference: reference.into(),
        limit: 10_000,
    }
}

fn reason(error: &LayoutError, root: &Path) -> String {
    error.to_string().replace(&fs::canonicalize(root).unwrap().display().to_string(), "L")
}

fn index(root: &Path) -> Value {
    serde_json::from_slice(&fs::read(root.join("index.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(&folder.path().join("new/layout")).unwrap();
    let blob = layout.put_blob(b"blob").unwrap();
    let manifest = layout.put_manifest(b"{\"m\":1}", MANIFEST, Some("v1")).unwrap();
    let layout = Layout::open(layout.path()).unwrap();
    assert_eq!(fetch(&layout, &need(NeedKind::Resolve, "v1")).await, Fetched::Digest(manifest.to_string()));
    for reference in ["v1", manifest.as_str()] {
        let fetched = fetch(&layout, &need(NeedKind::Manifest, reference)).await;
        assert_eq!(fetched, Fetched::Bytes { bytes: "{\"m\":1}".into(), media_type: Some(MANIFEST.into()) });
    }
    assert_eq!(bytes(&fetch(&layout, &need(NeedKind::Blob, blob.as_str())).await), b"blob");
    let missing = Digest::sha256(b"missing");
    for (kind, reference) in [
        (NeedKind::Resolve, "v2"),
        (NeedKind::Manifest, "v2"),
        (NeedKind::Manifest, missing.as_str()),
        (NeedKind::Blob, missing.as_str()),
    ] {
        assert_eq!(fetch(&layout, &need(kind, reference)).await, Fetched::Absent);
    }
    let mut small = need(NeedKind::Blob, blob.as_str());
    small.limit = 3;
    assert_eq!(fetch(&layout, &small).await, Fetched::TooLarge { got: 4 });
    assert_eq!(layout.tags().unwrap(), [("v1".to_owned(), manifest)]);
}

#[test]
fn the_last_writer_of_a_tag_wins_and_the_earlier_stays_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let first = layout.put_manifest(b"1", MANIFEST, Some("v1")).unwrap();
    let second = layout.put_manifest(b"2", MANIFEST, Some("v1")).unwrap();
    layout.put_manifest(b"2", MANIFEST, None).unwrap();
    layout.put_manifest(b"2", MANIFEST, Some("v2")).unwrap();
    layout.put_manifest(b"2", MANIFEST, Some("v1")).unwrap();
    assert_eq!(layout.resolve("v1").unwrap(), Some(second.clone()));
    let tag = |tag: &str| json!({"mediaType": MANIFEST, "digest": second.as_str(), "size": 1, "annotations": {"org.opencontainers.image.ref.name": tag}});
    assert_eq!(
        index(folder.path())["manifests"],
        json!([{"mediaType": MANIFEST, "digest": first.as_str(), "size": 1}, tag("v2"), tag("v1")])
    );
    let leftovers: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(leftovers.len(), 3, "no temporary files stay: {leftovers:?}");
    assert!(matches!(layout.put_manifest(b"2", MANIFEST, Some("../x")), Err(LayoutError::Invalid { .. })));
}

#[test]
fn what_others_wrote_into_the_index_stays() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let foreign = json!({"schemaVersion": 2, "annotations": {"a": "b"}, "manifests": [{"digest": "blake3:x", "urls": ["y"]}], "other": 1});
    fs::write(folder.path().join("index.json"), foreign.to_string()).unwrap();
    layout.put_manifest(b"1", MANIFEST, Some("v1")).unwrap();
    let now = index(folder.path());
    assert_eq!(
        (&now["annotations"], &now["other"], &now["manifests"][0]),
        (&foreign["annotations"], &foreign["other"], &foreign["manifests"][0])
    );
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let layout = &layout;
            scope.spawn(move || {
                for number in 0..5 {
                    let name = format!("t{writer}-{number}");
                    layout.put_manifest(name.as_bytes(), MANIFEST, Some(&name)).unwrap();
                }
            });
        }
    });
    assert_eq!(layout.tags().unwrap().len(), 20);
}

#[test]
fn a_tag_is_replaced_only_if_it_is_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let other = Digest::sha256(b"other");
    assert!(!layout.replace_manifest(b"1", MANIFEST, "t", Some(&other)).unwrap(), "there is nothing yet");
    assert!(layout.replace_manifest(b"1", MANIFEST, "t", None).unwrap());
    assert!(!layout.replace_manifest(b"2", MANIFEST, "t", None).unwrap(), "somebody was there first");
    assert!(layout.replace_manifest(b"2", MANIFEST, "t", Some(&Digest::sha256(b"1"))).unwrap());
    assert_eq!(layout.resolve("t").unwrap(), Some(Digest::sha256(b"2")));
    assert!(matches!(layout.replace_manifest(b"2", MANIFEST, "../t", None), Err(LayoutError::Invalid { .. })));
}

#[tokio::test]
async fn referrers_are_those_whose_subject_is_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let image = layout.put_manifest(b"{}", MANIFEST, Some("v1")).unwrap();
    let signature =
        json!({"artifactType": "application/sig", "annotations": {"k": "v"}, "subject": {"digest": image.as_str()}})
            .to_string();
    let digest = layout.put_manifest(signature.as_bytes(), MANIFEST, None).unwrap();
    let other = json!({"subject": {"digest": digest.as_str()}}).to_string();
    layout.put_manifest(other.as_bytes(), MANIFEST, None).unwrap();
    layout.put_manifest(b"not JSON", MANIFEST, None).unwrap();
    let fetched = fetch(&layout, &need(NeedKind::Referrers, image.as_str())).await;
    let index: Value = serde_json::from_slice(bytes(&fetched)).unwrap();
    let expected = json!([{"mediaType": MANIFEST, "digest": digest.as_str(), "size": signature.len(), "artifactType": "application/sig", "annotations": {"k": "v"}}]);
    assert_eq!((&index["manifests"], &index["mediaType"]), (&expected, &json!(INDEX)));
    let none = fetch(&layout, &need(NeedKind::Referrers, Digest::sha256(b"x").as_str())).await;
    let index: Value = serde_json::from_slice(bytes(&none)).unwrap();
    assert_eq!(index["manifests"], json!([]));
}

#[test]
fn an_ambiguous_tag_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let entry = |content: &[u8]| json!({"mediaType": MANIFEST, "digest": Digest::sha256(content).as_str(), "size": 1, "annotations": {"org.opencontainers.image.ref.name": "v1"}});
    let write = |entries: Value| {
        fs::write(folder.path().join("index.json"), json!({"manifests": entries}).to_string()).unwrap()
    };
    write(json!([entry(b"1"), entry(b"1")]));
    assert_eq!(layout.resolve("v1").unwrap(), Some(Digest::sha256(b"1")), "saying it twice is not ambiguous");
    write(json!([entry(b"1"), entry(b"2")]));
    let error = layout.resolve("v1").unwrap_err();
    let expected = format!(
        "L/index.json: the tag \"v1\" is there twice, for {} and {}",
        Digest::sha256(b"1"),
        Digest::sha256(b"2")
    );
    assert_eq!(reason(&error, folder.path()), expected);
    assert!(layout.manifest("v1", 100).is_err());
}

#[tokio::test]
async fn nothing_outside_the_folder_is_read_or_written() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let digest = Digest::sha256(b"secret");
    let path = folder.path().join("blobs/sha256").join(digest.encoded());
    symlink(outside.path().join("secret"), &path).unwrap();
    let fetched = fetch(&layout, &need(NeedKind::Blob, digest.as_str())).await;
    let Fetched::Failed { reason: told } = fetched else { panic!("refused") };
    assert!(told.ends_with("leads out of the layout by a symbolic link"), "{told}");

    // Paths in place of digests never reach the file system.
    for reference in ["sha256:../../secret", "../secret", "sha256:/etc/passwd"] {
        let fetched = fetch(&layout, &need(NeedKind::Blob, reference)).await;
        assert!(matches!(&fetched, Fetched::Failed { reason } if reason.contains("is not a digest")), "{fetched:?}");
    }
    let entry = json!({"digest": "sha256:../../../secret", "annotations": {"org.opencontainers.image.ref.name": "v1"}});
    fs::write(folder.path().join("index.json"), json!({"manifests": [entry]}).to_string()).unwrap();
    assert_eq!(
        reason(&layout.manifest("v1", 100).unwrap_err(), folder.path()),
        "L/index.json: no usable digest for \"v1\""
    );

    // A link within the folder is the folder's own affair.
    layout.put_blob(b"inside").unwrap();
    let inside = Digest::sha256(b"inside");
    let alias = Digest::sha256(b"alias");
    symlink(inside.encoded(), folder.path().join("blobs/sha256").join(alias.encoded())).unwrap();
    assert_eq!(layout.blob(&alias, 100).unwrap().unwrap(), "inside");

    // Writing replaces a link; it does not write through it.
    layout.put_blob(b"secret").unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    fs::remove_dir_all(folder.path().join("blobs/sha256")).unwrap();
    symlink(outside.path(), folder.path().join("blobs/sha256")).unwrap();
    assert!(layout.put_blob(b"new").unwrap_err().to_string().ends_with("leads out of the layout by a symbolic link"));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_pipe_is_not_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let digest = Digest::sha256(b"pipe");
    let path = folder.path().join("blobs/sha256").join(digest.encoded());
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(layout.blob(&digest, 100).unwrap_err().to_string().ends_with("not a file"));
}

#[test]
fn folders_that_are_no_layouts_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let error = Layout::open(folder.path()).unwrap_err();
    assert_eq!(reason(&error, folder.path()), "L: no oci-layout in it: not an OCI image layout");
    fs::write(folder.path().join("mine"), "").unwrap();
    assert!(Layout::create(folder.path()).unwrap_err().to_string().ends_with("not empty and not an OCI image layout"));
    for (marker, told) in [
        ("{}", "L/oci-layout: no imageLayoutVersion"),
        ("x", "L/oci-layout: not JSON"),
        (r#"{"imageLayoutVersion":"2.0.0"}"#, "L/oci-layout: image layout version \"2.0.0\", only 1.0.0 is known"),
    ] {
        fs::write(folder.path().join("oci-layout"), marker).unwrap();
        assert_eq!(reason(&Layout::open(folder.path()).unwrap_err(), folder.path()), told);
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    fs::File::create(folder.path().join("index.json")).unwrap().set_len(5 << 20).unwrap();
    let error = layout.tags().unwrap_err();
    assert_eq!(reason(&error, folder.path()), "L/index.json: 5242880 octets, at most 4194304 are read");
}
