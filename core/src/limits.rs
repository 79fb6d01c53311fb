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

/// Values in one JSON document, an object counted as five. 200,000: each takes about 100 octets of memory, which the sandbox
/// has.
pub const MAX_JSON_VALUES: usize = 200_000;

/// Signatures on one image in one form. 1,000: the limit that cosign has set itself since CVE-2023-46737.
pub const MAX_SIGNATURES: usize = 1000;

/// Work for signature checks in one decision, in units of one P-256 verification (about 1 ms in the sandbox).
/// 4,000: well inside the 10 s that a Kubernetes webhook has by default.
pub const MAX_VERIFICATION_UNITS: u32 = 4000;

/// Octets of a long message that cost as much to hash as one unit of work, measured in the sandbox (about 1 ms).
pub const OCTETS_PER_UNIT: u64 = 128 * 1024;

/// Octets of one DSSE envelope or bundle that carries an attestation, and of the statement in it. 4 MiB: provenance takes
/// some 10 KiB, the SBOM of a large image 1 to 3 MiB; three of these fit the evidence of one decision.
pub const MAX_ENVELOPE_BYTES: u64 = 4 * 1024 * 1024;

/// Octets of one bundle that carries a signature. 64 KiB: with a certificate, a log entry and a timestamp it has 10 KiB.
pub const MAX_SIGNATURE_BUNDLE_BYTES: u64 = 64 * 1024;

/// Octets of a message whose claim is remembered between checks. 8 KiB: a signature has less than 1 KiB, and 1,000 that are
/// remembered take some 10 MiB as they were read.
pub const MAX_REMEMBERED_CLAIM: usize = 8 * 1024;

/// Octets of a list of referrers. 2 MiB: an entry takes about 500, so that 1,000 bundles and as many other artifacts fit.
pub const MAX_REFERRERS_BYTES: u64 = 2 * 1024 * 1024;

/// Octets that bundles and attestations may have together in one decision, by what is announced before it is fetched; the
/// smallest come first. 6 MiB: 1,000 signature bundles of the usual size take 1.5 MiB, which leaves room for an SBOM.
pub const MAX_ENVELOPES_BYTES: u64 = 6 * 1024 * 1024;

/// Octets that simple-signing payloads may have together in one decision, those left out that follow from the digest; the
/// smallest come first. 1 MiB: 1,000 payloads with some annotations each.
pub const MAX_PAYLOADS_BYTES: u64 = 1024 * 1024;

/// Signature images that are stored as referrers of one digest. 16: cosign itself reads one, the last.
pub const MAX_SIGNATURE_REFERRERS: usize = 16;

/// Names of unread artifacts in one verdict; further ones are counted together.
pub const MAX_FORMS: usize = 32;

/// Octets of the manifest that brings one bundle. 4 KiB: it has one layer, and about 1 KiB; so that 1,000 of them always fit.
pub const MAX_REFERRER_MANIFEST_BYTES: u64 = 4 * 1024;

/// Octets of the manifest of a signature image that is stored as a referrer. 64 KiB: about 100 layers.
pub const MAX_SIGNATURE_REFERRER_BYTES: u64 = 64 * 1024;

/// Things fetched for one decision. 4,096: a tag, a list, 1,000 bundles with their manifests, 1,000 legacy payloads, and the
/// leaves of an index.
pub const MAX_REQUESTS: usize = 4096;

/// Leaves of an index of which every one has to be signed. 64: official images have up to 20, half of them attestations.
pub const MAX_LEAVES: usize = 64;

/// Octets of all evidence of one decision. 16 MiB: a list of referrers (2), 1,000 manifests (5), bundles and attestations (6),
/// two images under tags (2), payloads (1); twice that, as message and as evidence, is half of the sandbox's memory.
pub const MAX_EVIDENCE_BYTES: u64 = 16 * 1024 * 1024;

/// Rounds of needs and evidence before a decision ends as unknown. An image with legacy signatures takes at most 5.
pub const MAX_ROUNDS: u32 = 12;

/// Nesting of any JSON or YAML document. 64: AdmissionReviews of real clusters stay below 30.
pub const MAX_DEPTH: usize = 64;

/// Octets of one policy document. 256 KiB: a quarter of what etcd takes for one object.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// Policies in one set. 10,000: one for each team and namespace of a large organisation.
pub const MAX_POLICIES: usize = 10_000;

/// Signers in one policy, and nodes in its requirement tree.
pub const MAX_SIGNERS: usize = 256;

/// Digests that one policy revokes. 10,000: a file of [`MAX_POLICY_BYTES`] holds some 3,300, one to a line.
pub const MAX_REVOKED: usize = 10_000;

/// Exemptions in one policy. 256: each is somebody's promise, and somebody has to keep track of them.
pub const MAX_EXEMPTIONS: usize = 256;

