//! From statements to referrers: sign everything first, and only then attach.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::Image;
use crate::bundle::BUNDLE_V0_3;
use crate::error::{Error, Result};
use crate::oci::{Attachment, Descriptor};
use crate::sign::{Session, Signed};
use crate::statement::Statement;

/// Most statements that are signed, or attached, at once: enough to hide latency, and few enough
/// not to be throttled by a log.
const CONCURRENCY: usize = 8;

/// One statement to sign and attach.
#[derive(Debug)]
pub struct Work {
    /// The image it belongs to.
    pub image: Image,
    /// Which of the image's manifests it is about.
    pub subject: Descriptor,
    /// What is said.
    pub statement: Statement,
}

/// A signed statement, ready to be attached.
#[derive(Debug)]
pub struct Attached {
    /// The image it belongs to.
    pub image: Image,
    /// Which of the image's manifests it is about.
    pub subject: Descriptor,
    /// The `predicateType`.
    pub predicate_type: String,
    /// The bundle, as JSON.
    pub bundle: Bytes,
    /// Index of the entry in the (first) log.
    pub log_index: Option<u64>,
    /// The referrer, once attached.
    pub referrer: Option<Descriptor>,
}

/// Signs every statement with one session. Nothing is attached; the first failure ends it.
///
/// The same statement is signed once, however many images it is to be attached to: a tag beside a
/// version, or a copy in another registry, is the same digest, and a log refuses the same entry twice.
///
/// # Errors
/// Whatever signing brings.
pub async fn sign_all(session: &Session<'_>, work: Vec<Work>) -> Result<Vec<Attached>> {
    let mut statements: Vec<Statement> = Vec::new();
    let mut wanted = Vec::with_capacity(work.len());
    for Work { image, subject, statement } in work {
        let same = statements.iter().position(|known| known.payload() == statement.payload());
        wanted.push((image, subject, same.unwrap_or(statements.len())));
        if same.is_none() {
            statements.push(statement);
        }
    }
    let signed: Vec<_> = stream::iter(statements)
        .map(|statement| async move {
            let predicate_type = statement.predicate_type().to_owned();
            let Signed { bundle, verified } = session.sign_statement(statement).await?;
            // A large payload is held once from here on, as the text that is uploaded.
            drop(verified);
            let log_index = bundle.log_entries.first().map(|entry| entry.log_index);
            Ok::<_, Error>((predicate_type, Bytes::from(bundle.to_json()), log_index))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let attached = |(image, subject, index): (Image, Descriptor, usize)| {
        let (predicate_type, bundle, log_index) = signed.get(index).cloned()?;
        Some(Attached { image, subject, predicate_type, bundle, log_index, referrer: None })
    };
    Ok(wanted.into_iter().filter_map(attached).collect())
}

/// Attaches every signed statement that is not attached yet; each item says how it went.
pub async fn attach(items: &mut [Attached], created: Timestamp) -> Vec<Result<()>> {
    let results: Vec<_> = stream::iter(items.iter().map(|item| attach_one(item, created)))
        .buffered(CONCURRENCY)
        .collect()
        .await;
    items
        .iter_mut()
        .zip(results)
        .map(|(item, result)| result.map(|referrer| item.referrer = Some(referrer)))
        .collect()
}

async fn attach_one(item: &Attached, created: Timestamp) -> Result<Descriptor> {
    if let Some(referrer) = &item.referrer {
        return Ok(referrer.clone());
    }
    let annotations = BTreeMap::from([
        ("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned()),
        ("dev.sigstore.bundle.predicateType".to_owned(), item.predicate_type.clone()),
        ("org.opencontainers.image.created".to_owned(), created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    ]);
    let attachment =
        Attachment { artifact_type: BUNDLE_V0_3.into(), content: item.bundle.clone(), annotations };
    item.image.attachments.attach(&item.subject, &attachment).await
}
