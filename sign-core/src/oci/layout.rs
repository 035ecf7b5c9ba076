//! An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/`.
//!
//! Source: OCI image specification 1.1, "Image Layout".

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};

use super::legacy::{FoundManifest, LegacyTag};
use super::manifest::{
    Descriptor, EMPTY_CONFIG, MAX_MANIFEST, Manifest, OCI_INDEX, OCI_MANIFEST, check_digest,
    referrer_manifest,
};
use super::reference::LayoutReference;
use super::referrers::MAX_LIST_BYTES;
use super::{
    Attachment, MAX_REFERRERS, Store, check_blob, check_blob_size, distinct, most_bytes, too_many_referrers,
};

/// Names an image in `index.json`.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Says what an entry is, where `cosign save` wrote it.
const LEGACY_MARK: &str = "kind";
/// The file that says that a directory is a layout.
const MARKER: &str = "oci-layout";
/// Largest marker file; it holds one version.
const MAX_MARKER: usize = 4096;
/// The list of what the layout holds.
const INDEX: &str = "index.json";
/// Held while [`INDEX`] is written.
const LOCK: &str = "index.json.lock";
/// Most tags or digests that a message lists.
const SHOWN: usize = 5;
/// Longest wait for another process that writes.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// One writer at a time in this process; the lock file is for other processes.
static WRITER: Mutex<()> = Mutex::new(());

/// An OCI image layout on disk. Every call reads and writes small files and returns at once.
#[derive(Debug, Clone)]
pub struct Layout {
    reference: LayoutReference,
}

impl Layout {
    /// Opens the layout that `reference` names.
    pub fn open(reference: LayoutReference) -> Result<Self> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let path = reference.directory().join(MARKER);
        let bytes = read_file(&path, MAX_MARKER)?.ok_or_else(|| {
            Error::new(Code::SubjectNotFound, "not an OCI image layout")
                .expected(format!("a directory with a file named {MARKER}"))
                .found(reference.directory().display())
        })?;
        match serde_json::from_slice::<Marker>(&bytes) {
            Ok(marker) if marker.image_layout_version.starts_with("1.") => Ok(Self { reference }),
            Ok(marker) => Err(Error::new(Code::InvalidArgument, "an OCI image layout of another version")
                .expected("1.x")
                .found(marker.image_layout_version)),
            Err(e) => Err(Error::new(Code::InvalidArgument, "not an OCI image layout")
                .found(path.display())
                .caused_by(e)),
        }
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        // A digest has one spelling without any separator in it, so that this stays inside the directory.
        self.reference.directory().join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// `index.json` as a document, and the descriptors in it.
    fn index(&self) -> Result<(Value, Vec<Descriptor>)> {
        let path = self.reference.directory().join(INDEX);
        let bytes = read_file(&path, MAX_MANIFEST)?.ok_or_else(|| {
            Error::new(Code::SubjectNotFound, "the image layout has no index").found(path.display())
        })?;
        let named = |e: Error| {
            let found = e.found_value().map_or(String::new(), |found| format!(": {found}"));
            Error::new(e.code(), format!("the layout's index is not acceptable, {}", path.display()))
                .found(format!("{}{found}", e.message()))
                .caused_by(e)
        };
        let Manifest::Index(index) = Manifest::parse(Some(OCI_INDEX), &bytes).map_err(named)? else {
            return Err(named(Error::new(Code::ManifestInvalid, "not an index")));
        };
        let document = serde_json::from_slice(&bytes).map_err(|e| {
            Error::new(Code::ManifestInvalid, "the layout's index does not parse").caused_by(e)
        })?;
        Ok((document, index.manifests))
    }

    fn read_manifest(&self, digest: &Digest) -> Result<Option<Bytes>> {
        let Some(bytes) = read_file(&self.blob_path(digest), MAX_MANIFEST)? else { return Ok(None) };
        check_digest(digest, &bytes)?;
        Ok(Some(bytes.into()))
    }

