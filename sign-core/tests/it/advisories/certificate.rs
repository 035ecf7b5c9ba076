//! Certificates: who issued them, when, for what, and whether it was shown to a CT log.

use const_oid::AssociatedOid;
use const_oid::db::rfc5280::{ID_KP_CODE_SIGNING, ID_KP_SERVER_AUTH};
use const_oid::db::rfc6962::CT_PRECERT_POISON;
use der::Encode;
use der::asn1::{OctetString, UtcTime};
use sign_core::{BundleVersion, Code, Digest, KeyMaterial};
use sign_sandbox::{Forge, Identity};
use x509_cert::TbsCertificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::time::{Time, Validity};

use super::kit::{CONTENT, Case, EMAIL, Key, V1, V2, kit, statement};

/// From and to, in minutes from now.
pub fn period(from: i64, to: i64) -> Validity {
    let time = |minutes: i64| {
        let seconds = u64::try_from(kit().now.as_second() + minutes * 60).unwrap();
        Time::UtcTime(UtcTime::from_unix_duration(std::time::Duration::from_secs(seconds)).unwrap())
    };
    Validity { not_before: time(from), not_after: time(to) }
}

fn set<T: AssociatedOid + Encode>(tbs: &mut TbsCertificate, critical: bool, value: &T) {
    let extensions = tbs.extensions.as_mut().unwrap();
    extensions.retain(|extension| extension.extn_id != T::OID);
    let extn_value = OctetString::new(value.to_der().unwrap()).unwrap();
    extensions.push(Extension { extn_id: T::OID, critical, extn_value });
}

/// Everything as in `good`, under another certificate.
fn recertified(good: &Case, forge: &Forge, change: impl Fn(&mut TbsCertificate)) -> Case {
    let payload = match &good.bundle.content {
        sign_core::Content::Dsse(_) => Some(statement(&Digest::sha256(CONTENT).hex())),
        sign_core::Content::Message(_) => None,
    };
    let log = if good.bundle.log_entries[0].promise.is_some() { V1 } else { V2 };
    Case::made(forge, log, payload, change)
}

/// A certificate that the right authority signed and `change` spoiled; logged and stamped like any.
fn leaf(code: Code, change: impl Fn(&mut TbsCertificate)) {
    for good in Case::all() {
        good.refuses(code, |case| *case = recertified(&good, &kit().own, &change));
    }
}

/// The same for the intermediate, which the trusted root lists as it is.
fn intermediate(code: Code, change: impl Fn(&mut TbsCertificate)) {
    authorities(code, &kit().own.with_intermediate(change).unwrap());
}

fn authorities(code: Code, forge: &Forge) {
    for good in Case::all() {
        good.refuses(code, |case| {
            *case = recertified(&good, forge, |_| ());
            case.root = forge.trusted_root().unwrap();
        });
    }
}

/// Certificates over the key of `good` with SCTs of the caller's choice.
fn with_scts(good: &Case, scts: impl Fn(&TbsCertificate) -> Vec<Vec<u8>>) -> Case {
    let kit = kit();
    let key = Key::new();
    let tbs = kit.own.precertificate(&Identity::email(EMAIL), key.spki(), kit.now).unwrap();
    let scts = scts(&tbs);
    let certificate = kit.own.certify(tbs, &scts).unwrap();
    let mut case = Case::with(&kit.own, V2, None, key, KeyMaterial::Certificate(certificate));
    case.root = good.root.clone();
    case
}

#[test]
fn cve_2026_24122_an_intermediate_that_had_expired() {
    intermediate(Code::CertificateExpired, |tbs| tbs.validity = period(-60, -1));
}

#[test]
fn cve_2026_24122_an_intermediate_that_was_not_valid_yet() {
    intermediate(Code::CertificateExpired, |tbs| tbs.validity = period(1, 60));
}

#[test]
fn cve_2026_24122_a_leaf_that_outlives_its_issuer() {
    intermediate(Code::CertificateInvalid, |tbs| tbs.validity = period(-60, 5));
}

