//! `signer verify`.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sign_core::image::{Form, Image, ImagePolicy, ImageVerdict, verify_image};
use sign_core::{Code, Error, Result, TypeSelector};

use super::{Items, counted, identity, nameable, views};
use crate::args::Verify;
use crate::context::Context;
use crate::files::numbered;
use crate::output::Item;
use crate::progress::Progress;

pub(crate) async fn run(context: &Context, args: Verify) -> Items {
    let policy = ImagePolicy {
        requirement: Arc::new(identity::requirement(&args.identity)?),
        types: args.types.iter().map(|text| TypeSelector::parse(text)).collect::<Result<_>>()?,
        annotations: super::annotations(args.annotations)?,
    };
    context.bind_credentials(args.images.images.iter().map(String::as_str), &args.images.registry)?;
    let verifier = Arc::new(context.verifier()?);
    let _progress = Progress::start(context.output, "verifying");
    let (mut items, mut predicates) = (Vec::new(), Vec::new());
    for text in &args.images.images {
        let image = match context.stores(text, &args.images.registry) {
            Ok((store, attachments)) => Image::resolve(store, text, args.images.all_platforms)
                .await
                .map(|image| image.with_attachments(attachments)),
            Err(error) => Err(error),
        };
        match image {
            Ok(image) => {
                for subject in image.subjects() {
                    context.verbose(|| format!("{text} is {}", subject.digest));
                    let mut verdict =
                        verify_image(&verifier, image.attachments.as_ref(), subject, &policy).await;
                    if !policy.types.is_empty() {
                        verdict.result = verdict.result.map_err(type_was_named);
                    }
                    if args.write_predicate.is_some() && verdict.result.is_ok() {
                        for statement in verdict.accepted.iter().filter_map(|a| a.verified.statement()) {
                            // Whoever may push can attach what is genuine once more; it is one result.
                            let known = |(item, predicate): &(usize, Vec<u8>)| {
                                *item == items.len() && predicate == statement.predicate()
                            };
                            if !predicates.iter().any(known) {
                                predicates.push((items.len(), statement.predicate().to_vec()));
                            }
                        }
                    }
                    explain(context, &verdict);
                    items.push(tell(&image, verdict, context.global.verbose));
                }
            }
            Err(error) => items.push(Item::failed(nameable(text), error)),
        }
    }
    if let Some(path) = &args.write_predicate {
        let mut inputs = context.files();
        inputs.extend(args.identity.key.as_deref());
        let count = predicates.len();
        let taken = count > 1 && path.symlink_metadata().is_ok();
        for (index, (item, predicate)) in predicates.iter().enumerate() {
            let Some(item) = items.get_mut(*item) else { continue };
            if taken {
                item.lines.clear();
                item.error = Some(name_taken(path, count));
                continue;
            }
            views::write_predicate(item, &numbered(path, index, count), predicate, &inputs);
        }
    }
    Ok(items)
}

/// How many predicates there are is up to whoever may push. A file from before that stays under the name
/// asked for would be read as the result.
fn name_taken(path: &Path, count: usize) -> Error {
    Error::new(Code::InvalidArgument, "there are several predicates to write, and a file has their name")
        .expected("one predicate, or a name that is free")
        .found(format!("{count} predicates and {}", path.display()))
        .hint("remove the file; the predicates then get numbers in their names")
}

/// Nobody who named a type needs to hear that types can be named.
fn type_was_named(error: Error) -> Error {
    if error.code() != Code::PredicateTypeMismatch {
        return error;
    }
    error.hint("`signer tree` shows what is attached; was this attested, and attached here?")
}

/// Every candidate with its checks, or with the one it failed.
fn explain(context: &Context, verdict: &ImageVerdict) {
    for candidate in &verdict.accepted {
        context.verbose(|| format!("{} accepted", candidate.referrer));
        views::explain(context, candidate.verified.checks());
    }
    for candidate in &verdict.rejected {
        let place = candidate.referrer.as_ref().map_or("a list".to_owned(), ToString::to_string);
        context.verbose(|| format!("{place} not accepted: {}", candidate.error));
        views::explain(context, &candidate.checks);
    }
    for predicate_type in &verdict.other_types {
        context.verbose(|| format!("left aside: a bundle that claims to be {predicate_type}"));
    }
}

fn tell(image: &Image, verdict: ImageVerdict, verbose: bool) -> Item {
    let name = format!("{}@{}", image.store.name(), verdict.subject.digest);
    let mut item = Item::new(&image.reference)
        .field("image", image.store.name())
        .field("digest", verdict.subject.digest.to_string());
    if let Some(platform) = &verdict.subject.platform {
        item = item.field("platform", platform.to_string());
    }
    let rejected: Value = verdict
        .rejected
        .iter()
        .map(|r| json!({"referrer": r.referrer.as_ref().map(ToString::to_string), "code": r.error.code().as_str(), "message": r.error.to_string(), "checks": views::checks(&r.checks)}))
        .collect();
    let accepted: Value = verdict
        .accepted
        .iter()
        .map(|a| {
            let mut fields = views::fields(&a.verified);
            fields.insert("referrer".into(), a.referrer.to_string().into());
            fields.insert("blob".into(), a.blob.to_string().into());
            fields.insert("form".into(), form(a.form).into());
            Value::from(fields)
        })
        .collect();
    item = item.field("verified", accepted).field("rejected", rejected);
    if let Err(error) = verdict.result {
        // Of several candidates each came another way; `-v` has told them all.
        if let ([only], false) = (verdict.rejected.as_slice(), verbose) {
            item.notes.extend(views::passed_line(&only.checks));
        }
        item.error = Some(error);
        return item;
    }
    let platform = verdict.subject.platform.as_ref().map(|p| format!(" ({p})")).unwrap_or_default();
    item = item.line(format!("verified {name}{platform}"));
    for (index, attachment) in verdict.accepted.iter().enumerate() {
        if index > 0 {
            item = item.line("  and");
        }
        item.lines.extend(views::lines(&attachment.verified));
        if attachment.form != Form::Bundle {
            item = item.line("  stored     in cosign's older form");
        }
    }
    if !verdict.rejected.is_empty() {
        let others = counted(verdict.rejected.len(), "other candidate", "other candidates");
        item = item.line(format!("  not accepted: {others}"));
    }
    item
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Bundle => "bundle",
        Form::LegacySignature => "legacy-signature",
        Form::LegacyAttestation => "legacy-attestation",
        _ => "other",
    }
}
