//! `signer`: arguments in, one call into `sign-core`, output out.

mod args;
mod commands;
mod context;
mod files;
mod output;
mod progress;
mod trust;
mod variables;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};

use args::Cli;
use output::Output;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match parse(&arguments) {
        Ok(cli) => commands::run(cli),
        Err(error) => usage(&arguments, &error),
    }
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Err(error) if error.kind() == ErrorKind::ArgumentConflict => {
            variables::give_way(Cli::command(), arguments).try_get_matches_from(arguments)?
        }
        matches => matches?,
    };
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.global.let_flags_win(&matches)?;
    Ok(cli)
}

/// Help and version are answers; everything else that clap says is a usage error, exit status 2.
fn usage(arguments: &[OsString], error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is the reader's choice, not an error.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    Output::from_raw_arguments(arguments).usage_error(arguments, error)
}
