//! The services: admission webhook, enforcing proxy, page, health and metrics.
//!
//! Nothing here decides anything. Every decision is the module's ([`Decider`]); what is here listens, limits, asks, and
//! answers in the words of the protocol. When there is no verdict the answer is *unknown*, which denies unless the
//! configuration says otherwise in so many words.
//!
//! | file | subject |
//! | --- | --- |
//! | `config.rs`, `config_page.rs`, `config_read.rs`, `check.rs` | the configuration file, and `serve --check` |
//! | `policies.rs`, `reload.rs` | policy files, and their change while the services run |
//! | `decider.rs`, `clock.rs` | from an image to a verdict |
//! | `recorder.rs` | its record |
//! | `admission.rs`, `review.rs` | the webhook: HTTP, and one review from question to response |
//! | `proxy/` | the registry that serves only what was accepted |
//! | `http.rs`, `page.rs`, `metrics.rs` | health, the page's files, metrics |
//! | `gateway/` | what the page cannot do: ask registries, and push |
//! | `tls.rs`, `self_signed.rs` | certificates |
//! | `server.rs`, `listener.rs`, `body.rs` | start, stop, listening, reading bodies |

mod admission;
mod body;
mod check;
mod clock;
mod config;
mod config_page;
mod config_read;
mod decider;
mod gateway;
mod http;
mod listener;
mod metrics;
mod page;
mod policies;
mod proxy;
mod recorder;
mod reload;
mod review;
mod self_signed;
mod server;
mod tls;

pub use clock::now;
pub use config::{
    Config, EngineConfig, GatewayConfig, HttpConfig, PageConfig, ProxyConfig, REFERENCE, RecordsConfig, Tls,
    TrustedHeader, UserToken, WebhookConfig, WhenUnknown,
};
pub use config_read::ConfigError;
pub use decider::{Circumstances, Decided, Decider, Outcome};
pub use metrics::{Metrics, Surface};
pub use policies::{Loaded, MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES, PolicyError, PolicyFiles};
pub use recorder::Recorder;
pub use server::{Running, start};
