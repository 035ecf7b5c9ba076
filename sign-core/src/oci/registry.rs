//! A repository in a registry: requests, their credentials, and reading.
//!
//! Source: OCI distribution specification 1.1.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, Request, Response, Retry, is_loopback};

use super::auth::{Access, Authorizer};
use super::credentials::CredentialSource;
use super::legacy::{FoundManifest, LegacyTag};
use super::manifest::{
    DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, MAX_MANIFEST, Manifest, OCI_INDEX, OCI_MANIFEST, check_digest,
    essence,
};
use super::reference::{MAX_TAG, Reference};
use super::{Attachment, Store, check_blob, check_blob_size, most_bytes};

/// What the registry is called in messages.
const SERVICE: &str = "the registry";
/// The digest of what a registry serves, by its own account.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Longest error text of a registry that is repeated to the user.
const MAX_ERROR_TEXT: usize = 300;

/// How a registry is reached.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// Where credentials come from.
    pub credentials: CredentialSource,
    /// Use plain HTTP for a registry on another machine too. It then gets no credentials.
    pub plain_http: bool,
}

/// One repository in a registry.
pub struct Registry {
    pub(super) reference: Reference,
    http: HttpClient,
    auth: Authorizer,
    plain_http: bool,
    /// `scheme://host:port/v2/`, once it is known how the registry is reached.
    api: OnceCell<Url>,
    /// What the reference pointed at, so that it is fetched once.
    resolved: Mutex<Option<(Digest, Bytes)>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Registry {
    /// The repository that `reference` names. Nothing is asked of the registry yet.
    #[must_use]
    pub fn new(reference: Reference, http: HttpClient, options: RegistryOptions) -> Self {
        let auth = Authorizer::new(http.clone(), options.credentials, reference.clone());
        Self {
            reference,
            http,
            auth,
            plain_http: options.plain_http,
            api: OnceCell::new(),
            resolved: Mutex::new(None),
        }
    }

    async fn api(&self) -> Result<&Url> {
        self.api.get_or_try_init(|| self.find_api()).await
    }

    /// On this machine registries often speak plain HTTP, and sometimes do not. A request without any secret
    /// tells. Everywhere else it is HTTPS, unless plain HTTP was asked for.
    async fn find_api(&self) -> Result<Url> {
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://{}/v2/", self.reference.endpoint())).map_err(|e| {
                Error::new(Code::InvalidArgument, "not a valid registry")
                    .found(self.reference.registry())
                    .caused_by(e)
            })
        };
        let (http, https) = (url("http")?, url("https")?);
        if self.plain_http {
            return Ok(http);
        }
        if !is_loopback(&https) {
            return Ok(https);
        }
        let probe = |url: &Url| Request::new(SERVICE, Method::GET, url.clone()).retry(Retry::IfNotCarriedOut);
        let prober = self.http.with_half_the_time();
        match prober.send(probe(&http)).await {
            // Servers that speak TLS say so this way.
            Ok(answer) if answer.status == StatusCode::BAD_REQUEST => Ok(https),
            Ok(_) => Ok(http),
            Err(error) if error.code() == Code::OfflineRequired => Err(error),
            Err(error) => match prober.send(probe(&https)).await {
                Ok(_) => Ok(https),
                Err(other) => Err(error.with_others(vec![other])),
            },
        }
    }

    /// The address of something in this repository. The parts are of the reference grammar or digests, so
    /// that none of them can lead elsewhere.
    pub(super) async fn url(&self, kind: &str, rest: &str) -> Result<Url> {
        let path = format!("{}/{kind}/{rest}", self.reference.repository());
        self.api()
            .await?
            .join(&path)
            .map_err(|e| Error::new(Code::InvalidArgument, "not a valid repository").caused_by(e))
    }

    pub(super) fn request(method: Method, url: Url) -> Request {
        Request::new(SERVICE, method, url)
    }

    /// Sends a request to the registry itself with the credentials it takes. Refusals and failures of the
    /// service are errors; other statuses are for the caller.
    pub(super) async fn send(&self, request: Request, access: Access, doing: &str) -> Result<Response> {
        let api = self.api().await?;
        if request.url.origin() != api.origin() {
            return Err(Error::new(Code::Internal, "a request with credentials to another host was stopped"));
        }
        let first = self.auth.authorize(request.clone(), access).await?;
        let used = first.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = self.http.send(first).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // A host that the registry redirects to could otherwise name its own token service and be sent
            // the registry's password (CVE-2020-15157).
            if answer.url.origin() != api.origin() {
                return Err(Error::new(
                    Code::CredentialsRefused,
                    "a host that the registry redirects to asks for credentials, and gets none",
                )
                .found(answer.url.origin().ascii_serialization()));
            }
            if !self.auth.answer(api, &answer.headers, used.as_deref(), access).await? {
                return Err(self.auth.refused(answer.status, doing).await);
            }
            answer = self.http.send(self.auth.authorize(request, access).await?).await?;
        }
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.auth.refused(answer.status, doing).await)
            }
            status => unavailable(status, doing).map_or(Ok(answer), Err),
        }
    }

    /// Sends a request to another host that the registry named: without any credentials.
    pub(super) async fn send_elsewhere(&self, request: Request, doing: &str) -> Result<Response> {
        let answer = self.http.send(request).await?;
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::new(
                Code::CredentialsRefused,
                format!(
                    "another host that the registry named for {doing} asks for credentials, and gets none"
                ),
            )
            .found(answer.url.origin().ascii_serialization())),
            status => unavailable(status, doing).map_or(Ok(answer), Err),
        }
    }

    pub(super) async fn is_same_origin(&self, url: &Url) -> Result<bool> {
        Ok(self.api().await?.origin() == url.origin())
    }

    /// The manifest that a tag or digest names; `None` if there is none.
    pub(super) async fn get_manifest(&self, name: &str, access: Access) -> Result<Option<Response>> {
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].join(", ");
        let request = Self::request(Method::GET, self.url("manifests", name).await?)
            .header(ACCEPT, &accept)?
            .max_answer(MAX_MANIFEST);
        let answer = self.send(request, access, "reading a manifest").await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refusal(&answer, "reading a manifest")),
        }
    }
}

