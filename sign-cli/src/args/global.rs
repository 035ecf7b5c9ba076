//! Options of every command.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, ValueEnum};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// How to print the result
    #[arg(short, long, global = true, value_enum, default_value = "human", env = "SIGNER_OUTPUT")]
    pub(crate) output: Format,
    /// Say more about what is being done
    #[arg(short, long, global = true, env = "SIGNER_VERBOSE", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) verbose: bool,
    /// Open no socket
    #[arg(long, global = true, env = "SIGNER_OFFLINE", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) offline: bool,
    /// Deadline of each request, with its retries, in seconds
    #[arg(long, global = true, value_name = "SECONDS", env = "SIGNER_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: Option<u64>,
    /// PEM certificates to trust for TLS besides those of the system
    #[arg(long, global = true, value_name = "FILE", env = "SIGNER_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Trusted root and signing config of a private instance, in one file
    #[arg(long, global = true, value_name = "FILE", env = "SIGNER_TRUST_CONFIG")]
    pub(crate) trust_config: Option<PathBuf>,
    /// Trusted root to verify with
    #[arg(long, global = true, value_name = "FILE", env = "SIGNER_TRUSTED_ROOT")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Signing config to sign with
    #[arg(long, global = true, value_name = "FILE", env = "SIGNER_SIGNING_CONFIG")]
    pub(crate) signing_config: Option<PathBuf>,
    /// Sigstore instance to use
    #[arg(long, global = true, value_enum, default_value = "public", env = "SIGNER_INSTANCE")]
    pub(crate) instance: InstanceArg,
}

impl GlobalArgs {
    /// Trust comes from one place: what a flag names is not mixed with, or hidden by, what the
    /// environment names.
    ///
    /// # Errors
    /// Flags that name two places.
    pub(crate) fn let_flags_win(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let flag = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
        let files = ["trust_config", "trusted_root", "signing_config"];
        if flag("instance") {
            if let Some(file) = files.into_iter().find(|file| flag(file)) {
                let file = file.replace('_', "-");
                return Err(clap::Error::raw(
                    ErrorKind::ArgumentConflict,
                    format!("the argument '--instance <INSTANCE>' cannot be used with '--{file} <FILE>'\n"),
                ));
            }
            (self.trust_config, self.trusted_root, self.signing_config) = (None, None, None);
        }
        if flag("trust_config") {
            self.trusted_root.take_if(|_| !flag("trusted_root"));
            self.signing_config.take_if(|_| !flag("signing_config"));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// One JSON document
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstanceArg {
    /// Sigstore's public instance
    Public,
    /// Sigstore's public staging instance
    Staging,
    /// GitHub's instance for private repositories (verification only)
    Github,
}
