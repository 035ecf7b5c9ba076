//! From a leaf to a trusted root, at a moment in time.
//!
//! Source: RFC 5280 §6. Signatures, names, path length and purposes are `webpki`'s work; key usage
//! and the validity of the root, which it leaves alone, are checked here.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use const_oid::db::rfc5280::ID_KP_CODE_SIGNING;
use const_oid::{AssociatedOid as _, ObjectIdentifier};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sigstore_crypto::WEBPKI_VERIFICATION_ALGS;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::ext::pkix::NameConstraints;

use super::{Certificate, Validity, invalid, parse_der, profile};
use crate::clock::Window;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// A certificate authority that is trusted; paths are built inside one of these only.
pub(crate) struct CertificateAuthority {
    pub(crate) window: Window,
    intermediates: Vec<CertificateDer<'static>>,
    root: CertificateDer<'static>,
    root_anchor: TrustAnchor<'static>,
    issuers: Vec<Issuer>,
}

/// An intermediate. Its path to the root is the same for every leaf, so it is verified once.
struct Issuer {
    der: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
    verified: OnceLock<Above>,
}

/// What is above a leaf: verified but for the time.
#[derive(Debug, Clone)]
struct Above {
    validities: Vec<Validity>,
    issuer_key_hash: Digest,
}

/// A verified path. It holds for every moment at which all its certificates are valid.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    leaf: Validity,
    above: Above,
}

impl CertificateAuthority {
    /// The authority with this `chain`, leaf-most first and the root last.
    pub(crate) fn new(mut chain: Vec<CertificateDer<'static>>, window: Window) -> Result<Self> {
        let root = chain.pop().ok_or_else(|| invalid("an authority has no certificates"))?;
        let anchor = |der: &CertificateDer<'_>| {
            anchor_from_trusted_cert(der)
                .map(|anchor| anchor.to_owned())
                .map_err(|e| invalid("an authority's certificate cannot be read").found(e.to_string()))
        };
        let issuers = chain
            .iter()
            .map(|der| Ok(Issuer { der: der.clone(), anchor: anchor(der)?, verified: OnceLock::new() }))
            .collect::<Result<_>>()?;
        Ok(Self { window, root_anchor: anchor(&root)?, intermediates: chain, root, issuers })
    }

    /// Whether one of its certificates has this name, DER: only they can have issued a leaf.
    fn has_subject(&self, name: &[u8]) -> bool {
        let anchors = self.issuers.iter().map(|issuer| &issuer.anchor).chain([&self.root_anchor]);
        // An anchor's name has no header.
        anchors.into_iter().any(|anchor| !anchor.subject.is_empty() && name.ends_with(&anchor.subject))
    }

    /// Builds the path from `leaf` over any of the intermediates to the root, valid at `time`.
    pub(crate) fn path(&self, leaf: &Certificate, time: Timestamp) -> Result<Path> {
        if !self.has_subject(&leaf.issuer_name) {
            return Err(Error::new(
                Code::CertificateUntrusted,
                "the certificate does not chain to a trusted authority",
            )
            .found("another issuer"));
        }
        let leaf_der = CertificateDer::from(leaf.der());
        let end_entity = EndEntityCert::try_from(&leaf_der).map_err(|e| failure(e, leaf, time))?;
        // The anchor stands for what was verified above it, and its own name constraints still hold.
        for issuer in &self.issuers {
            let Some(above) = issuer.verified.get() else { continue };
            let anchor = std::slice::from_ref(&issuer.anchor);
            if verify(&end_entity, anchor, &[], &ID_KP_CODE_SIGNING, time).is_ok() {
                return Path { leaf: leaf.validity(), above: above.clone() }.holding_at(time);
            }
        }
        let anchor = std::slice::from_ref(&self.root_anchor);
        let path = verify(&end_entity, anchor, &self.intermediates, &ID_KP_CODE_SIGNING, time)
            .map_err(|e| failure(e, leaf, time))?;
        let intermediates: Vec<_> = path.intermediate_certificates().map(|cert| cert.der()).collect();
        let issuer_key_hash = Digest::sha256(&path.issuer_spki());
        let (validities, constrained) = check_above(intermediates.iter().chain([&self.root]))?;
        let above = Above { validities, issuer_key_hash };
        let issuer = intermediates.first();
        if let Some(issuer) = self.issuers.iter().find(|known| Some(&known.der) == issuer)
            && !constrained
        {
            // Another thread may have been first, with the same.
            let _ = issuer.verified.set(above.clone());
        }
        Path { leaf: leaf.validity(), above }.holding_at(time)
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").field("window", &self.window).finish_non_exhaustive()
    }
}

