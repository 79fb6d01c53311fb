//! Requests to another service of a registry, Notary for one: carried out like those to the registry itself, with the same
//! slots, time limits, redirects, retries and authentication.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::auth::Access;
use crate::client::Client;
use crate::error::{RegistryError, clean};
use crate::stats::RequestKind;
use crate::transport::{Call, Tries};

/// Octets read of the body of an error: enough for its first message with its details.
const MAX_ERROR_BYTES: u64 = 16 * 1024;

/// A request below `/v2/<repository>/` on a host.
#[derive(Debug, Clone)]
pub struct ServiceRequest<'a> {
    /// The host, as `host[:port]`. Its credentials, certificates and slots are used.
    pub host: &'a str,
    /// What tokens are asked for: the repository, or what the service has in its place. The caller has checked that it is a
    /// path of names.
    pub repository: &'a str,
    /// What follows in the path. The caller has checked that it is a path of names.
    pub path: &'a str,
    /// What the request does, for its token.
    pub access: Access,
    /// The method.
    pub method: Method,
    /// The body with its media type.
    pub body: Option<(Bytes, &'a str)>,
    /// Octets of the answer that are read.
    pub limit: u64,
    /// When the answer has to be there. Nothing for what no decision waits for: then the limit for operations counts.
    pub deadline: Option<Instant>,
}

/// An answer that was read: 200, or a status that the service gives for what it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAnswer {
    /// The status.
    pub status: u16,
    /// The body; of an error, what there is of it within 16 KiB.
    pub body: Bytes,
}

impl Client {
    /// Carries out a request to another service. A request that changes something is sent once.
    ///
    /// # Errors
    /// [`RegistryError::Name`] where TLS is neither spoken nor ruled out by configuration; [`RegistryError::TooLarge`]; and
    /// everything that a request can meet before there is an answer. Every status is an answer.
    pub async fn request_service(&self, request: &ServiceRequest<'_>) -> Result<ServiceAnswer, RegistryError> {
        let host = self.transport.host(request.host).await?;
        if host.is_plain_by_default() {
            let reason = format!("this service is asked over TLS: set hosts.\"{}\".tls, or plainHttp", host.name);
            return Err(RegistryError::Name { registry: clean(request.host), reason });
        }
        let octets = request.body.as_ref().map_or(0, |(body, _)| body.len());
        let mut headers = HeaderMap::new();
        if let Some((_, media_type)) = &request.body {
            let value = HeaderValue::from_str(media_type).map_err(|_| RegistryError::Name {
                registry: clean(request.host),
                reason: format!("{:?} is no media type", clean(media_type)),
            })?;
            headers.insert(CONTENT_TYPE, value);
        }
        let call = Call {
            host: &host,
            repository: request.repository,
            access: request.access,
            kind: RequestKind::Trust,
            method: request.method.clone(),
            what: request.path.to_owned(),
            url: host.url(request.repository, request.path),
            headers,
            body: request.body.as_ref().map(|(body, _)| body.clone()),
            deadline: request.deadline.unwrap_or_else(|| self.transport.operation_deadline(octets)),
            tries: if request.method == Method::GET { Tries::Several } else { Tries::One },
        };
        let answer = self.transport.send(&call).await?;
        let status = answer.status();
        let limit = if status == 200 { request.limit } else { MAX_ERROR_BYTES };
        match answer.read(limit, &self.transport.stats).await {
            Ok(body) => Ok(ServiceAnswer { status, body }),
            // What an error says at length, or not to its end, makes it no other error.
            Err(_) if status != 200 => Ok(ServiceAnswer { status, body: Bytes::new() }),
            Err(error) => Err(error),
        }
    }
}
