//! Verification: a bundle, an artifact and a requirement go in, a proof comes out. One file a step.
//!
//! Source: Sigstore client specification, "Verification". Steps run in the order of that document;
//! the first that fails ends it, and its code says which. `docs/verification.md` lists them.

mod artifact;
mod content;
mod key;
mod legacy;
mod log;
mod material;
mod threshold;
mod time;
mod verdict;
mod verified;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

pub use artifact::Artifact;
pub use threshold::Thresholds;
pub use verdict::{Check, CheckOutcome, Verdict};
pub use verified::{LoggedEntry, TimeSource, TrustedTime, VerifiedBundle, VerifiedSigner};

use crate::bundle::{Bundle, BundleVersion, Content};
use crate::certificate::Certificate;
use crate::clock::Clock;
use crate::crypto::PublicKey;
use crate::error::Result;
use crate::policy::IdentityPolicy;
use crate::statement::Statement;
use crate::trust::TrustedRoot;
use verdict::Record;

/// Whose signature is asked for.
#[derive(Debug, Clone)]
pub enum Requirement {
    /// A certificate of one of these signers.
    Identities(IdentityPolicy),
    /// This key, which the caller knows to be right.
    Key(PublicKey),
}

/// Verifies any number of bundles, from any number of threads. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    root: TrustedRoot,
    clock: Arc<dyn Clock>,
    thresholds: Thresholds,
}

/// What every step is given.
struct Context<'a> {
    root: &'a TrustedRoot,
    thresholds: Thresholds,
    now: Timestamp,
}

/// Whom and what the bundle is held against. Where nothing is asked, what the bundle itself claims is
/// checked for being consistent, which proves less: no [`VerifiedBundle`] comes of it.
#[derive(Clone, Copy)]
struct Question<'a> {
    requirement: Option<&'a Requirement>,
    artifact: Option<&'a Artifact>,
}

impl Verifier {
    /// A verifier that trusts `root`. The clock only refuses times that lie ahead of it.
    pub fn new(root: TrustedRoot, clock: impl Clock + 'static) -> Self {
        Self { root, clock: Arc::new(clock), thresholds: Thresholds::default() }
    }

    /// The same verifier, asking for more authorities than the trusted root does.
    #[must_use]
    pub fn with_thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
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
        self.examine(bundle, artifact, requirement).into_result()
    }

    /// As [`Verifier::verify`], without copying the payload, which can be large.
    ///
    /// # Errors
    /// As there.
    pub fn verify_owned(
        &self,
        bundle: Bundle,
        artifact: &Artifact,
        requirement: &Requirement,
    ) -> Result<VerifiedBundle> {
        self.examine_owned(bundle, artifact, requirement).into_result()
    }

    /// As [`Verifier::verify`], with every check that was made, on a rejection too.
    #[must_use]
    pub fn examine(&self, bundle: &Bundle, artifact: &Artifact, requirement: &Requirement) -> Verdict {
        self.answer(Cow::Borrowed(bundle), artifact, requirement)
    }

    /// As [`Verifier::examine`], without copying the payload, which can be large.
    #[must_use]
    pub fn examine_owned(&self, bundle: Bundle, artifact: &Artifact, requirement: &Requirement) -> Verdict {
        self.answer(Cow::Owned(bundle), artifact, requirement)
    }

    /// What of a bundle is proven without knowing who should have signed what: a genuine signature by
    /// whoever it names, logged and dated. That is no verdict; only [`Verifier::examine`] gives one.
    #[must_use]
    pub fn inspect(&self, bundle: &Bundle) -> Vec<Check> {
        let mut record = Record::default();
        let question = Question { requirement: None, artifact: None };
        // The failure is the last check in the record.
        let _ = self.run(&mut Cow::Borrowed(bundle), question, &mut record);
        record.finish()
    }

    /// Checks a certificate as it comes from Fulcio: profile, chain and SCT at `time`.
    ///
    /// # Errors
    /// The code of the first check that fails.
    pub fn check_certificate(&self, certificate: &Certificate, time: Timestamp) -> Result<()> {
        key::check_certificate(&self.context(), certificate, &[time], &mut Record::default())
    }

    fn context(&self) -> Context<'_> {
        Context { root: &self.root, thresholds: self.thresholds, now: self.clock.now() }
    }

    fn answer(&self, mut bundle: Cow<'_, Bundle>, artifact: &Artifact, requirement: &Requirement) -> Verdict {
        let mut record = Record::default();
        let question = Question { requirement: Some(requirement), artifact: Some(artifact) };
        let result = self.run(&mut bundle, question, &mut record);
        let checks = record.finish();
        match result {
            Ok(proof) => Verdict::accepted(VerifiedBundle::new(
                proof.signer,
                proof.statement,
                proof.entries,
                proof.times,
                checks,
            )),
            Err(error) => Verdict::rejected(error, checks),
        }
    }

    /// The steps. Each top-level check of the record is one of [`verdict::STEPS`].
    fn run(
        &self,
        bundle: &mut Cow<'_, Bundle>,
        question: Question<'_>,
        record: &mut Record,
    ) -> Result<Proof> {
        let context = self.context();
        let material = record.check("bundle", |_| material::check(bundle, question.requirement))?;
        let proven = record.check("trusted-time", |record| {
            let proven = time::collect(&context, bundle, record)?;
            let evidence = match proven.times.len() {
                0 => "none, and a key that is known needs none".into(),
                1 => "1 time".into(),
                several => format!("{several} times"),
            };
            Ok((proven, evidence))
        })?;
        let times: Vec<Timestamp> = proven.times.iter().map(|t| t.time).collect();
        let signer = material::signer(&context, material, question.requirement, &times, record)?;
        let entries = record.check("transparency-log", |record| {
            let entries = log::check(&context, bundle, &signer.key, &signer.verifier_der, &proven, record)?;
            let evidence = match entries.len() {
                0 => "the trusted root lists no logs".into(),
                1 => "1 entry".into(),
                several => format!("{several} entries"),
            };
            Ok((entries, evidence))
        })?;
        let statement = content(bundle, &signer.key, question.artifact, &entries, record)?;

        let mut times = proven.times;
        times.sort_by_key(|t| t.time);
        let entries = entries.into_iter().map(|entry| entry.logged).collect();
        Ok(Proof { signer: signer.verified, statement, entries, times })
    }
}

