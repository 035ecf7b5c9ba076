//! Files: read with a limit, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sign_core::{Code, Error, Result};
use tempfile::NamedTempFile;

/// Reads a file of bounded size.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let unreadable = |e: io::Error| unusable("read", path, e);
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(Code::FileUnreadable, format!("{} is too large", path.display()))
            .expected(format!("at most {limit} bytes")));
    }
    Ok(bytes)
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    replace(&tempfile::Builder::new(), path, content).map_err(|e| unusable("write", path, e))
}

/// Where a result will be written, found to be writable before anything becomes public in a log.
#[derive(Debug)]
pub(crate) struct Destination {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A regular file, there or to be made: replaced as a whole. The path of the file itself, so that a
    /// link to it stays a link.
    File(PathBuf),
    /// A pipe, a device or what is open already: replacing it would take it away from everybody else.
    Stream,
}

impl Destination {
    /// Checks that `size` bytes can be written to `path`, which is none of `inputs`.
    ///
    /// # Errors
    /// `file-unreadable` when they cannot, `invalid-argument` when an input would be lost.
    pub(crate) fn check(path: &Path, size: u64, inputs: &[&Path]) -> Result<Self> {
        let unwritable = |e: io::Error| unusable("write", path, e);
        // Elsewhere this means standard output; here it would be a file that is awkward to remove.
        if path == Path::new("-") {
            return Err(Error::new(Code::InvalidArgument, "`-` is no file to write to")
                .hint("/dev/stdout is standard output, and ./- a file of that name"));
        }
        let kind = match fs::metadata(path) {
            Ok(metadata) if names_an_open_file(path) && !metadata.is_dir() => Kind::Stream,
            Ok(metadata) if metadata.is_dir() => {
                return Err(unwritable(io::ErrorKind::IsADirectory.into()));
            }
            Ok(metadata) if metadata.is_file() => {
                if metadata.permissions().readonly() {
                    return Err(unwritable(io::ErrorKind::PermissionDenied.into()));
                }
                Kind::File(path.canonicalize().map_err(unwritable)?)
            }
            Ok(_) => Kind::Stream,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Kind::File(path.to_owned()),
            Err(e) => return Err(unwritable(e)),
        };
        if let Kind::File(file) = &kind {
            if let Some(input) = inputs.iter().find(|input| input.canonicalize().is_ok_and(|i| i == *file)) {
                return Err(Error::new(Code::InvalidArgument, "the result would replace what it is about")
                    .found(format!("{} and {}", path.display(), input.display()))
                    .hint("give the result a name of its own, such as NAME.sigstore.json for a bundle"));
            }
            // A folder that cannot be written and a disk that is full are found out by writing. Nothing
            // stays, so that an interrupted run leaves nothing behind.
            let mut trial = public().tempfile_in(folder(file)).map_err(unwritable)?;
            io::copy(&mut io::repeat(0).take(size), &mut trial).map_err(unwritable)?;
        }
        Ok(Self { path: path.to_owned(), kind })
    }

    /// The path as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, content: &[u8]) -> Result<()> {
        match &self.kind {
            Kind::File(file) => replace(&public(), file, content),
            Kind::Stream => File::options().append(true).open(&self.path).and_then(|mut stream| {
                stream.write_all(content)?;
                stream.flush()
            }),
        }
        .map_err(|e| unusable("write", &self.path, e))
    }
}

/// Whether `path` is a name for what this process was started with. It may lead to a file that somebody else
/// has open; any other file is replaced, wherever it is, as an old result before a new one is no result.
fn names_an_open_file(path: &Path) -> bool {
    let streams = [Path::new("/dev/stdout"), Path::new("/dev/stderr")];
    streams.contains(&path) || path.parent() == Some(Path::new("/dev/fd"))
}

fn replace(temporary: &tempfile::Builder<'_, '_>, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file: NamedTempFile = temporary.tempfile_in(folder(path))?;
    file.write_all(content)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// A bundle is no secret: who may read it is left to the umask.
fn public<'a, 'b>() -> tempfile::Builder<'a, 'b> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "permissions are a matter of Unix"))]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of the `index`th of `count` files: the number stands before what tells the kind of file.
pub(crate) fn numbered(path: &Path, index: usize, count: usize) -> PathBuf {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()).filter(|_| count > 1) else {
        return path.to_owned();
    };
    let kinds = [".sigstore.json", ".bundle.json", ".json", ".sigstore", ".bundle"];
    let kind = kinds.into_iter().find(|kind| name.ends_with(kind)).unwrap_or_default();
    let stem = name.strip_suffix(kind).unwrap_or(&name);
    path.with_file_name(format!("{stem}.{}{kind}", index + 1))
}

/// The error for a file, without the names of temporary files that nobody asked for.
pub(crate) fn unusable(doing: &str, path: &Path, error: io::Error) -> Error {
    let found = error.to_string();
    let found = found.split_once(" at path \"").map_or(found.as_str(), |(reason, _)| reason);
    Error::new(Code::FileUnreadable, format!("cannot {doing} {}", path.display()))
        .found(found)
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_cannot_be_written_is_known_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input");
        fs::write(&input, "precious").unwrap();
        let code = |path: &Path| Destination::check(path, 10, &[&input]).unwrap_err().code();
        assert_eq!(code(Path::new("-")), Code::InvalidArgument);
        assert_eq!(code(&folder.path().join("none/bundle")), Code::FileUnreadable);
        assert_eq!(code(folder.path()), Code::FileUnreadable);
        assert_eq!(code(&folder.path().join("../").join(folder.path()).join("input")), Code::InvalidArgument);
        let error = Destination::check(&folder.path().join("none/bundle"), 10, &[]).unwrap_err();
        assert!(!error.found_value().unwrap().contains(".tmp"), "{error}");
        assert_eq!(fs::read_to_string(&input).unwrap(), "precious");
        Destination::check(&folder.path().join("bundle"), 10, &[&input]).unwrap();
        assert_eq!(entries(folder.path()), 1, "the check left something behind");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_read_only_files_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Destination::check(&link, 3, &[]).unwrap().write(b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).unwrap();
        assert_eq!(Destination::check(&file, 3, &[]).unwrap_err().code(), Code::FileUnreadable);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt as _;
        let null = Path::new("/dev/null");
        Destination::check(null, 3, &[]).unwrap().write(b"new").unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_replaced_below_dev_too() {
        assert!(names_an_open_file(Path::new("/dev/stdout")) && names_an_open_file(Path::new("/dev/fd/3")));
        for other in ["/dev/shm/p.json", "/dev/stdout/p.json", "/dev/fd/x/p.json", "/dev/stdout.1", "stdout"]
        {
            assert!(!names_an_open_file(Path::new(other)), "{other}");
        }
        let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
            println!("skipped in part: no file can be made in /dev/shm");
            return;
        };
        let file = folder.path().join("p.json");
        fs::write(&file, "a longer old result").unwrap();
        Destination::check(&file, 3, &[]).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn numbers_stand_before_the_kind_of_file() {
        for (name, expected) in [
            ("out/app.sigstore.json", "out/app.2.sigstore.json"),
            ("app.json", "app.2.json"),
            ("app.v1.bundle", "app.v1.2.bundle"),
            ("app", "app.2"),
        ] {
            assert_eq!(numbered(Path::new(name), 1, 3), Path::new(expected));
            assert_eq!(numbered(Path::new(name), 0, 1), Path::new(name));
        }
    }
}
