//! Which trust material is used when: the cache while it is fresh, else the network, else the newest
//! that there is, as long as its root metadata has not expired.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cache::{Lock, TrustCache};
use super::refresh::refresh;
use super::state::{State, Verified, role, root};
use super::{TufRepository, TufRole, known};
use crate::error::{Code, Error, Result};
use crate::http::HttpClient;
use crate::trust::{Instance, SigningConfig, TrustedRoot};

/// How long material is used without asking whether it is still the newest: a key that was stolen
/// should not be trusted for a week because a timestamp role lives that long.
const MAX_UNCONFIRMED: SignedDuration = SignedDuration::from_hours(24);
/// How far apart the clocks of processes that share a cache may be.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);
/// Longest time for a whole update: each request has its deadline, and there can be many.
const UPDATE_DEADLINE: Duration = Duration::from_secs(30);
/// The version of `sigstore-trust-root` that the embedded material is from, and the day it was put
/// together. A test compares the version with the lock file.
const EMBEDDED: (&str, Timestamp) = ("0.15.1", Timestamp::constant(1_792_713_600, 0));

/// Trust material of one TUF repository, cached or not.
#[derive(Debug, Clone)]
pub struct TrustStore {
    repository: TufRepository,
    cache: Option<TrustCache>,
}

/// Where trust material came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustOrigin {
    /// It came with this version of the crate.
    Embedded,
    /// It was kept from an earlier update.
    Cache,
    /// It was updated just now.
    Repository,
}

/// A trusted root and what goes with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrustMaterial {
    /// Whom to trust.
    pub trusted_root: TrustedRoot,
    /// Where it came from.
    pub origin: TrustOrigin,
    /// When it was known to be the newest.
    pub as_of: Timestamp,
    /// The roles that vouch for it, root first. Of embedded material only the root is known.
    pub roles: Vec<TufRole>,
    /// The trusted root as it was published.
    pub trusted_root_json: Vec<u8>,
    /// The signing config as it was published, if it was.
    pub signing_config_json: Option<Vec<u8>>,
    /// The newest root metadata of the TUF repository.
    pub tuf_root_json: Vec<u8>,
    /// Why it is not newer, where an update was tried.
    pub not_updated: Option<Error>,
    /// Why it was not kept for the next time.
    pub not_cached: Option<Error>,
    superseded: bool,
}

/// What an update changed.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrustUpdate {
    /// The material before, if there was any.
    pub before: Option<TrustMaterial>,
    /// The material now.
    pub after: TrustMaterial,
}

impl TrustOrigin {
    /// The name used in output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Cache => "cache",
            Self::Repository => "repository",
        }
    }
}

impl TrustMaterial {
    /// The signing config of the same instance.
    ///
    /// # Errors
    /// [`Code::NoUsableService`] where none is published, [`Code::TrustConfigInvalid`].
    pub fn signing_config(&self) -> Result<SigningConfig> {
        let json = self.signing_config_json.as_deref().ok_or_else(|| {
            Error::new(Code::NoUsableService, "this instance has no public signing config")
                .hint("give one with --signing-config or --trust-config")
        })?;
        SigningConfig::from_json(json)
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.as_of).max(SignedDuration::ZERO)
    }

    /// The first role that has expired.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> Option<&TufRole> {
        self.roles.iter().find(|role| role.expires < now)
    }

    /// Whether it can be used without asking whether there is newer: nothing has expired, and it was
    /// confirmed within a day.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let unconfirmed = now.duration_since(self.as_of);
        self.origin != TrustOrigin::Embedded
            && !self.superseded
            && self.expired(now).is_none()
            && (-CLOCK_TOLERANCE..MAX_UNCONFIRMED).contains(&unconfirmed)
    }

    fn cached(verified: Verified) -> Result<Self> {
        Ok(Self {
            trusted_root: TrustedRoot::from_json(&verified.trusted_root)?,
            origin: TrustOrigin::Cache,
            as_of: verified.confirmed,
            roles: verified.roles,
            trusted_root_json: verified.trusted_root,
            signing_config_json: verified.signing_config,
            tuf_root_json: verified.tuf_root,
            not_updated: None,
            not_cached: None,
            superseded: verified.superseded,
        })
    }

    fn embedded(instance: Instance, tuf_root: Vec<u8>) -> Result<Self> {
        let json = known(instance).embedded_trusted_root_json();
        Ok(Self {
            trusted_root: TrustedRoot::from_json(json.as_bytes())?,
            origin: TrustOrigin::Embedded,
            as_of: EMBEDDED.1,
            roles: vec![role("root", &root(&tuf_root)?)],
            trusted_root_json: json.into(),
            signing_config_json: known(instance).embedded_signing_config_json().map(Into::into),
            tuf_root_json: tuf_root,
            not_updated: None,
            not_cached: None,
            superseded: false,
        })
    }
}

