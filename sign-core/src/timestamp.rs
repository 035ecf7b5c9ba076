//! RFC 3161 timestamps: an authority's word that a signature existed at a time.
//!
//! `sigstore-tsa` checks imprint, CMS signature and certificate chain against one authority of the
//! trusted root; certificates in the token are never used. What it leaves open is checked here first:
//! RFC 5652 §11.1 (content type), RFC 5816 (which certificate signed), and that there is one signer.

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_SIGNED_DATA};
use der::asn1::OctetStringRef;
use der::{Decode, Encode};
use jiff::Timestamp;
use sigstore_types::{SignatureBytes, TimestampToken, TsaAuthority};
use spki::AlgorithmIdentifierOwned;
use x509_tsp::TimeStampResp;

use crate::clock::Window;
use crate::digest::{Digest, HashAlgorithm};
use crate::error::{Code, Error, Result};

/// `id-ct-TSTInfo`.
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// `id-aa-signingCertificate`, which names the signer's certificate by SHA-1.
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// `id-aa-signingCertificateV2`, which names it by a better hash.
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// Largest response: an answer with a chain of four certificates has six kilobytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// `PKIStatus` 0 and 1 are granted and granted with modifications.
const MAX_GRANTED_STATUS: u8 = 1;

/// A timestamp authority that is trusted.
#[derive(Debug)]
pub(crate) struct TimestampAuthority {
    pub(crate) uri: String,
    pub(crate) authority: TsaAuthority,
    pub(crate) leaf: x509_cert::Certificate,
    /// Names the authority when thresholds are counted, whatever the root calls it.
    pub(crate) fingerprint: Digest,
    pub(crate) window: Window,
}

/// Certificates that a signer commits to; only the first counts.
#[derive(der::Sequence)]
struct SigningCertificateV2<'a> {
    certificates: Vec<EssCertificateV2>,
    #[asn1(optional = "true")]
    policies: Option<der::AnyRef<'a>>,
}

#[derive(der::Sequence)]
struct EssCertificateV2 {
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    hash: der::asn1::OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<der::Any>,
}

/// What one timestamp says, and by whom.
#[derive(Debug)]
pub(crate) struct VerifiedTimestamp<'a> {
    pub(crate) time: Timestamp,
    pub(crate) authority: &'a TimestampAuthority,
}

/// Verifies `response` over `signature` against the trusted authorities.
///
/// # Errors
/// [`Code::TimestampInvalid`] when it is malformed, about something else or not by a trusted authority.
pub(crate) fn verify<'a>(
    response: &[u8],
    signature: &[u8],
    authorities: &'a [TimestampAuthority],
) -> Result<VerifiedTimestamp<'a>> {
    if response.len() > MAX_RESPONSE_BYTES {
        return Err(
            Error::new(Code::LimitExceeded, "the timestamp is too large").expected(MAX_RESPONSE_BYTES)
        );
    }
    let signed = signed_data(response)?;
    let signer = only_signer(&signed)?;
    let token = TimestampToken::from_bytes(response);
    let signature = SignatureBytes::from_bytes(signature);
    let mut failure = None;
    for authority in authorities.iter().filter(|authority| authority.is(&signer.sid)) {
        // Attributes first: they cost nothing, and the signature covers them.
        let verified = check_attributes(signer, authority).and_then(|()| {
            sigstore_tsa::verify_timestamp_for_authority(&token, &signature, &authority.authority)
                .map_err(|e| invalid("it does not verify").found(e.to_string()))
        });
        match verified {
            Ok(time) if authority.window.contains(time) => return Ok(VerifiedTimestamp { time, authority }),
            Ok(time) => {
                failure = Some(
                    invalid("the authority was not trusted then").expected(authority.window).found(time),
                );
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| {
        invalid("it is by an authority that the trusted root does not list")
            .hint("a newer trusted root may list it; was the bundle made for another instance?")
    }))
}

impl TimestampAuthority {
    /// Whether `signer` names this authority's certificate.
    fn is(&self, signer: &SignerIdentifier) -> bool {
        match signer {
            SignerIdentifier::IssuerAndSerialNumber(named) => {
                named.issuer == self.leaf.tbs_certificate.issuer
                    && named.serial_number == self.leaf.tbs_certificate.serial_number
            }
            // Which key that is, the library finds out; it tries this authority's certificate only.
            SignerIdentifier::SubjectKeyIdentifier(_) => true,
        }
    }
}

