//! Vulnerability scans as cosign writes them.
//!
//! Source: cosign vulnerability scan record attestation, version 1.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::document::Document;
use super::resource::object;
use super::typed::{or_default, rfc3339};
use super::{Predicate, PredicateType};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "vuln"
    }

    fn title(&self) -> &'static str {
        "vulnerability scan"
    }

    fn uri(&self) -> &'static str {
        "https://cosign.sigstore.dev/attestation/vuln/v1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        // The in-toto form has no invocation.
        document.has("scanner") && document.has("invocation")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        if let Some(invocation) = document.optional("invocation") {
            for member in invocation.object()?.pick(["uri", "event_id", "builder.id"]).into_iter().flatten() {
                member.any_text()?;
            }
        }
        let scanner = document.require("scanner")?;
        scanner.require("uri")?.text()?;
        scanner.optional("version").map_or(Ok(()), |version| version.any_text().map(|_| ()))?;
        object(scanner.optional("db"))?;
        // Whatever form the scanner has; that it is there tells "found nothing" from "left out".
        scanner.require("result")?;
        let metadata = document.require("metadata")?;
        metadata.require("scanStartedOn")?.time()?;
        metadata.require("scanFinishedOn")?.time()?;
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let uri = document.get("scanner").and_then(|scanner| scanner.get("uri"));
        format!("{} by {}", self.title(), uri.and_then(|uri| uri.string()).unwrap_or_default())
    }
}

impl Predicate for VulnerabilityScan {
    fn kind() -> &'static dyn PredicateType {
        &Type
    }
}

/// The result of a vulnerability scan, in cosign's form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VulnerabilityScan {
    /// What started it.
    #[serde(default, deserialize_with = "or_default")]
    pub invocation: ScanInvocation,
    /// What scanned.
    pub scanner: Scanner,
    /// When.
    pub metadata: ScanMetadata,
}

/// What started a scan.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ScanInvocation {
    /// The scanner's arguments, in whatever form.
    pub parameters: Option<Box<RawValue>>,
    /// Where to read about the run.
    pub uri: Option<String>,
    /// The event that started it.
    pub event_id: Option<String>,
    /// The platform it ran on.
    #[serde(rename = "builder.id")]
    pub builder_id: Option<String>,
}

/// What scanned, and what it found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scanner {
    /// The scanner, often as a purl.
    pub uri: String,
    /// Its version.
    #[serde(default, deserialize_with = "or_default")]
    pub version: String,
    /// Its database.
    #[serde(default, deserialize_with = "or_default")]
    pub db: ScannerDatabase,
    /// What it found, in its own form and as written.
    pub result: Box<RawValue>,
}

/// A scanner's database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ScannerDatabase {
    /// Which database.
    pub uri: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// When a scan ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScanMetadata {
    /// When it started.
    #[serde(with = "rfc3339")]
    pub scan_started_on: Timestamp,
    /// When it was done.
    #[serde(with = "rfc3339")]
    pub scan_finished_on: Timestamp,
}
