//! A registry as the OCI distribution-spec 1.1 describes it, with or without its referrers API.

mod auth;
mod blobs;
mod error;
mod fault;
mod layout;
mod listing;
mod manifest;
mod manifests;
mod names;
mod store;
mod uploads;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;

use self::auth::{Access, Tokens};
use self::error::{ErrorCode, Refusal};
use self::names::Endpoint;
use self::store::Store;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::pki::BoxError;

/// Older clients look for it before they talk to `/v2/`.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// How the registry behaves.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Whether `/v2/<name>/referrers/<digest>` exists; without it clients keep the list under a tag.
    pub referrers_api: bool,
    /// Who may do anything.
    pub auth: RegistryAuth,
    /// How long to wait before each reply.
    pub latency: Duration,
    /// The most entries in one page of tags or referrers.
    pub page_size: usize,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { referrers_api: true, auth: RegistryAuth::None, latency: Duration::ZERO, page_size: 100 }
    }
}

/// How the registry tells who is asking.
#[derive(Clone, Default)]
pub enum RegistryAuth {
    /// Anyone may do anything.
    #[default]
    None,
    /// User name and password with every request.
    Basic {
        /// The one user.
        username: String,
        /// Their password.
        password: String,
    },
    /// Bearer tokens from `/token`, for one repository and some actions.
    Token {
        /// The one user.
        username: String,
        /// Their password.
        password: String,
    },
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, username) = match self {
            Self::None => return f.write_str("None"),
            Self::Basic { username, .. } => ("Basic", username),
            Self::Token { username, .. } => ("Token", username),
        };
        f.debug_struct(kind).field("username", username).finish_non_exhaustive()
    }
}

/// The registry.
pub(crate) struct Registry {
    options: RegistryOptions,
    base_url: String,
    clock: Clock,
    faults: Faults,
    tokens: Tokens,
    store: Mutex<Store>,
}

/// A request to one repository, once it is authorized.
struct Call {
    name: String,
    method: Method,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    body: Body,
    access: Access,
}

impl Call {
    /// The first query parameter `key`.
    fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A header, if it is text.
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Registry {
    /// An empty registry that is reached at `base_url`.
    pub(crate) fn new(
        options: RegistryOptions,
        base_url: &str,
        clock: Clock,
        faults: Faults,
    ) -> Result<Self, BoxError> {
        let base_url = url::Url::parse(base_url)?.as_str().trim_end_matches('/').to_owned();
        Ok(Self { options, base_url, clock, faults, tokens: Tokens::default(), store: Mutex::default() })
    }

    /// The endpoints.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        // Repository names hold slashes, so the paths are taken apart by hand, from the right.
        Router::new().fallback(serve).with_state(self)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        if path == "/token" && matches!(self.options.auth, RegistryAuth::Token { .. }) {
            return self.token(&parts.method, &parts.headers, query, body).await;
        }
        let reading = matches!(parts.method, Method::GET | Method::HEAD);
        let Some(rest) = path.strip_prefix("/v2/").filter(|rest| !rest.is_empty()) else {
            if !matches!(path, "/v2/" | "/v2") {
                return Err(Refusal::new(ErrorCode::Unsupported, "no such endpoint"));
            }
            self.authorize(&parts.headers, None)?;
            return if reading {
                Ok((StatusCode::OK, axum::Json(serde_json::json!({}))).into_response())
            } else {
                Err(Refusal::new(ErrorCode::MethodNotAllowed, "no such method on this endpoint"))
            };
        };
        let (name, endpoint) = names::route(rest)?;
        let action = if reading { auth::PULL } else { auth::PUSH };
        let access = self.authorize(&parts.headers, Some((&name, action)))?;
        let call = Call { name, method: parts.method, headers: parts.headers, query, body, access };
        match (endpoint, call.method.as_str()) {
            (Endpoint::Blob(digest), "GET" | "HEAD") => self.get_blob(&call, &digest),
            (Endpoint::Blob(digest), "DELETE") => self.delete_blob(&call, &digest),
            (Endpoint::Uploads, "POST") => self.start_upload(call).await,
            (Endpoint::Upload(id), "GET" | "HEAD") => self.upload_status(&call.name, &id).await,
            (Endpoint::Upload(id), "PATCH") => self.append(call, &id).await,
            (Endpoint::Upload(id), "PUT") => self.finish_upload(call, &id).await,
            (Endpoint::Upload(id), "DELETE") => self.cancel_upload(&call, &id),
            (Endpoint::Manifest(reference), "GET" | "HEAD") => self.get_manifest(&call, &reference),
            (Endpoint::Manifest(reference), "PUT") => self.put_manifest(call, &reference).await,
            (Endpoint::Manifest(reference), "DELETE") => self.delete_manifest(&call, &reference),
            (Endpoint::Tags, "GET" | "HEAD") => self.tags(&call),
            (Endpoint::Referrers(subject), "GET" | "HEAD") => self.referrers(&call, &subject),
            _ => Err(Refusal::new(ErrorCode::MethodNotAllowed, "no such method on this endpoint")),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

async fn serve(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    if !registry.options.latency.is_zero() {
        tokio::time::sleep(registry.options.latency).await;
    }
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = match registry.misbehave(&method, &path).await {
        Some(refusal) => {
            // A client that is still sending would see a reset connection in the place of the answer.
            _ = read(request.into_body(), &mut Vec::new(), manifests::MAX_MANIFEST).await;
            refusal.into_response()
        }
        None => registry.answer(request).await.unwrap_or_else(IntoResponse::into_response),
    };
    let mut response = registry.spoil(&method, &path, response).await;
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

/// A reply with content; for HEAD hyper keeps the length and drops the rest.
fn content(
    status: StatusCode,
    media_type: &str,
    digest: &names::Digest,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let length = bytes.len();
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, media_type)
        .header(header::CONTENT_LENGTH, length)
        .header(CONTENT_DIGEST, digest.as_str())
        .body(Body::from(bytes))
        .map_err(|error| Refusal::new(ErrorCode::Internal, error.to_string()))
}

/// A reply that says it all in its headers.
fn empty(status: StatusCode, headers: &[(HeaderName, &str)]) -> Result<Response, Refusal> {
    let mut response = Response::builder().status(status).header(header::CONTENT_LENGTH, 0);
    for (name, value) in headers {
        response = response.header(name, *value);
    }
    response.body(Body::empty()).map_err(|error| Refusal::new(ErrorCode::Internal, error.to_string()))
}

/// Appends `body` to `to`, which may not grow beyond `limit`. What arrived before an error stays.
async fn read(body: Body, to: &mut Vec<u8>, limit: usize) -> Result<(), Refusal> {
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refusal::new(ErrorCode::BlobUploadInvalid, "the body was cut off"))?;
        if chunk.len() > limit.saturating_sub(to.len()) {
            return Err(Refusal::new(ErrorCode::TooLarge, format!("more than {limit} bytes")));
        }
        to.extend_from_slice(&chunk);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