impl Path {
    fn holding_at(self, time: Timestamp) -> Result<Self> {
        self.check_at(time)?;
        let mut child = self.leaf;
        for validity in &self.above.validities {
            if !child.within(*validity) {
                return Err(invalid("a certificate is valid for longer than its issuer").expected(validity));
            }
            child = *validity;
        }
        Ok(self)
    }

    /// Whether every certificate of the path, the root included, is valid at `time`.
    pub(crate) fn check_at(&self, time: Timestamp) -> Result<()> {
        let mut all = std::iter::once(&self.leaf).chain(&self.above.validities);
        match all.find(|validity| !validity.contains(time)) {
            None => Ok(()),
            Some(validity) => {
                Err(Error::new(Code::CertificateExpired, "the certificate was not valid at a trusted time")
                    .expected(validity)
                    .found(time))
            }
        }
    }

    /// SHA-256 over the key of the leaf's issuer, as it was verified.
    pub(crate) fn issuer_key_hash(&self) -> &Digest {
        &self.above.issuer_key_hash
    }
}

/// Checks the path of a certificate that is trusted itself, for `purpose`, at `time`. Answers the validity
/// of each certificate above it: what has to hold at any other time.
pub(crate) fn check_path_to_anchor(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'static>],
    root: &CertificateDer<'static>,
    purpose: &'static ObjectIdentifier,
    time: Timestamp,
) -> Result<Vec<Validity>> {
    let untrusted = |e: webpki::Error| {
        Error::new(Code::CertificateUntrusted, "the certificate does not chain to its root")
            .found(e.to_string())
    };
    let anchor = anchor_from_trusted_cert(root).map_err(untrusted)?;
    let end_entity = EndEntityCert::try_from(leaf).map_err(untrusted)?;
    let anchors = [anchor];
    let path = verify(&end_entity, &anchors, intermediates, purpose, time).map_err(untrusted)?;
    let above: Vec<_> = path.intermediate_certificates().map(|cert| cert.der()).collect();
    // An authority of one certificate has nothing above it.
    let root = (root != leaf).then_some(root);
    Ok(check_above(above.iter().chain(root))?.0)
}

fn verify<'a>(
    leaf: &'a EndEntityCert<'a>,
    anchors: &'a [TrustAnchor<'a>],
    intermediates: &'a [CertificateDer<'a>],
    purpose: &'static ObjectIdentifier,
    time: Timestamp,
) -> Result<webpki::VerifiedPath<'a>, webpki::Error> {
    let seconds = u64::try_from(time.as_second()).map_err(|_| webpki::Error::CertNotValidYet {
        time: UnixTime::since_unix_epoch(Duration::ZERO),
        not_before: UnixTime::since_unix_epoch(Duration::ZERO),
    })?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    // Production's authorities of 2021 name no purpose; leaves are checked for theirs beside this.
    let usage = KeyUsage::required_if_present(purpose.as_bytes());
    leaf.verify_for_usage(WEBPKI_VERIFICATION_ALGS, anchors, intermediates, time, usage, None, None)
}

/// Checks each authority of a path, leaf-most first. Answers their validities, and whether one above the
/// first constrains names: such a path depends on the leaf.
fn check_above<'a>(
    authorities: impl Iterator<Item = &'a CertificateDer<'a>>,
) -> Result<(Vec<Validity>, bool)> {
    let (mut validities, mut constrained) = (Vec::new(), false);
    for der in authorities {
        let authority = parse_der(der)?;
        profile::check_authority(&authority)?;
        let mut extensions = authority.tbs_certificate.extensions.iter().flatten();
        constrained |= !validities.is_empty() && extensions.any(|e| e.extn_id == NameConstraints::OID);
        validities.push(Validity::of(&authority)?);
    }
    Ok((validities, constrained))
}

