//! Steps 7, 8 and 11: the log entries. Each is proven to be in a trusted log, and to be about this
//! bundle. An entry that is not proven is no decoration: it fails the bundle.

use jiff::Timestamp;

use super::threshold::Authorities;
use super::time::{Proven, in_window, unknown_log};
use super::verdict::Record;
use super::verified::LoggedEntry;
use super::{Context, promise_suffices};
use crate::bundle::{Bundle, Content, KeyMaterial};
use crate::crypto::PublicKey;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::tlog::{Body, Checkpoint, EntryVerifier, Log, LogEntry, check_inclusion};

/// A proven entry and, for the last step, the digest that it says was signed.
pub(super) struct ProvenEntry {
    pub(super) logged: LoggedEntry,
    /// Only where the entry is about an artifact's signature.
    pub(super) artifact: Option<Digest>,
}

/// Checks every entry; there must be one if the trusted root lists logs.
pub(super) fn check(
    context: &Context<'_>,
    bundle: &Bundle,
    key: &PublicKey,
    verifier_der: &[u8],
    proven: &Proven,
    record: &mut Record,
) -> Result<Vec<ProvenEntry>> {
    if bundle.log_entries.is_empty() && context.root.lists_logs() {
        return Err(Error::new(Code::LogEntryInvalid, "the bundle has no log entry")
            .expected("an entry in a log of the trusted root")
            .hint("without it, nobody can find out that a signature was made in their name"));
    }
    let mut out: Vec<ProvenEntry> = Vec::new();
    let mut authorities = Authorities::default();
    for (index, entry) in bundle.log_entries.iter().enumerate() {
        let (entry, log) = record.check("log-entry", |record| {
            // Repeating an entry, under another number perhaps, must not look like a second log.
            let mut earlier = bundle.log_entries.iter().take(index).filter(|e| e.log_id == entry.log_id);
            if earlier.any(|e| e.log_index == entry.log_index || e.body == entry.body) {
                return Err(invalid("it is there twice").found(entry.log_index));
            }
            let promised = proven.promised.get(index).copied().flatten();
            let log = prove(context, bundle, entry, promised, proven, record)?;
            let artifact = record.check("entry-binding", |_| {
                let artifact = bind(bundle, entry, key, verifier_der)?;
                Ok((artifact, "the same signature, key and content".into()))
            })?;
            let logged = LoggedEntry {
                log: log.url.clone(),
                log_id: log.id.clone(),
                log_index: proven_index(entry, promised)?,
                kind: entry.kind.clone(),
                version: entry.version.clone(),
                integrated_time: promised,
            };
            let evidence =
                format!("{} {} at index {} of {}", logged.kind, logged.version, logged.log_index, logged.log);
            Ok(((ProvenEntry { logged, artifact }, log), evidence))
        })?;
        authorities.add(&log.authority, &log.id);
        out.push(entry);
    }
    let required = context.thresholds.log_entries;
    if required > 0 {
        record.check("log-threshold", |_| {
            authorities.at_least(required, "transparency logs")?;
            Ok(((), format!("{} of {required}", authorities.count())))
        })?;
    }
    Ok(out)
}

/// Proves that the entry is in a trusted log whose key was good at the time.
fn prove<'a>(
    context: &Context<'a>,
    bundle: &Bundle,
    entry: &LogEntry,
    promised: Option<Timestamp>,
    proven: &Proven,
    record: &mut Record,
) -> Result<&'a Log> {
    let v2 = is_v2(entry);
    if v2 && (entry.integrated_time.is_some() || entry.promise.is_some()) {
        // Somebody wrote a time where no reader can check one, for a reader that does not.
        return Err(invalid("it has a time, and its log dates nothing"));
    }
    let mut failure = (unknown_log(&entry.log_id), Record::default());
    for log in context.root.logs_with_id(&entry.log_id) {
        let mut attempt = Record::default();
        let proof = prove_in(log, bundle, entry, v2, &mut attempt).and_then(|()| {
            attempt.check("log-key-window", |_| {
                check_window(log, promised, proven, context.now)?;
                Ok(((), log.window.to_string()))
            })
        });
        match proof {
            Ok(()) => {
                record.take_over(attempt);
                return Ok(log);
            }
            Err(error) => failure = (error, attempt),
        }
    }
    record.take_over(failure.1);
    Err(failure.0)
}

fn prove_in(log: &Log, bundle: &Bundle, entry: &LogEntry, v2: bool, record: &mut Record) -> Result<()> {
    let promise_suffices = entry.promise.is_some() && promise_suffices(bundle.version) && !v2;
    // The oldest bundles have proofs without checkpoints: those prove nothing, the promise does.
    let proof = entry.proof.as_ref().filter(|proof| !promise_suffices || !proof.checkpoint.is_empty());
    let Some(proof) = proof else {
        if promise_suffices {
            record.skip("inclusion-proof", "the log's promise suffices in a bundle of version 0.1");
            return Ok(());
        }
        return Err(invalid("it has no inclusion proof").expected("an inclusion proof with a checkpoint"));
    };
    let checkpoint = record.check("checkpoint", |_| {
        if proof.checkpoint.is_empty() {
            return Err(Error::new(Code::CheckpointInvalid, "the inclusion proof has no checkpoint"));
        }
        let checkpoint = Checkpoint::parse(&proof.checkpoint)?;
        checkpoint.verify(log, v2)?;
        let evidence = format!("of {}, tree size {}", log.url, checkpoint.tree_size());
        Ok((checkpoint, evidence))
    })?;
    record.check("inclusion-proof", |_| {
        check_inclusion(&entry.body, proof, &checkpoint)?;
        Ok(((), format!("index {} of {}", proof.log_index, checkpoint.tree_size())))
    })
}

