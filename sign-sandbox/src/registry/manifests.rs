//! Manifests: reading, writing under a condition, deleting.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;

use super::error::{ErrorCode, Refusal};
use super::manifest::Manifest;
use super::names::{Digest, Reference};
use super::{CONTENT_DIGEST, Call, Registry, content, empty, read};
use crate::fault::Fault;

/// distribution-spec, "Pushing Manifests": registries take 4 megabytes at least; this one no more.
pub(super) const MAX_MANIFEST: usize = 4 << 20;
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Registry {
    pub(super) fn get_manifest(&self, call: &Call, reference: &Reference) -> Result<Response, Refusal> {
        let mut store = self.store();
        let repository = store.get_mut(&call.name).ok_or_else(|| unknown(reference))?;
        let digest = repository.resolve(reference).cloned().ok_or_else(|| unknown(reference))?;
        let manifest = repository.manifests.get(&digest).cloned().ok_or_else(|| unknown(reference))?;
        if let Reference::Tag(tag) = reference
            && self.faults.is(Fault::RegistryMoveTag)
        {
            repository.move_tag(tag);
        }
        drop(store);
        let mut response = content(StatusCode::OK, &manifest.media_type, &digest, manifest.bytes)?;
        if let Ok(etag) = HeaderValue::from_str(&etag(&digest)) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        Ok(response)
    }

    pub(super) async fn put_manifest(
        &self,
        mut call: Call,
        reference: &Reference,
    ) -> Result<Response, Refusal> {
        let mut bytes = Vec::new();
        read(std::mem::take(&mut call.body), &mut bytes, MAX_MANIFEST).await?;
        let bytes = Bytes::from(bytes);
        let digest = match reference {
            Reference::Tag(_) => Digest::of(&bytes),
            Reference::Digest(digest) if digest.matches(&bytes) => digest.clone(),
            Reference::Digest(digest) => {
                return Err(Refusal::new(ErrorCode::DigestInvalid, "the manifest has another digest")
                    .detail(json!({"digest": digest.as_str()})));
            }
        };
        // Parameters say nothing about a manifest.
        let content_type = call.header(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
        let manifest = Manifest::parse(content_type.map(str::trim), bytes)
            .map_err(|message| Refusal::new(ErrorCode::ManifestInvalid, message))?;
        let subject = manifest.subject.clone();
        self.write(&call, reference, &digest, manifest)?;

        let location = format!("/v2/{}/manifests/{digest}", call.name);
        let mut headers = vec![(header::LOCATION, location.as_str()), (CONTENT_DIGEST, digest.as_str())];
        if let Some(subject) = subject.as_ref().filter(|_| self.options.referrers_api) {
            // Tells the client that the registry keeps the list of referrers.
            headers.push((SUBJECT, subject.as_str()));
        }
        let etag = etag(&digest);
        headers.push((header::ETAG, &etag));
        empty(StatusCode::CREATED, &headers)
    }

    /// Checks and stores under one lock, or two writers could both find their condition to hold.
    fn write(
        &self,
        call: &Call,
        reference: &Reference,
        digest: &Digest,
        manifest: Manifest,
    ) -> Result<(), Refusal> {
        let mut store = self.store();
        let current = store.get(&call.name).and_then(|repository| repository.resolve(reference));
        precondition(call, current)?;
        if let Some(repository) = store.get(&call.name) {
            missing(repository.missing(&manifest))?;
        } else {
            // Nothing is in a repository that does not exist yet.
            missing(manifest.blobs.first().or(manifest.children.first()))?;
        }
        let repository = store.open(&call.name);
        repository.manifests.insert(digest.clone(), manifest);
        if let Reference::Tag(tag) = reference {
            repository.tags.insert(tag.clone(), digest.clone());
        }
        Ok(())
    }

    pub(super) fn delete_manifest(&self, call: &Call, reference: &Reference) -> Result<Response, Refusal> {
        let mut store = self.store();
        if store.get_mut(&call.name).is_some_and(|repository| repository.delete(reference)) {
            empty(StatusCode::ACCEPTED, &[])
        } else {
            Err(unknown(reference))
        }
    }
}

fn unknown(reference: &Reference) -> Refusal {
    let detail = match reference {
        Reference::Tag(tag) => json!({"tag": tag}),
        Reference::Digest(digest) => json!({"digest": digest.as_str()}),
    };
    Refusal::new(ErrorCode::ManifestUnknown, "manifest unknown to registry").detail(detail)
}

fn missing(digest: Option<&Digest>) -> Result<(), Refusal> {
    match digest {
        None => Ok(()),
        Some(digest) => Err(Refusal::new(
            ErrorCode::ManifestBlobUnknown,
            "the manifest references content that is not in this repository",
        )
        .detail(json!({"digest": digest.as_str()}))),
    }
}

fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// RFC 9110 section 13: `If-Match` and `If-None-Match` against what the reference stands for now.
fn precondition(call: &Call, current: Option<&Digest>) -> Result<(), Refusal> {
    let current = current.map(etag);
    // The digest is a strong validator; only If-None-Match may compare a weak one (section 8.8.3.2).
    let lists = |value: &str, weak: bool| {
        value.split(',').map(str::trim).any(|tag| {
            let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
            current.as_deref().is_some_and(|current| tag == "*" || tag == current)
        })
    };
    let holds = call.header(header::IF_MATCH).is_none_or(|value| lists(value, false))
        && call.header(header::IF_NONE_MATCH).is_none_or(|value| !lists(value, true));
    if holds {
        Ok(())
    } else {
        let refusal = Refusal::new(ErrorCode::PreconditionFailed, "the manifest is not what was expected");
        Err(match &current {
            Some(etag) => refusal.header(header::ETAG, etag),
            None => refusal,
        })
    }
}