    /// The entry of the index that the reference means.
    fn find(&self, entries: Vec<Descriptor>) -> Result<Descriptor> {
        let held = held(&entries);
        let not_found =
            |message: &str| Error::new(Code::SubjectNotFound, message).expected(&self.reference).found(&held);
        if let Some(digest) = self.reference.digest() {
            if let Some(entry) = entries.into_iter().find(|entry| &entry.digest == digest) {
                return Ok(entry);
            }
            // A platform's image is listed in a nested index only.
            let bytes =
                self.read_manifest(digest)?.ok_or_else(|| not_found("the image is not in the layout"))?;
            let manifest = Manifest::parse(None, &bytes)?;
            return Ok(Descriptor::named(manifest.media_type(), digest.clone(), bytes.len()));
        }
        let mut candidates: Vec<Descriptor> = match self.reference.tag() {
            Some(tag) => entries
                .into_iter()
                .filter(|entry| entry.annotations.get(REF_NAME).is_some_and(|name| name == tag))
                .collect(),
            None => {
                // What is attached to an image in the layout is not itself the image that is meant.
                let mut images = Vec::new();
                for entry in distinct(entries).into_iter().filter(|entry| !is_legacy(entry)) {
                    if self.subject_of(&entry)?.is_none() {
                        images.push(entry);
                    }
                }
                images
            }
        };
        candidates = distinct(candidates);
        match (candidates.pop(), candidates.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                candidates.push(last);
                let digests = candidates.iter().map(|entry| entry.digest.to_string()).collect();
                let hint = match self.reference.tag() {
                    Some(_) => "name one by its digest, with @DIGEST",
                    None => "name one, with :TAG or @DIGEST",
                };
                Err(Error::new(Code::InvalidArgument, "the layout holds several images that could be meant")
                    .found(a_few(digests))
                    .hint(hint))
            }
            (None, _) => Err(not_found("the image is not in the layout")),
        }
    }

    /// What an entry of the index is attached to. Something that is missing or no manifest is attached to
    /// nothing that we could tell.
    fn subject_of(&self, entry: &Descriptor) -> Result<Option<Descriptor>> {
        let Some(bytes) = self.read_manifest(&entry.digest)? else { return Ok(None) };
        Ok(Manifest::parse(Some(&entry.media_type), &bytes).ok().and_then(|m| m.subject().cloned()))
    }

    fn list_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let mut referrers = Vec::new();
        for entry in distinct(self.index()?.1) {
            let Some(bytes) = self.read_manifest(&entry.digest)? else { continue };
            let Ok(manifest) = Manifest::parse(Some(&entry.media_type), &bytes) else { continue };
            if manifest.subject().is_some_and(|found| &found.digest == subject) {
                referrers.push(manifest.referrer_descriptor(entry.digest, bytes.len()));
            }
            if referrers.len() > MAX_REFERRERS {
                return Err(too_many_referrers());
            }
        }
        Ok(referrers)
    }

    fn find_legacy(&self, subject: &Digest, tag: LegacyTag) -> Result<Vec<FoundManifest>> {
        let name = tag.name(subject);
        let (mut found, mut total) = (Vec::new(), 0_usize);
        // A mark does not say whose signatures these are; the signatures do.
        let is_marked = |entry: &Descriptor| mark_of(entry).is_some_and(|mark| Some(mark) == tag.mark());
        let mut entries = self.index()?.1;
        entries.retain(|entry| tag_of(entry) == Some(&name) || is_marked(entry));
        for entry in distinct(entries) {
            let bytes = self.read_manifest(&entry.digest)?.ok_or_else(|| {
                Error::new(Code::ServiceProtocol, "the layout lists a manifest that it does not have")
                    .found(&entry.digest)
            })?;
            total = total.saturating_add(bytes.len());
            found.push(FoundManifest { descriptor: entry, bytes });
            if found.len() > MAX_REFERRERS || total > MAX_LIST_BYTES {
                return Err(too_many_referrers());
            }
        }
        Ok(found)
    }

    fn write_blob(&self, content: &[u8]) -> Result<Digest> {
        let digest = Digest::sha256(content);
        let path = self.blob_path(&digest);
        match read_file(&path, content.len()) {
            Ok(Some(found)) if found == content => {}
            _ => write_atomically(&path, content)?,
        }
        Ok(digest)
    }

    /// Tries to write where [`Layout::attach_now`] will.
    fn try_writing(&self) -> Result<()> {
        let directory = self.reference.directory();
        let blobs = self.blob_path(&Digest::sha256(EMPTY_CONFIG));
        for file in [directory.join(INDEX), blobs] {
            // A folder that is missing will be made, in one that was tried.
            if file.parent().is_some_and(Path::is_dir) {
                let temporary = beside(&file);
                let tried = OpenOptions::new().write(true).create_new(true).open(&temporary);
                let tried = tried.and_then(|_| fs::remove_file(&temporary));
                tried.map_err(|e| {
                    unwritable(&file, e)
                        .hint("give it write permission, or write the bundle to a file alone: --bundle FILE --no-upload")
                })?;
            }
        }
        Ok(())
    }

    fn attach_now(&self, subject: &Descriptor, attachment: &Attachment) -> Result<Descriptor> {
        let manifest = referrer_manifest(
            subject,
            &attachment.artifact_type,
            &attachment.content,
            &attachment.annotations,
        );
        let body = serde_json::to_vec(&manifest).map_err(|e| {
            Error::new(Code::Internal, "the referrer's manifest could not be written").caused_by(e)
        })?;
        self.write_blob(EMPTY_CONFIG)?;
        self.write_blob(&attachment.content)?;
        let digest = self.write_blob(&body)?;
        let listed = Manifest::Image(manifest).referrer_descriptor(digest, body.len());
        debug_assert_eq!(listed.media_type, OCI_MANIFEST);

        let _writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = LockFile::take(&self.reference.directory().join(LOCK))?;
        let (mut document, entries) = self.index()?;
        if entries.iter().any(|entry| entry.digest == listed.digest) {
            return Ok(listed);
        }
        let entry = serde_json::to_value(&listed)
            .map_err(|e| Error::new(Code::Internal, "a descriptor could not be written").caused_by(e))?;
        match document.get_mut("manifests") {
            Some(Value::Array(manifests)) => manifests.push(entry),
            Some(manifests) => *manifests = Value::Array(vec![entry]),
            None => return Err(Error::new(Code::ManifestInvalid, "the layout's index lists nothing")),
        }
        let bytes = serde_json::to_vec(&document).map_err(|e| {
            Error::new(Code::Internal, "the layout's index could not be written").caused_by(e)
        })?;
        if bytes.len() > MAX_MANIFEST {
            return Err(too_many_referrers());
        }
        write_atomically(&self.reference.directory().join(INDEX), &bytes)?;
        Ok(listed)
    }
}