/// The index that is proven. A promise covers the one over all shards; without it only the proof's is,
/// which for a v2 log is the same.
fn proven_index(entry: &LogEntry, promised: Option<Timestamp>) -> Result<u64> {
    match (&entry.proof, promised) {
        (_, Some(_)) | (None, None) => Ok(entry.log_index),
        (Some(proof), None) if is_v2(entry) && proof.log_index != entry.log_index => {
            Err(invalid("its index is not the one that is proven")
                .expected(proof.log_index)
                .found(entry.log_index))
        }
        (Some(proof), None) => Ok(proof.log_index),
    }
}

/// A v1 log dates its entries; a v2 log does not, so every trusted time must be in the key's window.
fn check_window(log: &Log, promised: Option<Timestamp>, proven: &Proven, now: Timestamp) -> Result<()> {
    if let Some(time) = promised {
        return in_window(log, time);
    }
    if proven.times.is_empty() {
        return in_window(log, now);
    }
    proven.times.iter().try_for_each(|t| in_window(log, t.time))
}

fn is_v2(entry: &LogEntry) -> bool {
    entry.version == "0.0.2" && entry.kind == "hashedrekord"
}

/// Ties the entry to this bundle: same signature, same key, same content. A genuine entry of somebody
/// else's signature must not serve. Returns the artifact's digest where the entry names it.
fn bind(bundle: &Bundle, entry: &LogEntry, key: &PublicKey, verifier_der: &[u8]) -> Result<Option<Digest>> {
    let body = Body::parse(&entry.kind, &entry.version, &entry.body)?;
    let same_verifier = |verifier: &EntryVerifier| {
        let keyed = matches!(bundle.key_material, KeyMaterial::PublicKey { .. });
        let same = match verifier {
            EntryVerifier::Certificate(der) => !keyed && der == verifier_der,
            EntryVerifier::PublicKey(der) => keyed && der == verifier_der,
        };
        if same { Ok(()) } else { Err(mismatch("another key or certificate")) }
    };
    let same_signature = |signature: &[u8]| {
        if signature == bundle.signature() {
            return Ok(());
        }
        Err(mismatch("another signature"))
    };
    match (body, &bundle.content) {
        (Body::HashedRekordV1 { digest, signature, verifier }, Content::Message(_)) => {
            same_signature(&signature)?;
            same_verifier(&verifier)?;
            Ok(Some(digest))
        }
        (Body::HashedRekordV2 { digest, signature, verifier, key_details }, content) => {
            same_signature(&signature)?;
            same_verifier(&verifier)?;
            if key.key_details() != Some(key_details.as_str()) {
                return Err(mismatch("another kind of key")
                    .expected(key.key_details().unwrap_or("a kind of key that this log takes"))
                    .found(key_details));
            }
            match content {
                Content::Message(_) => Ok(Some(digest)),
                Content::Dsse(envelope) => {
                    let pae = envelope.pae_digest(digest.algorithm());
                    if pae != digest {
                        return Err(mismatch("another envelope").expected(pae).found(digest));
                    }
                    Ok(None)
                }
            }
        }
        (Body::Envelope { payload, signature, verifier }, Content::Dsse(envelope)) => {
            same_signature(&signature)?;
            same_verifier(&verifier)?;
            let found = payload.algorithm().hash(&envelope.payload);
            if found != payload {
                return Err(mismatch("another payload").expected(found).found(payload));
            }
            Ok(None)
        }
        (Body::EnvelopeText { envelope: logged, payload, verifier }, Content::Dsse(envelope)) => {
            same_verifier(&verifier)?;
            let found = logged.algorithm().hash(&envelope.to_json());
            if found != logged {
                return Err(mismatch("another envelope").expected(found).found(logged));
            }
            let differs = |logged: &Digest| logged.algorithm().hash(&envelope.payload) != *logged;
            if let Some(logged) = payload.filter(differs) {
                return Err(mismatch("another payload").found(logged));
            }
            Ok(None)
        }
        (Body::HashedRekordV1 { .. }, Content::Dsse(_)) => {
            Err(mismatch("a message's signature").expected("an envelope"))
        }
        (Body::Envelope { .. } | Body::EnvelopeText { .. }, Content::Message(_)) => {
            Err(mismatch("an envelope").expected("a message's signature"))
        }
    }
}

fn mismatch(what: &str) -> Error {
    Error::new(Code::LogEntryMismatch, format!("the log entry is about {what}"))
        .hint("the entry is genuine, perhaps, but it belongs to another bundle")
}

fn invalid(message: &str) -> Error {
    Error::new(Code::LogEntryInvalid, format!("the log entry: {message}"))
}
