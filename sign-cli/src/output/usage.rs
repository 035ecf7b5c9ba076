//! A command line that clap refuses, told like every other failure.

use std::ffi::OsString;

use clap::error::{ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _};
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
            // clap's own lists what the environment gave among what must be typed.
            usage = Some(named(command).1.render_usage().to_string());
        } else if message.is_empty() {
            joined.strip_prefix("error: ").unwrap_or(&joined).clone_into(&mut message);
        }
    }
    let variables = variables(&named(command).1, error);
    let hint = hint.unwrap_or_else(|| match command {
        _ if !variables.is_empty() => format!("the environment has {}", variables.join(" and ")),
        "" => "signer --help".to_owned(),
        command => format!("signer {command} --help"),
    });
    (Error::new(Code::InvalidArgument, message).hint(hint), usage)
}

/// The variables that gave what excludes each other: nobody typed that.
fn variables(command: &Command, error: &clap::Error) -> Vec<String> {
    if error.kind() != ErrorKind::ArgumentConflict {
        return Vec::new();
    }
    let mut shown: Vec<&str> = Vec::new();
    for (_, value) in error.context() {
        match value {
            ContextValue::String(text) => shown.push(text),
            ContextValue::Strings(texts) => shown.extend(texts.iter().map(String::as_str)),
            _ => {}
        }
    }
    let is_shown = |long: &str| {
        shown
            .iter()
            .any(|text| text.strip_prefix("--").and_then(|t| t.split([' ', '=']).next()) == Some(long))
    };
    command
        .get_arguments()
        .filter(|arg| arg.get_long().is_some_and(is_shown))
        .filter_map(|arg| arg.get_env())
        .filter(|name| std::env::var_os(name).is_some())
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// The command that a command line names, as far as it can be told.
pub(super) fn command_name(arguments: &[OsString]) -> String {
    named_by(arguments.iter().skip(1).filter_map(|word| word.to_str())).0
}

fn named(command: &str) -> (String, Command) {
    named_by(command.split(' '))
}

fn named_by<'a>(words: impl Iterator<Item = &'a str>) -> (String, Command) {
    let mut command = Cli::command();
    command.build();
    let mut names = Vec::new();
    for word in words {
        let Some(found) = command.find_subcommand(word) else { continue };
        names.push(found.get_name().to_owned());
        command = found.clone();
    }
    (names.join(" "), command)
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