#[async_trait]
impl Store for Layout {
    fn name(&self) -> String {
        format!("oci-layout:{}", self.reference.directory().display())
    }

    async fn resolve(&self) -> Result<Descriptor> {
        let entry = self.find(self.index()?.1)?;
        let bytes = self.manifest(&entry.digest).await?;
        let manifest = Manifest::parse(Some(&entry.media_type), &bytes)?;
        Ok(Descriptor::named(manifest.media_type(), entry.digest, bytes.len()))
    }

    async fn manifest(&self, digest: &Digest) -> Result<Bytes> {
        self.read_manifest(digest)?.ok_or_else(|| {
            Error::new(Code::SubjectNotFound, "the manifest is not in the layout").found(digest)
        })
    }

    async fn blob(&self, descriptor: &Descriptor, limit: usize) -> Result<Bytes> {
        check_blob_size(descriptor, limit)?;
        let bytes =
            read_file(&self.blob_path(&descriptor.digest), most_bytes(descriptor))?.ok_or_else(|| {
                Error::new(Code::SubjectNotFound, "the blob is not in the layout").found(&descriptor.digest)
            })?;
        check_blob(descriptor, &bytes)?;
        Ok(bytes.into())
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.list_referrers(subject)
    }

    async fn legacy(&self, subject: &Digest, tag: LegacyTag) -> Result<Vec<FoundManifest>> {
        self.find_legacy(subject, tag)
    }

