//! `signer`: arguments in, one call into `sign-core`, output out.

mod args;
mod commands;
mod context;
mod output;
mod progress;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use args::Cli;
use output::Output;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => commands::run(cli),
        Err(error) => usage(&arguments, &error),
    }
}

/// Help and version are answers; everything else that clap says is a usage error, exit status 2.
fn usage(arguments: &[OsString], error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is the reader's choice, not an error.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let output = Output::from_raw_arguments(arguments);
    output.usage_error(error)
}
