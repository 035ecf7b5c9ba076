//! What a bundle is verified against: content, or a digest whose content the caller has checked.

use std::io::Read;

use crate::digest::{Digest, HashAlgorithm, Hasher};

/// Bytes read at once: large enough that system calls do not count.
const PIECE: usize = 128 * 1024;

/// An artifact, known by its digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    digests: Vec<Digest>,
}

impl Artifact {
    /// Content in memory.
    #[must_use]
    pub fn from_bytes(content: &[u8]) -> Self {
        let algorithms = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
        Self { digests: algorithms.iter().map(|algorithm| algorithm.hash(content)).collect() }
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
        Ok(Self { digests: hashers.into_iter().map(Hasher::finish).collect() })
    }

    /// An artifact that is known by this digest alone.
    #[must_use]
    pub fn from_digest(digest: Digest) -> Self {
        Self { digests: vec![digest] }
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

    /// All digests that are known.
    pub(super) fn digests(&self) -> &[Digest] {
        &self.digests
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
}
