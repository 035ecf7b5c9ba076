//! CycloneDX 1.4 to 1.7 in JSON.
//!
//! Source: CycloneDX JSON schema (`bom-1.x.schema.json`), required members of the BOM.

use super::{Outline, PredicateType, mismatch};
use crate::error::Result;

pub(super) struct CycloneDx;

const URI: &str = "https://cyclonedx.org/bom";
const VERSIONS: [&str; 4] = ["1.4", "1.5", "1.6", "1.7"];

impl PredicateType for CycloneDx {
    fn name(&self) -> &'static str {
        "cyclonedx"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["cyclonedxjson"]
    }

    fn uri(&self) -> &'static str {
        URI
    }

    fn reads(&self, uri: &str) -> bool {
        // Some signers append the version: `…/bom/v1.5`.
        uri.strip_prefix(URI).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v"))
    }

    fn recognises(&self, document: &Outline<'_>) -> bool {
        document.has("bomFormat")
    }

    fn check(&self, document: &Outline<'_>) -> Result<()> {
        let wrong = |path: &str, expected: &str| {
            let found = document.string(path).unwrap_or_else(|| "no such text".into());
            mismatch("CycloneDX", path, expected, found)
        };
        if document.string("bomFormat").as_deref() != Some("CycloneDX") {
            return Err(wrong("bomFormat", "CycloneDX"));
        }
        if !document.string("specVersion").is_some_and(|v| VERSIONS.contains(&v.as_str())) {
            return Err(wrong("specVersion", "1.4 to 1.7"));
        }
        for name in ["components", "dependencies", "services", "vulnerabilities"] {
            if document.has(name) && document.array_len(name).is_none() {
                return Err(mismatch("CycloneDX", name, "an array", "something else"));
            }
        }
        if document.has("metadata") && document.object("metadata").is_none() {
            return Err(mismatch("CycloneDX", "metadata", "an object", "something else"));
        }
        Ok(())
    }

    fn describe(&self, document: &Outline<'_>) -> String {
        format!(
            "CycloneDX {} document, {} components",
            document.string("specVersion").unwrap_or_default(),
            document.array_len("components").unwrap_or(0)
        )
    }
}
