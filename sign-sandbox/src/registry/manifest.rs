//! Manifests: what the registry must understand of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Digest;

/// An image index.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A stored manifest.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
    pub(super) subject: Option<Digest>,
    artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
    /// The config and the layers.
    pub(super) blobs: Vec<Digest>,
    /// The manifests of an index.
    pub(super) children: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    /// Never used, but a descriptor without it is malformed.
    #[serde(rename = "size")]
    _size: u64,
    urls: Option<Vec<String>>,
}

impl Descriptor {
    fn digest(&self) -> Result<Digest, String> {
        Digest::parse(&self.digest)
            .map_err(|_| format!("the descriptor's digest {:?} is malformed", self.digest))
    }
}

impl Manifest {
    /// Reads a manifest that was sent as `content_type`.
    pub(super) fn parse(content_type: Option<&str>, bytes: Bytes) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if document.schema_version != 2 {
            return Err("schemaVersion is not 2".to_owned());
        }
        let media_type = match (content_type, document.media_type.as_deref()) {
            // CVE-2021-41190: a document that is an image to one reader and an index to another.
            (Some(sent), Some(inside)) if sent != inside => {
                return Err(format!("the Content-Type is {sent:?}, but the mediaType {inside:?}"));
            }
            (Some(one), _) | (None, Some(one)) => one.to_owned(),
            (None, None) => return Err("there is neither a Content-Type nor a mediaType".to_owned()),
        };
        let (mut blobs, mut children) = (Vec::new(), Vec::new());
        match media_type.as_str() {
            IMAGE | DOCKER_IMAGE => {
                if document.manifests.is_some() {
                    return Err("an image manifest has no manifests".to_owned());
                }
                let config = document.config.as_ref().ok_or("an image manifest needs a config")?;
                blobs.push(config.digest()?);
                for layer in document.layers.iter().flatten() {
                    let digest = layer.digest()?;
                    // Layers with URLs are fetched from there and need not be pushed.
                    if layer.urls.as_ref().is_none_or(Vec::is_empty) {
                        blobs.push(digest);
                    }
                }
            }
            INDEX | DOCKER_LIST => {
                if document.config.is_some() || document.layers.is_some() {
                    return Err("an index has no config and no layers".to_owned());
                }
                for child in document.manifests.iter().flatten() {
                    children.push(child.digest()?);
                }
            }
            other => return Err(format!("{other:?} is no media type of a manifest")),
        }
        let subject = document.subject.as_ref().map(Descriptor::digest).transpose()?;
        // distribution-spec, "Listing Referrers": an index without one has no artifactType at all.
        let artifact_type = document
            .artifact_type
            .filter(|kind| !kind.is_empty())
            .or_else(|| document.config.map(|config| config.media_type));
        let annotations = document.annotations.unwrap_or_default();
        Ok(Self { media_type, bytes, subject, artifact_type, annotations, blobs, children })
    }

    /// The artifact type that referrers are filtered by.
    pub(super) fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref()
    }

    /// The descriptor in a list of referrers.
    pub(super) fn descriptor(&self, digest: &Digest) -> Value {
        let mut descriptor = json!({
            "mediaType": self.media_type, "digest": digest.as_str(), "size": self.bytes.len(),
        });
        if let Some(kind) = &self.artifact_type {
            descriptor["artifactType"] = json!(kind);
        }
        if !self.annotations.is_empty() {
            descriptor["annotations"] = json!(self.annotations);
        }
        descriptor
    }

    /// The same manifest with one more annotation, so another digest.
    pub(super) fn altered(&self) -> Option<Self> {
        let mut document: serde_json::Map<String, Value> = serde_json::from_slice(&self.bytes).ok()?;
        let annotations = document.entry("annotations").or_insert(Value::Null);
        if annotations.is_null() {
            *annotations = json!({});
        }
        annotations.as_object_mut()?.insert("sandbox.moved".to_owned(), json!("true"));
        let bytes = serde_json::to_vec(&document).ok()?;
        Self::parse(Some(&self.media_type), bytes.into()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content_type: Option<&str>, document: &Value) -> Result<Manifest, String> {
        Manifest::parse(content_type, document.to_string().into())
    }

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": Digest::of(b"").as_str(), "size": 0})
    }

    #[test]
    fn the_artifact_type_falls_back_to_the_config() {
        let mut image = json!({"schemaVersion": 2, "config": descriptor("a/config"), "layers": []});
        assert_eq!(parse(Some(IMAGE), &image).unwrap().artifact_type(), Some("a/config"));
        image["artifactType"] = json!("a/type");
        assert_eq!(parse(Some(IMAGE), &image).unwrap().artifact_type(), Some("a/type"));
        let index = json!({"schemaVersion": 2, "manifests": null});
        assert_eq!(parse(Some(INDEX), &index).unwrap().artifact_type(), None);
    }

    #[test]
    fn an_image_that_is_an_index_too_is_refused() {
        let both = json!({"schemaVersion": 2, "config": descriptor("c"), "layers": [], "manifests": []});
        assert!(parse(Some(IMAGE), &both).is_err());
        assert!(parse(Some(INDEX), &both).is_err());
        let inside = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
        assert!(parse(Some(IMAGE), &inside).is_err());
        assert!(parse(None, &inside).is_ok());
    }

    #[test]
    fn foreign_layers_need_not_be_here() {
        let mut layer = descriptor("a/layer");
        layer["urls"] = json!(["https://example.com/layer"]);
        let image = json!({"schemaVersion": 2, "config": descriptor("c"), "layers": [layer]});
        assert_eq!(parse(Some(IMAGE), &image).unwrap().blobs.len(), 1);
    }
}
