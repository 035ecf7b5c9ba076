//! Who we are to a registry: what the caller gave, or what docker and podman have stored.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use zeroize::{Zeroize as _, Zeroizing};

use super::reference::Reference;

/// Largest credential file that is read; real ones have a few entries.
const MAX_FILE: u64 = 1024 * 1024;
/// Longest wait for a credential helper, which may be a hung keyring prompt.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);
/// The key under which Docker Hub's credentials have always been stored.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Where credentials for registries come from.
#[derive(Clone, Default)]
pub enum CredentialSource {
    /// A user and a password.
    Explicit {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// A bearer token, sent to the registry as it is.
    Token(String),
    /// The files and helpers that docker and podman log in to.
    #[default]
    Default,
    /// None at all.
    Anonymous,
}

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Explicit { .. } => "Explicit(redacted)",
            Self::Token(_) => "Token(redacted)",
            Self::Default => "Default",
            Self::Anonymous => "Anonymous",
        })
    }
}

impl Drop for CredentialSource {
    fn drop(&mut self) {
        match self {
            Self::Explicit { password, .. } => password.zeroize(),
            Self::Token(token) => token.zeroize(),
            Self::Default | Self::Anonymous => {}
        }
    }
}

/// What is presented to a registry or its token service. No `Debug`: it would show secrets.
pub(super) enum Credential {
    Anonymous,
    Basic { username: String, password: Zeroizing<String> },
    IdentityToken(Zeroizing<String>),
    Bearer(Zeroizing<String>),
}

/// A credential, and in words where it was looked for.
pub(super) struct Found {
    pub(super) credential: Credential,
    pub(super) tried: Vec<String>,
}

/// Looks up the credential for `reference`. Never fails: what went wrong is in `tried`, and matters only if
/// the registry then wants to know who we are.
pub(super) async fn look_up(source: &CredentialSource, reference: &Reference) -> Found {
    let found = |credential, tried: &str| Found { credential, tried: vec![tried.to_owned()] };
    match source {
        CredentialSource::Explicit { username, password } => found(
            Credential::Basic { username: username.clone(), password: Zeroizing::new(password.clone()) },
            "the user and password given",
        ),
        CredentialSource::Token(token) => {
            found(Credential::Bearer(Zeroizing::new(token.clone())), "the registry token given")
        }
        CredentialSource::Anonymous => found(Credential::Anonymous, "no credentials, as asked"),
        CredentialSource::Default => {
            let reference = reference.clone();
            let files = files(|name| std::env::var_os(name));
            let search = tokio::task::spawn_blocking(move || search(&files, &reference));
            match tokio::time::timeout(HELPER_TIMEOUT, search).await {
                Ok(Ok(found)) => found,
                _ => found(Credential::Anonymous, "a credential helper, which did not answer"),
            }
        }
    }
}

