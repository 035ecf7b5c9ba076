//! Rekor v2: a tile-backed log whose entries are proven by a checkpoint, and dated by nobody.
//!
//! Source: `rekor_service.proto` of rekor-tiles, C2SP tlog-tiles.

mod body;
mod tiles;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fault::{Fault, Faults};
use crate::merkle::{Hash, Tree, leaf_hash};
use crate::note::{self, NoteKey};
use crate::pki::{self, BoxError};

/// A digest, a signature and a certificate; a request of a usual size is a tenth of it.
const MAX_BODY: usize = 64 * 1024;

/// The log and its endpoints.
pub(crate) struct RekorV2 {
    origin: String,
    key: SigningKey,
    spki: Vec<u8>,
    state: Mutex<Log>,
    faults: Faults,
}

#[derive(Default)]
struct Log {
    tree: Tree,
    bodies: Vec<Vec<u8>>,
    by_leaf: HashMap<Hash, usize>,
}

impl RekorV2 {
    /// An empty log with a new key, whose checkpoints carry `origin`: the host of its URL.
    pub(crate) fn new(origin: &str, faults: Faults) -> Result<Self, BoxError> {
        let key = SigningKey::from_bytes(&pki::random::<32>());
        let spki = key.verifying_key().to_public_key_der()?.into_vec();
        Ok(Self { origin: origin.to_owned(), key, spki, state: Mutex::default(), faults })
    }

    /// The log's key, DER.
    pub(crate) fn public_key_der(&self) -> Vec<u8> {
        self.spki.clone()
    }

    /// The hash over origin and key.
    pub(crate) fn log_id(&self) -> [u8; 32] {
        note::ed25519_key_id(&self.origin, self.key.verifying_key().as_bytes())
    }

    /// The endpoints.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/v2/log/entries", post(create))
            .route("/api/v2/checkpoint", get(checkpoint))
            .route("/api/v2/tile/entries/{*tile}", get(entries_tile))
            .route("/api/v2/tile/{level}/{*tile}", get(hash_tile))
            .route("/healthz", get(async || Json(json!({ "status": "SERVING" }))))
            .fallback(async || refuse(StatusCode::NOT_FOUND, 5, "Not Found"))
            .method_not_allowed_fallback(async || {
                refuse(StatusCode::NOT_IMPLEMENTED, 12, "Method Not Allowed")
            })
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    fn down(&self) -> Option<Response> {
        let down = self.faults.is(Fault::RekorDown);
        down.then(|| refuse(StatusCode::SERVICE_UNAVAILABLE, 14, "the log takes no entries now"))
    }

    /// Adds a body; the entry is proven by the checkpoint of the tree that it made.
    fn add(&self, body: Vec<u8>) -> Result<Value, usize> {
        let mut state = self.lock();
        let leaf = leaf_hash(&body);
        if let Some(index) = state.by_leaf.get(&leaf) {
            return Err(*index);
        }
        let index = state.tree.append(leaf);
        state.by_leaf.insert(leaf, index);
        let size = state.tree.size();
        let mut root = state.tree.root(size);
        let mut checkpoint = note::checkpoint(&self.origin, size, &root, self);
        let hashes: Vec<_> =
            state.tree.inclusion_proof(index, size).iter().map(|hash| STANDARD.encode(hash)).collect();
        if self.faults.is(Fault::RekorBadProof) {
            root = Sha256::digest(root).into();
        }
        if self.faults.is(Fault::RekorBadCheckpoint) {
            checkpoint = note::broken(&checkpoint);
        }
        // Zeros and empty lists are written out: some readers miss what proto3 JSON leaves away.
        let entry = json!({
            "logIndex": index.to_string(),
            "logId": { "keyId": STANDARD.encode(self.log_id()) },
            "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
            "integratedTime": "0",
            "inclusionProof": {
                "logIndex": index.to_string(),
                "rootHash": STANDARD.encode(root),
                "treeSize": size.to_string(),
                "hashes": hashes,
                "checkpoint": { "envelope": checkpoint },
            },
            "canonicalizedBody": STANDARD.encode(&body),
        });
        state.bodies.push(body);
        Ok(entry)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoteKey for RekorV2 {
    fn name(&self) -> &str {
        &self.origin
    }

    fn hint(&self) -> [u8; 4] {
        self.log_id().first_chunk().copied().unwrap_or_default()
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.key.sign(text).to_vec()
    }
}

async fn create(State(rekor): State<Arc<RekorV2>>, request: Result<Bytes, BytesRejection>) -> Response {
    if let Some(response) = rekor.down() {
        return response;
    }
    let request = match request {
        Ok(request) => request,
        Err(rejection) => return refuse(rejection.status(), 8, "the body is too long or cut off"),
    };
    let mut body = match body::canonical(&request) {
        Ok(body) => body,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, 3, &error.to_string()),
    };
    if rekor.faults.is(Fault::RekorOtherHash) {
        body = other_hash(&body);
    }
    match rekor.add(body) {
        Ok(entry) => (StatusCode::CREATED, Json(entry)).into_response(),
        Err(index) => {
            let message =
                format!("an equivalent entry already exists in the transparency log with index {index}");
            refuse(StatusCode::CONFLICT, 6, &message)
        }
    }
}

/// The same entry about something else.
fn other_hash(body: &[u8]) -> Vec<u8> {
    let Ok(mut entry) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    if let Some(digest) = entry.pointer_mut("/spec/hashedRekordV002/data/digest") {
        *digest = STANDARD.encode(Sha256::digest(digest.to_string())).into();
    }
    serde_json_canonicalizer::to_vec(&entry).unwrap_or_default()
}

async fn checkpoint(State(rekor): State<Arc<RekorV2>>) -> Response {
    if let Some(response) = rekor.down() {
        return response;
    }
    let state = rekor.lock();
    let size = state.tree.size();
    let note = note::checkpoint(&rekor.origin, size, &state.tree.root(size), rekor.as_ref());
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response()
}

async fn hash_tile(
    State(rekor): State<Arc<RekorV2>>,
    Path((level, tile)): Path<(usize, String)>,
) -> Response {
    let state = rekor.lock();
    bytes(tiles::parse(&tile).and_then(|(number, width)| tiles::hashes(&state.tree, level, number, width)))
}

async fn entries_tile(State(rekor): State<Arc<RekorV2>>, Path(tile): Path<String>) -> Response {
    let state = rekor.lock();
    bytes(tiles::parse(&tile).and_then(|(number, width)| tiles::entries(&state.bodies, number, width)))
}

fn bytes(tile: Option<Vec<u8>>) -> Response {
    match tile {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        None => refuse(StatusCode::NOT_FOUND, 5, "no such tile"),
    }
}

/// An error as grpc-gateway writes it.
fn refuse(status: StatusCode, code: u8, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message, "details": [] }))).into_response()
}

#[cfg(test)]
mod tests;
