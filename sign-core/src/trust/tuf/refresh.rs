//! One update over the network: section 5.3 to 5.7, with a clock that stands still.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, StatusCode};
use jiff::Timestamp;
use sigstore_tuf::transport::FetchFuture;
use sigstore_tuf::{MetadataStore, Repository, TrustedMetadataSet, Updater};
use url::Url;

use super::state::{State, root};
use super::{SIGNING_CONFIG, TRUSTED_ROOT, TufRepository, chain, limits};
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, Request, Retry};
use crate::service::refused;
use crate::trust::TrustedRoot;

const SERVICE: &str = "the TUF repository";

/// What an update leaves: newer roots and floors are kept even where it fails, a set only where all of
/// it was verified.
pub(super) struct Refreshed {
    pub(super) state: State,
    pub(super) result: Result<()>,
}

/// Updates `old`. `set_root` is the root metadata that its set was verified with.
pub(super) async fn refresh(
    repository: &TufRepository,
    http: &HttpClient,
    old: &State,
    set_root: Option<&[u8]>,
    now: Timestamp,
) -> Refreshed {
    let recorder = Recorder::new(old, set_root);
    let result = run(repository, http, &recorder, now).await;
    let recording = recorder.lock();
    let seen = recording.newest_timestamp(now);
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let roots = recording.verified_roots(&repository.root);
    let roots = roots.map(|(version, bytes)| (*version, text(bytes))).collect();
    let state = match &result {
        Ok(()) => State {
            confirmed: Some(now),
            roots,
            files: recording.files.iter().map(|(name, bytes)| (name.clone(), text(bytes))).collect(),
            ..State::default()
        },
        Err(_) => State { roots, seen: seen.map(text), ..old.clone() },
    };
    Refreshed { state, result }
}

async fn run(
    repository: &TufRepository,
    http: &HttpClient,
    recorder: &Recorder,
    now: Timestamp,
) -> Result<()> {
    let source = Http::new(repository, http)?;
    let mut updater = Updater::new(source, &repository.root)
        .map_err(rejected)?
        .with_config(limits())
        .with_store(recorder.clone());
    updater.refresh(now).await.map_err(rejected)?;
    recorder.lock().check_seen(now)?;
    let trusted_root = updater.get_target(TRUSTED_ROOT, now).await.map_err(rejected)?;
    if updater.get_target_info(SIGNING_CONFIG, now).await.map_err(rejected)?.is_some() {
        updater.get_target(SIGNING_CONFIG, now).await.map_err(rejected)?;
    }
    // Kept unread it would be in the way of the last one that can be read.
    TrustedRoot::from_json(&trusted_root).map(drop).map_err(|e| {
        Error::new(Code::TrustUpdateRejected, "the published trusted root cannot be read")
            .found(e.to_string())
            .hint("a newer version of this program may be needed")
            .caused_by(e)
    })
}

/// The repository over HTTP.
struct Http {
    client: HttpClient,
    metadata: Url,
    targets: Url,
}

impl Http {
    fn new(repository: &TufRepository, client: &HttpClient) -> Result<Self> {
        let targets = below(&repository.url, "targets/")?;
        Ok(Self { client: client.clone(), metadata: repository.url.clone(), targets })
    }

    async fn get(&self, base: &Url, name: &str, max_length: u64) -> Result<Option<Vec<u8>>> {
        let request = Request::new(SERVICE, Method::GET, below(base, name)?)
            .max_answer(usize::try_from(max_length).unwrap_or(usize::MAX))
            // Somebody waits, and most often there is something to go on with.
            .retry(Retry::Never);
        let answer = self.client.send(request).await?;
        match answer.status {
            status if status.is_success() => Ok(Some(answer.body.to_vec())),
            // No newer root; object stores answer 403 for what is not there. Any other file must be.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN if name.ends_with(".root.json") => Ok(None),
            _ => Err(refused(SERVICE, &answer).context(name)),
        }
    }

    fn fetch<'a>(&'a self, base: &'a Url, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move {
            self.get(base, name, max_length)
                .await
                .map_err(|e| sigstore_tuf::Error::transport_with_source(name.to_owned(), e))
        })
    }
}

impl Repository for Http {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        self.fetch(&self.metadata, name, max_length)
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        self.fetch(&self.targets, path, max_length)
    }
}

/// `name` under `base`. Names come from metadata; none may lead elsewhere.
fn below(base: &Url, name: &str) -> Result<Url> {
    let url = base.join(name).ok().filter(|url| url.as_str().starts_with(base.as_str()));
    url.ok_or_else(|| {
        Error::new(Code::TrustUpdateRejected, "a file's name leads out of the repository").found(name)
    })
}

/// Everything that was verified, in memory until it is known to be complete.
#[derive(Clone)]
struct Recorder(Arc<Mutex<Recording>>);

#[derive(Default)]
struct Recording {
    /// The newest root metadata.
    root: Vec<u8>,
    roots: BTreeMap<u64, Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
    seen: Option<Vec<u8>>,
    /// Whether this update brought a timestamp role.
    new_timestamp: bool,
    /// Key ids of the timestamp and snapshot roles that `files` were signed with.
    online_keys: Option<[Vec<String>; 2]>,
}

