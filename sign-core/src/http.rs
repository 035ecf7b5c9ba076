//! One HTTP client for every service: limits, deadlines, retries, redirects, redaction.

use std::fmt;
use std::time::Duration;

use backon::BackoffBuilder;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, COOKIE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use url::{Host, Url};

use crate::error::{Code, Error, Result};

/// Longest time for one request with all its retries, unless the caller says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time to establish a connection: a dead host should not eat the whole deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most tries of one request.
const MAX_TRIES: usize = 4;
/// Longest pause that a `Retry-After` header can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(20);
/// Most redirects followed for one request.
const MAX_REDIRECTS: usize = 5;
/// Largest answer of a service that speaks small JSON or DER documents.
pub(crate) const MAX_SERVICE_ANSWER: usize = 1024 * 1024;

/// How the client behaves.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Deadline of one request with its retries.
    pub timeout: Duration,
    /// PEM certificates trusted besides those of the system.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Refuse to open any socket.
    pub offline: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { timeout: DEFAULT_TIMEOUT, extra_ca_pem: None, offline: false }
    }
}

/// The client; cheap to clone, with one connection pool.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: reqwest::Client,
    options: HttpOptions,
}

/// Which failures may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// The request changes nothing, or repeating it changes nothing more.
    Safe,
    /// Only when the service cannot have carried the request out: no connection, 429 or 503.
    IfNotCarriedOut,
    /// None: the caller has something to go on with, and somebody waits.
    Never,
}

/// One request.
#[derive(Clone)]
pub(crate) struct Request {
    /// Who is asked, in words for messages: "Fulcio", "the registry".
    pub(crate) service: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) max_answer: usize,
    pub(crate) retry: Retry,
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Response {
    /// Where the answer came from, after redirects.
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(service: &'static str, method: Method, url: Url) -> Self {
        let retry = if method == Method::POST { Retry::IfNotCarriedOut } else { Retry::Safe };
        Self {
            service,
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            max_answer: MAX_SERVICE_ANSWER,
            retry,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(value).map_err(|e| {
            Error::new(Code::InvalidArgument, format!("a value for the header {name} cannot be sent"))
                .caused_by(e)
        })?;
        value.set_sensitive(name == AUTHORIZATION);
        self.headers.insert(name, value);
        Ok(self)
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }

    pub(crate) fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, redacted(&self.url))
    }
}

impl HttpClient {
    /// A client with these options.
    pub fn new(options: HttpOptions) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("signer/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // Redirects are followed here, where credentials can be held back.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &options.extra_ca_pem {
            let invalid =
                |e: reqwest::Error| Error::new(Code::InvalidArgument, "the CA file is not PEM").caused_by(e);
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(invalid)?;
            if certificates.is_empty() {
                return Err(Error::new(Code::InvalidArgument, "the CA file holds no certificate"));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let inner = builder
            .build()
            .map_err(|e| Error::new(Code::Internal, "could not set up the HTTP client").caused_by(e))?;
        Ok(Self { inner, options })
    }

    /// Uses the caller's own `reqwest` client, with its proxies, certificates and pool. It must not
    /// follow redirects, which could carry credentials to another host.
    #[must_use]
    pub fn with_client(inner: reqwest::Client, options: HttpOptions) -> Self {
        Self { inner, options }
    }

    /// Whether sockets are refused.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// The same client with half the time, for one of two attempts that have one deadline.
    pub(crate) fn with_half_the_time(&self) -> Self {
        let mut hastier = self.clone();
        hastier.options.timeout /= 2;
        hastier
    }

    /// The same client for a service that may take its time.
    pub(crate) fn with_timeout_of_at_least(&self, timeout: Duration) -> Self {
        let mut slower = self.clone();
        slower.options.timeout = slower.options.timeout.max(timeout);
        slower
    }

    /// Sends `request`, with retries, until the deadline. Any status is an `Ok` answer in the end.
    pub(crate) async fn send(&self, request: Request) -> Result<Response> {
        if self.options.offline {
            return Err(Error::new(Code::OfflineRequired, format!("{} is needed", request.service))
                .found("--offline")
                .hint("run the command without --offline, or give it everything as files"));
        }
        let deadline = Instant::now() + self.options.timeout;
        let mut pauses = backon::ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(MAX_TRIES - 1)
            .build();
        loop {
            let attempt =
                tokio::time::timeout_at(deadline, self.follow(&request)).await.unwrap_or_else(|_| {
                    Err(Attempt::ended(
                        unavailable(&request)
                            .expected(format!("an answer within {} s", self.options.timeout.as_secs_f32()))
                            .found("none in time"),
                    ))
                });
            let (again, asked) = match &attempt {
                Ok(answer) => {
                    (again_after_status(request.retry, answer.status), retry_after(&answer.headers))
                }
                Err(failure) => (failure.again(request.retry), None),
            };
            let pause = if again { pauses.next() } else { None };
            match pause.map(|p| asked.map_or(p, |a| a.max(p))) {
                Some(pause) if Instant::now() + pause < deadline => tokio::time::sleep(pause).await,
                _ => return attempt.map_err(|failure| failure.error),
            }
        }
    }

    async fn follow(&self, request: &Request) -> Result<Response, Attempt> {
        let mut url = request.url.clone();
        let mut headers = request.headers.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.once(request, url.clone(), headers.clone()).await?;
            let follows =
                answer.status.is_redirection() && [Method::GET, Method::HEAD].contains(&request.method);
            let Some(target) = answer.headers.get(LOCATION).filter(|_| follows) else { return Ok(answer) };
            let bad = |why: &str| Attempt::ended(Error::new(Code::ServiceProtocol, why.to_owned()));
            let next = target
                .to_str()
                .ok()
                .and_then(|target| url.join(target).ok())
                .ok_or_else(|| bad("a redirect leads to something that is not an address"))?;
            if !matches!(next.scheme(), "http" | "https")
                || (url.scheme() == "https" && next.scheme() != "https")
            {
                return Err(bad("a redirect leads from https to an unprotected address"));
            }
            if next.origin() != url.origin() {
                // Credentials are for the host they were given for, and for no other.
                headers.remove(AUTHORIZATION);
                headers.remove(COOKIE);
            }
            url = next;
        }
        Err(Attempt::ended(Error::new(Code::ServiceProtocol, "too many redirects").expected(MAX_REDIRECTS)))
    }

