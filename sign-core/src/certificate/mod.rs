//! Signing certificates: who may sign with which key, and when.

mod chain;
mod claims;
mod profile;
mod raw;
mod sct;
#[cfg(test)]
pub(crate) mod testing;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;
use der::Decode as _;
use der::asn1::Utf8StringRef;
use jiff::Timestamp;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};

pub(crate) use chain::{CertificateAuthority, Path, check_path_to_anchor};
pub use claims::Claim;
pub(crate) use profile::{check_leaf, check_time_stamper};
pub(crate) use sct::{Sct, embedded_scts};

use crate::clock::Window;
use crate::crypto::PublicKey;
use crate::error::{Code, Error, Result};

/// `otherName` type in which Fulcio puts names that are neither an address nor a URI.
const OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// A Fulcio signing certificate, parsed but not trusted.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    /// Name of the issuer, DER.
    issuer_name: Vec<u8>,
    public_key: Vec<u8>,
    parsed: x509_cert::Certificate,
    validity: Validity,
    san: SubjectAltName,
    claims: BTreeMap<Claim, String>,
}

/// A certificate transparency log that is trusted.
#[derive(Debug)]
pub(crate) struct CtLog {
    pub(crate) url: String,
    /// Who runs it; what thresholds count.
    pub(crate) authority: String,
    pub(crate) id: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) window: Window,
}

/// The one name a certificate is issued to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectAltName {
    /// An address.
    Email(String),
    /// A workflow, a service account, a SPIFFE identity.
    Uri(String),
    /// A user name.
    OtherName(String),
}

impl SubjectAltName {
    /// The name without its kind; what identity patterns are compared with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(name) | Self::Uri(name) | Self::OtherName(name) => name,
        }
    }
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A closed interval of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Validity {
    pub(crate) fn of(certificate: &x509_cert::Certificate) -> Result<Self> {
        let time = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs())
                .ok()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .ok_or_else(|| invalid("the validity is out of range"))
        };
        let validity = certificate.tbs_certificate.validity;
        Ok(Self { not_before: time(validity.not_before)?, not_after: time(validity.not_after)? })
    }

    pub(crate) fn contains(self, time: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&time)
    }

    fn within(self, outer: Self) -> bool {
        self.not_before >= outer.not_before && self.not_after <= outer.not_after
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.not_before, self.not_after)
    }
}

impl Certificate {
    /// Parses a DER certificate that names exactly one signer.
    ///
    /// # Errors
    /// [`Code::CertificateInvalid`]
    pub fn parse(der: &[u8]) -> Result<Self> {
        let parsed = parse_der(der)?;
        let extensions = || {
            let all = parsed.tbs_certificate.extensions.iter().flatten();
            all.map(|extension| (extension.extn_id, extension.extn_value.as_bytes()))
        };
        let names = extensions()
            .find(|(oid, _)| *oid == ID_CE_SUBJECT_ALT_NAME)
            .map(|(_, value)| value)
            .ok_or_else(|| invalid("the certificate has no subject alternative name"))?;
        let san = subject_alt_name(names)?;
        let claims = claims::read(extensions())?;
        claims::check_consistent(&claims)?;
        let parts = raw::Parts::of(der).map_err(|e| invalid("the certificate has no parts").caused_by(e))?;
        let (Some(issuer_name), Some(public_key)) = (parts.issuer(), parts.public_key()) else {
            return Err(invalid("the certificate has no issuer or no key"));
        };
        let (issuer_name, public_key) = (issuer_name.to_vec(), public_key.to_vec());
        let validity = Validity::of(&parsed)?;
        Ok(Self { der: der.to_vec(), issuer_name, public_key, parsed, validity, san, claims })
    }

    /// The certificate's bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The `SubjectPublicKeyInfo`, DER.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key
    }

    /// Start of the validity, included.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.validity.not_before
    }

    /// End of the validity, included.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    /// Who signs.
    #[must_use]
    pub fn san(&self) -> &SubjectAltName {
        &self.san
    }

    /// The OIDC issuer that vouched for the signer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claim(Claim::Issuer).or_else(|| self.claim(Claim::IssuerV1))
    }

    /// What the certificate says about the identity token.
    #[must_use]
    pub fn claim(&self, claim: Claim) -> Option<&str> {
        self.claims.get(&claim).map(String::as_str)
    }

    /// The claim, or what the extension that replaced it, or that it replaced, says of the same thing.
    /// Certificates of different years carry one, the other or both; where both, they agree.
    #[must_use]
    pub fn claim_in_any_form(&self, claim: Claim) -> Option<Cow<'_, str>> {
        claims::in_any_form(&self.claims, claim)
    }

    /// All claims, by extension number.
    pub fn claims(&self) -> impl Iterator<Item = (Claim, &str)> {
        self.claims.iter().map(|(claim, text)| (*claim, text.as_str()))
    }

    pub(crate) fn validity(&self) -> Validity {
        self.validity
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("san", &self.san)
            .field("claims", &self.claims)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// Parses any certificate; two extensions of one kind are refused, because two readers could
/// each believe another (RFC 5280 §4.2).
fn parse_der(der: &[u8]) -> Result<x509_cert::Certificate> {
    let parsed = x509_cert::Certificate::from_der(der)
        .map_err(|e| invalid("not an X.509 certificate").found(e.to_string()))?;
    let extensions = parsed.tbs_certificate.extensions.as_deref().unwrap_or_default();
    let mut oids: Vec<_> = extensions.iter().map(|extension| extension.extn_id).collect();
    oids.sort_unstable();
    if oids.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(invalid("the certificate has an extension twice"));
    }
    Ok(parsed)
}

/// Whether a certificate names itself as its issuer, as roots do.
pub(crate) fn is_self_issued(der: &[u8]) -> Result<bool> {
    let parsed = parse_der(der)?;
    Ok(parsed.tbs_certificate.issuer == parsed.tbs_certificate.subject)
}

fn subject_alt_name(der: &[u8]) -> Result<SubjectAltName> {
    let names = GeneralNames::from_der(der)
        .map_err(|e| invalid("the subject alternative name cannot be read").found(e.to_string()))?;
    let [name] = names.as_slice() else {
        // With several names, two readers could each pick another signer.
        return Err(invalid("wrong number of subject alternative names").expected("1").found(names.len()));
    };
    let name = match name {
        GeneralName::Rfc822Name(email) => SubjectAltName::Email(email.to_string()),
        GeneralName::UniformResourceIdentifier(uri) => SubjectAltName::Uri(uri.to_string()),
        GeneralName::OtherName(other) if other.type_id == OTHER_NAME => {
            let text = other
                .value
                .decode_as::<Utf8StringRef<'_>>()
                .map_err(|e| invalid("the subject alternative name is not text").found(e.to_string()))?;
            SubjectAltName::OtherName(text.as_str().to_owned())
        }
        _ => {
            return Err(invalid("unknown kind of subject alternative name")
                .expected("an address, a URI or Fulcio's user name"));
        }
    };
    if name.as_str().is_empty() {
        return Err(invalid("the subject alternative name is empty"));
    }
    Ok(name)
}

fn invalid(message: &str) -> Error {
    Error::new(Code::CertificateInvalid, message)
}
