//! How a verified bundle is told, in words and in JSON.

use std::path::Path;

use serde_json::{Map, Value, json};
use sign_core::{Certificate, Check, CheckOutcome, TimeSource, VerifiedBundle, VerifiedSigner};

use crate::context::Context;
use crate::files::Destination;
use crate::output::Item;

/// Adds who signed, what, when and where it is logged.
pub(crate) fn tell_verified(mut item: Item, verified: &VerifiedBundle) -> Item {
    item.lines.extend(lines(verified));
    for (name, value) in fields(verified) {
        item.fields.insert(name, value);
    }
    item
}

/// Writes a predicate to a file, exactly as it was signed, and says where.
pub(crate) fn write_predicate(item: &mut Item, path: &Path, predicate: &[u8], inputs: &[&Path]) {
    let written =
        Destination::check(path, predicate.len() as u64, inputs).and_then(|file| file.write(predicate));
    if let Err(error) = written {
        // It was verified, and yet not done what was asked for: the error says what.
        item.lines.clear();
        item.error = Some(error);
        return;
    }
    let shown = path.display().to_string();
    item.lines.push(format!("  predicate  {shown}"));
    match item.fields.entry("predicateFiles").or_insert_with(|| json!([])) {
        Value::Array(files) => files.push(shown.into()),
        other => *other = json!([shown]),
    }
}

/// Each check with its evidence, for those who asked with `-v`.
pub(crate) fn explain(context: &Context, checks: &[Check]) {
    for line in check_lines(checks) {
        context.verbose(|| line);
    }
}

/// The lines under a verdict.
pub(crate) fn lines(verified: &VerifiedBundle) -> Vec<String> {
    let mut lines = Vec::new();
    match verified.signer() {
        VerifiedSigner::Certificate(certificate) => {
            lines.push(format!("  signer     {}", certificate.san()));
            lines.push(format!("  issuer     {}", certificate.issuer().unwrap_or("none")));
        }
        VerifiedSigner::Key => lines.push("  signer     the given key".into()),
    }
    if let Some(statement) = verified.statement() {
        lines.push(format!("  type       {}", statement.predicate_type()));
    }
    if let Some(payload) = verified.payload() {
        lines.push("  type       cosign container image signature".into());
        lines.push(format!("  signed as  {}", payload.docker_reference));
    }
    for time in verified.times() {
        lines.push(format!("  signed at  {} ({})", time.time, source(&time.source)));
    }
    for entry in verified.log_entries() {
        lines.push(format!("  logged     {} at index {}", entry.log, entry.log_index));
    }
    lines
}

/// The same for machines.
pub(crate) fn fields(verified: &VerifiedBundle) -> Map<String, Value> {
    let mut fields = Map::new();
    if let VerifiedSigner::Certificate(certificate) = verified.signer() {
        fields.insert("identity".into(), certificate.san().to_string().into());
        fields.insert("issuer".into(), certificate.issuer().into());
        fields.insert("claims".into(), claims(certificate));
    }
    if let Some(statement) = verified.statement() {
        fields.insert("predicateType".into(), statement.predicate_type().into());
        fields.insert("predicateSize".into(), statement.predicate().len().into());
        fields.insert("subjects".into(), subjects(statement));
    }
    if let Some(payload) = verified.payload() {
        fields.insert("dockerReference".into(), payload.docker_reference.clone().into());
        fields.insert("annotations".into(), json!(payload.annotations));
    }
    let times = verified.times().iter();
    fields.insert("times".into(), times.map(|t| time(&t.time.to_string(), &t.source)).collect());
    let entries = verified.log_entries().iter();
    fields.insert(
        "logEntries".into(),
        entries
            .map(|e| {
                json!({
                    "log": e.log,
                    "logId": hex(&e.log_id),
                    "logIndex": e.log_index,
                    "kind": e.kind,
                    "version": e.version,
                    "integratedTime": e.integrated_time.map(|t| t.to_string()),
                })
            })
            .collect(),
    );
    fields.insert("checks".into(), checks(verified.checks()));
    fields
}

/// All Fulcio claims of a certificate, by name.
pub(crate) fn claims(certificate: &Certificate) -> Value {
    certificate
        .claims()
        .map(|(claim, value)| (claim.as_str().to_owned(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// The subjects of a statement.
pub(crate) fn subjects(statement: &sign_core::Statement) -> Value {
    statement
        .subjects()
        .iter()
        .map(|subject| json!({"name": subject.name, "digest": subject.digests, "annotations": subject.annotations}))
        .collect()
}

fn source(source: &TimeSource) -> String {
    match source {
        TimeSource::Tsa { uri, .. } => format!("timestamp authority {uri}"),
        TimeSource::Log { url, .. } => format!("log {url}"),
        _ => "another source".into(),
    }
}

fn time(time: &str, source: &TimeSource) -> Value {
    match source {
        TimeSource::Tsa { uri, fingerprint } => {
            json!({"time": time, "source": "timestamp-authority", "authority": uri, "fingerprint": fingerprint.to_string()})
        }
        TimeSource::Log { url, log_id } => {
            json!({"time": time, "source": "transparency-log", "authority": url, "logId": hex(log_id)})
        }
        _ => json!({"time": time, "source": "other"}),
    }
}

/// The checks of a verdict, for machines.
pub(crate) fn checks(list: &[Check]) -> Value {
    list.iter()
        .map(|check| {
            let mut fields = json!({
                "check": check.name,
                "outcome": check.outcome.as_str(),
                "evidence": check.evidence,
            });
            if let Some(code) = check.code {
                fields["code"] = code.as_str().into();
            }
            if !check.checks.is_empty() {
                fields["checks"] = checks(&check.checks);
            }
            fields
        })
        .collect()
}

/// The checks of a verdict, one a line, those that a check is made of under it.
pub(crate) fn check_lines(list: &[Check]) -> Vec<String> {
    let mut lines = Vec::new();
    add_check_lines(list, 1, &mut lines);
    lines
}

fn add_check_lines(list: &[Check], depth: usize, lines: &mut Vec<String>) {
    for check in list {
        let mark = match check.outcome {
            CheckOutcome::Passed => "ok  ",
            CheckOutcome::Failed => "FAIL",
            CheckOutcome::Skipped => "-   ",
        };
        let code = check.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        let (indent, name, evidence) = ("  ".repeat(depth), check.name, &check.evidence);
        lines.push(format!("{indent}{mark} {name}: {evidence}{code}"));
        add_check_lines(&check.checks, depth + 1, lines);
    }
}

/// How far a bundle came before it was rejected, in one line; nothing where it could not even be read.
pub(crate) fn passed_line(list: &[Check]) -> Option<String> {
    let passed = list.iter().filter(|check| check.outcome == CheckOutcome::Passed);
    let names: Vec<_> = passed.map(|check| check.name).collect();
    (!list.is_empty()).then(|| match names.as_slice() {
        [] => "  passed:   no check".to_owned(),
        names => format!("  passed:   {}; -v shows each check", names.join(", ")),
    })
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
