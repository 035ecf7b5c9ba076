//! From the identity options to the policy they mean.

use sign_core::{
    Claim, Code, Error, Identity, IdentityPolicy, IssuerRule, Pattern, PublicKey, Requirement, Result,
};

use super::counted;
use crate::args::IdentityArgs;
use crate::files::read_file;

/// Largest key file that is read; an RSA key of 16384 bits has 3 KiB.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// The policy that the options spell out.
///
/// # Errors
/// `identity-required` without identity and issuer or key, `invalid-argument` when they do not pair or the
/// key is none.
pub(crate) fn requirement(args: &IdentityArgs) -> Result<Requirement> {
    if let Some(path) = &args.key {
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
    let repository = args.repository.as_deref().map(|repository| {
        let is_name = repository.contains('/') && repository.split('/').all(|part| !part.is_empty());
        if repository.contains("://") {
            Ok((Claim::SourceRepositoryUri, Pattern::exact(repository)))
        } else if is_name {
            Ok((Claim::GithubWorkflowRepository, Pattern::exact(repository)))
        } else {
            Err(Error::new(Code::InvalidArgument, "not a repository")
                .expected("OWNER/NAME, or the repository's URL")
                .found(repository))
        }
    });
    let exact = |claim, value: &Option<String>| value.as_deref().map(|text| (claim, Pattern::exact(text)));
    let named = [
        repository.transpose()?,
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
