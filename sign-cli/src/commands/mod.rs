//! One file a command; each returns what there is to say, and `output` says it.

mod attest;
mod blob;
mod identity;
mod inspect;
mod sandbox;
mod sign;
mod signing;
mod tree;
mod trust;
mod verify;
mod views;

use std::collections::BTreeMap;
use std::future::Future;
use std::process::ExitCode;

use clap::CommandFactory as _;
use sign_core::{Code, Digest, Error, Result};

use crate::args::{Cli, Command, Sandbox, Trust};
use crate::context::Context;
use crate::output::Item;

/// Runs one command line to its end.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let context = Context::new(global);
    if let Err(error) = context.check_ca_file() {
        return context.output.finish(name_of(&command), Err(error), None);
    }
    let name = name_of(&command);
    let items = match command {
        Command::Sign(args) => block_on(sign::run(&context, args)),
        Command::Attest(args) => block_on(attest::run(&context, args)),
        Command::Verify(args) => block_on(verify::run(&context, args)),
        Command::SignBlob(args) => block_on(blob::sign(&context, args)),
        Command::AttestBlob(args) => block_on(blob::attest(&context, args)),
        // Synchronous to the end: no runtime is started for it.
        Command::VerifyBlob(args) => blob::verify(&context, &args),
        Command::Tree(args) => block_on(tree::run(&context, args)),
        Command::Inspect(args) => inspect::run(&context, &args),
        Command::Trust(Trust::Show) => trust::show(&context),
        Command::Trust(Trust::Update) => trust::update(&context),
        Command::Trust(Trust::Export { folder }) => trust::export(&context, &folder),
        Command::Sandbox(Sandbox::Demo) => match block_on(sandbox::demo(&context)) {
            Ok(Ok(items)) => Ok(items),
            Ok(Err(stopped)) => return stopped,
            Err(error) => Err(error),
        },
        Command::Sandbox(Sandbox::Up(args)) => match block_on(sandbox::up(&context, args)) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
        Command::Sandbox(Sandbox::Run { options, command }) => {
            match block_on(sandbox::run_command(&context, options, command)) {
                Ok(status) => return status,
                Err(error) => Err(error),
            }
        }
        Command::Completions { shell } => {
            // Into memory first: the generator takes a failed write for a defect and panics.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "signer", &mut script);
            return context.output.raw(&script);
        }
    };
    context.output.finish(name, items, context.trust_summary())
}

/// What the command is called, as its output says it.
fn name_of(command: &Command) -> &'static str {
    match command {
        Command::Sign(_) => "sign",
        Command::Attest(_) => "attest",
        Command::Verify(_) => "verify",
        Command::SignBlob(_) => "sign-blob",
        Command::AttestBlob(_) => "attest-blob",
        Command::VerifyBlob(_) => "verify-blob",
        Command::Tree(_) => "tree",
        Command::Inspect(_) => "inspect",
        Command::Trust(Trust::Show) => "trust show",
        Command::Trust(Trust::Update) => "trust update",
        Command::Trust(Trust::Export { .. }) => "trust export",
        Command::Sandbox(Sandbox::Demo) => "sandbox demo",
        Command::Sandbox(Sandbox::Up(_)) => "sandbox up",
        Command::Sandbox(Sandbox::Run { .. }) => "sandbox run",
        Command::Completions { .. } => "completions",
    }
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(Code::Internal, "could not start the runtime").caused_by(e))?
        .block_on(work)
}

/// The `--annotation` options by key.
///
/// # Errors
/// `invalid-argument` when a key is given twice: one of the values would be dropped in silence.
pub(crate) fn annotations(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>> {
    let mut annotations = BTreeMap::new();
    for (key, value) in pairs {
        if annotations.contains_key(&key) {
            return Err(Error::new(Code::InvalidArgument, "an annotation is given twice").found(key));
        }
        annotations.insert(key, value);
    }
    Ok(annotations)
}

/// A number of things, in words.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `text` as a name for an image, without what may stand before an @ that is not the one before a digest: user
/// and password.
fn nameable(text: &str) -> &str {
    if text.starts_with("oci-layout:") {
        return text;
    }
    let digest_at = text.rfind('@').filter(|&at| text[at + 1..].parse::<Digest>().is_ok());
    let before_digest = &text[..digest_at.unwrap_or(text.len())];
    before_digest.rfind('@').map_or(text, |at| &text[at + 1..])
}

/// Items in one list, for commands that work on several images.
pub(crate) type Items = Result<Vec<Item>>;

#[cfg(test)]
mod tests {
    use super::nameable;

    #[test]
    fn a_name_holds_no_password() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let with = |name: &str| format!("{name}@{digest}");
        for (text, name) in [
            ("https://user:p4ss@ghcr.io/x", "ghcr.io/x"),
            ("user:p4ss@ghcr.io/x", "ghcr.io/x"),
            ("user:p4ss@more@ghcr.io/x:1", "ghcr.io/x:1"),
            (&with("user:p4ss@ghcr.io/x"), &with("ghcr.io/x")),
            (&with("ghcr.io/x:1"), &with("ghcr.io/x:1")),
            ("ghcr.io/x", "ghcr.io/x"),
            ("oci-layout:a@b:1", "oci-layout:a@b:1"),
            ("@", ""),
        ] {
            assert_eq!(nameable(text), name);
        }
    }
}
