//! Makes `testdata/bundle/` anew: signs with a sandbox, and spoils the results one defect at a time.
//!
//! Run as `cargo run -p sign-core --example testdata`. Keys are new each time, so that every file
//! changes; `tests/it/testdata.rs` verifies all of it as of [`NOW`].

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use sign_core::{
    Bundle, Digest, FixedClock, HttpClient, HttpOptions, SigningContext, StatementBuilder, StaticToken,
    TrustConfig,
};
use sign_sandbox::{Clock, Identity, RekorVersion, Sandbox, SandboxOptions};

/// When everything is signed.
const NOW: &str = "2026-01-02T03:04:05Z";
const EMAIL: &str = "dev@example.com";
const ARTIFACT: &str = "What is signed.\n";
const OTHER: &str = "What is not signed.\n";

type Made<T> = Result<T, Box<dyn Error>>;

/// A bundle of each kind by one log.
struct Signed {
    message: Value,
    statement: Value,
    /// Another signature by the same identity, over the same file.
    again: Value,
}

#[tokio::main]
async fn main() -> Made<()> {
    let now: Timestamp = NOW.parse()?;
    let clock = Clock::new(move || now);
    let sandbox = Sandbox::start(SandboxOptions { clock: clock.clone(), ..Default::default() }).await?;
    let (v1, v2) =
        (sign(&sandbox, RekorVersion::V1, now).await?, sign(&sandbox, RekorVersion::V2, now).await?);
    let elsewhere = Sandbox::start(SandboxOptions { clock, ..Default::default() }).await?;
    let foreign = sign(&elsewhere, RekorVersion::V2, now).await?;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/bundle");
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("trusted_root.json"), sandbox.trusted_root())?;
    let expected = json!({"identity": EMAIL, "issuer": sandbox.urls().oidc, "time": NOW});
    fs::write(folder.join("expected.json"), format!("{expected:#}\n"))?;
    let cases = Cases { folder };

    cases.good("message-rekor-v1", "A signature over a file, logged in Rekor v1.", &v1.message)?;
    cases.good("message-rekor-v2", "A signature over a file, logged in Rekor v2.", &v2.message)?;
    cases.good("statement-rekor-v1", "A statement about a file, logged in Rekor v1.", &v1.statement)?;
    cases.good("statement-rekor-v2", "A statement about a file, logged in Rekor v2.", &v2.statement)?;

    for (log, signed) in [("v1", &v1), ("v2", &v2)] {
        let bad = |name: &str, why: &str, code: &str, bundle: &Value| {
            let name = format!("{name}-rekor-{log}");
            cases.bad(&name, &format!("{why} (Rekor {log})"), code, bundle, ARTIFACT)
        };
        let proof = "/verificationMaterial/tlogEntries/0/inclusionProof";
        bad(
            "inclusion-proof-wrong-hash",
            "A hash of the inclusion proof is another one",
            "inclusion-proof-invalid",
            &spoiled(&signed.message, &format!("{proof}/hashes/0"))?,
        )?;
        bad(
            "checkpoint-wrong-signature",
            "The checkpoint is signed by nobody",
            "checkpoint-invalid",
            &checkpoint_spoiled(&signed.message, &format!("{proof}/checkpoint/envelope"))?,
        )?;
        bad(
            "entry-of-another-signature",
            "The log entry is that of another signature over the same file",
            "log-entry-mismatch",
            &with(&signed.message, "/verificationMaterial/tlogEntries", &signed.again)?,
        )?;
        bad(
            "timestamp-of-another-signature",
            "The timestamp is that of another signature over the same file",
            "timestamp-invalid",
            &with(&signed.message, "/verificationMaterial/timestampVerificationData", &signed.again)?,
        )?;
        bad(
            "no-log-entry",
            "The log entry was left out",
            "log-entry-invalid",
            &set(&signed.message, "/verificationMaterial/tlogEntries", json!([]))?,
        )?;
        bad(
            "payload-changed",
            "The statement in the envelope is another one than was signed",
            "log-entry-mismatch",
            &payload_changed(&signed.statement)?,
        )?;
    }
    cases.bad(
        "set-wrong-signature",
        "The signed entry timestamp is not the log's",
        "set-invalid",
        &spoiled(&v1.message, "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp")?,
        ARTIFACT,
    )?;
    cases.bad(
        "no-timestamp",
        "An entry of Rekor v2 has no time, and the timestamp was left out",
        "timestamp-missing",
        &without(&v2.message, "/verificationMaterial", "timestampVerificationData")?,
        ARTIFACT,
    )?;
    cases.bad(
        "another-instance",
        "All of it was made by an instance that is not in the trusted root",
        "timestamp-invalid",
        &foreign.message,
        ARTIFACT,
    )?;
    cases.bad(
        "unknown-field",
        "A field that no version of the format knows stands beside the others",
        "bundle-malformed",
        &set(&v2.message, "/surplus", json!(true))?,
        ARTIFACT,
    )?;
    cases.bad(
        "message-of-another-file",
        "The file is not the one signed",
        "digest-mismatch",
        &v2.message,
        OTHER,
    )?;
    cases.bad(
        "statement-about-another-file",
        "The statement's subject is another file",
        "subject-mismatch",
        &v2.statement,
        OTHER,
    )?;
    Ok(())
}

