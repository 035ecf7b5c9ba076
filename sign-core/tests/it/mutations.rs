//! Every one-field and one-byte change of a good bundle is refused, or changes nothing that means anything.

use serde_json::{Value, json};
use sign_core::{Artifact, Bundle, Content, LogEntry, Requirement, Verifier};
use sign_sandbox::RekorVersion;

use crate::sandbox::{Bench, CONTENT};

/// Where a change may pass: bytes that no signature covers and no decision rests on.
///
/// Of a timestamp's DER these are the status text, versions and algorithm identifiers of the CMS around
/// what is signed; the time, the imprint, the attributes and the signature are covered.
const UNSIGNED: &[&str] =
    &["/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp"];

struct Subject {
    json: Vec<u8>,
    original: Bundle,
    verifier: Verifier,
    requirement: Requirement,
}

impl Subject {
    fn accepts(&self, json: &[u8]) -> Option<Bundle> {
        let bundle = Bundle::parse(json).ok()?;
        let artifact = Artifact::from_bytes(CONTENT);
        self.verifier.verify(&bundle, &artifact, &self.requirement).ok()?;
        Some(bundle)
    }

    /// Whether `json` is refused or means the same; timestamps aside, as said above.
    fn holds(&self, json: &[u8], timestamps_may_differ: bool) -> bool {
        let Some(mut accepted) = self.accepts(json) else { return true };
        if timestamps_may_differ && accepted.timestamps.len() == self.original.timestamps.len() {
            accepted.timestamps.clone_from(&self.original.timestamps);
        }
        if let (Content::Message(accepted), Content::Message(original)) =
            (&mut accepted.content, &self.original.content)
            && accepted.digest.is_none()
        {
            // The digest is a hint: it may be missing, and must not be wrong.
            accepted.digest.clone_from(&original.digest);
        }
        // A v1 entry has two proofs of its time: one is enough, and one may be left out.
        for (accepted, original) in accepted.log_entries.iter_mut().zip(&self.original.log_entries) {
            if original.promise.is_some() && accepted.promise.is_none() {
                accepted.promise.clone_from(&original.promise);
                accepted.integrated_time = original.integrated_time;
                accepted.log_index = original.log_index;
            }
        }
        let dated = self.original.log_entries.iter().all(|entry| entry.promise.is_some());
        if dated && accepted.timestamps.is_empty() {
            accepted.timestamps.clone_from(&self.original.timestamps);
        }
        let mut original = self.original.clone();
        for bundle in [&mut accepted, &mut original] {
            bundle.log_entries.iter_mut().for_each(forget_signer_name);
        }
        accepted == original
    }
}

/// A v1 log is known by its key and not by its name, and so is its checkpoint.
fn forget_signer_name(entry: &mut LogEntry) {
    let (true, Some(proof)) = (entry.promise.is_some(), &mut entry.proof) else { return };
    if let Some((text, line)) = proof.checkpoint.split_once("\u{2014} ")
        && let Some((_, signature)) = line.split_once(' ')
    {
        proof.checkpoint = format!("{text}\u{2014} {signature}");
    }
}

async fn subjects(version: RekorVersion) -> (Bench, Vec<Subject>) {
    let bench = Bench::start(version).await;
    let mut subjects = Vec::new();
    for signed in [bench.blob().await, bench.statement().await] {
        let subject = Subject {
            json: signed.bundle.to_json(),
            original: signed.bundle,
            verifier: bench.verifier(),
            requirement: bench.requirement(),
        };
        assert!(subject.accepts(&subject.json).is_some(), "the baseline must pass");
        subjects.push(subject);
    }
    (bench, subjects)
}

/// Every JSON pointer in `value`.
fn pointers(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, child) in object {
                pointers(child, format!("{at}/{key}"), out);
            }
        }
        Value::Array(array) => {
            for (index, child) in array.iter().enumerate() {
                pointers(child, format!("{at}/{index}"), out);
            }
        }
        _ => {}
    }
    if !at.is_empty() {
        out.push(at);
    }
}

/// Other values in the place of `value`.
fn changes(value: &Value) -> Vec<Value> {
    let mut out = vec![json!(null), json!(""), json!(0), json!([]), json!({})];
    if let Value::String(text) = value {
        out.push(json!(format!("{text} ")));
        out.push(json!(text.to_uppercase()));
        for position in [0, text.len() / 3, text.len() / 2, text.len().saturating_sub(8)] {
            let mut bytes = text.clone().into_bytes();
            if let Some(byte) = bytes.get_mut(position) {
                *byte = if *byte == b'A' { b'B' } else { b'A' };
            }
            out.extend(String::from_utf8(bytes).ok().map(Value::String));
        }
        if let Ok(number) = text.parse::<i64>() {
            out.extend([
                json!((number + 1).to_string()),
                json!((number - 1).to_string()),
                json!("-1"),
                json!(number),
            ]);
        }
    }
    if let Value::Array(array) = value {
        let twice: Vec<_> = array.iter().chain(array).cloned().collect();
        out.push(json!(twice));
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changed_field_is_accepted() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let (_bench, subjects) = subjects(version).await;
        for subject in &subjects {
            let document: Value = serde_json::from_slice(&subject.json).unwrap();
            let mut all = Vec::new();
            pointers(&document, String::new(), &mut all);
            let mut tried = 0;
            for pointer in &all {
                let unsigned = UNSIGNED.contains(&pointer.as_str());
                for change in changes(document.pointer(pointer).unwrap()) {
                    let mut mutant = document.clone();
                    *mutant.pointer_mut(pointer).unwrap() = change.clone();
                    let json = mutant.to_string();
                    assert!(subject.holds(json.as_bytes(), unsigned), "{version:?} {pointer} = {change}");
                    tried += 1;
                }
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                let mut mutant = document.clone();
                if let Some(object) = mutant.pointer_mut(parent).and_then(Value::as_object_mut) {
                    object.remove(key);
                    assert!(
                        subject.holds(mutant.to_string().as_bytes(), false),
                        "{version:?} without {pointer}"
                    );
                    tried += 1;
                }
                let mut mutant = document.clone();
                if let Some(object) = mutant.pointer_mut(parent).and_then(Value::as_object_mut) {
                    object.insert("unknown".into(), json!(1));
                    assert!(
                        subject.accepts(mutant.to_string().as_bytes()).is_none(),
                        "{version:?} beside {pointer}"
                    );
                }
            }
            assert!(tried > 200, "{tried}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changed_byte_is_accepted() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let (_bench, subjects) = subjects(version).await;
        for subject in &subjects {
            let text = std::str::from_utf8(&subject.json).unwrap();
            let start = text.find("rfc3161Timestamps").unwrap();
            let timestamp = start..start + text[start..].find(']').unwrap();
            for position in 0..subject.json.len() {
                for flip in [0x01, 0x20] {
                    let mut mutant = subject.json.clone();
                    mutant[position] ^= flip;
                    let unsigned = timestamp.contains(&position);
                    let around = String::from_utf8_lossy(
                        &mutant[position.saturating_sub(60)..(position + 20).min(mutant.len())],
                    );
                    assert!(
                        subject.holds(&mutant, unsigned),
                        "{version:?} byte {position} ^ {flip:#x}: {around}"
                    );
                }
            }
        }
    }
}
