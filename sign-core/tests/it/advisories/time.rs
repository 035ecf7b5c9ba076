//! Trusted times: who says so, about what, and whether anybody signed it.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{CertificateSet, SignedData, SignerInfos};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::ID_KP_CODE_SIGNING;
use const_oid::db::rfc5911::{ID_CONTENT_TYPE, ID_DATA};
use der::asn1::{OctetString, SetOfVec};
use der::{Any, Decode, Encode};
use serde_json::json;
use sign_core::{Code, Digest};
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::{Certificate, TbsCertificate};
use x509_tsp::TimeStampResp;

use super::kit::{Case, V1, V2, body, der_of, kit, logged, minutes, text};

/// RFC 5035 §3: which certificate the authority means.
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// Changes what no signature covers in the first timestamp.
fn rewrap(case: &mut Case, change: impl FnOnce(&mut SignedData)) {
    let mut response = TimeStampResp::from_der(&case.bundle.timestamps[0]).unwrap();
    let mut token = response.time_stamp_token.take().unwrap();
    let mut signed: SignedData = token.content.decode_as().unwrap();
    change(&mut signed);
    token.content = Any::encode_from(&signed).unwrap();
    let token: ContentInfo = token;
    response.time_stamp_token = Some(token);
    case.bundle.timestamps[0] = response.to_der().unwrap();
}

/// The signer's certificate of a timestamp.
fn embedded(response: &[u8]) -> CertificateChoices {
    signed_data(response).certificates.unwrap().0.get(0).unwrap().clone()
}

fn signed_data(response: &[u8]) -> SignedData {
    let response = TimeStampResp::from_der(response).unwrap();
    response.time_stamp_token.unwrap().content.decode_as().unwrap()
}

fn certificate(choice: &CertificateChoices) -> &Certificate {
    let CertificateChoices::Certificate(certificate) = choice else { panic!("{choice:?}") };
    certificate
}

/// The attacker's timestamp over the same signature, which claims to be by the trusted certificate.
fn impostor(case: &Case) -> Vec<u8> {
    let root = kit().own.trusted_root().unwrap();
    let trusted = der_of(&root["timestampAuthorities"][0]["certChain"]["certificates"][0]);
    kit()
        .stranger
        .timestamp(case.bundle.signature(), kit().now, |attributes| {
            let named = attributes.iter_mut().find(|a| a.oid == SIGNING_CERTIFICATE_V2).unwrap();
            let hash = OctetString::new(Digest::sha256(&trusted).as_bytes()).unwrap();
            // SEQUENCE of certs, of ids, of the hash.
            let (id, one) = (vec![hash], |ids: Vec<Vec<OctetString>>| vec![ids]);
            let value = Any::encode_from(&one(vec![id])).unwrap();
            named.values = SetOfVec::try_from(vec![value]).unwrap();
        })
        .unwrap()
}

#[test]
fn cve_2024_55655_a_time_that_no_promise_signs() {
    for mut case in [Case::message(V1), Case::envelope(V1)] {
        // With the promise alone it is dated; without it the number beside is only a number.
        case.bundle.timestamps.clear();
        case.refuses(Code::TimestampMissing, |case| case.entry().promise = None);
    }
}

#[test]
fn cve_2024_55655_a_backdated_promise() {
    for case in [Case::message(V1), Case::envelope(V1)] {
        case.refuses(Code::SetInvalid, |case| {
            let time = case.entry().integrated_time.unwrap();
            case.entry().integrated_time = Some(time - 60);
        });
    }
}

#[test]
fn tob_sigstore_rust_a_time_in_an_entry_that_nobody_dates() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        let now = kit().now.as_second();
        case.refuses(Code::LogEntryInvalid, |case| case.entry().integrated_time = Some(now));
    }
}

#[test]
fn tob_sigstore_rust_no_time_at_all() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::TimestampMissing, |case| case.bundle.timestamps.clear());
    }
}

#[test]
fn tob_sigstore_rust_every_time_counts_and_not_the_best() {
    for mut case in [Case::message(V1), Case::envelope(V1)] {
        let (own, now) = (&kit().own, kit().now);
        case.now = now + minutes(20);
        // The promise dates it within the certificate's ten minutes, the timestamp after them or before.
        case.refuses(Code::CertificateExpired, |case| case.stamp(own, now + minutes(11)));
        case.refuses(Code::CertificateExpired, |case| case.stamp(own, now - minutes(1)));
        // And the other way round.
        case.refuses(Code::CertificateExpired, |case| {
            let log = |at| logged(own, V1, body(&case.bundle, V1, &case.key), at);
            case.bundle.log_entries = vec![log(now + minutes(11))];
        });
        case.stamp(own, now + minutes(10));
        case.accepted();
    }
}

