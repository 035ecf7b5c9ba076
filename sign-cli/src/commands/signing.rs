//! What signing commands share: the token, the notice, the statements from files.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use sign_core::{
    CheckedPredicate, Code, Digest, Error, Outcome, Result, Session, SigningContext, Statement, StaticToken,
    TokenFile, TokenSource, ambient, check_predicate,
};

use crate::args::{PredicateArgs, TokenArgs};
use crate::context::{Context, MAX_DOCUMENT};
use crate::files::{Destination, numbered, read_file};
use crate::progress::Progress;

/// Room in a bundle for everything but the payload: certificate, log entry and timestamp take about 5 KiB.
const BUNDLE_FRAME: u64 = 16 * 1024;

/// A predicate from a file, checked.
pub(crate) struct Predicate {
    pub(crate) bytes: Vec<u8>,
    pub(crate) checked: CheckedPredicate,
}

/// Where tokens come from: the option, else the environment.
fn token_source(context: &Context, args: &TokenArgs) -> Result<Box<dyn TokenSource>> {
    if let Some(text) = args.identity_token.as_deref() {
        // A pipe is as good as a file: `<(…)` keeps a token off the disk.
        if let Some(path) = args.file() {
            return Ok(Box::new(TokenFile::new(path)));
        }
        // A JWT has two dots. Anything else may still be a secret, so it is not shown.
        if text.split('.').count() == 3 {
            return Ok(Box::new(StaticToken::new(text)));
        }
        let message = match text.trim().is_empty() {
            true => "the identity token is empty",
            false => "what was given is neither a token nor a file that exists",
        };
        return Err(Error::new(Code::TokenInvalid, message)
            .expected("a JSON Web Token, or the name of a file that holds one")
            .hint("check --identity-token and SIGNER_IDENTITY_TOKEN"));
    }
    let variable = |name: &str| std::env::var(name).ok();
    ambient(variable, &context.http()?).into_iter().next().ok_or_else(|| {
        Error::new(Code::TokenMissing, "there is no identity to sign with")
            .expected("--identity-token, SIGSTORE_ID_TOKEN, or a CI job's own identity")
            .hint("in GitHub Actions give the job the permission id-token: write; elsewhere get a token for the audience sigstore from your OIDC provider")
    })
}

/// Why nothing is signed with `--offline`.
pub(super) fn needs_network() -> Error {
    Error::new(Code::OfflineRequired, "signing needs the network")
        .expected("to reach a certificate authority and a transparency log")
        .found("--offline")
        .hint("sign without --offline; what is signed can be verified with it")
}

/// Shows once what becomes public, to a person who can still say no.
fn confirm(context: &Context, args: &TokenArgs) -> Result<()> {
    if args.yes || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    context.output.note(
        "Your identity (such as your e-mail address), the digest and the signature become a public, \
         permanent record in the transparency log.",
    );
    // The prompt only matters to somebody who sees it.
    let _ = write!(std::io::stderr(), "Go on? [y/N] ");
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|e| Error::new(Code::InvalidArgument, "could not read the answer").caused_by(e))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Error::new(Code::InvalidArgument, "not signed: you did not agree").hint("-y agrees beforehand"))
}

/// Services and identity for everything that one command signs.
pub(crate) struct Signing {
    services: SigningContext,
    tokens: Box<dyn TokenSource>,
}

impl Signing {
    /// Finds both, after the person agreed. Nothing is asked of a service yet.
    pub(crate) fn prepare(context: &Context, args: &TokenArgs) -> Result<Self> {
        let services = context.signing()?;
        if context.global.offline {
            return Err(needs_network());
        }
        let signing = Self { services, tokens: token_source(context, args)? };
        confirm(context, args)?;
        context.verbose(|| format!("identity token from {}", signing.tokens.name()));
        Ok(signing)
    }

