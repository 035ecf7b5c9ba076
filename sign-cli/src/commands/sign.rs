//! `signer sign`.

use sign_core::image::{Image, Work, signature_statement};
use sign_core::{Error, Result};

use super::{Items, attest::sign_and_attach};
use crate::args::{ImageArgs, Sign};
use crate::context::Context;
use crate::progress::Progress;

pub(crate) async fn run(context: &Context, args: Sign) -> Items {
    let annotations = super::annotations(args.annotations)?;
    let images = resolve(context, &args.images).await?;
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
pub(crate) async fn resolve(context: &Context, args: &ImageArgs) -> Result<Vec<Image>> {
    let _progress = Progress::start(context.output, "resolving images");
    context.bind_credentials(args.images.iter().map(String::as_str), &args.registry)?;
    let mut images = Vec::new();
    for text in &args.images {
        let (store, attachments) = context.stores(text, &args.registry)?;
        let image = Image::resolve(store, text, args.all_platforms)
            .await
            .map_err(|e: Error| e.context(text))?
            .with_attachments(attachments);
        context.verbose(|| format!("{text} is {}", image.digest()));
        images.push(image);
    }
    Ok(images)
}
