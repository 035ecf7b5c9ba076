//! The command line, as typed.

mod global;
mod identity;
mod image;
mod signing;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use sign_sandbox::Fault;

pub(crate) use global::{Format, GlobalArgs, InstanceArg};
pub(crate) use identity::IdentityArgs;
pub(crate) use image::{ImageArgs, RegistryArgs};
pub(crate) use signing::{SigningArgs, TokenArgs};

/// Heading of the options that say what must be signed.
const DEMANDS: &str = "What must be signed";

/// Sign, attest and verify container images and files.
///
/// Exit status: 0 accepted or done; 1 rejected; 2 the request makes no sense; 3 could not tell.
#[derive(Debug, Parser)]
#[command(name = "signer", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign images
    Sign(Sign),
    /// Attach signed statements (an SBOM, provenance, …) to images
    Attest(Attest),
    /// Verify images: who signed them, and what they say about them
    Verify(Verify),
    /// Sign a file
    SignBlob(SignBlob),
    /// Make a signed statement about a file
    AttestBlob(AttestBlob),
    /// Verify a file against a bundle
    VerifyBlob(VerifyBlob),
    /// List what is attached to an image, unverified
    Tree(Tree),
    /// Show what a bundle says, and what of that is proven
    ///
    /// This is no verification: exit status 0 means that the bundle could be read and shown, even where a
    /// signature in it is broken. JSON output has `verified: false` for that, always, and under `proven`
    /// what holds. `signer verify` and `signer verify-blob` decide.
    Inspect(Inspect),
    /// Whom this program trusts: look, update, take along
    #[command(subcommand)]
    Trust(Trust),
    /// A whole Sigstore and a registry on this machine, to try things out
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) signing: SigningArgs,
    /// Sign an annotation along with the digest; repeatable
    #[arg(short = 'a', long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) annotations: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Attest {
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) signing: SigningArgs,
    #[command(flatten)]
    pub(crate) predicates: PredicateArgs,
}

#[derive(Debug, clap::Args)]
#[command(
    next_help_heading = "What is stated",
    group(clap::ArgGroup::new("stated").args(["predicates", "statements"]).required(true).multiple(true))
)]
pub(crate) struct PredicateArgs {
    /// The document to attest: an SBOM, provenance, any JSON object; repeatable
    #[arg(long = "predicate", value_name = "FILE")]
    pub(crate) predicates: Vec<PathBuf>,
    /// What the documents are: auto, spdx, cyclonedx, slsaprovenance, openvex, vuln, vsa, another name
    /// of docs/predicates.md, or any URI. Once for all of them, or once for each
    #[arg(long = "type", value_name = "TYPE", requires = "predicates")]
    pub(crate) types: Vec<String>,
    /// A whole in-toto statement, signed as it stands; it must name the digest. Repeatable
    #[arg(long = "statement", value_name = "FILE")]
    pub(crate) statements: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// Ask for an attestation of this type instead of a signature: spdx, cyclonedx, slsaprovenance,
    /// openvex, vuln, vsa, another name of docs/predicates.md, or any URI. Repeatable: each must be there
    #[arg(long = "type", value_name = "TYPE", help_heading = DEMANDS)]
    pub(crate) types: Vec<String>,
    /// Write the verified predicate here, byte for byte (with several, NAME.1.json, NAME.2.json, …, and no
    /// file may be here)
    #[arg(long, value_name = "FILE", requires = "types")]
    pub(crate) write_predicate: Option<PathBuf>,
    /// Demand a signed annotation; repeatable
    #[arg(short = 'a', long = "annotation", value_name = "KEY=VALUE", value_parser = key_value, help_heading = DEMANDS)]
    pub(crate) annotations: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SignBlob {
    /// The file
    pub(crate) file: PathBuf,
    /// Where to write the bundle
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) token: signing::TokenArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AttestBlob {
    /// The file the statement is about
    pub(crate) file: PathBuf,
    /// Where to write the bundle
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) token: signing::TokenArgs,
    #[command(flatten)]
    pub(crate) predicates: PredicateArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyBlob {
    /// The file, or its digest: `sha256:<hex>`, `sha384:<hex>` or `sha512:<hex>`. `sha1:<hex>` finds a statement
    /// by a digest that can be forged. A file of such a name is `./sha256:…`
    pub(crate) file: String,
    /// The bundle
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// Accept only a statement of this type: spdx, cyclonedx, slsaprovenance, openvex, vuln, vsa, another
    /// name of docs/predicates.md, or any URI
    #[arg(long = "type", value_name = "TYPE", help_heading = DEMANDS)]
    pub(crate) types: Vec<String>,
    /// Write the verified predicate here, byte for byte
    #[arg(long, value_name = "FILE")]
    pub(crate) write_predicate: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Tree {
    /// Image reference, or `oci-layout:DIR[:tag|@digest]`
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// The bundle
    pub(crate) bundle: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Show what is trusted and how old that is. Opens no socket
    Show,
    /// Update now, however fresh it is
    Update,
    /// Write everything that a machine without a network needs
    Export {
        /// The folder to write to; made if it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Serve until interrupted and print the environment to use
    Up(SandboxArgs),
    /// Run a command inside a sandbox and stop it afterwards
    Run {
        #[command(flatten)]
        options: SandboxArgs,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<std::ffi::OsString>,
    },
    /// Sign, attest and verify this program as an image, step by step
    Demo,
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct SandboxArgs {
    /// Keep trust files, addresses and the TUF repository here [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// First of the seven ports to serve on [default: free ones]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65529))]
    pub(crate) port: Option<u16>,
    /// Port of the registry [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) registry_port: Option<u16>,
    /// Switch the registry's referrers API off, so that clients need the tag schema
    #[arg(long)]
    pub(crate) no_referrers_api: bool,
    /// Make the registry ask for credentials: basic:USER:PASSWORD or token:USER:PASSWORD
    #[arg(long, value_name = "KIND:USER:PASSWORD")]
    pub(crate) registry_auth: Option<String>,
    /// Delay each answer of the registry
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) registry_latency: Option<u64>,
    /// Rekor version of the signing config that is printed
    #[arg(long, value_name = "1|2", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) rekor: u8,
    /// Sign as this: an e-mail address, or `workflow` for a CI job
    #[arg(long, value_name = "IDENTITY", default_value = "dev@example.com")]
    pub(crate) identity: String,
    /// Make a service misbehave, to see how a client takes it; repeatable
    #[arg(long = "fault", value_name = "FAULT", value_parser = faults(), hide_possible_values = true)]
    pub(crate) faults: Vec<Fault>,
}

/// Every fault by its name, so that a wrong one is answered with the list of them.
fn faults() -> impl TypedValueParser<Value = Fault> {
    let names = Fault::ALL.iter().map(|fault| fault.as_str());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Fault>())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn every_global_option_has_its_variable() {
        let command = super::Cli::command();
        let global: Vec<_> = command.get_arguments().filter(|argument| argument.is_global_set()).collect();
        assert!(global.len() >= 9, "{global:?}");
        for argument in global {
            let option = argument.get_long().unwrap();
            let variable = format!("SIGNER_{}", option.to_uppercase().replace('-', "_"));
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(variable.as_str()));
        }
    }
}
