//! The folder with what is kept: one file a repository, replaced whole, under a lock.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::TufRepository;
use super::state::State;
use crate::error::{Code, Error, Result};

/// Largest file that is read or written; real ones have under 100 KiB.
const MAX_FILE: u64 = 32 * 1024 * 1024;
/// How long to wait for another process that updates; then this one goes on without the cache.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How often to ask for the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Where verified trust material is kept between runs. What is read from it is verified again, so that
/// whoever can write there can take freshness away, and nothing else.
#[derive(Debug, Clone)]
pub struct TrustCache {
    folder: PathBuf,
}

/// Held while one process updates; the others wait, and find what it brought.
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file unlocks it")] File);

impl TrustCache {
    /// A cache in `folder`, which is made when there is something to keep.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder of one repository.
    #[must_use]
    pub fn folder(&self, repository: &TufRepository) -> PathBuf {
        self.folder.join(repository.name())
    }

    fn file(&self, repository: &TufRepository) -> PathBuf {
        self.folder(repository).join("metadata.json")
    }

    /// What is kept, if anything is and can be read.
    pub(super) fn read(&self, repository: &TufRepository) -> Result<Option<State>> {
        let path = self.file(repository);
        match std::fs::metadata(&path) {
            // Opening a pipe would wait for somebody to write.
            Ok(found) if !found.is_file() => return Err(unusable(&path, io::Error::other("not a file"))),
            Ok(_) => (),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unusable(&path, e)),
        }
        let file = File::open(&path).map_err(|e| unusable(&path, e))?;
        let mut json = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut json).map_err(|e| unusable(&path, e))?;
        if json.len() as u64 > MAX_FILE {
            return Err(unusable(&path, io::ErrorKind::FileTooLarge.into()));
        }
        State::from_json(&json).map(Some)
    }

    /// Waits for the lock, a while.
    pub(super) async fn lock(&self, repository: &TufRepository) -> Result<Lock> {
        let folder = self.folder(repository);
        make(&folder).map_err(|e| unusable(&folder, e))?;
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| unusable(&path, e))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(unusable(&path, io::Error::other("another process holds it")));
                }
                Err(TryLockError::Error(e)) => return Err(unusable(&path, e)),
            }
        }
    }

    /// Replaces what is kept: whoever reads meanwhile, or after a crash, finds the old or the new.
    pub(super) fn write(&self, repository: &TufRepository, state: &State, _lock: &Lock) -> Result<()> {
        let (folder, path) = (self.folder(repository), self.file(repository));
        let json = state.to_json()?;
        if json.len() as u64 > MAX_FILE {
            return Err(unusable(&path, io::ErrorKind::FileTooLarge.into()));
        }
        let written = tempfile::NamedTempFile::new_in(&folder).and_then(|mut temporary| {
            temporary.write_all(&json)?;
            temporary.as_file().sync_all()?;
            temporary.persist(&path).map_err(|e| e.error)
        });
        written.map(drop).map_err(|e| unusable(&path, e))
    }
}

/// Makes `folder`, for its owner alone.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn unusable(path: &Path, error: io::Error) -> Error {
    Error::new(Code::FileUnreadable, format!("the cache at {} cannot be used", path.display()))
        .found(error.to_string())
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Instance;

    #[tokio::test]
    async fn cache_crash_a_folder_that_vanishes_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let repository = TufRepository::of(Instance::Public).unwrap();
        let cache = TrustCache::new(folder.path().join("deep/er"));
        assert!(cache.read(&repository).unwrap().is_none());
        let lock = cache.lock(&repository).await.unwrap();
        cache.write(&repository, &State::default(), &lock).unwrap();
        assert_eq!(cache.read(&repository).unwrap(), Some(State::default()));
        std::fs::remove_dir_all(folder.path().join("deep")).unwrap();
        assert_eq!(
            cache.write(&repository, &State::default(), &lock).unwrap_err().code(),
            Code::FileUnreadable
        );
        assert!(cache.read(&repository).unwrap().is_none());
    }

    #[tokio::test]
    async fn one_holds_the_lock_and_the_next_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let repository = TufRepository::of(Instance::Public).unwrap();
        let cache = TrustCache::new(folder.path());
        let lock = cache.lock(&repository).await.unwrap();
        let patience = Duration::from_millis(100);
        assert!(tokio::time::timeout(patience, cache.lock(&repository)).await.is_err());
        drop(lock);
        tokio::time::timeout(LOCK_PATIENCE, cache.lock(&repository)).await.unwrap().unwrap();
    }

    #[test]
    fn what_is_too_large_or_no_state_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let repository = TufRepository::of(Instance::Public).unwrap();
        let cache = TrustCache::new(folder.path());
        make(&cache.folder(&repository)).unwrap();
        let mut json = State::default().to_json().unwrap();
        for (size, readable) in [(MAX_FILE, true), (MAX_FILE + 1, false)] {
            json.resize(usize::try_from(size).unwrap(), b' ');
            std::fs::write(cache.file(&repository), &json).unwrap();
            assert_eq!(cache.read(&repository).is_ok(), readable, "{size}");
        }
        for text in ["", "{}", "[]", r#"{"format":2,"confirmed":null,"roots":{},"files":{},"seen":null}"#] {
            std::fs::write(cache.file(&repository), text).unwrap();
            cache.read(&repository).unwrap_err();
        }
    }
}
