//! Options of every command.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
