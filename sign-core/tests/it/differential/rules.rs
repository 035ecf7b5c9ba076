//! Why the two verifiers may disagree: a closed list, each with the condition under which it applies.

use serde_json::Value;
use sign_core::Bundle;

use super::mutants::{Change, Mutant};

/// A named reason. The first ones are ours alone to refuse, the last ones ours alone to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A name is in an object twice: two readers could see two bundles.
    NamedTwice,
    /// Without a media type it is no bundle of any version; the oracle takes it for the latest.
    NoMediaType,
    /// The digest in a message signature is a hint, but one with another algorithm is wrong.
    DigestHint,
    /// A log entry is there twice and would look like two.
    LoggedTwice,
    /// A timestamp is there twice and would look like two.
    StampedTwice,
    /// Root, size and index are in a v2 entry a second time, beside the checkpoint and the entry; the
    /// oracle does not look at them.
    ProofRepeats,
    /// A v2 entry names another log; the oracle finds the log by the checkpoint alone.
    LogId,
    /// The checkpoint of a v2 log carries another name than the log's.
    CheckpointName,
    /// A signature line that the note format does not allow, such as a name with a plus in it.
    CheckpointLine,
    /// A v2 entry carries a time, which nobody signs.
    UndatedLog,

    /// Version 0.1 rests on the promise; its proofs were made before there were checkpoints.
    ProofBeforeCheckpoints,
    /// A certificate with several SCTs; the oracle knows one.
    SeveralScts,
    /// A `hashedrekord` that names the artifact by another hash than SHA-256.
    OtherHash,
}

/// The rule that explains why the verdicts on `mutant` differ.
pub fn explain(
    mutant: &Mutant<'_>,
    ours: &Result<Bundle, String>,
    oracle: &Result<(), String>,
) -> Option<Rule> {
    match (ours, oracle) {
        (Err(ours), Ok(())) => stricter(mutant, ours),
        (Ok(ours), Err(oracle)) => wider(mutant, ours, oracle),
        _ => None,
    }
}

fn stricter(mutant: &Mutant<'_>, ours: &str) -> Option<Rule> {
    const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
    let code = |code: &str| ours.contains(&format!("[{code}]"));
    let v2 = || {
        let json: Value = serde_json::from_slice(&mutant.json).ok()?;
        Some(json.pointer(ENTRY)?["kindVersion"]["version"] == "0.0.2")
    };
    let within_entry = mutant.pointer.strip_prefix(ENTRY);
    match (&mutant.change, mutant.pointer.as_str(), within_entry) {
        (Change::NamedTwice, ..) if code("bundle-malformed") => Some(Rule::NamedTwice),
        (Change::Removed, "/mediaType", _) if code("bundle-malformed") => Some(Rule::NoMediaType),
        (_, "/messageSignature/messageDigest/algorithm", _) if code("digest-mismatch") => {
            Some(Rule::DigestHint)
        }
        (Change::Repeated, _, Some("")) if ours.contains("it is there twice") => Some(Rule::LoggedTwice),
        (Change::Repeated, ..) if ours.contains("a timestamp is there twice") => Some(Rule::StampedTwice),
        (
            _,
            _,
            Some("/inclusionProof/rootHash" | "/inclusionProof/treeSize" | "/inclusionProof/logIndex"),
        ) if code("inclusion-proof-invalid") && v2()? => Some(Rule::ProofRepeats),
        (Change::Swapped(_) | Change::Flipped, _, Some("/logId" | "/logId/keyId"))
            if (code("log-untrusted") || code("checkpoint-invalid")) && v2()? =>
        {
            Some(Rule::LogId)
        }
        (Change::Flipped, _, Some("/inclusionProof/checkpoint/envelope"))
            if ours.contains("a signature line cannot be read") =>
        {
            Some(Rule::CheckpointLine)
        }
        (Change::Flipped, _, Some("/inclusionProof/checkpoint/envelope"))
            if code("checkpoint-invalid") && v2()? =>
        {
            Some(Rule::CheckpointName)
        }
        (Change::Swapped(_) | Change::Flipped, _, Some("/integratedTime"))
            if code("log-entry-invalid") && v2()? =>
        {
            Some(Rule::UndatedLog)
        }
        _ => None,
    }
}

fn wider(mutant: &Mutant<'_>, ours: &Bundle, oracle: &str) -> Option<Rule> {
    let promised = ours.version == sign_core::BundleVersion::V0_1
        && ours.log_entries.iter().all(|entry| entry.promise.is_some());
    match mutant.subject.name.as_str() {
        _ if promised && oracle.contains("inclusion proof has no checkpoint") => {
            Some(Rule::ProofBeforeCheckpoints)
        }
        "sandbox-several-scts" if oracle.contains("SCT") => Some(Rule::SeveralScts),
        "sandbox-other-hash" if oracle.contains("hash") => Some(Rule::OtherHash),
        _ => None,
    }
}
