//! The sandbox's directory and the files in it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::sandbox::SandboxError;

/// Held while a sandbox uses a directory, and the mark of a directory that is a sandbox's. It stays: a lock
/// file that is deleted could be held by two.
const LOCK: &str = "sandbox.lock";

/// The directory: the caller's, or one that goes with the sandbox.
#[derive(Debug)]
pub(crate) enum Data {
    Kept { path: PathBuf, _lock: File },
    Temporary(TempDir),
}

impl Data {
    /// `path`, made if it is missing, or a new directory. What is made here is for its owner only: tokens
    /// will be in it. Files of anybody else, and those of a sandbox that is up, would be replaced: then it
    /// does not start.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, SandboxError> {
        let Some(path) = path else {
            let mut builder = tempfile::Builder::new();
            builder.prefix("sign-sandbox-");
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
            return Ok(Self::Temporary(builder.tempdir()?));
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        let lock = path.join(LOCK);
        if !lock.exists() && fs::read_dir(&path)?.next().is_some() {
            return Err(SandboxError::ForeignDirectory { path });
        }
        let lock = File::options().create(true).append(true).open(lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SandboxError::DirectoryInUse { path }),
            Err(TryLockError::Error(e)) => return Err(e.into()),
        }
        // Clients are told absolute paths: they need not run where the sandbox does.
        Ok(Self::Kept { path: path.canonicalize()?, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept { path, .. } => path,
            Self::Temporary(directory) => directory.path(),
        }
    }

    /// Writes a file that is there whole or not at all; its owner alone can read it.
    pub(crate) fn write(&self, name: &str, content: &str) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(self.path())?;
        file.write_all(content.as_bytes())?;
        file.persist(self.path().join(name))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    #[cfg(unix)]
    fn is_for_its_owner_only() {
        let temporary = Data::open(None).unwrap();
        assert_eq!(mode(temporary.path()), 0o700);
        let kept = Data::open(Some(temporary.path().join("a/b"))).unwrap();
        assert_eq!(mode(kept.path()), 0o700);
        kept.write("file", "content").unwrap();
        assert_eq!(mode(&kept.path().join("file")), 0o600);
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_left() {
        let data = Data::open(None).unwrap();
        data.write("file", "old content").unwrap();
        data.write("file", "new").unwrap();
        assert_eq!(std::fs::read_to_string(data.path().join("file")).unwrap(), "new");
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_in_use_or_of_somebody_else_is_left_alone() {
        let outer = TempDir::new().unwrap();
        let open = |name: &str| Data::open(Some(outer.path().join(name)));
        let first = open("kept").unwrap();
        assert!(matches!(open("kept"), Err(SandboxError::DirectoryInUse { .. })));
        drop(first);
        open("kept").unwrap();
        fs::create_dir(outer.path().join("foreign")).unwrap();
        open("foreign").unwrap();
        fs::remove_file(outer.path().join("foreign").join(LOCK)).unwrap();
        fs::write(outer.path().join("foreign/trusted_root.json"), "precious").unwrap();
        assert!(matches!(open("foreign"), Err(SandboxError::ForeignDirectory { .. })));
        assert_eq!(fs::read_dir(outer.path().join("foreign")).unwrap().count(), 1);
    }

    #[test]
    fn only_a_temporary_directory_goes() {
        let temporary = Data::open(None).unwrap();
        let path = temporary.path().to_owned();
        drop(temporary);
        assert!(!path.exists());
        let outer = TempDir::new().unwrap();
        drop(Data::open(Some(outer.path().join("kept"))).unwrap());
        assert!(outer.path().join("kept").is_dir());
    }
}
