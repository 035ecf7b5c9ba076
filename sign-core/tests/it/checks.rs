//! Checks that no advisory names: what the versions of bundle and log demand, and what only a bundle
//! made by hand can leave out, for the typed form is public.

use sign_core::{
    BundleVersion, Code, Content, EnvelopeSignature, FixedClock, KeyMaterial, TrustedRoot, VerifiedBundle,
    Verifier,
};

use crate::kit::{Case, EMAIL, Key, V1, V2, kit, minutes, text};

/// The verdict without the JSON form between.
fn judge_typed(case: &Case) -> sign_core::Result<VerifiedBundle> {
    let root = TrustedRoot::from_json(case.root.to_string().as_bytes())?;
    Verifier::new(root, FixedClock(case.now)).verify(&case.bundle, &case.artifact, &case.requirement)
}

#[track_caller]
fn refuses_typed(case: &Case, code: Code, change: impl FnOnce(&mut Case)) {
    judge_typed(case).unwrap();
    let mut changed = case.clone();
    change(&mut changed);
    let error = judge_typed(&changed).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
}

fn as_version(case: &mut Case, version: BundleVersion) {
    let leaf = case.bundle.leaf_certificate().unwrap().to_vec();
    case.bundle.version = version;
    case.bundle.key_material = match version {
        BundleVersion::V0_3 => KeyMaterial::Certificate(leaf),
        _ => KeyMaterial::Chain(vec![leaf]),
    };
}

/// A bundle by a managed key, which needs no time.
fn managed(log: crate::kit::RekorVersion) -> Case {
    Case::with(&kit().own, log, None, Key::new(), KeyMaterial::PublicKey { hint: String::new() })
}

#[test]
fn only_the_first_version_rests_on_a_promise_alone() {
    for mut case in [Case::message(V1), Case::envelope(V1)] {
        as_version(&mut case, BundleVersion::V0_1);
        let mut promised = case.clone();
        promised.entry().proof = None;
        promised.accepted();
        promised.refuses(Code::BundleMalformed, |case| as_version(case, BundleVersion::V0_2));
        refuses_typed(&promised, Code::LogEntryInvalid, |case| as_version(case, BundleVersion::V0_2));
        refuses_typed(&promised, Code::LogEntryInvalid, |case| as_version(case, BundleVersion::V0_3));
        refuses_typed(&promised, Code::LogEntryInvalid, |case| case.entry().promise = None);

        case.proof().checkpoint.clear();
        case.accepted();
        case.refuses(Code::CheckpointInvalid, |case| as_version(case, BundleVersion::V0_2));
        case.refuses(Code::CheckpointInvalid, |case| as_version(case, BundleVersion::V0_3));
        case.refuses(Code::BundleMalformed, |case| case.entry().promise = None);
        refuses_typed(&case, Code::CheckpointInvalid, |case| case.entry().promise = None);
    }
}

#[test]
fn a_v2_entry_promises_nothing() {
    for mut case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::BundleMalformed, |case| as_version(case, BundleVersion::V0_1));
        case.bundle.timestamps.truncate(1);
        let now = kit().now.as_second();
        case.refuses(Code::SetInvalid, |case| {
            case.entry().integrated_time = Some(now);
            case.entry().promise = Some(vec![0; 64]);
        });
        // A log that signs a promise over an entry of this kind, and dates it.
        case.refuses(Code::LogEntryInvalid, |case| {
            case.entry().integrated_time = Some(now);
            let promise = {
                let entry = case.entry();
                let signed = serde_json::json!({
                    "body": crate::kit::base64(&entry.body),
                    "integratedTime": now,
                    "logID": hex::encode(&entry.log_id),
                    "logIndex": entry.log_index,
                });
                kit().own.sign_as_log(V2, signed.to_string().as_bytes())
            };
            case.entry().promise = Some(promise);
        });
    }
}

