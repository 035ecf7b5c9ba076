//! A sandbox, a folder, and the program with both.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sign_sandbox::{Identity, RegistryOptions, RekorVersion, Sandbox, SandboxOptions, TokenChanges, image};
use tempfile::TempDir;

pub const EMAIL: &str = "dev@example.com";
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_signer");
/// Long enough for a busy machine, short enough that a hang is a failure.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Fixture {
    pub sandbox: Sandbox,
    pub folder: TempDir,
    pub rekor: RekorVersion,
}

/// What a run of the program left behind.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Fixture {
    pub async fn start(rekor: RekorVersion) -> Arc<Self> {
        Self::with_registry(rekor, RegistryOptions::default()).await
    }

    pub async fn with_registry(rekor: RekorVersion, registry: RegistryOptions) -> Arc<Self> {
        let sandbox = Sandbox::start(SandboxOptions { registry, ..SandboxOptions::default() }).await.unwrap();
        let fixture = Self { sandbox, folder: TempDir::new().unwrap(), rekor };
        std::fs::write(fixture.path("token"), fixture.sandbox.token(&Identity::email(EMAIL))).unwrap();
        Arc::new(fixture)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path as text.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// A token with changes, in a file.
    pub fn token(&self, changes: TokenChanges) -> String {
        self.file("changed-token", self.sandbox.token_with(&Identity::email(EMAIL), &changes))
    }

    /// Puts a small image into the registry and returns its reference.
    pub fn image(&self, name: &str) -> String {
        let content = self.file("content", format!("content of {name}"));
        let layout = self.path(&format!("layout-{name}"));
        image::write_layout(&layout, Path::new(&content), "1").unwrap();
        self.sandbox.load_image(&layout, "1", name, "1").unwrap();
        format!("{}/{name}:1", self.sandbox.urls().registry)
    }

    pub fn issuer(&self) -> &str {
        &self.sandbox.urls().oidc
    }

    /// `arguments` with the identity that signs here.
    pub fn accepted<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let identity = ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", self.issuer()];
        arguments.iter().chain(&identity).copied().collect()
    }

    pub async fn signer(&self, arguments: &[&str]) -> Run {
        self.signer_with(arguments, &[]).await
    }

    /// Insists on exit status and code, in the JSON document as on stderr.
    pub async fn refuses(&self, arguments: &[&str], status: i32, code: &str) {
        let in_json = [arguments, &["-o", "json"]].concat();
        let (human, json) = tokio::join!(self.signer(arguments), self.signer(&in_json));
        human.fails(status, code);
        let document = json.expect(status).json();
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(document["error"]["code"], code, "{document}");
        assert_ne!(document["outcome"], "accepted", "{document}");
        assert_ne!(document["outcome"], "done", "{document}");
        assert_eq!(document["schemaVersion"], 1);
        assert!(document["results"].is_array(), "{document}");
        assert_eq!(document["command"], arguments[0]);
    }

    /// Insists that nothing is attached to `image`.
    pub async fn bare(&self, image: &str) {
        let tree = self.signer(&["tree", image, "-o", "json"]).await.expect(0).json();
        assert_eq!(tree["results"][0]["referrers"], Value::Array(Vec::new()), "something was attached");
    }

    /// The index that the next entry of the log gets, found out by making that entry.
    pub async fn next_log_index(&self) -> u64 {
        let (file, bundle) = (self.file("probe", "probe"), self.path("probe.json").display().to_string());
        let run = self.signer(&["sign-blob", &file, "--bundle", &bundle, "-o", "json"]).await.expect(0);
        run.json()["results"][0]["logIndex"].as_u64().unwrap()
    }

    /// A command with this sandbox's environment and nobody else's.
    pub fn command(&self) -> tokio::process::Command {
        let version = match self.rekor {
            RekorVersion::V1 => 1,
            RekorVersion::V2 => 2,
        };
        let mut command = tokio::process::Command::new(PROGRAM);
        command
            .env_clear()
            .env("SIGNER_TRUST_CONFIG", self.sandbox.data().join(format!("trust_config.rekor{version}.json")))
            .env("SIGNER_IDENTITY_TOKEN", self.path("token"))
            // No credentials of whoever runs the tests.
            .env("HOME", self.folder.path())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs the program with this sandbox's environment and `environment` on top.
    pub async fn signer_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = self.command();
        command.args(arguments).envs(environment.iter().copied());
        let output =
            tokio::time::timeout(PATIENCE, command.output()).await.expect("the program hung").unwrap();
        Run::of(output, arguments)
    }
}

impl Run {
    pub fn of(output: Output, arguments: &[&str]) -> Self {
        let status = output.status.code().unwrap_or_else(|| panic!("killed: {arguments:?}"));
        assert_ne!(status, 101, "panicked: {}", String::from_utf8_lossy(&output.stderr));
        Self {
            status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Exit status and code of a run with human output.
    #[track_caller]
    pub fn fails(self, status: i32, code: &str) -> Self {
        assert!(
            self.status == status && self.stderr.contains(&format!("[{code}]")),
            "expected {status} {code}, found {}\nstdout: {}\nstderr: {}",
            self.status,
            self.stdout,
            self.stderr
        );
        assert!(self.stdout.is_empty(), "a failure printed a result: {}", self.stdout);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }
}

/// A small CycloneDX document.
pub const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,
  "components":[{"type":"library","name":"left-pad","version":"1.3.0","purl":"pkg:npm/left-pad@1.3.0"}]}"#;

/// A small SLSA provenance predicate.
pub const PROVENANCE: &str = r#"{"buildDefinition":{"buildType":"https://example.com/build/v1","externalParameters":{"n":1.10}},
  "runDetails":{"builder":{"id":"https://example.com/builder"}}}"#;

/// An SPDX document of at least `bytes`.
pub fn spdx(bytes: usize) -> String {
    let mut packages = String::new();
    let mut index = 0;
    while packages.len() < bytes {
        if index > 0 {
            packages.push(',');
        }
        packages.push_str(&format!(
            r#"{{"SPDXID":"SPDXRef-Package-{index}","name":"package-{index}","versionInfo":"1.{index}","downloadLocation":"NOASSERTION","licenseConcluded":"Apache-2.0"}}"#
        ));
        index += 1;
    }
    format!(
        r#"{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"large","dataLicense":"CC0-1.0","documentNamespace":"https://example.com/spdx/large","creationInfo":{{"created":"2026-01-01T00:00:00Z","creators":["Tool: test"]}},"packages":[{packages}]}}"#
    )
}
