//! Verifying an image: whatever is attached is a candidate, and one good one per wanted type decides.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::candidates::{Candidate, Form, Unread, list, too_much};
use crate::bundle::{Bundle, Content, MAX_BUNDLE_BYTES};
use crate::digest::Digest;
use crate::error::{Code, Error, Outcome, Result};
use crate::legacy::{LegacySignature, MAX_PAYLOAD_BYTES};
use crate::oci::{Descriptor, Store};
use crate::predicate::registry::{SIGN_V1, TypeSelector};
use crate::verify::{Artifact, Check, Requirement, Verdict, VerifiedBundle, Verifier};

/// Most manifests or bundles fetched and verified at once; bounds memory as well as sockets.
pub(super) const CONCURRENCY: usize = 8;
/// Most bytes of content fetched and verified at once: one candidate of the largest size that is read, or
/// many of the usual size. Parsed it takes several times as much.
const MAX_BYTES_AT_ONCE: u64 = MAX_BUNDLE_BYTES as u64;
/// Most bytes of content that was accepted for one subject: the proofs hold what was signed, and whoever may
/// push can write one signed statement down in many ways.
const MAX_BYTES_ACCEPTED: u64 = 2 * MAX_BUNDLE_BYTES as u64;
/// Longest time for one subject. Each request has a deadline, but thousands of slow ones in a row must not hold
/// up a deployment for hours.
const MAX_TIME: Duration = Duration::from_secs(600);
/// What a signature in cosign's older form is called where predicate types are listed.
const LEGACY_SIGNATURE: &str = "an image signature in cosign's older form";
/// The same for an attestation that does not say its type.
const LEGACY_ATTESTATION: &str = "an attestation in cosign's older form";

/// What an image must carry.
#[derive(Debug, Clone)]
pub struct ImagePolicy {
    /// Who must have signed.
    pub requirement: Arc<Requirement>,
    /// Which attestations must be there; empty asks for a signature.
    pub types: Vec<TypeSelector>,
    /// Annotations that the signed subject must carry.
    pub annotations: BTreeMap<String, String>,
}

/// The answer about one manifest.
#[derive(Debug)]
pub struct ImageVerdict {
    /// The manifest.
    pub subject: Descriptor,
    /// The bundles that were accepted.
    pub accepted: Vec<AcceptedAttachment>,
    /// The candidates that were not.
    pub rejected: Vec<RejectedAttachment>,
    /// Predicate types seen that were not asked for; claims.
    pub other_types: BTreeSet<String>,
    /// Ok when everything asked for is there; otherwise the most telling failure.
    pub result: Result<()>,
}

/// A bundle that was verified.
#[derive(Debug)]
pub struct AcceptedAttachment {
    /// Digest of the manifest that attaches it.
    pub referrer: Digest,
    /// Digest of its content: one manifest of the older form may attach several.
    pub blob: Digest,
    /// How it is stored.
    pub form: Form,
    /// Its proof.
    pub verified: VerifiedBundle,
}

/// A candidate that was not accepted.
#[derive(Debug)]
pub struct RejectedAttachment {
    /// Digest of the manifest that attaches it; none where a whole list could not be read.
    pub referrer: Option<Digest>,
    /// Why.
    pub error: Error,
    /// The checks that were made before and the one that failed; none where it could not be read.
    pub checks: Vec<Check>,
}

/// Why a candidate is not accepted.
struct Refusal {
    error: Error,
    checks: Vec<Check>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, checks: Vec::new() }
    }
}

enum Answer {
    Accepted(Box<VerifiedBundle>),
    OtherType(String),
}

/// Verifies what is attached to `subject` against `policy`, in at most ten minutes: what was not reached by
/// then could not be told.
pub async fn verify_image(
    verifier: &Arc<Verifier>,
    store: &dyn Store,
    subject: &Descriptor,
    policy: &ImagePolicy,
) -> ImageVerdict {
    verify_within(MAX_TIME, verifier, store, subject, policy).await
}

