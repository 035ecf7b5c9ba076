//! `signer sandbox demo`: this very program as an image, signed, attested and verified.

use std::path::Path;
use std::time::{Duration, Instant};

use sign_core::{Code, Error, Result};
use sign_sandbox::image;

use super::documents::{cyclonedx_from_lockfile, slsa_provenance};
use super::{Running, start};
use crate::args::SandboxArgs;
use crate::context::Context;
use crate::files::write_private;
use crate::output::Item;

/// The lock file this program was built with: the truth about its dependencies.
const LOCK_FILE: &str = include_str!("../../../../Cargo.lock");
const IDENTITY: &str = "release@example.com";
/// Somebody who signed nothing.
const STRANGER: &str = "mallory@example.com";
/// The types of what is attested.
const CYCLONEDX_TYPE: &str = "https://cyclonedx.org/bom";
const PROVENANCE_TYPE: &str = "https://slsa.dev/provenance/v1";
const REPOSITORY: &str = "demo/signer";
const TAG: &str = "1";

/// The tour.
pub(super) async fn demo(context: &Context) -> Result<Vec<Item>> {
    let whole = Instant::now();
    let mut tour = Tour { context, steps: Vec::new() };

    let started = Instant::now();
    let running =
        start(context, SandboxArgs { identity: IDENTITY.into(), rekor: 2, ..SandboxArgs::default() }).await?;
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
    let size = std::fs::metadata(&program).map_err(unwritable)?.len();
    tour.say(&format!(
        "This program ({}.{} MB) is now the one layer of the image {reference}, {}.",
        size / 1_000_000,
        size / 100_000 % 10,
        built.digest
    ));
    tour.step("build and push the image", started.elapsed());

    let started = Instant::now();
    let now = jiff::Timestamp::now();
    let sbom = data.join("sbom.cdx.json");
    let failed =
        |e: Box<dyn std::error::Error + Send + Sync>| Error::new(Code::Internal, "no SBOM").caused_by(e);
    write_private(&sbom, &cyclonedx_from_lockfile(LOCK_FILE, "sign-cli", now).map_err(failed)?)?;
    let provenance = data.join("provenance.json");
    write_private(&provenance, &slsa_provenance(now))?;
    tour.say("Its CycloneDX SBOM, made from Cargo.lock, and a SLSA provenance statement are written.");
    tour.step("write SBOM and provenance", started.elapsed());

    let path = |path: &Path| path.display().to_string();
    let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", &urls.oidc];
    tour.run(&running, &program, "sign the image", 0, &["sign", &reference]).await?;
    let (sbom, provenance) = (path(&sbom), path(&provenance));
    tour.run(
        &running,
        &program,
        "attest SBOM and provenance",
        0,
        &["attest", &reference, "--predicate", &sbom, "--predicate", &provenance],
    )
    .await?;
    let verify = ["verify", &reference];
    tour.run(&running, &program, "verify the signature", 0, &[&verify[..], &who].concat()).await?;
    let types = ["--type", CYCLONEDX_TYPE, "--type", PROVENANCE_TYPE];
    let attestations = [&verify[..], &types, &who].concat();
    tour.run(&running, &program, "verify SBOM and provenance", 0, &attestations).await?;
    tour.run(&running, &program, "list what is attached", 0, &["tree", &reference]).await?;
    tour.say("");
    tour.say("And somebody else's identity is not accepted (exit status 1):");
    let mallory = ["--certificate-identity", STRANGER, "--certificate-oidc-issuer", &urls.oidc];
    tour.run(&running, &program, "refuse somebody else", 1, &[&verify[..], &mallory].concat()).await?;

    let issuer = urls.oidc.clone();
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
    let item = item
        .field("image", reference)
        .field("digest", digest)
        .field("identity", IDENTITY)
        .field("issuer", issuer)
        .field("predicateTypes", serde_json::json!([CYCLONEDX_TYPE, PROVENANCE_TYPE]))
        .field("refused", STRANGER);
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
        step: &str,
        expected: i32,
        arguments: &[&str],
    ) -> Result<()> {
        self.say("");
        self.say(&format!("$ signer {}", arguments.join(" ")));
        let started = Instant::now();
        let output = running
            .command(program)
            .args(arguments)
            .env("SIGNER_OUTPUT", "human")
            .env_remove("SIGNER_VERBOSE")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
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
        self.step(step, took);
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
