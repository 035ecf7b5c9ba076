//! Where other verifiers are known to be lax, this one is not. Each test is named after the gap.

use serde_json::{Value, json};
use sign_core::{
    Artifact, Bundle, Check, CheckOutcome, Code, Content, FixedClock, Outcome, Requirement, Thresholds,
    TimeSource, TrustedRoot, VerifiedSigner, Verifier,
};
use sign_sandbox::RekorVersion;

use crate::sandbox::{Bench, CONTENT, EMAIL};

/// Signed bundles of one sandbox, with its trusted root as JSON to change.
struct Fixture {
    bench: Bench,
    root: Value,
    message: Bundle,
    statement: Bundle,
}

impl Fixture {
    async fn new(version: RekorVersion) -> Self {
        let bench = Bench::start(version).await;
        let root = serde_json::from_str(bench.sandbox.trusted_root()).unwrap();
        let (message, statement) = (bench.blob().await.bundle, bench.statement().await.bundle);
        Self { bench, root, message, statement }
    }

    fn requirement(&self) -> Requirement {
        self.bench.requirement()
    }

    /// The code of the rejection, by the sandbox's root.
    fn code(&self, bundle: &Bundle) -> Option<Code> {
        self.code_by(&self.bench.verifier(), bundle)
    }

    fn code_by(&self, verifier: &Verifier, bundle: &Bundle) -> Option<Code> {
        let result = verifier.verify(bundle, &Artifact::from_bytes(CONTENT), &self.requirement());
        result.err().map(|e| e.code())
    }

    /// The same by a changed root.
    fn code_with(&self, bundle: &Bundle, change: impl FnOnce(&mut Value)) -> Option<Code> {
        let mut root = self.root.clone();
        change(&mut root);
        let root = TrustedRoot::from_json(root.to_string().as_bytes()).unwrap();
        self.code_by(&Verifier::new(root, sign_core::SystemClock), bundle)
    }

