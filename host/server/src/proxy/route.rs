//! What is asked for: the paths of the pull endpoints, with every name held against its grammar before it is used.

use axum::extract::Query;
use axum::http::{Method, Uri};
use bulla_registry::{Digest, is_repository, is_tag};

use super::refusal::Refusal;

/// A request that the proxy knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /v2/`.
    Version,
    /// `GET /v2/<name>/manifests/<reference>`.
    Manifest { repository: String, reference: Reference },
    /// `GET /v2/<name>/blobs/<digest>`.
    Blob { repository: String, digest: Digest },
}

/// A tag or a digest, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(String),
    Digest(Digest),
}

impl Route {
    /// Reads method, path and query.
    ///
    /// # Errors
    /// [`Refusal`] for everything else, with what was wrong.
    pub(super) fn of(method: &Method, uri: &Uri, upstream: &str) -> Result<Self, Refusal> {
        let Some(path) = uri.path().strip_prefix("/v2") else {
            return Err(Refusal::NotFound);
        };
        if *method != Method::GET && *method != Method::HEAD {
            return Err(Refusal::Unsupported);
        }
        namespace(uri, upstream)?;
        if path.is_empty() || path == "/" {
            return Ok(Self::Version);
        }
        // Some clients write a digest's colon as %3A; nothing else in these names ever needs an escape.
        let path = path.replace("%3A", ":").replace("%3a", ":");
        let path = path.strip_prefix('/').ok_or(Refusal::NotFound)?;
        let mut parts = path.rsplitn(3, '/');
        let (last, kind, name) = (parts.next(), parts.next(), parts.next());
        let (Some(last), Some(kind), Some(name)) = (last, kind, name) else {
            return Err(Refusal::Unsupported);
        };
        if !matches!(kind, "manifests" | "blobs") {
            return Err(Refusal::Unsupported);
        }
        if !is_repository(name) {
            return Err(Refusal::Name { name: shown(name) });
        }
        let repository = name.to_owned();
        let digest = || Digest::parse(last).map_err(|error| Refusal::Digest { reason: error.to_string() });
        Ok(match kind {
            "blobs" => Self::Blob { repository, digest: digest()? },
            _ if last.contains(':') => Self::Manifest { repository, reference: Reference::Digest(digest()?) },
            _ if is_tag(last) => Self::Manifest { repository, reference: Reference::Tag(last.to_owned()) },
            _ => return Err(Refusal::Name { name: shown(last) }),
        })
    }
}

/// containerd names the registry it means with `?ns=`: anything but ours would be served under a false name.
fn namespace(uri: &Uri, upstream: &str) -> Result<(), Refusal> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(Refusal::Namespace {
            asked: shown(uri.query().unwrap_or_default()),
            upstream: upstream.to_owned(),
        });
    };
    match pairs.iter().find(|(name, value)| name == "ns" && value != upstream) {
        Some((_, other)) => Err(Refusal::Namespace { asked: shown(other), upstream: upstream.to_owned() }),
        None => Ok(()),
    }
}

/// A name that was not good, cut so that it can be repeated.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use bulla_registry::Digest;

    use super::{Reference, Refusal, Route};

    const UPSTREAM: &str = "registry.example";

    fn of(method: Method, path: &str) -> Result<Route, Refusal> {
        Route::of(&method, &path.parse().expect("a path"), UPSTREAM)
    }

    #[test]
    fn pull_paths_are_understood() {
        let digest = Digest::sha256(b"");
        assert_eq!(of(Method::GET, "/v2/").ok(), Some(Route::Version));
        assert_eq!(of(Method::HEAD, "/v2").ok(), Some(Route::Version));
        let tag = Route::Manifest { repository: "a/b-c/d".into(), reference: Reference::Tag("v1.0".into()) };
        assert_eq!(of(Method::GET, "/v2/a/b-c/d/manifests/v1.0?ns=registry.example").ok(), Some(tag));
        let by_digest = Route::Manifest { repository: "a".into(), reference: Reference::Digest(digest.clone()) };
        let escaped = digest.to_string().replace(':', "%3A");
        assert_eq!(of(Method::GET, &format!("/v2/a/manifests/{escaped}")).ok(), Some(by_digest));
        let blob = Route::Blob { repository: "a".into(), digest: digest.clone() };
        assert_eq!(of(Method::GET, &format!("/v2/a/blobs/{digest}")).ok(), Some(blob));
    }

    #[test]
    fn everything_else_is_refused() {
        let code = |method, path: &str| of(method, path).expect_err(path).code();
        for path in ["/v2/a/manifests/1", "/v2/a/blobs/uploads/", "/v2/"] {
            for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
                assert_eq!(code(method, path), "UNSUPPORTED", "{path}");
            }
        }
        for path in ["/v2/_catalog", "/v2/a/tags/list", "/v2/a/referrers/sha256:00", "/v2/manifests/1"] {
            assert_eq!(code(Method::GET, path), "UNSUPPORTED", "{path}");
        }
        for path in [
            "/v2/A/manifests/1",
            "/v2/../a/manifests/1",
            "/v2/a//b/manifests/1",
            "/v2/a%2fb/manifests/1",
            "/v2/a/manifests/.1",
        ] {
            assert_eq!(code(Method::GET, path), "NAME_INVALID", "{path}");
        }
        assert_eq!(code(Method::GET, "/v2/a/manifests/sha256:00"), "DIGEST_INVALID");
        assert_eq!(code(Method::GET, "/v2/a/blobs/latest"), "DIGEST_INVALID");
        for path in ["/v2/a/manifests/1?ns=docker.io", "/v2/?ns=registry.example&ns=other.example", "/v2/?ns="] {
            assert_eq!(code(Method::GET, path), "DENIED", "{path}");
        }
        assert_eq!(code(Method::GET, "/"), "UNSUPPORTED");
    }
}