#[test]
fn the_index_of_a_v2_entry_is_the_one_that_is_proven() {
    for case in [Case::message(V2), Case::envelope(V2)] {
        case.refuses(Code::LogEntryInvalid, |case| case.entry().log_index = 0);
    }
    // A v1 log counts over all its shards, and its promise covers that number.
    let verified = Case::message(V1).accepted();
    assert_eq!(verified.log_entries()[0].log_index, 1001);
    let mut undated = Case::message(V1);
    (undated.entry().promise, undated.entry().integrated_time) = (None, None);
    assert_eq!(undated.accepted().log_entries()[0].log_index, 1);
    assert_eq!(Case::message(V2).accepted().log_entries()[0].log_index, 1);
}

#[test]
fn entries_of_two_logs_are_two_entries() {
    let (own, mut case) = (&kit().own, Case::message(V1));
    let first = case.bundle.log_entries.clone();
    case.log(own, V2);
    case.entry().log_index = 1;
    case.bundle.log_entries.extend(first);
    let verified = case.accepted();
    let names: std::collections::BTreeSet<_> = verified.log_entries().iter().map(|e| &e.log).collect();
    assert_eq!(names.len(), 2);
    // Each is proven for itself.
    for index in [0, 1] {
        case.refuses(Code::InclusionProofInvalid, |case| {
            case.bundle.log_entries[index].proof.as_mut().unwrap().hashes[0][0] ^= 1;
        });
    }
}

#[test]
fn without_any_time_the_log_must_be_trusted_now() {
    let mut case = managed(V2);
    case.bundle.timestamps.clear();
    let window = "/tlogs/1/publicKey/validFor";
    let ended =
        serde_json::json!({ "start": text(kit().now - minutes(30)), "end": text(kit().now - minutes(1)) });
    case.refuses(Code::LogUntrusted, |case| *case.root.pointer_mut(window).unwrap() = ended.clone());
    // What was signed while it was trusted, by a timestamp, stays good.
    let mut stamped = managed(V2);
    stamped.stamp(&kit().own, kit().now - minutes(2));
    *stamped.root.pointer_mut(window).unwrap() = ended;
    stamped.accepted();
}

#[test]
fn a_managed_key_is_the_one_that_was_asked_for() {
    for log in [V1, V2] {
        let case = managed(log);
        case.refuses(Code::SignatureInvalid, |case| {
            let Content::Message(message) = &mut case.bundle.content else { unreachable!() };
            message.signature = Key::new().sign(crate::kit::CONTENT);
            case.log(&kit().own, log);
            case.stamp(&kit().own, kit().now);
        });
    }
}

#[test]
fn what_only_the_parser_would_refuse() {
    let envelope = Case::envelope(V2);
    for count in [0, 2] {
        refuses_typed(&envelope, Code::EnvelopeInvalid, |case| {
            let Content::Dsse(envelope) = &mut case.bundle.content else { unreachable!() };
            let other = EnvelopeSignature { keyid: String::new(), sig: Vec::new() };
            envelope.signatures.resize(count, other);
            // Everything before the envelope is about the first signature, and none is like an empty one.
            case.log(&kit().own, V2);
            case.stamp(&kit().own, kit().now);
        });
    }
    refuses_typed(&envelope, Code::BundleMalformed, |case| {
        case.bundle.key_material = KeyMaterial::Chain(Vec::new());
    });
}

#[test]
fn the_digest_beside_a_signature_may_be_missing_and_not_wrong() {
    for log in [V1, V2] {
        let mut case = Case::message(log);
        let hint = |case: &mut Case, digest: Option<(&str, Vec<u8>)>| {
            let Content::Message(message) = &mut case.bundle.content else { unreachable!() };
            message.digest = digest.map(|(name, bytes)| (name.to_owned(), bytes));
        };
        let right = sign_core::Digest::sha256(crate::kit::CONTENT).as_bytes().to_vec();
        case.refuses(Code::DigestMismatch, |case| hint(case, Some(("SHA2_512", right.clone()))));
        case.refuses(Code::DigestMismatch, |case| hint(case, Some(("SHA2_256", vec![0; 32]))));
        case.refuses(Code::DigestMismatch, |case| hint(case, Some(("", right.clone()))));
        hint(&mut case, None);
        case.accepted();
    }
}

