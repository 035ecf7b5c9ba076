//! RFC 3161 timestamps: an authority's word that a signature existed at a time.
//!
//! Source: RFC 3161 §2.4.2, RFC 5652 §5.4 and §11 (signed attributes), RFC 5816 (which certificate signed).
//! A token is believed by one authority of the trusted root, with its certificates; those in the token
//! are never used.

use std::fmt;
use std::sync::OnceLock;

use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::ID_KP_TIME_STAMPING;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNED_DATA};
use const_oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
use der::asn1::OctetStringRef;
use der::{Decode, Encode};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_tsp::{TimeStampResp, TstInfo};

use crate::certificate::{Validity, check_path_to_anchor, check_time_stamper};
use crate::clock::Window;
use crate::crypto::PublicKey;
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
pub(crate) struct TimestampAuthority {
    pub(crate) uri: String,
    /// Who runs it; what thresholds count.
    pub(crate) authority: String,
    /// SHA-256 over its certificate.
    pub(crate) fingerprint: Digest,
    pub(crate) window: Window,
    leaf_der: CertificateDer<'static>,
    leaf: x509_cert::Certificate,
    key: PublicKey,
    intermediates: Vec<CertificateDer<'static>>,
    root: CertificateDer<'static>,
    /// The validities of the certificates of its chain, once that was verified: it is always the same.
    chain: OnceLock<Vec<Validity>>,
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
    /// What was signed. It holds a serial number, so that two of one authority that agree are the same one.
    pub(crate) info: Vec<u8>,
}

/// A token as it was read; nothing in it is believed yet.
struct Token {
    signer: SignerInfo,
    info_der: Vec<u8>,
    info: TstInfo,
    time: Timestamp,
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
    let token = Token::parse(response)?;
    token.check_imprint(signature)?;
    let mut failure = None;
    for authority in authorities.iter().filter(|authority| authority.is(&token.signer.sid)) {
        match authority.check(&token) {
            Ok(()) => return Ok(VerifiedTimestamp { time: token.time, authority, info: token.info_der }),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| {
        invalid("it is by an authority that the trusted root does not list")
            .hint("a newer trusted root may list it; was the bundle made for another instance?")
    }))
}

impl Token {
    fn parse(response: &[u8]) -> Result<Self> {
        if response.len() > MAX_RESPONSE_BYTES {
            return Err(
                Error::new(Code::LimitExceeded, "the timestamp is too large").expected(MAX_RESPONSE_BYTES)
            );
        }
        let response = TimeStampResp::from_der(response).map_err(unreadable)?;
        if response.status.status as u8 > MAX_GRANTED_STATUS {
            return Err(invalid("it was not granted"));
        }
        let token = response.time_stamp_token.ok_or_else(|| invalid("the response holds no timestamp"))?;
        if token.content_type != ID_SIGNED_DATA {
            return Err(invalid("it is not signed data"));
        }
        let signed: SignedData = token.content.decode_as().map_err(unreadable)?;
        if signed.encap_content_info.econtent_type != TST_INFO {
            return Err(invalid("what is signed is not a timestamp"));
        }
        // With two signers, two readers could each check another one.
        let mut signers = signed.signer_infos.0.into_vec();
        let (Some(signer), true) = (signers.pop(), signers.is_empty()) else {
            return Err(invalid("wrong number of signers").expected(1));
        };
        let content = signed.encap_content_info.econtent.ok_or_else(|| invalid("it is empty"))?;
        let info_der = content.decode_as::<OctetStringRef<'_>>().map_err(unreadable)?.as_bytes().to_vec();
        let info = TstInfo::from_der(&info_der).map_err(unreadable)?;
        let time = i64::try_from(info.gen_time.to_unix_duration().as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or_else(|| invalid("its time is out of range"))?;
        Ok(Self { signer, info_der, info, time })
    }

    /// A timestamp of something else says nothing about this signature.
    fn check_imprint(&self, signature: &[u8]) -> Result<()> {
        let imprint = &self.info.message_imprint;
        let algorithm = hash_algorithm(imprint.hash_algorithm.oid)?;
        let expected = algorithm.hash(signature);
        if imprint.hashed_message.as_bytes() == expected.as_bytes() {
            return Ok(());
        }
        Err(invalid("it is about another signature")
            .expected(expected)
            .found(hex::encode(imprint.hashed_message.as_bytes())))
    }

    /// The one value of a signed attribute, DER; none where there are several.
    fn attribute(&self, oid: ObjectIdentifier) -> Result<Option<Vec<u8>>> {
        let mut all = self.signer.signed_attrs.iter().flat_map(|attributes| attributes.iter());
        let mut all = all.by_ref().filter(|attribute| attribute.oid == oid);
        let (Some(attribute), None) = (all.next(), all.next()) else { return Ok(None) };
        match attribute.values.as_slice() {
            [only] => only.to_der().map(Some).map_err(unreadable),
            _ => Ok(None),
        }
    }
}

impl TimestampAuthority {
    /// The authority with this `chain`, its own certificate first and the root last.
    pub(crate) fn new(
        uri: String,
        operator: Option<String>,
        mut chain: Vec<CertificateDer<'static>>,
        window: Window,
    ) -> Result<Self> {
        let root = chain.last().cloned().ok_or_else(|| invalid("the authority has no certificates"))?;
        let leaf_der = chain.remove(0);
        chain.pop();
        let leaf = x509_cert::Certificate::from_der(&leaf_der).map_err(unreadable)?;
        let key = leaf.tbs_certificate.subject_public_key_info.to_der().map_err(unreadable)?;
        let fingerprint = Digest::sha256(&leaf_der);
        let named = operator.or_else(|| Some(uri.clone())).filter(|name| !name.is_empty());
        Ok(Self {
            authority: named.unwrap_or_else(|| fingerprint.to_string()),
            uri,
            fingerprint,
            window,
            key: PublicKey::from_der(&key)?,
            leaf_der,
            leaf,
            intermediates: chain,
            root,
            chain: OnceLock::new(),
        })
    }