impl TrustStore {
    /// The material of `repository`, kept in `cache`; without one it is fetched each time.
    #[must_use]
    pub fn new(repository: TufRepository, cache: Option<TrustCache>) -> Self {
        Self { repository, cache }
    }

    /// Where it is published.
    #[must_use]
    pub fn repository(&self) -> &TufRepository {
        &self.repository
    }

    /// The folder of its cache, if it has one.
    #[must_use]
    pub fn folder(&self) -> Option<std::path::PathBuf> {
        self.cache.as_ref().map(|cache| cache.folder(&self.repository))
    }

    /// What is in the cache, verified again; `None` where there is nothing that holds.
    #[must_use]
    pub fn cached(&self) -> Option<TrustMaterial> {
        let verified = self.state()?.verify(&self.repository.root).ok()?;
        TrustMaterial::cached(verified).ok()
    }

    /// The newest material that there is without a network, however old.
    ///
    /// # Errors
    /// [`Code::OfflineRequired`] where nothing is cached and nothing embedded.
    pub fn offline(&self) -> Result<TrustMaterial> {
        newest(self.cached(), self.embedded()?).ok_or_else(|| {
            Error::new(Code::OfflineRequired, "no trust material of this TUF repository is there")
                .expected(format!("one update from {}", self.repository.url()))
                .found("nothing usable in the cache")
                .hint("run `signer trust update` once with a network, or give --trusted-root")
        })
    }

    /// What should be used now. Opens no socket while the cache is fresh; if an update fails, it is the
    /// newest there is, with the reason in `not_updated`.
    ///
    /// # Errors
    /// [`Code::TrustRootStale`] where no update can be had and the newest root metadata has expired, or an
    /// update was rejected and anything has; the update's own error where there is nothing to go on with.
    pub async fn current(&self, http: &HttpClient, now: Timestamp) -> Result<TrustMaterial> {
        if let Some(cached) = self.cached().filter(|material| material.is_fresh(now)) {
            return Ok(cached);
        }
        if http.is_offline() {
            return self.offline();
        }
        let error = match self.fetch(http, now, Effort::IfStale).await {
            Ok(material) => return Ok(material),
            Err(error) => error,
        };
        let Ok(mut last) = self.offline() else { return Err(error) };
        // Where the repository is out of reach, the root's expiry bounds how long somebody in between can
        // keep newer keys away. Where an answer came and is not acceptable, somebody may be replaying an
        // old state, and what has expired in any role is just what they would have us go on with.
        let rejected = error.code() == Code::TrustUpdateRejected;
        let expired =
            if rejected { last.expired(now) } else { last.roles.first().filter(|root| root.expires < now) };
        match expired {
            Some(role) => Err(Error::new(Code::TrustRootStale, "the trust material has expired")
                .expected("an update, or metadata that has not expired")
                .found(format!("{} version {} expired {}", role.name, role.version, role.expires))
                .hint(if rejected {
                    "check the clock of this machine; if it is right, the repository is not kept up, or somebody is in between"
                } else {
                    "connect and run `signer trust update`, or install a newer version of this program"
                })
                .with_others(vec![error])),
            None => {
                last.not_updated = Some(error);
                Ok(last)
            }
        }
    }

    /// Updates, however fresh the cache is.
    ///
    /// # Errors
    /// [`Code::TrustUpdateRejected`] for metadata that is not acceptable, [`Code::ServiceUnavailable`]
    /// and its kin where it could not be had. What was there before is still there.
    pub async fn update(&self, http: &HttpClient, now: Timestamp) -> Result<TrustUpdate> {
        let before = self.cached();
        let after = self.fetch(http, now, Effort::Always).await?;
        Ok(TrustUpdate { before, after })
    }

    async fn fetch(&self, http: &HttpClient, now: Timestamp, effort: Effort) -> Result<TrustMaterial> {
        tokio::time::timeout(UPDATE_DEADLINE, self.fetch_locked(http, now, effort)).await.unwrap_or_else(
            |_| {
                Err(Error::new(Code::ServiceUnavailable, "the TUF repository is too slow")
                    .expected(format!("an update within {} s", UPDATE_DEADLINE.as_secs())))
            },
        )
    }

