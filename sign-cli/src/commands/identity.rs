//! From the identity options to the policy they mean.

use sign_core::{
    Claim, Code, Error, Identity, IdentityPolicy, IssuerRule, Pattern, PublicKey, Requirement, Result,
};

use super::counted;
use crate::args::IdentityArgs;
use crate::files::read_file;

/// Largest key file that is read; an RSA key of 16384 bits has 3 KiB.
const MAX_KEY_FILE: u64 = 64 * 1024;
/// Where a repository is that is named without its forge.
const GITHUB: &str = "https://github.com/";

/// The policy that the options spell out.
///
/// # Errors
/// `identity-required` without identity and issuer or key, `invalid-argument` when they do not pair, the
/// key is none, or something else stands beside it.
pub(crate) fn requirement(args: &IdentityArgs) -> Result<Requirement> {
    if let Some(path) = &args.key {
        if says_more_than_a_key(args) {
            return Err(Error::new(Code::InvalidArgument, "a key has neither identity nor claims")
                .expected("--key alone, or an identity with its issuer"));
        }
        let pem = read_file(path, MAX_KEY_FILE)?;
        let key =
            PublicKey::from_pem(&String::from_utf8_lossy(&pem)).map_err(|e| e.context(path.display()))?;
        return Ok(Requirement::Key(key));
    }
    let sans = patterns(&args.certificate_identity, &args.certificate_identity_regexp)?;
    let issuers = issuers(args)?;
    let claims = claims(args)?;
    let required = |found: &str| {
        Error::new(Code::IdentityRequired, "verification needs to know whose signature to accept")
            .expected("--certificate-identity (or --repository) and --certificate-oidc-issuer, or --key")
            .found(found)
            .hint("for example --certificate-identity you@example.com --certificate-oidc-issuer https://accounts.example.com")
    };
    if issuers.is_empty() {
        return Err(required(if sans.is_empty() { "neither identity nor issuer" } else { "no issuer" }));
    }
    if sans.is_empty() {
        if args.repository.is_none() {
            return Err(required("no identity"));
        }
        let identities = issuers
            .into_iter()
            .map(|issuer| Identity { san: None, issuer, claims: claims.clone() })
            .collect();
        return IdentityPolicy::new(identities).map(Requirement::Identities);
    }
    let paired: Vec<(Pattern, IssuerRule)> = match (sans.len(), issuers.len()) {
        (n, m) if n == m => sans.into_iter().zip(issuers).collect(),
        (_, 1) => sans.into_iter().zip(issuers.into_iter().cycle()).collect(),
        (n, m) => {
            return Err(Error::new(Code::InvalidArgument, "identities and issuers do not pair")
                .expected("as many issuers as identities, or one issuer for all")
                .found(format!(
                    "{} and {}",
                    counted(n, "identity", "identities"),
                    counted(m, "issuer", "issuers")
                )));
        }
    };
    let identities = paired
        .into_iter()
        .map(|(san, issuer)| Identity { san: Some(san), issuer, claims: claims.clone() })
        .collect();
    IdentityPolicy::new(identities).map(Requirement::Identities)
}

/// Whether anything but a key is asked for. Every option is named, so that a new one cannot be forgotten
/// here and pass unlooked at (CVE-2026-48815).
fn says_more_than_a_key(args: &IdentityArgs) -> bool {
    let IdentityArgs {
        certificate_identity,
        certificate_identity_regexp,
        certificate_oidc_issuer,
        certificate_oidc_issuer_regexp,
        repository,
        workflow,
        git_ref,
        commit,
        trigger,
        runner_environment,
        build_signer_uri,
        build_signer_digest,
        claims,
        key: _,
    } = args;
    let lists = [
        certificate_identity,
        certificate_identity_regexp,
        certificate_oidc_issuer,
        certificate_oidc_issuer_regexp,
    ];
    let options = [
        repository,
        workflow,
        git_ref,
        commit,
        trigger,
        runner_environment,
        build_signer_uri,
        build_signer_digest,
    ];
    lists.iter().any(|list| !list.is_empty())
        || options.iter().any(|option| option.is_some())
        || !claims.is_empty()
}

