//! The TUF repository that hands out the trusted root and the signing config.
//!
//! Source: The Update Framework specification 1.0.31, sections 4 and 6.

mod canonical;
mod key;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::key::{Key, envelope};
use crate::pki::BoxError;
use crate::trust::rfc3339;

/// TUF section 4.3: the version of the specification that the metadata follows.
const SPEC_VERSION: &str = "1.0.31";
/// How long metadata is valid: a data directory may be kept, and nobody signs again by himself.
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// No request has a body.
const MAX_BODY: usize = 1024;

/// A top-level role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TufRole {
    /// Names the keys of all roles.
    Root,
    /// Lists what is handed out.
    Targets,
    /// Lists the versions of the targets metadata.
    Snapshot,
    /// Says which snapshot is the newest.
    Timestamp,
}

impl TufRole {
    const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

/// The repository. It can go on publishing, and it can be made to lie: any file can be replaced by
/// another, signed or not. Cheap to clone; all clones are the same repository.
#[derive(Clone)]
pub struct Tuf(Arc<Mutex<Inner>>);

struct Inner {
    keys: BTreeMap<TufRole, Vec<Key>>,
    versions: BTreeMap<TufRole, u64>,
    targets: BTreeMap<String, String>,
    files: BTreeMap<String, Bytes>,
    pinned: String,
    requests: Vec<String>,
}

impl Tuf {
    /// A repository of `targets`, names and contents, signed with new keys.
    pub(crate) fn new(targets: &[(&str, &str)], now: Timestamp) -> Result<Self, BoxError> {
        let (offline, online) = (Key::new()?, Key::new()?);
        let mut inner = Inner {
            keys: TufRole::ALL
                .into_iter()
                .map(|role| {
                    let offline_role = matches!(role, TufRole::Root | TufRole::Targets);
                    (role, vec![if offline_role { offline.clone() } else { online.clone() }])
                })
                .collect(),
            versions: BTreeMap::new(),
            targets: targets.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect(),
            files: BTreeMap::new(),
            pinned: String::new(),
            requests: Vec::new(),
        };
        inner.publish_root(now, &[])?;
        inner.publish(now)?;
        inner.pinned = String::from_utf8(inner.files["/1.root.json"].to_vec())?;
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// The root that a client starts with: the first.
    #[must_use]
    pub fn root(&self) -> String {
        self.lock().pinned.clone()
    }

    /// The next version of targets, snapshot and timestamp, with `changes` to what is handed out.
    ///
    /// # Errors
    /// When something cannot be signed.
    pub fn publish(&self, changes: &[(&str, &str)], now: Timestamp) -> Result<(), BoxError> {
        let mut inner = self.lock();
        for (name, content) in changes {
            inner.targets.insert((*name).into(), (*content).into());
        }
        inner.publish(now)
    }

    /// Gives `roles` new keys in a new version of the root, signed by the root's old keys and new, and
    /// publishes everything below it again.
    ///
    /// # Errors
    /// When something cannot be signed.
    pub fn rotate(&self, roles: &[TufRole], now: Timestamp) -> Result<(), BoxError> {
        let mut inner = self.lock();
        let old = inner.keys(TufRole::Root).to_vec();
        for role in roles {
            inner.keys.insert(*role, vec![Key::new()?]);
        }
        inner.publish_root(now, &old)?;
        inner.publish(now)
    }

    /// `signed` with the signatures of all keys that `role` has now.
    ///
    /// # Errors
    /// When it has no canonical form.
    pub fn sign(&self, role: TufRole, signed: &Value) -> Result<Vec<u8>, BoxError> {
        envelope(signed, self.lock().keys(role))
    }

    /// How one file of metadata describes another, with the version that is in it.
    #[must_use]
    pub fn describe(file: &[u8]) -> Value {
        let version =
            serde_json::from_slice(file).map_or(Value::Null, |v: Value| v["signed"]["version"].clone());
        json!({"version": version, "length": file.len(), "hashes": {"sha256": hex::encode(Sha256::digest(file))}})
    }

    /// A file as it is served; the path starts with a slash.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.lock().files.get(path).map(|content| content.to_vec())
    }

    /// Serves `content` at `path` from now on, or nothing.
    pub fn replace(&self, path: &str, content: Option<Vec<u8>>) {
        let files = &mut self.lock().files;
        match content {
            Some(content) => files.insert(path.into(), content.into()),
            None => files.remove(path),
        };
    }

    /// The version of `role` that was published last.
    #[must_use]
    pub fn version(&self, role: TufRole) -> u64 {
        self.lock().versions.get(&role).copied().unwrap_or_default()
    }

