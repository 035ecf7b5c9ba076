//! Keys that sign.

use std::fmt;

use async_trait::async_trait;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::rand_core::{CryptoRngCore, OsRng};
use p256::pkcs8::EncodePublicKey;

use crate::digest::{Digest, HashAlgorithm};
use crate::error::{Code, Error, Result};

/// A signature algorithm with its hash, as Sigstore's algorithm registry names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyScheme {
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256Sha256,
}

impl KeyScheme {
    /// The protobuf name, `PublicKeyDetails`.
    #[must_use]
    pub fn key_details(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "PKIX_ECDSA_P256_SHA_256",
        }
    }

    /// The hash of what is signed.
    #[must_use]
    pub fn hash(self) -> HashAlgorithm {
        match self {
            Self::EcdsaP256Sha256 => HashAlgorithm::Sha256,
        }
    }

    /// The protobuf name of the hash, `HashAlgorithm`.
    pub(crate) fn hash_name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "SHA2_256",
        }
    }

    /// The name of the key's kind in Fulcio's requests.
    pub(crate) fn fulcio_algorithm(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ECDSA",
        }
    }
}

/// A private key, wherever it lives: in memory, in a token, in a key management service.
#[async_trait]
pub trait Signer: Send + Sync {
    /// How it signs.
    fn scheme(&self) -> KeyScheme;

    /// The public key as SubjectPublicKeyInfo, DER.
    fn public_key_der(&self) -> Vec<u8>;

    /// Signs a digest made with the hash of [`Signer::scheme`]. ECDSA signatures are DER.
    async fn sign_digest(&self, digest: &Digest) -> Result<Vec<u8>>;
}

/// A key that lives for one session, never leaves memory and is wiped on drop.
pub struct EphemeralKey {
    // Wiped on drop by the type itself.
    key: SigningKey,
    public_key_der: Vec<u8>,
}

impl EphemeralKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`Code::Internal`] if the public key cannot be encoded.
    pub fn generate() -> Result<Self> {
        Self::generate_with(&mut OsRng)
    }

    fn generate_with(random: &mut impl CryptoRngCore) -> Result<Self> {
        let key = SigningKey::random(random);
        let public_key_der = key
            .verifying_key()
            .to_public_key_der()
            .map_err(|e| Error::new(Code::Internal, "could not encode the public key").caused_by(e))?
            .into_vec();
        Ok(Self { key, public_key_der })
    }
}

#[async_trait]
impl Signer for EphemeralKey {
    fn scheme(&self) -> KeyScheme {
        KeyScheme::EcdsaP256Sha256
    }

    fn public_key_der(&self) -> Vec<u8> {
        self.public_key_der.clone()
    }

    async fn sign_digest(&self, digest: &Digest) -> Result<Vec<u8>> {
        if digest.algorithm() != self.scheme().hash() {
            return Err(Error::new(Code::InvalidArgument, "the key signs digests of another algorithm")
                .expected(self.scheme().hash().as_str())
                .found(digest.algorithm().as_str()));
        }
        let signature: Signature = self
            .key
            .sign_prehash(digest.as_bytes())
            .map_err(|e| Error::new(Code::Internal, "could not sign").caused_by(e))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EphemeralKey").field("scheme", &self.scheme()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    use super::*;

    #[tokio::test]
    async fn signs_so_that_another_library_verifies() {
        let key = EphemeralKey::generate().unwrap();
        let signature = key.sign_digest(&Digest::sha256(b"data")).await.unwrap();
        let der = key.public_key_der();
        // The point is the last 65 bytes of a P-256 SubjectPublicKeyInfo.
        let point = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der[der.len() - 65..].to_vec());
        point.verify(b"data", &signature).unwrap();
        assert!(point.verify(b"Data", &signature).is_err());
        assert_ne!(der, EphemeralKey::generate().unwrap().public_key_der());
    }

    #[tokio::test]
    async fn refuses_digests_of_another_algorithm() {
        let key = EphemeralKey::generate().unwrap();
        let error = key.sign_digest(&HashAlgorithm::Sha384.hash(b"data")).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(!format!("{key:?}").contains("SecretKey"));
    }
}
