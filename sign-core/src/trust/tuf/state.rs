//! What is kept of a repository between two updates. It is kept where others may write, so that
//! nothing in it is believed: all of it is verified again each time, from the pinned root on.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sigstore_tuf::metadata::Role;
use sigstore_tuf::transport::FetchFuture;
use sigstore_tuf::{Metadata, MetadataStore, Repository, Root, Targets, TrustedMetadataSet, Updater};

use super::{SIGNING_CONFIG, TRUSTED_ROOT, TufRole, chain, limits};
use crate::error::{Code, Error, Result};

/// Version of the file's shape; another one is read as no file.
const FORMAT: u32 = 1;

/// Signed files, and when the repository last confirmed that they are the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct State {
    pub(super) format: u32,
    /// When the last complete update was.
    pub(super) confirmed: Option<Timestamp>,
    /// Root metadata newer than the pinned one, by version.
    pub(super) roots: BTreeMap<u64, String>,
    /// The last good set: metadata by role, targets under `targets/`.
    pub(super) files: BTreeMap<String, String>,
    /// The newest timestamp role that was seen, where the set that it announced never came. An older
    /// one is refused from then on (section 5.4.3).
    pub(super) seen: Option<String>,
}

/// A set of metadata and targets whose signatures, versions and hashes are right. Whether it is still
/// fresh is for the caller to say.
pub(super) struct Verified {
    /// The newest root first.
    pub(super) roles: Vec<TufRole>,
    pub(super) trusted_root: Vec<u8>,
    pub(super) signing_config: Option<Vec<u8>>,
    pub(super) tuf_root: Vec<u8>,
    pub(super) confirmed: Timestamp,
    /// The root metadata that the set was verified with; not the newest, if keys were rotated since.
    pub(super) set_root: Vec<u8>,
    pub(super) superseded: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { format: FORMAT, confirmed: None, roots: BTreeMap::new(), files: BTreeMap::new(), seen: None }
    }
}

impl State {
    pub(super) fn from_json(json: &[u8]) -> Result<Self> {
        let state: Self = serde_json::from_slice(json).map_err(|e| unusable(&e.to_string()))?;
        if state.format != FORMAT {
            return Err(unusable("another format"));
        }
        Ok(state)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|e| Error::new(Code::Internal, "cannot write the cache").caused_by(e))
    }

    /// Every root from the pinned one to the newest. The pinned one may be newer than some that are
    /// kept, but none that is kept may lead nowhere.
    pub(super) fn root_chain(&self, pinned: &[u8]) -> Result<Vec<Vec<u8>>> {
        if self.roots.is_empty() {
            return Ok(vec![pinned.to_vec()]);
        }
        let mut set = TrustedMetadataSet::from_root(pinned).map_err(|e| unusable(&chain(&e)))?;
        let mut roots = vec![pinned.to_vec()];
        for next in self.roots.range(set.root().version.saturating_add(1)..).map(|(_, next)| next) {
            set.update_root(next.as_bytes()).map_err(|e| unusable(&chain(&e)))?;
            roots.push(next.clone().into_bytes());
        }
        Ok(roots)
    }

    /// Verifies everything but the expiry.
    ///
    /// Where the newest root has replaced an online key, the set from before is signed by a key that is
    /// no longer valid. It is still the last good one while the newest root's targets keys stand behind
    /// its targets.
    pub(super) fn verify(&self, pinned: &[u8]) -> Result<Verified> {
        let Some(confirmed) = self.confirmed else { return Err(unusable("nothing was ever updated")) };
        let roots = self.root_chain(pinned)?;
        let newest_bytes = roots.last().cloned().unwrap_or_default();
        let newest = root(&newest_bytes)?;
        let files = Files(Arc::new(self.files.clone()));
        let mut failure = unusable("no set");
        for set_root in roots.iter().rev() {
            let set = match files.verify(set_root) {
                Ok(set) => set,
                Err(error) => {
                    failure = unusable(&chain(&error));
                    continue;
                }
            };
            let superseded = *set_root != newest_bytes;
            if superseded {
                self.check_targets(&newest)?;
            }
            // After its expiry the update would have been refused: whoever says otherwise wants an old
            // set to look young.
            if set.roles.iter().any(|role| role.expires < confirmed) {
                return Err(unusable("it claims to have been updated after it expired"));
            }
            let mut roles = vec![role("root", &newest)];
            roles.extend(set.roles);
            return Ok(Verified {
                roles,
                trusted_root: set.trusted_root,
                signing_config: set.signing_config,
                tuf_root: newest_bytes,
                confirmed,
                set_root: set_root.clone(),
                superseded,
            });
        }
        Err(failure)
    }

    fn check_targets(&self, newest: &Root) -> Result<()> {
        let targets = self.files.get("targets.json").ok_or_else(|| unusable("no targets role"))?;
        let keys = newest.role("targets").ok_or_else(|| unusable("no targets keys"))?;
        Metadata::<Targets>::from_slice(targets.as_bytes())
            .and_then(|targets| targets.verify_threshold(&newest.keys, keys, "targets"))
            .map_err(|e| unusable(&chain(&e)))
    }
}

