//! The gateway: what the page cannot do from a browser, done for a signed-in user (docs/gateway.md). It asks registries and
//! pushes; it decides nothing, and keeps nothing of what a user types.
//!
//! | file | subject |
//! | --- | --- |
//! | `door.rs` | requests of this very page, and no other site's |
//! | `sign_in.rs` | who asks: a token, or a header of a proxy |
//! | `accounts.rs` | how much one user asks for |
//! | `places.rs` | which repositories |
//! | `login.rs` | the user's own registry credentials, for one request |
//! | `fetch.rs` | needs to evidence |
//! | `push.rs` | a push plan, carried out |
//! | `refusal.rs` | every answer that is an error |

mod accounts;
mod door;
mod fetch;
mod login;
mod places;
mod push;
mod refusal;
mod sign_in;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use bulla_registry::Credential;
use bytes::Bytes;
use tracing::info;

use crate::body::{self, BodyError};
use crate::config::GatewayConfig;
use crate::decider::Decider;
use accounts::{Accounts, Place};
use door::Door;
use places::Places;
use refusal::Refusal;
use sign_in::SignIn;

/// The media type of a message in the module's framing.
const MESSAGE: &str = "application/vnd.bulla.message";
/// Octets of a list of needs. 4 MiB: 4,096 needs with names as long as they may be.
const MAX_NEEDS_BYTES: usize = 4 * 1024 * 1024;

struct Gateway {
    decider: Arc<Decider>,
    config: GatewayConfig,
    door: Door,
    sign_in: SignIn,
    accounts: Accounts,
    places: Places,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Fetch,
    Push,
}

/// An answer that is none of an error.
struct Done {
    body: Bytes,
    media_type: &'static str,
    /// Needs that were answered, blobs that were planned.
    count: usize,
}

/// `POST fetch` and `POST push`.
pub(crate) fn router(decider: Arc<Decider>, config: &GatewayConfig, names: &[String]) -> Router {
    let gateway = Gateway {
        decider,
        door: Door::new(names),
        sign_in: SignIn::new(config),
        accounts: Accounts::new(config),
        places: Places::new(&config.registries),
        config: config.clone(),
    };
    let answer = |what: What| {
        post(async move |State(gateway): State<Arc<Gateway>>, request: Request| gateway.answer(what, request).await)
    };
    Router::new().route("/fetch", answer(What::Fetch)).route("/push", answer(What::Push)).with_state(Arc::new(gateway))
}

impl What {
    /// The word used in the log and as a label.
    const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Push => "push",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Fetch => "application/json",
            Self::Push => MESSAGE,
        }
    }
}

impl Gateway {
    async fn answer(self: &Arc<Self>, what: What, request: Request) -> Response {
        let begun = Instant::now();
        let (mut parts, body) = request.into_parts();
        // Out of the headers before anything else looks at them.
        let login = login::take(&mut parts.headers);
        let mut user = None;
        let done = match self.admit(what, &parts).await {
            Ok((who, place)) => {
                user = Some(who.clone());
                self.work(what, who, place, login, parts, body).await
            }
            Err(refusal) => Err(refusal),
        };
        let result = done.as_ref().map_or_else(Refusal::result, |_| "served");
        self.decider.metrics().asked_for_page(what.name(), result);
        info!(
            target: "bulla::gateway",
            what = what.name(),
            user,
            result,
            count = done.as_ref().map_or(0, |done| done.count),
            octets = done.as_ref().map_or(0, |done| done.body.len()),
            code = done.as_ref().err().map(Refusal::code),
            problem = done.as_ref().err().map(Refusal::message),
            millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered",
        );
        let mut response = match done {
            Ok(Done { body, media_type, .. }) => {
                let mut response = Response::new(Body::from(body));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
                response
            }
            Err(refusal) => refusal.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    /// Who asks, and a place for the request. Nothing of the body is read before.
    async fn admit(&self, what: What, parts: &Parts) -> Result<(String, Place), Refusal> {
        self.door.check(&parts.headers, what.media_type())?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let user = self.sign_in.user(&parts.headers, peer)?;
        let place = self.accounts.enter(&user).await?;
        Ok((user, place))
    }

    async fn work(
        self: &Arc<Self>,
        what: What,
        user: String,
        place: Place,
        login: Result<Option<Credential>, Refusal>,
        parts: Parts,
        body: Body,
    ) -> Result<Done, Refusal> {
        let login = login?;
        match what {
            What::Fetch => {
                let within = self.config.fetch_within();
                let deadline = Instant::now().checked_add(within).unwrap_or_else(Instant::now);
                let body = read(&parts, body, MAX_NEEDS_BYTES, within / 2).await?;
                let done = self.fetch(&body, login, deadline).await;
                drop(place);
                done
            }
            What::Push => {
                let within = self.config.push_within();
                let body = read(&parts, body, self.config.push_bytes, within / 2).await?;
                let gateway = Arc::clone(self);
                let runtime = tokio::runtime::Handle::current();
                // A task of its own: a reader who leaves does not end a push halfway, and each one is logged. On a thread of
                // its own: what merges under a tag is a closure that the compiler cannot prove to be movable.
                let pushing = tokio::task::spawn_blocking(move || {
                    let done = runtime.block_on(gateway.push(&user, &body, login, within));
                    drop(place);
                    done
                });
                pushing.await.unwrap_or_else(|stopped| Err(Refusal::Stopped { reason: stopped.to_string() }))
            }
        }
    }
}

async fn read(parts: &Parts, body: Body, limit: usize, within: Duration) -> Result<Bytes, Refusal> {
    body::read(&parts.headers, body, limit, within).await.map_err(|problem| match problem {
        BodyError::TooLarge => Refusal::TooLarge { limit },
        BodyError::TooSlow => Refusal::TooSlow { within },
        BodyError::Broken => Refusal::Broken,
    })
}
