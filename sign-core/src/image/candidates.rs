//! What is attached to an image and could be a signature or an attestation: referrers, and the tags of
//! cosign's older storage. All of it is read, always: the one says nothing about the other.

use futures_util::{StreamExt as _, stream};

use super::verify::CONCURRENCY;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::legacy::EVIDENCE;
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
/// Most candidates of one subject: as many as referrers are read, though one manifest can hold many.
const MAX_CANDIDATES: usize = 4096;
/// Most bytes of the manifests that attach them, several times what so many take: their evidence is held
/// until all of it is verified.
pub(super) const MAX_MANIFEST_BYTES: usize = 32 * 1024 * 1024;

/// How a signature or attestation is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Where its content is. Of its annotations only evidence is kept, which older forms have there.
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
    let mut found = Found::default();
    match referrers {
        Ok(referrers) => {
            let mut manifests = stream::iter(referrers.into_iter().filter(may_be_candidate))
                .map(|descriptor| async move {
                    let bytes = store.manifest(&descriptor.digest).await;
                    (descriptor, bytes)
                })
                .buffered(CONCURRENCY);
            while let Some((descriptor, bytes)) = manifests.next().await {
                match bytes {
                    Ok(bytes) => found.add(FoundManifest { descriptor, bytes }),
                    Err(error) => found.miss(Some(descriptor.digest), error),
                }
                if found.full {
                    break;
                }
            }
        }
        Err(error) => found.miss(None, error),
    }
    for tagged in [signatures, attestations] {
        match tagged {
            Ok(manifests) => manifests.into_iter().for_each(|manifest| found.add(manifest)),
            Err(error) => found.miss(None, error),
        }
    }
    (found.candidates, found.unread)
}

/// What was found so far.
#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
    unread: Vec<Unread>,
    manifest_bytes: usize,
    /// Nothing more is taken, and that was said.
    full: bool,
}

impl Found {
    fn miss(&mut self, manifest: Option<Digest>, error: Error) {
        self.unread.push(Unread { manifest, error });
    }

    fn add(&mut self, manifest: FoundManifest) {
        if self.full {
            return;
        }
        self.manifest_bytes = self.manifest_bytes.saturating_add(manifest.bytes.len());
        if self.manifest_bytes > MAX_MANIFEST_BYTES {
            return self.stop(format!("at most {MAX_MANIFEST_BYTES} bytes of manifests"));
        }
        match split(&manifest) {
            Ok(held) if self.candidates.len() + held.len() > MAX_CANDIDATES => {
                self.stop(format!("at most {MAX_CANDIDATES} signatures and attestations"));
            }
            Ok(held) => self.candidates.extend(held),
            Err(error) => self.miss(Some(manifest.descriptor.digest), error),
        }
    }

    fn stop(&mut self, most: String) {
        self.full = true;
        self.miss(None, too_much(most));
    }
}

/// The error for a subject with more on it than is read.
pub(super) fn too_much(most: String) -> Error {
    Error::new(Code::TooManyReferrers, "more is attached to the image than is read")
        .expected(most)
        .hint("remove attachments that are not needed, or keep them in another repository")
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
    let candidate = |mut layer: Descriptor, form, claimed_type: Option<String>| {
        layer.annotations.retain(|name, _| form != Form::Bundle && EVIDENCE.contains(&name.as_str()));
        let manifest = found.descriptor.digest.clone();
        Candidate { manifest, layer, form, claimed_type }
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
