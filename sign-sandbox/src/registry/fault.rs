//! The registry's ways to misbehave on request.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::Registry;
use super::error::{ErrorCode, Refusal};
use crate::fault::Fault;

/// Longer than any client should wait for a registry.
const HANG: Duration = Duration::from_secs(60);
/// What a throttled client is told to wait, in seconds; short, so that tests of retries are.
const RETRY_AFTER: &str = "1";

impl Registry {
    /// The refusal that a fault puts in the place of the answer.
    pub(super) async fn misbehave(&self, method: &Method, path: &str) -> Option<Refusal> {
        if self.faults.is(Fault::RegistryHang) {
            tokio::time::sleep(HANG).await;
        }
        let writing = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        if self.faults.is(Fault::Registry401) {
            Some(self.unauthorized(path, "no credentials are good enough"))
        } else if self.faults.is(Fault::Registry404) {
            Some(Refusal::new(ErrorCode::NameUnknown, "nothing is here"))
        } else if self.faults.is(Fault::Registry429) {
            let refusal = Refusal::new(ErrorCode::TooManyRequests, "slow down");
            Some(refusal.header(header::RETRY_AFTER, RETRY_AFTER))
        } else if self.faults.is(Fault::Registry500)
            || (self.faults.is(Fault::RegistryReadOnly) && writing && path != "/token")
        {
            Some(Refusal::new(ErrorCode::Internal, "the registry is broken"))
        } else {
            None
        }
    }

    /// Changes or cuts the body of an answer.
    pub(super) async fn spoil(&self, method: &Method, path: &str, response: Response) -> Response {
        let tamper = self.faults.is(Fault::RegistryTamper)
            && *method == Method::GET
            && (path.contains("/manifests/") || path.contains("/blobs/sha"))
            && matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        let cut = self.faults.is(Fault::RegistryCut) && *method != Method::HEAD;
        if !tamper && !cut {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        // Our own bodies are whole in memory already.
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        let bytes = if tamper { changed(&bytes) } else { bytes };
        if !cut || bytes.is_empty() {
            return Response::from_parts(parts, Body::from(bytes));
        }
        // A promise of everything, and an end after half of it.
        parts.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        let half = bytes.slice(..bytes.len() / 2);
        let end = async {
            // A pause makes hyper send what it has; without one it drops that with the connection.
            tokio::task::yield_now().await;
            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
        };
        let chunks = stream::iter([Ok(half)]).chain(stream::once(end));
        Response::from_parts(parts, Body::from_stream(chunks))
    }
}

/// `bytes` with the one in the middle changed.
fn changed(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes.into()
}
