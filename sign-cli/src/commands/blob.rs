//! `signer sign-blob`, `attest-blob` and `verify-blob`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use sign_core::{
    Artifact, Bundle, Code, Content, Digest, Error, HashAlgorithm, Result, Statement, StatementBuilder,
    TypeSelector, VerifiedBundle,
};

use super::{Items, identity, signing, views};
use crate::args::{AttestBlob, SignBlob, VerifyBlob};
use crate::context::Context;
use crate::files::{Destination, read_file, unusable};
use crate::output::Item;
use crate::progress::Progress;

/// Largest bundle file that is read; what the parser accepts.
const MAX_BUNDLE_FILE: u64 = 128 * 1024 * 1024;

pub(crate) async fn sign(context: &Context, args: SignBlob) -> Items {
    let digest = hash(&args.file)?;
    let mut inputs = signing::inputs(context, &args.token);
    inputs.push(&args.file);
    let bundle = Destination::check(&args.bundle, signing::bundle_size(0), &inputs)?;
    let signing = signing::Signing::prepare(context, &args.token)?;
    let session = signing.session(context).await?;
    let signed = {
        let _progress = Progress::start(context.output, "signing");
        session.sign_blob(&digest).await?.bundle
    };
    finish(&args.file, &bundle, &digest, "signed", &signed)
}

pub(crate) async fn attest(context: &Context, args: AttestBlob) -> Items {
    let digest = hash(&args.file)?;
    let predicates = signing::predicates(context, &args.predicates)?;
    let statement = match (predicates.as_slice(), args.predicates.statements.as_slice()) {
        ([predicate], []) => {
            let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
            StatementBuilder::new(&predicate.checked.uri)
                .subject(name, &digest, BTreeMap::new())
                .build(&predicate.bytes)?
        }
        ([], [path]) => signing::statement(path, &digest)?,
        _ => {
            return Err(Error::new(Code::InvalidArgument, "one bundle holds one statement")
                .expected("one --predicate or one --statement"));
        }
    };
    drop(predicates);
    let mut inputs = signing::inputs(context, &args.token);
    inputs.push(&args.file);
    inputs.extend(args.predicates.predicates.iter().chain(&args.predicates.statements).map(PathBuf::as_path));
    let size = signing::bundle_size(statement.payload().len());
    let bundle = Destination::check(&args.bundle, size, &inputs)?;
    let signing = signing::Signing::prepare(context, &args.token)?;
    let session = signing.session(context).await?;
    let signed = {
        let _progress = Progress::start(context.output, "signing");
        // Of a large statement one copy is enough: what verifying it showed is not needed here.
        session.sign_statement(statement).await?.bundle
    };
    finish(&args.file, &bundle, &digest, "attested", &signed)
}

pub(crate) fn verify(context: &Context, args: &VerifyBlob) -> Items {
    let requirement = identity::requirement(&args.identity)?;
    let types = args.types.iter().map(|text| TypeSelector::parse(text)).collect::<Result<Vec<_>>>()?;
    let bundle = Bundle::parse_any(&read_file(&args.bundle, MAX_BUNDLE_FILE)?)
        .map_err(|e| e.context(args.bundle.display()))?;
    let artifact = artifact(&args.file)?;
    if artifact.to_string().starts_with("sha1:") {
        context
            .output
            .note("Two files with the same SHA-1 can be made at will; a better digest proves more.");
    }
    check_comparable(&bundle, &artifact)?;
    let (checks, verified) = context.verifier()?.examine_owned(bundle, &artifact, &requirement).into_parts();
    views::explain(context, &checks);
    let item = match verified.and_then(|verified| of_type(verified, &types)) {
        Ok(verified) => {
            let kind = if verified.statement().is_some() { "statement about" } else { "signature of" };
            let item = Item::new(&args.file)
                .line(format!("verified {kind} {}", args.file))
                .field("digest", artifact.to_string());
            let mut item = views::tell_verified(item, &verified);
            if let Some(path) = &args.write_predicate {
                let mut inputs = context.files();
                inputs.extend([args.bundle.as_path(), Path::new(&args.file)]);
                inputs.extend(args.identity.key.as_deref());
                let statement = verified.statement().ok_or_else(no_predicate)?;
                views::write_predicate(&mut item, path, statement.predicate(), &inputs);
            }
            item
        }
        Err(error) => {
            let mut item = Item::failed(&args.file, error).field("checks", views::checks(&checks));
            if !context.global.verbose {
                item.notes.extend(views::passed_line(&checks));
            }
            item
        }
    };
    Ok(vec![item])
}