    async fn fetch_locked(&self, http: &HttpClient, now: Timestamp, effort: Effort) -> Result<TrustMaterial> {
        let (lock, not_cached) = match self.lock().await {
            Ok(lock) => (lock, None),
            Err(error) => (None, Some(error)),
        };
        let old = self.state().unwrap_or_default();
        let verified = old.verify(&self.repository.root).ok();
        let set_root = verified.as_ref().map(|verified| verified.set_root.clone());
        if effort == Effort::IfStale
            && let Some(cached) = verified.and_then(|verified| TrustMaterial::cached(verified).ok())
            && cached.is_fresh(now)
        {
            // Another process updated while this one waited for the lock.
            return Ok(cached);
        }
        let refreshed = refresh(&self.repository, http, &old, set_root.as_deref(), now).await;
        let not_cached = not_cached.or_else(|| self.keep(&old, &refreshed.state, lock.as_ref()).err());
        refreshed.result?;
        let mut material = TrustMaterial::cached(refreshed.state.verify(&self.repository.root)?)?;
        material.origin = TrustOrigin::Repository;
        material.not_cached = not_cached;
        Ok(material)
    }

    async fn lock(&self) -> Result<Option<Lock>> {
        match &self.cache {
            Some(cache) => cache.lock(&self.repository).await.map(Some),
            None => Ok(None),
        }
    }

    fn keep(&self, old: &State, new: &State, lock: Option<&Lock>) -> Result<()> {
        match (&self.cache, lock) {
            (Some(cache), Some(lock)) if old != new => cache.write(&self.repository, new, lock),
            _ => Ok(()),
        }
    }

    fn state(&self) -> Option<State> {
        // A cache that cannot be read is no cache: nothing depends on it but time.
        self.cache.as_ref()?.read(&self.repository).ok()?
    }

    fn embedded(&self) -> Result<Option<TrustMaterial>> {
        let Some(instance) = self.repository.instance() else { return Ok(None) };
        let pinned = &self.repository.root;
        // Newer root metadata may be known even if no set ever was complete.
        let roots = self.state().and_then(|state| state.root_chain(pinned).ok()).unwrap_or_default();
        let newest = roots.last().cloned().unwrap_or_else(|| pinned.to_vec());
        TrustMaterial::embedded(instance, newest).map(Some)
    }
}

/// The one that was known to be the newest later: a cache of last year must not outdo a new program.
fn newest(cached: Option<TrustMaterial>, embedded: Option<TrustMaterial>) -> Option<TrustMaterial> {
    match (cached, embedded) {
        (Some(cached), Some(embedded)) if cached.as_of < embedded.as_of => Some(embedded),
        (cached, embedded) => cached.or(embedded),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    IfStale,
    Always,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_embedded_material_is_that_of_its_version() {
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
        let entry = format!("name = \"sigstore-trust-root\"\nversion = \"{}\"\n", EMBEDDED.0);
        assert!(lock.contains(&entry), "a new version: look its date up in the crate's changelog");
        assert_eq!(EMBEDDED.1.to_string(), "2026-10-23T00:00:00Z");
    }

    #[test]
    fn embedded_material_is_complete_but_never_fresh() {
        for (instance, signs) in
            [(Instance::Public, true), (Instance::Staging, true), (Instance::GitHub, false)]
        {
            let store = TrustStore::new(TufRepository::of(instance).unwrap(), None);
            assert!(store.cached().is_none());
            let material = store.offline().unwrap();
            assert_eq!(material.origin, TrustOrigin::Embedded);
            assert_eq!(material.signing_config().is_ok(), signs, "{instance:?}");
            assert!(!material.is_fresh(material.as_of), "{instance:?}");
            assert!(
                material.roles.first().is_some_and(|root| root.name == "root" && root.expires > EMBEDDED.1)
            );
        }
    }

    #[test]
    fn a_new_program_outdoes_an_old_cache() {
        let embedded =
            || TrustStore::new(TufRepository::of(Instance::Public).unwrap(), None).offline().unwrap();
        let cached = |hours| TrustMaterial {
            origin: TrustOrigin::Cache,
            as_of: EMBEDDED.1 + SignedDuration::from_hours(hours),
            ..embedded()
        };
        let origin = |cached, embedded| newest(cached, embedded).map(|material| material.origin);
        assert_eq!(origin(Some(cached(-1)), Some(embedded())), Some(TrustOrigin::Embedded));
        assert_eq!(origin(Some(cached(0)), Some(embedded())), Some(TrustOrigin::Cache));
        assert_eq!(origin(Some(cached(-1)), None), Some(TrustOrigin::Cache));
        assert_eq!(origin(None, Some(embedded())), Some(TrustOrigin::Embedded));
        assert_eq!(origin(None, None), None);
    }
}
