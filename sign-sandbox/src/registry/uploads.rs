//! Blob uploads: in one go, in chunks, or mounted from another repository.

use std::sync::Arc;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::error::{ErrorCode, Refusal};
use super::names::{self, Digest};
use super::store::Upload;
use super::{CONTENT_DIGEST, Call, Registry, auth, empty, read};
use crate::pki;

/// Blobs live in memory; more than this is a mistake or an attack.
const MAX_BLOB: usize = 4 << 30;
/// Sessions that clients began and never ended must not pile up for ever.
const MAX_SESSIONS: usize = 1024;
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Registry {
    /// POST: a mount, a whole blob, or the start of a session.
    pub(super) async fn start_upload(&self, call: Call) -> Result<Response, Refusal> {
        if let Some(digest) = call.query("mount") {
            let digest = Digest::parse(digest)?;
            if self.mount(&call, &digest) {
                return created(&call.name, &digest);
            }
            // distribution-spec, "Mounting a blob from another repository": what cannot be mounted is uploaded.
            return self.session(&call);
        }
        if let Some(digest) = call.query("digest") {
            let digest = Digest::parse(digest)?;
            let mut bytes = Vec::new();
            read(call.body, &mut bytes, MAX_BLOB).await?;
            return self.keep(&call.name, digest, bytes).await;
        }
        self.session(&call)
    }

    /// Copies a blob that the caller may read; without `from`, one that is in the repository already.
    fn mount(&self, call: &Call, digest: &Digest) -> bool {
        let from = call.query("from").unwrap_or(&call.name);
        // A push token for one repository must not read another.
        if !names::is_name(from) || !call.access.allows(from, auth::PULL) {
            return false;
        }
        let mut store = self.store();
        let Some(blob) = store.get(from).and_then(|repository| repository.blobs.get(digest)).cloned() else {
            return false;
        };
        store.open(&call.name).blobs.insert(digest.clone(), blob);
        true
    }

    fn session(&self, call: &Call) -> Result<Response, Refusal> {
        let id = hex::encode(pki::random::<16>());
        let mut store = self.store();
        if store.uploads.len() >= MAX_SESSIONS {
            return Err(Refusal::new(ErrorCode::TooManyRequests, "too many uploads are open"));
        }
        store.uploads.insert(id.clone(), Upload { repository: call.name.clone(), data: Arc::default() });
        progress(StatusCode::ACCEPTED, &call.name, &id, 0)
    }

    fn upload(&self, name: &str, id: &str) -> Result<Upload, Refusal> {
        let upload = self.store().uploads.get(id).filter(|upload| upload.repository == name).cloned();
        upload.ok_or_else(|| Refusal::new(ErrorCode::BlobUploadUnknown, "blob upload unknown to registry"))
    }

    /// GET: how far a session is.
    pub(super) async fn upload_status(&self, name: &str, id: &str) -> Result<Response, Refusal> {
        let length = self.upload(name, id)?.data.lock().await.len();
        progress(StatusCode::NO_CONTENT, name, id, length)
    }

    /// PATCH: one more chunk, or a whole blob as a stream.
    pub(super) async fn append(&self, call: Call, id: &str) -> Result<Response, Refusal> {
        let upload = self.upload(&call.name, id)?;
        let mut data = upload.data.lock().await;
        let name = call.name.clone();
        chunk(call, id, &mut data).await?;
        progress(StatusCode::ACCEPTED, &name, id, data.len())
    }

    /// PUT: the last chunk, if there is one, and the digest of everything.
    pub(super) async fn finish_upload(&self, call: Call, id: &str) -> Result<Response, Refusal> {
        let upload = self.upload(&call.name, id)?;
        let digest = call.query("digest").map(Digest::parse).transpose()?;
        let digest = digest.ok_or_else(|| Refusal::new(ErrorCode::DigestInvalid, "the digest is missing"))?;
        let name = call.name.clone();
        let mut data = upload.data.lock().await;
        chunk(call, id, &mut data).await?;
        // Of two requests that end a session at once, the second finds it gone.
        if self.store().uploads.remove(id).is_none() {
            return Err(Refusal::new(ErrorCode::BlobUploadUnknown, "the upload has ended"));
        }
        self.keep(&name, digest, std::mem::take(&mut *data)).await
    }

    /// DELETE: gives a session up.
    pub(super) fn cancel_upload(&self, call: &Call, id: &str) -> Result<Response, Refusal> {
        self.upload(&call.name, id)?;
        self.store().uploads.remove(id);
        empty(StatusCode::NO_CONTENT, &[])
    }

    /// Stores a blob whose digest is right.
    async fn keep(&self, name: &str, digest: Digest, bytes: Vec<u8>) -> Result<Response, Refusal> {
        let bytes = Bytes::from(bytes);
        // Hashing a large blob takes long enough to hold up other connections.
        let (blob, claimed) = (bytes.clone(), digest.clone());
        let matches = tokio::task::spawn_blocking(move || claimed.matches(&blob)).await;
        if !matches.map_err(|error| Refusal::new(ErrorCode::Internal, error.to_string()))? {
            return Err(Refusal::new(ErrorCode::DigestInvalid, "the content has another digest")
                .detail(serde_json::json!({"digest": digest.as_str()})));
        }
        self.store().open(name).blobs.insert(digest.clone(), bytes);
        created(name, &digest)
    }
}

