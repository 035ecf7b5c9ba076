//! What is attached to an image and could be a signature or an attestation: referrers, and the tags of
//! cosign's older storage. All of it is read, always: the one says nothing about the other.

use futures_util::{StreamExt as _, stream};

use super::verify::CONCURRENCY;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::oci::{Descriptor, FoundManifest, LegacyTag, Manifest, Store};

/// Every spelling of the bundle media type starts so.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// Media type of a signed payload; its signature is in an annotation.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of an attestation in the older form: a whole envelope.
const DSSE_ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Types that referrers are listed under which may hold a signature or an attestation: what some
/// registries report for any artifact, and the two of cosign's experiments with referrers.
const LISTED_TYPES: [&str; 3] = [
    "application/vnd.oci.empty.v1+json",
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.in-toto+json",
];
/// Most layers of one manifest in the older storage: as many as cosign reads.
const MAX_LAYERS: usize = 1000;

/// How a signature or attestation is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A Sigstore bundle.
    Bundle,
    /// An image signature in cosign's older form.
    LegacySignature,
    /// An attestation in cosign's older form.
    LegacyAttestation,
}

/// Something to verify, not fetched yet.
pub(super) struct Candidate {
    /// The manifest that attaches it.
    pub(super) manifest: Digest,
    /// Where its content is; the annotations of older forms are evidence.
    pub(super) layer: Descriptor,
    pub(super) form: Form,
    /// The predicate type that an annotation claims. An unsigned hint: it may spare a download, and
    /// never accepts anything.
    pub(super) claimed_type: Option<String>,
}

/// Something that could not be read, and so could have been the good one.
pub(super) struct Unread {
    /// None where a whole list could not be read.
    pub(super) manifest: Option<Digest>,
    pub(super) error: Error,
}

/// Every candidate for `subject`, and what stood in the way of finding more.
pub(super) async fn list(store: &dyn Store, subject: &Digest) -> (Vec<Candidate>, Vec<Unread>) {
    let (referrers, signatures, attestations) = futures_util::future::join3(
        store.referrers(subject),
        store.legacy(subject, LegacyTag::Signature),
        store.legacy(subject, LegacyTag::Attestation),
    )
    .await;
    let (mut candidates, mut unread) = (Vec::new(), Vec::new());
    let mut keep = |manifest: Option<Digest>, result: Result<Vec<Candidate>>| match result {
        Ok(found) => candidates.extend(found),
        Err(error) => unread.push(Unread { manifest, error }),
    };
    match referrers {
        Ok(referrers) => {
            let mut manifests = stream::iter(referrers.into_iter().filter(may_be_candidate))
                .map(|descriptor| async move {
                    let bytes = store.manifest(&descriptor.digest).await;
                    let found = bytes
                        .and_then(|bytes| split(&FoundManifest { descriptor: descriptor.clone(), bytes }));
                    (descriptor.digest, found)
                })
                .buffered(CONCURRENCY);
            while let Some((digest, found)) = manifests.next().await {
                keep(Some(digest), found);
            }
        }
        Err(error) => keep(None, Err(error)),
    }
    for tagged in [signatures, attestations] {
        match tagged {
            Ok(manifests) => {
                for found in manifests {
                    keep(Some(found.descriptor.digest.clone()), split(&found));
                }
            }
            Err(error) => keep(None, Err(error)),
        }
    }
    (candidates, unread)
}

/// A descriptor's artifactType is what somebody typed, and some registries report another one; only
/// what is surely something else is left out.
fn may_be_candidate(descriptor: &Descriptor) -> bool {
    descriptor
        .artifact_type
        .as_deref()
        .is_none_or(|listed| listed.starts_with(BUNDLE_PREFIX) || LISTED_TYPES.contains(&listed))
}

/// What one manifest holds. The media types of its layers say what each is.
fn split(found: &FoundManifest) -> Result<Vec<Candidate>> {
    let manifest = Manifest::parse(Some(&found.descriptor.media_type), &found.bytes)?;
    let Manifest::Image(image) = manifest else { return Ok(Vec::new()) };
    if image.layers.len() > MAX_LAYERS {
        return Err(Error::new(Code::TooManyReferrers, "a manifest holds more signatures than are read")
            .expected(format!("at most {MAX_LAYERS} layers"))
            .found(image.layers.len()));
    }
    let candidate = |layer: Descriptor, form, claimed_type: Option<String>| Candidate {
        manifest: found.descriptor.digest.clone(),
        layer,
        form,
        claimed_type,
    };
    let bundle_type = || image.annotations.get("dev.sigstore.bundle.predicateType").cloned();
    if let [layer] = image.layers.as_slice()
        && layer.media_type.starts_with(BUNDLE_PREFIX)
    {
        return Ok(vec![candidate(layer.clone(), Form::Bundle, bundle_type())]);
    }
    Ok(image
        .layers
        .into_iter()
        .filter_map(|layer| match layer.media_type.as_str() {
            SIMPLE_SIGNING => Some(candidate(layer, Form::LegacySignature, None)),
            DSSE_ENVELOPE => {
                let claimed = layer.annotations.get("predicateType").cloned();
                Some(candidate(layer, Form::LegacyAttestation, claimed))
            }
            _ => None,
        })
        .collect())
}