#[test]
fn a_timestamp_must_have_been_granted() {
    for mut case in [Case::message(V2), Case::envelope(V2)] {
        let status = |case: &mut Case, status: u8| {
            // SEQUENCE, two bytes of length, SEQUENCE of three bytes, INTEGER of one.
            let response = &mut case.bundle.timestamps[0];
            assert_eq!(response[4..9], [0x30, 3, 2, 1, response[8]]);
            response[8] = status;
        };
        // Granted with modifications.
        status(&mut case, 1);
        for refused in [2, 3, 4, 5] {
            case.refuses(Code::TimestampInvalid, |case| status(case, refused));
        }
    }
}

#[test]
fn a_key_on_the_larger_curve_signs_the_larger_hash() {
    for log in [V1, V2] {
        let hint = KeyMaterial::PublicKey { hint: String::new() };
        let case = Case::with(&kit().own, log, None, Key::p384(), hint);
        case.refuses(Code::DigestMismatch, |case| {
            let digest = sign_core::Digest::sha256(crate::kit::CONTENT);
            let Content::Message(message) = &mut case.bundle.content else { unreachable!() };
            message.digest = Some(("SHA2_256".into(), digest.as_bytes().to_vec()));
        });
        case.refuses(Code::DigestNotComparable, |case| {
            let digest = sign_core::Digest::sha256(crate::kit::CONTENT);
            case.artifact = sign_core::Artifact::from_digest(digest);
        });
    }
}

#[test]
fn a_promise_dates_from_after_the_epoch() {
    let mut case = managed(V1);
    case.bundle.timestamps.clear();
    *case.root.pointer_mut("/tlogs/0/publicKey/validFor").unwrap() =
        serde_json::json!({ "start": "1960-01-01T00:00:00Z" });
    let at = |case: &mut Case, seconds: i64| {
        case.entry().integrated_time = Some(seconds);
        case.entry().promise = Some(crate::kit::promise(&kit().own, case.entry()));
    };
    at(&mut case, 1);
    for seconds in [0, -1] {
        refuses_typed(&case, Code::SetInvalid, |case| at(case, seconds));
    }
    refuses_typed(&case, Code::SetInvalid, |case| case.entry().integrated_time = None);
}

#[test]
fn the_longest_proof_is_as_long_as_64_bits_can_count() {
    use crate::kit::{leaf_hash, node_hash};
    let mut case = Case::message(V1);
    let body = case.entry().body.clone();
    let siblings: Vec<[u8; 32]> = (0..64).map(|level| leaf_hash(&[level])).collect();
    let root = siblings.iter().fold(leaf_hash(&body), |left, right| node_hash(&left, right));
    let proof = case.proof();
    (proof.log_index, proof.tree_size) = (0, u64::MAX);
    proof.root_hash = root.to_vec();
    proof.hashes = siblings.iter().map(|hash| hash.to_vec()).collect();
    proof.checkpoint = kit().own.checkpoint(V1, "rekor.sandbox - 1", usize::MAX, &root);
    refuses_typed(&case, Code::InclusionProofInvalid, |case| case.proof().hashes.push(vec![0; 32]));
}

#[test]
fn what_was_proven_is_told() {
    let verified = Case::envelope(V1).accepted();
    let sign_core::VerifiedSigner::Certificate(certificate) = verified.signer() else { panic!() };
    assert_eq!(certificate.san().as_str(), EMAIL);
    assert_eq!(verified.times().len(), 2);
    let entry = &verified.log_entries()[0];
    assert_eq!(entry.integrated_time, Some(kit().now));
    assert!(verified.into_statement().is_some());
    assert!(Case::message(V2).accepted().statement().is_none());
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, u8::try_from(content.len()).unwrap()][..], &content].concat()
}

/// `SigningCertificate` or its version 2 with one certificate: RFC 2634 §5.4, RFC 5035 §3.
fn signing_certificate(algorithm: Option<&[u8]>, hash: &[u8]) -> Vec<u8> {
    let hash = der(0x04, &[hash]);
    let algorithm = algorithm.map(|oid| der(0x30, &[&der(0x06, &[oid])])).unwrap_or_default();
    der(0x30, &[&der(0x30, &[&der(0x30, &[&algorithm, &hash])])])
}