/// Appends the body to `data`; a chunk whose Content-Range does not hold leaves no trace.
async fn chunk(call: Call, id: &str, data: &mut Vec<u8>) -> Result<(), Refusal> {
    let before = data.len();
    let range = match call.header(header::CONTENT_RANGE) {
        None => None,
        Some(text) => {
            // distribution-spec, "Pushing a blob in chunks": `<start>-<end>`, both inclusive.
            let range = parse_range(text);
            if range.is_none_or(|(start, _)| start != before) {
                let location = location(&call.name, id, before);
                return Err(Refusal::new(ErrorCode::RangeInvalid, "the chunk does not follow the last one")
                    .header(header::LOCATION, &location)
                    .header(header::RANGE, &so_far(before)));
            }
            range
        }
    };
    let outcome = read(call.body, data, MAX_BLOB).await;
    if let Some((start, end)) = range
        && outcome.is_ok()
        && data.len() != end.saturating_add(1)
    {
        data.truncate(start);
        return Err(Refusal::new(ErrorCode::SizeInvalid, "the chunk is not as long as its range"));
    }
    outcome
}

fn parse_range(text: &str) -> Option<(usize, usize)> {
    let (start, end) = text.strip_prefix("bytes ").unwrap_or(text).split_once('-')?;
    let end = end.split('/').next().unwrap_or(end);
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (start <= end).then_some((start, end))
}

/// The range of what has arrived; nothing is `0-0`, as other registries say it.
fn so_far(length: usize) -> String {
    format!("0-{}", length.saturating_sub(1))
}

/// Relative and with a query of its own, as the spec allows: clients must keep both.
fn location(name: &str, id: &str, length: usize) -> String {
    format!("/v2/{name}/blobs/uploads/{id}?_state={length}")
}

fn progress(status: StatusCode, name: &str, id: &str, length: usize) -> Result<Response, Refusal> {
    let (location, range) = (location(name, id, length), so_far(length));
    let headers = [(header::LOCATION, location.as_str()), (header::RANGE, &range), (UPLOAD_ID, id)];
    let mut response = empty(status, &headers)?;
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6: no length with 204.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    Ok(response)
}

fn created(name: &str, digest: &Digest) -> Result<Response, Refusal> {
    let location = format!("/v2/{name}/blobs/{digest}");
    empty(StatusCode::CREATED, &[(header::LOCATION, &location), (CONTENT_DIGEST, digest.as_str())])
}
