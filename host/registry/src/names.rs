//! Names in registry URLs: repositories, tags, references, media types (distribution-spec 1.1, section "Pulling
//! manifests").

use crate::digest::Digest;

/// Media type of an image index, which is also the form of a list of referrers.
pub const INDEX_MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// Every manifest type that we take, indexes first. A registry that misses the list types in `Accept` may convert what
/// it has, and then the digest is another one.
pub const MANIFEST_MEDIA_TYPES: [&str; 4] = [
    INDEX_MEDIA_TYPE,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// The index that says "no referrers".
pub(crate) const EMPTY_INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Characters of a repository name. 255: what clients allow for host and name together.
const MAX_REPOSITORY_CHARS: usize = 255;

/// Whether the text is a repository name by the grammar of the distribution specification. Checked before it enters a
/// URL.
pub fn is_repository(text: &str) -> bool {
    text.len() <= MAX_REPOSITORY_CHARS && text.split('/').all(is_path_component)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = text.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.split(alphanumeric).all(|separator| {
            matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-')
        })
}

/// Whether the text is a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub fn is_tag(text: &str) -> bool {
    let first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes.first().is_some_and(first)
        && bytes.iter().all(|byte| first(byte) || matches!(byte, b'.' | b'-'))
}

/// Whether the text may stand in `manifests/<reference>`: a tag, or a digest that we can check.
pub(crate) fn is_reference(text: &str) -> bool {
    if text.contains(':') { Digest::parse(text).is_ok() } else { is_tag(text) }
}

/// The tag under which referrers of a digest are listed where a registry has no referrers API (distribution-spec 1.1,
/// section "Referrers tag schema"): the algorithm cut to 32 characters, `-`, the encoded part cut to 64.
pub fn fallback_tag(digest: &Digest) -> String {
    let algorithm: String = digest.algorithm().chars().take(32).collect();
    let encoded: String = digest.encoded().chars().take(64).collect();
    format!("{algorithm}-{encoded}")
}

/// The media type in a `Content-Type` value, without its parameters, in lower case.
pub(crate) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{essence, fallback_tag, is_reference, is_repository, is_tag};
    use crate::digest::Digest;

    #[test]
    fn repository_names_follow_the_grammar() {
        for good in ["nginx", "library/nginx", "a.b/c_d/e__f/g-h/i--j", "0"] {
            assert!(is_repository(good), "{good}");
        }
        for bad in
            ["", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "../x", "a/../b", "a?x", "a%2e", "a b", "-a", "a._b"]
        {
            assert!(!is_repository(bad), "{bad}");
        }
        assert!(!is_repository(&"a".repeat(256)));
    }

    #[test]
    fn references_are_tags_or_digests() {
        assert!(is_tag("v1.0_x-Y") && is_tag("_") && !is_tag("") && !is_tag(".x") && !is_tag("a/b"));
        assert!(is_tag(&"a".repeat(128)) && !is_tag(&"a".repeat(129)));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(is_reference(&digest) && !is_reference("sha256:abc") && !is_reference("md5:abc"));
    }

    #[test]
    fn fallback_tags_are_cut_to_fit_a_tag() {
        let long = Digest::parse(&format!("sha512:{}", "ab".repeat(64))).expect("well formed");
        let tag = fallback_tag(&long);
        assert_eq!(tag, format!("sha512-{}", "ab".repeat(32)));
        assert!(is_tag(&tag));
        assert_eq!(essence("Application/JSON; charset=utf-8"), "application/json");
    }
}
