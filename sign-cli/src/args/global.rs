//! Options of every command.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, ValueEnum};
use jiff::{SignedDuration, Span, SpanRelativeTo};

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
    /// TUF repository of a private instance, with --tuf-root; without, a mirror of --instance
    #[arg(long, global = true, value_name = "URL", env = "SIGNER_TUF_URL")]
    pub(crate) tuf_url: Option<String>,
    /// Root metadata that trust in the TUF repository begins with
    #[arg(long, global = true, value_name = "FILE", env = "SIGNER_TUF_ROOT")]
    pub(crate) tuf_root: Option<PathBuf>,
    /// Where trust material is kept between runs [default: signer in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = "SIGNER_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Oldest trust material to use, such as 12h or 30d; older is "could not tell"
    #[arg(long, global = true, value_name = "DURATION", env = "SIGNER_MAX_ROOT_AGE", value_parser = duration)]
    pub(crate) max_root_age: Option<SignedDuration>,
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_| "expected a duration such as 12h, 30d or 2 weeks")?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years vary; use days")?;
    if duration.is_negative() { Err("an age is not negative".into()) } else { Ok(duration) }
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
        // An instance and a TUF repository go together: the one is a mirror of the other.
        if let Some(place) = ["instance", "tuf_url"].into_iter().find(|place| flag(place)) {
            if let Some(file) = files.into_iter().find(|file| flag(file)) {
                let (place, file) = (place.replace('_', "-"), file.replace('_', "-"));
                return Err(clap::Error::raw(
                    ErrorKind::ArgumentConflict,
                    format!("the argument '--{place}' cannot be used with '--{file} <FILE>'\n"),
                ));
            }
            (self.trust_config, self.trusted_root, self.signing_config) = (None, None, None);
        }
        if flag("instance") && !flag("tuf_url") {
            self.tuf_url = None;
            self.tuf_root.take_if(|_| !flag("tuf_root"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let hours = |text| duration(text).map(|d| d.as_hours());
        assert_eq!(["12h", "30d", "2w", "P1D", "1d 12h"].map(hours), [12, 720, 336, 24, 36].map(Ok));
        for bad in ["", "12", "soon", "1mo", "1y", "-1d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
