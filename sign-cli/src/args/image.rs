//! Which images, and how to reach them.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Image references, or `oci-layout:DIR[:tag|@digest]`
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Include every platform of a multi-platform image besides its index
    #[arg(long)]
    pub(crate) all_platforms: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Registry options")]
pub(crate) struct RegistryArgs {
    /// User name [default: what the Docker configuration has]
    #[arg(long, value_name = "NAME", env = "SIGNER_REGISTRY_USERNAME", requires = "registry_password")]
    pub(crate) registry_username: Option<String>,
    /// Password; better given in the environment than here
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "SIGNER_REGISTRY_PASSWORD",
        hide_env_values = true,
        requires = "registry_username",
        conflicts_with = "registry_token"
    )]
    pub(crate) registry_password: Option<String>,
    /// Bearer token; better given in the environment than here
    #[arg(
        long,
        value_name = "TOKEN",
        env = "SIGNER_REGISTRY_TOKEN",
        hide_env_values = true,
        conflicts_with = "registry_username"
    )]
    pub(crate) registry_token: Option<String>,
    /// Speak plain HTTP to a registry that is not on this machine
    #[arg(long, env = "SIGNER_PLAIN_HTTP", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) plain_http: bool,
    /// Keep signatures and attestations in this repository instead of the image's
    #[arg(long, value_name = "REPOSITORY", env = "COSIGN_REPOSITORY")]
    pub(crate) attachment_repository: Option<String>,
}

impl std::fmt::Debug for RegistryArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither password nor token.
        f.debug_struct("RegistryArgs")
            .field("registry_username", &self.registry_username)
            .field("plain_http", &self.plain_http)
            .field("attachment_repository", &self.attachment_repository)
            .finish_non_exhaustive()
    }
}
