//! Small container images around one file, as OCI image layouts with digests that depend on the file alone.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::pki;

/// The annotation of a layout's index that holds the tag (image-spec, annotations.md).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Where the file lies in the image.
const DIRECTORIES: [&str; 2] = ["usr/", "usr/bin/"];
/// A fixed time, so that the digest does not depend on when the image was made.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// The platforms of a multi-platform image, with the variant that goes with them.
const PLATFORMS: [(&str, Option<&str>); 2] = [("amd64", None), ("arm64", Some("v8"))];

/// The manifest or index that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its digest, `sha256:<hex>`.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
}

/// Writes an image for linux/amd64 with `file` as `/usr/bin/<name>` to the layout at `dir`, under `tag`.
///
/// A layout that is there already keeps its other tags.
///
/// # Errors
///
/// If `file` cannot be read, `dir` not be written, or `file`'s name is not UTF-8.
pub fn write_layout(dir: &Path, file: &Path, tag: &str) -> io::Result<Built> {
    let layout = Layout::open(dir)?;
    let layer = layout.layer(file)?;
    let (architecture, variant) = PLATFORMS[0];
    let built = layout.image(&layer, architecture, variant)?;
    layout.tag(tag, MANIFEST, &built)?;
    Ok(built)
}

/// Writes an index of images for linux/amd64 and linux/arm64, otherwise as [`write_layout`].
///
/// # Errors
///
/// As [`write_layout`].
pub fn write_multi_platform_layout(dir: &Path, file: &Path, tag: &str) -> io::Result<Built> {
    let layout = Layout::open(dir)?;
    let layer = layout.layer(file)?;
    let mut manifests = Vec::new();
    for (architecture, variant) in PLATFORMS {
        let image = layout.image(&layer, architecture, variant)?;
        let mut entry = descriptor(MANIFEST, &image);
        entry["platform"] = platform(architecture, variant);
        manifests.push(entry);
    }
    let built = layout.json(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))?;
    layout.tag(tag, INDEX, &built)?;
    Ok(built)
}

struct Layout<'a> {
    dir: &'a Path,
}

/// A layer and the name of the file in it.
struct Layer {
    blob: Built,
    name: String,
}

impl<'a> Layout<'a> {
    /// image-spec, image-layout.md.
    fn open(dir: &'a Path) -> io::Result<Self> {
        fs::create_dir_all(dir.join("blobs").join("sha256"))?;
        fs::write(dir.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
        Ok(Self { dir })
    }

    /// Streams `file` into a tar: nothing of it stays in memory.
    fn layer(&self, file: &Path) -> io::Result<Layer> {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidInput, format!("{} has no UTF-8 name", file.display()))
        })?;
        let source = File::open(file)?;
        let metadata = source.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, format!("{} is no file", file.display())));
        }
        let blobs = self.dir.join("blobs").join("sha256");
        // No digest, so no reader takes it for a blob; in the same directory, so that rename works.
        let unfinished = blobs.join(format!(".layer-{}", hex::encode(pki::random::<8>())));
        let written = archive(name, source, metadata.len(), &unfinished).and_then(|blob| {
            let encoded = blob.digest.trim_start_matches("sha256:");
            fs::rename(&unfinished, blobs.join(encoded))?;
            Ok(Layer { name: name.to_owned(), blob })
        });
        if written.is_err() {
            _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// The config and the manifest for one platform.
    fn image(&self, layer: &Layer, architecture: &str, variant: Option<&str>) -> io::Result<Built> {
        let entrypoint = format!("/usr/bin/{}", layer.name);
        let mut config = platform(architecture, variant);
        config["created"] = json!(CREATED);
        config["config"] = json!({"Entrypoint": [entrypoint]});
        // The layer is not compressed: its digest is the diff_id.
        config["rootfs"] = json!({"type": "layers", "diff_ids": [layer.blob.digest]});
        config["history"] =
            json!([{"created": CREATED, "created_by": format!("COPY {} /usr/bin/", layer.name)}]);
        let config = self.json(&config)?;
        self.json(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, &layer.blob)],
        }))
    }

    /// Writes a document as a blob.
    fn json(&self, document: &Value) -> io::Result<Built> {
        let text = document.to_string();
        let encoded = hex::encode(Sha256::digest(&text));
        fs::write(self.dir.join("blobs").join("sha256").join(&encoded), &text)?;
        Ok(Built { digest: format!("sha256:{encoded}"), size: text.len() as u64 })
    }

    /// Points `tag` at `built` and leaves the other tags alone.
    fn tag(&self, tag: &str, media_type: &str, built: &Built) -> io::Result<()> {
        let path = self.dir.join("index.json");
        let mut manifests = match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Value>(&bytes)?.get_mut("manifests").map(Value::take)
            {
                Some(Value::Array(manifests)) => manifests,
                _ => return Err(io::Error::new(ErrorKind::InvalidData, "index.json has no manifests")),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        manifests.retain(|entry| {
            entry.pointer("/annotations").and_then(|all| all.get(REF_NAME)) != Some(&json!(tag))
        });
        let mut entry = descriptor(media_type, built);
        entry["annotations"] = json!({REF_NAME: tag});
        manifests.push(entry);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        fs::write(path, index.to_string())
    }
}

