//! What module and host say to each other during a decision (docs/abi.md, section "Needs and evidence").

use serde::{Deserialize, Serialize};

/// Something the module asks its host to fetch. The host fetches exactly this and believes none of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The name by which evidence answers this need, e.g. `manifest registry.example/app@sha256:…`. Unique within a decision.
    pub id: String,
    /// What to fetch.
    pub kind: NeedKind,
    /// The host that is asked, normalised: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub registry: String,
    /// The repository there, e.g. `library/nginx`.
    pub repository: String,
    /// A tag, a digest or a name, as it goes into the URL; or all of the URL.
    pub reference: String,
    /// Octets after which the host stops reading and answers `tooLarge`.
    pub limit: u64,
}

/// The kinds of need, each one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NeedKind {
    /// The digest that a tag points to now: `HEAD manifests/<tag>`, or `GET` where the header is missing.
    Resolve,
    /// A manifest or index by tag or digest: `GET manifests/<reference>`.
    Manifest,
    /// The referrers of a digest: `GET referrers/<digest>`, all pages merged into one index.
    Referrers,
    /// A blob by digest: `GET blobs/<digest>`.
    Blob,
    /// A certificate revocation list: `GET <reference>`, which is an `http` or `https` address that a certificate under a
    /// pinned one names. `registry` is its host, `repository` is empty.
    Crl,
    /// An OCSP response by `GET <reference>` (RFC 6960, appendix A.1), likewise.
    Ocsp,
    /// A role file of Docker Content Trust: `GET https://<registry>/v2/<repository>/_trust/tuf/<reference>`. `registry` is the
    /// notary server's host, `repository` the globally unique name (GUN), registry and all.
    Role,
    /// What this host remembers of such a repository, as an earlier verdict told it to: JSON, from its own store. Absent where
    /// it remembers nothing.
    Remembered,
}

/// What became of a need.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The id of the need that this answers.
    pub need: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The outcomes of a fetch. What could not be fetched is evidence too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// Bytes came, unchecked; `blob` is their index in the message.
    Found {
        /// Index of the blob in the message that carries this evidence.
        blob: usize,
        /// The `Content-Type` that came with them, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
    /// A tag's digest as the registry claims it (`Docker-Content-Digest`); answers [`NeedKind::Resolve`] only.
    Digest {
        /// The claimed digest, as it came.
        digest: String,
    },
    /// The registry said 404.
    Absent,
    /// More octets than the need's limit.
    TooLarge {
        /// Octets announced or read when the host stopped.
        got: u64,
    },
    /// Nothing usable came: the reason names the registry, what happened and what was waited for.
    Failed {
        /// For people, e.g. `registry.example: connection refused`.
        reason: String,
    },
}

/// The body of an answer that is an error: `{"error": {...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// Stable, for programs: `policy-invalid`, `key-passphrase-wrong`, …
    pub code: String,
    /// For people: what was wrong, with which value, and what to do.
    pub message: String,
    /// Places in the documents, for errors that have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<serde_json::Value>,
}
