//! What signing commands share: the token, the notice, the statements from files.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use sign_core::{
    CheckedPredicate, Code, Digest, Error, Outcome, Result, Session, SigningContext, Statement, StaticToken,
    TokenFile, TokenSource, ambient_tokens, check_predicate,
};

use crate::args::{PredicateArgs, SigningArgs, TokenArgs};
use crate::context::{Context, MAX_DOCUMENT, read_file, write_file};

/// A predicate from a file, checked.
pub(crate) struct Predicate {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) checked: CheckedPredicate,
}

/// Where tokens come from: the option, else the environment.
pub(crate) fn token_source(args: &TokenArgs) -> Result<Box<dyn TokenSource>> {
    match args.identity_token.as_deref() {
        // A JWT has two dots and no slash; everything else is a file's name.
        Some(text) if text.split('.').count() == 3 && !Path::new(text).exists() => {
            Ok(Box::new(StaticToken::new(text.trim())?))
        }
        Some(path) => Ok(Box::new(TokenFile::new(path))),
        None => ambient_tokens(),
    }
}

/// Shows once what becomes public, to a person who can still say no.
pub(crate) fn confirm(context: &Context, args: &TokenArgs) -> Result<()> {
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

/// Token, key and certificate for everything that one command signs.
pub(crate) async fn session(context: &Context, args: &TokenArgs) -> Result<Session> {
    confirm(context, args)?;
    let source = token_source(args)?;
    let signing: SigningContext = context.signing()?;
    let session = signing.session(source.into()).await?;
    context.verbose(|| format!("signing as {}", session.certificate().san()));
    Ok(session)
}

/// Reads and checks every `--predicate`.
pub(crate) fn predicates(args: &PredicateArgs) -> Result<Vec<Predicate>> {
    let count = args.predicates.len();
    if args.types.len() > 1 && args.types.len() != count {
        return Err(Error::new(Code::InvalidArgument, "types and predicates do not pair")
            .expected(format!("one --type for all, or {count}"))
            .found(args.types.len()));
    }
    let types = args.types.iter().map(String::as_str).chain(std::iter::repeat_with(|| match args.types.as_slice() {
        [only] => only.as_str(),
        _ => "auto",
    }));
    args.predicates
        .iter()
        .zip(types)
        .map(|(path, requested)| {
            let bytes = read_file(path, MAX_DOCUMENT)?;
            let checked = check_predicate(&bytes, requested).map_err(|e| e.context(path.display()))?;
            Ok(Predicate { path: path.clone(), bytes, checked })
        })
        .collect()
}

/// Reads a `--statement` and insists that it is about `digest`.
pub(crate) fn statement(path: &Path, digest: &Digest) -> Result<Statement> {
    let statement = Statement::parse(read_file(path, MAX_DOCUMENT)?).map_err(|e| e.context(path.display()))?;
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
    Ok(statement)
}

/// The file that the `index`th of `count` bundles is written to.
pub(crate) fn bundle_path(args: &SigningArgs, index: usize, count: usize) -> Option<PathBuf> {
    let path = args.bundle.as_ref()?;
    if count == 1 {
        return Some(path.clone());
    }
    let name = path.file_name()?.to_string_lossy();
    let stem = name.strip_suffix(".json").unwrap_or(&name);
    Some(path.with_file_name(format!("{stem}.{}.json", index + 1)))
}

/// Writes the bundle if a file was named for it.
pub(crate) fn write_bundle(args: &SigningArgs, index: usize, count: usize, bundle: &[u8]) -> Result<Option<PathBuf>> {
    let path = bundle_path(args, index, count);
    if let Some(path) = &path {
        write_file(path, bundle)?;
    }
    Ok(path)
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
