//! Signing, attesting and verifying container images: statements about digests, attached as referrers.

mod attach;
mod candidates;
mod statements;
mod tree;
mod verify;

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::oci::{Descriptor, Manifest, Store};

pub use attach::{Attached, Work, attach, sign_all};
pub use candidates::Form;
pub use statements::{attestation_statement, signature_statement};
pub use tree::{Referrer, tree};
pub use verify::{AcceptedAttachment, ImagePolicy, ImageVerdict, RejectedAttachment, verify_image};

/// Annotation by which a builder marks an index entry that is an attestation and no platform.
const ATTESTATION_MARK: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");
/// Most platforms of one image: far above any real index, and a bound on what one command does.
pub const MAX_PLATFORMS: usize = 256;

/// An image whose reference was resolved, once.
#[derive(Clone)]
pub struct Image {
    /// Where it lives.
    pub store: Arc<dyn Store>,
    /// Where its signatures and attestations live: the same place, unless the caller says otherwise.
    pub attachments: Arc<dyn Store>,
    /// The reference as given.
    pub reference: String,
    /// The manifest or index that the reference points at.
    pub root: Descriptor,
    /// The manifests of an index, without those that are builder attestations.
    pub platforms: Vec<Descriptor>,
}

impl Image {
    /// Resolves a reference. With `all_platforms`, an index brings its manifests along.
    ///
    /// # Errors
    /// `subject-not-found` when there is no such image, `content-mismatch` when the registry serves
    /// other bytes than the digest names, and what the network brings.
    pub async fn resolve(
        store: Arc<dyn Store>,
        reference: impl Into<String>,
        all_platforms: bool,
    ) -> Result<Self> {
        let root = store.resolve().await?;
        // Read even for a single image: a digest is only signed once its content was seen to match.
        let bytes = store.manifest(&root.digest).await?;
        let manifest = Manifest::parse(Some(&root.media_type), &bytes)?;
        let platforms = match manifest {
            Manifest::Index(index) if all_platforms => index
                .manifests
                .into_iter()
                .filter(|entry| {
                    entry.annotations.get(ATTESTATION_MARK.0).is_none_or(|value| value != ATTESTATION_MARK.1)
                })
                .collect(),
            _ => Vec::new(),
        };
        if platforms.len() > MAX_PLATFORMS {
            return Err(Error::new(Code::LimitExceeded, "the index lists too many manifests")
                .expected(format!("at most {MAX_PLATFORMS}"))
                .found(platforms.len()));
        }
        // What is signed must be there and be what its digest says, for every platform too.
        // Few at a time, and none is kept: 256 manifests of the largest size are a gigabyte.
        stream::iter(&platforms)
            .map(|entry| async { store.manifest(&entry.digest).await.map(drop) })
            .buffered(verify::CONCURRENCY)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(Self { attachments: Arc::clone(&store), store, reference: reference.into(), root, platforms })
    }

    /// The same image with its attachments in another repository.
    #[must_use]
    pub fn with_attachments(mut self, attachments: Arc<dyn Store>) -> Self {
        self.attachments = attachments;
        self
    }

    /// The root and then each platform.
    pub fn subjects(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.root).chain(&self.platforms)
    }

    /// The digest that the reference was resolved to.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.root.digest
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("reference", &self.reference)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