#[test]
fn tob_sigstore_rust_a_time_in_the_future() {
    for case in Case::all() {
        let seconds = |count| jiff::SignedDuration::from_secs(count);
        let mut tolerated = case.clone();
        tolerated.now = kit().now - seconds(60);
        tolerated.accepted();
        case.refuses(Code::TimeInFuture, |case| case.now = kit().now - seconds(61));
    }
}

#[test]
fn tob_sigstore_rust_an_authority_borrows_the_window_of_another() {
    for mut case in [Case::message(V2), Case::envelope(V2)] {
        let other = kit().stranger.trusted_root().unwrap()["timestampAuthorities"][0].clone();
        case.root["timestampAuthorities"].as_array_mut().unwrap().push(other);
        let closed = json!({ "start": text(kit().now - minutes(30)), "end": text(kit().now - minutes(20)) });
        case.refuses(Code::TimestampInvalid, |case| {
            case.root["timestampAuthorities"][0]["validFor"] = closed;
        });
    }
}

#[test]
fn cve_2026_49834_a_timestamp_that_is_there_twice() {
    for case in Case::all() {
        let told = case.refuses(Code::TimestampInvalid, |case| {
            let again = case.bundle.timestamps[0].clone();
            case.bundle.timestamps.push(again);
        });
        assert!(told.contains("twice"), "{told}");
    }
}

#[test]
fn sigstore_js_1702_two_timestamps_of_one_authority_are_by_one_authority() {
    let mut case = Case::message(V2);
    let later = kit().own.timestamp(case.bundle.signature(), kit().now + minutes(1), |_| ()).unwrap();
    case.bundle.timestamps.push(later);
    case.now = kit().now + minutes(1);
    assert_eq!(case.accepted().times().len(), 2);
    case.refuses(Code::ThresholdNotMet, |case| case.thresholds.timestamps = 2);
}

#[test]
fn cve_2026_39984_a_forged_certificate_beside_the_signers() {
    for mut case in [Case::message(V2), Case::envelope(V2)] {
        let forged = embedded(&impostor(&case));
        // Whatever lies in the bag: the signer is the trusted root's.
        let genuine = embedded(&case.bundle.timestamps[0]);
        let bag = CertificateSet::try_from(vec![forged, genuine]).unwrap();
        rewrap(&mut case, |signed| signed.certificates = Some(bag.clone()));
        let told = case.refuses(Code::TimestampInvalid, |case| {
            let named = signed_data(&case.bundle.timestamps[0]).signer_infos.0.get(0).unwrap().sid.clone();
            case.bundle.timestamps = vec![impostor(case)];
            rewrap(case, |signed| {
                let mut signer = signed.signer_infos.0.get(0).unwrap().clone();
                signer.sid = named;
                signed.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
                signed.certificates = Some(bag);
            });
        });
        assert!(told.contains("does not verify"), "{told}");
    }
}

#[test]
fn gitsign_pr_810_a_chain_that_only_the_bag_vouches_for() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        let told = case.refuses(Code::TimestampInvalid, |case| case.stamp(&kit().stranger, kit().now));
        assert!(told.contains("does not list"), "{told}");
    }
}

#[test]
fn cve_2025_52556_a_signature_by_another_key_than_the_certificates() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        let told = case.refuses(Code::TimestampInvalid, |case| {
            let forged = signed_data(&impostor(case)).signer_infos.0.get(0).unwrap().signature.clone();
            rewrap(case, |signed| {
                let mut signer = signed.signer_infos.0.get(0).unwrap().clone();
                signer.signature = forged;
                signed.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
            });
        });
        assert!(told.contains("does not verify"), "{told}");
    }
}

