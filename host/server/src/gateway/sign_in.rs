//! Who asks: a bearer token (RFC 6750, section 2.1), or a header that an authenticating proxy sets.

use std::net::IpAddr;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;
use crate::config::{GatewayConfig, TrustedHeader, UserToken};
use crate::config_page::is_user;

pub(super) struct SignIn {
    users: Vec<String>,
    tokens: Vec<UserToken>,
    trusted: Option<TrustedHeader>,
}

impl SignIn {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        let trusted = config.trusted_header.clone();
        Self { users: config.users.clone(), tokens: config.tokens.clone(), trusted }
    }

    /// The user, or why there is none. `peer` is who connects.
    pub(super) fn user(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<String, Refusal> {
        let token = bearer(headers).filter(|_| !self.tokens.is_empty());
        let by_token = token.and_then(|token| self.of_token(token));
        let user = match (by_token, &self.trusted) {
            (Some(user), _) => Some(user),
            (None, Some(trusted)) => trusted.user(headers, peer)?,
            (None, None) => None,
        };
        match user {
            Some(user) if self.users.is_empty() || self.users.contains(&user) => Ok(user),
            Some(user) => Err(Refusal::NotAUser { user }),
            None if token.is_some() => Err(Refusal::WrongToken),
            None => Err(Refusal::NotSignedIn),
        }
    }

    fn of_token(&self, token: &[u8]) -> Option<String> {
        // Compared by digest: how long that takes says nothing about a token that is not known already.
        let digest = hex::encode(Sha256::digest(token));
        self.tokens.iter().find(|known| known.sha256 == digest).map(|known| known.user.clone())
    }
}

impl TrustedHeader {
    /// The user that the proxy names, if it names one.
    fn user(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Option<String>, Refusal> {
        let mut named = headers.get_all(self.name.as_str()).iter();
        let Some(user) = named.next() else { return Ok(None) };
        let peer = peer.map(|peer| peer.to_canonical());
        if !self.proxies.is_empty() && !peer.is_some_and(|peer| self.proxies.contains(&peer)) {
            let peer = peer.map_or("nobody".to_owned(), |peer| peer.to_string());
            return Err(Refusal::NotTheProxy { header: self.name.clone(), peer });
        }
        if let (Some(header), Some(expected)) = (&self.secret_header, &self.secret_sha256) {
            let mut given = headers.get_all(header.as_str()).iter();
            let secret = given.next().filter(|_| given.next().is_none());
            if secret.is_none_or(|secret| hex::encode(Sha256::digest(secret.as_bytes())) != *expected) {
                return Err(Refusal::NoSecret { header: self.name.clone(), secret_header: header.clone() });
            }
        }
        match user.to_str() {
            Ok(user) if is_user(user) && named.next().is_none() => Ok(Some(user.to_owned())),
            _ => Err(Refusal::UnreadableUser { header: self.name.clone() }),
        }
    }
}

/// The one bearer token of a request. Another scheme is the proxy's business.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let only = given.next().filter(|_| given.next().is_none())?;
    let (scheme, token) = only.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::HeaderMap;
    use axum::http::header::HeaderValue;
    use sha2::{Digest as _, Sha256};

    use super::SignIn;
    use crate::config::{GatewayConfig, TrustedHeader, UserToken};

    fn sha256(text: &str) -> String {
        hex::encode(Sha256::digest(text))
    }

    fn asked(config: &GatewayConfig, headers: &[(&'static str, &'static str)], peer: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let peer: IpAddr = peer.parse().expect("an address");
        SignIn::new(config).user(&map, Some(peer)).unwrap_or_else(|refusal| refusal.code().to_owned())
    }

    #[test]
    fn a_token_names_its_user() {
        let tokens = vec![UserToken { user: "alice".into(), sha256: sha256("secret") }];
        let config = GatewayConfig { tokens, ..GatewayConfig::default() };
        for (headers, want) in [
            (vec![("authorization", "Bearer secret")], "alice"),
            (vec![("authorization", "bearer secret")], "alice"),
            (vec![("authorization", "Bearer secret ")], "wrong-token"),
            (vec![("authorization", "Bearer other")], "wrong-token"),
            (vec![("authorization", "Bearer ")], "wrong-token"),
            (vec![("authorization", "Basic c2VjcmV0")], "not-signed-in"),
            (vec![("authorization", "Bearer secret"), ("authorization", "Bearer secret")], "not-signed-in"),
            (vec![("x-forwarded-user", "alice")], "not-signed-in"),
            (vec![], "not-signed-in"),
        ] {
            assert_eq!(asked(&config, &headers, "127.0.0.1"), want, "{headers:?}");
        }
        let config = GatewayConfig { users: vec!["bob".into()], ..config };
        assert_eq!(asked(&config, &[("authorization", "Bearer secret")], "127.0.0.1"), "not-a-user");
    }

    #[test]
    fn a_header_counts_from_the_proxy_only() {
        let header = TrustedHeader {
            name: "X-Forwarded-User".into(),
            proxies: vec!["10.0.0.7".parse().expect("an address")],
            secret_header: Some("X-Proxy-Secret".into()),
            secret_sha256: Some(sha256("shared")),
        };
        let tokens = vec![UserToken { user: "alice".into(), sha256: sha256("secret") }];
        let config = GatewayConfig { tokens, trusted_header: Some(header), ..GatewayConfig::default() };
        let (bob, shared) = (("x-forwarded-user", "bob"), ("x-proxy-secret", "shared"));
        for (headers, peer, want) in [
            (vec![bob, shared], "10.0.0.7", "bob"),
            (vec![bob, shared], "::ffff:10.0.0.7", "bob"),
            (vec![bob, shared], "10.0.0.8", "not-the-proxy"),
            (vec![bob], "10.0.0.7", "not-the-proxy"),
            (vec![bob, ("x-proxy-secret", "guess")], "10.0.0.7", "not-the-proxy"),
            (vec![bob, shared, shared], "10.0.0.7", "not-the-proxy"),
            (vec![bob, bob, shared], "10.0.0.7", "unreadable-user"),
            (vec![("x-forwarded-user", "b ob"), shared], "10.0.0.7", "unreadable-user"),
            (vec![shared], "10.0.0.7", "not-signed-in"),
            (vec![("authorization", "Bearer secret")], "10.0.0.8", "alice"),
            (vec![("authorization", "Bearer of-the-proxy"), bob, shared], "10.0.0.7", "bob"),
        ] {
            assert_eq!(asked(&config, &headers, peer), want, "{headers:?} from {peer}");
        }
    }
}
