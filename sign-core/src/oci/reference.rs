//! What an image is called: a registry reference or an OCI image layout on disk.
//!
//! Source: the grammar of distribution/reference, which docker, podman and cosign share.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// Where names without a registry live.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The host that serves [`DEFAULT_REGISTRY`].
const DEFAULT_REGISTRY_ENDPOINT: &str = "registry-1.docker.io";
/// The tag meant when neither tag nor digest is given.
const DEFAULT_TAG: &str = "latest";
/// Longest registry and repository together, as distribution/reference limits them.
const MAX_NAME: usize = 255;
/// Longest tag that the distribution specification allows.
pub(super) const MAX_TAG: usize = 128;
/// What a reference to an image layout starts with.
const LAYOUT_PREFIX: &str = "oci-layout:";

/// An image in a registry or in an image layout on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageReference {
    /// In a registry.
    Registry(Reference),
    /// In an OCI image layout: `oci-layout:DIR[:tag|@digest]`.
    Layout(LayoutReference),
}

impl FromStr for ImageReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix(LAYOUT_PREFIX) {
            Some(rest) => LayoutReference::parse(rest).map(Self::Layout),
            None => text.parse().map(Self::Registry),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout(reference) => reference.fmt(f),
        }
    }
}

/// The name of an image in a registry. Its parts hold nothing that could leave the path of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Host and port of the registry, as the user names it.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository inside the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` if the text gave neither tag nor digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest. Where there is one, it decides and the tag is only a name.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repository`, without tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository at `digest`.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same repository at `tag`.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        if !is_tag(tag) {
            return Err(invalid("not a valid tag", tag));
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// Host and port to connect to, which Docker Hub names differently from itself.
    pub(super) fn endpoint(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY { DEFAULT_REGISTRY_ENDPOINT } else { &self.registry }
    }

    /// What comes after `manifests/` in the registry's API.
    pub(super) fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.contains("://") {
            // What stands before an @ may be a password.
            let shown = text.rsplit_once('@').map_or(text, |(_, address)| address);
            return Err(invalid("an image reference has no scheme", shown).hint("leave out https://"));
        }
        let (rest, digest) = match text.rsplit_once('@') {
            // Nor is what stands before an @ shown when no digest comes after it.
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        if let Some((_, shown)) = rest.rsplit_once('@') {
            return Err(invalid("an image reference has neither user nor password", shown)
                .hint("log in with `docker login`, or give them as options"));
        }
        let last_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest.get(last_slash..).and_then(|last| last.find(':')) {
            Some(colon) => {
                let (name, tag) = rest.split_at(last_slash + colon);
                (name, tag.strip_prefix(':'))
            }
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid("not a valid tag in an image reference", text));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_registry_like(first) => (first, rest.to_owned()),
            _ => (DEFAULT_REGISTRY, name.to_owned()),
        };
        // Docker Hub has two names and a default namespace; one image must have one name.
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository
        };
        if !is_host(registry) {
            return Err(invalid("not a valid registry in an image reference", text));
        }
        if !repository.split('/').all(is_path_component) {
            let error = invalid("not a valid repository in an image reference", text);
            return Err(match repository.bytes().any(|b| b.is_ascii_uppercase()) {
                true => error.hint("repository names are lowercase"),
                false => error,
            });
        }
        // Docker reads this as an image id; as a name it would mean another image here than there.
        if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid("an image id is not an image reference", text));
        }
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(invalid("the name in an image reference is too long", text)
                .expected(format!("at most {MAX_NAME} characters")));
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, Some(_)) => None,
            (None, None) => Some(DEFAULT_TAG.to_owned()),
        };
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        write_version(f, self.tag.as_deref(), self.digest.as_ref())
    }
}

/// An image in an OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayoutReference {
    directory: PathBuf,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl LayoutReference {
    /// The directory with `oci-layout` and `index.json`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The `org.opencontainers.image.ref.name` of the image.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the image.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    fn parse(text: &str) -> Result<Self> {
        let (mut directory, mut tag, mut digest) = (text, None, None);
        if let Some((before, after)) = text.rsplit_once('@')
            && after.contains(':')
            && !after.contains(['/', '\\'])
        {
            // A mistyped digest must not turn into a tag of a directory with an `@` in its name.
            (directory, digest) = (before, Some(after.parse::<Digest>()?));
        } else if let Some((before, after)) = text.rsplit_once(':')
            && !after.contains(['/', '\\'])
        {
            if !is_tag(after) {
                return Err(invalid("not a valid tag in an image layout reference", text));
            }
            (directory, tag) = (before, Some(after.to_owned()));
        }
        if directory.is_empty() {
            return Err(invalid("an image layout reference without a directory", text));
        }
        Ok(Self { directory: PathBuf::from(directory), tag, digest })
    }
}

impl fmt::Display for LayoutReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LAYOUT_PREFIX}{}", self.directory.display())?;
        write_version(f, self.tag.as_deref(), self.digest.as_ref())
    }
}

