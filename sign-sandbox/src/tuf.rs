//! The TUF repository that hands out the trusted root and the signing config: one version of everything.
//!
//! Source: The Update Framework specification 1.0.31, sections 4 and 6.

mod canonical;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use rand_core::OsRng;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::canonical::canonical;
use crate::pki::BoxError;
use crate::trust::rfc3339;

/// TUF section 4.3: the version of the specification that the metadata follows.
const SPEC_VERSION: &str = "1.0.31";
/// How long all metadata is valid: nothing is ever signed again, and a data directory may be kept.
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// No request has a body.
const MAX_BODY: usize = 1024;

/// A P-256 key and how metadata names it.
struct Key {
    signing: SigningKey,
    public: Value,
    id: String,
}

impl Key {
    fn new() -> Result<Self, BoxError> {
        let signing = SigningKey::random(&mut OsRng);
        let pem = signing.verifying_key().to_public_key_pem(LineEnding::LF)?;
        let public = json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem}});
        // Section 4.2: the id is the hash of the key's canonical form.
        let id = hex::encode(Sha256::digest(canonical(&public)?));
        Ok(Self { signing, public, id })
    }

    /// Section 4.2: what is signed, with the signature over its canonical form.
    fn sign(&self, signed: &Value) -> Result<Vec<u8>, BoxError> {
        let signature: DerSignature = self.signing.sign(&canonical(signed)?);
        let signature = json!({"keyid": self.id, "sig": hex::encode(signature.as_bytes())});
        Ok(serde_json::to_vec_pretty(&json!({"signatures": [signature], "signed": signed}))?)
    }
}

/// The repository: its files by path. The keys are gone once they are written.
pub(crate) struct Tuf {
    root: String,
    files: BTreeMap<String, Bytes>,
}

impl Tuf {
    /// A repository of `targets`, names and contents, signed with new keys.
    pub(crate) fn new(targets: &[(&str, &str)], now: Timestamp) -> Result<Self, BoxError> {
        let expires = rfc3339(now.checked_add(LIFETIME)?);
        let (offline, online) = (Key::new()?, Key::new()?);
        let role = |key: &Key| json!({"keyids": [key.id], "threshold": 1});

        let mut keys = Map::new();
        for key in [&offline, &online] {
            keys.insert(key.id.clone(), key.public.clone());
        }
        let root = offline.sign(&json!({
            "_type": "root", "spec_version": SPEC_VERSION, "version": 1, "expires": expires,
            "consistent_snapshot": true,
            "keys": keys,
            "roles": {
                "root": role(&offline), "targets": role(&offline),
                "snapshot": role(&online), "timestamp": role(&online),
            },
        }))?;

        let mut files = BTreeMap::new();
        let mut listed = Map::new();
        for (name, content) in targets {
            let hash = hex::encode(Sha256::digest(content));
            files.insert(format!("/targets/{hash}.{name}"), Bytes::from((*content).to_owned()));
            listed.insert((*name).to_owned(), json!({"length": content.len(), "hashes": {"sha256": hash}}));
        }
        let targets = offline.sign(&json!({
            "_type": "targets", "spec_version": SPEC_VERSION, "version": 1, "expires": expires,
            "targets": listed,
        }))?;
        let snapshot = online.sign(&json!({
            "_type": "snapshot", "spec_version": SPEC_VERSION, "version": 1, "expires": expires,
            "meta": {"targets.json": described(&targets)},
        }))?;
        let timestamp = online.sign(&json!({
            "_type": "timestamp", "spec_version": SPEC_VERSION, "version": 1, "expires": expires,
            "meta": {"snapshot.json": described(&snapshot)},
        }))?;

        let text = String::from_utf8(root)?;
        let root = Bytes::from(text.clone());
        for (path, content) in [
            // For people: clients ask for numbers, and start with a root they were given.
            ("/root.json", root.clone()),
            ("/1.root.json", root),
            ("/1.targets.json", targets.into()),
            ("/1.snapshot.json", snapshot.into()),
            ("/timestamp.json", timestamp.into()),
        ] {
            files.insert(path.to_owned(), content);
        }
        Ok(Self { root: text, files })
    }

    /// The root that a client starts with.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The files, over HTTP.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        // A fallback for any path: the hashes in the paths are data, not routes.
        Router::new()
            .fallback_service(get(file).with_state(self))
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
    }
}

/// Section 4.4: how one file of metadata describes another.
fn described(file: &[u8]) -> Value {
    json!({"version": 1, "length": file.len(), "hashes": {"sha256": hex::encode(Sha256::digest(file))}})
}

