//! Timestamp replies: what is refused, and the CMS around what is granted.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNED_DATA, ID_SIGNING_TIME};
use const_oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
use der::asn1::{BitString, Int, OctetString, SetOfVec};
use der::{Any, Encode, Sequence, Tag};
use jiff::Timestamp;
use sha2::{Digest, Sha256, Sha384};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::serial_number::SerialNumber;
use x509_tsp::{Accuracy, MessageImprint, TimeStampReq, TspVersion, TstInfo};

use crate::pki::{self, Authority, BoxError};

/// RFC 3161 section 2.4.2: id-ct-TSTInfo.
const ID_CT_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// RFC 5035 section 3: id-aa-signingCertificateV2.
const ID_AA_SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// The policy of Sigstore's timestamp authorities.
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");
/// How exact the time is: it is given in whole seconds.
const ACCURACY_SECONDS: u64 = 1;

/// RFC 3161 section 2.4.2: the bits of `PKIFailureInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    BadAlg = 0,
    BadDataFormat = 5,
    UnacceptedPolicy = 15,
    UnacceptedExtension = 16,
}

/// RFC 3161 section 2.4.2, without the free text.
#[derive(Sequence)]
struct PkiStatusInfo {
    status: u8,
    #[asn1(optional = "true")]
    fail_info: Option<BitString>,
}

#[derive(Sequence)]
struct TimeStampResp {
    status: PkiStatusInfo,
    #[asn1(optional = "true")]
    time_stamp_token: Option<ContentInfo>,
}

const GRANTED: u8 = 0;
const REJECTION: u8 = 2;

/// RFC 5035 section 4, for SHA-256, which is the default and so not written.
#[derive(Sequence)]
struct EssCertIdV2 {
    cert_hash: OctetString,
    issuer_serial: IssuerSerial,
}

#[derive(Sequence)]
struct IssuerSerial {
    issuer: Vec<GeneralName>,
    serial_number: SerialNumber,
}

#[derive(Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
}

/// What a token says.
pub(crate) struct Stamp {
    pub(crate) imprint: MessageImprint,
    pub(crate) nonce: Option<Int>,
    pub(crate) at: Timestamp,
    pub(crate) with_certificate: bool,
}

impl Stamp {
    pub(super) fn change_imprint(&mut self) -> Result<(), BoxError> {
        let changed: Vec<u8> = self.imprint.hashed_message.as_bytes().iter().map(|byte| !byte).collect();
        self.imprint.hashed_message = OctetString::new(changed)?;
        Ok(())
    }

    pub(super) fn change_nonce(&mut self) -> Result<(), BoxError> {
        self.nonce = Some(Int::new(&pki::serial_bytes())?);
        Ok(())
    }
}

/// RFC 3161 section 2.4.1: what the authority does not stamp.
pub(super) fn check(request: &TimeStampReq) -> Result<(), Failure> {
    let length = match request.message_imprint.hash_algorithm.oid {
        ID_SHA_256 => 32,
        ID_SHA_384 => 48,
        ID_SHA_512 => 64,
        _ => return Err(Failure::BadAlg),
    };
    if request.message_imprint.hashed_message.as_bytes().len() != length {
        return Err(Failure::BadDataFormat);
    }
    if request.req_policy.is_some_and(|policy| policy != POLICY) {
        return Err(Failure::UnacceptedPolicy);
    }
    if request.extensions.is_some() {
        return Err(Failure::UnacceptedExtension);
    }
    Ok(())
}

/// A reply without a token.
pub(super) fn rejection(failure: Failure) -> Result<Vec<u8>, BoxError> {
    let bit = failure as usize;
    let mut bits = vec![0_u8; bit / 8 + 1];
    // X.680: bit 0 is the first octet's highest; DER section 11.2.2: no trailing zero bits.
    if let Some(last) = bits.last_mut() {
        *last = 0x80 >> (bit % 8);
    }
    let unused = u8::try_from(7 - bit % 8)?;
    let status = PkiStatusInfo { status: REJECTION, fail_info: Some(BitString::new(unused, bits)?) };
    Ok(TimeStampResp { status, time_stamp_token: None }.to_der()?)
}

