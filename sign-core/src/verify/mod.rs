//! Verification: a bundle, an artifact and a requirement go in, a proof comes out. One file a step.
//!
//! Source: Sigstore client specification, "Verification". Steps run in the order of that document;
//! the first that fails ends it, and its code says which.

mod artifact;
mod content;
mod key;
mod legacy;
mod log;
mod time;
mod verified;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use artifact::Artifact;
pub use verified::{Check, LoggedEntry, TimeSource, TrustedTime, VerifiedBundle, VerifiedSigner};

use crate::bundle::{Bundle, BundleVersion, Content, KeyMaterial};
use crate::certificate::Certificate;
use crate::clock::Clock;
use crate::crypto::PublicKey;
use crate::error::{Code, Error, Result};
use crate::policy::IdentityPolicy;
use crate::statement::Statement;
use crate::trust::TrustedRoot;

/// How far ahead of this machine's clock a trusted time may be: clocks differ by seconds, and a time
/// beyond that was not yet proven when it was written down.
const MAX_FUTURE: SignedDuration = SignedDuration::from_secs(60);

/// Whose signature is asked for.
#[derive(Debug, Clone)]
pub enum Requirement {
    /// A certificate of one of these signers.
    Identities(IdentityPolicy),
    /// This key, which the caller knows to be right.
    Key(PublicKey),
}

/// Verifies any number of bundles, from any number of threads.
#[derive(Clone)]
pub struct Verifier {
    root: TrustedRoot,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier that trusts `root`. The clock only refuses times that lie ahead of it.
    pub fn new(root: TrustedRoot, clock: impl Clock + 'static) -> Self {
        Self { root, clock: Arc::new(clock) }
    }

    /// Verifies that `bundle` is about `artifact` and was made by whom `requirement` names.
    ///
    /// # Errors
    /// The code of the first check that fails.
    pub fn verify(
        &self,
        bundle: &Bundle,
        artifact: &Artifact,
        requirement: &Requirement,
    ) -> Result<VerifiedBundle> {
        self.run(bundle, artifact, requirement, || match &bundle.content {
            Content::Dsse(envelope) => envelope.payload.clone(),
            Content::Message(_) => Vec::new(),
        })
    }

    /// As [`Verifier::verify`], without copying the payload, which can be large.
    ///
    /// # Errors
    /// As there.
    pub fn verify_owned(
        &self,
        mut bundle: Bundle,
        artifact: &Artifact,
        requirement: &Requirement,
    ) -> Result<VerifiedBundle> {
        let proof = self.prove(&bundle, requirement)?;
        let payload = match &mut bundle.content {
            Content::Dsse(envelope) => {
                content::check_payload_type(envelope)?;
                Some(std::mem::take(&mut envelope.payload))
            }
            Content::Message(_) => None,
        };
        self.conclude(proof, &bundle, payload, artifact)
    }

    fn run(
        &self,
        bundle: &Bundle,
        artifact: &Artifact,
        requirement: &Requirement,
        payload: impl FnOnce() -> Vec<u8>,
    ) -> Result<VerifiedBundle> {
        let proof = self.prove(bundle, requirement)?;
        let payload = match &bundle.content {
            Content::Dsse(envelope) => {
                content::check_payload_type(envelope)?;
                Some(payload())
            }
            Content::Message(_) => None,
        };
        self.conclude(proof, bundle, payload, artifact)
    }

    /// Checks a certificate as it comes from Fulcio: profile, chain and SCT at `time`.
    ///
    /// # Errors
    /// The code of the first check that fails.
    pub fn check_certificate(&self, certificate: &Certificate, time: Timestamp) -> Result<()> {
        key::check_certificate(&self.root, certificate, &[time], &mut Vec::new())
    }

    /// Everything but what the artifact is: times, certificate, signer, log, signature.
    fn prove(&self, bundle: &Bundle, requirement: &Requirement) -> Result<Proof> {
        let mut checks = Vec::new();
        let mut proven = time::collect(&self.root, bundle, &mut checks)?;
        let now = self.clock.now();
        if let Some(ahead) = proven.times.iter().find(|t| t.time.duration_since(now) > MAX_FUTURE) {
            return Err(Error::new(Code::TimeInFuture, "a trusted time lies in the future")
                .expected(format!("at most {} seconds after {now}", MAX_FUTURE.as_secs()))
                .found(ahead.time)
                .hint("check the clock of this machine"));
        }
        let (signer, public_key, verifier_der) = self.signer(bundle, requirement, &proven, &mut checks)?;
        let entries = log::check(&self.root, bundle, &public_key, &verifier_der, &proven, now, &mut checks)?;
        content::check_signature(bundle, &public_key, &mut checks)?;
        proven.times.sort_by_key(|t| t.time);
        Ok(Proof { signer, public_key, entries, times: proven.times, checks })
    }

