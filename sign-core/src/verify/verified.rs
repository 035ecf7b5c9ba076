//! The proof. Only this folder can make one.

use jiff::Timestamp;

use super::verdict::Check;
use crate::certificate::Certificate;
use crate::digest::Digest;
use crate::legacy::SimpleSigning;
use crate::statement::Statement;

/// A bundle that passed every check, with what the checks established.
#[derive(Debug)]
pub struct VerifiedBundle {
    signer: VerifiedSigner,
    statement: Option<Statement>,
    payload: Option<SimpleSigning>,
    log_entries: Vec<LoggedEntry>,
    times: Vec<TrustedTime>,
    checks: Vec<Check>,
}

/// Who signed.
#[derive(Debug)]
pub enum VerifiedSigner {
    /// The holder of this certificate.
    Certificate(Box<Certificate>),
    /// The holder of the key that was asked for.
    Key,
}

/// An entry proven to be in a trusted log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEntry {
    /// The log's address, from the trusted root.
    pub log: String,
    /// The log's id, 32 bytes.
    pub log_id: Vec<u8>,
    /// The entry's position: in the whole log where the log promised that, else in its tree.
    pub log_index: u64,
    /// `hashedrekord`, `dsse` or `intoto`; as the entry itself says, which is in the tree.
    pub kind: String,
    /// Version of the kind.
    pub version: String,
    /// When the log says it took the entry, where it signs that.
    pub integrated_time: Option<Timestamp>,
}

/// A time that a trusted authority vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedTime {
    /// The time.
    pub time: Timestamp,
    /// Who vouches.
    pub source: TimeSource,
}

/// Who vouches for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeSource {
    /// A timestamp authority.
    Tsa {
        /// Its address, from the trusted root.
        uri: String,
        /// SHA-256 over its certificate.
        fingerprint: Digest,
    },
    /// A log's signed entry timestamp.
    Log {
        /// Its address, from the trusted root.
        url: String,
        /// Its id, 32 bytes.
        log_id: Vec<u8>,
    },
}

impl VerifiedBundle {
    pub(super) fn new(
        signer: VerifiedSigner,
        statement: Option<Statement>,
        log_entries: Vec<LoggedEntry>,
        times: Vec<TrustedTime>,
        checks: Vec<Check>,
    ) -> Self {
        Self { signer, statement, payload: None, log_entries, times, checks }
    }

    /// The same, where the artifact was a payload that says what is meant.
    pub(super) fn with_payload(self, payload: SimpleSigning, checks: Vec<Check>) -> Self {
        Self { payload: Some(payload), checks, ..self }
    }

    /// Who signed.
    #[must_use]
    pub fn signer(&self) -> &VerifiedSigner {
        &self.signer
    }

    /// The verified statement; none where the artifact itself was signed.
    #[must_use]
    pub fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    /// The verified payload of an image signature in cosign's older form.
    #[must_use]
    pub fn payload(&self) -> Option<&SimpleSigning> {
        self.payload.as_ref()
    }

    /// Takes the statement out.
    #[must_use]
    pub fn into_statement(self) -> Option<Statement> {
        self.statement
    }

    /// The proven log entries.
    #[must_use]
    pub fn log_entries(&self) -> &[LoggedEntry] {
        &self.log_entries
    }

    /// The trusted times, earliest first.
    #[must_use]
    pub fn times(&self) -> &[TrustedTime] {
        &self.times
    }

    /// Every check that was made, in order; all of them passed or did not apply.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }
}
