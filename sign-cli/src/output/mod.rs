//! The one door to the terminal: results to stdout, everything else to stderr, all of it escaped.

mod escape;
mod human;
mod json;
mod usage;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::{Map, Value};
use sign_core::{Code, Error, Outcome};

use crate::args::Format;

pub(crate) use escape::plain;

/// The word for a command that did or showed what was asked for, and accepted nothing.
pub(crate) const DONE: &str = "done";

/// What a command has to say about one image or file.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// The image or file, as given.
    pub(crate) name: String,
    /// For people; one entry a line.
    pub(crate) lines: Vec<String>,
    /// For machines.
    pub(crate) fields: Map<String, Value>,
    /// Whether nothing was done about it, because of another one.
    pub(crate) skipped: bool,
    /// Why it is not accepted or done.
    pub(crate) error: Option<Error>,
    /// For people, under the error.
    pub(crate) notes: Vec<String>,
}

impl Item {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    pub(crate) fn failed(name: impl Into<String>, error: Error) -> Self {
        Self { name: name.into(), error: Some(error), ..Self::default() }
    }

    pub(crate) fn skipped(name: impl Into<String>) -> Self {
        Self { name: name.into(), skipped: true, ..Self::default() }
    }

    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub(crate) fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }
}

/// How and where to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// The format that was asked for by a command line that could not be parsed.
    pub(crate) fn from_raw_arguments(arguments: &[OsString]) -> Self {
        let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        let asked =
            words.windows(2).any(|pair| matches!(pair[0].as_ref(), "-o" | "--output") && pair[1] == "json")
                || words.iter().any(|word| matches!(word.as_ref(), "--output=json" | "-ojson" | "-o=json"))
                || std::env::var("SIGNER_OUTPUT").is_ok_and(|value| value == "json");
        Self::new(if asked { Format::Json } else { Format::Human })
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints the whole answer and returns the exit status it stands for. `trust` says what it rests on.
    pub(crate) fn finish(
        self,
        command: &str,
        items: Result<Vec<Item>, Error>,
        trust: Option<Value>,
    ) -> ExitCode {
        let (items, error) = match items {
            Ok(items) => (items, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let worst = error.as_ref().or_else(|| worst(&items));
        let outcome = worst.map_or(Outcome::Accepted, Error::outcome);
        let printed = match self.format {
            Format::Human => human::print(&items, error.as_ref()),
            Format::Json => json::print(command, good(command), worst, &items, trust),
        };
        self.printed(command, outcome, printed)
    }

    fn printed(self, command: &str, outcome: Outcome, printed: io::Result<()>) -> ExitCode {
        match printed {
            Ok(()) => ExitCode::from(outcome.exit_status()),
            // Whoever closes the pipe has read enough, and what was done is done. A verdict is another matter:
            // one that nobody could read is none.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe && !decides(command) => {
                ExitCode::from(outcome.exit_status())
            }
            Err(e) => {
                self.note(&format!("error: the result could not be written: {e} [{}]", Code::Internal));
                if outcome == Outcome::Accepted && !decides(command) {
                    self.note("  what was asked for was done all the same");
                }
                ExitCode::from(Outcome::Unknown.exit_status())
            }
        }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage_error(self, arguments: &[OsString], error: &clap::Error) -> ExitCode {
        let command = usage::command_name(arguments);
        let (error, usage) = usage::failure(&command, error);
        let status = self.finish(&command, Err(error), None);
        if !self.is_json() {
            for line in usage.iter().flat_map(|usage| usage.lines()) {
                self.note(line);
            }
        }
        status
    }

    /// Bytes of our own making, as they are.
    pub(crate) fn raw(self, bytes: &[u8]) -> ExitCode {
        let mut out = io::stdout().lock();
        self.printed("", Outcome::Accepted, out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// A note for people on stderr, while the work goes on.
    pub(crate) fn note(self, text: &str) {
        human::note(text);
    }

    /// A line of the result that cannot wait until the end.
    pub(crate) fn now(self, text: &str) {
        human::now(text);
    }
}

/// The word for what went well. Only what verifies accepts anything: a script that reads "accepted" must not
/// take a bundle that was shown, or a list of claims, for a verdict.
fn good(command: &str) -> &'static str {
    if decides(command) { Outcome::Accepted.as_str() } else { DONE }
}

/// Whether a command answers the question whether to accept something.
fn decides(command: &str) -> bool {
    matches!(command, "verify" | "verify-blob")
}

/// The failure that decides for several: 1 beats 3, which beats 2.
fn worst(items: &[Item]) -> Option<&Error> {
    let rank = |error: &&Error| match error.outcome() {
        Outcome::Rejected => 3,
        Outcome::Unknown => 2,
        _ => 1,
    };
    // The first of equals leads, as the reader will meet it first.
    items.iter().filter_map(|item| item.error.as_ref()).rev().max_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_beats_not_knowing_which_beats_nonsense() {
        let item = |code| Item::failed("x", Error::new(code, "m"));
        let items = [item(Code::SubjectNotFound), item(Code::ServiceUnavailable), item(Code::NoSignatures)];
        assert_eq!(worst(&items).map(Error::code), Some(Code::NoSignatures));
        assert_eq!(worst(&items[..2]).map(Error::code), Some(Code::ServiceUnavailable));
        assert_eq!(worst(&items[..1]).map(Error::code), Some(Code::SubjectNotFound));
        assert!(worst(&[Item::new("fine")]).is_none());
    }
}
