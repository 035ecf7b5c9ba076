//! Certificates as tests wish them.

use std::str::FromStr as _;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use const_oid::AssociatedOid;
use const_oid::db::rfc5280::{ID_KP_CODE_SIGNING, ID_KP_TIME_STAMPING};
use const_oid::db::rfc5912::ECDSA_WITH_SHA_256;
use const_oid::db::rfc6962::CT_PRECERT_SCTS;
use der::asn1::{BitString, Ia5String, OctetString, UtcTime};
use der::{Decode as _, Encode};
use jiff::Timestamp;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate, Version};

use crate::digest::Digest;

/// A P-256 key.
pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    pub(crate) fn spki_der(&self) -> Vec<u8> {
        self.spki().to_der().unwrap()
    }

    fn spki(&self) -> SubjectPublicKeyInfoOwned {
        let mut der = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        der.extend_from_slice(self.0.public_key().as_ref());
        SubjectPublicKeyInfoOwned::from_der(&der).unwrap()
    }
}

/// What a certificate should say.
pub(crate) struct Wish<'a> {
    pub(crate) subject: &'a str,
    pub(crate) issuer: &'a str,
    /// Seconds since the epoch, both included.
    pub(crate) validity: (u64, u64),
    pub(crate) extensions: Vec<Extension>,
}

/// A certificate for `key`, signed by `issuer`.
pub(crate) fn issue(wish: Wish<'_>, key: &Key, issuer: &Key) -> Vec<u8> {
    let time = |seconds| Time::UtcTime(UtcTime::from_unix_duration(Duration::from_secs(seconds)).unwrap());
    let algorithm = AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None };
    let tbs_certificate = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&[7]).unwrap(),
        signature: algorithm.clone(),
        issuer: Name::from_str(wish.issuer).unwrap(),
        validity: Validity { not_before: time(wish.validity.0), not_after: time(wish.validity.1) },
        subject: if wish.subject.is_empty() {
            Name::default()
        } else {
            Name::from_str(wish.subject).unwrap()
        },
        subject_public_key_info: key.spki(),
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(wish.extensions),
    };
    let signature = issuer.sign(&tbs_certificate.to_der().unwrap());
    let signature = BitString::from_bytes(&signature).unwrap();
    Certificate { tbs_certificate, signature_algorithm: algorithm, signature }.to_der().unwrap()
}

pub(crate) fn extension<T: AssociatedOid + Encode>(value: &T, critical: bool) -> Extension {
    let extn_value = OctetString::new(value.to_der().unwrap()).unwrap();
    Extension { extn_id: T::OID, critical, extn_value }
}

/// The extensions of an authority.
pub(crate) fn authority() -> Vec<Extension> {
    vec![
        extension(&BasicConstraints { ca: true, path_len_constraint: None }, true),
        extension(&KeyUsage(KeyUsages::KeyCertSign.into()), true),
    ]
}

/// The extensions of a signer's leaf.
pub(crate) fn code_signer() -> Vec<Extension> {
    let name = GeneralName::Rfc822Name(Ia5String::new("dev@example.com").unwrap());
    vec![
        extension(&KeyUsage(KeyUsages::DigitalSignature.into()), true),
        extension(&ExtendedKeyUsage(vec![ID_KP_CODE_SIGNING]), false),
        extension(&SubjectAltName(vec![name]), true),
    ]
}

/// The extensions of a timestamp authority's own certificate.
pub(crate) fn time_stamper(critical: bool) -> Vec<Extension> {
    vec![
        extension(&KeyUsage(KeyUsages::DigitalSignature.into()), true),
        extension(&ExtendedKeyUsage(vec![ID_KP_TIME_STAMPING]), critical),
    ]
}

/// The extension with these SCTs, each by a log key at a time in milliseconds, for the leaf whose
/// certificate without the extension is given.
pub(crate) fn scts(without: &[u8], issuer: &Key, logs: &[(&Key, u64)]) -> Extension {
    let vector = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let tbs = Certificate::from_der(without).unwrap().tbs_certificate.to_der().unwrap();
    let mut list = Vec::new();
    for (log, milliseconds) in logs {
        let mut signed = vec![0, 0];
        signed.extend(milliseconds.to_be_bytes());
        signed.extend([0, 1]);
        signed.extend(Digest::sha256(&issuer.spki_der()).as_bytes());
        signed.extend(&u32::try_from(tbs.len()).unwrap().to_be_bytes()[1..]);
        signed.extend(&tbs);
        signed.extend([0, 0]);
        let mut sct = vec![0];
        sct.extend(Digest::sha256(&log.spki_der()).as_bytes());
        sct.extend(milliseconds.to_be_bytes());
        sct.extend([0, 0, 4, 3]);
        sct.extend(vector(&log.sign(&signed)));
        list.extend(vector(&sct));
    }
    let list = OctetString::new(vector(&list)).unwrap().to_der().unwrap();
    Extension { extn_id: CT_PRECERT_SCTS, critical: false, extn_value: OctetString::new(list).unwrap() }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
