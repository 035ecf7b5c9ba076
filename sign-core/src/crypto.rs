//! Public keys and signatures, on top of `sigstore-crypto` and AWS-LC.
//!
//! The hash always follows from the key, never from what a bundle claims.

use std::fmt;

use sigstore_crypto::{KeyAlgorithm, SigningScheme, validate_raw_public_key};
use sigstore_types::{DerPublicKey, SignatureBytes};
use spki::SubjectPublicKeyInfoRef;

use crate::digest::{Digest, HashAlgorithm};
use crate::encoding::pem_decode_all;
use crate::error::{Code, Error, Result};

/// A public key that signatures are verified with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: DerPublicKey,
    scheme: SigningScheme,
    bits: usize,
}

impl PublicKey {
    /// Parses one PEM block `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for anything else, and for keys that are not supported.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let blocks = pem_decode_all("PUBLIC KEY", pem).map_err(|e| unusable("not PEM").caused_by(e))?;
        match blocks.as_slice() {
            [der] => Self::from_der(der),
            _ => Err(unusable("not one public key in PEM")
                .expected("one PUBLIC KEY block")
                .found(blocks.len())),
        }
    }

    /// Parses a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for keys that are malformed, weak or not supported.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let malformed = |e: spki::Error| unusable("not a SubjectPublicKeyInfo").found(e.to_string());
        let spki = SubjectPublicKeyInfoRef::try_from(der).map_err(malformed)?;
        let raw = spki.subject_public_key.raw_bytes();
        let der = DerPublicKey::from_bytes(der);
        let unsupported = |e: sigstore_crypto::Error| {
            unusable("the key is not supported")
                .expected("ECDSA P-256 or P-384, RSA of at least 2048 bits, or Ed25519")
                .found(e.to_string())
        };
        let algorithm = KeyAlgorithm::from_spki(&der).map_err(unsupported)?;
        let (scheme, bits) = match algorithm {
            KeyAlgorithm::EcdsaP256 => (SigningScheme::EcdsaP256Sha256, 256),
            KeyAlgorithm::EcdsaP384 => (SigningScheme::EcdsaP384Sha384, 384),
            KeyAlgorithm::Ed25519 => (SigningScheme::Ed25519, 255),
            KeyAlgorithm::Rsa => (SigningScheme::RsaPkcs1Sha256, rsa_bits(raw)),
            other => {
                return Err(unusable("the key is not supported")
                    .expected("ECDSA P-256 or P-384, RSA of at least 2048 bits, or Ed25519")
                    .found(format!("{other:?}")));
            }
        };
        validate_raw_public_key(scheme, raw).map_err(unsupported)?;
        Ok(Self { der, scheme, bits })
    }

    /// The `SubjectPublicKeyInfo`, DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        self.der.as_bytes()
    }

    /// SHA-256 over the `SubjectPublicKeyInfo`: how a key is named in hints and by people.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::sha256(self.as_der())
    }

    /// The hash that is signed, or `None` for Ed25519, which signs whole messages.
    #[must_use]
    pub fn hash_algorithm(&self) -> Option<HashAlgorithm> {
        match self.scheme {
            SigningScheme::EcdsaP384Sha384 => Some(HashAlgorithm::Sha384),
            SigningScheme::Ed25519 => None,
            _ => Some(HashAlgorithm::Sha256),
        }
    }

    /// The raw 32 bytes of an Ed25519 key.
    pub(crate) fn ed25519_bytes(&self) -> Option<&[u8]> {
        let start = self.as_der().len().checked_sub(32)?;
        (self.scheme == SigningScheme::Ed25519).then(|| self.as_der().get(start..))?
    }

    /// The name in the protobuf `PublicKeyDetails`, as Rekor v2 writes it; `None` where that log
    /// takes no such key.
    pub(crate) fn key_details(&self) -> Option<&'static str> {
        match (self.scheme, self.bits) {
            (SigningScheme::EcdsaP256Sha256, _) => Some("PKIX_ECDSA_P256_SHA_256"),
            (SigningScheme::EcdsaP384Sha384, _) => Some("PKIX_ECDSA_P384_SHA_384"),
            (SigningScheme::RsaPkcs1Sha256, 2048) => Some("PKIX_RSA_PKCS1V15_2048_SHA256"),
            (SigningScheme::RsaPkcs1Sha256, 3072) => Some("PKIX_RSA_PKCS1V15_3072_SHA256"),
            (SigningScheme::RsaPkcs1Sha256, 4096) => Some("PKIX_RSA_PKCS1V15_4096_SHA256"),
            _ => None,
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = SignatureBytes::from_bytes(signature);
        sigstore_crypto::verify_signature(&self.der, message, &signature, self.scheme).is_ok()
    }

    /// Whether `signature` is this key's over the message with this digest. Always false for
    /// another hash than [`PublicKey::hash_algorithm`].
    pub(crate) fn verifies_digest(&self, digest: &Digest, signature: &[u8]) -> bool {
        let signature = SignatureBytes::from_bytes(signature);
        self.hash_algorithm() == Some(digest.algorithm())
            && sigstore_crypto::verify_signature_prehashed(
                &self.der,
                digest.as_bytes(),
                &signature,
                self.scheme,
            )
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.scheme.name(), self.fingerprint())
    }
}