async fn file(State(tuf): State<Arc<Tuf>>, uri: Uri) -> Response {
    match tuf.files.get(uri.path()) {
        Some(content) => ([(header::CONTENT_TYPE, "application/json")], content.clone()).into_response(),
        // Section 5.3.3: so clients learn that there is no newer root.
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use sigstore_tuf::Updater;
    use sigstore_tuf::transport::{FetchFuture, Repository};

    use super::*;

    const TARGETS: [(&str, &str); 2] = [("trusted_root.json", "{\"a\": 1}\n"), ("other.json", "[]")];

    /// What a client sees through HTTP, with one file changed if asked for.
    struct Http {
        url: String,
        tampered: Option<&'static str>,
    }

    impl Http {
        fn fetch(&self, path: String) -> FetchFuture<'_> {
            Box::pin(async move {
                let response = reqwest::get(format!("{}/{path}", self.url)).await.unwrap();
                if response.status() == StatusCode::NOT_FOUND {
                    return Ok(None);
                }
                let mut bytes = response.error_for_status().unwrap().bytes().await.unwrap().to_vec();
                if self.tampered.is_some_and(|name| path.ends_with(name)) {
                    // Inside a string or a number, most often: still JSON, but not what was signed.
                    let at = bytes.iter().rposition(u8::is_ascii_digit).unwrap_or(0);
                    bytes[at] ^= 1;
                }
                Ok(Some(bytes))
            })
        }
    }

    impl Repository for Http {
        fn fetch_metadata<'a>(&'a self, name: &'a str, _max: u64) -> FetchFuture<'a> {
            self.fetch(name.to_owned())
        }

        fn fetch_target<'a>(&'a self, path: &'a str, _max: u64) -> FetchFuture<'a> {
            self.fetch(format!("targets/{path}"))
        }
    }

    fn now() -> Timestamp {
        "2026-03-04T05:06:07.8Z".parse().unwrap()
    }

    async fn serve() -> (Arc<Tuf>, String) {
        let tuf = Arc::new(Tuf::new(&TARGETS, now()).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, tuf.clone().router()).into_future());
        (tuf, url)
    }

    /// What a client makes of the repository at `url`, beginning with the root of `tuf`.
    async fn fetch(
        tuf: &Tuf,
        url: &str,
        tampered: Option<&'static str>,
        name: &str,
    ) -> sigstore_tuf::Result<Vec<u8>> {
        let mut client = Updater::new(Http { url: url.to_owned(), tampered }, tuf.root().as_bytes())?;
        client.refresh(now()).await?;
        client.get_target(name, now()).await
    }

    #[tokio::test]
    async fn a_client_gets_the_targets() {
        let (tuf, url) = serve().await;
        for (name, content) in TARGETS {
            assert_eq!(fetch(&tuf, &url, None, name).await.unwrap(), content.as_bytes());
        }
        assert!(fetch(&tuf, &url, None, "missing.json").await.is_err());
    }

    #[tokio::test]
    async fn a_client_notices_a_change_anywhere() {
        let (tuf, url) = serve().await;
        for name in ["timestamp.json", "1.snapshot.json", "1.targets.json", ".trusted_root.json"] {
            assert!(fetch(&tuf, &url, Some(name), "trusted_root.json").await.is_err(), "{name}");
        }
        // Another sandbox's root is nobody's.
        let other = Tuf::new(&TARGETS, now()).unwrap();
        assert!(fetch(&other, &url, None, "trusted_root.json").await.is_err());
    }

    #[tokio::test]
    async fn metadata_lives_for_a_year() {
        let (tuf, url) = serve().await;
        let start = now();
        for (days, accepted) in [(364, true), (366, false)] {
            let at = start.checked_add(SignedDuration::from_hours(days * 24)).unwrap();
            let repository = Http { url: url.clone(), tampered: None };
            let mut client = Updater::new(repository, tuf.root().as_bytes()).unwrap();
            assert_eq!(client.refresh(at).await.is_ok(), accepted, "{days}");
        }
    }

    #[test]
    fn a_key_is_named_by_its_hash() {
        let key = Key::new().unwrap();
        let pem = key.public["keyval"]["public"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        // Written out, not with the helper: the line breaks are in the string as they are.
        let form =
            format!(r#"{{"keytype":"ecdsa","keyval":{{"public":"{pem}"}},"scheme":"ecdsa-sha2-nistp256"}}"#);
        assert_eq!(key.id, hex::encode(Sha256::digest(form)));
    }
}
