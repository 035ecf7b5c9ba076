//! Endless data: each cap at the cap and one beyond, and parsers that must not fall over.

use serde_json::{Value, json};
use sign_core::{Bundle, BundleVersion, Code, Content, Digest, INTOTO_PAYLOAD_TYPE, KeyMaterial};

use super::kit::{
    CONTENT, Case, V1, V2, base64, body, der_of, envelope, kit, leaf_hash, logged, node_hash, promise,
    statement,
};

/// Signs a statement with that list of subjects.
fn with_subjects(case: &mut Case, subjects: Value) {
    let mut json: Value = serde_json::from_slice(&statement(&Digest::sha256(CONTENT).hex())).unwrap();
    json["subject"] = subjects;
    let payload = json.to_string().into_bytes();
    case.bundle.content = Content::Dsse(envelope(&case.key, INTOTO_PAYLOAD_TYPE, payload));
    case.log(&kit().own, V2);
    case.stamp(&kit().own, kit().now);
}

#[test]
fn cve_2024_45395_subjects() {
    let subject = json!({ "digest": { "sha256": Digest::sha256(CONTENT).hex() } });
    let mut case = Case::envelope(V2);
    with_subjects(&mut case, json!(vec![&subject; 1024]));
    case.refuses(Code::EnvelopeInvalid, |case| with_subjects(case, json!(vec![&subject; 1025])));
}

#[test]
fn cve_2024_45395_digests_of_a_subject() {
    let subject = |count: usize| {
        let mut digests: serde_json::Map<_, _> =
            (1..count).map(|number| (format!("own{number}"), json!("00"))).collect();
        digests.insert("sha256".into(), json!(Digest::sha256(CONTENT).hex()));
        json!([{ "digest": digests }])
    };
    let mut case = Case::envelope(V2);
    with_subjects(&mut case, subject(32));
    case.refuses(Code::EnvelopeInvalid, |case| with_subjects(case, subject(33)));
}

#[test]
fn cve_2024_29903_log_entries() {
    let mut case = Case::message(V1);
    while case.bundle.log_entries.len() < 32 {
        case.log_again();
    }
    case.refuses(Code::LimitExceeded, Case::log_again);
}

#[test]
fn cve_2024_29903_timestamps() {
    let mut case = Case::message(V2);
    let stamp = |case: &Case, second: i64| {
        let at = kit().now + jiff::SignedDuration::from_secs(second);
        kit().own.timestamp(case.bundle.signature(), at, |_| ()).unwrap()
    };
    for second in 1..32 {
        let next = stamp(&case, second);
        case.bundle.timestamps.push(next);
    }
    case.refuses(Code::LimitExceeded, |case| {
        let next = stamp(case, 32);
        case.bundle.timestamps.push(next);
    });
}

#[test]
fn cve_2023_25656_signatures_of_a_checkpoint() {
    for log in [V1, V2] {
        let mut case = Case::message(log);
        let witness = format!("\u{2014} witness.example {}\n", base64(b"1234signature"));
        let lines = witness.repeat(63);
        case.proof().checkpoint.push_str(&lines);
        case.refuses(Code::LimitExceeded, |case| case.proof().checkpoint.push_str(&witness));
    }
}

#[test]
fn cve_2023_33957_hashes_of_a_proof() {
    // A tree of 2^63 + 1 leaves: the last one's path is short, the first one's as long as any.
    for log in [V1, V2] {
        Case::message(log).refuses(Code::InclusionProofInvalid, |case| {
            case.proof().hashes = vec![vec![0; 32]; 65];
        });
        let mut case = Case::message(log);
        let origin = if log == V1 { "rekor.sandbox - 1" } else { "127.0.0.1" };
        let mut root = leaf_hash(&case.bundle.log_entries[0].body);
        let siblings: Vec<[u8; 32]> = (0..62).map(|level| leaf_hash(&[level])).collect();
        for sibling in &siblings {
            root = node_hash(&root, sibling);
        }
        let size = 1_usize << 62;
        let proof = case.proof();
        proof.log_index = 0;
        proof.tree_size = size as u64;
        proof.root_hash = root.to_vec();
        proof.hashes = siblings.iter().map(|hash| hash.to_vec()).collect();
        proof.checkpoint = kit().own.checkpoint(log, origin, size, &root);
        if log == V2 {
            case.entry().log_index = 0;
        }
        case.refuses(Code::InclusionProofInvalid, |case| case.proof().hashes.push(vec![0; 32]));
    }
}

