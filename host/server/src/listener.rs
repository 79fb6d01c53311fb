//! One listener: an address, HTTP with time limits, TLS where it is asked for, and a graceful end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::task::JoinHandle;

/// Time for the headers of a request (HTTP/1), and for a TLS handshake.
const HEADERS: Duration = Duration::from_secs(10);

/// A listener that runs.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

impl Listener {
    /// Binds and begins to serve. Port 0 takes a free one; [`address`](Self::address) says which.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) fn start(name: &str, at: SocketAddr, app: Router, tls: Option<RustlsConfig>) -> anyhow::Result<Self> {
        let bound = || {
            let socket = TcpListener::bind(at)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok::<_, io::Error>((axum_server::from_tcp(socket)?, address))
        };
        let (server, address) = bound().with_context(|| format!("{name}.listen: cannot listen on {at}"))?;
        let handle = Handle::new();
        // Who connects: a trusted proxy is known by that.
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let task = match tls {
            // HTTP/1 only, here and below: telling the versions apart would wait for the first octets without a limit.
            None => {
                let mut server = server.http1_only().handle(handle.clone());
                limit(server.http_builder());
                tokio::spawn(server.serve(app))
            }
            Some(config) => {
                let acceptor = RustlsAcceptor::new(config).handshake_timeout(HEADERS);
                let mut server = server.acceptor(acceptor).http1_only().handle(handle.clone());
                limit(server.http_builder());
                tokio::spawn(server.serve(app))
            }
        };
        Ok(Self { address, handle, task })
    }

    /// Takes no more connections, lets running requests end within `grace`, and then ends what is left.
    pub(crate) async fn stop(self, grace: Duration) {
        self.handle.graceful_shutdown(Some(grace));
        let patience = grace.saturating_add(Duration::from_secs(1));
        if tokio::time::timeout(patience, self.task).await.is_err() {
            self.handle.shutdown();
        }
    }
}

/// Limits in time on every connection.
fn limit(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
}
