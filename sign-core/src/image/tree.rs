//! What is attached to an image, as its registry tells it: claims, none of them verified.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::digest::Digest;
use crate::error::Result;
use crate::oci::{Manifest, Store};

/// Most manifests fetched at once.
const CONCURRENCY: usize = 16;

/// Something attached to an image, unverified.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// Digest of the referrer's manifest.
    pub digest: String,
    /// The manifest's artifactType.
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

/// Lists the referrers of `subject`.
///
/// # Errors
/// When the list or a manifest on it cannot be had.
pub async fn tree(store: &dyn Store, subject: &Digest) -> Result<Vec<Referrer>> {
    let descriptors = store.referrers(subject).await?;
    let nodes: Vec<Result<Referrer>> = stream::iter(descriptors)
        .map(|descriptor| async move {
            let bytes = store.manifest(&descriptor.digest).await?;
            let (artifact_type, annotations, size) =
                match Manifest::parse(Some(&descriptor.media_type), &bytes)? {
                    Manifest::Image(image) => (
                        image.artifact_type.or(Some(image.config.media_type)),
                        image.annotations,
                        image.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size)),
                    ),
                    Manifest::Index(_) => (descriptor.artifact_type, descriptor.annotations, descriptor.size),
                };
            Ok(Referrer {
                digest: descriptor.digest.to_string(),
                artifact_type,
                predicate_type: annotations.get("dev.sigstore.bundle.predicateType").cloned(),
                created: annotations.get("org.opencontainers.image.created").cloned(),
                size,
                annotations,
            })
        })
        .buffered(CONCURRENCY)
        .collect()
        .await;
    nodes.into_iter().collect()
}
