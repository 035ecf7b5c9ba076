//! The certificate authority under Fulcio and the TSA: P-384 keys, RFC 5280 certificates.

use std::str::FromStr;

use const_oid::db::rfc5912::{ECDSA_WITH_SHA_384, ID_KP_CODE_SIGNING, ID_KP_TIME_STAMPING};
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Encode;
use der::asn1::{BitString, GeneralizedTime, OctetString, UtcTime};
use der::pem::LineEnding;
use jiff::{SignedDuration, Timestamp};
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{DerSignature, SigningKey};
use rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate, Version};

/// Whatever went wrong while the sandbox was being set up or was answering.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long before the sandbox's start its authorities are valid: tests move the clock back.
const VALID_BEFORE: SignedDuration = SignedDuration::from_hours(366 * 24);
/// How long after the sandbox's start its authorities are valid, as a Sigstore root is.
const VALID_AFTER: SignedDuration = SignedDuration::from_hours(3650 * 24);
/// The organisation in every name the sandbox makes.
pub(crate) const ORGANIZATION: &str = "sigstore.sandbox";

/// What the certificates under an authority are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Fulcio's leaves.
    CodeSigning,
    /// The TSA's leaf.
    TimeStamping,
}

impl Purpose {
    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::CodeSigning => ID_KP_CODE_SIGNING,
            Self::TimeStamping => ID_KP_TIME_STAMPING,
        }
    }

    /// The extended key usage extension for this purpose.
    pub(crate) fn extension(self, critical: bool) -> Result<Extension, BoxError> {
        extension(&ExtendedKeyUsage(vec![self.oid()]), critical)
    }
}

/// A P-384 key with its certificate: an authority, or a signer under one.
#[derive(Clone)]
pub(crate) struct Authority {
    key: SigningKey,
    certificate: Certificate,
    der: Vec<u8>,
}

impl Authority {
    /// A self-signed root.
    pub(crate) fn root(common_name: &str, now: Timestamp) -> Result<Self, BoxError> {
        let key = SigningKey::random(&mut OsRng);
        let name = name(common_name)?;
        let spki = SubjectPublicKeyInfoOwned::from_key(*key.verifying_key())?;
        let extensions = vec![
            ca_key_usage()?,
            extension(&BasicConstraints { ca: true, path_len_constraint: Some(1) }, true)?,
            subject_key_identifier(&spki)?,
        ];
        let tbs = tbs(name.clone(), name, validity(now)?, spki, extensions)?;
        Self::new(sign(&key, tbs)?, key)
    }