    async fn once(&self, request: &Request, url: Url, headers: HeaderMap) -> Result<Response, Attempt> {
        let mut answer = self
            .inner
            .request(request.method.clone(), url.clone())
            .headers(headers)
            .body(request.body.clone())
            .send()
            .await
            .map_err(|e| Attempt::failed(request, e))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let too_large = || {
            Attempt::ended(
                Error::new(Code::ServiceProtocol, format!("{} sent too large an answer", request.service))
                    .expected(format!("at most {} bytes", request.max_answer)),
            )
        };
        if request.method != Method::HEAD
            && answer
                .content_length()
                .is_some_and(|n| n > u64::try_from(request.max_answer).unwrap_or(u64::MAX))
        {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| Attempt::failed(request, e))? {
            if body.len() + chunk.len() > request.max_answer {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { url, status, headers, body: body.freeze() })
    }
}

/// A try that brought no answer.
struct Attempt {
    error: Error,
    kind: Kind,
}

enum Kind {
    NotSent,
    Broken,
    Final,
}

impl Attempt {
    fn ended(error: Error) -> Self {
        Self { error, kind: Kind::Final }
    }

    fn failed(request: &Request, error: reqwest::Error) -> Self {
        let kind = if error.is_connect() { Kind::NotSent } else { Kind::Broken };
        let found = root_cause(&error);
        // The address could hold a secret in its query; ours is shown without one.
        Self { error: unavailable(request).found(found).caused_by(error.without_url()), kind }
    }

    fn again(&self, retry: Retry) -> bool {
        match self.kind {
            Kind::NotSent => retry != Retry::Never,
            Kind::Broken => retry == Retry::Safe,
            Kind::Final => false,
        }
    }
}

fn unavailable(request: &Request) -> Error {
    Error::new(
        Code::ServiceUnavailable,
        format!("{} did not answer at {}", request.service, redacted(&request.url)),
    )
    .hint("check the address and the network, and try again")
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn again_after_status(retry: Retry, status: StatusCode) -> bool {
    match status {
        _ if retry == Retry::Never => false,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
        StatusCode::REQUEST_TIMEOUT => retry == Retry::Safe,
        status => retry == Retry::Safe && status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Whether a secret may be sent to `url`: protected, or without leaving this machine.
pub(crate) fn may_carry_secrets(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether `url` is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// `url` without user, password, query and fragment.
pub(crate) fn redacted(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
