//! Images and what is attached to them, in registries and in image layouts on disk.
//!
//! Source: OCI distribution specification 1.1 and OCI image specification 1.1.

mod auth;
mod credentials;
mod layout;
mod legacy;
mod manifest;
mod reference;
mod referrers;
mod registry;
mod tag_schema;
mod upload;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, MAX_SERVICE_ANSWER};

pub use credentials::CredentialSource;
pub use layout::Layout;
pub use legacy::{FoundManifest, LegacyTag};
pub use manifest::{Descriptor, ImageIndex, ImageManifest, Manifest, Platform};
pub use reference::{ImageReference, LayoutReference, Reference};
pub use registry::{Registry, RegistryOptions};

/// Most referrers of one subject that are read; as many as other verifiers bound their lists by.
const MAX_REFERRERS: usize = 4096;

/// Something to attach to an image: one blob, and how it is to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Media type of the blob and artifact type of the manifest around it.
    pub artifact_type: String,
    /// The blob.
    pub content: Bytes,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Where an image and its attachments are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// `registry/repository` without tag and digest, or `oci-layout:DIR`.
    fn name(&self) -> String;

    /// What the reference points at. Ask once: a tag can move.
    async fn resolve(&self) -> Result<Descriptor>;

    /// The manifest or index that `digest` names, and no other.
    async fn manifest(&self, digest: &Digest) -> Result<Bytes>;

    /// The blob that `descriptor` names, if it is at most `limit` bytes.
    async fn blob(&self, descriptor: &Descriptor, limit: usize) -> Result<Bytes>;

    /// Everything that is attached to `subject`, whatever its type. An error means that it could not be
    /// told; it never means that nothing is there.
    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>>;

    /// What cosign's older storage keeps for `subject` under `tag`. An error means that it could not be
    /// told; it never means that nothing is there.
    async fn legacy(&self, subject: &Digest, tag: LegacyTag) -> Result<Vec<FoundManifest>>;

    /// Finds out, where that needs nobody else, whether something can be attached: what is signed is public
    /// in a log for ever, so a folder that cannot be written to should be known before.
    ///
    /// # Errors
    /// `file-unreadable` when nothing can be attached.
    async fn check_attachable(&self) -> Result<()> {
        Ok(())
    }

    /// Attaches to `subject`, and returns the descriptor of the manifest that does so.
    async fn attach(&self, subject: &Descriptor, attachment: &Attachment) -> Result<Descriptor>;
}

/// Opens the store that `reference` names.
pub fn open(
    reference: &ImageReference,
    http: &HttpClient,
    options: &RegistryOptions,
) -> Result<Box<dyn Store>> {
    Ok(match reference {
        ImageReference::Registry(reference) => {
            Box::new(Registry::new(reference.clone(), http.clone(), options.clone()))
        }
        ImageReference::Layout(reference) => Box::new(Layout::open(reference.clone())?),
    })
}

/// Most bytes that are read for a blob: what its descriptor says, as callers reckon with that, but enough for
/// a service to say what is wrong.
fn most_bytes(descriptor: &Descriptor) -> usize {
    usize::try_from(descriptor.size).unwrap_or(usize::MAX).max(MAX_SERVICE_ANSWER)
}

/// Checks a blob against its descriptor.
fn check_blob(descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 != descriptor.size {
        return Err(Error::new(Code::ContentMismatch, "a blob has another size than its descriptor says")
            .expected(format!("{} bytes", descriptor.size))
            .found(format!("{} bytes", bytes.len())));
    }
    manifest::check_digest(&descriptor.digest, bytes)
}

/// Refuses a blob before it is read.
fn check_blob_size(descriptor: &Descriptor, limit: usize) -> Result<()> {
    if usize::try_from(descriptor.size).is_ok_and(|size| size <= limit) {
        return Ok(());
    }
    Err(Error::new(Code::LimitExceeded, "a blob is too large")
        .expected(format!("at most {limit} bytes"))
        .found(format!("{} bytes", descriptor.size)))
}

/// One of each digest, in the order of their first appearance.
fn distinct(descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut seen = std::collections::HashSet::new();
    descriptors.into_iter().filter(|descriptor| seen.insert(descriptor.digest.clone())).collect()
}

fn too_many_referrers() -> Error {
    Error::new(Code::TooManyReferrers, "more is attached to the image than is read")
        .expected(format!("at most {MAX_REFERRERS} referrers, and 32 MiB of lists or manifests"))
        .hint("remove attachments that are not needed, or keep them in another repository")
}
