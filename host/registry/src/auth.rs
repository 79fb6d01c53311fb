//! Authentication: Basic, and bearer tokens from a realm (distribution, docs/content/spec/auth/token.md and oauth.md).

use core::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use moka::future::Cache;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use crate::challenge::{Challenge, parse};
use crate::credentials::{Credential, Found};
use crate::error::{RegistryError, clean};
use crate::transport::{Call, Transport};

/// Tokens and challenges that are remembered. A registry chooses scopes, so their number needs a bound.
const MAX_REMEMBERED: u64 = 4096;

/// What a request does with a repository, in the words of token scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// It reads.
    Pull,
    /// It writes.
    Push,
    /// It does everything, deleting included.
    Admin,
}

/// Which token: the same realm gives another one for another scope or another credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    /// The registry that named the realm: what one registry was given is not shown to another.
    registry: String,
    pub(crate) realm: Url,
    pub(crate) service: String,
    pub(crate) scope: String,
    /// Where the credential stands; empty for an anonymous token.
    origin: String,
}

#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) value: HeaderValue,
    pub(crate) renew: Instant,
}

/// How a repository wants to be asked.
#[derive(Debug, Clone)]
enum Remembered {
    /// With what the credentials say: Basic, or a bearer token of their own.
    Credential,
    Token(TokenKey),
}

/// An `Authorization` value and where it came from.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) value: HeaderValue,
    /// For messages: `a new token from auth.example for repository:app:pull`.
    pub(crate) described: String,
    token: Option<TokenKey>,
}

/// Tokens, and how repositories want to be asked.
pub(crate) struct Tokens {
    tokens: Cache<TokenKey, Token>,
    remembered: Cache<(String, String, Access), Remembered>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { tokens: Cache::new(MAX_REMEMBERED), remembered: Cache::new(MAX_REMEMBERED) }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Transport {
    /// What worked for this repository before, so that most requests meet no 401. A token is renewed before it expires.
    pub(crate) async fn remembered_authorization(&self, call: &Call<'_>) -> Result<Option<Sent>, RegistryError> {
        let Some(remembered) = self.tokens.remembered.get(&memory_key(call)).await else {
            return Ok(None);
        };
        let found = self.find_credential(call).await?;
        match remembered {
            Remembered::Credential => Ok(found.and_then(|found| direct(&found))),
            Remembered::Token(key) => {
                let origin = found.as_ref().map_or("", |found| &found.origin);
                if key.origin != origin {
                    return Ok(None);
                }
                self.token(call, key, found.as_ref()).await.map(Some)
            }
        }
    }

    /// Answers the challenges of a 401 with a new token, or with the credentials themselves.
    pub(crate) async fn answer_challenge(
        &self,
        call: &Call<'_>,
        headers: &HeaderMap,
        refused: Option<Sent>,
    ) -> Result<Sent, RegistryError> {
        let challenges: Vec<Challenge> =
            headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).flat_map(parse).collect();
        let by_scheme = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let found = self.find_credential(call).await?;
        if let Some(sent) =
            found.as_ref().filter(|found| matches!(found.credential, Credential::Bearer(_))).and_then(direct)
        {
            return self.keep(call, Remembered::Credential, sent).await;
        }
        if let Some(challenge) = by_scheme("bearer").filter(|challenge| challenge.parameters.contains_key("realm")) {
            let key = token_key(call, challenge, found.as_ref())?;
            // The token that was just refused must not be found again; one that another request got since then may be.
            let cached = self.tokens.tokens.get(&key).await;
            if cached.is_some_and(|token| refused.as_ref().is_some_and(|refused| refused.value == token.value)) {
                self.tokens.tokens.invalidate(&key).await;
            }
            let sent = self.token(call, key.clone(), found.as_ref()).await?;
            return self.keep(call, Remembered::Token(key), sent).await;
        }
        if by_scheme("basic").is_some() {
            let sent = found.as_ref().and_then(direct).ok_or_else(|| {
                refusal(
                    call,
                    match found {
                        Some(found) => format!("Basic is asked for, and {} has only an identity token", found.origin),
                        None => format!("Basic is asked for, and no credentials are configured for {}", call.host.name),
                    },
                )
            })?;
            return self.keep(call, Remembered::Credential, sent).await;
        }
        let schemes: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
        let offered = if schemes.is_empty() { "none".to_owned() } else { clean(&schemes.join(", ")) };
        Err(refusal(
            call,
            format!("HTTP 401, and it offers neither Basic nor Bearer with a realm (offered: {offered})"),
        ))
    }

