//! `signer attest`, and what it shares with `sign`: sign everything, then attach it.

use std::path::{Path, PathBuf};

use sign_core::image::{Attached, Work, attach, attestation_statement, sign_all};
use sign_core::{Clock as _, Result, Session, SystemClock};

use super::{Items, counted, sign, signing};
use crate::args::{Attest, SigningArgs};
use crate::context::Context;
use crate::files::Destination;
use crate::output::Item;
use crate::progress::Progress;

pub(crate) async fn run(context: &Context, args: Attest) -> Items {
    // Documents first: they are the likeliest to be wrong, and nothing was asked of anybody yet.
    let predicates = signing::predicates(context, &args.predicates)?;
    context.bind_credentials(args.images.images.iter().map(String::as_str), &args.images.registry)?;
    let images = match sign::resolve(context, &args.images).await {
        Ok(images) => images,
        Err(items) => return Ok(items),
    };
    let mut work = Vec::new();
    for image in &images {
        for path in &args.predicates.statements {
            let statement = signing::statement(path, image.digest())?;
            work.push(Work { image: image.clone(), subject: image.root.clone(), statement });
        }
    }
    let subjects: usize = images.iter().map(|image| image.subjects().count()).sum();
    let mut remaining = subjects * predicates.len();
    work.reserve(remaining);
    for predicate in predicates {
        for image in &images {
            for subject in image.subjects() {
                remaining -= 1;
                let uri = &predicate.checked.uri;
                let statement =
                    attestation_statement(image.store.name(), &subject.digest, uri, &predicate.bytes)?;
                work.push(Work { image: image.clone(), subject: subject.clone(), statement });
            }
        }
        // Each document is given back as soon as its statements hold it.
        drop(predicate);
    }
    debug_assert_eq!(remaining, 0, "every predicate was paired with every subject");
    let inputs = [args.predicates.predicates.as_slice(), args.predicates.statements.as_slice()].concat();
    sign_and_attach(context, &args.signing, work, &inputs).await
}

/// Signs all of `work`, which was read from `inputs`, writes bundles to files and attaches them.
pub(crate) async fn sign_and_attach(
    context: &Context,
    args: &SigningArgs,
    work: Vec<Work>,
    inputs: &[PathBuf],
) -> Items {
    let count = work.len();
    let sizes: Vec<usize> = work.iter().map(|item| item.statement.payload().len()).collect();
    let mut inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    inputs.extend(signing::inputs(context, &args.token));
    let files = signing::bundle_files(args.bundle.as_deref(), &sizes, &inputs)?;
    if !args.no_upload {
        for item in &work {
            item.image.attachments.check_attachable().await?;
        }
    }
    let signing = signing::Signing::prepare(context, &args.token)?;
    let session = signing.session(context).await?;
    let mut signed = {
        let _progress = Progress::start(
            context.output,
            &format!("signing {}", counted(count, "statement", "statements")),
        );
        sign_all(&session, work).await?
    };
    for (item, file) in signed.iter().zip(&files) {
        if let Some(file) = file {
            file.write(&item.bundle)?;
        }
    }
    let results = if args.no_upload {
        signed.iter().map(|_| Ok(())).collect()
    } else {
        let _progress =
            Progress::start(context.output, &format!("attaching {}", counted(count, "bundle", "bundles")));
        attach(&mut signed, SystemClock.now()).await
    };
    let attached = results.iter().filter(|result| result.is_ok()).count();
    Ok(signed
        .iter()
        .zip(results)
        .zip(files)
        .map(|((item, result), file)| {
            let told = tell(item, &session);
            let told = match &file {
                Some(file) => told
                    .line(format!("  bundle     {}", file.path().display()))
                    .field("bundle", file.path().display().to_string()),
                None => told,
            };
            with_result(told, item, file.as_ref(), result, attached, count)
        })
        .collect())
}

fn tell(item: &Attached, session: &Session<'_>) -> Item {
    let certificate = session.certificate();
    let name = item.image.store.name();
    let (verb, to) = if item.referrer.is_some() { ("attached", "to") } else { ("signed", "about") };
    let mut told = Item::new(&item.image.reference)
        .line(format!("{verb} {} {to} {name}@{}", item.predicate_type, item.subject.digest))
        .line(format!("  signer     {}", certificate.san()))
        .field("image", name)
        .field("digest", item.subject.digest.to_string())
        .field("predicateType", item.predicate_type.clone())
        .field("identity", certificate.san().to_string());
    if let Some(platform) = &item.subject.platform {
        told = told.line(format!("  platform   {platform}")).field("platform", platform.to_string());
    }
    if let Some(issuer) = certificate.issuer() {
        told = told.line(format!("  issuer     {issuer}")).field("issuer", issuer);
    }
    if let Some(index) = item.log_index {
        told = told.line(format!("  log index  {index}")).field("logIndex", index);
    }
    if let Some(referrer) = &item.referrer {
        told = told
            .line(format!("  referrer   {}", referrer.digest))
            .field("referrer", referrer.digest.to_string());
    }
    told
}

fn with_result(
    mut told: Item,
    signed: &Attached,
    file: Option<&Destination>,
    result: Result<()>,
    attached: usize,
    wanted: usize,
) -> Item {
    if let Err(error) = result {
        // Words that say "attached" would be wrong here; the error says what is, and what there is already.
        told.lines.clear();
        told.error = Some(signing::incomplete(error, attached, wanted));
        if let Some(index) = signed.log_index {
            told.notes.push(format!("  signed:   already, and logged at index {index}"));
        }
        if let Some(file) = file {
            told.notes.push(format!("  bundle:   {}", file.path().display()));
        }
    }
    told
}