#[test]
fn cve_2026_24122_a_root_that_its_intermediate_outlives() {
    authorities(
        Code::CertificateInvalid,
        &kit().own.with_root(|tbs| tbs.validity = period(-60, 60)).unwrap(),
    );
}

#[test]
fn cve_2026_24122_a_root_that_may_not_certify() {
    let changed = kit().own.with_root(|tbs| {
        set(tbs, true, &KeyUsage(KeyUsages::CRLSign.into()));
    });
    authorities(Code::CertificateInvalid, &changed.unwrap());
    let changed = kit().own.with_root(|tbs| {
        set(tbs, false, &BasicConstraints { ca: true, path_len_constraint: None });
    });
    authorities(Code::CertificateInvalid, &changed.unwrap());
}

#[test]
fn cve_2026_24122_an_intermediate_that_may_not_certify() {
    intermediate(Code::CertificateInvalid, |tbs| {
        set(tbs, true, &KeyUsage(KeyUsages::DigitalSignature.into()));
    });
    intermediate(Code::CertificateUntrusted, |tbs| {
        set(tbs, true, &BasicConstraints { ca: false, path_len_constraint: None });
    });
    intermediate(Code::CertificateUntrusted, |tbs| {
        set(tbs, false, &ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH]));
    });
}

#[test]
fn cve_2022_36056_a_certificate_by_another_authority_of_the_same_name() {
    let forge = kit().own.with_authorities_of(&kit().stranger);
    for good in Case::all() {
        good.refuses(Code::CertificateUntrusted, |case| *case = recertified(&good, &forge, |_| ()));
    }
}

#[test]
fn sigstore_rust_6_key_usage_of_the_leaf() {
    leaf(Code::CertificateInvalid, |tbs| set(tbs, true, &KeyUsage(KeyUsages::KeyEncipherment.into())));
    leaf(Code::CertificateInvalid, |tbs| {
        set(tbs, true, &KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign));
    });
    leaf(Code::CertificateInvalid, |tbs| {
        tbs.extensions.as_mut().unwrap().retain(|extension| extension.extn_id != KeyUsage::OID);
    });
}

#[test]
fn cve_2026_33753_a_leaf_for_another_purpose() {
    leaf(Code::CertificateInvalid, |tbs| set(tbs, false, &ExtendedKeyUsage(vec![ID_KP_SERVER_AUTH])));
    leaf(Code::CertificateInvalid, |tbs| {
        set(tbs, false, &ExtendedKeyUsage(vec![ID_KP_CODE_SIGNING, ID_KP_SERVER_AUTH]));
    });
}

#[test]
fn cve_2026_33753_a_leaf_that_is_an_authority() {
    leaf(Code::CertificateInvalid, |tbs| {
        set(tbs, true, &BasicConstraints { ca: true, path_len_constraint: None });
    });
}

#[test]
fn cve_2022_36056_two_names_in_one_certificate() {
    leaf(Code::CertificateInvalid, |tbs| {
        let extensions = tbs.extensions.as_ref().unwrap();
        let names = extensions.iter().find(|extension| extension.extn_id == SubjectAltName::OID).unwrap();
        let mut names: SubjectAltName = der::Decode::from_der(names.extn_value.as_bytes()).unwrap();
        let second = names.0[0].clone();
        names.0.push(second);
        set(tbs, true, &names);
    });
}

#[test]
fn cve_2022_36056_a_precertificate_is_no_certificate() {
    leaf(Code::CertificateInvalid, |tbs| {
        let extn_value = OctetString::new([5, 0]).unwrap();
        let poison = Extension { extn_id: CT_PRECERT_POISON, critical: false, extn_value };
        tbs.extensions.as_mut().unwrap().push(poison);
    });
}

#[test]
fn tob_sigstore_rust_no_sct() {
    let good = Case::message(V2);
    good.refuses(Code::SctInvalid, |case| *case = with_scts(&good, |_| Vec::new()));
}