/// A reply with a token signed by `signer`, whose signed attributes `change` has seen.
pub(crate) fn granted(
    signer: &Authority,
    stamp: Stamp,
    change: impl FnOnce(&mut Vec<Attribute>),
) -> Result<Vec<u8>, BoxError> {
    let with_certificate = stamp.with_certificate;
    let at = stamp.at;
    let info = TstInfo {
        version: TspVersion::V1,
        policy: POLICY,
        message_imprint: stamp.imprint,
        serial_number: Int::new(&pki::serial_bytes())?,
        // Whole seconds: some clients refuse fractions.
        gen_time: pki::generalized_time(at)?,
        accuracy: Some(Accuracy { seconds: Some(ACCURACY_SECONDS), millis: None, micros: None }),
        ordering: false,
        nonce: stamp.nonce,
        tsa: Some(GeneralName::DirectoryName(signer.certificate().tbs_certificate.subject.clone())),
        extensions: None,
    }
    .to_der()?;

    let mut attributes = signed_attributes(signer, &info, at)?;
    change(&mut attributes);
    let attributes = Attributes::try_from(attributes)?;
    // RFC 5652 section 5.4: signed as a SET OF, though sent with an implicit tag.
    let signature = signer.sign(&attributes.to_der()?);
    let issued = &signer.certificate().tbs_certificate;
    let digest_alg = AlgorithmIdentifierOwned { oid: ID_SHA_384, parameters: None };
    let signer_info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: issued.issuer.clone(),
            serial_number: issued.serial_number.clone(),
        }),
        digest_alg: digest_alg.clone(),
        signed_attrs: Some(attributes),
        signature_algorithm: Authority::signature_algorithm(),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let certificates = if with_certificate {
        let certificate = CertificateChoices::Certificate(signer.certificate().clone());
        Some(CertificateSet::try_from(vec![certificate])?)
    } else {
        None
    };
    let signed_data = SignedData {
        // RFC 5652 section 5.1: 3, because the content is no id-data.
        version: CmsVersion::V3,
        digest_algorithms: SetOfVec::try_from(vec![digest_alg])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: ID_CT_TST_INFO,
            econtent: Some(Any::new(Tag::OctetString, info)?),
        },
        certificates,
        crls: None,
        signer_infos: SignerInfos::try_from(vec![signer_info])?,
    };
    let token = ContentInfo { content_type: ID_SIGNED_DATA, content: Any::encode_from(&signed_data)? };
    let status = PkiStatusInfo { status: GRANTED, fail_info: None };
    Ok(TimeStampResp { status, time_stamp_token: Some(token) }.to_der()?)
}

fn signed_attributes(signer: &Authority, info: &[u8], at: Timestamp) -> Result<Vec<Attribute>, BoxError> {
    let digest = OctetString::new(Sha384::digest(info).to_vec())?;
    let issued = &signer.certificate().tbs_certificate;
    let certificate = EssCertIdV2 {
        cert_hash: OctetString::new(Sha256::digest(signer.der()).to_vec())?,
        issuer_serial: IssuerSerial {
            issuer: vec![GeneralName::DirectoryName(issued.issuer.clone())],
            serial_number: issued.serial_number.clone(),
        },
    };
    Ok(vec![
        attribute(ID_CONTENT_TYPE, &ID_CT_TST_INFO)?,
        attribute(ID_SIGNING_TIME, &pki::time(at)?)?,
        attribute(ID_MESSAGE_DIGEST, &digest)?,
        attribute(ID_AA_SIGNING_CERTIFICATE_V2, &SigningCertificateV2 { certs: vec![certificate] })?,
    ])
}

fn attribute<T: Encode + der::Tagged>(oid: ObjectIdentifier, value: &T) -> Result<Attribute, BoxError> {
    let value = der::Decode::from_der(&value.to_der()?)?;
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}
