//! What the registry holds, all in memory: sandboxes live for minutes and carry small images.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::manifest::Manifest;
use super::names::{Digest, Reference};

/// Everything, by repository.
#[derive(Default)]
pub(super) struct Store {
    repositories: BTreeMap<String, Repository>,
    /// Upload sessions by their id.
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// A session that collects a blob.
#[derive(Clone)]
pub(super) struct Upload {
    /// A session belongs to one repository, or a token for one would write to another.
    pub(super) repository: String,
    /// Locked while a request appends.
    pub(super) data: Arc<tokio::sync::Mutex<Vec<u8>>>,
}

/// One repository.
#[derive(Default)]
pub(super) struct Repository {
    pub(super) blobs: BTreeMap<Digest, Bytes>,
    pub(super) manifests: BTreeMap<Digest, Manifest>,
    pub(super) tags: BTreeMap<String, Digest>,
    /// The tags that `registry-move-tag` has moved already.
    moved: BTreeSet<String>,
}

impl Store {
    /// The repository, if anything was ever put there.
    pub(super) fn get(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name)
    }

    /// The repository, if anything was ever put there.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Repository> {
        self.repositories.get_mut(name)
    }

    /// The repository, new if need be.
    pub(super) fn open(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }
}

impl Repository {
    /// The digest that `reference` stands for, if its manifest is here.
    pub(super) fn resolve(&self, reference: &Reference) -> Option<&Digest> {
        let digest = match reference {
            Reference::Tag(tag) => self.tags.get(tag)?,
            Reference::Digest(digest) => digest,
        };
        self.manifests.get_key_value(digest).map(|(digest, _)| digest)
    }

    /// The first blob or manifest that `manifest` needs and that is not here. A subject may be absent.
    pub(super) fn missing<'a>(&self, manifest: &'a Manifest) -> Option<&'a Digest> {
        let blob = manifest.blobs.iter().find(|digest| !self.blobs.contains_key(digest));
        blob.or_else(|| manifest.children.iter().find(|digest| !self.manifests.contains_key(digest)))
    }

    /// Deletes what `reference` names: a tag alone, or a manifest with every tag on it.
    pub(super) fn delete(&mut self, reference: &Reference) -> bool {
        match reference {
            Reference::Tag(tag) => self.tags.remove(tag).is_some(),
            Reference::Digest(digest) => {
                self.tags.retain(|_, target| target != digest);
                self.manifests.remove(digest).is_some()
            }
        }
    }

    /// Points `tag` at a copy of its manifest with one more annotation, the first time only.
    pub(super) fn move_tag(&mut self, tag: &str) {
        if self.moved.contains(tag) {
            return;
        }
        let copy =
            self.tags.get(tag).and_then(|digest| self.manifests.get(digest)).and_then(Manifest::altered);
        if let Some(copy) = copy {
            let digest = Digest::of(&copy.bytes);
            self.manifests.insert(digest.clone(), copy);
            self.tags.insert(tag.to_owned(), digest);
            self.moved.insert(tag.to_owned());
        }
    }
}