    /// An intermediate authority under this one, for one purpose, that can issue leaves only.
    pub(crate) fn intermediate(
        &self,
        common_name: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Self, BoxError> {
        let extensions = vec![
            ca_key_usage()?,
            purpose.extension(false)?,
            extension(&BasicConstraints { ca: true, path_len_constraint: Some(0) }, true)?,
        ];
        self.named(common_name, extensions, now)
    }

    /// A signer under this authority that lives as long as it: the TSA's leaf.
    pub(crate) fn time_stamper(&self, common_name: &str, now: Timestamp) -> Result<Self, BoxError> {
        let extensions = vec![
            extension(&KeyUsage(KeyUsages::DigitalSignature.into()), true)?,
            // RFC 3161 section 2.3: the only purpose, and critical.
            Purpose::TimeStamping.extension(true)?,
        ];
        self.named(common_name, extensions, now)
    }

    fn named(&self, common_name: &str, extensions: Vec<Extension>, now: Timestamp) -> Result<Self, BoxError> {
        let key = SigningKey::random(&mut OsRng);
        let spki = SubjectPublicKeyInfoOwned::from_key(*key.verifying_key())?;
        let tbs = self.tbs(name(common_name)?, validity(now)?, spki, extensions)?;
        Self::new(self.issue(tbs)?, key)
    }

    fn new(certificate: Certificate, key: SigningKey) -> Result<Self, BoxError> {
        let der = certificate.to_der()?;
        Ok(Self { key, certificate, der })
    }

    /// The same key with its certificate changed, signed by `issuer`.
    pub(crate) fn reissued(
        &self,
        issuer: &Self,
        change: impl FnOnce(&mut TbsCertificate),
    ) -> Result<Self, BoxError> {
        let mut tbs = self.certificate.tbs_certificate.clone();
        change(&mut tbs);
        Self::new(issuer.issue(tbs)?, self.key.clone())
    }

    /// A certificate to be signed under this authority; the two key identifiers are added here.
    pub(crate) fn tbs(
        &self,
        subject: Name,
        validity: Validity,
        spki: SubjectPublicKeyInfoOwned,
        mut extensions: Vec<Extension>,
    ) -> Result<TbsCertificate, BoxError> {
        let issuer_key = key_identifier(&self.certificate.tbs_certificate.subject_public_key_info)?;
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(issuer_key),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        // Where Go's crypto/x509 and so Fulcio put them: before the names.
        let at = extensions.iter().position(|one| one.extn_id == SubjectAltName::OID);
        let at = at.unwrap_or(extensions.len());
        extensions.splice(at..at, [subject_key_identifier(&spki)?, extension(&authority, false)?]);
        tbs(self.certificate.tbs_certificate.subject.clone(), subject, validity, spki, extensions)
    }

    /// Signs a certificate.
    pub(crate) fn issue(&self, tbs: TbsCertificate) -> Result<Certificate, BoxError> {
        sign(&self.key, tbs)
    }

    /// Signs `message` with ECDSA P-384 and SHA-384; the signature is DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.key.sign(message);
        signature.as_bytes().to_vec()
    }

    /// The algorithm of [`Self::sign`].
    pub(crate) fn signature_algorithm() -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_384, parameters: None }
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificate, DER.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the public key: RFC 6962's `issuer_key_hash`.
    pub(crate) fn key_hash(&self) -> Result<[u8; 32], BoxError> {
        let spki = self.certificate.tbs_certificate.subject_public_key_info.to_der()?;
        Ok(Sha256::digest(spki).into())
    }
}

/// `value` as an extension under its own identifier.
pub(crate) fn extension<T: Encode + AssociatedOid>(value: &T, critical: bool) -> Result<Extension, BoxError> {
    raw_extension(T::OID, critical, value.to_der()?)
}

/// An extension whose value is `content`, byte for byte.
pub(crate) fn raw_extension(
    oid: ObjectIdentifier,
    critical: bool,
    content: impl Into<Vec<u8>>,
) -> Result<Extension, BoxError> {
    Ok(Extension { extn_id: oid, critical, extn_value: OctetString::new(content)? })
}

/// The period from `from` to `to`, in whole seconds.
pub(crate) fn period(from: Timestamp, to: Timestamp) -> Result<Validity, BoxError> {
    Ok(Validity { not_before: time(from)?, not_after: time(to)? })
}

/// `at` in whole seconds, as CMS and RFC 3161 write it.
pub(crate) fn generalized_time(at: Timestamp) -> Result<GeneralizedTime, BoxError> {
    let seconds = u64::try_from(at.as_second())?;
    Ok(GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(seconds))?)
}

/// `at` as RFC 5280 section 4.1.2.5 wants it: `UTCTime` to 2049, `GeneralizedTime` from 2050.
pub(crate) fn time(at: Timestamp) -> Result<Time, BoxError> {
    let general = generalized_time(at)?;
    let date = general.to_date_time();
    if date.year() <= UtcTime::MAX_YEAR {
        Ok(Time::UtcTime(UtcTime::from_date_time(date)?))
    } else {
        Ok(Time::GeneralTime(general))
    }
}

