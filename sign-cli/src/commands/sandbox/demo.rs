//! `signer sandbox demo`: this very program as an image, signed, attested and verified.

use std::path::Path;
use std::time::{Duration, Instant};

use sign_core::{Code, Error, Result};
use sign_sandbox::image;

use super::documents::{cyclonedx_from_lockfile, slsa_provenance};
use super::{Running, start};
use crate::args::SandboxArgs;
use crate::context::{Context, write_file};
use crate::output::Item;

/// The lock file this program was built with: the truth about its dependencies.
const LOCK_FILE: &str = include_str!("../../../../Cargo.lock");
const IDENTITY: &str = "release@example.com";
const REPOSITORY: &str = "demo/signer";
const TAG: &str = "1";

/// The tour.
pub(crate) async fn demo(context: &Context) -> Result<Vec<Item>> {
    let whole = Instant::now();
    let mut tour = Tour { context, steps: Vec::new() };

    let started = Instant::now();
    let running =
        start(SandboxArgs { identity: IDENTITY.into(), rekor: 2, ..SandboxArgs::default() }).await?;
    let urls = running.sandbox.urls();
    tour.say(&format!(
        "A whole Sigstore and a registry are up on 127.0.0.1; the registry is {}.",
        urls.registry
    ));
    tour.step("start the sandbox", started.elapsed());

    let started = Instant::now();
    let program = std::env::current_exe()
        .map_err(|e| Error::new(Code::Internal, "this program cannot find itself").caused_by(e))?;
    let data = running.sandbox.data().to_owned();
    let layout = data.join("image");
    let built = image::write_layout(&layout, &program, TAG).map_err(unwritable)?;
    let digest = running.sandbox.load_image(&layout, TAG, REPOSITORY, TAG).map_err(unwritable)?;
    if digest != built.digest {
        return Err(Error::new(Code::ContentMismatch, "the registry stored another image")
            .expected(&built.digest)
            .found(digest));
    }
    let reference = format!("{}/{REPOSITORY}:{TAG}", urls.registry);
    tour.say(&format!("This program is now the image {reference} ({} bytes, {}).", built.size, built.digest));
    tour.step("build and push the image", started.elapsed());

    let started = Instant::now();
    let now = jiff::Timestamp::now();
    let sbom = data.join("sbom.cdx.json");
    let failed =
        |e: Box<dyn std::error::Error + Send + Sync>| Error::new(Code::Internal, "no SBOM").caused_by(e);
    write_file(&sbom, &cyclonedx_from_lockfile(LOCK_FILE, "sign-cli", now).map_err(failed)?)?;
    let provenance = data.join("provenance.json");
    write_file(&provenance, &slsa_provenance(now))?;
    tour.say("Its CycloneDX SBOM, made from Cargo.lock, and a SLSA provenance statement are written.");
    tour.step("write SBOM and provenance", started.elapsed());

    let path = |path: &Path| path.display().to_string();
    let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", &urls.oidc];
    tour.run(&running, &program, 0, &["sign", &reference]).await?;
    let (sbom, provenance) = (path(&sbom), path(&provenance));
    tour.run(
        &running,
        &program,
        0,
        &["attest", &reference, "--predicate", &sbom, "--predicate", &provenance],
    )
    .await?;
    tour.run(&running, &program, 0, &[&["verify", &reference][..], &who].concat()).await?;
    let types = ["--type", "cyclonedx", "--type", "slsaprovenance1"];
    tour.run(&running, &program, 0, &[&["verify", &reference][..], &types, &who].concat()).await?;
    tour.run(&running, &program, 0, &["tree", &reference]).await?;
    tour.say("And somebody else's identity is not accepted (exit status 1):");
    let mallory = ["--certificate-identity", "mallory@example.com", "--certificate-oidc-issuer", &urls.oidc];
    tour.run(&running, &program, 1, &[&["verify", &reference][..], &mallory].concat()).await?;

    running.sandbox.stop().await;
    let mut item = Item::new("demo").line("").line("How long each step took:");
    for (name, took) in &tour.steps {
        item = item.line(format!("  {:>7} ms  {name}", took.as_millis()));
    }
    item = item.line(format!("  {:>7} ms  all of it", whole.elapsed().as_millis())).line("");
    item = item.line("Now by hand: `signer sandbox up` in one terminal, and the commands above in another.");
    let steps: serde_json::Value = tour
        .steps
        .iter()
        .map(|(name, took)| serde_json::json!({"step": name, "milliseconds": took.as_millis()}))
        .collect();
    Ok(vec![item.field("steps", steps)])
}

struct Tour<'a> {
    context: &'a Context,
    steps: Vec<(String, Duration)>,
}

impl Tour<'_> {
    /// Talks to the person at the terminal; with JSON output, stdout stays one document.
    fn say(&self, text: &str) {
        if self.context.output.is_json() {
            self.context.output.note(text)
        } else {
            self.context.output.now(text)
        }
    }

    fn step(&mut self, name: &str, took: Duration) {
        self.steps.push((name.to_owned(), took));
    }

    /// Runs this program as a person would, and insists on the exit status.
    async fn run(
        &mut self,
        running: &Running,
        program: &Path,
        expected: i32,
        arguments: &[&str],
    ) -> Result<()> {
        self.say(&format!("\n$ signer {}", arguments.join(" ")).replace('\n', ""));
        let started = Instant::now();
        let output = tokio::process::Command::new(program)
            .args(arguments)
            .envs(running.environment.iter().map(|(name, value)| (name, value)))
            .env("SIGNER_OUTPUT", "human")
            .env_remove("SIGNER_OFFLINE")
            .env_remove("SIGNER_TRUSTED_ROOT")
            .env_remove("SIGNER_SIGNING_CONFIG")
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .map_err(|e| Error::new(Code::Internal, "cannot run this program again").caused_by(e))?;
        let took = started.elapsed();
        for line in String::from_utf8_lossy(&output.stdout)
            .lines()
            .chain(String::from_utf8_lossy(&output.stderr).lines())
        {
            self.say(&format!("  {line}"));
        }
        let words: Vec<_> =
            arguments.iter().filter(|word| !word.contains('/') && !word.contains("@")).copied().collect();
        self.step(&words.join(" "), took);
        if output.status.code() == Some(expected) {
            return Ok(());
        }
        Err(Error::new(Code::Internal, format!("`signer {}` did not end as it should", arguments.join(" ")))
            .expected(format!("exit status {expected}"))
            .found(output.status.to_string()))
    }
}

fn unwritable(e: std::io::Error) -> Error {
    Error::new(Code::FileUnreadable, "the image could not be built").found(e.to_string()).caused_by(e)
}
