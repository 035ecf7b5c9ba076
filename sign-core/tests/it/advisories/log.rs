//! The log: entries that are about something else, in somebody else's tree, or in no tree.

use std::net::TcpListener;

use serde_json::{Value, json};
use sign_core::{Code, Content, Digest, INTOTO_PAYLOAD_TYPE, LogEntry};

use super::kit::{
    Case, RekorVersion, V1, V2, base64, body, envelope, kit, leaf_hash, logged, minutes, node_hash, promise,
    proof, statement, text,
};

/// The genuine entry of another bundle of the same kind.
fn foreign(case: &Case) -> Vec<LogEntry> {
    let log = log_of(case);
    let other = match &case.bundle.content {
        Content::Message(_) => Case::message(log),
        Content::Dsse(_) => Case::envelope(log),
    };
    other.accepted();
    other.bundle.log_entries
}

fn log_of(case: &Case) -> RekorVersion {
    if case.bundle.log_entries[0].promise.is_some() { V1 } else { V2 }
}

/// Logs, genuinely, an entry about the bundle in which `change` has altered one thing.
fn log_changed(case: &mut Case, change: impl FnOnce(&mut Value)) {
    let log = log_of(case);
    let (kind, version, mut body) = body(&case.bundle, log, &case.key);
    change(&mut body);
    case.bundle.log_entries = vec![logged(&kit().own, log, (kind, version, body), kit().now)];
}

/// Where a body has its digest, its signature and its certificate.
fn pointers(case: &Case) -> [&'static str; 3] {
    match (log_of(case), &case.bundle.content) {
        (V2, _) => [
            "/spec/hashedRekordV002/data/digest",
            "/spec/hashedRekordV002/signature/content",
            "/spec/hashedRekordV002/signature/verifier/x509Certificate/rawBytes",
        ],
        (V1, Content::Message(_)) => {
            ["/spec/data/hash/value", "/spec/signature/content", "/spec/signature/publicKey/content"]
        }
        (V1, Content::Dsse(_)) => {
            ["/spec/payloadHash/value", "/spec/signatures/0/signature", "/spec/signatures/0/verifier"]
        }
    }
}

/// Refuses an entry that was logged with one field of another bundle's.
fn one_foreign_field(which: usize) {
    for case in Case::all() {
        let pointer = pointers(&case)[which];
        let other: Value = serde_json::from_slice(&foreign(&case)[0].body).unwrap();
        let value = match (which, log_of(&case)) {
            (0, V1) => json!(Digest::sha256(b"other").hex()),
            (0, V2) => json!(base64(Digest::sha256(b"other").as_bytes())),
            _ => other.pointer(pointer).unwrap().clone(),
        };
        case.refuses(Code::LogEntryMismatch, |case| {
            log_changed(case, |body| *body.pointer_mut(pointer).unwrap() = value);
        });
    }
}

#[test]
fn cve_2022_36056_entry_of_another_bundle() {
    for case in Case::all() {
        case.refuses(Code::LogEntryMismatch, |case| case.bundle.log_entries = foreign(case));
    }
}

#[test]
fn cve_2022_36056_an_entry_that_cannot_be_read_is_no_entry() {
    for case in Case::all() {
        case.refuses(Code::LogEntryInvalid, |case| log_changed(case, |body| body["spec"] = json!({})));
        case.refuses(Code::LogEntryInvalid, |case| {
            log_changed(case, |body| body["kind"] = json!("rekord"));
        });
    }
}

#[test]
fn cve_2022_23649_promise_of_another_entry() {
    for case in [Case::message(V1), Case::envelope(V1)] {
        case.refuses(Code::SetInvalid, |case| case.entry().promise = foreign(case)[0].promise.clone());
    }
}

#[test]
fn cve_2022_23649_promise_by_another_log() {
    for case in [Case::message(V1), Case::envelope(V1)] {
        case.refuses(Code::SetInvalid, |case| {
            let forged = promise(&kit().stranger, case.entry());
            case.entry().promise = Some(forged);
        });
    }
}

#[test]
fn cve_2026_22703_entry_with_another_digest() {
    one_foreign_field(0);
}

#[test]
fn cve_2026_22703_entry_with_another_signature() {
    one_foreign_field(1);
}

#[test]
fn cve_2026_22703_entry_with_another_certificate() {
    one_foreign_field(2);
}

