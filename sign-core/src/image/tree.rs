//! What is attached to an image, as its registry tells it: claims, none of them verified.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::candidates::{MAX_MANIFEST_BYTES, too_much};
use super::verify::CONCURRENCY;
use crate::digest::Digest;
use crate::error::Result;
use crate::oci::{Descriptor, FoundManifest, LegacyTag, Manifest, Store};

/// Something attached to an image, unverified.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// Digest of the referrer's manifest.
    pub digest: String,
    /// The tag it was found under, where it is no referrer but in cosign's older form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The manifest's artifactType; in the older form the media type of the layer.
    pub artifact_type: Option<String>,
    /// The predicate type that an annotation claims.
    pub predicate_type: Option<String>,
    /// When an annotation claims it was made.
    pub created: Option<String>,
    /// Bytes of all its layers.
    pub size: u64,
    /// All annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Lists the referrers of `subject`, and what cosign's older tags hold for it.
///
/// # Errors
/// When a list or a manifest on it cannot be had, and `too-many-referrers` when the manifests are over 32 MiB.
pub async fn tree(store: &dyn Store, subject: &Digest) -> Result<Vec<Referrer>> {
    let referrers = async {
        stream::iter(store.referrers(subject).await?)
            .map(|descriptor| referrer(store, descriptor))
            .buffered(CONCURRENCY)
            .try_fold((Vec::new(), 0), |(mut nodes, bytes): (Vec<_>, usize), (node, size)| async move {
                // Their annotations are held for all of them.
                let bytes = bytes.saturating_add(size);
                if bytes > MAX_MANIFEST_BYTES {
                    return Err(too_much(format!("at most {MAX_MANIFEST_BYTES} bytes of manifests")));
                }
                nodes.push(node);
                Ok((nodes, bytes))
            })
            .await
            .map(|(nodes, _)| nodes)
    };
    let tags = stream::iter(LegacyTag::ALL)
        .map(|tag| async move {
            let found = store.legacy(subject, tag).await?;
            found.iter().map(|manifest| layers(&tag.name(subject), manifest)).collect::<Result<Vec<_>>>()
        })
        .buffered(LegacyTag::ALL.len())
        .try_collect::<Vec<_>>();
    let (mut nodes, tagged) = futures_util::future::try_join(referrers, tags).await?;
    nodes.extend(tagged.into_iter().flatten().flatten());
    Ok(nodes)
}

/// One node, and how many bytes its manifest has.
async fn referrer(store: &dyn Store, descriptor: Descriptor) -> Result<(Referrer, usize)> {
    let bytes = store.manifest(&descriptor.digest).await?;
    let (artifact_type, annotations, size) = match Manifest::parse(Some(&descriptor.media_type), &bytes)? {
        Manifest::Image(image) => (
            image.artifact_type.or(Some(image.config.media_type)),
            image.annotations,
            image.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size)),
        ),
        Manifest::Index(_) => (descriptor.artifact_type, descriptor.annotations, descriptor.size),
    };
    let node = Referrer {
        digest: descriptor.digest.to_string(),
        tag: None,
        artifact_type,
        predicate_type: annotations.get("dev.sigstore.bundle.predicateType").cloned(),
        created: annotations.get("org.opencontainers.image.created").cloned(),
        size,
        annotations,
    };
    Ok((node, bytes.len()))
}

/// Each layer of the older form is a signature, an attestation or an SBOM of its own.
fn layers(tag: &str, found: &FoundManifest) -> Result<Vec<Referrer>> {
    let Manifest::Image(image) = Manifest::parse(Some(&found.descriptor.media_type), &found.bytes)? else {
        return Ok(Vec::new());
    };
    let node = |layer: Descriptor| Referrer {
        digest: found.descriptor.digest.to_string(),
        tag: Some(tag.to_owned()),
        artifact_type: Some(layer.media_type),
        predicate_type: layer.annotations.get("predicateType").cloned(),
        created: None,
        size: layer.size,
        annotations: layer.annotations,
    };
    Ok(image.layers.into_iter().map(node).collect())
}
