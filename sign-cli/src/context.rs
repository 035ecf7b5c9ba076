//! What the global options stand for: trust material, HTTP client, verifier, stores.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sign_core::{
    Clock, Code, CredentialSource, Error, HttpClient, HttpOptions, ImageReference, Instance, RegistryOptions,
    Result, SigningConfig, SigningContext, Store, SystemClock, TrustConfig, TrustedRoot, Verifier,
    open_store,
};

use crate::args::{GlobalArgs, InstanceArg, RegistryArgs};
use crate::output::Output;

/// Largest trust file that is read; the public one has 8 KiB.
const MAX_TRUST_FILE: u64 = 4 * 1024 * 1024;
/// Largest document that is read from a file: what fits into a bundle that is read again.
pub(crate) const MAX_DOCUMENT: u64 = 96 * 1024 * 1024;

/// Everything a command needs besides its own arguments.
pub(crate) struct Context {
    pub(crate) global: GlobalArgs,
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(global: GlobalArgs) -> Self {
        let output = Output::new(global.output);
        Self { global, output }
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Says something on stderr when `-v` asks for it.
    pub(crate) fn verbose(&self, text: impl FnOnce() -> String) {
        if self.global.verbose {
            self.output.note(&text());
        }
    }

    pub(crate) fn http(&self) -> Result<HttpClient> {
        let extra_ca_pem =
            self.global.ca_file.as_deref().map(|path| read_file(path, MAX_TRUST_FILE)).transpose()?;
        let mut options =
            HttpOptions { extra_ca_pem, offline: self.global.offline, ..HttpOptions::default() };
        if let Some(seconds) = self.global.timeout {
            options.timeout = Duration::from_secs(seconds);
        }
        HttpClient::new(options)
    }

    pub(crate) fn trusted_root(&self) -> Result<TrustedRoot> {
        if let Some(path) = &self.global.trusted_root {
            return TrustedRoot::from_json(&read_file(path, MAX_TRUST_FILE)?)
                .map_err(|e| e.context(path.display()));
        }
        if let Some(config) = self.trust_config()? {
            return Ok(config.trusted_root);
        }
        TrustedRoot::embedded(self.instance())
    }

    pub(crate) fn signing_config(&self) -> Result<SigningConfig> {
        if let Some(path) = &self.global.signing_config {
            return SigningConfig::from_json(&read_file(path, MAX_TRUST_FILE)?)
                .map_err(|e| e.context(path.display()));
        }
        if let Some(config) = self.trust_config()? {
            return Ok(config.signing_config);
        }
        if self.global.trusted_root.is_some() {
            return Err(Error::new(
                Code::InvalidArgument,
                "signing needs to know the services of that trusted root",
            )
            .expected("--trust-config, or --signing-config beside --trusted-root"));
        }
        SigningConfig::embedded(self.instance())
    }

    pub(crate) fn verifier(&self) -> Result<Verifier> {
        Ok(Verifier::new(self.trusted_root()?, SystemClock))
    }

    pub(crate) fn signing(&self) -> Result<SigningContext> {
        SigningContext::new(self.http()?, self.trusted_root()?, self.signing_config()?, self.clock())
    }

    /// The image that `text` names, and what holds its attachments.
    pub(crate) fn stores(
        &self,
        text: &str,
        registry: &RegistryArgs,
    ) -> Result<(Arc<dyn Store>, Arc<dyn Store>)> {
        let reference: ImageReference = text.parse()?;
        if self.global.offline && matches!(reference, ImageReference::Registry(_)) {
            return Err(Error::new(Code::OfflineRequired, "a registry cannot be reached offline")
                .found(text)
                .hint("copy the image with its referrers into an OCI layout and name it oci-layout:DIR"));
        }
        let (http, options) = (self.http()?, registry_options(registry));
        let store: Arc<dyn Store> = open_store(&reference, &http, &options)?.into();
        let attachments = match &registry.attachment_repository {
            Some(repository) => {
                let repository: ImageReference = repository.parse()?;
                open_store(&repository, &http, &options)?.into()
            }
            None => Arc::clone(&store),
        };
        Ok((store, attachments))
    }

    fn trust_config(&self) -> Result<Option<TrustConfig>> {
        let Some(path) = &self.global.trust_config else { return Ok(None) };
        TrustConfig::from_json(&read_file(path, MAX_TRUST_FILE)?)
            .map(Some)
            .map_err(|e| e.context(path.display()))
    }

    fn instance(&self) -> Instance {
        match self.global.instance {
            InstanceArg::Public => Instance::Public,
            InstanceArg::Staging => Instance::Staging,
            InstanceArg::Github => Instance::GitHub,
        }
    }
}

fn registry_options(registry: &RegistryArgs) -> RegistryOptions {
    let credentials =
        match (&registry.registry_token, &registry.registry_username, &registry.registry_password) {
            (Some(token), _, _) => CredentialSource::Token(token.clone()),
            (None, Some(username), Some(password)) => {
                CredentialSource::Explicit { username: username.clone(), password: password.clone() }
            }
            _ => CredentialSource::Default,
        };
    RegistryOptions { credentials, plain_http: registry.plain_http }
}

/// Reads a file of bounded size.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let unreadable = |e: std::io::Error| {
        Error::new(Code::FileUnreadable, format!("cannot read {}", path.display()))
            .found(e.to_string())
            .caused_by(e)
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(Code::FileUnreadable, format!("{} is too large", path.display()))
            .expected(format!("at most {limit} bytes")));
    }
    Ok(bytes)
}

/// The file that the `index`th of `count` results is written to.
pub(crate) fn numbered(path: &Path, index: usize, count: usize) -> PathBuf {
    if count == 1 {
        return path.to_owned();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".json").unwrap_or(&name);
    path.with_file_name(format!("{stem}.{}.json", index + 1))
}

/// Writes a file that is whole or not there at all, readable by its owner.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let unwritable = |e: std::io::Error| {
        Error::new(Code::FileUnreadable, format!("cannot write {}", path.display()))
            .found(e.to_string())
            .caused_by(e)
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    std::io::Write::write_all(&mut temporary, content).map_err(unwritable)?;
    temporary.persist(path).map_err(|e| unwritable(e.error))?;
    Ok(())
}
