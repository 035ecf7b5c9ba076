//! One signature in every form that bundles have had; the same verdict on each.

use std::slice::from_ref;

use serde_json::{Value, json};
use sign_core::{Artifact, Bundle, Code, Result, VerifiedBundle};
use sign_sandbox::RekorVersion;

use crate::sandbox::{Bench, CONTENT};

/// Every media type that bundles have, with the version it stands for.
const MEDIA_TYPES: [(&str, &str); 4] = [
    ("application/vnd.dev.sigstore.bundle+json;version=0.1", "0.1"),
    ("application/vnd.dev.sigstore.bundle+json;version=0.2", "0.2"),
    ("application/vnd.dev.sigstore.bundle+json;version=0.3", "0.3"),
    ("application/vnd.dev.sigstore.bundle.v0.3+json", "0.3"),
];
/// Media types that no bundle has.
const OTHERS: [&str; 6] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.4",
    "application/vnd.dev.sigstore.bundle+json;version=",
    "application/vnd.dev.sigstore.bundle.v0.1+json",
    "application/vnd.dev.sigstore.bundle.v0.2+json",
    "application/vnd.dev.sigstore.bundle.v0.4+json",
    "",
];

fn verify(bench: &Bench, json: &Value) -> Result<VerifiedBundle> {
    let bundle = Bundle::parse(json.to_string().as_bytes())?;
    bench.verifier().verify(&bundle, &Artifact::from_bytes(CONTENT), &bench.requirement())
}

#[track_caller]
fn refused(bench: &Bench, json: &Value, code: Code) {
    let error = verify(bench, json).map(|v| v.checks().to_vec()).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
}

fn with_chain(json: &Value, more: &[Value]) -> Value {
    let mut json = json.clone();
    let material = json["verificationMaterial"].as_object_mut().unwrap();
    let mut certificates = vec![material.remove("certificate").unwrap()];
    certificates.extend_from_slice(more);
    material.insert("x509CertificateChain".into(), json!({ "certificates": certificates }));
    json
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_read_in_both_spellings() {
    let bench = Bench::start(RekorVersion::V1).await;
    let root: Value = serde_json::from_str(bench.sandbox.trusted_root()).unwrap();
    let authority = &root["certificateAuthorities"][0]["certChain"]["certificates"];
    let trusted = authority.as_array().unwrap().last().unwrap().clone();
    for signed in [bench.blob().await, bench.statement().await] {
        let written: Value = serde_json::from_slice(&signed.bundle.to_json()).unwrap();
        for (media_type, version) in MEDIA_TYPES {
            let mut json = written.clone();
            json["mediaType"] = media_type.into();
            verify(&bench, &json).unwrap();
            // A chain before 0.3, and never with a root in it.
            let chain = with_chain(&json, &[]);
            if version == "0.3" {
                refused(&bench, &chain, Code::BundleMalformed);
            } else {
                verify(&bench, &chain).unwrap();
                refused(&bench, &with_chain(&json, from_ref(&trusted)), Code::BundleMalformed);
            }
            // Each version has its own kind of proof that the entry is logged.
            let proofs = [("inclusionPromise", version == "0.1"), ("inclusionProof", version != "0.1")];
            for (member, needed) in proofs {
                let mut bare = json.clone();
                let entry = bare["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
                entry.remove(member).unwrap();
                match needed {
                    true => refused(&bench, &bare, Code::BundleMalformed),
                    false => drop(verify(&bench, &bare).unwrap()),
                }
            }
        }
        for media_type in OTHERS {
            let mut json = written.clone();
            json["mediaType"] = media_type.into();
            refused(&bench, &json, Code::BundleUnsupported);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_protobuf_leaves_out_is_its_default() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        // The first entry of a log: index 0, and no hashes in its proof.
        let bench = Bench::start(version).await;
        let signed = bench.statement().await;
        let mut json: Value = serde_json::from_slice(&signed.bundle.to_json()).unwrap();
        let entry = json["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
        let mut left_out = 0;
        let is_default = |value: &Value| matches!(value.as_str(), Some("0" | "")) || *value == json!([]);
        let mut strip = |object: &mut serde_json::Map<String, Value>| {
            let before = object.len();
            object.retain(|_, value| !is_default(value));
            left_out += before - object.len();
        };
        strip(entry);
        strip(entry["inclusionProof"].as_object_mut().unwrap());
        assert!(left_out >= 2, "{left_out}");
        verify(&bench, &json).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_alphabets_of_base64_are_read() {
    let bench = Bench::start(RekorVersion::V2).await;
    let signed = bench.statement().await;
    let mut json: Value = serde_json::from_slice(&signed.bundle.to_json()).unwrap();
    let url_safe = |value: &mut Value| {
        let text = value.as_str().unwrap().replace('+', "-").replace('/', "_");
        *value = text.trim_end_matches('=').into();
    };
    url_safe(&mut json["dsseEnvelope"]["payload"]);
    url_safe(&mut json["dsseEnvelope"]["signatures"][0]["sig"]);
    verify(&bench, &json).unwrap();
}
