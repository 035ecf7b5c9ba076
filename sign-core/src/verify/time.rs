//! Step 2: trusted times. A time counts once its authority's signature was checked, never before.

use jiff::{SignedDuration, Timestamp};

use super::Context;
use super::threshold::Authorities;
use super::verdict::Record;
use super::verified::{TimeSource, TrustedTime};
use crate::bundle::{Bundle, BundleVersion, Content, KeyMaterial};
use crate::error::{Code, Error, Result};
use crate::timestamp;
use crate::tlog::{Log, LogEntry, check_promise};

/// How far ahead of this machine's clock a time may be: clocks differ by seconds, and a time beyond that
/// was not yet proven when it was written down.
const MAX_FUTURE: SignedDuration = SignedDuration::from_secs(60);

/// The trusted times of a bundle, and what the promises in it prove.
#[derive(Debug, Default)]
pub(super) struct Proven {
    pub(super) times: Vec<TrustedTime>,
    /// For each log entry the time that its promise proves.
    pub(super) promised: Vec<Option<Timestamp>>,
}

/// Verifies every timestamp and every promise; one that does not verify fails the bundle.
pub(super) fn collect(context: &Context<'_>, bundle: &Bundle, record: &mut Record) -> Result<Proven> {
    let mut proven = Proven::default();
    let mut authorities = Authorities::default();
    let mut seen: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for response in &bundle.timestamps {
        record.check("timestamp", |_| {
            let known = context.root.timestamp_authorities();
            let verified =
                timestamp::verify(response, bundle.signature(), known).or_else(
                    |error| match whole_envelope(bundle) {
                        Some(text) => timestamp::verify(response, &text, known),
                        None => Err(error),
                    },
                )?;
            let (time, authority) = (verified.time, verified.authority);
            let key = authority.fingerprint.as_bytes();
            // Repeating one, wrapped anew perhaps, must not look like a second opinion.
            if seen.iter().any(|(other, info)| *other == key && *info == verified.info) {
                return Err(Error::new(Code::TimestampInvalid, "a timestamp is there twice"));
            }
            not_in_future(time, context.now)?;
            seen.push((key, verified.info));
            authorities.add(&authority.authority, key);
            let (uri, fingerprint) = (authority.uri.clone(), authority.fingerprint.clone());
            let evidence = format!("{time} by {uri} ({fingerprint})");
            proven.times.push(TrustedTime { time, source: TimeSource::Tsa { uri, fingerprint } });
            Ok(((), evidence))
        })?;
    }
    for entry in &bundle.log_entries {
        let Some(promise) = &entry.promise else {
            proven.promised.push(None);
            continue;
        };
        let time = record.check("signed-entry-timestamp", |_| {
            let (time, log) = promised(context, entry, promise)?;
            not_in_future(time, context.now)?;
            let source = TimeSource::Log { url: log.url.clone(), log_id: log.id.clone() };
            proven.times.push(TrustedTime { time, source });
            Ok((time, format!("{time} by {}", log.url)))
        })?;
        proven.promised.push(Some(time));
    }
    let required = context.thresholds.timestamps;
    if required > 0 {
        record.check("timestamp-threshold", |_| {
            authorities.at_least(required, "timestamp authorities")?;
            Ok(((), format!("{} of {required}", authorities.count())))
        })?;
    }
    let keyed = matches!(bundle.key_material, KeyMaterial::PublicKey { .. });
    if proven.times.is_empty() && !keyed {
        return Err(Error::new(Code::TimestampMissing, "nothing proves when it was signed")
            .expected("a timestamp by a trusted authority, or a log's signed entry timestamp")
            .hint("a certificate lives for minutes: without a time, a stolen key would be good for ever"));
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

fn promised<'a>(context: &Context<'a>, entry: &LogEntry, promise: &[u8]) -> Result<(Timestamp, &'a Log)> {
    let mut failure = unknown_log(&entry.log_id);
    for log in context.root.logs_with_id(&entry.log_id) {
        match check_promise(entry, promise, log).and_then(|time| in_window(log, time).map(|()| time)) {
            Ok(time) => return Ok((time, log)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Refuses a time ahead of this machine's clock. That is no verdict: the clock may be the wrong one.
pub(super) fn not_in_future(time: Timestamp, now: Timestamp) -> Result<()> {
    if time.duration_since(now) <= MAX_FUTURE {
        return Ok(());
    }
    Err(Error::new(Code::TimeInFuture, "a trusted time lies in the future")
        .expected(format!("at most {} seconds after {now}", MAX_FUTURE.as_secs()))
        .found(time)
        .hint("check the clock of this machine"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tolerance_is_inclusive() {
        let now = Timestamp::from_second(1_000).unwrap();
        for (second, good) in [(1, true), (1_000, true), (1_060, true), (1_061, false)] {
            let result = not_in_future(Timestamp::from_second(second).unwrap(), now);
            assert_eq!(result.err().map(|e| e.code()), (!good).then_some(Code::TimeInFuture), "{second}");
        }
    }
}