#[test]
fn rustsec_2023_0053_certificates_of_a_chain() {
    let mut case = Case::message(V2);
    let own = &kit().own.trusted_root().unwrap()["certificateAuthorities"][0]["certChain"]["certificates"];
    let intermediate = der_of(&own[0]);
    let leaf = case.bundle.leaf_certificate().unwrap().to_vec();
    let chain = |count: usize| {
        let mut chain = vec![leaf.clone()];
        chain.resize(count, intermediate.clone());
        KeyMaterial::Chain(chain)
    };
    case.bundle.version = BundleVersion::V0_2;
    case.bundle.key_material = chain(10);
    case.refuses(Code::LimitExceeded, |case| case.bundle.key_material = chain(11));
    // A root in the bundle is no root, and its being there is an error.
    case.refuses(Code::BundleMalformed, |case| {
        case.bundle.key_material = KeyMaterial::Chain(vec![leaf.clone(), der_of(&own[1])]);
    });
}

#[test]
fn cve_2025_66564_a_timestamp_without_end() {
    let case = Case::message(V2);
    let cap = 64 * 1024;
    case.refuses(Code::TimestampInvalid, |case| case.bundle.timestamps = vec![vec![0x30; cap]]);
    case.refuses(Code::LimitExceeded, |case| case.bundle.timestamps = vec![vec![0x30; cap + 1]]);
}

#[test]
fn cve_2023_46737_a_bundle_without_end() {
    let cap = 128 * 1024 * 1024;
    let mut endless = vec![b' '; cap + 1];
    assert_eq!(Bundle::parse(&endless).unwrap_err().code(), Code::LimitExceeded);
    endless.pop();
    assert_eq!(Bundle::parse(&endless).unwrap_err().code(), Code::BundleMalformed);
}

#[test]
fn cve_2023_33199_an_intoto_body_without_its_parts() {
    for spec in [
        Value::Null,
        json!({}),
        json!({ "content": null }),
        json!({ "content": { "envelope": null, "payloadHash": null } }),
        json!({ "content": { "envelope": { "signatures": [] }, "payloadHash": { "algorithm": "sha256", "value": "" } } }),
        json!({ "content": { "envelope": { "signatures": [null] }, "payloadHash": { "algorithm": "", "value": "" } } }),
    ] {
        Case::envelope(V1).refuses(Code::LogEntryInvalid, |case| {
            let body = json!({ "apiVersion": "0.0.2", "kind": "intoto", "spec": spec });
            case.bundle.log_entries = vec![logged(&kit().own, V1, ("intoto", "0.0.2", body), kit().now)];
        });
    }
}

#[test]
fn cve_2026_23831_a_body_of_a_kind_that_nobody_expects() {
    for (kind, version) in
        [("cose", "0.0.1"), ("hashedrekord", "0.0.3"), ("intoto", "0.0.1"), ("dsse", "0.0.2"), ("", "")]
    {
        for spec in [Value::Null, json!({ "message": null })] {
            Case::envelope(V1).refuses(Code::LogEntryInvalid, |case| {
                let body = json!({ "apiVersion": version, "kind": kind, "spec": spec });
                case.bundle.log_entries = vec![logged(&kit().own, V1, (kind, version, body), kit().now)];
            });
        }
    }
}

#[test]
fn cve_2023_30551_a_body_with_more_than_its_kind_has() {
    // Megabytes beside what is read cost nothing but their hash; deep ones must not end the stack.
    let mut case = Case::message(V1);
    let (kind, version, mut large) = body(&case.bundle, V1, &case.key);
    large["spec"]["padding"] = json!("x".repeat(4 * 1024 * 1024));
    case.bundle.log_entries = vec![logged(&kit().own, V1, (kind, version, large), kit().now)];
    case.accepted();
    case.refuses(Code::LogEntryInvalid, |case| {
        let mut entry = case.entry().clone();
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        entry.body = format!(r#"{{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{deep}}}"#).into_bytes();
        entry.proof = Some(super::kit::proof(&kit().own, V1, &entry.body));
        entry.promise = Some(promise(&kit().own, &entry));
        case.bundle.log_entries = vec![entry];
    });
}