/// The credential files, the first to have an entry wins. `REGISTRY_AUTH_FILE` stands alone, as for podman.
/// Unlike with cosign, a stale docker file does not hide a podman login.
fn files(var: impl Fn(&str) -> Option<std::ffi::OsString>) -> Vec<PathBuf> {
    let dir = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = dir("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = dir("HOME").or_else(|| dir("USERPROFILE"));
    let config = dir("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let docker = dir("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
    [
        dir("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        config.map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn search(files: &[PathBuf], reference: &Reference) -> Found {
    let mut tried = Vec::new();
    for file in files {
        match search_file(file, reference) {
            Ok(Some(credential)) => {
                tried.push(format!("{}: an entry", file.display()));
                return Found { credential, tried };
            }
            Ok(None) => tried.push(format!("{}: no entry", file.display())),
            Err(why) => tried.push(format!("{}: {why}", file.display())),
        }
    }
    Found { credential: Credential::Anonymous, tried }
}

fn search_file(path: &Path, reference: &Reference) -> Result<Option<Credential>, String> {
    let mut content = Zeroizing::new(Vec::new());
    match std::fs::File::open(path) {
        Ok(file) => file.take(MAX_FILE).read_to_end(&mut content).map_err(|e| e.to_string())?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err("does not exist".to_owned()),
        Err(e) => return Err(e.to_string()),
    };
    let config: serde_json::Value =
        serde_json::from_slice(&content).map_err(|_| "not a valid credential file".to_owned())?;
    for key in keys(reference, &config) {
        match docker_credential::get_credential_from_reader(content.as_slice(), &key) {
            Ok(DockerCredential::UsernamePassword(username, password)) if username.is_empty() => {
                drop(Zeroizing::new(password));
            }
            Ok(DockerCredential::UsernamePassword(username, password)) => {
                return Ok(Some(Credential::Basic { username, password: Zeroizing::new(password) }));
            }
            Ok(DockerCredential::IdentityToken(token)) => {
                return Ok(Some(Credential::IdentityToken(Zeroizing::new(token))));
            }
            Err(CredentialRetrievalError::NoCredentialConfigured) => {}
            Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
                if stdout.contains("credentials not found") || stderr.contains("credentials not found") => {}
            // What a helper printed stays out of the message: it could be a secret.
            Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
                return Err(format!("{helper} failed"));
            }
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(None)
}

/// What to look for, the most telling first: `host/a/b`, `host/a`, `host`. Namespaces are looked up in files
/// only; helpers know hosts.
fn keys(reference: &Reference, config: &serde_json::Value) -> Vec<String> {
    let full = reference.name();
    let namespaces = full.match_indices('/').map(|(at, _)| at).chain([full.len()]).skip(1);
    let mut keys: Vec<String> = namespaces
        .filter_map(|end| full.get(..end))
        .filter(|key| config.pointer("/auths").is_some_and(|auths| auths.get(key).is_some()))
        .map(str::to_owned)
        .collect();
    keys.reverse();
    if reference.registry() == "docker.io" {
        keys.extend([DOCKER_HUB_KEY, "docker.io", "index.docker.io"].map(str::to_owned));
    } else {
        keys.push(reference.registry().to_owned());
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::base64_encode;

    fn file(dir: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn user(found: &Found) -> Option<&str> {
        match &found.credential {
            Credential::Basic { username, .. } => Some(username),
            _ => None,
        }
    }

    fn auths(entries: &[(&str, &str)]) -> String {
        let auths: serde_json::Map<String, serde_json::Value> = entries
            .iter()
            .map(|(key, user)| {
                let auth = base64_encode(format!("{user}:secret").as_bytes());
                ((*key).to_owned(), serde_json::json!({ "auth": auth }))
            })
            .collect();
        serde_json::json!({ "auths": auths }).to_string()
    }

    #[test]
    fn the_longest_entry_wins_and_a_prefix_of_a_host_is_another_host() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(
            &dir,
            "config.json",
            &auths(&[
                ("ghcr.io", "host"),
                ("ghcr.io/a", "namespace"),
                ("https://index.docker.io/v1/", "hub"),
            ]),
        );
        for (reference, expected) in [
            ("ghcr.io/a/b", Some("namespace")),
            ("ghcr.io/ab/b", Some("host")),
            ("ghcr.io/c", Some("host")),
            ("alpine", Some("hub")),
            ("ghcr.io:443/a/b", None),
            ("ghcr.io.example.com/a", None),
            ("xghcr.io/a", None),
        ] {
            let found = search(std::slice::from_ref(&path), &reference.parse().unwrap());
            assert_eq!(user(&found), expected, "{reference}");
        }
    }

    #[test]
    fn a_file_without_an_entry_does_not_hide_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            dir.path().join("missing.json"),
            file(&dir, "broken.json", "{"),
            file(&dir, "other.json", &auths(&[("example.com", "x")])),
            file(&dir, "mine.json", &auths(&[("ghcr.io", "mine")])),
        ];
        let found = search(&files, &"ghcr.io/a".parse().unwrap());
        assert_eq!(user(&found), Some("mine"));
        assert_eq!(found.tried.len(), 4);
        assert!(found.tried.iter().all(|text| !text.contains("secret")), "{:?}", found.tried);
    }

    #[test]
    fn identity_tokens_and_missing_helpers() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(
            &dir,
            "config.json",
            r#"{"auths":{"ghcr.io":{"auth":"","identitytoken":"canary"}},"credHelpers":{"gcr.io":"no-such-helper"}}"#,
        );
        let found = search(std::slice::from_ref(&path), &"ghcr.io/a".parse().unwrap());
        assert!(matches!(&found.credential, Credential::IdentityToken(token) if token.as_str() == "canary"));
        let found = search(&[path], &"gcr.io/a".parse().unwrap());
        assert!(matches!(found.credential, Credential::Anonymous));
    }

    #[test]
    fn files_are_searched_in_podmans_order() {
        let vars = [("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r"), ("DOCKER_CONFIG", "/d")];
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).into());
        let expected = ["/r/containers/auth.json", "/h/.config/containers/auth.json", "/d/config.json"];
        assert_eq!(files(var), expected.map(PathBuf::from));
        let exclusive =
            |name: &str| if name == "REGISTRY_AUTH_FILE" { Some("/only".into()) } else { var(name) };
        assert_eq!(files(exclusive), [PathBuf::from("/only")]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let sources = [
            CredentialSource::Explicit { username: "u".into(), password: "canary".into() },
            CredentialSource::Token("canary".into()),
        ];
        assert!(!format!("{sources:?}").contains("canary"));
    }
}