async fn verify_within(
    most: Duration,
    verifier: &Arc<Verifier>,
    store: &dyn Store,
    subject: &Descriptor,
    policy: &ImagePolicy,
) -> ImageVerdict {
    let deadline = Instant::now() + most;
    let too_slow = || Unread { manifest: None, error: too_slow(most) };
    let (candidates, unread) = timeout_at(deadline, list(store, &subject.digest))
        .await
        .unwrap_or_else(|_| (Vec::new(), vec![too_slow()]));
    let rejected =
        |Unread { manifest, error }| RejectedAttachment { referrer: manifest, error, checks: Vec::new() };
    let mut verdict = ImageVerdict {
        subject: subject.clone(),
        accepted: Vec::new(),
        rejected: unread.into_iter().map(rejected).collect(),
        other_types: BTreeSet::new(),
        result: Ok(()),
    };
    let candidates = distinct(candidates, policy, &mut verdict.other_types);
    let (at_once, mut kept) = (&Semaphore::new(permits(MAX_BYTES_AT_ONCE) as usize), 0);
    let mut answers = stream::iter(candidates)
        .map(|candidate| async move {
            let permit = at_once.acquire_many(permits(candidate.layer.size)).await;
            let answer = check(verifier, store, &subject.digest, &candidate, policy).await;
            drop(permit);
            (candidate, answer)
        })
        .buffered(CONCURRENCY);
    loop {
        let (candidate, answer) = match timeout_at(deadline, answers.next()).await {
            Ok(Some(answer)) => answer,
            Ok(None) => break,
            Err(_) => {
                verdict.rejected.push(rejected(too_slow()));
                break;
            }
        };
        let (referrer, blob, form) = (candidate.manifest, candidate.layer.digest, candidate.form);
        let answer = answer.and_then(|answer| {
            if let Answer::Accepted(_) = answer {
                kept = keeps(kept, candidate.layer.size)?;
            }
            Ok(answer)
        });
        match answer {
            Ok(Answer::Accepted(verified)) => {
                verdict.accepted.push(AcceptedAttachment { referrer, blob, form, verified: *verified });
            }
            Ok(Answer::OtherType(predicate_type)) => {
                verdict.other_types.insert(predicate_type);
            }
            Err(Refusal { error, checks }) => {
                verdict.rejected.push(RejectedAttachment { referrer: Some(referrer), error, checks });
            }
        }
    }
    drop(answers);
    verdict.result = decide(&mut verdict, policy);
    verdict
}

/// The candidates that could be of a wanted type, and of copies one: the same content with the same evidence
/// gets the same answer, under however many manifests it was pushed. Types and sizes are claims about the
/// content, so that a copy with others must not stand for it.
fn distinct(
    candidates: Vec<Candidate>,
    policy: &ImagePolicy,
    other_types: &mut BTreeSet<String>,
) -> Vec<Candidate> {
    let mut seen = HashSet::new();
    let mut once = |candidate: &Candidate| {
        let Descriptor { digest, size, annotations, .. } = &candidate.layer;
        seen.insert((candidate.form, digest.clone(), *size, annotations.clone()))
    };
    candidates
        .into_iter()
        .filter(|candidate| match not_wanted(policy, candidate) {
            Some(other) => {
                other_types.insert(other);
                false
            }
            None => once(candidate),
        })
        .collect()
}

/// How much of what may be in memory at once is for content of `size`. What is larger is refused unread.
fn permits(size: u64) -> u32 {
    u32::try_from(size.min(MAX_BYTES_AT_ONCE)).unwrap_or(u32::MAX)
}

/// What is kept when `size` bytes are accepted besides `kept`.
fn keeps(kept: u64, size: u64) -> Result<u64> {
    kept.checked_add(size)
        .filter(|&sum| sum <= MAX_BYTES_ACCEPTED)
        .ok_or_else(|| too_much(format!("at most {MAX_BYTES_ACCEPTED} bytes that are accepted")))
}

/// The error for a subject of which not everything was looked at in time.
fn too_slow(most: Duration) -> Error {
    Error::new(Code::ServiceUnavailable, "reading what is attached to the image takes too long")
        .expected(format!("all of it within {} s", most.as_secs_f32()))
        .found("more that was not reached")
        .hint("try again later; nothing is known about the rest")
}

async fn check(
    verifier: &Arc<Verifier>,
    store: &dyn Store,
    subject: &Digest,
    candidate: &Candidate,
    policy: &ImagePolicy,
) -> Result<Answer, Refusal> {
    let limit = match candidate.form {
        Form::Bundle => MAX_BUNDLE_BYTES,
        Form::LegacySignature | Form::LegacyAttestation => MAX_PAYLOAD_BYTES,
    };
    let content = store.blob(&candidate.layer, limit).await?;
    let (verifier, requirement, subject_) =
        (Arc::clone(verifier), Arc::clone(&policy.requirement), subject.clone());
    let (form, annotations) = (candidate.form, candidate.layer.annotations.clone());
    let verdict = tokio::task::spawn_blocking(move || {
        verify(&verifier, form, content, &annotations, &subject_, &requirement)
    })
    .await
    .map_err(|e| Error::new(Code::Internal, "verification ended early").caused_by(e))??;
    let (checks, verified) = verdict.into_parts();
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return Err(Refusal { error, checks }),
    };
    let carried = match (verified.statement(), verified.payload()) {
        // What the signature covers decides; the annotation was only a hint.
        (Some(statement), _) if !wanted(policy, statement.predicate_type()) => {
            return Ok(Answer::OtherType(statement.predicate_type().to_owned()));
        }
        (Some(statement), _) => statement.subject_for(subject).map(|subject| &subject.annotations),
        (None, payload) => payload.map(|payload| &payload.annotations),
    };
    for (key, value) in &policy.annotations {
        let found = carried.and_then(|annotations| annotations.get(key));
        if found != Some(value) {
            let error = Error::new(Code::ClaimMismatch, format!("the signed annotation {key:?} differs"))
                .expected(value)
                .found(found.map_or("none", String::as_str));
            return Err(Refusal { error, checks });
        }
    }
    Ok(Answer::Accepted(Box::new(verified)))
}