/// `N` bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// A random positive integer of 20 bytes, the most RFC 5280 and RFC 3161 allow.
pub(crate) fn serial_bytes() -> [u8; 20] {
    let mut bytes = random::<20>();
    // Neither negative nor with a leading zero: DER wants integers short.
    let [first, ..] = &mut bytes;
    *first = (*first & 0x3f) | 0x40;
    bytes
}

/// `der` as a PEM certificate.
pub(crate) fn certificate_pem(der: &[u8]) -> Result<String, BoxError> {
    // The PEM error type is no `std::error::Error`.
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|error| error.to_string().into())
}

fn sign(key: &SigningKey, tbs: TbsCertificate) -> Result<Certificate, BoxError> {
    let signature: DerSignature = key.sign(&tbs.to_der()?);
    Ok(Certificate {
        signature_algorithm: tbs.signature.clone(),
        tbs_certificate: tbs,
        signature: BitString::from_bytes(signature.as_bytes())?,
    })
}

fn tbs(
    issuer: Name,
    subject: Name,
    validity: Validity,
    spki: SubjectPublicKeyInfoOwned,
    extensions: Vec<Extension>,
) -> Result<TbsCertificate, BoxError> {
    Ok(TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial_bytes())?,
        signature: Authority::signature_algorithm(),
        issuer,
        validity,
        subject,
        subject_public_key_info: spki,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    })
}

fn name(common_name: &str) -> Result<Name, BoxError> {
    // RFC 4514 writes a name from its end.
    Ok(Name::from_str(&format!("CN={common_name},O={ORGANIZATION}"))?)
}

fn validity(now: Timestamp) -> Result<Validity, BoxError> {
    period(now.checked_sub(VALID_BEFORE)?, now.checked_add(VALID_AFTER)?)
}

fn ca_key_usage() -> Result<Extension, BoxError> {
    extension(&KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign), true)
}

fn subject_key_identifier(spki: &SubjectPublicKeyInfoOwned) -> Result<Extension, BoxError> {
    extension(&SubjectKeyIdentifier(key_identifier(spki)?), false)
}

/// RFC 7093 section 2, method 1: the first 160 bits of the key's SHA-256.
fn key_identifier(spki: &SubjectPublicKeyInfoOwned) -> Result<OctetString, BoxError> {
    let digest = Sha256::digest(spki.subject_public_key.raw_bytes());
    Ok(OctetString::new(digest.iter().take(20).copied().collect::<Vec<u8>>())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_changes_form_in_2050() {
        let before: Timestamp = "2049-12-31T23:59:59.9Z".parse().unwrap();
        let after: Timestamp = "2050-01-01T00:00:00Z".parse().unwrap();
        assert!(matches!(time(before).unwrap(), Time::UtcTime(_)));
        assert!(matches!(time(after).unwrap(), Time::GeneralTime(_)));
        assert_eq!(time(before).unwrap().to_unix_duration().subsec_nanos(), 0);
    }

    #[test]
    fn serials_are_positive_and_short() {
        for _ in 0..64 {
            let serial = SerialNumber::<x509_cert::certificate::Rfc5280>::new(&serial_bytes()).unwrap();
            assert_eq!(serial.to_der().unwrap().len(), 22);
        }
    }

    #[test]
    fn an_intermediate_names_its_root() {
        let now = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_hours(24 * 20_000)).unwrap();
        let root = Authority::root("root", now).unwrap();
        let under = root.intermediate("intermediate", Purpose::CodeSigning, now).unwrap();
        let tbs = &under.certificate().tbs_certificate;
        assert_eq!(tbs.issuer, root.certificate().tbs_certificate.subject);
        assert_eq!(tbs.issuer.to_string(), "CN=root,O=sigstore.sandbox");
        let (_, authority) = tbs.get::<AuthorityKeyIdentifier>().unwrap().unwrap();
        let (_, subject) = root.certificate().tbs_certificate.get::<SubjectKeyIdentifier>().unwrap().unwrap();
        assert_eq!(authority.key_identifier.unwrap(), subject.0);
    }
}