fn unusable(message: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("unusable public key: {message}"))
}

/// Bits of the modulus in a PKCS #1 `RSAPublicKey`, or 0.
fn rsa_bits(pkcs1: &[u8]) -> usize {
    #[derive(der::Sequence)]
    struct RsaPublicKey<'a> {
        modulus: der::asn1::UintRef<'a>,
        exponent: der::asn1::UintRef<'a>,
    }
    let Ok(RsaPublicKey { modulus, exponent: _ }) = der::Decode::from_der(pkcs1) else { return 0 };
    let bytes = modulus.as_bytes();
    let leading = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    bytes.len() * 8 - leading
}

/// A signature by a key that is not a signer's own: SCTs name their scheme, and old roots hold RSA
/// keys in PKCS #1.
pub(crate) fn verifies_with_scheme(
    key_der: &[u8],
    message: &[u8],
    signature: &[u8],
    scheme: SigningScheme,
) -> bool {
    let key = DerPublicKey::from_bytes(key_der);
    let signature = SignatureBytes::from_bytes(signature);
    sigstore_crypto::verify_signature(&key, message, &signature, scheme).is_ok()
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

    use super::*;

    const P256_PREFIX: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    const ED25519_PREFIX: &str = "302a300506032b6570032100";

    fn spki(prefix: &str, raw: &[u8]) -> Vec<u8> {
        let mut der = hex::decode(prefix).unwrap();
        der.extend_from_slice(raw);
        der
    }

    #[test]
    fn the_hash_follows_the_key() {
        let rng = SystemRandom::new();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let key = PublicKey::from_der(&spki(P256_PREFIX, pair.public_key().as_ref())).unwrap();
        let signature = pair.sign(&rng, b"message").unwrap();
        assert!(key.verifies(b"message", signature.as_ref()));
        assert!(!key.verifies(b"massage", signature.as_ref()));
        assert!(key.verifies_digest(&Digest::sha256(b"message"), signature.as_ref()));
        assert!(!key.verifies_digest(&HashAlgorithm::Sha384.hash(b"message"), signature.as_ref()));
        assert_eq!(key.key_details(), Some("PKIX_ECDSA_P256_SHA_256"));
    }

    #[test]
    fn ed25519_never_verifies_a_digest() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let key = PublicKey::from_der(&spki(ED25519_PREFIX, pair.public_key().as_ref())).unwrap();
        let digest = Digest::sha256(b"message");
        let signature = pair.sign(digest.as_bytes());
        assert!(key.verifies(digest.as_bytes(), signature.as_ref()));
        assert!(!key.verifies_digest(&digest, signature.as_ref()));
        assert_eq!((key.hash_algorithm(), key.key_details()), (None, None));
    }

    #[test]
    fn refuses_keys_that_are_weak_or_no_keys() {
        for der in [&b""[..], b"\x30\x00", &spki(ED25519_PREFIX, &[1; 31])] {
            assert_eq!(PublicKey::from_der(der).unwrap_err().code(), Code::InvalidArgument);
        }
        // rsaEncryption with a modulus of 1024 bits.
        let mut rsa = hex::decode("30819f300d06092a864886f70d010101050003818d0030818902818100").unwrap();
        rsa.extend([0xc1; 128]);
        rsa.extend(hex::decode("0203010001").unwrap());
        assert!(PublicKey::from_der(&rsa).unwrap_err().to_string().contains("1024"));
        for pem in
            ["", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"]
        {
            assert_eq!(PublicKey::from_pem(pem).unwrap_err().code(), Code::InvalidArgument);
        }
    }
}