fn write_version(f: &mut fmt::Formatter<'_>, tag: Option<&str>, digest: Option<&Digest>) -> fmt::Result {
    if let Some(tag) = tag {
        write!(f, ":{tag}")?;
    }
    digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
}

fn invalid(what: &str, text: &str) -> Error {
    Error::new(Code::InvalidArgument, what)
        .expected("[REGISTRY/]REPOSITORY[:TAG][@DIGEST] or oci-layout:DIR[:TAG|@DIGEST]")
        .found(text)
}

/// `localhost`, or something with a dot, a port or an uppercase letter, is a registry and not a namespace.
fn is_registry_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None => return false,
        },
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let host_is_valid = if text.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        host.split('.').all(|part| {
            part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
        })
    };
    host_is_valid
        && port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
        })
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators_are_valid = text
        .split(alphanumeric)
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'));
    separators_are_valid && text.starts_with(alphanumeric) && text.ends_with(alphanumeric)
}

/// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
fn is_tag(text: &str) -> bool {
    text.len() <= MAX_TAG
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn registry_references_are_completed_as_docker_does() {
        for (text, name, rest) in [
            ("alpine", "docker.io/library/alpine", ":latest"),
            ("alpine:3.20", "docker.io/library/alpine", ":3.20"),
            ("docker.io/alpine", "docker.io/library/alpine", ":latest"),
            ("index.docker.io/a/b", "docker.io/a/b", ":latest"),
            ("a/b/c", "docker.io/a/b/c", ":latest"),
            ("localhost/a", "localhost/a", ":latest"),
            ("localhost:5000/a:b", "localhost:5000/a", ":b"),
            ("ghcr.io/a/b__c-d--e.f:V_1.0-x", "ghcr.io/a/b__c-d--e.f", ":V_1.0-x"),
            ("[::1]:5000/a", "[::1]:5000/a", ":latest"),
            ("HOST/a", "HOST/a", ":latest"),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.name(), name, "{text}");
            assert_eq!(reference.to_string(), format!("{name}{rest}"), "{text}");
            assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference, "{text}");
        }
    }

    #[test]
    fn a_digest_decides_and_brings_no_default_tag() {
        let reference: Reference = format!("ghcr.io/a@sha256:{HEX}").parse().unwrap();
        assert_eq!((reference.tag(), reference.identifier()), (None, format!("sha256:{HEX}")));
        let reference: Reference = format!("ghcr.io/a:t@sha256:{HEX}").parse().unwrap();
        assert_eq!((reference.tag(), reference.identifier()), (Some("t"), format!("sha256:{HEX}")));
        assert_eq!("alpine".parse::<Reference>().unwrap().endpoint(), "registry-1.docker.io");
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_refused() {
        let long = format!("ghcr.io/{}", "a".repeat(MAX_NAME));
        let long_tag = format!("ghcr.io/a:{}", "t".repeat(MAX_TAG + 1));
        for text in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "ghcr.io/A",
            "ghcr.io/a:",
            "ghcr.io/a:.t",
            "ghcr.io/a:t:u",
            "ghcr.io/a@sha256:00",
            "ghcr.io/a@",
            "ghcr.io/../a",
            "ghcr.io/a/..",
            "ghcr.io/a/./b",
            "ghcr.io/a___b",
            "ghcr.io/a._b",
            "ghcr.io/-a",
            "ghcr.io/a-",
            "ghcr.io/a b",
            "ghcr.io/a?b",
            "ghcr.io/a#b",
            "ghcr.io/a%2fb",
            "user@ghcr.io/a",
            "ghcr.io:99999/a",
            "ghcr.io:/a",
            "ghcr.io:+1/a",
            "-x.io/a",
            "x..io/a",
            "[::1/a",
            "[zz]:1/a",
            "[::1]x/a",
            "https://ghcr.io/a",
            "ghcr.io/ä",
            HEX,
            &long,
            &long_tag,
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert_eq!(error.code(), Code::InvalidArgument, "{text}");
        }
    }

    #[test]
    fn layout_references() {
        let parse = |text: &str| match text.parse::<ImageReference>().unwrap() {
            ImageReference::Layout(layout) => layout,
            ImageReference::Registry(_) => panic!("{text} is a layout"),
        };
        let plain = parse("oci-layout:some/dir");
        assert_eq!((plain.directory(), plain.tag()), (Path::new("some/dir"), None));
        let tagged = parse("oci-layout:/a:b/dir:v1");
        assert_eq!((tagged.directory(), tagged.tag()), (Path::new("/a:b/dir"), Some("v1")));
        assert_eq!(tagged.to_string(), "oci-layout:/a:b/dir:v1");
        assert_eq!(parse(r"oci-layout:C:\dir").directory(), Path::new(r"C:\dir"));
        let digest = parse(&format!("oci-layout:dir@sha256:{HEX}"));
        assert_eq!(digest.digest().unwrap().hex(), HEX);
        assert_eq!(digest.directory(), Path::new("dir"));
        for bad in ["oci-layout:", "oci-layout::t", "oci-layout:dir:", "oci-layout:dir@sha256:12"] {
            assert_eq!(bad.parse::<ImageReference>().unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
