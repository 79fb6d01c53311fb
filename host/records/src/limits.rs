//! Every limit of records and their store, with unit and origin.

use std::time::Duration;

/// Octets of one record. 4096: one page, so that a million records fit 4 GB whatever attackers call their images.
pub const MAX_RECORD_BYTES: usize = 4096;
/// Octets of a question inside its record. 1280: an image name of 255 characters with tag and digest, the namespace, and
/// room for labels. A larger one is kept beside the record.
pub const MAX_INLINE_QUESTION_BYTES: usize = 1280;
/// Octets, as JSON, of a summary. 512: a sentence with two digests in it; the whole one is in the verdict.
pub const MAX_SUMMARY_BYTES: usize = 512;
/// Octets, as JSON, of an image's name. 512: 255 characters of name, 128 of tag, 71 of digest, two separators.
pub const MAX_NAME_BYTES: usize = 512;
/// Octets of an image's digest. 160: `sha512:` and 128 digits, with room.
pub const MAX_IMAGE_DIGEST_BYTES: usize = 160;
/// Octets, as JSON, of what names a Kubernetes object. 256: kind, namespace and a name that Kubernetes generates.
pub const MAX_OBJECT_BYTES: usize = 256;
/// Octets, as JSON, of who broke the glass, and of why, each. 256: a user name; a sentence.
pub const MAX_BREAK_GLASS_BYTES: usize = 256;

/// Octets of anything that a record names. 64 MiB: the memory of a sandbox; nothing larger ever came out of one.
pub const MAX_CONTENT_BYTES: u64 = 64 << 20;
/// Octets of one exported record. 256 MiB: a sandbox's worth of evidence, 16 MiB of policies and a module, with room.
pub const MAX_BUNDLE_BYTES: u64 = 256 << 20;

/// Octets of a whole store, unless somebody says otherwise. 1 GiB: about half a million cached admissions.
pub const DEFAULT_STORE_BYTES: u64 = 1 << 30;
/// Octets of the smallest store. 16 MiB: a module, policies and a few thousand records.
pub const MIN_STORE_BYTES: u64 = 16 << 20;
/// Age of a record, unless somebody says otherwise. 90 days: what auditors commonly ask to have at hand.
pub const DEFAULT_AGE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Octets of the largest segment of the journal, with what its records brought. 64 MiB: read at once by whoever reads.
pub(crate) const MAX_SEGMENT_BYTES: u64 = 64 << 20;
/// Age of the oldest record in a segment that is written to. A week.
pub(crate) const MAX_SEGMENT_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Parts that size and age of a store are cut into: a segment of the journal is dropped as a whole, so this is how exactly
/// the limits are kept.
pub(crate) const SEGMENTS: u32 = 16;

/// Time until what was written is flushed, when flushing is batched. 500 ms: with the flush itself, within a second.
pub(crate) const FLUSH_AFTER: Duration = Duration::from_millis(500);
/// Time between two looks at what is too old. An hour: ages are in days.
pub(crate) const COLLECT_EVERY: Duration = Duration::from_secs(3600);
/// Time from opening a store to its first look. A minute: commands are shorter, and need not wait for it.
pub(crate) const COLLECT_FIRST: Duration = Duration::from_secs(60);
/// Files that are removed before writers have a turn. 64: below a millisecond.
pub(crate) const REMOVE_AT_ONCE: usize = 64;
/// Digests that are remembered as kept. 262144: 16 MiB of memory; beyond that they are looked up anew.
pub(crate) const MAX_KNOWN: usize = 1 << 18;