/// Characters of the reason for an exemption. 256: a sentence and a ticket.
pub const MAX_EXEMPTION_REASON: usize = 256;

/// Users and groups that may break one policy's glass. 256: more are a group of their own.
pub const MAX_GLASS_BREAKERS: usize = 256;

/// Groups of one user. 1,000: a user of a large directory is in some hundreds.
pub const MAX_GROUPS: usize = 1000;

/// Octets of a user's name and the names of its groups. 64 KiB: 1,000 groups of the length that directories give them.
pub const MAX_USER_BYTES: usize = 64 * 1024;

/// Mirrors of one signer. 64: one for each registry that somebody copies from.
pub const MAX_MIRRORS: usize = 64;

/// Labels that one policy asks for. 32: as many as anybody puts on one object.
pub const MAX_MATCH_LABELS: usize = 32;

/// Labels of one object. 256: Kubernetes itself sets no limit on them; 20 are many.
pub const MAX_LABELS: usize = 256;

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

/// Conditions on the predicate of one attestation. 32: a SLSA provenance has about ten fields that anybody compares.
pub const MAX_CONDITIONS: usize = 32;

/// Octets of one condition in CEL. 1 KiB: ten comparisons on ten lines.
pub const MAX_CEL_BYTES: usize = 1024;

/// Parts of one condition: names, literals and operators. 256: as many as fit into 1 KiB where each is worth reading.
pub const MAX_CEL_NODES: usize = 256;

/// Levels of one condition, of its brackets as of its tree. 32: parsing and evaluating the worst one takes less than 64 KiB
/// of the 512 KiB of stack that the sandbox has.
pub const MAX_CEL_DEPTH: usize = 32;

/// Macros over elements inside of each other in one condition. 2: a list in the elements of a list.
pub const MAX_CEL_COMPREHENSIONS: usize = 2;

/// Steps that all conditions of one decision take together. 100,000: some 10 ms in the sandbox, and at most 12 MB; one
/// comparison for each of the 10,000 packages of a large SBOM takes 50,000.
pub const MAX_CEL_STEPS: u32 = 100_000;

/// Signatures in one DSSE envelope. 16: a bundle's has one, cosign's legacy attestations have one each.
pub const MAX_ENVELOPE_SIGNATURES: usize = 16;

/// Subjects of one statement. 1,024: the limit of sigstore-go since CVE-2024-45395.
pub const MAX_SUBJECTS: usize = 1024;

/// Digests of one subject. 32: the limit of sigstore-go since CVE-2024-45395.
pub const MAX_SUBJECT_DIGESTS: usize = 32;

/// Transparency log entries in one bundle. 32: the limit of sigstore-go since CVE-2024-45395.
pub const MAX_LOG_ENTRIES: usize = 32;

/// Signed timestamps in one bundle. 32: the limit of sigstore-go since CVE-2024-45395.
pub const MAX_TIMESTAMPS: usize = 32;

/// Hashes in one inclusion proof. 64: a log with that many levels has more entries than its index can count.
pub const MAX_PROOF_HASHES: usize = 64;

/// Certificates in the chain of one bundle. 16: public ones have three.
pub const MAX_CHAIN_CERTIFICATES: usize = 16;

/// Octets of one certificate. 8 KiB: those of public CAs have less than 2.5 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;

/// Extensions of one certificate, CRL or entry of it. 32: certificates have about ten.
pub const MAX_EXTENSIONS: usize = 32;

/// Parts of one name, and names in one extension. 64: names have less than ten parts.
pub const MAX_NAME_PARTS: usize = 64;

/// Addresses of one kind, OCSP or CRL, in one certificate. 4: those of public CAs have one or two.
pub const MAX_REVOCATION_ADDRESSES: usize = 4;

/// Octets of one file of certificates. 256 KiB: as much as a policy document has.
pub const MAX_CERTIFICATE_FILE_BYTES: usize = 256 * 1024;

/// Certificates in one trust store. 128: the stores of whole operating systems have about 150 roots, a pinned one a few.
pub const MAX_STORE_CERTIFICATES: usize = 128;

/// Octets of one Notation envelope. 128 KiB: with four certificates and a timestamp it has 16 KiB.
pub const MAX_NOTATION_ENVELOPE_BYTES: usize = 128 * 1024;

/// Octets of a blob whose Notation signature is verified. 16 MiB: two copies of it fit the memory of the sandbox.
pub const MAX_BLOB_BYTES: u64 = 16 * 1024 * 1024;

/// Octets of the manifest that brings one Notation envelope. 16 KiB: it has about 1 KiB, and 80 for each certificate.
pub const MAX_NOTATION_MANIFEST_BYTES: usize = 16 * 1024;