/// Another authority under the trusted root's own chain, with its certificate changed.
fn another_time_stamper(why: &str, change: impl Fn(&mut TbsCertificate)) {
    for case in [Case::message(V2), Case::envelope(V2)] {
        let told = case.refuses(Code::TimestampInvalid, |case| {
            let forge = kit().own.with_time_stamper(&change).unwrap();
            case.stamp(&forge, kit().now);
            case.root["timestampAuthorities"] = forge.trusted_root().unwrap()["timestampAuthorities"].clone();
        });
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn cve_2026_33753_a_signer_that_is_not_for_timestamps() {
    another_time_stamper("wrong extended key usage", |tbs| {
        let purpose = ExtendedKeyUsage(vec![ID_KP_CODE_SIGNING]).to_der().unwrap();
        let extensions = tbs.extensions.as_mut().unwrap();
        let usage = <ExtendedKeyUsage as const_oid::AssociatedOid>::OID;
        let usage = extensions.iter_mut().find(|extension| extension.extn_id == usage).unwrap();
        usage.extn_value = OctetString::new(purpose).unwrap();
    });
}

#[test]
fn cve_2026_33753_a_signer_whose_certificate_had_expired() {
    another_time_stamper("CertExpired", |tbs| tbs.validity = super::certificate::period(-60, -1));
}

#[test]
fn rustsec_2026_0046_two_signers() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        let told = case.refuses(Code::TimestampInvalid, |case| {
            let other = signed_data(&impostor(case)).signer_infos.0.get(0).unwrap().clone();
            rewrap(case, |signed| {
                let own = signed.signer_infos.0.get(0).unwrap().clone();
                signed.signer_infos = SignerInfos::try_from(vec![own, other]).unwrap();
            });
        });
        assert!(told.contains("number of signers"), "{told}");
    }
}

#[test]
fn rustsec_2026_0047_content_that_the_attributes_do_not_cover() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        // An hour earlier; signature and attributes are the genuine ones.
        let earlier = kit().own.timestamp(case.bundle.signature(), kit().now - minutes(60), |_| ()).unwrap();
        let told = case.refuses(Code::TimestampInvalid, |case| {
            rewrap(case, |signed| signed.encap_content_info = signed_data(&earlier).encap_content_info);
        });
        assert!(told.contains("something else was signed"), "{told}");
    }
}

#[test]
fn rustsec_2026_0047_no_signed_attributes() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::TimestampInvalid, |case| {
            rewrap(case, |signed| {
                let mut signer = signed.signer_infos.0.get(0).unwrap().clone();
                signer.signed_attrs = None;
                signed.signer_infos = SignerInfos::try_from(vec![signer]).unwrap();
            });
        });
    }
}

/// A timestamp by the right key whose signed attributes `change` has altered.
fn attributes(change: impl Fn(&mut Vec<Attribute>)) {
    for case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::TimestampInvalid, |case| {
            let stamp = kit().own.timestamp(case.bundle.signature(), kit().now, &change).unwrap();
            case.bundle.timestamps = vec![stamp];
        });
    }
}

#[test]
fn sigstore_rust_6_a_signed_content_type_that_is_no_timestamp() {
    attributes(|all| all.retain(|attribute| attribute.oid != ID_CONTENT_TYPE));
    attributes(|all| {
        let named = all.iter_mut().find(|attribute| attribute.oid == ID_CONTENT_TYPE).unwrap();
        named.values = SetOfVec::try_from(vec![Any::encode_from(&ID_DATA).unwrap()]).unwrap();
    });
}

#[test]
fn sigstore_rust_6_another_signing_certificate() {
    attributes(|all| all.retain(|attribute| attribute.oid != SIGNING_CERTIFICATE_V2));
    attributes(|all| {
        let named = all.iter_mut().find(|attribute| attribute.oid == SIGNING_CERTIFICATE_V2).unwrap();
        let mut der = named.values.get(0).unwrap().to_der().unwrap();
        let root = kit().own.trusted_root().unwrap();
        let leaf = der_of(&root["timestampAuthorities"][0]["certChain"]["certificates"][0]);
        let hash = Digest::sha256(&leaf);
        let at = der.windows(32).position(|bytes| bytes == hash.as_bytes()).unwrap();
        der[at] ^= 1;
        named.values = SetOfVec::try_from(vec![Any::from_der(&der).unwrap()]).unwrap();
    });
}

#[test]
fn cve_2026_39984_a_timestamp_over_something_else() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::TimestampInvalid, |case| {
            let other = kit().own.timestamp(b"something else", kit().now, |_| ()).unwrap();
            case.bundle.timestamps = vec![other];
        });
    }
}

#[test]
fn cve_2026_39984_the_authority_of_the_same_name_is_not_the_authority() {
    let case = Case::message(V2);
    let (own, other) = (embedded(&case.bundle.timestamps[0]), embedded(&impostor(&case)));
    assert_eq!(certificate(&own).tbs_certificate.subject, certificate(&other).tbs_certificate.subject);
    case.refuses(Code::TimestampInvalid, |case| {
        // The root lists the impostor's key under the right address, and not the right key.
        let chain = kit().stranger.trusted_root().unwrap()["timestampAuthorities"][0]["certChain"].clone();
        assert_ne!(der_of(&chain["certificates"][0]), own.to_der().unwrap());
        case.root["timestampAuthorities"][0]["certChain"] = chain;
    });
}
