//! What a bundle is verified against: content, or a digest whose content the caller has checked.

use std::fmt;
use std::io::Read;

use crate::digest::{Digest, HashAlgorithm, Hasher};
use crate::error::{Code, Error, Result};
use crate::statement::Statement;

/// Bytes read at once: large enough that system calls do not count.
const PIECE: usize = 128 * 1024;

/// An artifact, known by its digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    digests: Vec<Digest>,
    /// Only where the caller asked for it.
    sha1: Option<String>,
}

impl Artifact {
    /// Content in memory.
    #[must_use]
    pub fn from_bytes(content: &[u8]) -> Self {
        let algorithms = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
        Self { digests: algorithms.iter().map(|algorithm| algorithm.hash(content)).collect(), sha1: None }
    }

    /// Everything `reader` yields, read once and in pieces.
    ///
    /// # Errors
    /// What the reader reports.
    pub fn from_reader(mut reader: impl Read) -> std::io::Result<Self> {
        let mut hashers =
            [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512].map(Hasher::new);
        let mut piece = vec![0; PIECE];
        loop {
            let read = reader.read(&mut piece)?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            for hasher in &mut hashers {
                hasher.update(bytes);
            }
        }
        Ok(Self { digests: hashers.into_iter().map(Hasher::finish).collect(), sha1: None })
    }

    /// An artifact that is known by this digest alone.
    #[must_use]
    pub fn from_digest(digest: Digest) -> Self {
        Self { digests: vec![digest], sha1: None }
    }

    /// An artifact that is known by its SHA-1 alone, 40 lowercase hexadecimal digits. Two files with the
    /// same SHA-1 can be made at will, so a statement about it binds only who trusts that nobody did;
    /// nothing but the subject of a statement is ever matched by it.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for anything else.
    pub fn from_sha1(hex: &str) -> Result<Self> {
        let is_sha1 = hex.len() == 40 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_sha1 {
            return Err(Error::new(Code::InvalidArgument, "not a SHA-1 digest")
                .expected("40 lowercase hexadecimal digits")
                .found(hex));
        }
        Ok(Self { digests: Vec::new(), sha1: Some(hex.to_owned()) })
    }

    /// The SHA-256 digest, where it is known.
    #[must_use]
    pub fn sha256(&self) -> Option<&Digest> {
        self.digest(HashAlgorithm::Sha256)
    }

    /// The digest by `algorithm`, where it is known.
    #[must_use]
    pub fn digest(&self, algorithm: HashAlgorithm) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.algorithm() == algorithm)
    }

    /// The digest by which a subject of `statement` names this artifact.
    pub(super) fn named_by(&self, statement: &Statement) -> Option<String> {
        let names_sha1 = |hex: &&String| {
            statement.subjects().iter().any(|subject| subject.digests.get("sha1") == Some(*hex))
        };
        let found = self.digests.iter().find(|digest| statement.subject_for(digest).is_some());
        found
            .map(ToString::to_string)
            .or_else(|| self.sha1.as_ref().filter(names_sha1).map(|hex| format!("sha1:{hex}")))
    }
}

/// Its SHA-256 digest, or what else it is known by.
impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.sha256().or(self.digests.first()), &self.sha1) {
            (Some(digest), _) => write!(f, "{digest}"),
            (None, Some(hex)) => write!(f, "sha1:{hex}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_hashing_at_once_agree() {
        let content = vec![7; PIECE + 1];
        assert_eq!(Artifact::from_reader(&content[..]).unwrap(), Artifact::from_bytes(&content));
        assert_eq!(Artifact::from_bytes(&content).sha256(), Some(&Digest::sha256(&content)));
        assert_eq!(Artifact::from_digest(HashAlgorithm::Sha512.hash(b"")).sha256(), None);
    }

    #[test]
    fn sha1_has_one_spelling() {
        let hex = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        assert_eq!(Artifact::from_sha1(hex).unwrap().to_string(), format!("sha1:{hex}"));
        for bad in ["", &hex[1..], &hex.to_uppercase(), &format!("{hex}0")] {
            assert!(Artifact::from_sha1(bad).is_err(), "{bad}");
        }
    }
}
