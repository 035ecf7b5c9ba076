//! Whose signatures are accepted.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Accepted identities")]
pub(crate) struct IdentityArgs {
    /// The signer: an e-mail address or URI, compared exactly. Repeatable: pairs with issuers by position
    #[arg(long, value_name = "IDENTITY", env = "SIGNER_CERTIFICATE_IDENTITY")]
    pub(crate) certificate_identity: Vec<String>,
    /// The signer, as a regular expression that must match the whole
    #[arg(
        long,
        value_name = "REGEX",
        env = "SIGNER_CERTIFICATE_IDENTITY_REGEXP",
        conflicts_with = "certificate_identity"
    )]
    pub(crate) certificate_identity_regexp: Vec<String>,
    /// Who vouched for the signer: the OIDC issuer's URL, or `none`
    #[arg(long, value_name = "URL", env = "SIGNER_CERTIFICATE_OIDC_ISSUER")]
    pub(crate) certificate_oidc_issuer: Vec<String>,
    /// The issuer, as a regular expression that must match the whole
    #[arg(
        long,
        value_name = "REGEX",
        env = "SIGNER_CERTIFICATE_OIDC_ISSUER_REGEXP",
        conflicts_with = "certificate_oidc_issuer"
    )]
    pub(crate) certificate_oidc_issuer_regexp: Vec<String>,
    /// The source repository: OWNER/NAME on github.com, or its URL; with an issuer it is an identity of its own
    #[arg(
        long,
        value_name = "REPOSITORY",
        env = "SIGNER_REPOSITORY",
        alias = "certificate-github-workflow-repository"
    )]
    pub(crate) repository: Option<String>,
    /// The name of the workflow
    #[arg(long, value_name = "NAME", env = "SIGNER_WORKFLOW", alias = "certificate-github-workflow-name")]
    pub(crate) workflow: Option<String>,
    /// The git ref, such as refs/tags/v1.0.0
    #[arg(long = "ref", value_name = "REF", env = "SIGNER_REF", alias = "certificate-github-workflow-ref")]
    pub(crate) git_ref: Option<String>,
    /// The commit that was built
    #[arg(
        long,
        value_name = "SHA",
        env = "SIGNER_COMMIT",
        visible_alias = "source-digest",
        alias = "certificate-github-workflow-sha"
    )]
    pub(crate) commit: Option<String>,
    /// The event that started the workflow
    #[arg(long, value_name = "EVENT", env = "SIGNER_TRIGGER", alias = "certificate-github-workflow-trigger")]
    pub(crate) trigger: Option<String>,
    /// Whose machine ran the build: github-hosted or self-hosted
    #[arg(long, value_name = "ENVIRONMENT", env = "SIGNER_RUNNER_ENVIRONMENT")]
    pub(crate) runner_environment: Option<String>,
    /// The build instructions that asked for the certificate, such as a reusable workflow, with their ref
    #[arg(long, value_name = "URI", env = "SIGNER_BUILD_SIGNER_URI")]
    pub(crate) build_signer_uri: Option<String>,
    /// The commit of those instructions
    #[arg(long, value_name = "SHA", env = "SIGNER_BUILD_SIGNER_DIGEST")]
    pub(crate) build_signer_digest: Option<String>,
    /// Any other claim of the certificate, by the name that `signer inspect` shows; repeatable
    #[arg(long = "claim", value_name = "NAME=VALUE", env = "SIGNER_CLAIM", value_parser = super::key_value)]
    pub(crate) claims: Vec<(String, String)>,
    /// The signer's public key, PEM, instead of an identity: for signatures made with a key that is kept
    #[arg(
        long,
        value_name = "FILE",
        env = "SIGNER_KEY",
        conflicts_with_all = [
            "certificate_identity",
            "certificate_identity_regexp",
            "certificate_oidc_issuer",
            "certificate_oidc_issuer_regexp",
            "repository",
            "workflow",
            "git_ref",
            "commit",
            "trigger",
            "runner_environment",
            "build_signer_uri",
            "build_signer_digest",
            "claims",
        ]
    )]
    pub(crate) key: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{Args as _, Command};

    use super::IdentityArgs;

    /// A key has no claims: an option beside it that was not looked at would pass for one that held.
    #[test]
    fn a_key_stands_beside_no_other_option() {
        let command = IdentityArgs::augment_args(Command::new("verify"));
        let mut seen = 0;
        for option in command.get_arguments().filter(|option| option.get_id() != "key") {
            let name = format!("--{}", option.get_long().unwrap());
            let given = ["verify", "--key", "key.pem", &name, "name=value"];
            let error = command.clone().try_get_matches_from(given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{name}");
            seen += 1;
        }
        assert!(seen >= 13, "only {seen} options");
    }
}