    /// One token, one key, one certificate.
    pub(crate) async fn session(&self, context: &Context) -> Result<Session<'_>> {
        let _progress = Progress::start(context.output, "getting a certificate");
        let session = self.services.session(self.tokens.as_ref()).await?;
        context.verbose(|| format!("signing as {}", session.certificate().san()));
        Ok(session)
    }
}

/// The files that a signing command reads besides those that it signs.
pub(crate) fn inputs<'a>(context: &'a Context, token: &'a TokenArgs) -> Vec<&'a Path> {
    context.files().into_iter().chain(token.file()).collect()
}

/// Reads and checks every `--predicate`.
pub(crate) fn predicates(context: &Context, args: &PredicateArgs) -> Result<Vec<Predicate>> {
    let count = args.predicates.len();
    if args.types.len() > 1 && args.types.len() != count {
        return Err(Error::new(Code::InvalidArgument, "types and predicates do not pair")
            .expected(format!("one --type for all, or {count}"))
            .found(args.types.len()));
    }
    let types =
        args.types.iter().map(String::as_str).chain(std::iter::repeat_with(|| match args.types.as_slice() {
            [only] => only.as_str(),
            _ => "auto",
        }));
    args.predicates
        .iter()
        .zip(types)
        .map(|(path, requested)| {
            let bytes = read_file(path, MAX_DOCUMENT)?;
            let checked = check_predicate(&bytes, requested).map_err(|e| e.context(path.display()))?;
            let found =
                || format!("{}: {}, to be attested as {}", path.display(), checked.description, checked.uri);
            // Nobody said what it is, so say what it was taken for.
            if requested == "auto" {
                context.output.note(&found())
            } else {
                context.verbose(found)
            }
            Ok(Predicate { bytes, checked })
        })
        .collect()
}

/// Reads a `--statement` and insists that it is about `digest`.
pub(crate) fn statement(path: &Path, digest: &Digest) -> Result<Statement> {
    let statement =
        Statement::parse(read_file(path, MAX_DOCUMENT)?).map_err(|e| e.context(path.display()))?;
    if statement.subject_for(digest).is_none() {
        let named: Vec<String> = statement
            .subjects()
            .iter()
            .flat_map(|subject| subject.digests.iter().map(|(algorithm, hex)| format!("{algorithm}:{hex}")))
            .take(4)
            .collect();
        return Err(Error::new(Code::SubjectMissing, format!("{} is about something else", path.display()))
            .expected(digest)
            .found(named.join(", ")));
    }
    check_predicate(statement.predicate(), statement.predicate_type())
        .map_err(|e| e.context(path.display()))?;
    Ok(statement)
}

/// The files that `--bundle` names, one for each of `payloads` (their sizes in bytes), all found to be
/// writable: once something is in a public log, it is too late to notice.
pub(crate) fn bundle_files(
    bundle: Option<&Path>,
    payloads: &[usize],
    inputs: &[&Path],
) -> Result<Vec<Option<Destination>>> {
    let one = |(index, payload): (usize, &usize)| {
        let path = bundle.map(|path| numbered(path, index, payloads.len()));
        path.map(|path| Destination::check(&path, bundle_size(*payload), inputs)).transpose()
    };
    payloads.iter().enumerate().map(one).collect()
}

/// A little more than the size of the bundle around a payload.
pub(crate) fn bundle_size(payload: usize) -> u64 {
    (payload as u64).div_ceil(3) * 4 + BUNDLE_FRAME
}

/// An attach failure, with its outcome kept and the state of the rest said.
pub(crate) fn incomplete(error: Error, attached: usize, wanted: usize) -> Error {
    if error.outcome() != Outcome::Unknown || wanted == 1 {
        return error;
    }
    Error::new(Code::AttachIncomplete, "not everything was attached")
        .expected(format!("{wanted} attached"))
        .found(format!("{attached} attached"))
        .hint("run the command again to attach the rest")
        .with_others(vec![error])
}