#[async_trait]
impl Store for Registry {
    fn name(&self) -> String {
        self.reference.name()
    }

    async fn resolve(&self) -> Result<Descriptor> {
        let name = self.reference.identifier();
        let answer = self.get_manifest(&name, Access::Pull).await?.ok_or_else(|| {
            Error::new(Code::SubjectNotFound, "the image does not exist in the registry")
                .found(&self.reference)
                .hint("check the name, and push the image first")
        })?;
        // The digest is computed, not believed: what is signed is what was received.
        let digest = match (self.reference.digest(), said_digest(&answer.headers)) {
            (Some(asked), _) => asked.clone(),
            (None, Some(said)) => said,
            (None, None) => Digest::sha256(&answer.body),
        };
        check_digest(&digest, &answer.body)?;
        let manifest = Manifest::parse(content_type(&answer.headers), &answer.body)?;
        let descriptor = Descriptor::named(manifest.media_type(), digest.clone(), answer.body.len());
        *self.resolved.lock().await = Some((digest, answer.body));
        Ok(descriptor)
    }

    async fn manifest(&self, digest: &Digest) -> Result<Bytes> {
        if let Some((resolved, bytes)) = &*self.resolved.lock().await
            && resolved == digest
        {
            return Ok(bytes.clone());
        }
        let answer = self.get_manifest(&digest.to_string(), Access::Pull).await?.ok_or_else(|| {
            let code = match self.reference.digest() == Some(digest) {
                true => Code::SubjectNotFound,
                false => Code::ServiceProtocol,
            };
            Error::new(code, "the registry does not have the manifest").found(digest)
        })?;
        check_digest(digest, &answer.body)?;
        Ok(answer.body)
    }

    async fn blob(&self, descriptor: &Descriptor, limit: usize) -> Result<Bytes> {
        check_blob_size(descriptor, limit)?;
        let url = self.url("blobs", &descriptor.digest.to_string()).await?;
        // Nothing but this repository is asked for it: addresses in a descriptor are ignored (CVE-2026-49349).
        let request = Self::request(Method::GET, url).max_answer(most_bytes(descriptor));
        let answer = self.send(request, Access::Pull, "reading a blob").await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Err(Error::new(Code::ServiceProtocol, "the registry does not have the blob")
                    .found(&descriptor.digest));
            }
            _ => return Err(refusal(&answer, "reading a blob")),
        }
        check_blob(descriptor, &answer.body)?;
        Ok(answer.body)
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.list_referrers(subject).await
    }

    async fn legacy(&self, subject: &Digest, tag: LegacyTag) -> Result<Vec<FoundManifest>> {
        let name = tag.name(subject);
        // A SHA-512 makes a name that no tag can have.
        let found = if name.len() > MAX_TAG { None } else { self.get_manifest(&name, Access::Pull).await? };
        let Some(answer) = found else { return Ok(Vec::new()) };
        let media_type = content_type(&answer.headers).map_or_else(|| OCI_MANIFEST.to_owned(), essence);
        let descriptor = Descriptor::of(&media_type, &answer.body);
        Ok(vec![FoundManifest { descriptor, bytes: answer.body }])
    }

    async fn attach(&self, subject: &Descriptor, attachment: &Attachment) -> Result<Descriptor> {
        self.push_referrer(subject, attachment).await
    }
}

/// What the registry says the digest is, if it says so in an algorithm that we know.
pub(super) fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}

pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// The error for a service that cannot answer now.
fn unavailable(status: StatusCode, doing: &str) -> Option<Error> {
    let message = match status {
        StatusCode::TOO_MANY_REQUESTS => "the registry limits the rate of requests",
        status if status.is_server_error() => "the registry failed",
        _ => return None,
    };
    Some(
        Error::new(Code::ServiceUnavailable, format!("{message} while {doing}"))
            .found(status)
            .hint("try again later; nothing is known about what the registry holds"),
    )
}

/// The error for an answer that was not expected, with the registry's own words.
pub(super) fn refusal(answer: &Response, doing: &str) -> Error {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let words = serde_json::from_slice::<Body>(&answer.body)
        .map(|body| {
            body.errors.iter().map(|e| format!("{}: {}", e.code, e.message)).collect::<Vec<_>>().join("; ")
        })
        .unwrap_or_default();
    let words: String = words.chars().take(MAX_ERROR_TEXT).collect();
    let error = Error::new(Code::ServiceRefused, format!("the registry refused {doing}"));
    if words.is_empty() {
        error.found(answer.status)
    } else {
        error.found(format!("{} ({words})", answer.status))
    }
}