    /// Forgets what did not work.
    pub(crate) async fn forget(&self, call: &Call<'_>, sent: &Sent) {
        self.tokens.remembered.invalidate(&memory_key(call)).await;
        if let Some(key) = &sent.token {
            self.tokens.tokens.invalidate(key).await;
        }
    }

    async fn keep(&self, call: &Call<'_>, remembered: Remembered, sent: Sent) -> Result<Sent, RegistryError> {
        self.tokens.remembered.insert(memory_key(call), remembered).await;
        Ok(sent)
    }

    async fn find_credential(&self, call: &Call<'_>) -> Result<Option<Found>, RegistryError> {
        self.credentials.find(&call.host.name, call.repository).await.map_err(|reason| refusal(call, reason))
    }

    /// The token for a key: a remembered one that is fresh, or a new one. Concurrent requests wait for one realm
    /// request.
    async fn token(&self, call: &Call<'_>, key: TokenKey, found: Option<&Found>) -> Result<Sent, RegistryError> {
        let realm = crate::host::authority(&key.realm);
        let described =
            format!("a new token from {realm} for {}", if key.scope.is_empty() { "no scope" } else { &key.scope });
        if self.tokens.tokens.get(&key).await.is_some_and(|token| token.renew <= Instant::now()) {
            self.tokens.tokens.invalidate(&key).await;
        }
        let token = self
            .tokens
            .tokens
            .try_get_with_by_ref(&key, self.request_token(call, &key, found))
            .await
            .map_err(Arc::unwrap_or_clone)?;
        Ok(Sent { value: token.value, described: clean(&described), token: Some(key) })
    }
}

fn memory_key(call: &Call<'_>) -> (String, String, Access) {
    (call.host.name.clone(), call.repository.to_owned(), call.access)
}

/// Checks where a challenge sends us, before anything goes there.
fn token_key(call: &Call<'_>, challenge: &Challenge, found: Option<&Found>) -> Result<TokenKey, RegistryError> {
    let parameter = |name: &str| challenge.parameters.get(name).cloned().unwrap_or_default();
    let realm = parameter("realm");
    let url = Url::parse(&realm).map_err(|_| refusal(call, format!("realm {:?} is not a URL", clean(&realm))))?;
    call.host.allow_realm(&url).map_err(|reason| RegistryError::Redirect {
        registry: call.host.name.clone(),
        request: call.label(),
        target: clean(&format!("{}://{}", url.scheme(), crate::host::authority(&url))),
        reason,
    })?;
    let scope = Some(parameter("scope")).filter(|scope| !scope.is_empty()).unwrap_or_else(|| {
        let actions = match call.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
            Access::Admin => "*",
        };
        format!("repository:{}:{actions}", call.repository)
    });
    Ok(TokenKey {
        registry: call.host.name.clone(),
        realm: url,
        service: parameter("service"),
        scope,
        origin: found.map(|found| found.origin.clone()).unwrap_or_default(),
    })
}

/// The credential itself as an `Authorization` value, where it can be one.
fn direct(found: &Found) -> Option<Sent> {
    let value = match &found.credential {
        Credential::Password { username, password } => basic(username, password.expose())?,
        Credential::Bearer(token) => bearer(token.expose())?,
        Credential::Identity(_) => return None,
    };
    Some(Sent { value, described: format!("the credentials of {}", found.origin), token: None })
}

pub(crate) fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let text = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
    sensitive(&text)
}

pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&Zeroizing::new(format!("Bearer {token}")))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub(crate) fn refusal(call: &Call<'_>, reason: String) -> RegistryError {
    RegistryError::Authentication { registry: call.host.name.clone(), request: call.label(), reason }
}