    /// Whether `signer` names this authority's certificate.
    fn is(&self, signer: &SignerIdentifier) -> bool {
        let certificate = &self.leaf.tbs_certificate;
        match signer {
            SignerIdentifier::IssuerAndSerialNumber(named) => {
                named.issuer == certificate.issuer && named.serial_number == certificate.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(named) => {
                matches!(certificate.get::<SubjectKeyIdentifier>(), Ok(Some((_, own))) if own == *named)
            }
        }
    }

    /// Checks that this authority signed, in its time.
    fn check(&self, token: &Token) -> Result<()> {
        self.check_attributes(token)?;
        let attributes = token.signer.signed_attrs.as_ref().ok_or_else(|| invalid("nothing is signed"))?;
        // RFC 5652 §5.4: signed as a SET OF, though written with another tag.
        let signed = attributes.to_der().map_err(unreadable)?;
        let algorithm = hash_algorithm(token.signer.digest_alg.oid)?;
        if !self.key.verifies_with_hash(algorithm, &signed, token.signer.signature.as_bytes()) {
            return Err(invalid("the authority's signature does not verify"));
        }
        self.check_chain(token.time)?;
        if !self.window.contains(token.time) {
            return Err(invalid("the authority was not trusted then")
                .expected(self.window)
                .found(token.time));
        }
        Ok(())
    }

    /// The attributes are what is signed: they must lead to the content and to this certificate.
    fn check_attributes(&self, token: &Token) -> Result<()> {
        // Without it, a signature over some other content could be passed off as a timestamp.
        let content_type = token
            .attribute(ID_CONTENT_TYPE)?
            .ok_or_else(|| invalid("no content type among the attributes"))?;
        if ObjectIdentifier::from_der(&content_type).map_err(unreadable)? != TST_INFO {
            return Err(invalid("the signed content type is another one"));
        }
        let digest =
            token.attribute(ID_MESSAGE_DIGEST)?.ok_or_else(|| invalid("no digest among the attributes"))?;
        let algorithm = hash_algorithm(token.signer.digest_alg.oid)?;
        if OctetStringRef::from_der(&digest).map_err(unreadable)?.as_bytes()
            != algorithm.hash(&token.info_der).as_bytes()
        {
            return Err(invalid("something else was signed"));
        }
        // It says which certificate the authority meant: another one for the same key, with other
        // powers, must not take its place.
        if let Some(der) = token.attribute(SIGNING_CERTIFICATE_V2)? {
            let attribute = SigningCertificateV2::from_der(&der).map_err(unreadable)?;
            let first =
                attribute.certificates.first().ok_or_else(|| invalid("no signing certificate is named"))?;
            let algorithm = match &first.hash_algorithm {
                None => HashAlgorithm::Sha256,
                Some(algorithm) => hash_algorithm(algorithm.oid)?,
            };
            if first.hash.as_bytes() != algorithm.hash(&self.leaf_der).as_bytes() {
                return Err(invalid("it names another signing certificate"));
            }
            return Ok(());
        }
        if let Some(der) = token.attribute(SIGNING_CERTIFICATE)? {
            return check_sha1_name(&der, &self.leaf_der).map_err(unreadable)?;
        }
        Err(invalid("it does not name its signing certificate"))
    }

    /// Checks the certificates at `time`. Their signatures are the same every time and checked once.
    fn check_chain(&self, time: Timestamp) -> Result<()> {
        let untrusted = |e: Error| invalid("the authority's certificates").found(e.to_string()).caused_by(e);
        let above = match self.chain.get() {
            Some(validities) => validities,
            None => {
                check_time_stamper(&self.leaf).map_err(untrusted)?;
                let (intermediates, root) = (&self.intermediates, &self.root);
                let purpose = &ID_KP_TIME_STAMPING;
                let above = check_path_to_anchor(&self.leaf_der, intermediates, root, purpose, time);
                let mut validities = above.map_err(untrusted)?;
                validities.push(Validity::of(&self.leaf).map_err(untrusted)?);
                self.chain.get_or_init(|| validities)
            }
        };
        match above.iter().find(|validity| !validity.contains(time)) {
            None => Ok(()),
            Some(validity) => Err(invalid("the authority's certificates were not valid then")
                .expected(validity)
                .found(time)),
        }
    }
}

impl fmt::Debug for TimestampAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimestampAuthority")
            .field("authority", &self.authority)
            .field("fingerprint", &self.fingerprint)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
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

fn hash_algorithm(oid: ObjectIdentifier) -> Result<HashAlgorithm> {
    match oid {
        ID_SHA_256 => Ok(HashAlgorithm::Sha256),
        ID_SHA_384 => Ok(HashAlgorithm::Sha384),
        ID_SHA_512 => Ok(HashAlgorithm::Sha512),
        _ => Err(invalid("unknown or weak hash algorithm").found(oid)),
    }
}

fn unreadable(error: der::Error) -> Error {
    invalid("it cannot be read").found(error.to_string())
}

fn invalid(message: &str) -> Error {
    Error::new(Code::TimestampInvalid, format!("the timestamp: {message}"))
}
