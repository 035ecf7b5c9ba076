//! From a leaf to a trusted root, at a moment in time.
//!
//! Source: RFC 5280 §6. Signatures, names, path length and purposes are `webpki`'s work; key usage
//! and the validity of the root, which it leaves alone, are checked here.

use std::time::Duration;

use const_oid::db::rfc5280::ID_KP_CODE_SIGNING;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use sigstore_crypto::WEBPKI_VERIFICATION_ALGS;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{Certificate, Validity, invalid, parse_der, profile};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// A verified path. It holds for every moment at which all its certificates are valid.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    validities: Vec<Validity>,
    issuer_key_hash: Digest,
}

impl Path {
    /// Builds the path from `leaf` over any of `intermediates` to `root`, valid at `time`.
    pub(crate) fn build(
        leaf: &Certificate,
        intermediates: &[CertificateDer<'_>],
        root: &CertificateDer<'_>,
        time: Timestamp,
    ) -> Result<Self> {
        let untrusted = |e: webpki::Error| match e {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
                Error::new(Code::CertificateExpired, "the certificate chain was not valid at a trusted time")
                    .expected(leaf.validity())
                    .found(time)
            }
            e => Error::new(
                Code::CertificateUntrusted,
                "the certificate does not chain to a trusted authority",
            )
            .found(e.to_string()),
        };
        let anchor = anchor_from_trusted_cert(root).map_err(untrusted)?;
        let leaf_der = CertificateDer::from(leaf.der());
        let end_entity = EndEntityCert::try_from(&leaf_der).map_err(untrusted)?;
        let seconds = u64::try_from(time.as_second()).map_err(|_| invalid("a time before 1970"))?;
        let anchors = [anchor];
        let path = end_entity
            .verify_for_usage(
                WEBPKI_VERIFICATION_ALGS,
                &anchors,
                intermediates,
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                KeyUsage::required_if_present(ID_KP_CODE_SIGNING.as_bytes()),
                None,
                None,
            )
            .map_err(untrusted)?;

        let mut validities = vec![leaf.validity()];
        let authorities = path.intermediate_certificates().map(|c| c.der()).chain([root.clone()]);
        for der in authorities {
            let authority = parse_der(&der)?;
            profile::check_authority(&authority)?;
            let validity = Validity::of(&authority)?;
            if validities.last().is_some_and(|child| !child.within(validity)) {
                return Err(invalid("a certificate is valid for longer than its issuer").expected(validity));
            }
            validities.push(validity);
        }
        let path = Self { validities, issuer_key_hash: Digest::sha256(&path.issuer_spki()) };
        path.check_at(time)?;
        Ok(path)
    }

    /// Whether every certificate of the path, the root included, is valid at `time`.
    pub(crate) fn check_at(&self, time: Timestamp) -> Result<()> {
        match self.validities.iter().find(|validity| !validity.contains(time)) {
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
        &self.issuer_key_hash
    }
}
