//! Rekor v1: entries with a signed timestamp, an inclusion proof and a checkpoint.
//!
//! Source: Rekor's OpenAPI document and its JSON schemas of `hashedrekord` and `dsse`.

mod body;
mod log;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::log::{Added, Log};
use crate::clock::Clock;
use crate::fault::{Fault, Faults};
use crate::note::{self, NoteKey};
use crate::pki::BoxError;

/// The whole payload travels in the request, and one of 50 MB must pass.
const MAX_BODY: usize = 128 * 1024 * 1024;
/// Most entries looked up at once, as in Rekor.
const MAX_LOOKUPS: usize = 10;

/// The log and its endpoints.
pub(crate) struct RekorV1 {
    log: Log,
    faults: Faults,
}

impl RekorV1 {
    /// An empty log with a new key.
    pub(crate) fn new(clock: Clock, faults: Faults) -> Result<Self, BoxError> {
        Ok(Self { log: Log::new(clock)?, faults })
    }

    /// The log's key, DER.
    pub(crate) fn public_key_der(&self) -> Vec<u8> {
        self.log.public_key_der().to_vec()
    }

    /// SHA-256 of the key.
    pub(crate) fn log_id(&self) -> [u8; 32] {
        self.log.id()
    }

    /// The key, as it signs checkpoints.
    pub(crate) fn note_key(&self) -> &dyn NoteKey {
        &self.log
    }

    /// The endpoints.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/v1/log", get(info))
            .route("/api/v1/log/publicKey", get(public_key))
            .route("/api/v1/log/entries", post(create).get(by_index))
            .route("/api/v1/log/entries/retrieve", post(retrieve))
            .route("/api/v1/log/entries/{uuid}", get(by_uuid))
            .fallback(async || refuse(StatusCode::NOT_FOUND, "no such endpoint"))
            .method_not_allowed_fallback(async || refuse(StatusCode::METHOD_NOT_ALLOWED, "no such method"))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    fn down(&self) -> Option<Response> {
        self.faults.is(Fault::RekorDown).then(|| refuse(StatusCode::INTERNAL_SERVER_ERROR, "rekor is down"))
    }

    /// `{uuid: entry}`, with the faults that are on.
    fn answer(&self, index: usize) -> Option<(String, Value)> {
        let uuid = self.log.uuid(index)?;
        let mut entry = self.log.entry(index)?;
        let text = |entry: &Value, pointer: &str| entry.pointer(pointer)?.as_str().map(str::to_owned);
        let mut change = |pointer: &str, value: String| {
            if let Some(at) = entry.pointer_mut(pointer) {
                *at = value.into();
            }
        };
        let original = self.log.entry(index)?;
        if self.faults.is(Fault::RekorBadProof) {
            let root = text(&original, "/verification/inclusionProof/rootHash")?;
            change("/verification/inclusionProof/rootHash", hex::encode(Sha256::digest(root)));
        }
        if self.faults.is(Fault::RekorBadCheckpoint) {
            let checkpoint = text(&original, "/verification/inclusionProof/checkpoint")?;
            change("/verification/inclusionProof/checkpoint", note::broken(&checkpoint));
        }
        if self.faults.is(Fault::RekorBadSet) {
            let mut set = STANDARD.decode(text(&original, "/verification/signedEntryTimestamp")?).ok()?;
            *set.last_mut()? ^= 1;
            change("/verification/signedEntryTimestamp", STANDARD.encode(set));
        }
        Some((uuid, entry))
    }
}

