//! `signer inspect`: what a bundle says, and what of that is proven.

use serde_json::{Map, Value, json};
use sign_core::{Bundle, Certificate, Check, CheckOutcome, Content, KeyMaterial, Result, Statement};

use super::{Items, views};
use crate::args::Inspect;
use crate::context::Context;
use crate::files::read_file;
use crate::output::Item;

/// Largest bundle file that is read; what the parser accepts.
const MAX_BUNDLE_FILE: u64 = 128 * 1024 * 1024;

pub(crate) fn run(context: &Context, args: &Inspect) -> Items {
    let bundle = Bundle::parse_any(&read_file(&args.bundle, MAX_BUNDLE_FILE)?)
        .map_err(|e| e.context(args.bundle.display()))?;
    let checks = context.verifier()?.inspect(&bundle);
    let proven = Proven::of(&checks);
    let item = Item::new(args.bundle.display().to_string()).line("Claimed by the bundle:");
    let mut item = claimed(item, &bundle, &proven)?;
    match checks.iter().find(|check| check.outcome == CheckOutcome::Failed) {
        None => item = item.line("Proven against the trusted root:"),
        Some(failed) => {
            let code = failed.code.map(|code| code.as_str());
            item =
                item.line(format!("Not proven: {} [{}]", failed.evidence, code.unwrap_or_default())).field(
                    "whyNotProven",
                    json!({"check": failed.name, "code": code, "message": failed.evidence}),
                );
        }
    }
    item.lines.extend(views::check_lines(&checks));
    item = item
        .line("Not decided here: whether this signer is the right one, and whether the file or image at hand")
        .line("has this digest. `signer verify` and `signer verify-blob` decide that.")
        // As `tree` has it: neither signer nor artifact was asked for, so that exit status 0 is no verdict.
        .field("verified", false)
        .field("checks", views::checks(&checks));
    let marks = proven.json(&item.fields);
    item = item.field("proven", marks);
    Ok(vec![item])
}

/// The claims that stand or fall with the signature.
const SIGNED: [&str; 8] =
    ["identity", "issuer", "claims", "content", "messageDigest", "payloadType", "predicateType", "subjects"];

/// Which of a bundle's claims the checks bear out.
struct Proven {
    /// A trusted certificate or a logged key, and a signature by it.
    signature: bool,
    log_entries: Vec<bool>,
    timestamps: Vec<bool>,
    /// What each timestamp says.
    times: Vec<String>,
}

impl Proven {
    fn of(checks: &[Check]) -> Self {
        let under = |step: &str, name: &'static str| {
            let step = checks.iter().find(|check| check.name == step);
            step.map(|step| step.checks.as_slice())
                .unwrap_or_default()
                .iter()
                .filter(move |check| check.name == name)
        };
        let passed = |check: &Check| check.outcome == CheckOutcome::Passed;
        let times = under("trusted-time", "timestamp").filter(|check| passed(check));
        Self {
            signature: checks.iter().any(|check| check.name == "signature" && passed(check)),
            log_entries: under("transparency-log", "log-entry").map(passed).collect(),
            timestamps: under("trusted-time", "timestamp").map(passed).collect(),
            times: times.map(|check| check.evidence.clone()).collect(),
        }
    }

    /// Each of `claims` with whether it is proven, under the same names.
    fn json(&self, claims: &Map<String, Value>) -> Value {
        let mut marks = json!({"signature": self.signature, "logEntries": self.log_entries, "timestamps": self.timestamps});
        for name in SIGNED.into_iter().filter(|name| claims.contains_key(*name)) {
            marks[name] = self.signature.into();
        }
        if claims.contains_key("keyHint") {
            marks["keyHint"] = false.into();
        }
        marks
    }
}

/// What the bundle says of itself, each with whether it is proven.
fn claimed(mut item: Item, bundle: &Bundle, proven: &Proven) -> Result<Item> {
    let mark = |proven: bool| if proven { "  proven " } else { "  claim  " };
    let signed = mark(proven.signature);
    if let Some(der) = bundle.leaf_certificate() {
        match Certificate::parse(der) {
            Ok(certificate) => {
                item = item
                    .line(format!("{signed} signer     {}", certificate.san()))
                    .line(format!("{signed} issuer     {}", certificate.issuer().unwrap_or("none")))
                    .line(format!(
                        "{signed} valid      {} to {}",
                        certificate.not_before(),
                        certificate.not_after()
                    ))
                    .field("identity", certificate.san().to_string())
                    .field("issuer", certificate.issuer())
                    .field("claims", views::claims(&certificate));
                // The issuer has its line already; it is in the certificate twice, in two encodings.
                for (claim, value) in certificate.claims().filter(|(_, v)| Some(*v) != certificate.issuer()) {
                    item = item.line(format!("{signed} {:<10} {value}", claim.as_str()));
                }
            }
            Err(error) => item = item.line(format!("{signed} certificate that cannot be read: {error}")),
        }
    }
    if let KeyMaterial::PublicKey { hint } = &bundle.key_material {
        item = item.line(format!("{} key hint   {hint}", mark(false))).field("keyHint", hint.as_str());
    }
    match &bundle.content {
        Content::Message(message) => {
            let digest = message.digest.as_ref().map(|(name, bytes)| format!("{name} {}", views::hex(bytes)));
            item = item
                .line(format!(
                    "{signed} signature  of a message, digest {}",
                    digest.as_deref().unwrap_or("not said")
                ))
                .field("content", "message-signature")
                .field("messageDigest", digest);
        }
        Content::Dsse(envelope) => {
            item = item
                .line(format!(
                    "{signed} signature  of an envelope, {} bytes of {}",
                    envelope.payload.len(),
                    envelope.payload_type
                ))
                .field("content", "dsse-envelope")
                .field("payloadType", envelope.payload_type.as_str());
            if let Ok(statement) = Statement::parse(envelope.payload.clone()) {
                item = item
                    .line(format!("{signed} type       {}", statement.predicate_type()))
                    .field("predicateType", statement.predicate_type())
                    .field("subjects", views::subjects(&statement));
                for subject in statement.subjects() {
                    let digests: Vec<_> =
                        subject.digests.iter().map(|(name, hex)| format!("{name}:{hex}")).collect();
                    let name = subject.name.as_deref().unwrap_or("");
                    item = item.line(format!("{signed} subject    {name} {}", digests.join(" ")));
                }
            }
        }
    }
    let entries = bundle.log_entries.iter();
    let entries = entries.map(|e| json!({"kind": e.kind, "version": e.version, "logIndex": e.log_index}));
    item = item.field("logEntries", entries.collect::<Value>());
    for (index, entry) in bundle.log_entries.iter().enumerate() {
        let mark = mark(proven.log_entries.get(index).copied().unwrap_or(false));
        item = item
            .line(format!("{mark} log entry  {} {} at index {}", entry.kind, entry.version, entry.log_index));
    }
    for index in 0..bundle.timestamps.len() {
        let mark = mark(proven.timestamps.get(index).copied().unwrap_or(false));
        let time = proven.times.get(index).map_or("whose time is not known", String::as_str);
        item = item.line(format!("{mark} timestamp  {time}"));
    }
    Ok(item.field("timestamps", bundle.timestamps.len()))
}