#[test]
fn cve_2026_22703_entry_with_another_kind_of_key() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::LogEntryMismatch, |case| {
            log_changed(case, |body| {
                body["spec"]["hashedRekordV002"]["signature"]["verifier"]["keyDetails"] =
                    json!("PKIX_ECDSA_P384_SHA_384");
            });
        });
    }
}

#[test]
fn cve_2024_51746_another_entry_of_the_same_signer() {
    for (log, name) in [(V1, "/spec/data/hash/value"), (V2, "/spec/hashedRekordV002/data/digest")] {
        Case::message(log).refuses(Code::LogEntryMismatch, |case| {
            let mut other = case.clone();
            let Content::Message(message) = &mut other.bundle.content else { unreachable!() };
            message.signature = case.key.sign(b"other");
            let digest = Digest::sha256(b"other");
            let value = if log == V1 { digest.hex() } else { base64(digest.as_bytes()) };
            log_changed(&mut other, |body| *body.pointer_mut(name).unwrap() = json!(value));
            case.bundle.log_entries = other.bundle.log_entries;
        });
    }
}

#[test]
fn cve_2024_53267_entry_of_another_envelope() {
    for log in [V1, V2] {
        Case::envelope(log).refuses(Code::LogEntryMismatch, |case| {
            let mut other = case.clone();
            let payload = statement(&Digest::sha256(b"other").hex());
            other.bundle.content = Content::Dsse(envelope(&case.key, INTOTO_PAYLOAD_TYPE, payload));
            other.log(&kit().own, log);
            case.bundle.log_entries = other.bundle.log_entries;
        });
    }
}

#[test]
fn cve_2024_53267_entry_about_another_kind_of_content() {
    let message = Case::message(V1);
    let envelope = Case::envelope(V1);
    let (of_message, of_envelope) = (message.bundle.log_entries.clone(), envelope.bundle.log_entries.clone());
    message.refuses(Code::LogEntryMismatch, |case| case.bundle.log_entries = of_envelope);
    envelope.refuses(Code::LogEntryMismatch, |case| case.bundle.log_entries = of_message);
}

#[test]
fn cve_2024_54140_a_proof_in_the_attackers_tree() {
    for case in Case::all() {
        let log = log_of(&case);
        case.refuses(Code::CheckpointInvalid, |case| {
            *case.proof() = proof(&kit().stranger, log, &case.bundle.log_entries[0].body);
        });
    }
}

#[test]
fn cve_2024_54140_a_checkpoint_that_nobody_signed() {
    for case in Case::all() {
        case.refuses(Code::CheckpointInvalid, |case| {
            let unsigned = case.proof().checkpoint.split("\u{2014}").next().unwrap().to_owned();
            case.proof().checkpoint = unsigned;
        });
        // The attacker's tree under the log's old signature.
        case.refuses(Code::CheckpointInvalid, |case| {
            let root = node_hash(&leaf_hash(b"forged"), &leaf_hash(&case.bundle.log_entries[0].body));
            let proof = case.proof();
            let old = base64(&proof.root_hash);
            proof.checkpoint = proof.checkpoint.replace(&old, &base64(&root));
            proof.root_hash = root.to_vec();
            proof.hashes = vec![leaf_hash(b"forged").to_vec()];
        });
    }
}

#[test]
fn cve_2024_54140_a_genuine_checkpoint_of_another_tree() {
    for case in Case::all() {
        let log = log_of(&case);
        let other = proof(&kit().own, log, b"other");
        case.refuses(Code::InclusionProofInvalid, |case| case.proof().checkpoint = other.checkpoint.clone());
        case.refuses(Code::InclusionProofInvalid, |case| *case.proof() = other.clone());
        case.refuses(Code::InclusionProofInvalid, |case| case.proof().log_index = 0);
        case.refuses(Code::InclusionProofInvalid, |case| case.proof().hashes.clear());
    }
}

#[test]
fn cve_2023_47122_a_log_that_the_root_does_not_list() {
    for case in Case::all() {
        let log = log_of(&case);
        case.refuses(Code::LogUntrusted, |case| case.log(&kit().stranger, log));
    }
}

#[test]
fn cve_2023_47122_no_key_is_fetched_from_the_log() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut case = Case::message(V1);
    case.root["tlogs"][0]["baseUrl"] = json!(format!("http://{}", listener.local_addr().unwrap()));
    case.refuses(Code::LogUntrusted, |case| case.log(&kit().stranger, V1));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn cve_2026_49834_an_entry_that_is_there_twice() {
    for case in Case::all() {
        let told = case.refuses(Code::LogEntryInvalid, |case| {
            let again = case.entry().clone();
            case.bundle.log_entries.push(again);
        });
        assert!(told.contains("twice"), "{told}");
    }
}