#[test]
fn a_timestamp_names_its_certificate_by_any_common_hash() {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA224, SHA256, SHA384, SHA512, digest};
    use der::Decode as _;
    use x509_cert::attr::Attribute;

    let v1 = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
    let v2 = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
    let root = kit().own.trusted_root().unwrap();
    let own = crate::kit::der_of(&root["timestampAuthorities"][0]["certChain"]["certificates"][0]);
    let hash = |algorithm| digest(algorithm, &own).as_ref().to_vec();
    let sha2 = |last: u8| vec![0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last];
    let stamp = |case: &mut Case, oid, value: &[u8]| {
        let stamp = kit().own.timestamp(case.bundle.signature(), kit().now, |attributes| {
            attributes.retain(|attribute| attribute.oid != v2);
            let value = der::Any::from_der(value).unwrap();
            let values = der::asn1::SetOfVec::try_from(vec![value]).unwrap();
            attributes.push(Attribute { oid, values });
        });
        case.bundle.timestamps = vec![stamp.unwrap()];
    };
    for (oid, algorithm, hash) in [
        (v1, None, hash(&SHA1_FOR_LEGACY_USE_ONLY)),
        (v2, None, hash(&SHA256)),
        (v2, Some(sha2(1)), hash(&SHA256)),
        (v2, Some(sha2(2)), hash(&SHA384)),
        (v2, Some(sha2(3)), hash(&SHA512)),
    ] {
        let mut case = Case::message(V2);
        stamp(&mut case, oid, &signing_certificate(algorithm.as_deref(), &hash));
        case.refuses(Code::TimestampInvalid, |case| {
            let other: Vec<u8> = hash.iter().map(|byte| !byte).collect();
            stamp(case, oid, &signing_certificate(algorithm.as_deref(), &other));
        });
        // None at all, in the list and in place of it.
        let (nobody, nothing) = (der(0x30, &[&der(0x30, &[])]), der(0x30, &[]));
        for empty in [nobody, nothing] {
            case.refuses(Code::TimestampInvalid, |case| stamp(case, oid, &empty));
        }
    }
    // By a hash that is not asked for here.
    Case::message(V2).refuses(Code::TimestampInvalid, |case| {
        stamp(case, v2, &signing_certificate(Some(&sha2(4)), &hash(&SHA224)));
    });
}

#[test]
fn a_bundle_that_is_given_away_is_judged_as_one_that_is_lent() {
    for case in Case::all() {
        let root = TrustedRoot::from_json(case.root.to_string().as_bytes()).unwrap();
        let verifier = Verifier::new(root, FixedClock(case.now));
        let lent = verifier.verify(&case.bundle, &case.artifact, &case.requirement).unwrap();
        let given = verifier.verify_owned(case.bundle.clone(), &case.artifact, &case.requirement).unwrap();
        let payload = |verified: VerifiedBundle| verified.into_statement().map(|s| s.payload().to_vec());
        assert_eq!(payload(lent), payload(given));
        let other = sign_core::Artifact::from_bytes(b"other");
        assert!(verifier.verify_owned(case.bundle, &other, &case.requirement).is_err());
    }
}

#[test]
fn sha1_names_only_who_is_asked_for_by_it() {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let hex = |content: &[u8]| hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, content));
    let mut statement: serde_json::Value = serde_json::from_slice(&crate::kit::statement("")).unwrap();
    statement["subject"][0]["digest"] = serde_json::json!({ "sha1": hex(crate::kit::CONTENT) });
    let payload = statement.to_string().into_bytes();
    let mut case = Case::made(&kit().own, V2, Some(payload), |_| ());
    case.artifact = sign_core::Artifact::from_sha1(&hex(crate::kit::CONTENT)).unwrap();
    case.refuses(Code::SubjectMismatch, |case| {
        case.artifact = sign_core::Artifact::from_sha1(&hex(b"other")).unwrap();
    });
    // The file itself is never looked for by it.
    case.refuses(Code::SubjectMismatch, |case| {
        case.artifact = sign_core::Artifact::from_bytes(crate::kit::CONTENT);
    });
}