/// The last steps: the signature, and what it is about.
fn content(
    bundle: &mut Cow<'_, Bundle>,
    key: &PublicKey,
    artifact: Option<&Artifact>,
    entries: &[log::ProvenEntry],
    record: &mut Record,
) -> Result<Option<Statement>> {
    const NOT_ASKED: &str = "which artifact it should be about was not asked";
    let (payload_type, payload) = match &bundle.content {
        Content::Message(message) => {
            let claimed = artifact.is_none().then(|| content::claimed_digest(message, key)).flatten();
            let Some(known) = artifact.or(claimed.as_ref()) else {
                record.skip("artifact", NOT_ASKED);
                record.skip("signature", "the bundle does not say which digest was signed");
                return Ok(None);
            };
            let digest = if artifact.is_some() {
                record.check("artifact", |_| {
                    let digest = content::check_digest(message, key, known, entries)?;
                    Ok((digest, digest.to_string()))
                })?
            } else {
                let digest = content::check_digest(message, key, known, entries)?;
                record.skip("artifact", NOT_ASKED);
                digest
            };
            record.check("signature", |_| Ok(((), content::check_message(message, key, digest)?)))?;
            return Ok(None);
        }
        Content::Dsse(envelope) => {
            record.check("signature", |_| Ok(((), content::check_envelope(envelope, key)?)))?;
            (envelope.payload_type.clone(), bundle_payload(bundle))
        }
    };
    record
        .check("artifact", |record| {
            content::check_payload_type(&payload_type)?;
            let statement = content::check_statement(payload, record)?;
            let evidence = match artifact {
                Some(artifact) => record.check("subject", |_| {
                    let subject = content::check_subject(&statement, artifact)?;
                    Ok((subject.clone(), subject))
                })?,
                None => {
                    record.skip("subject", NOT_ASKED);
                    "a statement".into()
                }
            };
            Ok((statement, evidence))
        })
        .map(Some)
}

/// The payload: taken out of a bundle that was given away, copied from one that was lent.
fn bundle_payload(bundle: &mut Cow<'_, Bundle>) -> Vec<u8> {
    match bundle {
        Cow::Borrowed(Bundle { content: Content::Dsse(envelope), .. }) => envelope.payload.clone(),
        Cow::Owned(Bundle { content: Content::Dsse(envelope), .. }) => std::mem::take(&mut envelope.payload),
        _ => Vec::new(),
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("root", &self.root)
            .field("thresholds", &self.thresholds)
            .finish_non_exhaustive()
    }
}

/// What the steps established.
struct Proof {
    signer: VerifiedSigner,
    statement: Option<Statement>,
    entries: Vec<LoggedEntry>,
    times: Vec<TrustedTime>,
}

/// Whether a bundle of this version may rest on a promise alone.
fn promise_suffices(version: BundleVersion) -> bool {
    version <= BundleVersion::V0_1
}