fn verify(
    verifier: &Verifier,
    form: Form,
    content: Bytes,
    annotations: &BTreeMap<String, String>,
    subject: &Digest,
    requirement: &Requirement,
) -> Result<Verdict> {
    let bundle = match form {
        Form::Bundle => Bundle::parse(&content)?,
        Form::LegacyAttestation => Bundle::from_attestation_layer(&content, annotations)?,
        Form::LegacySignature => {
            let signature = LegacySignature::from_layer(content.into(), annotations)?;
            return Ok(verifier.examine_legacy(&signature, subject, requirement));
        }
    };
    drop(content);
    if matches!(bundle.content, Content::Message(_)) {
        return Err(Error::new(Code::EnvelopeInvalid, "an image is signed by a statement")
            .expected("a DSSE envelope")
            .found("a message signature"));
    }
    Ok(verifier.examine_owned(bundle, &Artifact::from_digest(subject.clone()), requirement))
}

/// What a candidate is, if it is surely not of a type that was asked for.
fn not_wanted(policy: &ImagePolicy, candidate: &Candidate) -> Option<String> {
    let claimed = candidate.claimed_type.as_ref();
    match candidate.form {
        Form::LegacySignature => (!policy.types.is_empty()).then(|| LEGACY_SIGNATURE.to_owned()),
        // An attestation never passes for a signature, whatever its statement says.
        Form::LegacyAttestation if policy.types.is_empty() => {
            Some(claimed.map_or_else(|| LEGACY_ATTESTATION.to_owned(), Clone::clone))
        }
        Form::LegacyAttestation | Form::Bundle => claimed.filter(|claimed| !wanted(policy, claimed)).cloned(),
    }
}

fn wanted(policy: &ImagePolicy, predicate_type: &str) -> bool {
    if policy.types.is_empty() {
        // An attestation never passes for a signature.
        return predicate_type == SIGN_V1;
    }
    policy.types.iter().any(|selector| selector.matches(predicate_type))
}

fn decide(verdict: &mut ImageVerdict, policy: &ImagePolicy) -> Result<()> {
    let accepted_types: Vec<&str> =
        verdict.accepted.iter().filter_map(|a| Some(a.verified.statement()?.predicate_type())).collect();
    let missing = if policy.types.is_empty() {
        verdict.accepted.is_empty().then(|| "a signature".to_owned())
    } else {
        let absent = |selector: &&TypeSelector| !accepted_types.iter().any(|uri| selector.matches(uri));
        policy.types.iter().find(absent).map(|selector| format!("an attestation of type {selector}"))
    };
    let Some(missing) = missing else { return Ok(()) };
    // A candidate that could not be fetched could have been the good one: that is no verdict.
    let unknown = verdict.rejected.iter().position(|r| r.error.outcome() == Outcome::Unknown);
    let leading = unknown.or_else(|| {
        let rank = |i: &usize| verdict.rejected.get(*i).map_or(0, |r| telling(r.error.code()));
        (0..verdict.rejected.len()).max_by_key(rank)
    });
    if let Some(leading) = leading {
        let mut errors: Vec<Error> = verdict.rejected.iter().map(|r| copy_of(&r.error)).collect();
        let first = errors.swap_remove(leading);
        return Err(first.with_others(errors));
    }
    let subject = &verdict.subject.digest;
    let mut seen: BTreeSet<&str> = verdict.other_types.iter().map(String::as_str).collect();
    seen.extend(accepted_types);
    if seen.is_empty() {
        return Err(Error::new(Code::NoSignatures, "nothing is attached that could be verified")
            .expected(missing)
            .found(format!("neither bundles nor older signatures for {subject}"))
            .hint("signer tree shows what is attached; was the image signed, and to this registry?"));
    }
    let seen = seen.into_iter().collect::<Vec<_>>().join(", ");
    Err(Error::new(Code::PredicateTypeMismatch, "nothing of the kind asked for is attached")
        .expected(missing)
        .found(seen)
        .hint("name an attestation's type with --type; without it a signature is asked for"))
}