/// A file has every kind of digest; one that was given as a digest may have none in common with a statement.
fn check_comparable(bundle: &Bundle, artifact: &Artifact) -> Result<()> {
    let whole = artifact.sha256().is_some() && artifact.digest(HashAlgorithm::Sha512).is_some();
    let (false, Content::Dsse(envelope)) = (whole, &bundle.content) else { return Ok(()) };
    // What cannot be read is for the verification to refuse.
    let Ok(statement) = Statement::parse(envelope.payload.clone()) else { return Ok(()) };
    let shown = artifact.to_string();
    let given = shown.split_once(':').map_or("", |(algorithm, _)| algorithm);
    let algorithms: BTreeSet<&str> =
        statement.subjects().iter().flat_map(|subject| subject.digests.keys().map(String::as_str)).collect();
    if algorithms.contains(given) {
        return Ok(());
    }
    Err(Error::new(Code::DigestNotComparable, "the statement names its subjects by another kind of digest")
        .expected(algorithms.into_iter().collect::<Vec<_>>().join(", "))
        .found(shown)
        .hint("give the file itself instead of its digest"))
}

fn of_type(verified: VerifiedBundle, types: &[TypeSelector]) -> Result<VerifiedBundle> {
    let found = verified.statement().map(|statement| statement.predicate_type().to_owned());
    let asked = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    match &found {
        _ if types.is_empty() => Ok(verified),
        Some(uri) if types.iter().all(|selector| selector.matches(uri)) => Ok(verified),
        found => Err(Error::new(Code::PredicateTypeMismatch, "the bundle holds something else")
            .expected(asked)
            .found(found.as_deref().unwrap_or("a message signature"))),
    }
}

fn no_predicate() -> Error {
    Error::new(Code::PredicateTypeMismatch, "a signature of a file has no predicate to write")
        .expected("a statement")
        .found("a message signature")
}

/// A digest as such, or the digests of a file, read in pieces. What is spelled like a digest is one: a file
/// that somebody named so would be verified in its place.
fn artifact(text: &str) -> Result<Artifact> {
    let as_file = |e: Error| e.hint(format!("a file of that name is ./{text}"));
    if let Some(hex) = text.strip_prefix("sha1:") {
        return Artifact::from_sha1(hex).map_err(as_file);
    }
    if ["sha256:", "sha384:", "sha512:"].iter().any(|prefix| text.starts_with(prefix)) {
        return text.parse().map(Artifact::from_digest).map_err(as_file);
    }
    let unreadable = |e| unusable("read", Path::new(text), e);
    Artifact::from_reader(File::open(text).map_err(unreadable)?).map_err(unreadable)
}

fn hash(path: &Path) -> Result<Digest> {
    let unreadable = |e| unusable("read", path, e);
    Digest::sha256_reader(File::open(path).map_err(unreadable)?).map_err(unreadable)
}

fn finish(file: &Path, bundle: &Destination, digest: &Digest, verb: &str, signed: &Bundle) -> Items {
    bundle.write(&signed.to_json())?;
    let bundle = bundle.path();
    let mut item = Item::new(file.display().to_string())
        .line(format!("{verb} {} ({digest})", file.display()))
        .line(format!("  bundle     {}", bundle.display()))
        .field("digest", digest.to_string())
        .field("bundle", bundle.display().to_string());
    for entry in &signed.log_entries {
        item = item.line(format!("  log index  {}", entry.log_index)).field("logIndex", entry.log_index);
    }
    Ok(vec![item])
}
