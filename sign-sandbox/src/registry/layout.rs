//! Copying an image from an OCI image layout into the registry.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;

use super::Registry;
use super::manifest::Manifest;
use super::names::{self, Digest};
use super::store::Repository;
use crate::image::REF_NAME;

/// An index of indexes of indexes: nobody nests deeper.
const MAX_DEPTH: usize = 4;

#[derive(Deserialize)]
struct LayoutIndex {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Registry {
    /// Copies the image `layout_tag` of the layout at `layout`, with everything it needs, to
    /// `repository:tag`, and returns its digest.
    pub(crate) fn load_image(
        &self,
        layout: &Path,
        layout_tag: &str,
        repository: &str,
        tag: &str,
    ) -> io::Result<String> {
        if !names::is_name(repository) || !names::is_tag(tag) {
            return Err(invalid(format!("{repository}:{tag} is no name of an image")));
        }
        let index: LayoutIndex = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
        let entry = index
            .manifests
            .iter()
            .find(|entry| entry.annotations.get(REF_NAME).is_some_and(|name| name == layout_tag))
            .ok_or_else(|| {
                io::Error::new(ErrorKind::NotFound, format!("the layout has no image {layout_tag:?}"))
            })?;
        let digest = parse(&entry.digest)?;
        // Collected first: an image that is broken half-way is not there at all.
        let mut copy = Repository::default();
        collect(layout, &digest, &mut copy, MAX_DEPTH)?;
        let mut store = self.store();
        let repository = store.open(repository);
        repository.blobs.append(&mut copy.blobs);
        repository.manifests.append(&mut copy.manifests);
        repository.tags.insert(tag.to_owned(), digest.clone());
        Ok(digest.to_string())
    }
}

fn collect(layout: &Path, digest: &Digest, copy: &mut Repository, depth: usize) -> io::Result<()> {
    if copy.manifests.contains_key(digest) {
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or_else(|| invalid("the index is nested too deeply"))?;
    let manifest = Manifest::parse(None, blob(layout, digest)?)
        .map_err(|message| invalid(format!("the manifest {digest} is malformed: {message}")))?;
    for needed in manifest.blobs.iter().collect::<BTreeSet<_>>() {
        if !copy.blobs.contains_key(needed) {
            copy.blobs.insert(needed.clone(), blob(layout, needed)?);
        }
    }
    for child in &manifest.children {
        collect(layout, child, copy, depth)?;
    }
    copy.manifests.insert(digest.clone(), manifest);
    Ok(())
}

fn blob(layout: &Path, digest: &Digest) -> io::Result<Bytes> {
    let (algorithm, encoded) = digest.parts();
    let bytes = Bytes::from(fs::read(layout.join("blobs").join(algorithm).join(encoded))?);
    if digest.matches(&bytes) {
        Ok(bytes)
    } else {
        Err(invalid(format!("the blob {digest} has another digest")))
    }
}

fn parse(digest: &str) -> io::Result<Digest> {
    Digest::parse(digest).map_err(|_| invalid(format!("{digest:?} is no digest")))
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message.into())
}
