//! Step 1, and who signed: the key material of a bundle against whose signature is asked for.

use jiff::Timestamp;

use super::verdict::Record;
use super::verified::VerifiedSigner;
use super::{Context, Requirement, key};
use crate::bundle::{Bundle, BundleVersion, KeyMaterial};
use crate::certificate::{Certificate, is_self_issued};
use crate::crypto::PublicKey;
use crate::error::{Code, Error, Result};
use crate::tlog::{Body, EntryVerifier};

/// What the signer is known by.
pub(super) enum Material {
    /// The leaf certificate, DER.
    Certificate(Vec<u8>),
    /// A key that the caller knows.
    Key(PublicKey),
}

/// Who signed, as the later steps need it.
pub(super) struct Signer {
    pub(super) verified: VerifiedSigner,
    pub(super) key: PublicKey,
    /// What a log entry names: the certificate, or the key.
    pub(super) verifier_der: Vec<u8>,
}

/// Checks that the bundle was made with the kind of key that is asked for.
pub(super) fn check(bundle: &Bundle, requirement: Option<&Requirement>) -> Result<(Material, String)> {
    let mismatch = |message: &str| Error::new(Code::KeyMaterialMismatch, message);
    let version = match bundle.version {
        BundleVersion::Legacy => "cosign's older form",
        BundleVersion::V0_1 => "version 0.1",
        BundleVersion::V0_2 => "version 0.2",
        BundleVersion::V0_3 => "version 0.3",
    };
    match (&bundle.key_material, requirement) {
        (KeyMaterial::PublicKey { .. }, Some(Requirement::Key(key))) => {
            Ok((Material::Key(key.clone()), format!("{version}, with a key")))
        }
        (KeyMaterial::PublicKey { .. }, Some(Requirement::Identities(_))) => {
            Err(mismatch("the bundle was signed with a key, not with an identity")
                .expected("a certificate")
                .found("a key hint")
                .hint("verify it with --key, if you know whose key it is"))
        }
        (KeyMaterial::PublicKey { .. }, None) => {
            let key = logged_key(bundle).ok_or_else(|| {
                mismatch("the bundle was signed with a key, and neither it nor a log entry holds that")
                    .hint("verify it with --key, if you know whose key it is")
            })?;
            Ok((Material::Key(key), format!("{version}, with a key that its log entry names")))
        }
        (_, Some(Requirement::Key(_))) => {
            Err(mismatch("the bundle was signed with an identity, not with a key")
                .expected("a key hint")
                .found("a certificate")
                .hint("verify it with an identity and an issuer"))
        }
        (KeyMaterial::Certificate(der), _) => {
            Ok((Material::Certificate(der.clone()), format!("{version}, with a certificate")))
        }
        (KeyMaterial::Chain(chain), _) => {
            check_no_root(chain)?;
            let leaf = chain.first().ok_or_else(|| {
                Error::new(Code::BundleMalformed, "the bundle has an empty certificate chain")
            })?;
            Ok((Material::Certificate(leaf.clone()), format!("{version}, with a certificate chain")))
        }
    }
}

/// The key that the first log entry names: a claim, good for finding out whether all else is consistent.
fn logged_key(bundle: &Bundle) -> Option<PublicKey> {
    let entry = bundle.log_entries.first()?;
    let body = Body::parse(&entry.kind, &entry.version, &entry.body).ok()?;
    match body.verifier() {
        EntryVerifier::PublicKey(der) => PublicKey::from_der(der).ok(),
        EntryVerifier::Certificate(_) => None,
    }
}

/// Checks the certificate and whose it is; a key that the caller knows needs neither.
pub(super) fn signer(
    context: &Context<'_>,
    material: Material,
    requirement: Option<&Requirement>,
    times: &[Timestamp],
    record: &mut Record,
) -> Result<Signer> {
    let der = match material {
        Material::Certificate(der) => der,
        Material::Key(key) => {
            record.skip("certificate", "signed with a key");
            let fingerprint = format!("the key {}", key.fingerprint());
            match requirement {
                Some(_) => record.check("identity", |_| Ok(((), fingerprint)))?,
                None => record.skip("identity", &format!("{fingerprint}; whose it is was not asked")),
            }
            let verifier_der = key.as_der().to_vec();
            return Ok(Signer { verified: VerifiedSigner::Key, key, verifier_der });
        }
    };
    let (certificate, key) = record.check("certificate", |record| {
        let certificate = Certificate::parse(&der)?;
        key::check_certificate(context, &certificate, times, record)?;
        let key = PublicKey::from_der(certificate.public_key_der())
            .map_err(|e| Error::new(Code::CertificateInvalid, "the certificate's key").caused_by(e))?;
        let evidence = format!("valid from {} to {}", certificate.not_before(), certificate.not_after());
        Ok(((certificate, key), evidence))
    })?;
    match requirement {
        Some(Requirement::Identities(policy)) => record.check("identity", |_| {
            policy.check(&certificate)?;
            let issuer = certificate.issuer().unwrap_or("no issuer");
            Ok(((), format!("{} from {issuer}", certificate.san())))
        })?,
        _ => record.skip("identity", "who should have signed was not asked"),
    }
    Ok(Signer { verified: VerifiedSigner::Certificate(Box::new(certificate)), key, verifier_der: der })
}

/// Before 0.3 a bundle may carry a chain, but never the root: a reader that trusted it would trust
/// whatever it is given.
fn check_no_root(chain: &[Vec<u8>]) -> Result<()> {
    for der in chain.iter().skip(1) {
        if is_self_issued(der)? {
            return Err(Error::new(Code::BundleMalformed, "the bundle carries a root certificate")
                .expected("the leaf, and intermediates at most")
                .hint("trust comes from the trusted root alone"));
        }
    }
    Ok(())
}
