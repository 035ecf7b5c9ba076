//! Step 2: trusted times. A time counts once its authority's signature was checked, never before.

use jiff::Timestamp;

use super::verified::{Check, TimeSource, TrustedTime};
use crate::bundle::{Bundle, BundleVersion, Content};
use crate::error::{Code, Error, Result};
use crate::timestamp;
use crate::tlog::{Log, check_promise};
use crate::trust::TrustedRoot;

/// The trusted times of a bundle, and what the promises in it prove.
pub(super) struct Proven {
    pub(super) times: Vec<TrustedTime>,
    /// For each log entry the time that its promise proves.
    pub(super) promised: Vec<Option<Timestamp>>,
}

/// Verifies every timestamp and every promise; one that does not verify fails the bundle.
pub(super) fn collect(root: &TrustedRoot, bundle: &Bundle, checks: &mut Vec<Check>) -> Result<Proven> {
    let mut proven = Proven { times: Vec::new(), promised: Vec::new() };
    for (index, response) in bundle.timestamps.iter().enumerate() {
        // Repeating one must not look like a second opinion.
        if bundle.timestamps.iter().take(index).any(|earlier| earlier == response) {
            return Err(Error::new(Code::TimestampInvalid, "a timestamp is there twice"));
        }
        let verified = timestamp::verify(response, bundle.signature(), root.timestamp_authorities())
            .or_else(|error| match whole_envelope(bundle) {
                Some(text) => timestamp::verify(response, &text, root.timestamp_authorities()),
                None => Err(error),
            })?;
        let source = TimeSource::Tsa { uri: verified.authority.uri.clone() };
        let fingerprint = &verified.authority.fingerprint;
        checks.push(Check::new(
            "timestamp",
            format!("{} by {} ({fingerprint})", verified.time, verified.authority.uri),
        ));
        proven.times.push(TrustedTime { time: verified.time, source });
    }
    for entry in &bundle.log_entries {
        let Some(promise) = &entry.promise else {
            proven.promised.push(None);
            continue;
        };
        let mut result = Err(unknown_log(&entry.log_id));
        for log in root.logs_with_id(&entry.log_id) {
            result = check_promise(entry, promise, log).and_then(|time| {
                in_window(log, time)?;
                Ok((time, log))
            });
            if result.is_ok() {
                break;
            }
        }
        let (time, log) = result?;
        checks.push(Check::new("signed-entry-timestamp", format!("{time} by {}", log.url)));
        proven.times.push(TrustedTime { time, source: TimeSource::Log { url: log.url.clone() } });
        proven.promised.push(Some(time));
    }
    Ok(proven)
}

/// Older cosign versions stamped an attestation's whole envelope, signature and all.
fn whole_envelope(bundle: &Bundle) -> Option<Vec<u8>> {
    match &bundle.content {
        Content::Dsse(envelope) if bundle.version == BundleVersion::Legacy => Some(envelope.to_json()),
        _ => None,
    }
}

/// Whether the log's key was trusted at `time`.
pub(super) fn in_window(log: &Log, time: Timestamp) -> Result<()> {
    if log.window.contains(time) {
        return Ok(());
    }
    Err(Error::new(Code::LogUntrusted, "the log's key was not trusted at that time")
        .expected(log.window)
        .found(time))
}

pub(super) fn unknown_log(id: &[u8]) -> Error {
    Error::new(Code::LogUntrusted, "the entry is in a log that the trusted root does not list")
        .found(hex::encode(id))
        .hint("a newer trusted root may list it; was the bundle made for another instance?")
}
