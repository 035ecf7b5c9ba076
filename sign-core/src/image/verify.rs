//! Verifying an image: every attached bundle is a candidate, and one good one per wanted type decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::bundle::{Bundle, Content, MAX_BUNDLE_BYTES};
use crate::digest::Digest;
use crate::error::{Code, Error, Outcome, Result};
use crate::oci::{Descriptor, Manifest, Store};
use crate::predicate::{SIGN_V1, TypeSelector};
use crate::verify::{Artifact, Requirement, VerifiedBundle, Verifier};

/// Most bundles fetched and verified at once; bounds memory as well as sockets.
const CONCURRENCY: usize = 8;
/// Every spelling of the bundle media type starts so.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// What some registries report as the artifactType of any artifact.
const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";

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
    /// Digest of the referrer's manifest.
    pub referrer: Digest,
    /// Its proof.
    pub verified: VerifiedBundle,
}

/// A candidate that was not accepted.
#[derive(Debug)]
pub struct RejectedAttachment {
    /// Digest of the referrer's manifest.
    pub referrer: Digest,
    /// Why.
    pub error: Error,
}

enum Candidate {
    Accepted(Box<VerifiedBundle>),
    OtherType(String),
    NotABundle,
}

/// Verifies what is attached to `subject` against `policy`.
pub async fn verify_image(
    verifier: &Arc<Verifier>,
    store: &dyn Store,
    subject: &Descriptor,
    policy: &ImagePolicy,
) -> ImageVerdict {
    let mut verdict = ImageVerdict {
        subject: subject.clone(),
        accepted: Vec::new(),
        rejected: Vec::new(),
        other_types: BTreeSet::new(),
        result: Ok(()),
    };
    let referrers = match store.referrers(&subject.digest).await {
        Ok(referrers) => referrers,
        Err(error) => {
            verdict.result = Err(error);
            return verdict;
        }
    };
    let mut candidates = stream::iter(referrers.into_iter().filter(may_be_bundle))
        .map(|referrer| async move {
            let answer = candidate(verifier, store, subject, &referrer, policy).await;
            (referrer.digest, answer)
        })
        .buffered(CONCURRENCY);
    while let Some((referrer, answer)) = candidates.next().await {
        match answer {
            Ok(Candidate::Accepted(verified)) => {
                verdict.accepted.push(AcceptedAttachment { referrer, verified: *verified });
            }
            Ok(Candidate::OtherType(predicate_type)) => {
                verdict.other_types.insert(predicate_type);
            }
            Ok(Candidate::NotABundle) => {}
            Err(error) => verdict.rejected.push(RejectedAttachment { referrer, error }),
        }
    }
    drop(candidates);
    verdict.result = decide(&mut verdict, policy);
    verdict
}

/// A descriptor's artifactType is what somebody typed, and some registries report another one; only
/// what is surely something else is left out.
fn may_be_bundle(descriptor: &Descriptor) -> bool {
    descriptor.artifact_type.as_deref().is_none_or(|t| t == OCI_EMPTY || t.starts_with(BUNDLE_PREFIX))
}

async fn candidate(
    verifier: &Arc<Verifier>,
    store: &dyn Store,
    subject: &Descriptor,
    referrer: &Descriptor,
    policy: &ImagePolicy,
) -> Result<Candidate> {
    let bytes = store.manifest(&referrer.digest).await?;
    let Manifest::Image(manifest) = Manifest::parse(Some(&referrer.media_type), &bytes)? else {
        return Ok(Candidate::NotABundle);
    };
    let [layer] = manifest.layers.as_slice() else { return Ok(Candidate::NotABundle) };
    if !layer.media_type.starts_with(BUNDLE_PREFIX) {
        return Ok(Candidate::NotABundle);
    }
    // An annotation is an unsigned hint: it may spare a download, and never accepts anything.
    if let Some(claimed) = manifest.annotations.get("dev.sigstore.bundle.predicateType")
        && !wanted(policy, claimed)
    {
        return Ok(Candidate::OtherType(claimed.clone()));
    }
    let json = store.blob(layer, MAX_BUNDLE_BYTES).await?;
    let (verifier, requirement) = (Arc::clone(verifier), Arc::clone(&policy.requirement));
    let digest = subject.digest.clone();
    let verified = tokio::task::spawn_blocking(move || {
        let bundle = Bundle::parse(&json)?;
        drop(json);
        if matches!(bundle.content, Content::Message(_)) {
            return Err(Error::new(Code::EnvelopeInvalid, "an image is signed by a statement")
                .expected("a DSSE envelope")
                .found("a message signature"));
        }
        verifier.verify_owned(bundle, &Artifact::from_digest(digest), &requirement)
    })
    .await
    .map_err(|e| Error::new(Code::Internal, "verification ended early").caused_by(e))??;
    let Some(statement) = verified.statement() else { return Ok(Candidate::NotABundle) };
    // What the signature covers decides; the annotation was only a hint.
    if !wanted(policy, statement.predicate_type()) {
        return Ok(Candidate::OtherType(statement.predicate_type().to_owned()));
    }
    let carried = statement.subject_for(&subject.digest).map(|subject| &subject.annotations);
    for (key, value) in &policy.annotations {
        let found = carried.and_then(|annotations| annotations.get(key));
        if found != Some(value) {
            return Err(Error::new(Code::ClaimMismatch, format!("the signed annotation {key:?} differs"))
                .expected(value)
                .found(found.map_or("none", String::as_str)));
        }
    }
    Ok(Candidate::Accepted(Box::new(verified)))
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
        accepted_types.is_empty().then(|| "a signature".to_owned())
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
    if verdict.other_types.is_empty() {
        return Err(Error::new(Code::NoSignatures, "nothing is attached that could be verified")
            .expected(missing)
            .found(format!("no bundles for {subject}"))
            .hint("signer tree shows what is attached; was the image signed, and to this registry?"));
    }
    let seen = verdict.other_types.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
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
