//! The TUF repository that hands out an instance's trusted root and signing config.
//!
//! Source: The Update Framework specification 1.0.31, section 5; `sigstore-tuf` carries it out. Here
//! `state` is what is kept, and pure; `cache` owns the folder, `refresh` the network, and `store` puts
//! them together.

mod cache;
mod refresh;
mod state;
mod store;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use sigstore_trust_root::SigstoreInstance;
use sigstore_tuf::{TrustedMetadataSet, UpdaterConfig};
use url::Url;

pub use cache::TrustCache;
pub use store::{TrustMaterial, TrustOrigin, TrustStore, TrustUpdate};

use super::Instance;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// The target that is the trusted root.
const TRUSTED_ROOT: &str = "trusted_root.json";
/// The target that is the signing config. An instance without public signing has none.
const SIGNING_CONFIG: &str = "signing_config.v0.2.json";
/// Largest target: the public trusted root has 8 KiB.
const MAX_TARGET: u64 = 4 * 1024 * 1024;
/// Most root rotations of one update: a pinned root may be many years old.
const MAX_ROTATIONS: u32 = 256;

/// Where trust material is published, and the root metadata that trust in it begins with.
#[derive(Clone)]
pub struct TufRepository {
    url: Url,
    root: Arc<[u8]>,
    instance: Option<Instance>,
}

/// One TUF role, as it was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TufRole {
    /// `root`, `timestamp`, `snapshot` or `targets`.
    pub name: &'static str,
    /// Its version.
    pub version: u64,
    /// When it expires.
    pub expires: Timestamp,
}

impl TufRepository {
    /// The repository of a known instance; its root metadata comes with this crate.
    ///
    /// # Errors
    /// None in a released version.
    pub fn of(instance: Instance) -> Result<Self> {
        let known = known(instance);
        // Not checked again each time: a test does.
        Ok(Self { url: base(known.tuf_url())?, root: known.tuf_root().into(), instance: Some(instance) })
    }

    /// A repository at `url`. `root` is a version of its root metadata that the caller knows to be right.
    ///
    /// # Errors
    /// [`Code::TrustConfigInvalid`] for an address that is not http or https, and for root metadata that
    /// does not parse or is not signed by its own keys.
    pub fn new(url: &str, root: &[u8]) -> Result<Self> {
        TrustedMetadataSet::from_root(root).map_err(|e| {
            Error::new(Code::TrustConfigInvalid, "not the root metadata of a TUF repository")
                .found(chain(&e))
                .caused_by(e)
        })?;
        Ok(Self { url: base(url)?, root: root.into(), instance: None })
    }

    /// The same repository at another address: a mirror, which is trusted no more than the network is.
    ///
    /// # Errors
    /// [`Code::TrustConfigInvalid`] for an address that is not http or https.
    pub fn mirrored_at(self, url: &str) -> Result<Self> {
        Ok(Self { url: base(url)?, ..self })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The known instance that it is the repository of.
    #[must_use]
    pub fn instance(&self) -> Option<Instance> {
        self.instance
    }

    /// A file name for this address on every system: readable, and distinct by its hash.
    fn name(&self) -> String {
        let host: String = self.url.host_str().unwrap_or_default().to_owned();
        let host: String =
            host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
        let hash = Digest::sha256(self.url.as_str().as_bytes());
        format!("{host}-{}", hash.hex().get(..12).unwrap_or_default())
    }
}

impl fmt::Debug for TufRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TufRepository")
            .field("url", &self.url.as_str())
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

fn known(instance: Instance) -> SigstoreInstance {
    match instance {
        Instance::Public => SigstoreInstance::PublicGood,
        Instance::Staging => SigstoreInstance::Staging,
        Instance::GitHub => SigstoreInstance::GitHub,
    }
}

/// An address that ends in a slash, so that names can be put under it.
fn base(text: &str) -> Result<Url> {
    let bad = || {
        Error::new(Code::TrustConfigInvalid, "not the address of a TUF repository")
            .expected("an http or https address")
    };
    let mut url: Url = text.parse().map_err(|_| bad().found(text))?;
    // A password here would end up in every message that names the repository.
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(bad());
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// What the updater may download: against endless data.
fn limits() -> UpdaterConfig {
    let mut config = UpdaterConfig::default();
    config.target_max_length = MAX_TARGET;
    config.max_root_rotations = MAX_ROTATIONS;
    config
}

/// An error with all its causes: the crate's messages leave them out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_of_the_known_instances_are_sound() {
        for instance in [Instance::Public, Instance::Staging, Instance::GitHub] {
            let repository = TufRepository::of(instance).unwrap();
            TufRepository::new(repository.url().as_str(), &repository.root).unwrap();
            assert_eq!(repository.instance(), Some(instance));
            assert_eq!(repository.url().scheme(), "https");
        }
        let public = TufRepository::of(Instance::Public).unwrap();
        assert!(public.name().starts_with("tuf-repo-cdn.sigstore.dev-"), "{}", public.name());
    }

    #[test]
    fn refuses_addresses_and_roots_that_are_none() {
        let root = known(Instance::Public).tuf_root();
        for url in ["", "tuf.example", "file:///etc", "https://user:secret@tuf.example"] {
            let error = TufRepository::new(url, root).unwrap_err();
            assert_eq!(error.code(), Code::TrustConfigInvalid, "{url}");
            assert!(!error.to_string().contains("secret"));
        }
        // Signed by nobody: one byte of what is signed has changed.
        let other = String::from_utf8(root.to_vec()).unwrap().replacen("\"version\"", "\"versiom\"", 1);
        for root in ["", "{}", "[]", &other] {
            let error = TufRepository::new("https://tuf.example", root.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::TrustConfigInvalid, "{root}");
        }
    }

    #[test]
    fn one_repository_has_one_name_and_a_mirror_another() {
        let name = |url: &str| TufRepository::of(Instance::Public).unwrap().mirrored_at(url).unwrap().name();
        assert_eq!(name("https://mirror.example/tuf"), name("https://mirror.example/tuf/?x#y"));
        assert_ne!(name("https://mirror.example/tuf"), name("https://mirror.example/fut"));
        assert!(!name("http://[::1]:80/..%2f..").contains(['/', ':', '[']));
    }
}
