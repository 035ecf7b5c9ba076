//! What the global options stand for: trust material, HTTP client, verifier, stores.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sign_core::{
    Clock, Code, CredentialSource, DEFAULT_TIMEOUT, Error, HttpClient, HttpOptions, ImageReference, Instance,
    RegistryOptions, Result, SigningConfig, SigningContext, Store, SystemClock, TrustConfig, TrustedRoot,
    Verifier, open_store,
};

use crate::args::{GlobalArgs, InstanceArg, RegistryArgs};
use crate::files::read_file;
use crate::output::Output;
use crate::trust::Trust;

/// Largest trust file that is read; the public one has 8 KiB.
pub(crate) const MAX_TRUST_FILE: u64 = 4 * 1024 * 1024;
/// Largest document that is read from a file: what fits into a bundle that is read again.
pub(crate) const MAX_DOCUMENT: u64 = 96 * 1024 * 1024;

/// Everything a command needs besides its own arguments.
pub(crate) struct Context {
    pub(crate) global: GlobalArgs,
    pub(crate) output: Output,
    trust: OnceLock<Trust>,
    /// The registry that given credentials are for.
    credentials_for: OnceLock<String>,
}

impl Context {
    pub(crate) fn new(global: GlobalArgs) -> Self {
        let output = Output::new(global.output);
        Self { global, output, trust: OnceLock::new(), credentials_for: OnceLock::new() }
    }

    /// The files that the global options name, which no result may replace.
    pub(crate) fn files(&self) -> Vec<&Path> {
        let global = &self.global;
        let files = [
            &global.ca_file,
            &global.trust_config,
            &global.trusted_root,
            &global.signing_config,
            &global.tuf_root,
        ];
        files.into_iter().flatten().map(PathBuf::as_path).collect()
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
        self.http_within(DEFAULT_TIMEOUT)
    }

    /// Reads the file of `--ca-file` where there is one: whether it is needed shows late, or never.
    pub(crate) fn check_ca_file(&self) -> Result<()> {
        if self.global.ca_file.is_some() {
            self.http()?;
        }
        Ok(())
    }

    /// A client with another deadline, unless `--timeout` names one.
    pub(crate) fn http_within(&self, timeout: Duration) -> Result<HttpClient> {
        let timeout = self.global.timeout.map_or(timeout, Duration::from_secs);
        let options = HttpOptions { timeout, extra_ca_pem: None, offline: self.global.offline };
        let Some(path) = &self.global.ca_file else { return HttpClient::new(options) };
        let extra_ca_pem = Some(read_file(path, MAX_TRUST_FILE)?);
        HttpClient::new(HttpOptions { extra_ca_pem, ..options })
            .map_err(|e| e.context(format!("--ca-file {}", path.display())))
    }

    /// What is trusted, found once.
    pub(crate) fn trust(&self) -> Result<&Trust> {
        if let Some(trust) = self.trust.get() {
            return Ok(trust);
        }
        let trust = Trust::find(self)?;
        Ok(self.trust.get_or_init(|| trust))
    }

    /// What the answer rests on, for machines; nothing where nothing was asked for it.
    pub(crate) fn trust_summary(&self) -> Option<serde_json::Value> {
        self.trust.get().map(|trust| trust.summary(self.clock().now()))
    }

    pub(crate) fn trusted_root(&self) -> Result<TrustedRoot> {
        self.trust().map(|trust| trust.trusted_root().clone())
    }

    pub(crate) fn signing_config(&self) -> Result<SigningConfig> {
        match self.signing_config_file()? {
            Some(config) => Ok(config),
            None => self.trust()?.signing_config(),
        }
    }

    /// The signing config that was given as a file, alone or with a trusted root.
    pub(crate) fn signing_config_file(&self) -> Result<Option<SigningConfig>> {
        if let Some(path) = &self.global.signing_config {
            return SigningConfig::from_json(&read_file(path, MAX_TRUST_FILE)?)
                .map(Some)
                .map_err(|e| e.context(path.display()));
        }
        Ok(self.trust_config()?.map(|config| config.signing_config))
    }

    pub(crate) fn verifier(&self) -> Result<Verifier> {
        Ok(Verifier::new(self.trusted_root()?, SystemClock))
    }

    pub(crate) fn signing(&self) -> Result<SigningContext> {
        let signing =
            SigningContext::new(self.http()?, self.trusted_root()?, self.signing_config()?, self.clock())?;
        self.verbose(|| format!("certificates from {}", signing.fulcio()));
        for log in signing.logs() {
            self.verbose(|| format!("logging to {} (Rekor v{})", log.url, log.version));
        }
        for authority in signing.timestamp_authorities() {
            self.verbose(|| format!("timestamps from {authority}"));
        }
        Ok(signing)
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
        self.bind_credentials([text], registry)?;
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

    /// Checks that given credentials, if any, go to one registry: they do not say for which of several they
    /// are meant, and the others must not learn them. Commands about several images ask this before the first
    /// request; [`Self::stores`] insists on it.
    ///
    /// # Errors
    /// `invalid-argument` when `images` and the repository for attachments are in several registries.
    pub(crate) fn bind_credentials<'a>(
        &self,
        images: impl IntoIterator<Item = &'a str>,
        registry: &'a RegistryArgs,
    ) -> Result<()> {
        if matches!(registry_options(registry).credentials, CredentialSource::Default) {
            return Ok(());
        }
        for text in images.into_iter().chain(registry.attachment_repository.as_deref()) {
            let Ok(ImageReference::Registry(reference)) = text.parse() else { continue };
            let bound = self.credentials_for.get_or_init(|| reference.registry().to_owned());
            if bound != reference.registry() {
                return Err(Error::new(
                    Code::InvalidArgument,
                    "one set of credentials for several registries",
                )
                .expected(format!("images in one registry, such as {bound}"))
                .found(reference.registry())
                .hint("log in to each with `docker login`, or run the command once for each"));
            }
        }
        Ok(())
    }

    pub(crate) fn trust_config(&self) -> Result<Option<TrustConfig>> {
        let Some(path) = &self.global.trust_config else { return Ok(None) };
        TrustConfig::from_json(&read_file(path, MAX_TRUST_FILE)?)
            .map(Some)
            .map_err(|e| e.context(path.display()))
    }

    pub(crate) fn instance(&self) -> Instance {
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
