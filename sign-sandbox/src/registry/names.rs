//! The grammar of the distribution-spec: repository names, tags, digests, and the paths made of them.

use std::fmt;

use sha2::{Digest as _, Sha256, Sha512};

use super::error::{ErrorCode, Refusal};

/// The distribution-spec, "Pulling manifests": many clients allow 255 characters for host and name.
const MAX_NAME: usize = 255;
/// The distribution-spec's regular expression for tags.
const MAX_TAG: usize = 128;

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, repeated with slashes between.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.split(alphanumeric).all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(super) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// A digest of a registered algorithm (image-spec, descriptor.md): `sha256` or `sha512`, lowercase hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(String);

impl Digest {
    /// The SHA-256 of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// Reads a digest. Only hex passes, so the parts are safe as file names.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let invalid = |message: &str| {
            Refusal::new(ErrorCode::DigestInvalid, message).detail(serde_json::json!({"digest": text}))
        };
        let (algorithm, encoded) = text.split_once(':').ok_or_else(|| invalid("the digest has no colon"))?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(invalid("the digest's algorithm is not sha256 or sha512")),
        };
        if encoded.len() != length || !encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(invalid("the digest is not lowercase hex of its algorithm's length"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The algorithm and the hex.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or((&self.0, ""))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the digest of `bytes`.
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        let (algorithm, encoded) = self.parts();
        match algorithm {
            "sha512" => hex::encode(Sha512::digest(bytes)) == encoded,
            _ => hex::encode(Sha256::digest(bytes)) == encoded,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains(':') {
            return Digest::parse(text).map(Self::Digest);
        }
        if is_tag(text) {
            Ok(Self::Tag(text.to_owned()))
        } else {
            Err(Refusal::new(ErrorCode::TagInvalid, "the tag is malformed"))
        }
    }
}

/// An endpoint below `/v2/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    Blob(Digest),
    Uploads,
    Upload(String),
    Manifest(Reference),
    Tags,
    Referrers(Digest),
}

/// Splits a path, without its `/v2/`, into the repository and the endpoint.
pub(super) fn route(path: &str) -> Result<(String, Endpoint), Refusal> {
    // The one character of the grammar that clients percent-encode.
    let path = path.replace("%3A", ":").replace("%3a", ":");
    let unknown = || Refusal::new(ErrorCode::Unsupported, "no such endpoint");
    let (head, last) = path.rsplit_once('/').ok_or_else(unknown)?;
    let named = |name: &str| {
        if is_name(name) {
            Ok(name.to_owned())
        } else {
            Err(Refusal::new(ErrorCode::NameInvalid, "the repository name is malformed"))
        }
    };
    if let Some(name) = head.strip_suffix("/blobs/uploads") {
        let endpoint = if last.is_empty() { Endpoint::Uploads } else { Endpoint::Upload(last.to_owned()) };
        return Ok((named(name)?, endpoint));
    }
    let (name, kind) = head.rsplit_once('/').ok_or_else(unknown)?;
    let endpoint = match (kind, last) {
        ("blobs", "uploads") => Endpoint::Uploads,
        ("tags", "list") => Endpoint::Tags,
        ("blobs", digest) => Endpoint::Blob(Digest::parse(digest)?),
        ("manifests", reference) => Endpoint::Manifest(Reference::parse(reference)?),
        ("referrers", digest) => Endpoint::Referrers(Digest::parse(digest)?),
        _ => return Err(unknown()),
    };
    Ok((named(name)?, endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "a/b", "a0/b-c", "a--b", "a__b/c.d", "0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "a//b", "/a", "a/", "a..b", "a___b", "-a", "a-", "a._b", "..", "a/../b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_name(&"a".repeat(255)) && !is_name(&"a".repeat(256)));
    }

    #[test]
    fn tags_follow_the_grammar() {
        for good in ["1", "_x", "v1.0-rc.1", &"a".repeat(128)] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a+b", &"a".repeat(129)] {
            assert!(!is_tag(bad), "{bad}");
        }
    }

    #[test]
    fn digests_are_hex_of_the_right_length() {
        let digest = Digest::of(b"");
        assert_eq!(digest.parts().1.get(..16), Some("e3b0c44298fc1c14"));
        assert!(digest.matches(b"") && !digest.matches(b"x"));
        let long = format!("sha512:{}", hex::encode(Sha512::digest(b"x")));
        assert!(Digest::parse(&long).unwrap().matches(b"x"));
        let upper = format!("sha256:{}", "A".repeat(64));
        for bad in ["sha256", "sha256:", "sha256:ab", "md5:d41d8cd98f00b204e9800998ecf8427e", &upper] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_split_from_the_right() {
        let digest = Digest::of(b"");
        let blob = Endpoint::Blob(digest.clone());
        assert_eq!(route(&format!("a/blobs/blobs/{digest}")).unwrap(), ("a/blobs".into(), blob));
        let escaped = format!("a/referrers/{}", digest.as_str().replace(':', "%3A"));
        assert_eq!(route(&escaped).unwrap(), ("a".into(), Endpoint::Referrers(digest)));
        assert_eq!(route("a/blobs/uploads/").unwrap().1, Endpoint::Uploads);
        assert_eq!(route("a/blobs/uploads").unwrap().1, Endpoint::Uploads);
        assert_eq!(route("a/blobs/uploads/7").unwrap().1, Endpoint::Upload("7".into()));
        assert_eq!(route("a/tags/list").unwrap().1, Endpoint::Tags);
        assert_eq!(route("a/manifests/1").unwrap().1, Endpoint::Manifest(Reference::Tag("1".into())));
        for bad in ["", "a", "a/b/c", "_catalog", "tags/list", "A/tags/list", "a/manifests/-"] {
            assert!(route(bad).is_err(), "{bad}");
        }
    }
}
