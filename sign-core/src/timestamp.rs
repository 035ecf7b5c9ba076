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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cms::cert::IssuerAndSerialNumber;
    use cms::content_info::{CmsVersion, ContentInfo};
    use cms::signed_data::{EncapsulatedContentInfo, SignerInfos};
    use const_oid::db::rfc5912::ECDSA_WITH_SHA_256;
    use der::Any;
    use der::asn1::{GeneralizedTime, Int, OctetString, SetOfVec};
    use x509_cert::attr::Attribute;
    use x509_tsp::{MessageImprint, TspVersion};

    use super::*;
    use crate::certificate::testing::{Key, Wish, at, authority, issue, time_stamper};

    const SIGNATURE: &[u8] = b"signature";

    #[derive(der::Sequence)]
    struct Granted {
        status: Status,
        token: ContentInfo,
    }

    #[derive(der::Sequence)]
    struct Status {
        status: u8,
    }

    /// An authority and its key; valid from 100 to 500, under a root that is for long.
    struct Tsa {
        key: Key,
        authority: TimestampAuthority,
    }

    impl Tsa {
        fn new(extensions: Vec<x509_cert::ext::Extension>, window: Window) -> Self {
            let (key, root_key) = (Key::new(), Key::new());
            let root =
                Wish { subject: "CN=root", issuer: "CN=root", validity: (1, 9000), extensions: authority() };
            let leaf = Wish { subject: "CN=tsa", issuer: "CN=root", validity: (100, 500), extensions };
            let chain = vec![
                CertificateDer::from(issue(leaf, &key, &root_key)),
                CertificateDer::from(issue(root, &root_key, &root_key)),
            ];
            let authority =
                TimestampAuthority::new("https://tsa.example".into(), None, chain, window).unwrap();
            Self { key, authority }
        }

        fn good() -> Self {
            Self::new(time_stamper(true), Window::open(Timestamp::UNIX_EPOCH))
        }

        fn attributes(&self, info: &[u8]) -> Vec<(ObjectIdentifier, Any)> {
            let digest = OctetString::new(Digest::sha256(info).as_bytes()).unwrap();
            vec![
                (ID_CONTENT_TYPE, Any::encode_from(&TST_INFO).unwrap()),
                (ID_MESSAGE_DIGEST, Any::encode_from(&digest).unwrap()),
                (SIGNING_CERTIFICATE_V2, names(&Digest::sha256(&self.authority.leaf_der))),
            ]
        }

        /// A response with these attributes, signed as many times as said.
        fn response(&self, info: &[u8], attributes: Vec<(ObjectIdentifier, Any)>, signers: u8) -> Vec<u8> {
            let attributes = attributes
                .into_iter()
                .map(|(oid, value)| Attribute { oid, values: SetOfVec::try_from(vec![value]).unwrap() });
            let attributes = SetOfVec::try_from(attributes.collect::<Vec<_>>()).unwrap();
            let certificate = &self.authority.leaf.tbs_certificate;
            let sha256 = AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: None };
            let signer = |n| SignerInfo {
                version: CmsVersion::V1,
                sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                    issuer: certificate.issuer.clone(),
                    serial_number: certificate.serial_number.clone(),
                }),
                digest_alg: sha256.clone(),
                signature: OctetString::new(self.key.sign(&attributes.to_der().unwrap())).unwrap(),
                signed_attrs: Some(attributes.clone()),
                signature_algorithm: AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None },
                unsigned_attrs: (n > 0).then(SetOfVec::new),
            };
            let content = Any::encode_from(&OctetString::new(info).unwrap()).unwrap();
            let signed = SignedData {
                version: CmsVersion::V3,
                digest_algorithms: SetOfVec::try_from(vec![sha256.clone()]).unwrap(),
                encap_content_info: EncapsulatedContentInfo {
                    econtent_type: TST_INFO,
                    econtent: Some(content),
                },
                certificates: None,
                crls: None,
                signer_infos: SignerInfos(
                    SetOfVec::try_from((0..signers).map(signer).collect::<Vec<_>>()).unwrap(),
                ),
            };
            let token =
                ContentInfo { content_type: ID_SIGNED_DATA, content: Any::encode_from(&signed).unwrap() };
            Granted { status: Status { status: 0 }, token }.to_der().unwrap()
        }

        fn verify(&self, response: &[u8]) -> Result<Timestamp> {
            verify(response, SIGNATURE, std::slice::from_ref(&self.authority)).map(|stamp| stamp.time)
        }

        #[track_caller]
        fn refuses(&self, response: &[u8], why: &str) {
            let error = self.verify(response).unwrap_err();
            assert_eq!(error.code(), Code::TimestampInvalid);
            assert!(error.message().contains(why), "expected {why:?}, found {error}");
        }
    }

    fn names(digest: &Digest) -> Any {
        let hash = OctetString::new(digest.as_bytes()).unwrap();
        let first = EssCertificateV2 { hash_algorithm: None, hash, issuer_serial: None };
        Any::encode_from(&SigningCertificateV2 { certificates: vec![first], policies: None }).unwrap()
    }

    fn info(second: u64, message: &[u8]) -> Vec<u8> {
        TstInfo {
            version: TspVersion::V1,
            policy: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2"),
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: None },
                hashed_message: OctetString::new(Digest::sha256(message).as_bytes()).unwrap(),
            },
            serial_number: Int::new(&[1]).unwrap(),
            gen_time: GeneralizedTime::from_unix_duration(Duration::from_secs(second)).unwrap(),
            accuracy: None,
            ordering: false,
            nonce: None,
            tsa: None,
            extensions: None,
        }
        .to_der()
        .unwrap()
    }

    #[test]
    fn times_are_those_of_the_authority_inclusive_at_both_ends() {
        let tsa = Tsa::good();
        let stamp = |second| {
            let info = info(second, SIGNATURE);
            tsa.response(&info, tsa.attributes(&info), 1)
        };
        // The first one is out of time and must leave nothing behind.
        tsa.refuses(&stamp(501), "certificates");
        for second in [100, 500, 300] {
            assert_eq!(tsa.verify(&stamp(second)).unwrap(), at(second as i64));
        }
        tsa.refuses(&stamp(501), "not valid then");
        tsa.refuses(&stamp(99), "not valid then");
        let window = Window { start: at(200), end: Some(at(300)) };
        let tsa = Tsa::new(time_stamper(true), window);
        for (second, good) in [(199, false), (200, true), (300, true), (301, false)] {
            let info = info(second, SIGNATURE);
            let response = tsa.response(&info, tsa.attributes(&info), 1);
            assert_eq!(tsa.verify(&response).is_ok(), good, "{second}");
        }
    }

    #[test]
    fn signed_attributes_must_lead_to_content_and_certificate() {
        let tsa = Tsa::good();
        let info = info(300, SIGNATURE);
        let change = |position: usize, value: Option<Any>| {
            let mut attributes = tsa.attributes(&info);
            match value {
                Some(value) => attributes[position].1 = value,
                None => drop(attributes.remove(position)),
            }
            tsa.response(&info, attributes, 1)
        };
        tsa.verify(&tsa.response(&info, tsa.attributes(&info), 1)).unwrap();
        tsa.refuses(&change(0, None), "no content type");
        tsa.refuses(&change(0, Some(Any::encode_from(&ID_SIGNED_DATA).unwrap())), "content type is another");
        tsa.refuses(&change(1, None), "no digest");
        let other = OctetString::new(Digest::sha256(b"other").as_bytes()).unwrap();
        tsa.refuses(&change(1, Some(Any::encode_from(&other).unwrap())), "something else was signed");
        tsa.refuses(&change(2, None), "does not name its signing certificate");
        tsa.refuses(&change(2, Some(names(&Digest::sha256(b"other")))), "another signing certificate");
        let mut twice = tsa.attributes(&info);
        twice.push((ID_CONTENT_TYPE, Any::encode_from(&ID_SIGNED_DATA).unwrap()));
        tsa.refuses(&tsa.response(&info, twice, 1), "no content type");
    }

    #[test]
    fn one_signer_and_no_other() {
        let tsa = Tsa::good();
        let info = info(300, SIGNATURE);
        for signers in [0, 2] {
            tsa.refuses(&tsa.response(&info, tsa.attributes(&info), signers), "number of signers");
        }
        // Another key under the same name and number.
        let other = Tsa::good();
        let forged = other.response(&info, tsa.attributes(&info), 1);
        tsa.refuses(&forged, "signature does not verify");
    }

    #[test]
    fn it_is_about_this_signature_by_an_authority_for_timestamps_alone() {
        let tsa = Tsa::good();
        let info = info(300, b"another");
        tsa.refuses(&tsa.response(&info, tsa.attributes(&info), 1), "another signature");
        let info = self::info(300, SIGNATURE);
        for extensions in [time_stamper(false), crate::certificate::testing::code_signer(), Vec::new()] {
            let tsa = Tsa::new(extensions, Window::open(Timestamp::UNIX_EPOCH));
            tsa.refuses(&tsa.response(&info, tsa.attributes(&info), 1), "certificates");
        }
    }
}
