//! Vulnerability scans in in-toto's form.
//!
//! Source: in-toto attestation predicate `vulns`, version 0.2.

use super::document::Document;
use super::{PredicateType, counted};
use crate::error::Result;

pub(super) struct Type;

const FAMILY: &str = "https://in-toto.io/attestation/vulns";

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "vulns"
    }

    fn title(&self) -> &'static str {
        "in-toto vulnerability scan"
    }

    fn uri(&self) -> &'static str {
        "https://in-toto.io/attestation/vulns/v0.2"
    }

    fn reads(&self, uri: &str) -> bool {
        uri.strip_prefix(FAMILY).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v0."))
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("scanner") && !document.has("invocation")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        let scanner = document.require("scanner")?;
        scanner.require("uri")?.uri()?;
        scanner.require("db")?.require("lastUpdate")?.time()?;
        for vulnerability in scanner.require("result")?.elements()? {
            let [id, severity] = vulnerability.object()?.pick(["id", "severity"]);
            vulnerability.present(id, "id")?.text()?;
            for severity in vulnerability.present(severity, "severity")?.elements()? {
                severity.require("method")?.text()?;
                severity.require("score")?.text()?;
            }
        }
        let metadata = document.require("metadata")?;
        metadata.require("scanStartedOn")?.time()?;
        metadata.require("scanFinishedOn")?.time()?;
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let found = document.get("scanner").and_then(|scanner| scanner.get("result"));
        let count = found.map_or(0, |result| result.items().count());
        format!("{}, {}", self.title(), counted(count, "vulnerability", "vulnerabilities"))
    }
}
