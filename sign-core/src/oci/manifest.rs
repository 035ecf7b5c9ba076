//! Descriptors, manifests and indexes.
//!
//! Source: OCI image specification 1.1; the Docker schema 2 types are the same shapes under older names.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::error::{Code, Error, Result};

pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of the two bytes `{}`, which stand where a config would be.
const EMPTY_CONFIG_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// The empty config itself.
pub(super) const EMPTY_CONFIG: &[u8] = b"{}";
/// Largest manifest or index: what the distribution specification asks every client to handle.
pub(super) const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// What content is and how to find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
    /// The artifact type of a manifest. A hint: only the manifest itself says what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations. Nobody has signed them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of an image in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// The descriptor of `content`.
    pub(super) fn of(media_type: &str, content: &[u8]) -> Self {
        Self::named(media_type, Digest::sha256(content), content.len())
    }

    /// A descriptor with nothing optional in it.
    pub(super) fn named(media_type: &str, digest: Digest, size: usize) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size: size as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
            platform: None,
        }
    }
}

/// What an image runs on. Displayed as `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// CPU architecture, in Go's names.
    pub architecture: String,
    /// Operating system, in Go's names.
    pub os: String,
    /// Variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of the operating system.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().filter(|v| !v.is_empty()).map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// A manifest or an index.
#[allow(clippy::large_enum_variant, reason = "one at a time, and short-lived")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// One image or artifact.
    Image(ImageManifest),
    /// A list of manifests.
    Index(ImageIndex),
}

/// A manifest with a config and layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    schema_version: u32,
    /// Media type of the manifest.
    #[serde(default)]
    pub media_type: String,
    /// The config.
    pub config: Descriptor,
    /// The layers.
    #[serde(deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// Annotations. Nobody has signed them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// What this manifest is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Type of an artifact that is not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// A list of manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    schema_version: u32,
    /// Media type of the index.
    #[serde(default)]
    pub media_type: String,
    /// The manifests.
    #[serde(deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// Annotations. Nobody has signed them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// What this index is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Type of an artifact that is not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// The fields that tell one kind of document from another.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u32>,
    media_type: Option<String>,
    #[serde(default, deserialize_with = "present")]
    layers: bool,
    #[serde(default, deserialize_with = "present")]
    config: bool,
    #[serde(default, deserialize_with = "present")]
    manifests: bool,
}

/// Whether a field is there at all: `null` is there too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Manifest {
    /// Reads an OCI or Docker schema 2 manifest or index.
    ///
    /// `media_type_hint` is what the registry's `Content-Type` or the descriptor says. A document that can
    /// be read in two ways is refused (CVE-2021-41190): two readers would see two images under one digest.
    pub fn parse(media_type_hint: Option<&str>, bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_MANIFEST {
            return Err(
                invalid("the manifest is too large").expected(format!("at most {MAX_MANIFEST} bytes"))
            );
        }
        let shape: Shape = read(bytes)?;
        if shape.schema_version != Some(2) {
            return Err(invalid("the manifest has another schema version")
                .expected(2)
                .found(shape.schema_version.map_or("none".to_owned(), |v| v.to_string()))
                .hint("Docker schema 1 images are not supported; push the image again with a current tool"));
        }
        if (shape.layers || shape.config) && shape.manifests {
            return Err(invalid("the manifest has both layers and manifests"));
        }
        let hint = media_type_hint.map(essence);
        if let (Some(hint), Some(said)) = (&hint, &shape.media_type)
            && hint != said
        {
            return Err(invalid("the manifest's media type differs from the one it was served as")
                .expected(hint)
                .found(said));
        }
        let is_index = shape.manifests;
        let media_type = shape
            .media_type
            .or(hint)
            .unwrap_or_else(|| if is_index { OCI_INDEX } else { OCI_MANIFEST }.to_owned());
        match media_type.as_str() {
            OCI_MANIFEST | DOCKER_MANIFEST if !is_index => {
                Ok(Self::Image(ImageManifest { media_type, ..read(bytes)? }))
            }
            OCI_INDEX | DOCKER_INDEX if !shape.layers && !shape.config => {
                Ok(Self::Index(ImageIndex { media_type, ..read(bytes)? }))
            }
            OCI_MANIFEST | DOCKER_MANIFEST | OCI_INDEX | DOCKER_INDEX => {
                Err(invalid("the manifest's content does not fit its media type").found(media_type))
            }
            _ => Err(invalid("not a manifest type that is supported")
                .expected("an OCI or Docker schema 2 manifest or index")
                .found(media_type)),
        }
    }

    /// The media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        match self {
            Self::Image(manifest) => &manifest.media_type,
            Self::Index(index) => &index.media_type,
        }
    }

    /// What the manifest is attached to.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(manifest) => manifest.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    /// The descriptor that lists this manifest as a referrer: artifact type, or the config's media type
    /// where there is none, and all annotations, as the distribution specification asks.
    pub(super) fn referrer_descriptor(&self, digest: Digest, size: usize) -> Descriptor {
        let (artifact_type, annotations) = match self {
            Self::Image(m) => {
                (m.artifact_type.clone().or_else(|| Some(m.config.media_type.clone())), m.annotations.clone())
            }
            Self::Index(i) => (i.artifact_type.clone(), i.annotations.clone()),
        };
        Descriptor { artifact_type, annotations, ..Descriptor::named(self.media_type(), digest, size) }
    }
}