async fn sign(sandbox: &Sandbox, version: RekorVersion, now: Timestamp) -> Made<Signed> {
    let trust = TrustConfig::from_json(sandbox.trust_config(version).as_bytes())?;
    let http = HttpClient::new(HttpOptions::default())?;
    let context =
        SigningContext::new(http, trust.trusted_root, trust.signing_config, Arc::new(FixedClock(now)))?;
    let token = StaticToken::new(sandbox.token(&Identity::email(EMAIL)));
    // A session of its own: the same key over the same file would be the same signature.
    let again = context.session(&token).await?;
    let session = context.session(&token).await?;
    let digest = Digest::sha256(ARTIFACT.as_bytes());
    let statement = StatementBuilder::new("https://example.com/predicate/v1")
        .subject(Some("artifact".into()), &digest, BTreeMap::new())
        .build(br#"{"checked": true, "by": 1.10}"#)?;
    // The first entry of a log has an empty inclusion proof; the later ones have hashes to spoil.
    let again = json(&again.sign_blob(&digest).await?.bundle)?;
    let statement = json(&session.sign_statement(statement).await?.bundle)?;
    let message = json(&session.sign_blob(&digest).await?.bundle)?;
    Ok(Signed { message, statement, again })
}

fn json(bundle: &Bundle) -> Made<Value> {
    Ok(serde_json::from_slice(&bundle.to_json())?)
}

struct Cases {
    folder: PathBuf,
}

impl Cases {
    fn good(&self, name: &str, shows: &str, bundle: &Value) -> Made<()> {
        self.write(name, shows, bundle, ARTIFACT)
    }

    /// `code` is what `signer` says; others refuse it in their own words.
    fn bad(&self, name: &str, shows: &str, code: &str, bundle: &Value, artifact: &str) -> Made<()> {
        self.write(&format!("{name}_fail"), &format!("{shows}: `{code}`."), bundle, artifact)
    }

    fn write(&self, name: &str, shows: &str, bundle: &Value, artifact: &str) -> Made<()> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        fs::write(folder.join("README.md"), format!("{shows}\n"))?;
        fs::write(folder.join("artifact"), artifact)?;
        fs::write(folder.join("bundle.sigstore.json"), format!("{bundle:#}\n"))?;
        Ok(())
    }
}

/// `bundle` with `value` at `pointer`, which may be new.
fn set(bundle: &Value, pointer: &str, value: Value) -> Made<Value> {
    let mut bundle = bundle.clone();
    let (parent, name) = pointer.rsplit_once('/').ok_or("not a pointer")?;
    let parent = bundle.pointer_mut(parent).ok_or_else(|| format!("no {parent}"))?;
    match parent {
        Value::Array(items) => *items.get_mut(name.parse::<usize>()?).ok_or("no such element")? = value,
        parent => parent[name] = value,
    }
    Ok(bundle)
}

/// `bundle` with what `other` has at `pointer`.
fn with(bundle: &Value, pointer: &str, other: &Value) -> Made<Value> {
    set(bundle, pointer, other.pointer(pointer).ok_or("nothing to take")?.clone())
}

fn without(bundle: &Value, parent: &str, name: &str) -> Made<Value> {
    let mut bundle = bundle.clone();
    let removed = bundle.pointer_mut(parent).and_then(Value::as_object_mut).and_then(|o| o.remove(name));
    removed.ok_or_else(|| format!("no {name}"))?;
    Ok(bundle)
}

fn text<'a>(bundle: &'a Value, pointer: &str) -> Made<&'a str> {
    Ok(bundle.pointer(pointer).and_then(Value::as_str).ok_or_else(|| format!("no text at {pointer}"))?)
}

/// The base64 at `pointer` with one letter in its middle changed; its length stays.
fn spoiled(bundle: &Value, pointer: &str) -> Made<Value> {
    set(bundle, pointer, json!(letter_changed(text(bundle, pointer)?)))
}

/// The checkpoint with a letter of its signature changed, beyond the key's hint.
fn checkpoint_spoiled(bundle: &Value, pointer: &str) -> Made<Value> {
    let note = text(bundle, pointer)?;
    let (head, signature) = note.trim_end().rsplit_once(' ').ok_or("no signature")?;
    set(bundle, pointer, json!(format!("{head} {}\n", letter_changed(signature))))
}

/// The statement with another predicate; its subject is the same.
fn payload_changed(bundle: &Value) -> Made<Value> {
    let pointer = "/dsseEnvelope/payload";
    let statement = String::from_utf8(STANDARD.decode(text(bundle, pointer)?)?)?;
    let changed = statement.replace("true", "false");
    if changed == statement {
        return Err("nothing to change".into());
    }
    set(bundle, pointer, json!(STANDARD.encode(changed)))
}

/// `text` with the letter in its middle replaced by another.
fn letter_changed(text: &str) -> String {
    let middle = text.len() / 2;
    text.char_indices()
        .map(|(index, c)| match (index == middle, c) {
            (true, 'A') => 'B',
            (true, _) => 'A',
            (false, c) => c,
        })
        .collect()
}
