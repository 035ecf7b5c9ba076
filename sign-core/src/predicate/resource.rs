//! Descriptions of artifacts that predicates share.
//!
//! Source: in-toto attestation framework v1, ResourceDescriptor and DigestSet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::Node;
use super::typed::or_default;
use crate::error::Result;

/// A software artifact or other resource; at least `uri`, `digest` or `content` says which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceDescriptor {
    /// A name within the statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which resource, globally.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digests by algorithm, as written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub digest: BTreeMap<String, String>,
    /// The content itself, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where to fetch it, if that differs from `uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Whatever else producer and consumer agreed on.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "or_default")]
    pub annotations: Map<String, Value>,
}

impl ResourceDescriptor {
    /// The resource at `uri`.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: Some(uri.into()), ..Self::default() }
    }

    /// The same with a digest: an algorithm of the in-toto DigestSet and its value.
    #[must_use]
    pub fn with_digest(mut self, algorithm: impl Into<String>, value: impl Into<String>) -> Self {
        self.digest.insert(algorithm.into(), value.into());
        self
    }
}

/// A resource descriptor, with what every one must have.
pub(super) fn descriptor(node: Node<'_>) -> Result<()> {
    let [uri, digest, content] = loose(node)?;
    if uri.is_none() && digest.is_none() && content.is_none() {
        return Err(node.wrong("uri, digest or content"));
    }
    Ok(())
}

/// A reference to an artifact, with no member that must be there: what SLSA asked for before v1.
/// Gives back its `uri`, `digest` and `content`.
pub(super) fn loose<'d>(node: Node<'d>) -> Result<[Option<Node<'d>>; 3]> {
    let found = node.object()?.pick([
        "uri",
        "digest",
        "content",
        "name",
        "downloadLocation",
        "mediaType",
        "annotations",
    ]);
    let [uri, digest, content, name, location, media_type, annotations] =
        found.map(|member| member.filter(|node| !node.is_null()));
    for text in [uri, content, name, location, media_type].into_iter().flatten() {
        text.any_text()?;
    }
    if let Some(annotations) = annotations {
        annotations.object()?;
    }
    if let Some(digest) = digest {
        digest_set(digest)?;
    }
    Ok([uri, digest, content])
}

/// Digests by algorithm. Which algorithms exist is open; that each has a value is not.
pub(super) fn digest_set(node: Node<'_>) -> Result<()> {
    for (_, value) in node.object()?.members() {
        value.text()?;
    }
    Ok(())
}

/// An array of descriptors, where there is one.
pub(super) fn descriptors(node: Option<Node<'_>>) -> Result<()> {
    match node {
        Some(node) => node.elements()?.try_for_each(descriptor),
        None => Ok(()),
    }
}

/// A map from names to texts, where there is one.
pub(super) fn text_map(node: Option<Node<'_>>) -> Result<()> {
    match node {
        Some(node) => node.object()?.members().try_for_each(|(_, value)| value.any_text().map(|_| ())),
        None => Ok(()),
    }
}

/// An object, where there is something.
pub(super) fn object(node: Option<Node<'_>>) -> Result<()> {
    node.map_or(Ok(()), |node| node.object().map(|_| ()))
}

/// An RFC 3339 time, where there is something.
pub(super) fn time(node: Option<Node<'_>>) -> Result<()> {
    node.map_or(Ok(()), |node| node.time().map(|_| ()))
}
