//! A command line that clap refuses, told like every other failure.

use std::ffi::OsString;

use clap::CommandFactory as _;
use sign_core::{Code, Error};

use crate::args::Cli;

/// clap's words as an error, and its usage lines.
pub(super) fn failure(command: &str, error: &clap::Error) -> (Error, Option<String>) {
    let text = error.render().to_string();
    let mut message = String::new();
    let (mut usage, mut hint) = (None, None);
    for paragraph in text.trim().split("\n\n") {
        let joined = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        if let Some(tip) = joined.strip_prefix("tip: ") {
            hint = Some(tip.to_owned());
        } else if joined.starts_with("Usage: ") {
            usage = Some(paragraph.to_owned());
        } else if message.is_empty() {
            joined.strip_prefix("error: ").unwrap_or(&joined).clone_into(&mut message);
        }
    }
    let hint = hint.unwrap_or_else(|| match command {
        "" => "signer --help".to_owned(),
        command => format!("signer {command} --help"),
    });
    (Error::new(Code::InvalidArgument, message).hint(hint), usage)
}

/// The command that a command line names, as far as it can be told.
pub(super) fn command_name(arguments: &[OsString]) -> String {
    let mut command = Cli::command();
    let mut names = Vec::new();
    for word in arguments.iter().skip(1) {
        let Some(found) = word.to_str().and_then(|word| command.find_subcommand(word)) else { continue };
        names.push(found.get_name().to_owned());
        command = found.clone();
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn told(words: &[&str]) -> (String, Error, Option<String>) {
        let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        let command = command_name(&arguments);
        let (error, usage) = failure(&command, &Cli::try_parse_from(&arguments).unwrap_err());
        (command, error, usage)
    }

    #[test]
    fn names_the_command_and_everything_that_is_missing() {
        let (command, error, usage) = told(&["signer", "sign-blob", "-v"]);
        assert_eq!(command, "sign-blob");
        assert!(error.message().contains("--bundle <FILE>") && error.message().contains("<FILE>"), "{error}");
        assert_eq!(error.hint_text(), Some("signer sign-blob --help"));
        assert!(usage.unwrap().starts_with("Usage: signer sign-blob"));
        assert_eq!(told(&["signer", "sandbox", "up", "--port", "x"]).0, "sandbox up");
        assert_eq!(told(&["signer", "sign", "verify", "--nonsense"]).0, "sign");
        assert_eq!(told(&["signer", "nonsense"]).0, "");
        let (_, error, _) = told(&["signer", "verify", "--certificate-identit", "x"]);
        assert!(error.hint_text().unwrap().contains("--certificate-identity"), "{error}");
    }
}
