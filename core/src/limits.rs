//! Every amount that somebody else chooses, with its unit and where the number comes from.
//!
//! These limits can change a verdict, so they are counted here and are the same in every host.

/// Octets of one manifest or index. 4 MiB: distribution-spec says registries SHOULD take manifests of at least 4 megabytes.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Octets of one simple-signing payload. 16 KiB: cosign writes about 250 octets, annotations included rarely 2 KiB; and
/// each check hashes the payload, so that this bounds what one unit of verification costs.
pub const MAX_PAYLOAD_BYTES: u64 = 16 * 1024;

/// Octets of one signature image's manifest. 1 MiB: 1,000 layers as cosign writes them take 600 KB.
pub const MAX_SIGNATURE_MANIFEST_BYTES: u64 = 1024 * 1024;

/// Octets of one decoded signature. 1,024: an RSA-4096 signature has 512.
pub const MAX_SIGNATURE_BYTES: usize = 1024;

/// Values in one JSON document, keys not counted. 200,000: each takes about 100 octets of memory, which the sandbox has.
pub const MAX_JSON_VALUES: usize = 200_000;

/// Signatures on one image in one form. 1,000: the limit that cosign has set itself since CVE-2023-46737.
pub const MAX_SIGNATURES: usize = 1000;

/// Work for signature checks in one decision, in units of one P-256 verification (about 1 ms in the sandbox).
/// 4,000: well inside the 10 s that a Kubernetes webhook has by default.
pub const MAX_VERIFICATION_UNITS: u32 = 4000;

/// Octets of all evidence of one decision. 16 MiB: 1,000 payloads of the largest size; twice that, as message and as
/// evidence, is half of the sandbox's memory.
pub const MAX_EVIDENCE_BYTES: u64 = 16 * 1024 * 1024;

/// Rounds of needs and evidence before a decision ends as unknown. An image with legacy signatures takes at most 5.
pub const MAX_ROUNDS: u32 = 12;

/// Nesting of any JSON or YAML document. 64: AdmissionReviews of real clusters stay below 30.
pub const MAX_DEPTH: usize = 64;

/// Octets of one policy document. 256 KiB: a quarter of what etcd takes for one object.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// Policies in one set: the issue tracker's largest wish is 10,000.
pub const MAX_POLICIES: usize = 10_000;

/// Signers in one policy, and nodes in its requirement tree.
pub const MAX_SIGNERS: usize = 256;

/// Octets of an AdmissionReview. 8 MiB: two objects of 3 MiB (etcd's practical limit) with room.
pub const MAX_REVIEW_BYTES: usize = 8 * 1024 * 1024;

/// Image references in one object. 1,024: Kubernetes itself sets no limit on containers; the object's size does.
pub const MAX_IMAGES: usize = 1024;

/// Octets of a key file. 64 KiB: an encrypted RSA-4096 key takes 5 KiB.
pub const MAX_KEY_BYTES: usize = 64 * 1024;

/// Characters of a verdict's summary. 2,048: half of what a denial may have.
pub const MAX_SUMMARY: usize = 2048;

/// Reasons listed for one signer; further ones are counted.
pub const MAX_REASONS: usize = 16;

/// Annotations in one signature, asked for or signed.
pub const MAX_ANNOTATIONS: usize = 128;
