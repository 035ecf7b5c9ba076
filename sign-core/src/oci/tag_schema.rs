//! Adding to the list of referrers under a tag, for registries that keep no list themselves.
//!
//! Several writers share that one tag, and the specification promises nothing about writing at the same time.
//! So: conditional requests where the registry honours them, a second look where it may not, and one writer
//! at a time inside this process. Source: OCI distribution specification 1.1, "Pushing Manifests with Subject".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use backon::BackoffBuilder as _;
use http::StatusCode;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::error::{Code, Error, Result};

use super::auth::Access;
use super::manifest::{Descriptor, MAX_MANIFEST, OCI_INDEX};
use super::referrers::{TagIndex, tag_of};
use super::registry::{Registry, refusal};
use super::{MAX_REFERRERS, too_many_referrers};

/// Most rounds of reading, merging and writing; enough for some thirty writers at a registry that ignores
/// conditions, where each round may lose entries that later rounds repair.
const MAX_ROUNDS: usize = 40;
/// Shortest and longest pause between a write and the look at what became of it. A writer that read the list
/// before us will have written it by then.
const PAUSE: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(800));
/// How many looks in a row must find the entry before it counts as kept.
const LOOKS: usize = 2;

type Locks = HashMap<String, Weak<tokio::sync::Mutex<()>>>;

/// One lock for each list that is being written in this process.
static LOCKS: Mutex<Option<Locks>> = Mutex::new(None);

fn lock_of(list: String) -> Arc<tokio::sync::Mutex<()>> {
    let mut guard = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let locks = guard.get_or_insert_default();
    locks.retain(|_, lock| lock.strong_count() > 0);
    if let Some(lock) = locks.get(&list).and_then(Weak::upgrade) {
        return lock;
    }
    let lock = Arc::new(tokio::sync::Mutex::new(()));
    locks.insert(list, Arc::downgrade(&lock));
    lock
}

impl Registry {
    /// Makes sure that `referrer` is found when the referrers of `subject` are listed.
    pub(super) async fn list_referrer(&self, subject: &Digest, referrer: &Descriptor) -> Result<()> {
        if self.api_lists(subject, &referrer.digest).await? {
            return Ok(());
        }
        let tag = tag_of(subject);
        let lock = lock_of(format!("{}:{tag}", self.reference.name()));
        let _one_writer = lock.lock().await;
        let mut pauses = backon::ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(PAUSE.0)
            .with_max_delay(PAUSE.1)
            .without_max_times()
            .build();
        let (mut honoured, mut looks) = (false, 0);
        for round in 0..MAX_ROUNDS {
            let index = self.tag_index(&tag, Access::Push).await?;
            if index.as_ref().is_some_and(|index| lists(&index.document, &referrer.digest)) {
                looks += 1;
                // Nothing was written yet, or nobody can have overwritten it: one look is enough.
                if round == 0 || honoured || looks >= LOOKS {
                    return Ok(());
                }
            } else {
                looks = 0;
                honoured |= self.put_index(&tag, index, referrer).await?;
            }
            if let Some(pause) = pauses.next() {
                tokio::time::sleep(pause).await;
            }
        }
        Err(Error::new(Code::AttachIncomplete, "others keep overwriting the list of referrers")
            .found(tag)
            .hint("attach one after the other, or use a registry with the referrers API"))
    }

    /// Writes the list with `referrer` in it. `true` means that the registry has refused an outdated list,
    /// and so is known to honour conditions.
    async fn put_index(&self, tag: &str, index: Option<TagIndex>, referrer: &Descriptor) -> Result<bool> {
        let doing = "updating the list of referrers";
        let (header, value) = match &index {
            Some(TagIndex { etag: Some(etag), .. }) => (Some(IF_MATCH), etag.as_str()),
            Some(_) => (None, ""),
            None => (Some(IF_NONE_MATCH), "*"),
        };
        let document = add(index.as_ref().map(|index| &index.document), referrer)?;
        let body = serde_json::to_vec(&document).map_err(|e| {
            Error::new(Code::Internal, "a list of referrers could not be written").caused_by(e)
        })?;
        if body.len() > MAX_MANIFEST {
            return Err(too_many_referrers());
        }
        let mut request = self.put_manifest(tag, OCI_INDEX, body.into()).await?;
        if let Some(header) = header {
            request = request.header(header, value)?;
        }
        let answer = self.send_manifest(request, doing).await?;
        match answer.status {
            StatusCode::PRECONDITION_FAILED => Ok(true),
            status if status.is_success() => Ok(false),
            _ => Err(refusal(&answer, doing)
                .context(format!("the tag {tag}"))
                .hint("if the registry's tags cannot be changed, attach to another repository")),
        }
    }
}