fn signed_data(response: &[u8]) -> Result<SignedData> {
    let malformed = |e: der::Error| invalid("it cannot be read").found(e.to_string());
    let response = TimeStampResp::from_der(response).map_err(malformed)?;
    if response.status.status as u8 > MAX_GRANTED_STATUS {
        return Err(invalid("it was not granted"));
    }
    let token = response.time_stamp_token.ok_or_else(|| invalid("the response holds no timestamp"))?;
    let token = ContentInfo::from_der(&token.to_der().map_err(malformed)?).map_err(malformed)?;
    if token.content_type != ID_SIGNED_DATA {
        return Err(invalid("it is not signed data"));
    }
    let signed: SignedData = token.content.decode_as().map_err(malformed)?;
    if signed.encap_content_info.econtent_type != TST_INFO {
        return Err(invalid("what is signed is not a timestamp"));
    }
    Ok(signed)
}

fn only_signer(signed: &SignedData) -> Result<&SignerInfo> {
    // With two signers, two readers could each check another one.
    match signed.signer_infos.0.as_slice() {
        [only] => Ok(only),
        several => Err(invalid("wrong number of signers").expected(1).found(several.len())),
    }
}

/// The signed attributes that the library does not look at.
fn check_attributes(signer: &SignerInfo, authority: &TimestampAuthority) -> Result<()> {
    let malformed = |e: der::Error| invalid("a signed attribute cannot be read").found(e.to_string());
    let value = |oid: ObjectIdentifier| -> Result<Option<Vec<u8>>> {
        let mut all =
            signer.signed_attrs.iter().flat_map(|attributes| attributes.iter()).filter(|a| a.oid == oid);
        let (Some(attribute), None) = (all.next(), all.next()) else { return Ok(None) };
        match attribute.values.as_slice() {
            [only] => only.to_der().map(Some).map_err(malformed),
            _ => Ok(None),
        }
    };
    // Without it, a signature over some other content could be passed off as a timestamp.
    let content_type =
        value(ID_CONTENT_TYPE)?.ok_or_else(|| invalid("no content type among the attributes"))?;
    if ObjectIdentifier::from_der(&content_type).map_err(malformed)? != TST_INFO {
        return Err(invalid("the signed content type is another one"));
    }
    // It says which certificate the authority meant: another one for the same key, with other
    // powers, must not take its place.
    let leaf = authority.leaf.to_der().map_err(malformed)?;
    if let Some(der) = value(SIGNING_CERTIFICATE_V2)? {
        let attribute = SigningCertificateV2::from_der(&der).map_err(malformed)?;
        let first =
            attribute.certificates.first().ok_or_else(|| invalid("no signing certificate is named"))?;
        let algorithm = match &first.hash_algorithm {
            None => HashAlgorithm::Sha256,
            Some(algorithm) => hash_algorithm(algorithm.oid).ok_or_else(|| {
                invalid("the signing certificate is named by an unknown hash").found(algorithm.oid)
            })?,
        };
        if first.hash.as_bytes() != algorithm.hash(&leaf).as_bytes() {
            return Err(invalid("it names another signing certificate"));
        }
        return Ok(());
    }
    if let Some(der) = value(SIGNING_CERTIFICATE)? {
        return check_sha1_name(&der, &leaf).map_err(malformed)?;
    }
    Err(invalid("it does not name its signing certificate"))
}

/// `SigningCertificate` (RFC 2634 §5.4): a sequence of sequences that begin with a SHA-1 hash. SHA-1
/// decides nothing here: the certificate is the trusted root's in any case.
fn check_sha1_name(der: &[u8], leaf: &[u8]) -> der::Result<Result<()>> {
    let outer = Vec::<der::Any>::from_der(der)?;
    let Some(list) = outer.first() else { return Ok(Err(invalid("no signing certificate is named"))) };
    let list: Vec<der::Any> = list.decode_as()?;
    let Some(first) = list.first() else { return Ok(Err(invalid("no signing certificate is named"))) };
    let parts: Vec<der::Any> = first.decode_as()?;
    let hash = parts.first().map(der::Any::to_der).transpose()?.unwrap_or_default();
    let named = OctetStringRef::from_der(&hash)?.as_bytes().to_vec();
    let found = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, leaf);
    Ok(if named == found.as_ref() { Ok(()) } else { Err(invalid("it names another signing certificate")) })
}

fn hash_algorithm(oid: ObjectIdentifier) -> Option<HashAlgorithm> {
    use const_oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
    match oid {
        ID_SHA_256 => Some(HashAlgorithm::Sha256),
        ID_SHA_384 => Some(HashAlgorithm::Sha384),
        ID_SHA_512 => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Code::TimestampInvalid, format!("the timestamp: {message}"))
}