/// Notation signatures of one artifact. 100: what the notation CLI looks at.
pub const MAX_NOTATION_SIGNATURES: usize = 100;

/// Members of one header of a Notation envelope. 64: those that the specification knows are less than ten.
pub const MAX_HEADER_MEMBERS: usize = 64;

/// Levels of one CBOR document. 8: an envelope has three.
pub const MAX_CBOR_DEPTH: usize = 8;

/// Octets of one timestamp token. 32 KiB: with three certificates it has 6 KiB.
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// Certificates and attributes in one timestamp token. 16: tokens have up to four.
pub const MAX_TOKEN_PARTS: usize = 16;

/// Work for the signatures of one timestamp token, in units of one P-256 verification. 64: a chain of four
/// with P-384 takes 50.
pub const MAX_TOKEN_UNITS: u32 = 64;

/// Octets of one CRL. 4 MiB: 100,000 entries, and it fits the evidence of one decision.
pub const MAX_CRL_BYTES: usize = 4 * 1024 * 1024;

/// Octets of one OCSP response. 20 KiB: what notation-go reads; they have about 2 KiB.
pub const MAX_OCSP_BYTES: usize = 20 * 1024;

/// Certificates and answers in one OCSP response. 16: they have one or two.
pub const MAX_OCSP_PARTS: usize = 16;

/// Seconds by which an answer may seem to come from the future. 300: clocks that nobody looks after differ by minutes.
pub const CLOCK_SKEW_SECONDS: i64 = 300;

/// Trusted identities, stores, scopes and statements in one policy. 256: as many as signers in one of ours.
pub const MAX_TRUST_ENTRIES: usize = 256;

/// Octets of one role file of Docker Content Trust: targets with 16,000 tags. 4 MiB: what the evidence of a decision can hold
/// a few times; Notary's client reads 100 MiB.
pub const MAX_ROLE_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Octets of a root file. 64 KiB: Notary writes 3 KiB, and 10 root certificates with their chains take 30.
pub const MAX_ROOT_FILE_BYTES: u64 = 64 * 1024;

/// Octets of what a host remembers of one collection. 1 MiB: 170 for each key that ever signed a role, 6,000 of them.
pub const MAX_REMEMBERED_BYTES: u64 = 1024 * 1024;

/// Octets of a timestamp file. 16 KiB: it names one file and has less than 1 KiB; Notary's client reads 1 MiB.
pub const MAX_TIMESTAMP_FILE_BYTES: u64 = 16 * 1024;

/// Octets of the name of a role. 255: Notary's own limit (tuf/data/roles.go), that of its database.
pub const MAX_ROLE_NAME_BYTES: usize = 255;

/// Levels of delegation, `targets/a` being one. 8: in use are one and two.
pub const MAX_DELEGATION_DEPTH: usize = 8;

/// Delegations in one role file. 256: one for each team of a large organisation.
pub const MAX_DELEGATIONS: usize = 256;

/// Prefixes of paths of one delegation. 256: nearly all have one, the empty one.
pub const MAX_DELEGATION_PATHS: usize = 256;

/// Keys in one role file. 1,024: four for each delegation.
pub const MAX_ROLE_FILE_KEYS: usize = 1024;

/// Keys of one role, and signatures in one role file, of which each key's first is checked. 64: a root that is still signed
/// with its earlier keys has some ten.
pub const MAX_ROLE_KEYS: usize = 64;

/// Targets of one role. 16,384: as many as fit into [`MAX_ROLE_FILE_BYTES`] as Notary writes them.
pub const MAX_TARGETS: usize = 16_384;

/// Octets of the name of a target. 255: a tag has at most 128, Notary's users sign files too.
pub const MAX_TARGET_NAME_BYTES: usize = 255;

/// Roles below `targets` that one policy looks at, with those above them. 32: a policy that requires more than some of them
/// means another thing.
pub const MAX_TRUST_ROLES: usize = 32;

/// Root files between the one that is pinned or remembered and the newest. 64: ten years with six changes each.
pub const MAX_ROOT_CHAIN: u64 = 64;

/// Work for the signatures of one look at a collection, in units of one P-256 verification. 1,000: a second; a chain of
/// [`MAX_ROOT_CHAIN`] roots takes 200, each role file one for each key.
pub const MAX_TRUST_UNITS: u32 = 1000;

/// Pins of Docker Content Trust in one signer: root keys, root certificates, authorities. 64: one for each repository of a team.
pub const MAX_TRUST_PINS: usize = 64;

/// Rounds that turn a passphrase into the key of an encrypted PKCS #8 file. 1,000,000: Notary writes 2,048, OWASP advises
/// 600,000; as many take about a second.
pub const MAX_KEY_ROUNDS: u32 = 1_000_000;
