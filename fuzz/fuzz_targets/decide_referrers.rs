//! What refers to an image, as evidence: whatever list, manifest and bundle a registry answers, nothing is accepted, because
//! nobody here has the pinned key. Digests are made to fit, so that every layer is reached.
#![no_main]

use std::sync::LazyLock;

use bulla_core::decision::{Outcome as Decided, Question, Session, Step};
use bulla_core::digest::Digest;
use bulla_core::evidence::{NeedKind, Outcome};
use bulla_core::policy::PolicySet;
use bulla_core::time::UnixTime;

const POLICY: &str = "apiVersion: bulla.dev/v1alpha1
kind: ImagePolicy
metadata: {name: p}
spec:
  match: {images: [registry.example/app]}
  multiArch: indexOrEveryLeaf
  signers:
    a:
      cosign:
        publicKey: |
          -----BEGIN PUBLIC KEY-----
          MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAER5iZ0bmjESLST/aZKc82Myy+xk/t
          Z1Yip8t90EGfkVzhI2tKfMHLcNxsrFovqiOeNww9NYg5OnXN5Wsu926n+Q==
          -----END PUBLIC KEY-----
  attestations:
    b: {predicateType: slsaprovenance1, signer: a, predicate: {/builder/id: ci}}
  require: {anyOf: [a, {attestation: b}]}
";

static POLICIES: LazyLock<PolicySet> =
    LazyLock::new(|| PolicySet::read(&[("p.yaml".to_owned(), POLICY.as_bytes())]).expect("a policy"));

/// Bundle, signature image, something whose type is not said, and a type that nobody reads.
const TYPES: [&str; 4] = [
    r#""artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","#,
    r#""artifactType":"application/vnd.dev.cosign.artifact.sig.v1+json","#,
    "",
    r#""artifactType":"application/vnd.cncf.notary.signature","#,
];
const LAYERS: [&str; 3] = [
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dsse.envelope.v1+json",
];

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8], &[u8], &[u8])| {
    let (made, list, manifest, content) = input;
    let subject = Digest::sha256(b"image");
    let manifest = if made & 1 == 0 {
        manifest.to_vec()
    } else {
        let (digest, size) = (Digest::sha256(content), content.len());
        let layer = LAYERS[usize::from(made >> 4) % LAYERS.len()];
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{digest}","size":{size}}},"layers":[{{"mediaType":"{layer}","digest":"{digest}","size":{size},"annotations":{{"dev.cosignproject.cosign/signature":"MEUC"}}}}],"subject":{{"mediaType":"a/b","digest":"{subject}","size":5}}}}"#
        )
        .into_bytes()
    };
    let list = if made & 2 == 0 {
        list.to_vec()
    } else {
        let (digest, size) = (Digest::sha256(&manifest), manifest.len());
        let kind = TYPES[usize::from(made >> 2) % TYPES.len()];
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{kind}"digest":"{digest}","size":{size}}}]}}"#
        )
        .into_bytes()
    };
    let image = format!("registry.example/app@{subject}");
    let now = UnixTime(1_767_225_600);
    let (mut session, mut step) = Session::open(&POLICIES, Question { image, now, namespace: None });
    while let Step::Needs(needs) = step {
        assert!(!needs.is_empty(), "nothing is asked for, and nothing is settled");
        let answers: Vec<_> = needs
            .iter()
            .map(|need| {
                let bytes = match need.kind {
                    NeedKind::Referrers => list.clone(),
                    NeedKind::Blob => content.to_vec(),
                    NeedKind::Manifest | NeedKind::Resolve => manifest.clone(),
                };
                (need.id(), Outcome::Found { bytes, media_type: None })
            })
            .collect();
        step = session.supply(&POLICIES, answers);
    }
    let Step::Settled(verdict) = step else { return };
    assert_ne!(verdict.outcome(), Decided::Accept);
});
