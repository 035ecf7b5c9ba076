//! The sandbox: services on their ports, files in a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::ctlog::CtLog;
use crate::data::Data;
use crate::fault::Faults;
use crate::forge::Forge;
use crate::fulcio::Fulcio;
use crate::oidc::{Identity, Oidc, TokenChanges};
use crate::pki::BoxError;
use crate::registry::{Registry, RegistryOptions};
use crate::rekor_v1::RekorV1;
use crate::rekor_v2::RekorV2;
use crate::server::{self, Servers};
use crate::trust::{LogKey, Trust, TrustFiles};
use crate::tsa::Tsa;
use crate::tuf::Tuf;

/// How many services take consecutive ports: identity provider, Fulcio, Rekor v1 and v2, TSA, CT log, TUF.
const SERVICES: u16 = 7;
/// The name in Rekor v2's checkpoints: the host of its URL, where clients take it from.
pub(crate) const REKOR_ORIGIN: &str = "127.0.0.1";

/// How a sandbox is set up.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// Where its files go; a temporary directory that ends with the sandbox if not given.
    pub data: Option<PathBuf>,
    /// The registry's ways.
    pub registry: RegistryOptions,
    /// The first of the services' ports, which are consecutive; free ports if not given or 0.
    pub port: Option<u16>,
    /// The registry's port; a free one if not given or 0.
    pub registry_port: Option<u16>,
    /// The services' clock.
    pub clock: Clock,
    /// How the services misbehave.
    pub faults: Faults,
}

/// Which of the sandbox's two Rekor logs to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RekorVersion {
    /// Rekor v1: entry timestamps signed by the log.
    V1,
    /// Rekor v2: a tile-backed log, with times from the TSA only.
    V2,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// Somebody else listens on a port.
    #[error("127.0.0.1:{port} is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// Another sandbox that is up keeps its files there.
    #[error("{} is in use by another sandbox", path.display())]
    DirectoryInUse {
        /// The directory that was asked for.
        path: PathBuf,
    },
    /// The directory holds files, and none of them is a sandbox's.
    #[error("{} is not empty, and not a sandbox's", path.display())]
    ForeignDirectory {
        /// The directory that was asked for.
        path: PathBuf,
    },
    /// A port or a file could not be used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] BoxError),
}

/// Where the services are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Urls {
    /// The issuer of tokens for e-mail addresses.
    pub oidc: String,
    /// The issuer of tokens for workflows.
    pub oidc_github: String,
    /// The certificate authority.
    pub fulcio: String,
    /// The transparency log, version 1.
    pub rekor1: String,
    /// The transparency log, version 2.
    pub rekor2: String,
    /// The timestamp authority; timestamps are at `/api/v1/timestamp` under it.
    pub tsa: String,
    /// The certificate transparency log.
    pub ct: String,
    /// The TUF repository.
    pub tuf: String,
    /// The registry's host and port, without a scheme, as image references have it.
    pub registry: String,
}

/// A running sandbox. Dropping it ends it, too.
pub struct Sandbox {
    urls: Urls,
    trust: TrustFiles,
    oidc: Arc<Oidc>,
    registry: Arc<Registry>,
    tuf: Tuf,
    forge: Forge,
    faults: Faults,
    servers: Servers,
    // After the servers: the directory goes last.
    data: Data,
}

/// The ports, before anything is known about who serves there.
struct Listeners {
    services: [TcpListener; SERVICES as usize],
    registry: TcpListener,
}

/// All services with their keys.
struct Services {
    oidc: Arc<Oidc>,
    fulcio: Arc<Fulcio>,
    rekor1: Arc<RekorV1>,
    rekor2: Arc<RekorV2>,
    tsa: Arc<Tsa>,
    ct: Arc<CtLog>,
    tuf: Tuf,
    registry: Arc<Registry>,
    trust: TrustFiles,
    start: Timestamp,
}