    async fn check_attachable(&self) -> Result<()> {
        self.try_writing()
    }

    async fn attach(&self, subject: &Descriptor, attachment: &Attachment) -> Result<Descriptor> {
        let (layout, subject, attachment) = (self.clone(), subject.clone(), attachment.clone());
        // Waiting for another writer must not hold up other tasks.
        tokio::task::spawn_blocking(move || layout.attach_now(&subject, &attachment))
            .await
            .map_err(|e| Error::new(Code::Internal, "writing to the layout was interrupted").caused_by(e))?
    }
}

/// What can be asked for by name in a layout.
fn held(entries: &[Descriptor]) -> String {
    let images = entries.iter().filter(|entry| !is_legacy(entry));
    let tags: BTreeSet<&String> = images.filter_map(|entry| entry.annotations.get(REF_NAME)).collect();
    if tags.is_empty() {
        return "no image with a tag".into();
    }
    format!("images with the tags: {}", a_few(tags.into_iter().cloned().collect()))
}

/// The first of a list that may be long.
fn a_few(mut texts: Vec<String>) -> String {
    let all = texts.len();
    texts.truncate(SHOWN);
    let more = if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() };
    format!("{}{more}", texts.join(", "))
}

/// The tag that an entry of the index has. Some tools write the whole reference.
fn tag_of(entry: &Descriptor) -> Option<&str> {
    let name = entry.annotations.get(REF_NAME)?;
    Some(name.rsplit_once(':').map_or(name.as_str(), |(_, tag)| tag))
}

fn mark_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(LEGACY_MARK).map(String::as_str)
}

/// Whether an entry holds signatures or attestations in cosign's older form.
fn is_legacy(entry: &Descriptor) -> bool {
    tag_of(entry).is_some_and(LegacyTag::is_one)
        || LegacyTag::ALL.iter().any(|tag| tag.mark().is_some() && tag.mark() == mark_of(entry))
}

/// A file that exists while somebody writes; removed on drop.
struct LockFile(PathBuf);

impl LockFile {
    fn take(path: &Path) -> Result<Self> {
        let start = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(_) => return Ok(Self(path.to_owned())),
                Err(e) if e.kind() == ErrorKind::AlreadyExists && start.elapsed() < LOCK_WAIT => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(e) => {
                    let error = Error::new(Code::AttachIncomplete, "the layout's index could not be locked")
                        .found(format!("{}: {e}", path.display()));
                    let held = e.kind() == ErrorKind::AlreadyExists;
                    let error = error.caused_by(e);
                    return Err(match held {
                        true => {
                            error.hint("remove the lock file if no other program is writing to the layout")
                        }
                        false => error,
                    });
                }
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // The next writer says so if it stays.
        let _ = fs::remove_file(&self.0);
    }
}

/// The content of a file of at most `limit` bytes; `None` if there is no such file.
fn read_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
    let failed = |e: std::io::Error| {
        Error::new(Code::FileUnreadable, format!("cannot read {}", path.display())).found(&e).caused_by(e)
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(Error::new(Code::LimitExceeded, "a file in the layout is too large")
            .expected(format!("at most {limit} bytes"))
            .found(path.display()));
    }
    Ok(Some(bytes))
}

/// Writes next to `path` and renames, so that a reader sees the old or the new content and never a part.
fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = beside(path);
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&temporary);
        unwritable(path, e)
    })
}

/// A name next to `path` that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

fn unwritable(path: &Path, e: std::io::Error) -> Error {
    Error::new(Code::FileUnreadable, format!("cannot write {}", path.display())).found(&e).caused_by(e)
}
