//! Who signs, and where the result goes.

use std::path::{Path, PathBuf};

use clap::Args;

#[derive(Args)]
#[command(next_help_heading = "Signing options")]
pub(crate) struct TokenArgs {
    /// OIDC identity token, or a file that holds one [default: SIGSTORE_ID_TOKEN, then the CI system's own]
    #[arg(long, value_name = "TOKEN|FILE", env = "SIGNER_IDENTITY_TOKEN", hide_env_values = true)]
    pub(crate) identity_token: Option<String>,
    /// Do not ask before identity and digest become public in the log
    #[arg(short, long)]
    pub(crate) yes: bool,
}

impl TokenArgs {
    /// The file that holds the token, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.identity_token.as_deref().map(Path::new).filter(|path| path.exists())
    }
}

impl std::fmt::Debug for TokenArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the token.
        f.debug_struct("TokenArgs").field("yes", &self.yes).finish_non_exhaustive()
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Signing options")]
pub(crate) struct SigningArgs {
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    /// Write the bundle here as well (with several, NAME.1.json, NAME.2.json, … for NAME.json)
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// Attach nothing; needs --bundle
    #[arg(long, requires = "bundle")]
    pub(crate) no_upload: bool,
}
