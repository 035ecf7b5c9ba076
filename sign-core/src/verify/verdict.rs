//! The answer about one bundle: every check, in order, and what came of it.

use std::fmt;

use super::verified::VerifiedBundle;
use crate::error::{Code, Error, Outcome, Result};

/// The checks at the top of every verdict, in the order of `docs/verification.md`. One that was not reached
/// is there all the same, as skipped.
pub(super) const STEPS: [&str; 7] =
    ["bundle", "trusted-time", "certificate", "identity", "transparency-log", "signature", "artifact"];

/// The answer about one bundle.
#[derive(Debug)]
pub struct Verdict(Answer);

#[derive(Debug)]
enum Answer {
    Accepted(Box<VerifiedBundle>),
    Rejected { error: Error, checks: Vec<Check> },
}

/// One check, with those that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Stable name; `docs/verification.md` lists them.
    pub name: &'static str,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What it rests on, or why it failed or was not made.
    pub evidence: String,
    /// The code of the failure.
    pub code: Option<Code>,
    /// The checks that it is made of.
    pub checks: Vec<Check>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckOutcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It was not reached, or does not apply; the evidence says which.
    Skipped,
}

impl CheckOutcome {
    /// The name used in JSON output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Verdict {
    pub(super) fn accepted(verified: VerifiedBundle) -> Self {
        Self(Answer::Accepted(Box::new(verified)))
    }

    pub(super) fn rejected(error: Error, checks: Vec<Check>) -> Self {
        Self(Answer::Rejected { error, checks })
    }

    /// Every check, in order.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        match &self.0 {
            Answer::Accepted(verified) => verified.checks(),
            Answer::Rejected { checks, .. } => checks,
        }
    }

    /// What the answer means to the caller.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.error().map_or(Outcome::Accepted, Error::outcome)
    }

    /// Why the bundle is not accepted.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match &self.0 {
            Answer::Accepted(_) => None,
            Answer::Rejected { error, .. } => Some(error),
        }
    }

    /// The proof, where the bundle is accepted.
    #[must_use]
    pub fn verified(&self) -> Option<&VerifiedBundle> {
        match &self.0 {
            Answer::Accepted(verified) => Some(verified),
            Answer::Rejected { .. } => None,
        }
    }

    /// The proof, or the failure of the check that ended it.
    ///
    /// # Errors
    /// The code of the first check that failed.
    pub fn into_result(self) -> Result<VerifiedBundle> {
        match self.0 {
            Answer::Accepted(verified) => Ok(*verified),
            Answer::Rejected { error, .. } => Err(error),
        }
    }

    /// The checks, and the proof or the failure.
    pub fn into_parts(self) -> (Vec<Check>, Result<VerifiedBundle>) {
        match self.0 {
            Answer::Accepted(verified) => (verified.checks().to_vec(), Ok(*verified)),
            Answer::Rejected { error, checks } => (checks, Err(error)),
        }
    }
}

/// Checks as they are made.
#[derive(Debug, Default)]
pub(super) struct Record(Vec<Check>);

impl Record {
    /// Makes a check: `run` answers what it establishes, with its evidence, or why it fails.
    pub(super) fn check<T>(
        &mut self,
        name: &'static str,
        run: impl FnOnce(&mut Record) -> Result<(T, String)>,
    ) -> Result<T> {
        let mut inner = Record::default();
        let (outcome, evidence, code, result) = match run(&mut inner) {
            Ok((value, evidence)) => (CheckOutcome::Passed, evidence, None, Ok(value)),
            Err(error) => (CheckOutcome::Failed, tell(&error), Some(error.code()), Err(error)),
        };
        self.0.push(Check { name, outcome, evidence, code, checks: inner.0 });
        result
    }

    /// Says why a check was not made.
    pub(super) fn skip(&mut self, name: &'static str, why: &str) {
        let evidence = why.to_owned();
        self.0.push(Check { name, outcome: CheckOutcome::Skipped, evidence, code: None, checks: Vec::new() });
    }

    /// Takes over the checks of an attempt.
    pub(super) fn take_over(&mut self, attempt: Record) {
        self.0.extend(attempt.0);
    }

    /// The record with the steps that were not reached.
    pub(super) fn finish(mut self) -> Vec<Check> {
        for name in STEPS {
            if !self.0.iter().any(|check| check.name == name) {
                self.skip(name, "not reached");
            }
        }
        self.0
    }
}

impl From<Vec<Check>> for Record {
    fn from(checks: Vec<Check>) -> Self {
        Self(checks)
    }
}

/// An error in one line, without its code, which the check has beside it.
fn tell(error: &Error) -> String {
    let mut text = error.message().to_owned();
    for (label, value) in [("expected", error.expected_value()), ("found", error.found_value())] {
        if let Some(value) = value {
            text.push_str(&format!("; {label} {value}"));
        }
    }
    text
}

impl fmt::Display for CheckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
