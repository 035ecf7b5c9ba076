//! Over HTTP, as a client sees the registry.

mod auth;
mod faults;
mod listing;
mod peers;
mod push;

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::manifest::INDEX;
use super::names::Digest;
use super::*;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A registry on a port of its own.
struct Service {
    url: String,
    faults: Faults,
    registry: Arc<Registry>,
    /// Seconds since 1970.
    time: Arc<AtomicI64>,
    client: Client,
}

/// A reply, read to its end.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the error.
    fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

impl Service {
    async fn start(options: RegistryOptions) -> Self {
        let (faults, time) = (Faults::default(), Arc::new(AtomicI64::new(1_800_000_000)));
        let now = time.clone();
        let clock = Clock::new(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let registry = Arc::new(Registry::new(options, &url, clock, faults.clone()).unwrap());
        tokio::spawn(axum::serve(listener, registry.clone().router()).into_future());
        let client = Client::builder().no_proxy().build().unwrap();
        Self { url, faults, registry, time, client }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.url))
    }

    async fn send(&self, method: &str, path: &str) -> Reply {
        send(self.request(method, path)).await
    }

    /// Stores a blob in one go.
    async fn blob(&self, name: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let reply = send(self.request("POST", &path).body(content.to_vec())).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        digest
    }

    async fn put(&self, name: &str, reference: &str, manifest: &Value) -> Reply {
        let path = format!("/v2/{name}/manifests/{reference}");
        send(self.request("PUT", &path).header("content-type", IMAGE).body(manifest.to_string())).await
    }
}

async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["docker-distribution-api-version"], "registry/2.0");
    Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

/// An image without layers whose config is the empty object.
fn manifest(artifact_type: Option<&str>, subject: Option<&Digest>) -> Value {
    let config = Digest::of(b"{}");
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "layers": [],
        "config": {"mediaType": EMPTY, "digest": config.as_str(), "size": 2},
    });
    if let Some(kind) = artifact_type {
        manifest["artifactType"] = json!(kind);
    }
    if let Some(subject) = subject {
        manifest["subject"] = json!({"mediaType": IMAGE, "digest": subject.as_str(), "size": 2});
    }
    manifest
}

#[test]
fn debug_keeps_passwords_to_itself() {
    let auth = RegistryAuth::Basic { username: "ann".into(), password: "secret".into() };
    let text = format!("{:?}", RegistryOptions { auth, ..RegistryOptions::default() });
    assert!(text.contains("ann") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn the_base_and_what_is_not_there() {
    let service = Service::start(RegistryOptions::default()).await;
    assert_eq!(service.send("GET", "/v2/").await.status, 200);
    for (method, path, status, code) in [
        ("POST", "/v2/", 405, "UNSUPPORTED"),
        ("GET", "/", 404, "UNSUPPORTED"),
        ("GET", "/v2/a/b/c", 404, "UNSUPPORTED"),
        ("GET", "/token", 404, "UNSUPPORTED"),
        ("GET", "/v2/A/tags/list", 400, "NAME_INVALID"),
        ("GET", "/v2/a/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/a/manifests/-", 400, "TAG_INVALID"),
        ("GET", "/v2/a/manifests/1", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a/blobs/sha256:12", 400, "DIGEST_INVALID"),
        ("PUT", "/v2/a/tags/list", 405, "UNSUPPORTED"),
    ] {
        let reply = service.send(method, path).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{method} {path}");
    }
}

#[tokio::test]
async fn latency_delays_the_reply() {
    let latency = Duration::from_millis(120);
    let service = Service::start(RegistryOptions { latency, ..RegistryOptions::default() }).await;
    let start = std::time::Instant::now();
    assert_eq!(service.send("GET", "/v2/").await.status, 200);
    assert!(start.elapsed() >= latency);
}