/// How far a candidate came: the further, the more its failure says about what the caller meant.
fn telling(code: Code) -> u8 {
    match code {
        Code::ClaimMismatch => 5,
        Code::IdentityMismatch | Code::IssuerMismatch => 4,
        Code::SubjectMismatch | Code::DigestMismatch => 2,
        Code::BundleMalformed | Code::BundleUnsupported => 1,
        _ => 3,
    }
}

/// The error again, for a list that is read after the original moved on.
fn copy_of(error: &Error) -> Error {
    let mut copy = Error::new(error.code(), error.message());
    if let Some(text) = error.expected_value() {
        copy = copy.expected(text);
    }
    if let Some(text) = error.found_value() {
        copy = copy.found(text);
    }
    if let Some(text) = error.hint_text() {
        copy = copy.hint(text);
    }
    copy
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::clock::SystemClock;
    use crate::oci::{Attachment, FoundManifest, LegacyTag};
    use crate::policy::{Identity, IdentityPolicy, IssuerRule, Pattern};
    use crate::trust::{Instance, TrustedRoot};

    /// A store that has one signature and never gets to an end.
    struct Endless {
        lists: bool,
    }

    #[async_trait]
    impl Store for Endless {
        fn name(&self) -> String {
            "endless".into()
        }

        async fn resolve(&self) -> Result<Descriptor> {
            std::future::pending().await
        }

        async fn manifest(&self, _digest: &Digest) -> Result<Bytes> {
            std::future::pending().await
        }

        async fn blob(&self, _descriptor: &Descriptor, _limit: usize) -> Result<Bytes> {
            std::future::pending().await
        }

        async fn referrers(&self, _subject: &Digest) -> Result<Vec<Descriptor>> {
            if self.lists { Ok(Vec::new()) } else { std::future::pending().await }
        }

        async fn legacy(&self, _subject: &Digest, tag: LegacyTag) -> Result<Vec<FoundManifest>> {
            if tag != LegacyTag::Signature {
                return Ok(Vec::new());
            }
            let layer =
                r#"{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":2,"digest":"D"}"#;
            let manifest = format!(
                r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{layer},"layers":[{layer}]}}"#
            );
            let bytes = Bytes::from(manifest.replace('D', &Digest::sha256(b"{}").to_string()));
            Ok(vec![FoundManifest { descriptor: described(&bytes), bytes }])
        }

        async fn attach(&self, _subject: &Descriptor, _attachment: &Attachment) -> Result<Descriptor> {
            std::future::pending().await
        }
    }

    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

    fn described(bytes: &[u8]) -> Descriptor {
        let (digest, size) = (Digest::sha256(bytes), bytes.len());
        let json = format!(r#"{{"mediaType":"{MANIFEST}","digest":"{digest}","size":{size}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[tokio::test]
    async fn what_takes_too_long_could_not_be_told() {
        let verifier = Arc::new(Verifier::new(TrustedRoot::embedded(Instance::Public).unwrap(), SystemClock));
        let issuer = IssuerRule::Matches(Pattern::exact("https://example.com"));
        let identity = Identity { san: Some(Pattern::exact("dev@example.com")), issuer, claims: Vec::new() };
        let requirement = Requirement::Identities(IdentityPolicy::new(vec![identity]).unwrap());
        let policy = ImagePolicy {
            requirement: Arc::new(requirement),
            types: Vec::new(),
            annotations: BTreeMap::new(),
        };
        for lists in [true, false] {
            let (most, store, subject) =
                (Duration::from_millis(20), Endless { lists }, described(b"an image"));
            let verify = verify_within(most, &verifier, &store, &subject, &policy);
            // Far beyond that limit it is this test that ends it.
            let verdict = tokio::time::timeout(Duration::from_secs(20), verify).await.unwrap();
            let error = verdict.result.unwrap_err();
            assert_eq!((error.code(), error.outcome()), (Code::ServiceUnavailable, Outcome::Unknown));
        }
    }

    #[test]
    fn what_is_kept_ends_somewhere() {
        assert_eq!(keeps(1, MAX_BYTES_ACCEPTED - 1).unwrap(), MAX_BYTES_ACCEPTED);
        for (kept, size) in [(2, MAX_BYTES_ACCEPTED - 1), (1, u64::MAX)] {
            assert_eq!(keeps(kept, size).unwrap_err().code(), Code::TooManyReferrers);
        }
    }
}