    /// The paths that were asked for since the last call.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    /// The files, over HTTP.
    pub(crate) fn router(self) -> Router {
        // A fallback for any path: the hashes in the paths are data, not routes.
        Router::new()
            .fallback_service(get(file).with_state(self))
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Tuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tuf").field("versions", &self.lock().versions).finish_non_exhaustive()
    }
}

impl Inner {
    fn keys(&self, role: TufRole) -> &[Key] {
        self.keys.get(&role).map_or(&[], Vec::as_slice)
    }

    fn next(&mut self, role: TufRole) -> u64 {
        let version = self.versions.entry(role).or_default();
        *version += 1;
        *version
    }

    /// Section 6.1; `also` are keys that vouch for the change.
    fn publish_root(&mut self, now: Timestamp, also: &[Key]) -> Result<(), BoxError> {
        let (mut keys, mut roles) = (Map::new(), Map::new());
        for role in TufRole::ALL {
            let ids: Vec<_> = self.keys(role).iter().map(|key| key.id.clone()).collect();
            keys.extend(self.keys(role).iter().map(|key| (key.id.clone(), key.public.clone())));
            roles.insert(role.as_str().into(), json!({"keyids": ids, "threshold": 1}));
        }
        let version = self.next(TufRole::Root);
        let root = json!({
            "_type": "root", "spec_version": SPEC_VERSION, "version": version, "expires": expiry(now)?,
            "consistent_snapshot": true, "keys": keys, "roles": roles,
        });
        let known: Vec<_> = self.keys(TufRole::Root).iter().map(|key| key.id.clone()).collect();
        let old = also.iter().filter(|key| !known.contains(&key.id));
        let signers: Vec<Key> = self.keys(TufRole::Root).iter().chain(old).cloned().collect();
        let root = Bytes::from(envelope(&root, &signers)?);
        self.files.insert(format!("/{version}.root.json"), root.clone());
        // For people: clients ask for numbers, and start with a root they were given.
        self.files.insert("/root.json".into(), root);
        Ok(())
    }

    /// Section 6.2 to 6.4: everything below the root, one version on.
    fn publish(&mut self, now: Timestamp) -> Result<(), BoxError> {
        let expires = expiry(now)?;
        let mut listed = Map::new();
        for (name, content) in &self.targets {
            let hash = hex::encode(Sha256::digest(content));
            self.files.insert(format!("/targets/{hash}.{name}"), Bytes::from(content.clone()));
            listed.insert(name.clone(), json!({"length": content.len(), "hashes": {"sha256": hash}}));
        }
        let mut described = json!({"targets": listed});
        for (role, lists) in
            [(TufRole::Targets, "targets"), (TufRole::Snapshot, "meta"), (TufRole::Timestamp, "meta")]
        {
            let (name, version) = (role.as_str(), self.next(role));
            let signed = json!({
                "_type": name, "spec_version": SPEC_VERSION, "version": version, "expires": expires,
                lists: described[lists],
            });
            let file = envelope(&signed, self.keys(role))?;
            described = json!({"meta": {format!("{name}.json"): Tuf::describe(&file)}});
            let path = match role {
                TufRole::Timestamp => "/timestamp.json".into(),
                _ => format!("/{version}.{name}.json"),
            };
            self.files.insert(path, file.into());
        }
        Ok(())
    }
}

fn expiry(now: Timestamp) -> Result<String, BoxError> {
    Ok(rfc3339(now.checked_add(LIFETIME)?))
}

async fn file(State(tuf): State<Tuf>, uri: Uri) -> Response {
    let mut inner = tuf.lock();
    inner.requests.push(uri.path().to_owned());
    match inner.files.get(uri.path()) {
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

    async fn serve() -> (Tuf, String) {
        let tuf = Tuf::new(&TARGETS, now()).unwrap();
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

    #[tokio::test]
    async fn a_client_follows_new_versions_and_new_keys() {
        let (tuf, url) = serve().await;
        tuf.publish(&[("other.json", "[1]")], now()).unwrap();
        assert_eq!(fetch(&tuf, &url, None, "other.json").await.unwrap(), b"[1]");
        for roles in [&[TufRole::Timestamp][..], &[TufRole::Root], &TufRole::ALL] {
            tuf.rotate(roles, now()).unwrap();
            assert_eq!(fetch(&tuf, &url, None, "other.json").await.unwrap(), b"[1]", "{roles:?}");
        }
        assert_eq!(tuf.version(TufRole::Root), 4);
        assert!(tuf.take_requests().contains(&"/5.root.json".to_owned()));
        // The link between two roots is what makes the second one good.
        tuf.replace("/3.root.json", tuf.read("/4.root.json"));
        assert!(fetch(&tuf, &url, None, "other.json").await.is_err());
    }
}
