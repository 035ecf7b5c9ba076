//! The form for machines: one document, on success and on failure alike.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::{Map, Value};
use sign_core::Error;

use super::Item;
use super::escape::{acts_on_a_terminal, commands_a_runner};

/// Version of the document's shape; raised when a reader would have to change.
const SCHEMA_VERSION: u32 = 1;

/// The word for an image that was left aside because of another one.
const SKIPPED: &str = "skipped";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    command: &'a str,
    outcome: &'static str,
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<Value>,
    results: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: &'a str,
    outcome: &'static str,
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Failure<'a>>,
}

impl<'a> Failure<'a> {
    fn of(error: &'a Error) -> Self {
        Self {
            code: error.code().as_str(),
            message: error.message(),
            expected: error.expected_value(),
            found: error.found_value(),
            hint: error.hint_text(),
            others: error.others().iter().map(Self::of).collect(),
        }
    }
}

pub(super) fn print(
    command: &str,
    good: &'static str,
    worst: Option<&Error>,
    items: &[Item],
    trust: Option<Value>,
) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        command,
        outcome: word(good, worst),
        code: worst.map(|error| error.code().as_str()),
        error: worst.map(Failure::of),
        trust,
        results: items
            .iter()
            .map(|item| Entry {
                name: &item.name,
                outcome: word(if item.skipped { SKIPPED } else { good }, item.error.as_ref()),
                fields: &item.fields,
                error: item.error.as_ref().map(Failure::of),
            })
            .collect(),
    };
    let mut out = io::stdout().lock();
    out.write_all(escaped(&serde_json::to_string_pretty(&document)?).as_bytes())?;
    writeln!(out)?;
    out.flush()
}

/// The word for how it went, of which `good` is that for no error.
fn word(good: &'static str, error: Option<&Error>) -> &'static str {
    error.map_or(good, |error| error.outcome().as_str())
}

/// The same document with everything that a terminal or a build's runner would act on as `\uXXXX`. Outside
/// of its strings, JSON has none of it but line breaks, and inside of them a line break is escaped already.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for (at, c) in json.char_indices() {
        if c == '\n' || !(acts_on_a_terminal(c) || commands_a_runner(json, at)) {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_changes_the_spelling_and_not_the_document() {
        let text = "a\u{1b}[2J\u{9b}\u{202e}\u{e0041}\u{7f}\n \"Grüße\" 🦀 ##[group]::add-mask::";
        let json = serde_json::to_string_pretty(&serde_json::json!({ text: [text] })).unwrap();
        let escaped = escaped(&json);
        assert!(escaped.chars().all(|c| c == '\n' || !acts_on_a_terminal(c)), "{escaped:?}");
        assert!(!escaped.contains("##["), "{escaped}");
        assert!(escaped.contains("Grüße") && escaped.contains('🦀'));
        let (before, after): (Value, Value) =
            (serde_json::from_str(&json).unwrap(), serde_json::from_str(&escaped).unwrap());
        assert_eq!(before, after);
    }
}
