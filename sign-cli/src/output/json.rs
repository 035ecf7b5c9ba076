//! The form for machines: one document, on success and on failure alike.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::{Map, Value};
use sign_core::{Error, Outcome};

use super::Item;

/// Version of the document's shape; raised when a reader would have to change.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    command: &'a str,
    outcome: &'static str,
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
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
    outcome: Outcome,
    worst: Option<&Error>,
    items: &[Item],
) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        command,
        outcome: outcome.as_str(),
        code: worst.map(|error| error.code().as_str()),
        error: worst.map(Failure::of),
        results: items
            .iter()
            .map(|item| Entry {
                name: &item.name,
                outcome: item.error.as_ref().map_or(Outcome::Accepted, Error::outcome).as_str(),
                fields: &item.fields,
                error: item.error.as_ref().map(Failure::of),
            })
            .collect(),
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    out.flush()
}