/// Writes the tar with `size` bytes of `source` as `/usr/bin/<name>` to `path`.
fn archive(name: &str, source: File, size: u64, path: &Path) -> io::Result<Built> {
    let mut archive = tar::Builder::new(Hashed::new(io::BufWriter::new(File::create(path)?)));
    for directory in DIRECTORIES {
        archive.append_data(&mut entry(tar::EntryType::Directory, 0), directory, io::empty())?;
    }
    let mut content = source.take(size);
    let mut header = entry(tar::EntryType::Regular, size);
    archive.append_data(&mut header, format!("usr/bin/{name}"), &mut content)?;
    // A file that shrank would leave a tar whose header lies about it.
    if content.limit() != 0 {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the file shrank while it was read"));
    }
    let mut hashed = archive.into_inner()?;
    hashed.flush()?;
    let digest = format!("sha256:{}", hex::encode(hashed.sha256.finalize()));
    Ok(Built { digest, size: hashed.length })
}

fn descriptor(media_type: &str, built: &Built) -> Value {
    json!({"mediaType": media_type, "digest": built.digest, "size": built.size})
}

fn platform(architecture: &str, variant: Option<&str>) -> Value {
    let mut platform = json!({"architecture": architecture, "os": "linux"});
    if let Some(variant) = variant {
        platform["variant"] = json!(variant);
    }
    platform
}

/// A header that says nothing about who made the image, or when.
fn entry(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o755);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Counts and hashes what it writes.
struct Hashed<W> {
    inner: W,
    sha256: Sha256,
    length: u64,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Self {
        Self { inner, sha256: Sha256::new(), length: 0 }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sha256.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(dir: &Path) -> std::path::PathBuf {
        let file = dir.join("hello");
        fs::write(&file, b"#!/bin/sh\necho hello\n").unwrap();
        file
    }

    fn read(layout: &Path, digest: &str) -> Vec<u8> {
        let bytes = fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
        assert_eq!(format!("sha256:{}", hex::encode(Sha256::digest(&bytes))), digest);
        bytes
    }

    fn document(layout: &Path, digest: &str) -> Value {
        serde_json::from_slice(&read(layout, digest)).unwrap()
    }

    #[test]
    fn the_layer_holds_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, file) = (dir.path().join("layout"), sample(dir.path()));
        let built = write_layout(&layout, &file, "1").unwrap();
        assert_eq!(built.size, read(&layout, &built.digest).len() as u64);
        let manifest = document(&layout, &built.digest);
        let config = document(&layout, manifest["config"]["digest"].as_str().unwrap());
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!([layer]));
        assert_eq!(config["config"]["Entrypoint"], json!(["/usr/bin/hello"]));

        let bytes = read(&layout, layer);
        assert_eq!(manifest["layers"][0]["size"], json!(bytes.len()));
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            assert_eq!((entry.header().mode().unwrap(), entry.header().mtime().unwrap()), (0o755, 0));
            found.push((entry.path().unwrap().display().to_string(), content));
        }
        assert_eq!(found[2], ("usr/bin/hello".to_owned(), "#!/bin/sh\necho hello\n".to_owned()));
        assert_eq!((found.len(), found[1].0.as_str()), (3, "usr/bin/"));
        // Nothing unfinished is left behind: layer, config, manifest.
        assert_eq!(fs::read_dir(layout.join("blobs/sha256")).unwrap().count(), 3);
    }

    #[test]
    fn digests_are_reproducible() {
        let dir = tempfile::tempdir().unwrap();
        let file = sample(dir.path());
        let one = write_layout(&dir.path().join("one"), &file, "1").unwrap();
        assert_eq!(write_layout(&dir.path().join("two"), &file, "2").unwrap(), one);
        fs::write(&file, b"another").unwrap();
        assert_ne!(write_layout(&dir.path().join("two"), &file, "2").unwrap(), one);
    }

    #[test]
    fn tags_live_side_by_side() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, file) = (dir.path().join("layout"), sample(dir.path()));
        write_layout(&layout, &file, "1").unwrap();
        let multi = write_multi_platform_layout(&layout, &file, "2").unwrap();
        fs::write(&file, b"another").unwrap();
        let second = write_layout(&layout, &file, "1").unwrap();
        let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        let digests: Vec<_> =
            index["manifests"].as_array().unwrap().iter().map(|one| &one["digest"]).collect();
        assert_eq!(digests, [&multi.digest, &second.digest]);

        let multi = document(&layout, &multi.digest);
        let architectures: Vec<_> = multi["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["platform"]["architecture"])
            .collect();
        assert_eq!(architectures, ["amd64", "arm64"]);
        assert_ne!(multi["manifests"][0]["digest"], multi["manifests"][1]["digest"]);
    }

    #[test]
    fn a_directory_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write_layout(&dir.path().join("layout"), dir.path(), "1").is_err());
    }
}
