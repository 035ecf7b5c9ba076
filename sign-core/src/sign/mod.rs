//! Signing: a statement or a digest goes in, a bundle that this library itself accepts comes out.

mod issue;
mod session;

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::bundle::Bundle;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::fulcio;
use crate::http::HttpClient;
use crate::identity::TokenSource;
use crate::signer::Signer;
use crate::trust::{RekorService, SigningConfig, TrustedRoot};
use crate::verify::{VerifiedBundle, Verifier};

pub use issue::SigningIdentity;
pub use session::Session;

/// A new bundle, already verified.
#[derive(Debug)]
pub struct Signed {
    /// What was made.
    pub bundle: Bundle,
    /// What verifying it showed.
    pub verified: VerifiedBundle,
}

/// Everything that signing needs besides an identity: services, trust, time.
pub struct SigningContext {
    http: HttpClient,
    verifier: Verifier,
    clock: Arc<dyn Clock>,
    fulcio: Url,
    logs: Vec<RekorService>,
    timestamp_authorities: Vec<Url>,
}

impl SigningContext {
    /// Chooses the services that `config` offers now. Opens no connection.
    ///
    /// # Errors
    /// [`Code::NoUsableService`] when a kind of service is missing, and when an entry of a Rekor v2
    /// would have no trusted time to be verified at; [`Code::TrustConfigInvalid`] for a certificate
    /// authority to which the token would be sent over plain HTTP.
    pub fn new(
        http: HttpClient,
        root: TrustedRoot,
        config: SigningConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let now = clock.now();
        let (fulcio, logs) = (config.fulcio(now)?, config.rekor(now)?);
        // Here already: a login for nothing would be a nuisance.
        fulcio::check_address(&fulcio)?;
        let timestamp_authorities = config.tsa(now)?;
        require_time(&logs, &timestamp_authorities)?;
        let verifier = Verifier::new(root, Arc::clone(&clock));
        Ok(Self { http, verifier, clock, fulcio, logs, timestamp_authorities })
    }

    /// The certificate authority in use.
    #[must_use]
    pub fn fulcio(&self) -> &Url {
        &self.fulcio
    }

    /// The transparency logs in use.
    #[must_use]
    pub fn logs(&self) -> &[RekorService] {
        &self.logs
    }

    /// The timestamp authorities in use.
    #[must_use]
    pub fn timestamp_authorities(&self) -> &[Url] {
        &self.timestamp_authorities
    }

    /// Has a certificate issued for a new key that lives as long as the session.
    ///
    /// # Errors
    /// `token-invalid` before any request; what Fulcio answers otherwise.
    pub async fn session<'a>(&'a self, tokens: &'a dyn TokenSource) -> Result<Session<'a>> {
        Session::start(self, tokens, None).await
    }

    /// As [`SigningContext::session`], with the caller's own key.
    ///
    /// # Errors
    /// As there.
    pub async fn session_with<'a>(
        &'a self,
        tokens: &'a dyn TokenSource,
        signer: Arc<dyn Signer>,
    ) -> Result<Session<'a>> {
        Session::start(self, tokens, Some(signer)).await
    }
}

/// Rekor v2 dates nothing, and a certificate is only good at a trusted time: without a timestamp
/// authority the result could never be verified.
fn require_time(logs: &[RekorService], timestamp_authorities: &[Url]) -> Result<()> {
    let undated = logs.iter().all(|log| log.version >= 2);
    if undated && timestamp_authorities.is_empty() {
        return Err(Error::new(
            Code::NoUsableService,
            "Rekor v2 cannot be used without a timestamp authority",
        )
        .expected("a timestamp authority in the signing config")
        .found("none")
        .hint("use a signing config that names a timestamp authority"));
    }
    Ok(())
}

impl fmt::Debug for SigningContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningContext")
            .field("fulcio", &self.fulcio.as_str())
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_logs_that_nobody_could_verify() {
        let log = |version| RekorService { url: "https://log.example".parse().unwrap(), version };
        let tsa = ["https://tsa.example".parse().unwrap()];
        require_time(&[log(1)], &[]).unwrap();
        require_time(&[log(2)], &tsa).unwrap();
        assert_eq!(require_time(&[log(2)], &[]).unwrap_err().code(), Code::NoUsableService);
    }
}
