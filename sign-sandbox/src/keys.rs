//! Public keys and certificates that clients send, and the check of their signatures.

use der::{Decode, Encode};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use sha2::{Digest, Sha256, Sha384};
use spki::{DecodePublicKey as _, SubjectPublicKeyInfoRef};
use x509_cert::Certificate;

use crate::pki::BoxError;

/// A verification key, with the very bytes it was sent as.
pub(crate) struct ClientKey {
    /// The certificate or the bare key, DER.
    pub(crate) der: Vec<u8>,
    /// Whether `der` is a certificate.
    pub(crate) is_certificate: bool,
    spki: Vec<u8>,
}

impl ClientKey {
    /// A certificate or key in PEM.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, BoxError> {
        let (label, der) = der::pem::decode_vec(pem).map_err(|e| e.to_string())?;
        match label {
            "CERTIFICATE" => Self::from_certificate(der),
            "PUBLIC KEY" => Self::from_spki(der),
            other => Err(format!("unexpected PEM label {other:?}").into()),
        }
    }

    /// A certificate in DER.
    pub(crate) fn from_certificate(der: Vec<u8>) -> Result<Self, BoxError> {
        let certificate = Certificate::from_der(&der)?;
        let spki = certificate.tbs_certificate.subject_public_key_info.to_der()?;
        Ok(Self { der, is_certificate: true, spki })
    }

    /// A public key in DER.
    pub(crate) fn from_spki(der: Vec<u8>) -> Result<Self, BoxError> {
        SubjectPublicKeyInfoRef::try_from(der.as_slice())?;
        Ok(Self { spki: der.clone(), der, is_certificate: false })
    }

    /// The PEM form that the log stores: one spelling, whatever was sent.
    pub(crate) fn pem(&self) -> Result<String, BoxError> {
        let label = if self.is_certificate { "CERTIFICATE" } else { "PUBLIC KEY" };
        Ok(der::pem::encode_string(label, der::pem::LineEnding::LF, &self.der).map_err(|e| e.to_string())?)
    }

    /// Checks a signature over a message whose digest is known.
    pub(crate) fn verify_digest(&self, digest: &[u8], signature: &[u8]) -> Result<(), BoxError> {
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(&self.spki) {
            return Ok(key.verify_prehash(digest, &p256::ecdsa::DerSignature::from_bytes(signature)?)?);
        }
        let key = p384::ecdsa::VerifyingKey::from_public_key_der(&self.spki)
            .map_err(|_| "unsupported key: this log takes ECDSA on P-256 and P-384")?;
        let signature: p384::ecdsa::Signature =
            p384::ecdsa::DerSignature::from_bytes(signature)?.try_into()?;
        Ok(key.verify_prehash(digest, &signature)?)
    }

    /// Checks a signature over `message`, hashed as the key's curve asks.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BoxError> {
        match self.key_details()? {
            "PKIX_ECDSA_P256_SHA_256" => self.verify_digest(&Sha256::digest(message), signature),
            _ => self.verify_digest(&Sha384::digest(message), signature),
        }
    }

    /// The protobuf name of key and hash.
    pub(crate) fn key_details(&self) -> Result<&'static str, BoxError> {
        if p256::ecdsa::VerifyingKey::from_public_key_der(&self.spki).is_ok() {
            return Ok("PKIX_ECDSA_P256_SHA_256");
        }
        if p384::ecdsa::VerifyingKey::from_public_key_der(&self.spki).is_ok() {
            return Ok("PKIX_ECDSA_P384_SHA_384");
        }
        Err("unsupported key: this log takes ECDSA on P-256 and P-384".into())
    }
}