impl Sandbox {
    /// Starts every service, with new keys, and writes the files.
    ///
    /// # Errors
    /// When a port is taken, the directory cannot be written or a key cannot be made.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let listeners = Listeners::bind(options.port, options.registry_port).await?;
        let urls = listeners.urls()?;
        let faults = options.faults.clone();
        // An RSA key takes its time: not on a thread that serves others.
        let made = tokio::task::spawn_blocking({
            let urls = urls.clone();
            move || {
                let data = Data::open(options.data.clone())?;
                let services = Services::new(options, &urls)?;
                services.write(&data, &urls)?;
                Ok::<_, SandboxError>((services, data))
            }
        });
        let (services, data) = made.await.map_err(BoxError::from)??;

        let forge = services.forge(&urls);
        let mut servers = Servers::new();
        let [oidc, fulcio, rekor1, rekor2, tsa, ct, tuf] = listeners.services;
        servers.serve(oidc, services.oidc.clone().router());
        servers.serve(fulcio, services.fulcio.router());
        servers.serve(rekor1, services.rekor1.router());
        servers.serve(rekor2, services.rekor2.router());
        servers.serve(tsa, services.tsa.router());
        servers.serve(ct, services.ct.router());
        servers.serve(tuf, services.tuf.clone().router());
        servers.serve(listeners.registry, services.registry.clone().router());
        Ok(Self {
            urls,
            trust: services.trust,
            oidc: services.oidc,
            registry: services.registry,
            tuf: services.tuf,
            forge,
            faults,
            servers,
            data,
        })
    }

    /// Where the services are.
    #[must_use]
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// The directory with the sandbox's files.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The switches that make services misbehave.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The services' keys, for evidence that they would not give out.
    #[must_use]
    pub fn forge(&self) -> &Forge {
        &self.forge
    }

    /// An identity token for `identity`, good for ten minutes.
    #[must_use]
    pub fn token(&self, identity: &Identity) -> String {
        self.token_with(identity, &TokenChanges::default())
    }

    /// An identity token with `changes`. Should the system fail to sign, it is empty and nobody accepts it.
    #[must_use]
    pub fn token_with(&self, identity: &Identity, changes: &TokenChanges) -> String {
        self.oidc.token(identity, changes).unwrap_or_default()
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, as a GitHub job finds them.
    #[must_use]
    pub fn actions_request(&self) -> (String, String) {
        self.oidc.actions_request()
    }

    /// Sigstore's `TrustedRoot`, JSON.
    #[must_use]
    pub fn trusted_root(&self) -> &str {
        &self.trust.trusted_root
    }

    /// Sigstore's `SigningConfig` with one of the logs, JSON.
    #[must_use]
    pub fn signing_config(&self, rekor: RekorVersion) -> &str {
        self.trust.signing_config(rekor)
    }

    /// Sigstore's `ClientTrustConfig`: trusted root and signing config in one, JSON.
    #[must_use]
    pub fn trust_config(&self, rekor: RekorVersion) -> &str {
        self.trust.trust_config(rekor)
    }

    /// The TUF repository, to publish more with it or to make it lie.
    #[must_use]
    pub fn tuf(&self) -> &Tuf {
        &self.tuf
    }

    /// Puts an image of an OCI image layout into the registry and answers its digest.
    ///
    /// # Errors
    /// When the layout cannot be read or has no such tag.
    pub fn load_image(
        &self,
        layout: &Path,
        layout_tag: &str,
        repository: &str,
        tag: &str,
    ) -> io::Result<String> {
        self.registry.load_image(layout, layout_tag, repository, tag)
    }

    /// Ends the servers; when this returns, the ports are free.
    pub async fn stop(self) {
        self.servers.stop().await;
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("urls", &self.urls)
            .field("data", &self.data.path())
            .finish_non_exhaustive()
    }
}

