//! `signer sign`.

use std::collections::BTreeMap;

use sign_core::image::{Image, Work, signature_statement};
use sign_core::{Code, Outcome, Result};

use super::{Items, attest::sign_and_attach, nameable, signing};
use crate::args::{ImageArgs, Sign};
use crate::context::Context;
use crate::output::Item;
use crate::progress::Progress;

pub(crate) async fn run(context: &Context, args: Sign) -> Items {
    let annotations = super::annotations(args.annotations)?;
    context.bind_credentials(args.images.images.iter().map(String::as_str), &args.images.registry)?;
    let images = match resolve(context, &args.images).await {
        Ok(images) => images,
        Err(items) => return Ok(items),
    };
    let mut work = Vec::new();
    for image in &images {
        for subject in image.subjects() {
            let statement = signature_statement(&subject.digest, annotations.clone())?;
            work.push(Work { image: image.clone(), subject: subject.clone(), statement });
        }
    }
    sign_and_attach(context, &args.signing, work, &[]).await
}

/// Resolves every image before anything is signed: a typing error should not leave half the work done.
///
/// # Errors
/// What there is to say about each image, when one of them cannot be resolved.
pub(crate) async fn resolve(context: &Context, args: &ImageArgs) -> Result<Vec<Image>, Vec<Item>> {
    let _progress = Progress::start(context.output, "resolving images");
    let (mut images, mut failures) = (Vec::new(), BTreeMap::new());
    for (index, text) in args.images.iter().enumerate() {
        match resolve_one(context, args, text).await {
            Ok(image) => images.push(image),
            Err(error) => {
                // A registry that does not answer would keep everybody waiting once more for each image.
                let again = error.outcome() != Outcome::Unknown;
                failures.insert(index, error);
                if !again {
                    break;
                }
            }
        }
    }
    if failures.is_empty() {
        return Ok(images);
    }
    let told = |(index, text): (usize, &String)| match failures.remove(&index) {
        Some(error) => Item::failed(nameable(text), error),
        None => Item::skipped(nameable(text)),
    };
    Err(args.images.iter().enumerate().map(told).collect())
}

async fn resolve_one(context: &Context, args: &ImageArgs, text: &str) -> Result<Image> {
    let (store, attachments) = context.stores(text, &args.registry).map_err(|e| match e.code() {
        Code::OfflineRequired => signing::needs_network(),
        _ => e,
    })?;
    let image = Image::resolve(store, text, args.all_platforms).await?.with_attachments(attachments);
    context.verbose(|| format!("{text} is {}", image.digest()));
    Ok(image)
}