    fn signer(
        &self,
        bundle: &Bundle,
        requirement: &Requirement,
        proven: &time::Proven,
        checks: &mut Vec<Check>,
    ) -> Result<(VerifiedSigner, PublicKey, Vec<u8>)> {
        match (&bundle.key_material, requirement) {
            (KeyMaterial::PublicKey { .. }, Requirement::Key(key)) => {
                checks.push(Check::new("key", key.fingerprint()));
                Ok((VerifiedSigner::Key, key.clone(), key.as_der().to_vec()))
            }
            (KeyMaterial::PublicKey { .. }, Requirement::Identities(_)) => Err(Error::new(
                Code::KeyMaterialMismatch,
                "the bundle was signed with a key, not with an identity",
            )
            .expected("a certificate")
            .found("a key hint")
            .hint("verify it with --key, if you know whose key it is")),
            (_, Requirement::Key(_)) => Err(Error::new(
                Code::KeyMaterialMismatch,
                "the bundle was signed with an identity, not with a key",
            )
            .expected("a key hint")
            .found("a certificate")
            .hint("verify it with an identity and an issuer")),
            (KeyMaterial::Certificate(_) | KeyMaterial::Chain(_), Requirement::Identities(policy)) => {
                let der = bundle.leaf_certificate().ok_or_else(|| {
                    Error::new(Code::BundleMalformed, "the bundle has an empty certificate chain")
                })?;
                let certificate = Certificate::parse(der)?;
                if proven.times.is_empty() {
                    return Err(Error::new(Code::TimestampMissing, "nothing proves when it was signed")
                        .expected("a timestamp by a trusted authority, or a log's signed entry timestamp")
                        .hint("a certificate lives for minutes: without a time, a stolen key would be good for ever"));
                }
                let times: Vec<Timestamp> = proven.times.iter().map(|t| t.time).collect();
                key::check_certificate(&self.root, &certificate, &times, checks)?;
                if let KeyMaterial::Chain(chain) = &bundle.key_material {
                    key::check_no_root(chain)?;
                }
                policy.check(&certificate)?;
                checks.push(Check::new(
                    "identity",
                    format!("{} from {}", certificate.san(), certificate.issuer().unwrap_or("no issuer")),
                ));
                let key = PublicKey::from_der(certificate.public_key_der()).map_err(|e| {
                    Error::new(Code::CertificateInvalid, "the certificate's key").caused_by(e)
                })?;
                let der = certificate.der().to_vec();
                Ok((VerifiedSigner::Certificate(Box::new(certificate)), key, der))
            }
        }
    }

    /// The last steps, about the artifact.
    fn conclude(
        &self,
        mut proof: Proof,
        bundle: &Bundle,
        payload: Option<Vec<u8>>,
        artifact: &Artifact,
    ) -> Result<VerifiedBundle> {
        let statement = match (&bundle.content, payload) {
            (Content::Message(message), _) => {
                content::check_message(
                    message,
                    &proof.public_key,
                    artifact,
                    &proof.entries,
                    &mut proof.checks,
                )?;
                None
            }
            (Content::Dsse(_), payload) => {
                let statement = Statement::parse(payload.unwrap_or_default()).map_err(|e| {
                    Error::new(Code::EnvelopeInvalid, "the signed statement")
                        .found(e.to_string())
                        .caused_by(e)
                })?;
                content::check_subject(&statement, artifact, &mut proof.checks)?;
                Some(statement)
            }
        };
        let entries = proof.entries.into_iter().map(|entry| entry.logged).collect();
        Ok(VerifiedBundle::new(proof.signer, statement, entries, proof.times, proof.checks))
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("root", &self.root).finish_non_exhaustive()
    }
}

/// What is known once everything but the artifact was checked.
struct Proof {
    signer: VerifiedSigner,
    public_key: PublicKey,
    entries: Vec<log::ProvenEntry>,
    times: Vec<TrustedTime>,
    checks: Vec<Check>,
}

/// Whether a bundle of this version may rest on a promise alone.
fn promise_suffices(version: BundleVersion) -> bool {
    version <= BundleVersion::V0_1
}
