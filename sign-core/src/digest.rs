//! Content digests, as registries and statements write them: `sha256:<hex>`.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use crate::error::{Code, Error, Result};

/// A hash algorithm that is strong enough to decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// The name in OCI digests and in-toto digest sets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a digest in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "no algorithm has an empty digest")]
    pub fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The algorithm of that name, if it is one of these.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|a| a.as_str() == name)
    }

    /// Hashes `data` in one go.
    #[must_use]
    pub fn hash(self, data: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(data);
        hasher.finish()
    }
}

/// A digest together with its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: HashAlgorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// A digest from raw bytes, which must have the algorithm's length.
    pub fn new(algorithm: HashAlgorithm, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.len() != algorithm.len() {
            return Err(Error::new(Code::InvalidArgument, "digest has the wrong length")
                .expected(format!("{} bytes for {}", algorithm.len(), algorithm.as_str()))
                .found(format!("{} bytes", bytes.len())));
        }
        Ok(Self { algorithm, bytes })
    }

    /// The SHA-256 digest of `data`.
    #[must_use]
    pub fn sha256(data: &[u8]) -> Self {
        HashAlgorithm::Sha256.hash(data)
    }

    /// The SHA-256 digest of everything `reader` yields, read in pieces.
    pub fn sha256_reader(mut reader: impl Read) -> std::io::Result<Self> {
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                n => hasher.update(&buffer[..n]),
            }
        }
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The lowercase hexadecimal form, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(&self.bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex())
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            Error::new(Code::InvalidArgument, "not a digest")
                .expected("sha256:, sha384: or sha512: and lowercase hexadecimal digits")
                .found(text)
        };
        let (name, hex_text) = text.split_once(':').ok_or_else(invalid)?;
        let algorithm = HashAlgorithm::from_name(name).ok_or_else(invalid)?;
        // One spelling per digest: uppercase would make two names for one thing.
        if hex_text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(invalid());
        }
        let bytes = hex::decode(hex_text).map_err(|_| invalid())?;
        Self::new(algorithm, bytes).map_err(|_| {
            Error::new(Code::InvalidArgument, "a digest of the wrong length")
                .expected(format!("{} hexadecimal digits for {name}", 2 * algorithm.len()))
                .found(format!("{} in {text}", hex_text.len()))
        })
    }
}

/// Hashes data that arrives in pieces.
#[derive(Clone)]
pub struct Hasher {
    algorithm: HashAlgorithm,
    context: aws_lc_rs::digest::Context,
}

impl Hasher {
    /// A hasher with nothing in it yet.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm) -> Self {
        let implementation = match algorithm {
            HashAlgorithm::Sha256 => &aws_lc_rs::digest::SHA256,
            HashAlgorithm::Sha384 => &aws_lc_rs::digest::SHA384,
            HashAlgorithm::Sha512 => &aws_lc_rs::digest::SHA512,
        };
        Self { algorithm, context: aws_lc_rs::digest::Context::new(implementation) }
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) {
        self.context.update(data);
    }

    /// The digest of all data added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest { algorithm: self.algorithm, bytes: self.context.finish().as_ref().to_vec() }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_one_spelling() {
        let digest = Digest::sha256(b"");
        let text = digest.to_string();
        assert_eq!(text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(text.parse::<Digest>().unwrap(), digest);
        for bad in ["", "sha256", "sha256:", "sha256:E3", "md5:00", "sha256:e3b0", &text.to_uppercase()] {
            assert_eq!(bad.parse::<Digest>().unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