impl Recorder {
    fn new(old: &State, set_root: Option<&[u8]>) -> Self {
        let bytes = |text: &String| text.clone().into_bytes();
        Self(Arc::new(Mutex::new(Recording {
            root: Vec::new(),
            roots: old.roots.iter().map(|(version, text)| (*version, bytes(text))).collect(),
            files: old.files.iter().map(|(name, text)| (name.clone(), bytes(text))).collect(),
            seen: old.seen.as_ref().map(bytes),
            new_timestamp: false,
            online_keys: set_root.and_then(online_keys),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    /// Refuses a timestamp older than one that was seen when an earlier update broke off.
    fn check_seen(&self, now: Timestamp) -> Result<()> {
        let (Some(seen), Some(current)) = (&self.seen, self.files.get("timestamp.json")) else {
            return Ok(());
        };
        let mut set = TrustedMetadataSet::from_root(&self.root).map_err(rejected)?;
        // Expired or not, it is a floor, if it is genuine.
        if set.update_timestamp(seen, Timestamp::MIN).is_err() {
            return Ok(());
        }
        match set.update_timestamp(current, now) {
            Ok(()) | Err(sigstore_tuf::Error::EqualVersion { .. }) => Ok(()),
            Err(error) => Err(rejected(error)),
        }
    }

    /// The floor for the next update, where this one broke off.
    fn newest_timestamp(&self, now: Timestamp) -> Option<&Vec<u8>> {
        let new = self.files.get("timestamp.json").filter(|_| self.new_timestamp);
        new.filter(|_| self.check_seen(now).is_ok()).or(self.seen.as_ref())
    }

    /// The roots after the pinned one, up to the newest: the updater was through them all.
    fn verified_roots(&self, pinned: &[u8]) -> impl Iterator<Item = (&u64, &Vec<u8>)> {
        let version = |bytes| root(bytes).map_or(0, |root| root.version);
        let (pinned, newest) = (version(pinned), version(&self.root));
        self.roots.iter().filter(move |(version, _)| (pinned.saturating_add(1)..=newest).contains(version))
    }

    /// Section 5.3.11: a rotated online key takes with it what it signed, or a stolen one could have
    /// raised the versions beyond what the repository ever reaches.
    fn forget_if_rotated(&mut self, root: &[u8]) {
        let keys = online_keys(root);
        if self.online_keys.is_some() && self.online_keys != keys {
            self.files.remove("timestamp.json");
            self.files.remove("snapshot.json");
            self.seen = None;
        }
        self.online_keys = keys;
    }
}

impl MetadataStore for Recorder {
    fn load(&self, name: &str) -> sigstore_tuf::Result<Option<Vec<u8>>> {
        let recording = self.lock();
        Ok(match root_version(name) {
            Some(version) => recording.roots.get(&version).cloned(),
            None => recording.files.get(name).cloned(),
        })
    }

    fn store(&self, name: &str, bytes: &[u8]) -> sigstore_tuf::Result<()> {
        let mut recording = self.lock();
        if name == "root.json" {
            recording.forget_if_rotated(bytes);
            recording.root = bytes.to_vec();
        } else if let Some(version) = root_version(name) {
            recording.roots.insert(version, bytes.to_vec());
        } else if !name.ends_with(".snapshot.json") {
            // That one, with its version in front, comes without it as well.
            recording.new_timestamp |= name == "timestamp.json";
            recording.files.insert(name.to_owned(), bytes.to_vec());
        }
        Ok(())
    }
}

fn root_version(name: &str) -> Option<u64> {
    name.strip_prefix("root_history/")?.strip_suffix(".root.json")?.parse().ok()
}

fn online_keys(metadata: &[u8]) -> Option<[Vec<String>; 2]> {
    let root = root(metadata).ok()?;
    let keys = |name| {
        let mut ids = root.role(name)?.keyids.clone();
        ids.sort();
        Some(ids)
    };
    Some([keys("timestamp")?, keys("snapshot")?])
}

/// What the updater says, in our words; what the network said, as it was.
fn rejected(error: sigstore_tuf::Error) -> Error {
    use sigstore_tuf::Error as Tuf;
    let (message, hint) = match error {
        Tuf::Transport { source: Some(source), .. } if source.is::<Error>() => {
            match source.downcast::<Error>() {
                Ok(ours) => return *ours,
                Err(_) => return Error::new(Code::Internal, "an error lost its kind"),
            }
        }
        Tuf::Expired { .. } => (
            "the TUF repository serves metadata that has expired",
            "check the clock of this machine; if it is right, the repository is not kept up, or an old state of it is being replayed",
        ),
        Tuf::Rollback { .. } | Tuf::BadRootVersion { .. } => (
            "the TUF repository serves older metadata than it did before",
            "somebody may be replaying an old state of the repository",
        ),
        Tuf::ThresholdNotMet { .. } | Tuf::DuplicateSignature { .. } => (
            "the TUF repository's metadata is not signed as its root demands",
            "is it the repository that the root metadata belongs to?",
        ),
        _ => ("the TUF repository's metadata is not acceptable", "nothing of it was kept; try again later"),
    };
    Error::new(Code::TrustUpdateRejected, message).found(chain(&error)).hint(hint).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_repository() {
        let base: Url = "https://tuf.example/repo/".parse().unwrap();
        for name in ["timestamp.json", "1.root.json", "1.a%2Fb.json", "sub/hash.trusted_root.json"] {
            assert_eq!(below(&base, name).unwrap().as_str(), format!("{base}{name}"));
        }
        for name in ["../x", "/x", "//other.example/x", "https://other.example/x", "sub/../../x", "file:///x"]
        {
            assert_eq!(below(&base, name).unwrap_err().code(), Code::TrustUpdateRejected, "{name}");
        }
    }
}