    /// The entry of the root for the log that signed `bundle`.
    fn log<'a>(&self, root: &'a mut Value, bundle: &Bundle) -> &'a mut Value {
        let id = base64(&bundle.log_entries[0].log_id);
        let logs = root["tlogs"].as_array_mut().unwrap();
        logs.iter_mut().find(|log| log["logId"]["keyId"] == id.as_str()).unwrap()
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * index) & 63) as usize] as char;
            out.push(if index <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn gap_1_the_key_window_of_a_v2_log_is_enforced() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let fixture = Fixture::new(version).await;
        for bundle in [&fixture.message, &fixture.statement] {
            assert_eq!(fixture.code(bundle), None);
            let past = json!({"start": "2020-01-01T00:00:00Z", "end": "2020-12-31T23:59:59Z"});
            let window = |root: &mut Value| fixture.log(root, bundle)["publicKey"]["validFor"] = past.clone();
            assert_eq!(fixture.code_with(bundle, window), Some(Code::LogUntrusted));
            let future = json!({"start": "2999-01-01T00:00:00Z"});
            let window =
                |root: &mut Value| fixture.log(root, bundle)["publicKey"]["validFor"] = future.clone();
            assert_eq!(fixture.code_with(bundle, window), Some(Code::LogUntrusted));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gap_2_the_log_id_is_bound() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let fixture = Fixture::new(version).await;
        for change in
            [|id: &mut Vec<u8>| id[31] ^= 1, |id: &mut Vec<u8>| id.truncate(4), |id: &mut Vec<u8>| id.clear()]
        {
            let mut bundle = fixture.statement.clone();
            change(&mut bundle.log_entries[0].log_id);
            assert_eq!(fixture.code(&bundle), Some(Code::LogUntrusted));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gap_3_the_checkpoint_is_bound_to_the_trusted_log() {
    let other_host = |fixture: &Fixture, bundle: &Bundle| {
        let elsewhere =
            |root: &mut Value| fixture.log(root, bundle)["baseUrl"] = json!("https://other.example");
        fixture.code_with(bundle, elsewhere)
    };
    let renamed = |bundle: &Bundle, from: &str| {
        let mut bundle = bundle.clone();
        let note = &mut bundle.log_entries[0].proof.as_mut().unwrap().checkpoint;
        let (text, line) = note.split_once("\u{2014} ").unwrap();
        assert!(line.starts_with(from), "{line}");
        *note = format!("{text}\u{2014} other.example{}", &line[from.len()..]);
        bundle
    };
    // A v2 log is the host of its address, in the text and in front of the signature.
    let v2 = Fixture::new(RekorVersion::V2).await;
    assert_eq!(other_host(&v2, &v2.message), Some(Code::CheckpointInvalid));
    assert_eq!(v2.code(&renamed(&v2.message, "127.0.0.1")), Some(Code::CheckpointInvalid));
    // A v1 log's names are free text; its key is not.
    let v1 = Fixture::new(RekorVersion::V1).await;
    assert_eq!(other_host(&v1, &v1.message), None);
    let mut hinted = v1.message.clone();
    let note = &mut hinted.log_entries[0].proof.as_mut().unwrap().checkpoint;
    let start = note.rfind(' ').unwrap() + 1;
    let other = if note.as_bytes()[start] == b'A' { "B" } else { "A" };
    note.replace_range(start..=start, other);
    assert_eq!(v1.code(&hinted), Some(Code::CheckpointInvalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn gap_4_no_entry_goes_unproven() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let fixture = Fixture::new(version).await;
        let mut extra = fixture.message.log_entries[0].clone();
        extra.log_index += 1;
        (extra.proof, extra.promise, extra.integrated_time) = (None, None, None);
        extra.body = fixture.statement.log_entries[0].body.clone();
        for first in [false, true] {
            let mut bundle = fixture.message.clone();
            let position = if first { 0 } else { bundle.log_entries.len() };
            bundle.log_entries.insert(position, extra.clone());
            assert_eq!(fixture.code(&bundle), Some(Code::LogEntryInvalid));
        }
        // Proven, too, but somebody else's.
        let mut bundle = fixture.message.clone();
        bundle.log_entries.push(fixture.statement.log_entries[0].clone());
        assert_eq!(fixture.code(&bundle), Some(Code::LogEntryMismatch));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gap_5_nothing_is_there_twice_and_nothing_without_end() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let fixture = Fixture::new(version).await;
        let mut twice = fixture.message.clone();
        twice.log_entries.push(twice.log_entries[0].clone());
        assert_eq!(fixture.code(&twice), Some(Code::LogEntryInvalid));
        if version == RekorVersion::V1 {
            // Under another number: without its promise nothing says which one it has.
            let copy = &mut twice.log_entries[1];
            copy.log_index += 1;
            (copy.promise, copy.integrated_time) = (None, None);
            assert_eq!(fixture.code(&twice), Some(Code::LogEntryInvalid));
        }
        let mut twice = fixture.message.clone();
        twice.timestamps.push(twice.timestamps[0].clone());
        assert_eq!(fixture.code(&twice), Some(Code::TimestampInvalid));
        // Granted with modifications instead of granted: other bytes, the same timestamp.
        let stamp = &mut twice.timestamps[1];
        let status = stamp.windows(3).position(|bytes| bytes == [2, 1, 0]).unwrap() + 2;
        stamp[status] = 1;
        assert_eq!(fixture.code(&twice), Some(Code::TimestampInvalid));
        twice.timestamps.remove(0);
        assert_eq!(fixture.code(&twice), None);

        for (pointer, cap) in [("tlogEntries", 32), ("timestampVerificationData/rfc3161Timestamps", 32)] {
            for (count, expected) in [(cap, None), (cap + 1, Some(Code::LimitExceeded))] {
                let mut json: Value = serde_json::from_slice(&fixture.message.to_json()).unwrap();
                let list = json.pointer_mut(&format!("/verificationMaterial/{pointer}")).unwrap();
                let one = list[0].clone();
                *list = json!(vec![one; count]);
                let parsed = Bundle::parse(json.to_string().as_bytes());
                assert_eq!(parsed.err().map(|e| e.code()), expected, "{pointer} {count}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gap_6_every_authority_has_its_own_window() {
    let fixture = Fixture::new(RekorVersion::V2).await;
    let past = json!({"start": "2020-01-01T00:00:00Z", "end": "2020-12-31T23:59:59Z"});
    for (list, code) in [
        ("certificateAuthorities", Code::CertificateUntrusted),
        ("timestampAuthorities", Code::TimestampInvalid),
    ] {
        let window = |root: &mut Value| root[list][0]["validFor"] = past.clone();
        assert_eq!(fixture.code_with(&fixture.message, window), Some(code), "{list}");
        // The window of another entry does not help.
        let borrowed = |root: &mut Value| {
            let mut other = root[list][0].clone();
            root[list][0]["validFor"] = past.clone();
            let chain = other.pointer_mut("/certChain/certificates").unwrap().as_array_mut().unwrap();
            // A root of its own, under which nothing was issued.
            chain.drain(..chain.len() - 1);
            root[list].as_array_mut().unwrap().push(other);
        };
        assert_eq!(fixture.code_with(&fixture.message, borrowed), Some(code), "{list}");
    }
    let window = |root: &mut Value| root["ctlogs"][0]["publicKey"]["validFor"] = past.clone();
    assert_eq!(fixture.code_with(&fixture.message, window), Some(Code::SctInvalid));
    let unlisted = |root: &mut Value| root["ctlogs"][0]["logId"]["keyId"] = json!(base64(&[7; 32]));
    assert_eq!(fixture.code_with(&fixture.message, unlisted), Some(Code::SctInvalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_count_authorities_and_never_entries() {
    let fixture = Fixture::new(RekorVersion::V2).await;
    let code = |root: &Value, thresholds: Thresholds| {
        let root = TrustedRoot::from_json(root.to_string().as_bytes()).unwrap();
        let verifier = Verifier::new(root, sign_core::SystemClock).with_thresholds(thresholds);
        fixture.code_by(&verifier, &fixture.message)
    };
    let one = Thresholds { log_entries: 1, timestamps: 1, scts: 1 };
    assert_eq!(code(&fixture.root, one), None);
    for two in [
        Thresholds { log_entries: 2, ..one },
        Thresholds { timestamps: 2, ..one },
        Thresholds { scts: 2, ..one },
    ] {
        assert_eq!(code(&fixture.root, two), Some(Code::ThresholdNotMet), "{two:?}");
    }
    // A root that lists no CT logs asks for no SCT; whoever does ask gets none.
    let mut root = fixture.root.clone();
    root["ctlogs"] = json!([]);
    assert_eq!(code(&root, Thresholds::default()), None);
    assert_eq!(code(&root, Thresholds { scts: 1, ..Thresholds::default() }), Some(Code::SctInvalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_ahead_of_the_clock_leave_the_question_open() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let fixture = Fixture::new(version).await;
        let verified = fixture
            .bench
            .verifier()
            .verify(&fixture.message, &Artifact::from_bytes(CONTENT), &fixture.requirement())
            .unwrap();
        let last = verified.times().last().unwrap().time;
        // An SCT counts milliseconds, so it may be a little later than times in whole seconds.
        for (seconds, expected) in [(59, None), (61, Some(Code::TimeInFuture))] {
            let now = last - jiff::SignedDuration::from_secs(seconds);
            let verifier = Verifier::new(fixture.bench.trust.trusted_root.clone(), FixedClock(now));
            assert_eq!(fixture.code_by(&verifier, &fixture.message), expected, "{version:?} {seconds}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_keys_are_refused_wherever_they_are() {
    let fixture = Fixture::new(RekorVersion::V2).await;
    let twice = |text: &str, at: &str| {
        let position = text.find(at).unwrap_or_else(|| panic!("{at}")) + at.len();
        format!("{}\"extra\":1,\"extra\":1,{}", &text[..position], &text[position..])
    };
    for at in ["{", "\"verificationMaterial\":{", "\"inclusionProof\":{", "\"dsseEnvelope\":{"] {
        let json = String::from_utf8(fixture.statement.to_json()).unwrap();
        Bundle::parse(twice(&json, at).as_bytes()).unwrap_err();
    }
    let json = String::from_utf8(fixture.statement.to_json()).unwrap();
    let media = json.replacen('{', "{\"media_type\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",", 1);
    assert_eq!(Bundle::parse(media.as_bytes()).unwrap_err().code(), Code::BundleMalformed);
    let root = fixture.root.to_string();
    for at in ["{", "\"publicKey\":{", "\"validFor\":{"] {
        let error = TrustedRoot::from_json(twice(&root, at).as_bytes()).unwrap_err();
        assert_eq!(error.code(), Code::TrustConfigInvalid, "{at}");
    }
    let Content::Dsse(envelope) = &fixture.statement.content else { panic!("no envelope") };
    let statement = std::str::from_utf8(&envelope.payload).unwrap();
    for at in ["{", "\"digest\":{", "\"predicate\":{"] {
        let error = sign_core::Statement::parse(twice(statement, at).into_bytes()).unwrap_err();
        assert_eq!(error.code(), Code::InvalidStatement, "{at}");
    }
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    fn walk<'a>(checks: &'a [Check], name: &str) -> Option<&'a Check> {
        checks
            .iter()
            .find_map(|check| if check.name == name { Some(check) } else { walk(&check.checks, name) })
    }
    walk(checks, name).unwrap_or_else(|| panic!("no check {name}"))
}

fn all_names(checks: &[Check]) -> Vec<&'static str> {
    checks.iter().flat_map(|check| [vec![check.name], all_names(&check.checks)].concat()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_tells_every_check_whatever_comes_of_it() {
    const STEPS: [&str; 7] =
        ["bundle", "trusted-time", "certificate", "identity", "transparency-log", "signature", "artifact"];
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let fixture = Fixture::new(version).await;
        let (verifier, artifact) = (fixture.bench.verifier(), Artifact::from_bytes(CONTENT));
        let verdict = verifier.examine(&fixture.statement, &artifact, &fixture.requirement());
        assert_eq!(verdict.outcome(), Outcome::Accepted);
        let names: Vec<_> = verdict.checks().iter().map(|check| check.name).collect();
        assert_eq!(names, STEPS);
        assert!(verdict.checks().iter().all(|check| check.outcome == CheckOutcome::Passed));
        for name in [
            "timestamp",
            "certificate-chain",
            "signed-certificate-timestamp",
            "checkpoint",
            "inclusion-proof",
            "log-key-window",
            "entry-binding",
            "subject",
        ] {
            assert_eq!(find(verdict.checks(), name).outcome, CheckOutcome::Passed, "{name}");
        }
        let documented = std::fs::read_to_string(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verification.md"),
        )
        .unwrap();
        for name in all_names(verdict.checks()) {
            assert!(documented.contains(&format!("`{name}`")), "{name} is not in docs/verification.md");
        }
        let verified = verdict.verified().unwrap();
        let VerifiedSigner::Certificate(certificate) = verified.signer() else { panic!("no certificate") };
        assert_eq!(certificate.san().as_str(), EMAIL);
        let entry = &verified.log_entries()[0];
        assert_eq!(entry.log_id, fixture.statement.log_entries[0].log_id);
        assert_eq!(entry.kind, fixture.statement.log_entries[0].kind);
        assert_eq!(entry.integrated_time.is_some(), version == RekorVersion::V1);
        let stamped = verified.times().iter().any(|time| {
            matches!(&time.source, TimeSource::Tsa { uri, fingerprint }
                if uri.starts_with(&fixture.bench.sandbox.urls().tsa) && fingerprint.as_bytes().len() == 32)
        });
        assert!(stamped, "{:?}", verified.times());

        // Rejected halfway: what passed before says so, and what was not reached does, too.
        let other = crate::sandbox::requirement("eve@example.com", &fixture.bench.sandbox.urls().oidc);
        let verdict = verifier.examine(&fixture.statement, &artifact, &other);
        let outcomes: Vec<_> = STEPS.iter().map(|name| find(verdict.checks(), name).outcome).collect();
        use CheckOutcome::{Failed, Passed, Skipped};
        assert_eq!(outcomes, [Passed, Passed, Passed, Failed, Skipped, Skipped, Skipped]);
        assert_eq!(find(verdict.checks(), "identity").code, Some(Code::IdentityMismatch));
        assert_eq!(verdict.error().unwrap().code(), Code::IdentityMismatch);
        assert!(verdict.verified().is_none() && verdict.into_result().is_err());

        // Inspection proves what can be proven without knowing whom and what to ask for.
        for bundle in [&fixture.message, &fixture.statement] {
            let checks = verifier.inspect(bundle);
            assert_eq!(find(&checks, "signature").outcome, Passed);
            assert_eq!(find(&checks, "identity").outcome, Skipped);
            assert!(!checks.iter().any(|check| check.outcome == Failed), "{checks:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_verifier_serves_many_threads() {
    let fixture = Fixture::new(RekorVersion::V1).await;
    let (verifier, requirement) = (fixture.bench.verifier(), fixture.requirement());
    let mut other = fixture.statement.clone();
    other.log_entries[0].log_index += 1;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (verifier, requirement, fixture, other) = (&verifier, &requirement, &fixture, &other);
            scope.spawn(move || {
                let artifact = Artifact::from_bytes(CONTENT);
                for round in 0..20 {
                    let good = if (thread + round) % 2 == 0 { &fixture.message } else { &fixture.statement };
                    verifier.verify(good, &artifact, requirement).unwrap();
                    let error = verifier.verify(other, &artifact, requirement).unwrap_err();
                    assert_eq!(error.code(), Code::SetInvalid);
                }
            });
        }
    });
}

#[test]
fn what_embedders_share_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Verifier>();
    shared::<TrustedRoot>();
    shared::<Requirement>();
    shared::<Bundle>();
    shared::<sign_core::Verdict>();
    shared::<sign_core::VerifiedBundle>();
    shared::<sign_core::Error>();
}
