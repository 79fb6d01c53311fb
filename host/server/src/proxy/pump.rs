//! Keeps a stalled client from holding a place: octets go through a short queue, and who takes none for too long loses
//! the stream.

use std::time::Duration;

use bulla_registry::RegistryError;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::warn;

/// Parts that wait for the client. A part has 64 KiB at most from a layout, and what one read gives from a registry.
const WAITING: usize = 4;
/// Time in which a client must take the next part. 10 s: with parts of 64 KiB that is 6.5 KB/s, slower than any line that
/// pulls images, and few enough seconds that nobody keeps a place for long by reading a little.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pumps a blob to a client. The slot is given back when the stream ends, breaks off, is dropped, or stalls. A body that
/// ends before its `Content-Length` breaks the connection off, so that nobody takes a part for the whole.
pub(super) fn pump(
    blob: String,
    mut parts: BoxStream<'static, Result<Bytes, RegistryError>>,
    slot: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, RegistryError>> + Send + 'static {
    let (client, queue) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let _slot = slot;
        while let Some(part) = parts.next().await {
            let broken = part.as_ref().err().map(ToString::to_string);
            match tokio::time::timeout(PATIENCE, client.send(part)).await {
                Ok(Ok(())) => {}
                // The client has gone.
                Ok(Err(_)) => return,
                Err(_) => {
                    warn!(%blob, seconds = PATIENCE.as_secs(), "a client took nothing and lost its blob");
                    return;
                }
            }
            if let Some(error) = broken {
                warn!(%blob, %error, "a blob broke off on its way");
                return;
            }
        }
    });
    stream::unfold(queue, |mut queue| async move { queue.recv().await.map(|part| (part, queue)) })
}