#[test]
fn tob_sigstore_rust_an_sct_by_a_log_that_the_root_does_not_list() {
    let (good, kit) = (Case::message(V2), kit());
    // Signed over the right bytes: only the log is another.
    good.refuses(Code::SctInvalid, |case| {
        case.root["ctlogs"] = kit.stranger.trusted_root().unwrap()["ctlogs"].clone();
    });
}

#[test]
fn tob_sigstore_rust_an_sct_over_another_certificate() {
    let (good, kit) = (Case::message(V2), kit());
    let told = good.refuses(Code::SctInvalid, |case| {
        *case = with_scts(&good, |tbs| {
            let mut other = tbs.clone();
            other.validity = period(0, 9);
            vec![kit.own.sct(&other, kit.now).unwrap()]
        });
    });
    assert!(told.contains("does not verify") && !told.contains("was trusted"), "{told}");
}

#[test]
fn tob_sigstore_rust_an_sct_for_an_issuer_of_the_same_name() {
    let (mut good, kit) = (Case::message(V2), kit());
    // Both authorities and both CT logs are trusted, and both intermediates have one name: the SCT by
    // the second log is over the key of the other issuer.
    let other = kit.stranger.trusted_root().unwrap();
    for list in ["certificateAuthorities", "ctlogs"] {
        good.root[list].as_array_mut().unwrap().insert(0, other[list][0].clone());
    }
    good.refuses(Code::SctInvalid, |case| {
        *case = with_scts(&good, |tbs| vec![kit.stranger.sct(tbs, kit.now).unwrap()]);
    });
}

#[test]
fn sigstore_rust_6_several_scts() {
    let (mut good, kit) = (Case::message(V2), kit());
    let log = kit.stranger.trusted_root().unwrap()["ctlogs"][0].clone();
    let both =
        |tbs: &TbsCertificate| vec![kit.own.sct(tbs, kit.now).unwrap(), kit.own.sct(tbs, kit.now).unwrap()];
    let twice = with_scts(&good, both);
    twice.accepted();
    // Two by one log are by one log.
    twice.refuses(Code::ThresholdNotMet, |case| case.thresholds.scts = 2);
    // One by a log that is not known proves nothing, and takes nothing away.
    let unknown = |tbs: &TbsCertificate| {
        vec![kit.stranger.sct(tbs, kit.now).unwrap(), kit.own.sct(tbs, kit.now).unwrap()]
    };
    with_scts(&good, unknown).accepted();
    // Once it is known, a wrong one is a contradiction.
    good.root["ctlogs"].as_array_mut().unwrap().push(log);
    good.refuses(Code::SctInvalid, |case| *case = with_scts(&good, unknown));
}

#[test]
fn cve_2026_44310_an_empty_list_of_certificates() {
    for good in Case::all() {
        let chain = |certificates: Vec<Vec<u8>>| {
            move |case: &mut Case| {
                case.bundle.version = BundleVersion::V0_2;
                case.bundle.key_material = KeyMaterial::Chain(certificates);
            }
        };
        let mut chained = good.clone();
        chain(vec![good.bundle.leaf_certificate().unwrap().to_vec()])(&mut chained);
        chained.accepted();
        good.refuses(Code::BundleMalformed, chain(Vec::new()));
        good.refuses(Code::CertificateInvalid, chain(vec![Vec::new()]));
        good.refuses(Code::CertificateInvalid, |case| {
            case.bundle.key_material = KeyMaterial::Certificate(Vec::new());
        });
    }
}

#[test]
fn cve_2026_24122_the_authority_that_issued_it_has_more_to_say() {
    let kit = kit();
    let forge = kit.own.with_intermediate(|tbs| tbs.validity = period(-60, -1)).unwrap();
    let listed = |forge: &Forge| forge.trusted_root().unwrap()["certificateAuthorities"][0].clone();
    for order in [[&forge, &kit.stranger], [&kit.stranger, &forge]] {
        let good = Case::message(V2);
        good.refuses(Code::CertificateExpired, |case| {
            *case = recertified(&good, &forge, |_| ());
            case.root["certificateAuthorities"] = serde_json::json!(order.map(listed));
        });
    }
}