struct Set {
    roles: Vec<TufRole>,
    trusted_root: Vec<u8>,
    signing_config: Option<Vec<u8>>,
}

/// The files of a state, as a store and as a repository: one that never has to be waited for.
#[derive(Clone)]
struct Files(Arc<BTreeMap<String, String>>);

impl Files {
    fn verify(&self, root: &[u8]) -> sigstore_tuf::Result<Set> {
        // Before any expiry: signatures and hashes are looked at, age is not.
        let now = Timestamp::MIN;
        let mut updater = Updater::new(self.clone(), root)?.with_config(limits()).with_store(self.clone());
        let set = async {
            updater.refresh(now).await?;
            let trusted_root = updater.get_target(TRUSTED_ROOT, now).await?;
            let signing_config = match updater.get_target_info(SIGNING_CONFIG, now).await? {
                Some(_) => Some(updater.get_target(SIGNING_CONFIG, now).await?),
                None => None,
            };
            Ok(Set { roles: lower_roles(updater.trusted()), trusted_root, signing_config })
        };
        set.now_or_never().unwrap_or(Err(sigstore_tuf::Error::NotRefreshed))
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.get(name).map(|text| text.clone().into_bytes())
    }
}

impl Repository for Files {
    fn fetch_metadata<'a>(&'a self, name: &'a str, _max_length: u64) -> FetchFuture<'a> {
        // With consistent snapshots a file is asked for by version; only the newest is kept.
        let unversioned =
            name.split_once('.').filter(|(version, _)| version.bytes().all(|b| b.is_ascii_digit()));
        let found = self.get(unversioned.map_or(name, |(_, name)| name));
        Box::pin(std::future::ready(Ok(found)))
    }

    fn fetch_target<'a>(&'a self, _path: &'a str, _max_length: u64) -> FetchFuture<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

impl MetadataStore for Files {
    fn load(&self, name: &str) -> sigstore_tuf::Result<Option<Vec<u8>>> {
        Ok(self.get(name))
    }

    fn store(&self, _name: &str, _bytes: &[u8]) -> sigstore_tuf::Result<()> {
        Ok(())
    }
}

/// The payload of root metadata that is known to be right.
pub(super) fn root(bytes: &[u8]) -> Result<Root> {
    Metadata::<Root>::from_slice(bytes).map(Metadata::into_signed).map_err(|e| unusable(&chain(&e)))
}

pub(super) fn role<R: Role>(name: &'static str, role: &R) -> TufRole {
    TufRole { name, version: role.version(), expires: role.expires() }
}

fn lower_roles(set: &TrustedMetadataSet) -> Vec<TufRole> {
    let timestamp = set.timestamp().map(|r| role("timestamp", r));
    let snapshot = set.snapshot().map(|r| role("snapshot", r));
    let targets = set.targets_role("targets").map(|r| role("targets", r));
    [timestamp, snapshot, targets].into_iter().flatten().collect()
}

fn unusable(why: &str) -> Error {
    Error::new(Code::TrustConfigInvalid, "the cached trust material is not usable").found(why)
}