impl Listeners {
    async fn bind(port: Option<u16>, registry_port: Option<u16>) -> Result<Self, SandboxError> {
        let first = port.filter(|port| *port != 0);
        if first.is_some_and(|first| first.checked_add(SERVICES - 1).is_none()) {
            return Err(BoxError::from(format!("{SERVICES} ports are needed, so many do not follow")).into());
        }
        let next = |offset: u16| server::listen(first.map(|first| first.saturating_add(offset)));
        let services = [
            next(0).await?,
            next(1).await?,
            next(2).await?,
            next(3).await?,
            next(4).await?,
            next(5).await?,
            next(6).await?,
        ];
        Ok(Self { services, registry: server::listen(registry_port).await? })
    }

    fn urls(&self) -> io::Result<Urls> {
        let [oidc, fulcio, rekor1, rekor2, tsa, ct, tuf] = &self.services;
        let url = |listener| Ok::<_, io::Error>(format!("http://{}", server::address(listener)?));
        let oidc = url(oidc)?;
        Ok(Urls {
            // As `Oidc::workflow_issuer` has it; the end-to-end test compares.
            oidc_github: format!("{oidc}/gha"),
            oidc,
            fulcio: url(fulcio)?,
            rekor1: url(rekor1)?,
            rekor2: url(rekor2)?,
            tsa: url(tsa)?,
            ct: url(ct)?,
            tuf: url(tuf)?,
            registry: server::address(&self.registry)?,
        })
    }
}

impl Services {
    fn new(options: SandboxOptions, urls: &Urls) -> Result<Self, BoxError> {
        let SandboxOptions { registry, clock, faults, .. } = options;
        let now = clock.now();
        let oidc = Arc::new(Oidc::new(urls.oidc.clone(), clock.clone())?);
        let ct = Arc::new(CtLog::new()?);
        let fulcio = Fulcio::new(oidc.clone(), ct.clone(), clock.clone(), faults.clone())?;
        let tsa = Tsa::new(clock.clone(), faults.clone())?;
        let rekor1 = RekorV1::new(clock.clone(), faults.clone())?;
        let rekor2 = RekorV2::new(REKOR_ORIGIN, faults.clone())?;
        let trust = Trust {
            urls,
            now,
            fulcio: fulcio.chain_der(),
            tsa: tsa.chain_der(),
            ct: LogKey { public_key: ct.public_key_der(), id: ct.id() },
            rekor1: LogKey { public_key: rekor1.public_key_der(), id: rekor1.log_id() },
            rekor2: LogKey { public_key: rekor2.public_key_der(), id: rekor2.log_id() },
        }
        .files()?;
        let targets = [
            ("trusted_root.json", trust.trusted_root.as_str()),
            ("signing_config.v0.2.json", trust.signing_config(RekorVersion::V2)),
        ];
        Ok(Self {
            tuf: Tuf::new(&targets, now)?,
            registry: Arc::new(Registry::new(registry, &format!("http://{}", urls.registry), clock, faults)?),
            oidc,
            fulcio: Arc::new(fulcio),
            rekor1: Arc::new(rekor1),
            rekor2: Arc::new(rekor2),
            tsa: Arc::new(tsa),
            ct,
            trust,
            start: now,
        })
    }

    fn forge(&self, urls: &Urls) -> Forge {
        Forge {
            urls: urls.clone(),
            start: self.start,
            fulcio: self.fulcio.authorities(),
            ct: self.ct.clone(),
            rekor1: self.rekor1.clone(),
            rekor2: self.rekor2.clone(),
            tsa: self.tsa.authorities(),
        }
    }

    fn write(&self, data: &Data, urls: &Urls) -> Result<(), SandboxError> {
        data.write("trusted_root.json", &self.trust.trusted_root)?;
        for (number, rekor) in [(1, RekorVersion::V1), (2, RekorVersion::V2)] {
            data.write(&format!("signing_config.rekor{number}.json"), self.trust.signing_config(rekor))?;
            data.write(&format!("trust_config.rekor{number}.json"), self.trust.trust_config(rekor))?;
        }
        data.write("tuf_root.json", &self.tuf.root())?;
        let urls = serde_json::to_string_pretty(urls).map_err(BoxError::from)?;
        Ok(data.write("urls.json", &format!("{urls}\n"))?)
    }
}