/// The manifest that attaches one blob to `subject`, field for field as cosign writes it: the config's
/// descriptor carries the artifact type too.
pub(super) fn referrer_manifest(
    subject: &Descriptor,
    artifact_type: &str,
    content: &[u8],
    annotations: &BTreeMap<String, String>,
) -> ImageManifest {
    let config = Descriptor {
        artifact_type: Some(artifact_type.to_owned()),
        ..Descriptor::of(EMPTY_CONFIG_TYPE, EMPTY_CONFIG)
    };
    ImageManifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.to_owned(),
        config,
        layers: vec![Descriptor::of(artifact_type, content)],
        annotations: annotations.clone(),
        subject: Some(Descriptor {
            artifact_type: None,
            annotations: BTreeMap::new(),
            platform: None,
            ..subject.clone()
        }),
        artifact_type: Some(artifact_type.to_owned()),
    }
}

/// Checks that `bytes` is what `digest` names. This is what stops a registry from swapping content.
pub(super) fn check_digest(digest: &Digest, bytes: &[u8]) -> Result<()> {
    let found = digest.algorithm().hash(bytes);
    if &found == digest {
        return Ok(());
    }
    Err(Error::new(Code::ContentMismatch, "the content has another digest than its name says")
        .expected(digest)
        .found(found))
}

/// A media type without its parameters, in lowercase.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| invalid("the manifest does not parse").found(&e).caused_by(e))
}

fn invalid(what: &str) -> Error {
    Error::new(Code::ManifestInvalid, what)
}

/// Go writes an empty list or map as `null`.
fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

mod digest_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::digest::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Digest, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn image(extra: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,{extra}"config":{{"mediaType":"a/b","digest":"{EMPTY}","size":2}},"layers":null}}"#
        )
    }

    #[test]
    fn both_families_are_read() {
        for media_type in [OCI_MANIFEST, DOCKER_MANIFEST] {
            let text = image(&format!(r#""mediaType":"{media_type}","#));
            let hint = format!("{media_type}; charset=utf-8");
            assert_eq!(Manifest::parse(Some(&hint), text.as_bytes()).unwrap().media_type(), media_type);
        }
        let index = br#"{"schemaVersion":2,"manifests":[],"annotations":null}"#;
        for media_type in [OCI_INDEX, DOCKER_INDEX] {
            assert_eq!(Manifest::parse(Some(media_type), index).unwrap().media_type(), media_type);
        }
        assert_eq!(Manifest::parse(None, index).unwrap().media_type(), OCI_INDEX);
        assert_eq!(Manifest::parse(None, image("").as_bytes()).unwrap().media_type(), OCI_MANIFEST);
    }

    #[test]
    fn ambiguous_and_foreign_documents_are_refused() {
        let both = image(r#""manifests":[],"#);
        let said_otherwise = image(&format!(r#""mediaType":"{DOCKER_MANIFEST}","#));
        let twice = image(r#""schemaVersion":2,"#);
        let index = r#"{"schemaVersion":2,"manifests":[]}"#.to_owned();
        let schema1 = r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned();
        let bad_digest = image("").replace(EMPTY, "sha256:../../x");
        let negative = image("").replace(r#""size":2"#, r#""size":-2"#);
        for (hint, text) in [
            (None, both),
            (Some(OCI_MANIFEST), said_otherwise),
            (None, twice),
            (Some(OCI_MANIFEST), index.clone()),
            (Some("text/html"), index),
            (Some(OCI_INDEX), image("")),
            (None, schema1),
            (None, bad_digest),
            (None, negative),
            (None, "[]".to_owned()),
        ] {
            let error = Manifest::parse(hint, text.as_bytes()).expect_err(&text);
            assert_eq!(error.code(), Code::ManifestInvalid, "{text}");
        }
    }

    #[test]
    fn the_referrer_manifest_is_cosigns() {
        let subject = Descriptor::of(OCI_INDEX, b"subject");
        let annotations =
            BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
        let manifest = referrer_manifest(&subject, "t/t", b"bundle", &annotations);
        let text = serde_json::to_string(&manifest).unwrap();
        let layer = Digest::sha256(b"bundle");
        let subject_digest = &subject.digest;
        assert_eq!(
            text,
            format!(
                r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{EMPTY}","size":2,"artifactType":"t/t"}},"layers":[{{"mediaType":"t/t","digest":"{layer}","size":6}}],"annotations":{{"a":"1","b":"2"}},"subject":{{"mediaType":"{OCI_INDEX}","digest":"{subject_digest}","size":7}},"artifactType":"t/t"}}"#
            )
        );
        let read = Manifest::parse(Some(OCI_MANIFEST), text.as_bytes()).unwrap();
        let listed = read.referrer_descriptor(Digest::sha256(text.as_bytes()), text.len());
        assert_eq!(listed.artifact_type.as_deref(), Some("t/t"));
        assert_eq!(listed.annotations, annotations);
    }

    #[test]
    fn platforms_read_as_docker_writes_them() {
        let platform: Platform =
            serde_json::from_str(r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#).unwrap();
        assert_eq!(platform.to_string(), "linux/arm64/v8");
    }
}
