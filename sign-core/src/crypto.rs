//! Public keys and signatures, on top of `sigstore-crypto` and AWS-LC.
//!
//! The hash always follows from the key, never from what a bundle claims.

use std::fmt;

use aws_lc_rs::digest as aws;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use const_oid::db::rfc5912::RSA_ENCRYPTION;
use der::Encode as _;
use der::asn1::{AnyRef, BitStringRef};
use sigstore_crypto::{KeyAlgorithm, validate_raw_public_key};
use sigstore_types::DerPublicKey;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::digest::{Digest, HashAlgorithm};
use crate::encoding::pem_decode_all;
use crate::error::{Code, Error, Result};

/// A public key that signatures are verified with. Parsed once: a trusted key meets many signatures.
#[derive(Clone)]
pub struct PublicKey {
    der: Vec<u8>,
    kind: Kind,
    parsed: ParsedPublicKey,
}

/// What kind of key it is, and so how it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa { bits: usize },
}

impl Kind {
    /// The algorithm of signatures with this hash; none where the two do not go together.
    fn algorithm(self, hash: Option<HashAlgorithm>) -> Option<&'static dyn VerificationAlgorithm> {
        use HashAlgorithm::{Sha256, Sha384, Sha512};
        Some(match (self, hash) {
            (Self::P256, Some(Sha256)) => &ECDSA_P256_SHA256_ASN1,
            (Self::P256, Some(Sha384)) => &ECDSA_P256_SHA384_ASN1,
            (Self::P384, Some(Sha256)) => &ECDSA_P384_SHA256_ASN1,
            (Self::P384, Some(Sha384)) => &ECDSA_P384_SHA384_ASN1,
            (Self::Rsa { .. }, Some(Sha256)) => &RSA_PKCS1_2048_8192_SHA256,
            (Self::Rsa { .. }, Some(Sha384)) => &RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa { .. }, Some(Sha512)) => &RSA_PKCS1_2048_8192_SHA512,
            (Self::Ed25519, None) => &ED25519,
            _ => return None,
        })
    }

    /// The hash that such a key signs with unless a format says otherwise.
    fn hash(self) -> Option<HashAlgorithm> {
        match self {
            Self::P256 | Self::Rsa { .. } => Some(HashAlgorithm::Sha256),
            Self::P384 => Some(HashAlgorithm::Sha384),
            Self::Ed25519 => None,
        }
    }
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
        let unsupported = |found: String| {
            unusable("the key is not supported")
                .expected("ECDSA P-256 or P-384, RSA of at least 2048 bits, or Ed25519")
                .found(found)
        };
        let library = |e: sigstore_crypto::Error| unsupported(e.to_string());
        let algorithm = KeyAlgorithm::from_spki(&DerPublicKey::from_bytes(der)).map_err(library)?;
        let kind = match algorithm {
            KeyAlgorithm::EcdsaP256 => Kind::P256,
            KeyAlgorithm::EcdsaP384 => Kind::P384,
            KeyAlgorithm::Ed25519 => Kind::Ed25519,
            KeyAlgorithm::Rsa => Kind::Rsa { bits: rsa_bits(raw) },
            other => return Err(unsupported(format!("{other:?}"))),
        };
        // Compressed points and weak moduli, which AWS-LC would take.
        validate_raw_public_key(algorithm.default_signing_scheme(), raw).map_err(library)?;
        let parsed = kind
            .algorithm(kind.hash())
            .and_then(|algorithm| ParsedPublicKey::new(algorithm, raw).ok())
            .ok_or_else(|| unusable("the key is none of its kind"))?;
        Ok(Self { der: der.to_vec(), kind, parsed })
    }

    /// Parses a PKCS #1 `RSAPublicKey`, the form in which old trusted roots hold RSA keys.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self> {
        let spki = || -> der::Result<Vec<u8>> {
            let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
            SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(der)? }.to_der()
        };
        Self::from_der(&spki().map_err(|e| unusable("not an RSA key").caused_by(e))?)
    }

    /// The `SubjectPublicKeyInfo`, DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 over the `SubjectPublicKeyInfo`: how a key is named in hints and by people.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::sha256(self.as_der())
    }

    /// The hash that is signed, or `None` for Ed25519, which signs whole messages.
    #[must_use]
    pub fn hash_algorithm(&self) -> Option<HashAlgorithm> {
        self.kind.hash()
    }

    /// The raw 32 bytes of an Ed25519 key.
    pub(crate) fn ed25519_bytes(&self) -> Option<&[u8]> {
        let start = self.as_der().len().checked_sub(32)?;
        (self.kind == Kind::Ed25519).then(|| self.as_der().get(start..))?
    }

    /// The name in the protobuf `PublicKeyDetails`, as Rekor v2 writes it; `None` where that log
    /// takes no such key.
    pub(crate) fn key_details(&self) -> Option<&'static str> {
        match self.kind {
            Kind::P256 => Some("PKIX_ECDSA_P256_SHA_256"),
            Kind::P384 => Some("PKIX_ECDSA_P384_SHA_384"),
            Kind::Rsa { bits: 2048 } => Some("PKIX_RSA_PKCS1V15_2048_SHA256"),
            Kind::Rsa { bits: 3072 } => Some("PKIX_RSA_PKCS1V15_3072_SHA256"),
            Kind::Rsa { bits: 4096 } => Some("PKIX_RSA_PKCS1V15_4096_SHA256"),
            _ => None,
        }
    }

    /// `SignatureAndHashAlgorithm` of TLS 1.2 (RFC 5246 §7.4.1.4.1: hash, then signature), by which SCTs
    /// name how they are signed; `None` where CT has no such key.
    pub(crate) fn tls_algorithm(&self) -> Option<[u8; 2]> {
        match self.kind {
            Kind::P256 => Some([4, 3]),
            Kind::P384 => Some([5, 3]),
            Kind::Rsa { .. } => Some([4, 1]),
            Kind::Ed25519 => None,
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    /// Whether `signature` is this key's over the message with this digest. Always false for
    /// another hash than [`PublicKey::hash_algorithm`].
    pub(crate) fn verifies_digest(&self, digest: &Digest, signature: &[u8]) -> bool {
        let algorithm = match digest.algorithm() {
            HashAlgorithm::Sha256 => &aws::SHA256,
            HashAlgorithm::Sha384 => &aws::SHA384,
            HashAlgorithm::Sha512 => &aws::SHA512,
        };
        self.hash_algorithm() == Some(digest.algorithm())
            && aws::Digest::import_less_safe(digest.as_bytes(), algorithm)
                .is_ok_and(|digest| self.parsed.verify_digest_sig(&digest, signature).is_ok())
    }

    /// Whether `signature` is this key's over `message` with a hash that the format names: CMS does.
    pub(crate) fn verifies_with_hash(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        if self.hash_algorithm() == Some(hash) {
            return self.verifies(message, signature);
        }
        self.kind.algorithm(Some(hash)).is_some_and(|algorithm| {
            UnparsedPublicKey::new(algorithm, self.parsed.as_ref()).verify(message, signature).is_ok()
        })
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.kind, self.fingerprint())
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
