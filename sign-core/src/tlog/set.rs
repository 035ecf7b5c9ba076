//! Signed entry timestamps: Rekor v1's promise that an entry was logged, and when.
//!
//! Source: Rekor `types` and `pkg/verify`: ECDSA or other signature of the log over the RFC 8785 form of
//! body, integratedTime, logID and logIndex.

use jiff::Timestamp;

use super::{Log, LogEntry};
use crate::encoding::base64_encode;
use crate::error::{Code, Error, Result};

/// Checks the promise and returns the time that it proves. Without it `integratedTime` is just a number.
pub(crate) fn check_promise(entry: &LogEntry, promise: &[u8], log: &Log) -> Result<Timestamp> {
    let seconds = entry.integrated_time.ok_or_else(|| invalid("a promise without an integrated time"))?;
    let time = Timestamp::from_second(seconds)
        .ok()
        .filter(|time| *time > Timestamp::UNIX_EPOCH)
        .ok_or_else(|| invalid("the integrated time is out of range").found(seconds))?;
    // Numbers and ASCII only, keys in order: this is the canonical form already.
    let signed = format!(
        r#"{{"body":"{}","integratedTime":{seconds},"logID":"{}","logIndex":{}}}"#,
        base64_encode(&entry.body),
        hex::encode(&entry.log_id),
        entry.log_index,
    );
    if !log.key.verifies(signed.as_bytes(), promise) {
        return Err(invalid("the log's signature over the entry does not verify"));
    }
    Ok(time)
}

fn invalid(message: &str) -> Error {
    Error::new(Code::SetInvalid, format!("the signed entry timestamp: {message}"))
}
