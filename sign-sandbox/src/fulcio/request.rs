//! The request: a public key with a signature over the challenge, or a certificate signing request.

use std::string::FromUtf8Error;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384};
use const_oid::db::rfc8410::ID_ED_25519;
use der::pem::LineEnding;
use der::{Decode, Encode};
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rand_core::OsRng;
use serde::Deserialize;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::request::CertReq;

use super::Refusal;
use crate::pki::BoxError;

/// The body of `POST /api/v2/signingCert`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SigningCertificateRequest {
    credentials: Option<Credentials>,
    public_key_request: Option<PublicKeyRequest>,
    certificate_signing_request: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    oidc_identity_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyRequest {
    public_key: PublicKeyContent,
    proof_of_possession: String,
}

/// The algorithm beside the content is not read: the key says itself what it is.
#[derive(Deserialize)]
struct PublicKeyContent {
    content: String,
}

/// The body of `POST /api/v1/signingCert`: as it is, but with everything in base64, and the proof named
/// after the e-mail address that it signs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LegacyRequest {
    public_key: Option<LegacyPublicKey>,
    signed_email_address: Option<String>,
    certificate_signing_request: Option<String>,
}

#[derive(Deserialize)]
struct LegacyPublicKey {
    content: Option<String>,
}

impl LegacyRequest {
    /// The same in the newer form. A signing request goes before a key, and clients that send one leave
    /// the key empty and not out.
    pub(super) fn modern(self) -> Result<SigningCertificateRequest, Refusal> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(request) = given(self.certificate_signing_request) {
            return Ok(SigningCertificateRequest {
                credentials: None,
                public_key_request: None,
                certificate_signing_request: Some(request),
            });
        }
        let unreadable = || Refusal::argument("The public key supplied in the request could not be parsed");
        let content = given(self.public_key.and_then(|key| key.content)).ok_or_else(unreadable)?;
        let content = BASE64_STANDARD.decode(content).map_err(|_| unreadable())?;
        // PEM or DER, both are sent.
        let content = match String::from_utf8(content) {
            Ok(text) if text.trim_start().starts_with("-----BEGIN") => text,
            other => {
                let der = other.map_or_else(FromUtf8Error::into_bytes, String::into_bytes);
                der::pem::encode_string("PUBLIC KEY", LineEnding::LF, &der).map_err(|_| unreadable())?
            }
        };
        Ok(SigningCertificateRequest {
            credentials: None,
            public_key_request: Some(PublicKeyRequest {
                public_key: PublicKeyContent { content },
                proof_of_possession: self.signed_email_address.unwrap_or_default(),
            }),
            certificate_signing_request: None,
        })
    }
}

impl SigningCertificateRequest {
    /// The token in the body, if that is where it is.
    pub(super) fn token(&self) -> Option<&str> {
        self.credentials.as_ref().map(|credentials| credentials.oidc_identity_token.as_str())
    }

    /// The key, once its holder has shown to have it.
    pub(super) fn proven_key(&self, challenge: &str) -> Result<Key, Refusal> {
        match (&self.public_key_request, &self.certificate_signing_request) {
            (Some(request), None) => request.proven_key(challenge),
            (None, Some(request)) => proven_csr_key(request),
            _ => Err(Refusal::argument("give either publicKeyRequest or certificateSigningRequest")),
        }
    }
}

impl PublicKeyRequest {
    fn proven_key(&self, challenge: &str) -> Result<Key, Refusal> {
        let unreadable = || Refusal::argument("The public key supplied in the request could not be parsed");
        let (label, der) =
            der::pem::decode_vec(self.public_key.content.trim().as_bytes()).map_err(|_| unreadable())?;
        if label != "PUBLIC KEY" {
            return Err(unreadable());
        }
        let key = Key::from_spki(&der).ok_or_else(unreadable)?;
        let proof = BASE64_STANDARD.decode(&self.proof_of_possession).unwrap_or_default();
        if !key.verifies(challenge.as_bytes(), &proof) {
            return Err(Refusal::argument("The signature supplied in the request could not be verified"));
        }
        Ok(key)
    }
}

/// RFC 2986: the request is signed with the key it asks for. Its subject and attributes are not read.
fn proven_csr_key(request: &str) -> Result<Key, Refusal> {
    let unreadable = || Refusal::argument("The certificate signing request could not be parsed");
    let pem = BASE64_STANDARD.decode(request).map_err(|_| unreadable())?;
    let (label, der) = der::pem::decode_vec(pem.trim_ascii()).map_err(|_| unreadable())?;
    if label != "CERTIFICATE REQUEST" && label != "NEW CERTIFICATE REQUEST" {
        return Err(unreadable());
    }
    let request = CertReq::from_der(&der).map_err(|_| unreadable())?;
    let spki = request.info.public_key.to_der().map_err(|_| unreadable())?;
    let key = Key::from_spki(&spki).ok_or_else(unreadable)?;
    let info = request.info.to_der().map_err(|_| unreadable())?;
    let signed = request.algorithm.oid == key.signature_algorithm()
        && request.signature.as_bytes().is_some_and(|signature| key.verifies(&info, signature));
    if !signed {
        return Err(Refusal::argument("The signature supplied in the request could not be verified"));
    }
    Ok(key)
}

/// A key Fulcio certifies.
pub(super) enum Key {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl Key {
    fn from_spki(der: &[u8]) -> Option<Self> {
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_der(der).ok().map(Self::P256);
        let p384 = || p384::ecdsa::VerifyingKey::from_public_key_der(der).ok().map(Self::P384);
        let ed25519 = || ed25519_dalek::VerifyingKey::from_public_key_der(der).ok().map(Self::Ed25519);
        p256().or_else(p384).or_else(ed25519)
    }

    /// Checks a signature in the key's usual scheme; ECDSA signatures are DER.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            // Strict: a key of small order verifies everything.
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }

    fn signature_algorithm(&self) -> ObjectIdentifier {
        match self {
            Self::P256(_) => ECDSA_WITH_SHA_256,
            Self::P384(_) => ECDSA_WITH_SHA_384,
            Self::Ed25519(_) => ID_ED_25519,
        }
    }

    /// The key for the certificate, encoded anew so that there is one encoding of a key only.
    pub(super) fn spki(&self) -> Result<SubjectPublicKeyInfoOwned, BoxError> {
        let document = match self {
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
            Self::Ed25519(key) => key.to_public_key_der(),
        }?;
        Ok(SubjectPublicKeyInfoOwned::from_der(document.as_bytes())?)
    }
}

/// A key nobody asked for.
pub(super) fn other_key() -> Result<SubjectPublicKeyInfoOwned, BoxError> {
    let key = p256::ecdsa::SigningKey::random(&mut OsRng);
    Key::P256(*key.verifying_key()).spki()
}