async fn create(State(rekor): State<Arc<RekorV1>>, request: Result<Bytes, BytesRejection>) -> Response {
    if let Some(response) = rekor.down() {
        return response;
    }
    let request = match request {
        Ok(request) => request,
        Err(rejection) => return refuse(rejection.status(), "the body is too long or cut off"),
    };
    let canonical = tokio::task::spawn_blocking(move || {
        body::canonical(&request).map_err(|error| match body::lacks_members(&request) {
            true => (StatusCode::UNPROCESSABLE_ENTITY, error),
            false => (StatusCode::BAD_REQUEST, error),
        })
    });
    let mut canonical = match canonical.await {
        Ok(Ok(canonical)) => canonical,
        Ok(Err((status, error))) => return refuse(status, &format!("error processing entry: {error}")),
        Err(error) => return refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    if rekor.faults.is(Fault::RekorOtherHash) {
        canonical = other_hash(&canonical);
    }
    let (index, status) = match rekor.log.add(canonical) {
        Added::New(index) => (index, StatusCode::CREATED),
        Added::Exists(index) => (index, StatusCode::CONFLICT),
    };
    let Some((uuid, entry)) = rekor.answer(index) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the entry was lost");
    };
    let location = format!("/api/v1/log/entries/{uuid}");
    let mut response = if status == StatusCode::CREATED {
        (status, Json(json!({ uuid.as_str(): entry }))).into_response()
    } else {
        refuse(
            status,
            &format!("an equivalent entry already exists in the transparency log with UUID {uuid}"),
        )
    };
    let headers = response.headers_mut();
    for (name, value) in [(header::LOCATION, location), (header::ETAG, uuid)] {
        headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
    }
    response
}

/// The same entry about something else: every digest in it is another one.
fn other_hash(canonical: &[u8]) -> Vec<u8> {
    let Ok(mut entry) = serde_json::from_slice::<Value>(canonical) else { return canonical.to_vec() };
    for pointer in ["/spec/data/hash/value", "/spec/payloadHash/value"] {
        if let Some(value) = entry.pointer_mut(pointer) {
            *value = hex::encode(Sha256::digest(value.to_string())).into();
        }
    }
    serde_json_canonicalizer::to_vec(&entry).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByIndex {
    log_index: usize,
}

async fn by_index(State(rekor): State<Arc<RekorV1>>, Query(query): Query<ByIndex>) -> Response {
    respond(&rekor, Log::local(query.log_index))
}

async fn by_uuid(State(rekor): State<Arc<RekorV1>>, Path(uuid): Path<String>) -> Response {
    respond(&rekor, rekor.log.find(&uuid))
}

fn respond(rekor: &RekorV1, index: Option<usize>) -> Response {
    if let Some(response) = rekor.down() {
        return response;
    }
    match index.and_then(|index| rekor.answer(index)) {
        Some((uuid, entry)) => Json(json!({ uuid: entry })).into_response(),
        // As in Rekor, nothing but the status.
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Lookups {
    #[serde(rename = "entryUUIDs")]
    uuids: Vec<String>,
    #[serde(rename = "logIndexes")]
    indexes: Vec<usize>,
    entries: Vec<Value>,
}

async fn retrieve(State(rekor): State<Arc<RekorV1>>, Json(lookups): Json<Lookups>) -> Response {
    if let Some(response) = rekor.down() {
        return response;
    }
    let Lookups { uuids, indexes, entries } = lookups;
    if uuids.len() + indexes.len() + entries.len() > MAX_LOOKUPS {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "too many entries in one request");
    }
    let mut found: Vec<Option<usize>> = uuids.iter().map(|uuid| rekor.log.find(uuid)).collect();
    found.extend(indexes.into_iter().map(Log::local));
    for entry in entries {
        match body::canonical(entry.to_string().as_bytes()) {
            Ok(canonical) => found.push(rekor.log.find(&hex::encode(crate::merkle::leaf_hash(&canonical)))),
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }
    let answers: Vec<Map<String, Value>> = found
        .into_iter()
        .filter_map(|index| rekor.answer(index?))
        .map(|(uuid, entry)| Map::from_iter([(uuid, entry)]))
        .collect();
    Json(answers).into_response()
}

async fn info(State(rekor): State<Arc<RekorV1>>) -> Json<Value> {
    Json(rekor.log.info())
}

async fn public_key(State(rekor): State<Arc<RekorV1>>) -> Response {
    match der::pem::encode_string("PUBLIC KEY", der::pem::LineEnding::LF, rekor.log.public_key_der()) {
        Ok(pem) => ([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "code": status.as_u16(), "message": message }))).into_response()
}

#[cfg(test)]
mod tests;
