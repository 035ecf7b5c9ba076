//! What was signed: the right bytes, of the right type, about the right thing.

use serde_json::{Value, json};
use sign_core::{
    Artifact, Code, Content, Digest, EnvelopeSignature, HashAlgorithm, INTOTO_PAYLOAD_TYPE, TypeSelector,
};

use super::kit::{CONTENT, Case, RekorVersion, V1, V2, envelope, kit, statement};

/// Signs, logs and stamps another payload: all that the holder of the identity could do.
fn resign(case: &mut Case, log: RekorVersion, payload_type: &str, payload: Vec<u8>) {
    case.bundle.content = Content::Dsse(envelope(&case.key, payload_type, payload));
    case.log(&kit().own, log);
    case.stamp(&kit().own, kit().now);
}

fn payload(code: Code, payload: &[u8]) {
    for log in [V1, V2] {
        Case::envelope(log).refuses(code, |case| resign(case, log, INTOTO_PAYLOAD_TYPE, payload.to_vec()));
    }
}

fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(&statement(&Digest::sha256(CONTENT).hex())).unwrap();
    change(&mut json);
    json.to_string().into_bytes()
}

#[test]
fn cve_2022_35929_a_predicate_of_another_type() {
    let verified = Case::envelope(V2).accepted();
    let found = verified.statement().unwrap().predicate_type();
    assert!(TypeSelector::parse("https://example.com/predicate").unwrap().matches(found));
    for other in ["https://example.com/predicate2", "https://example.com/", "spdx", "cyclonedx"] {
        assert!(!TypeSelector::parse(other).unwrap().matches(found), "{other}");
    }
}

#[test]
fn cve_2022_35929_a_payload_of_another_type() {
    for log in [V1, V2] {
        let good = statement(&Digest::sha256(CONTENT).hex());
        for other in ["", "application/json", "application/vnd.in-toto+json ", "application/vnd.in-toto"] {
            Case::envelope(log).refuses(Code::EnvelopeInvalid, |case| resign(case, log, other, good.clone()));
        }
    }
}

#[test]
fn cve_2022_35930_a_statement_about_something_else() {
    payload(Code::SubjectMismatch, &statement(&Digest::sha256(b"other").hex()));
}

#[test]
fn cve_2026_39395_a_payload_that_is_no_statement() {
    for text in ["", "null", "[]", "{}", "\"text\"", "{\"_type\":1}", "not JSON", "\u{feff}{}"] {
        payload(Code::EnvelopeInvalid, text.as_bytes());
    }
    payload(Code::EnvelopeInvalid, &changed(|json| json["_type"] = json!("https://in-toto.io/Statement/v2")));
    payload(Code::EnvelopeInvalid, &changed(|json| json["predicateType"] = json!("")));
}

#[test]
fn cve_2026_31830_no_subject() {
    payload(Code::EnvelopeInvalid, &changed(|json| json["subject"] = json!([])));
    payload(Code::EnvelopeInvalid, &changed(|json| json["subject"] = Value::Null));
    payload(Code::EnvelopeInvalid, &changed(|json| json["subject"][0]["digest"] = json!({})));
}

#[test]
fn cve_2026_31830_the_right_digits_under_another_algorithm() {
    let digest = Digest::sha256(CONTENT).hex();
    payload(
        Code::SubjectMismatch,
        &changed(|json| json["subject"][0]["digest"] = json!({ "gitCommit": digest, "sha512": digest })),
    );
    let upper = digest.to_uppercase();
    payload(Code::SubjectMismatch, &changed(|json| json["subject"][0]["digest"]["sha256"] = json!(upper)));
}

#[test]
fn ghsa_r2xv_vpr2_42m9_the_same_name_with_another_digest() {
    let mut case = Case::envelope(V2);
    case.artifact = Artifact::from_digest(Digest::sha256(CONTENT));
    case.refuses(Code::SubjectMismatch, |case| {
        case.artifact = Artifact::from_digest(Digest::sha256(b"the artifact of that name"));
    });
    case.refuses(Code::SubjectMismatch, |case| {
        case.artifact = Artifact::from_digest(HashAlgorithm::Sha512.hash(CONTENT));
    });
}

#[test]
fn cve_2026_44309_only_the_bytes_as_they_were_received() {
    for log in [V1, V2] {
        // The same statement in another spelling, logged as it is, under the old signature.
        Case::envelope(log).refuses(Code::SignatureInvalid, |case| {
            let Content::Dsse(envelope) = &mut case.bundle.content else { unreachable!() };
            envelope.payload.push(b'\n');
            case.log(&kit().own, log);
        });
        for other in ["content\n", "content\r\n", " content", "CONTENT"] {
            Case::message(log).refuses(Code::DigestMismatch, |case| {
                case.artifact = Artifact::from_bytes(other.as_bytes());
            });
        }
    }
}

#[test]
fn cve_2022_36056_a_signature_over_something_else() {
    for log in [V1, V2] {
        Case::message(log).refuses(Code::SignatureInvalid, |case| {
            let Content::Message(message) = &mut case.bundle.content else { unreachable!() };
            message.signature = case.key.sign(b"other");
            case.log(&kit().own, log);
            case.stamp(&kit().own, kit().now);
        });
        Case::envelope(log).refuses(Code::SignatureInvalid, |case| {
            let Content::Dsse(envelope) = &mut case.bundle.content else { unreachable!() };
            // Over the payload alone, as before DSSE.
            envelope.signatures[0].sig = case.key.sign(&envelope.payload);
            case.log(&kit().own, log);
            case.stamp(&kit().own, kit().now);
        });
    }
}

#[test]
fn tob_sigstore_rust_an_envelope_with_two_signatures() {
    for log in [V1, V2] {
        for first in [true, false] {
            Case::envelope(log).refuses(Code::BundleMalformed, |case| {
                let Content::Dsse(envelope) = &mut case.bundle.content else { unreachable!() };
                let other = EnvelopeSignature { keyid: String::new(), sig: b"other".to_vec() };
                envelope.signatures.insert(usize::from(first), other);
            });
        }
        Case::envelope(log).refuses(Code::BundleMalformed, |case| {
            let Content::Dsse(envelope) = &mut case.bundle.content else { unreachable!() };
            envelope.signatures.clear();
        });
    }
}

#[test]
fn ghsa_qq97_vm5h_rrhg_a_manifest_that_is_also_an_index() {
    let digest = Digest::sha256(b"");
    let media = "application/vnd.oci.image.manifest.v1+json";
    let descriptor = json!({ "mediaType": media, "digest": digest.to_string(), "size": 0 });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media, "config": descriptor, "layers": [descriptor],
    });
    sign_core::Manifest::parse(Some(media), manifest.to_string().as_bytes()).unwrap();
    let mut both = manifest;
    both["manifests"] = json!([descriptor]);
    for hint in [Some(media), Some("application/vnd.oci.image.index.v1+json"), None] {
        let error = sign_core::Manifest::parse(hint, both.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), Code::ManifestInvalid, "{hint:?}: {error}");
    }
}