fn failure(error: webpki::Error, leaf: &Certificate, time: Timestamp) -> Error {
    match error {
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
            Error::new(Code::CertificateExpired, "the certificate chain was not valid at a trusted time")
                .expected(leaf.validity())
                .found(time)
        }
        e => Error::new(Code::CertificateUntrusted, "the certificate does not chain to a trusted authority")
            .found(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
    use x509_cert::ext::pkix::name::GeneralName;

    use super::super::testing::{Key, Wish, at, authority, code_signer, extension, issue};
    use super::*;

    const ROOT: &str = "CN=root";
    const ISSUER: &str = "CN=issuer";

    /// A root, valid for long, and an issuer under it, valid from 100 to 500.
    struct Pki {
        issuer_key: Key,
        authority: CertificateAuthority,
    }

    impl Pki {
        fn new(root_extensions: Vec<x509_cert::ext::Extension>) -> Self {
            let (root_key, issuer_key) = (Key::new(), Key::new());
            let root = Wish { subject: ROOT, issuer: ROOT, validity: (1, 9000), extensions: root_extensions };
            let issuer =
                Wish { subject: ISSUER, issuer: ROOT, validity: (100, 500), extensions: authority() };
            let chain = vec![
                CertificateDer::from(issue(issuer, &issuer_key, &root_key)),
                CertificateDer::from(issue(root, &root_key, &root_key)),
            ];
            let window = Window::open(Timestamp::UNIX_EPOCH);
            Self { issuer_key, authority: CertificateAuthority::new(chain, window).unwrap() }
        }

        fn leaf(&self, validity: (u64, u64)) -> Certificate {
            leaf(validity, &self.issuer_key)
        }

        fn code(&self, leaf: &Certificate, second: i64) -> Option<Code> {
            self.authority.path(leaf, at(second)).err().map(|e| e.code())
        }

        fn remembered(&self) -> bool {
            self.authority.issuers[0].verified.get().is_some()
        }
    }

    fn leaf(validity: (u64, u64), issuer: &Key) -> Certificate {
        let wish = Wish { subject: "", issuer: ISSUER, validity, extensions: code_signer() };
        Certificate::parse(&issue(wish, &Key::new(), issuer)).unwrap()
    }

    #[test]
    fn an_intermediates_own_validity_counts_the_first_time_and_later() {
        let pki = Pki::new(authority());
        let (good, late) = (pki.leaf((200, 300)), pki.leaf((400, 600)));
        for remembered in [false, true] {
            assert_eq!(pki.remembered(), remembered);
            // Expired at its issuer's end, though valid itself; and outliving it even before that.
            assert_eq!(pki.code(&late, 501), Some(Code::CertificateExpired));
            assert_eq!(pki.code(&late, 450), Some(Code::CertificateInvalid));
            assert_eq!(pki.code(&good, 199), Some(Code::CertificateExpired));
            assert_eq!(pki.code(&good, 301), Some(Code::CertificateExpired));
            assert_eq!(pki.code(&good, -1), Some(Code::CertificateExpired));
            let path = pki.authority.path(&good, at(200)).unwrap();
            path.check_at(at(300)).unwrap();
            assert_eq!(path.check_at(at(301)).unwrap_err().code(), Code::CertificateExpired);
        }
    }

    #[test]
    fn what_is_remembered_vouches_for_nobody_else() {
        let pki = Pki::new(authority());
        let forged = leaf((200, 300), &Key::new());
        assert_eq!(pki.code(&forged, 250), Some(Code::CertificateUntrusted));
        assert!(!pki.remembered(), "a forged leaf must not leave anything behind");
        assert_eq!(pki.code(&pki.leaf((200, 300)), 250), None);
        assert!(pki.remembered());
        assert_eq!(pki.code(&forged, 250), Some(Code::CertificateUntrusted));
    }

    #[test]
    fn paths_with_constrained_names_are_built_anew() {
        let name = GeneralName::DnsName(der::asn1::Ia5String::new("example.com").unwrap());
        let permitted = vec![GeneralSubtree { base: name, minimum: 0, maximum: None }];
        let constraints = NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None };
        let mut extensions = authority();
        extensions.push(extension(&constraints, true));
        let pki = Pki::new(extensions);
        assert_eq!(pki.code(&pki.leaf((200, 300)), 250), None);
        assert!(!pki.remembered());
    }

    #[test]
    fn an_issuer_that_may_not_issue_is_none() {
        use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
        let constraints =
            |critical| extension(&BasicConstraints { ca: true, path_len_constraint: None }, critical);
        let usage = |usage: KeyUsages| extension(&KeyUsage(usage.into()), true);
        for extensions in [
            vec![constraints(true)],
            vec![constraints(true), usage(KeyUsages::DigitalSignature)],
            vec![constraints(false), usage(KeyUsages::KeyCertSign)],
        ] {
            let pki = Pki::new(extensions);
            assert_eq!(pki.code(&pki.leaf((200, 300)), 250), Some(Code::CertificateInvalid));
        }
    }
}