fn lists(document: &Value, digest: &Digest) -> bool {
    let digest = digest.to_string();
    let entries = document.get("manifests").and_then(Value::as_array);
    entries.is_some_and(|e| e.iter().any(|e| e.get("digest").and_then(Value::as_str) == Some(&digest)))
}

/// The list with `referrer` at its end. Everything else in it stays as it is.
fn add(document: Option<&Value>, referrer: &Descriptor) -> Result<Value> {
    let mut document = document
        .cloned()
        .unwrap_or_else(|| json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }));
    let entry = serde_json::to_value(referrer)
        .map_err(|e| Error::new(Code::Internal, "a descriptor could not be written").caused_by(e))?;
    let Some(manifests) = document.get_mut("manifests") else {
        return Err(Error::new(Code::ManifestInvalid, "the list of referrers has no list in it"));
    };
    match manifests {
        Value::Array(entries) if entries.len() >= MAX_REFERRERS => return Err(too_many_referrers()),
        Value::Array(entries) => entries.push(entry),
        other => *other = json!([entry]),
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn referrer(content: &[u8]) -> Descriptor {
        let mut descriptor = Descriptor::of("m/m", content);
        descriptor.artifact_type = Some("a/a".to_owned());
        descriptor.annotations.insert("k".to_owned(), "v".to_owned());
        descriptor
    }

    #[test]
    fn adding_loses_nothing() {
        let (first, second) = (referrer(b"1"), referrer(b"2"));
        let mut document = add(None, &first).unwrap();
        assert!(lists(&document, &first.digest) && !lists(&document, &second.digest));
        document["x-unknown"] = json!({ "kept": true });
        document["manifests"][0]["x-unknown"] = json!(1);
        let merged = add(Some(&document), &second).unwrap();
        assert!(lists(&merged, &first.digest) && lists(&merged, &second.digest));
        assert_eq!(merged["x-unknown"], document["x-unknown"]);
        assert_eq!(merged["manifests"][0], document["manifests"][0]);
        assert_eq!(merged["manifests"][1]["artifactType"], "a/a");
        assert_eq!(merged["manifests"][1]["annotations"]["k"], "v");
        assert_eq!(merged["mediaType"], OCI_INDEX);
    }

    #[test]
    fn a_list_is_not_written_longer_than_it_is_read() {
        let mut document = add(None, &referrer(b"1")).unwrap();
        document["manifests"] = json!(vec![document["manifests"][0].clone(); MAX_REFERRERS - 1]);
        let full = add(Some(&document), &referrer(b"2")).unwrap();
        assert_eq!(add(Some(&full), &referrer(b"3")).unwrap_err().code(), Code::TooManyReferrers);
        document["manifests"] = Value::Null;
        assert!(lists(&add(Some(&document), &referrer(b"2")).unwrap(), &referrer(b"2").digest));
    }

    #[test]
    fn a_list_has_one_lock_and_unused_locks_go_away() {
        let first = lock_of("test/a:1".to_owned());
        assert!(Arc::ptr_eq(&first, &lock_of("test/a:1".to_owned())));
        assert!(!Arc::ptr_eq(&first, &lock_of("test/a:2".to_owned())));
        let gone = Arc::downgrade(&first);
        drop(first);
        let _other = lock_of("test/a:3".to_owned());
        assert_eq!(gone.strong_count(), 0);
    }
}
