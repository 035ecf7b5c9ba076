//! The profile that Fulcio issues by, enforced on what is presented.
//!
//! Source: Sigstore client specification and Fulcio certificate specification.

use const_oid::AssociatedOid;
use const_oid::db::rfc5280::{ID_KP_CODE_SIGNING, ID_KP_TIME_STAMPING};
use const_oid::db::rfc6962::CT_PRECERT_POISON;
use der::Decode;
use x509_cert::Version;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::{Certificate, invalid};
use crate::error::Result;

/// What a leaf must look like: it signs code, nothing else, and is no authority.
pub(crate) fn check_leaf(certificate: &Certificate) -> Result<()> {
    let parsed = &certificate.parsed;
    if parsed.tbs_certificate.version != Version::V3 {
        return Err(invalid("the certificate is not of version 3"));
    }
    let usage: KeyUsage = required(parsed, "key usage")?.1;
    if !usage.digital_signature() || usage.key_cert_sign() || usage.crl_sign() {
        return Err(invalid("wrong key usage")
            .expected("digitalSignature, and nothing an authority does")
            .found(format!("{:?}", usage.0)));
    }
    let purposes: ExtendedKeyUsage = required(parsed, "extended key usage")?.1;
    if purposes.0 != [ID_KP_CODE_SIGNING] {
        // A certificate for servers or time stamping must not pass as a signer's.
        return Err(invalid("wrong extended key usage").expected("codeSigning alone"));
    }
    if let Some((_, constraints)) = optional::<BasicConstraints>(parsed, "basic constraints")?
        && constraints.ca
    {
        return Err(invalid("the signing certificate is an authority's"));
    }
    let (critical, _): (bool, SubjectAltName) = required(parsed, "subject alternative name")?;
    if critical != parsed.tbs_certificate.subject.0.is_empty() {
        return Err(invalid("wrong criticality of the subject alternative name")
            .expected("critical exactly when the subject is empty"));
    }
    if extensions(parsed).any(|extension| extension.extn_id == CT_PRECERT_POISON) {
        return Err(invalid("the certificate is a precertificate"));
    }
    Ok(())
}

/// What a timestamp authority's own certificate must look like (RFC 3161 §2.3): it stamps times, nothing
/// else, and every reader must understand that.
pub(crate) fn check_time_stamper(parsed: &x509_cert::Certificate) -> Result<()> {
    let (critical, purposes): (bool, ExtendedKeyUsage) = required(parsed, "extended key usage")?;
    if !critical || purposes.0 != [ID_KP_TIME_STAMPING] {
        return Err(invalid("wrong extended key usage").expected("timeStamping alone, and critical"));
    }
    if let Some((_, usage)) = optional::<KeyUsage>(parsed, "key usage")?
        && !usage.digital_signature()
        && !usage.non_repudiation()
    {
        return Err(invalid("wrong key usage").expected("digitalSignature or nonRepudiation"));
    }
    Ok(())
}

/// What an authority in the chain must look like; path building checks path length and purposes.
pub(super) fn check_authority(parsed: &x509_cert::Certificate) -> Result<()> {
    let (critical, constraints): (bool, BasicConstraints) = required(parsed, "basic constraints")?;
    if !critical || !constraints.ca {
        return Err(invalid("a certificate in the chain is no authority's"));
    }
    let (_, usage): (bool, KeyUsage) = required(parsed, "key usage")?;
    if !usage.key_cert_sign() {
        return Err(invalid("an authority in the chain may not sign certificates").expected("keyCertSign"));
    }
    Ok(())
}

fn extensions(parsed: &x509_cert::Certificate) -> impl Iterator<Item = &x509_cert::ext::Extension> {
    parsed.tbs_certificate.extensions.iter().flatten()
}

fn optional<'a, T: AssociatedOid + Decode<'a>>(
    parsed: &'a x509_cert::Certificate,
    name: &str,
) -> Result<Option<(bool, T)>> {
    let Some(extension) = extensions(parsed).find(|extension| extension.extn_id == T::OID) else {
        return Ok(None);
    };
    let value = T::from_der(extension.extn_value.as_bytes())
        .map_err(|e| invalid(&format!("the {name} cannot be read")).found(e.to_string()))?;
    Ok(Some((extension.critical, value)))
}

fn required<'a, T: AssociatedOid + Decode<'a>>(
    parsed: &'a x509_cert::Certificate,
    name: &str,
) -> Result<(bool, T)> {
    optional(parsed, name)?.ok_or_else(|| invalid(&format!("a certificate has no {name}")))
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5280::ID_KP_SERVER_AUTH;
    use der::asn1::{Ia5String, Null};
    use x509_cert::ext::Extension;
    use x509_cert::ext::pkix::KeyUsages;
    use x509_cert::ext::pkix::name::GeneralName;

    use super::super::testing::{Key, Wish, code_signer, extension, issue};
    use super::*;
    use crate::error::Code;

    fn code(subject: &str, extensions: Vec<Extension>) -> Option<Code> {
        let wish = Wish { subject, issuer: "CN=issuer", validity: (1, 2), extensions };
        let der = issue(wish, &Key::new(), &Key::new());
        Certificate::parse(&der).and_then(|leaf| check_leaf(&leaf)).err().map(|e| e.code())
    }

    #[test]
    fn gap_6_a_leaf_signs_code_and_does_nothing_else() {
        assert_eq!(code("", code_signer()), None);
        let usage = |usage: KeyUsages| extension(&KeyUsage(usage.into()), true);
        let purposes = |purposes: &[_]| extension(&ExtendedKeyUsage(purposes.to_vec()), false);
        let email = |critical| {
            let name = GeneralName::Rfc822Name(Ia5String::new("dev@example.com").unwrap());
            extension(&SubjectAltName(vec![name]), critical)
        };
        let with = |position: usize, other: Extension| {
            let mut extensions = code_signer();
            extensions[position] = other;
            extensions
        };
        // GitHub's release certificates name a subject beside the critical-less SAN.
        assert_eq!(code("CN=subject", with(2, email(false))), None);
        for (subject, extensions) in [
            ("", with(0, usage(KeyUsages::KeyAgreement))),
            ("", with(0, extension(&KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign), true))),
            ("", with(0, extension(&KeyUsage(KeyUsages::DigitalSignature | KeyUsages::CRLSign), true))),
            ("", with(1, purposes(&[ID_KP_TIME_STAMPING]))),
            ("", with(1, purposes(&[ID_KP_CODE_SIGNING, ID_KP_SERVER_AUTH]))),
            ("", with(1, purposes(&[]))),
            ("", with(2, email(false))),
            ("CN=subject", code_signer()),
            ("", code_signer()[1..].to_vec()),
            ("", vec![usage(KeyUsages::DigitalSignature), email(true)]),
            ("", code_signer()[..2].to_vec()),
        ] {
            assert_eq!(code(subject, extensions.clone()), Some(Code::CertificateInvalid), "{extensions:?}");
        }
        let more = |more: Extension| [code_signer(), vec![more]].concat();
        let authority = extension(&BasicConstraints { ca: true, path_len_constraint: None }, true);
        let null = der::asn1::OctetString::new(der::Encode::to_der(&Null).unwrap()).unwrap();
        let poison = Extension { extn_id: CT_PRECERT_POISON, critical: true, extn_value: null };
        for extensions in [more(authority), more(poison), more(email(true))] {
            assert_eq!(code("", extensions.clone()), Some(Code::CertificateInvalid), "{extensions:?}");
        }
    }
}
