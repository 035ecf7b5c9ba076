//! Tags in which cosign kept signatures, attestations and SBOMs before there were referrers.
//!
//! Source: cosign's signature specification; in layouts also the marks that `cosign save` leaves.

use bytes::Bytes;

use super::manifest::Descriptor;
use crate::digest::Digest;

/// What one of these tags holds. Each is one manifest, with a layer for every signature or attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyTag {
    /// Image signatures.
    Signature,
    /// Attestations.
    Attestation,
    /// An SBOM that nobody signed.
    Sbom,
}

/// A manifest as it was found, since a tag can move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundManifest {
    /// Its descriptor; the digest is that of `bytes`.
    pub descriptor: Descriptor,
    /// The manifest.
    pub bytes: Bytes,
}

impl LegacyTag {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Signature, Self::Attestation, Self::Sbom];

    /// The end of the tag, with its dot.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Signature => ".sig",
            Self::Attestation => ".att",
            Self::Sbom => ".sbom",
        }
    }

    /// The tag that belongs to the manifest `subject`.
    #[must_use]
    pub fn name(self, subject: &Digest) -> String {
        format!("{}-{}{}", subject.algorithm().as_str(), subject.hex(), self.suffix())
    }

    /// How `cosign save` marks the manifest in a layout's index, under the annotation `kind`.
    pub(super) fn mark(self) -> Option<&'static str> {
        match self {
            Self::Signature => Some("dev.cosignproject.cosign/sigs"),
            Self::Attestation => Some("dev.cosignproject.cosign/atts"),
            Self::Sbom => None,
        }
    }

    /// Whether `tag` is one of these tags, of any image.
    pub(super) fn is_one(tag: &str) -> bool {
        Self::ALL.iter().any(|kind| {
            tag.strip_suffix(kind.suffix())
                .and_then(|rest| rest.replacen('-', ":", 1).parse::<Digest>().ok())
                .is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_made_and_recognised() {
        let subject = Digest::sha256(b"");
        for kind in LegacyTag::ALL {
            let tag = kind.name(&subject);
            assert!(tag.starts_with("sha256-e3b0") && tag.ends_with(kind.suffix()), "{tag}");
            assert!(LegacyTag::is_one(&tag));
        }
        for other in ["latest", "v1.sig", "sha256-00.sig", &format!("sha256-{}", subject.hex())] {
            assert!(!LegacyTag::is_one(other), "{other}");
        }
    }
}