#[test]
fn sigstore_go_471_two_entries_of_one_log_are_by_one_log() {
    let mut case = Case::message(V1);
    case.log_again();
    assert_eq!(case.accepted().log_entries().len(), 2);
    case.refuses(Code::ThresholdNotMet, |case| case.thresholds.log_entries = 2);
    // An entry in another log is another log.
    let (own, mut both) = (case.bundle.log_entries.clone(), case);
    both.log(&kit().own, V2);
    both.bundle.log_entries.extend(own.into_iter().take(1));
    both.thresholds.log_entries = 2;
    both.root["tlogs"][1]["operator"] = json!("other.example");
    // Two logs of one operator are not.
    both.refuses(Code::ThresholdNotMet, |case| {
        case.root["tlogs"][1]["operator"] = case.root["tlogs"][0]["operator"].clone();
    });
}

#[test]
fn cve_2026_54787_window_of_a_v1_log() {
    outside_the_window("/tlogs/0/publicKey/validFor", V1, Code::LogUntrusted);
}

#[test]
fn cve_2026_54787_window_of_a_v2_log() {
    outside_the_window("/tlogs/1/publicKey/validFor", V2, Code::LogUntrusted);
}

#[test]
fn cve_2026_54787_window_of_a_ct_log() {
    outside_the_window("/ctlogs/0/publicKey/validFor", V2, Code::SctInvalid);
}

#[test]
fn cve_2026_54787_window_of_a_timestamp_authority() {
    outside_the_window("/timestampAuthorities/0/validFor", V1, Code::TimestampInvalid);
}

#[test]
fn cve_2026_54787_window_of_a_certificate_authority() {
    outside_the_window("/certificateAuthorities/0/validFor", V2, Code::CertificateUntrusted);
}

/// A key that was trusted only before, or only after; and one trusted for that very second.
fn outside_the_window(pointer: &str, log: RekorVersion, code: Code) {
    let now = kit().now;
    for mut case in [Case::message(log), Case::envelope(log)] {
        *case.root.pointer_mut(pointer).unwrap() = json!({ "start": text(now), "end": text(now) });
        let told = case.refuses(code, |case| {
            *case.root.pointer_mut(pointer).unwrap() =
                json!({ "start": text(now - minutes(30)), "end": text(now - minutes(1)) });
        });
        // The error says which times would have been right.
        let end = text(now - minutes(1));
        let ways = [end.as_str().unwrap(), "was trusted", "validity period"];
        assert!(ways.iter().any(|way| told.contains(way)), "{told}");
        case.refuses(code, |case| {
            *case.root.pointer_mut(pointer).unwrap() = json!({ "start": text(now + minutes(1)) });
        });
    }
}

#[test]
fn tob_sigstore_rust_no_entry_where_the_root_lists_logs() {
    for case in Case::all() {
        case.refuses(Code::LogEntryInvalid, |case| case.bundle.log_entries.clear());
    }
}

#[test]
fn sigstore_rust_2_a_v2_log_id_that_names_no_log() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::LogUntrusted, |case| case.entry().log_id = b"garbage".to_vec());
    }
}

#[test]
fn sigstore_rust_3_a_checkpoint_under_another_name() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        // Signed by the right key, for another log of the same operator.
        case.refuses(Code::CheckpointInvalid, |case| {
            let root = case.proof().root_hash.clone().try_into().unwrap();
            case.proof().checkpoint = kit().own.checkpoint(V2, "log.example", 2, &root);
        });
        case.refuses(Code::CheckpointInvalid, |case| {
            let checkpoint = &mut case.proof().checkpoint;
            *checkpoint = checkpoint.replace("\u{2014} 127.0.0.1", "\u{2014} log.example");
        });
        case.refuses(Code::CheckpointInvalid, |case| {
            case.root["tlogs"][1]["baseUrl"] = json!("https://log.example");
        });
    }
}

#[test]
fn sigstore_rust_4_an_unproven_entry_beside_a_proven_one() {
    for case in Case::all() {
        case.refuses(Code::BundleMalformed, |case| {
            let mut bare = case.entry().clone();
            bare.log_index += 1;
            (bare.proof, bare.promise) = (None, None);
            case.bundle.log_entries.push(bare);
        });
    }
}
