//! Requests to token realms (distribution, docs/content/spec/auth/token.md and oauth.md).

use core::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::auth::{Token, TokenKey, basic, bearer, refusal};
use crate::body::{Answer, Progress};
use crate::credentials::{Credential, Found};
use crate::error::{RegistryError, clean};
use crate::retry::{backoff, is_temporary, retry_after, wall_clock};
use crate::secret::Secret;
use crate::stats::RequestKind;
use crate::transport::{Call, Transport, before};

/// Octets of a token realm's answer. Tokens of large organisations are some kilobytes.
const MAX_TOKEN_BYTES: u64 = 256 * 1024;

/// Seconds that a token is used at most, whatever its realm says.
const MAX_TOKEN_SECONDS: u64 = 3600;

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<u64>,
}

impl Transport {
    /// Asks a realm: by POST with a refresh token, else by GET with Basic, else by GET with nothing.
    pub(crate) async fn request_token(
        &self,
        call: &Call<'_>,
        key: &TokenKey,
        found: Option<&Found>,
    ) -> Result<Token, RegistryError> {
        let mut answer = None;
        if let Some(Found { credential: Credential::Identity(token), .. }) = found {
            let form = Zeroizing::new(
                url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("refresh_token", token.expose())
                    .append_pair("service", &key.service)
                    .append_pair("scope", &key.scope)
                    .append_pair("client_id", "bulla")
                    .finish(),
            );
            let posted = self.ask_realm(call, || {
                let mut request = reqwest::Request::new(Method::POST, key.realm.clone());
                request
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
                *request.body_mut() = Some(reqwest::Body::from(form.as_bytes().to_vec()));
                request
            });
            // Realms from before OAuth2 know only GET.
            answer = Some(posted.await?).filter(|posted| !matches!(posted.status(), 404 | 405));
        }
        let answer = match answer {
            Some(answer) => answer,
            None => {
                let mut url = key.realm.clone();
                if !key.service.is_empty() {
                    url.query_pairs_mut().append_pair("service", &key.service);
                }
                for scope in key.scope.split(' ').filter(|scope| !scope.is_empty()) {
                    url.query_pairs_mut().append_pair("scope", scope);
                }
                let basic = found.and_then(|found| match &found.credential {
                    Credential::Password { username, password } => basic(username, password.expose()),
                    Credential::Identity(token) => basic("<token>", token.expose()),
                    Credential::Bearer(_) => None,
                });
                self.ask_realm(call, || {
                    let mut request = reqwest::Request::new(Method::GET, url.clone());
                    if let Some(value) = &basic {
                        request.headers_mut().insert(AUTHORIZATION, value.clone());
                    }
                    request
                })
                .await?
            }
        };
        if answer.status() != 200 {
            let as_whom =
                found.map_or_else(|| "without credentials".to_owned(), |found| format!("with {}", found.origin));
            let error = answer.into_error(&self.stats).await;
            return Err(refusal(call, format!("{} ({as_whom})", after_registry(&error, &call.host.name))));
        }
        let unusable = |what: &str| refusal(call, format!("token from {}: {what}", crate::host::authority(&key.realm)));
        let body = Zeroizing::new(answer.read(MAX_TOKEN_BYTES, &self.stats).await?.to_vec());
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| unusable("the answer is not JSON with a token"))?;
        let given = |text: Option<Secret>| text.filter(|text| !text.expose().is_empty());
        let token =
            given(answer.token).or_else(|| given(answer.access_token)).ok_or_else(|| unusable("none in the answer"))?;
        let value = bearer(token.expose()).ok_or_else(|| unusable("characters that a header cannot have"))?;
        // The default of 60 seconds is the specification's. Renewed after four fifths of its life.
        let seconds = answer.expires_in.unwrap_or(60).min(MAX_TOKEN_SECONDS);
        let life = Duration::from_secs(seconds).mul_f64(0.8);
        let now = Instant::now();
        Ok(Token { value, renew: now.checked_add(life).unwrap_or(now) })
    }

    /// One request to a realm, again where that helps. Redirects are not followed: the realm was checked, its redirects
    /// were not.
    async fn ask_realm(
        &self,
        call: &Call<'_>,
        request: impl Fn() -> reqwest::Request,
    ) -> Result<Answer, RegistryError> {
        let started = Instant::now();
        let mut retry = 0;
        loop {
            let request = request();
            let label = format!(
                "{} {}{}",
                request.method(),
                crate::host::authority(request.url()),
                clean(request.url().path())
            );
            let permit = self.permit(call.host, &label, call.deadline).await?;
            let result = self
                .exchange(call.host, RequestKind::Token, request, &label, self.answer_within(0), call.deadline)
                .await;
            let pause = match &result {
                Err(RegistryError::Connect { .. }) => backoff(self.limits(), retry),
                Ok(response) if is_temporary(response.status().as_u16()) => {
                    retry_after(response.headers(), wall_clock()).unwrap_or_else(|| backoff(self.limits(), retry))
                }
                _ => Duration::MAX,
            };
            if retry >= self.limits().retries || !before(call.deadline, pause) {
                return result.map(|response| Answer {
                    registry: call.host.name.clone(),
                    request: label,
                    response,
                    progress: Progress::new(self.limits(), started, Some(call.deadline)),
                    permit: Some(permit),
                });
            }
            drop((result, permit));
            tokio::time::sleep(pause).await;
            retry = retry.saturating_add(1);
            self.stats.retry();
        }
    }
}

/// An error's sentence without the registry at its start, which the outer sentence names already.
fn after_registry(error: &RegistryError, registry: &str) -> String {
    let text = error.to_string();
    text.strip_prefix(registry).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text).to_owned()
}