fn patterns(exact: &[String], regexes: &[String]) -> Result<Vec<Pattern>> {
    let empty = || Error::new(Code::InvalidArgument, "an empty identity or issuer accepts nothing");
    if exact.iter().chain(regexes).any(|text| text.is_empty()) {
        return Err(empty());
    }
    exact
        .iter()
        .map(|text| Ok(Pattern::exact(text)))
        .chain(regexes.iter().map(|text| Pattern::regex(text).map_err(in_one_line)))
        .collect()
}

/// The parser draws the expression with a mark under it, each on a line of its own.
fn in_one_line(error: Error) -> Error {
    let says_something = |line: &&str| line.chars().any(|c| c != '^');
    let found = error
        .found_value()
        .map(|found| found.lines().map(str::trim).filter(says_something).collect::<Vec<_>>().join(" "));
    match found {
        Some(found) => error.found(found),
        None => error,
    }
}

fn issuers(args: &IdentityArgs) -> Result<Vec<IssuerRule>> {
    if args.certificate_oidc_issuer.iter().any(|issuer| issuer == "none")
        && args.certificate_oidc_issuer.len() > 1
    {
        return Err(Error::new(Code::InvalidArgument, "`none` cannot stand beside other issuers"));
    }
    if args.certificate_oidc_issuer == ["none"] {
        return Ok(vec![IssuerRule::None]);
    }
    let patterns = patterns(&args.certificate_oidc_issuer, &args.certificate_oidc_issuer_regexp)?;
    Ok(patterns.into_iter().map(IssuerRule::Matches).collect())
}

/// The claims that narrow every identity. Each is compared exactly.
fn claims(args: &IdentityArgs) -> Result<Vec<(Claim, Pattern)>> {
    let repository = args.repository.as_deref().map(repository).transpose()?;
    let exact = |claim, value: &Option<String>| value.as_deref().map(|text| (claim, Pattern::exact(text)));
    let named = [
        repository.map(|uri| (Claim::SourceRepositoryUri, Pattern::exact(uri))),
        exact(Claim::GithubWorkflowName, &args.workflow),
        exact(Claim::SourceRepositoryRef, &args.git_ref),
        exact(Claim::SourceRepositoryDigest, &args.commit),
        exact(Claim::BuildTrigger, &args.trigger),
        exact(Claim::RunnerEnvironment, &args.runner_environment),
        exact(Claim::BuildSignerUri, &args.build_signer_uri),
        exact(Claim::BuildSignerDigest, &args.build_signer_digest),
    ];
    let mut claims: Vec<_> = named.into_iter().flatten().collect();
    for (name, value) in &args.claims {
        claims.push((name.parse()?, Pattern::exact(value)));
    }
    Ok(claims)
}

/// The address of a repository: `OWNER/NAME` is on github.com. A name without its forge would also be
/// that of somebody else's repository on another one.
fn repository(text: &str) -> Result<String> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [owner, name] if !owner.is_empty() && !name.is_empty() => Ok(format!("{GITHUB}{text}")),
        _ => Err(Error::new(Code::InvalidArgument, "not a repository")
            .expected("OWNER/NAME on github.com, or the repository's whole address")
            .found(text)
            .hint("for example https://gitlab.com/group/project")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn a_repository_is_on_one_forge() {
        assert_eq!(repository("o/r").unwrap(), "https://github.com/o/r");
        assert_eq!(repository("https://gitlab.com/g/s/r").unwrap(), "https://gitlab.com/g/s/r");
        for text in ["", "r", "o/", "/r", "g/s/r", "gitlab.com/g/r"] {
            assert_eq!(repository(text).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
    }

    #[test]
    fn a_key_with_a_claim_beside_it_is_refused_here_too() {
        let command = IdentityArgs::augment_args(Command::new("verify"));
        let matches = command.try_get_matches_from(["verify", "--claim", "buildTrigger=release"]).unwrap();
        let mut args = IdentityArgs::from_arg_matches(&matches).unwrap();
        args.key = Some("key.pem".into());
        assert_eq!(requirement(&args).unwrap_err().code(), Code::InvalidArgument);
    }
}
