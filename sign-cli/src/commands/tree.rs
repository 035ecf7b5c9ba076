//! `signer tree`: claims of the registry, none verified.

use std::sync::Arc;

use sign_core::image::{Image, Referrer, tree};

use super::{Items, nameable};
use crate::args::Tree;
use crate::context::Context;
use crate::output::Item;
use crate::progress::Progress;

pub(crate) async fn run(context: &Context, args: Tree) -> Items {
    let _progress = Progress::start(context.output, "listing what is attached");
    let (store, attachments) = context.stores(&args.image, &args.registry)?;
    let image = match Image::resolve(Arc::clone(&store), &args.image, true).await {
        Ok(image) => image,
        Err(error) => return Ok(vec![Item::failed(nameable(&args.image), error)]),
    };
    let mut items = Vec::new();
    for subject in image.subjects() {
        let referrers = tree(attachments.as_ref(), &subject.digest).await?;
        let platform = subject.platform.as_ref().map(|p| format!(" {p}")).unwrap_or_default();
        let mut item = Item::new(&args.image)
            .line(format!("{}@{}{platform}", store.name(), subject.digest))
            .field("digest", subject.digest.to_string())
            .field("verified", false)
            .field("referrers", serde_json::to_value(&referrers).unwrap_or_default());
        if referrers.is_empty() {
            item = item.line("  nothing attached");
        }
        for (index, referrer) in referrers.iter().enumerate() {
            let branch = if index + 1 == referrers.len() { "└─" } else { "├─" };
            item = item.line(format!("{branch} {}", label(referrer)));
            let indent = if index + 1 == referrers.len() { "  " } else { "│ " };
            item = item.line(format!("{indent}   {}", referrer.digest));
            if let Some(tag) = &referrer.tag {
                item = item.line(format!("{indent}   {tag}"));
            }
        }
        items.push(item);
    }
    context
        .output
        .note("These are claims of the registry; nothing here was verified. `signer verify` does that.");
    Ok(items)
}

fn label(referrer: &Referrer) -> String {
    let kind = referrer.predicate_type.as_deref().or(referrer.artifact_type.as_deref()).unwrap_or("unknown");
    let created = referrer.created.as_deref().map(|time| format!(", {time}")).unwrap_or_default();
    format!("{kind} ({} bytes{created})", referrer.size)
}
