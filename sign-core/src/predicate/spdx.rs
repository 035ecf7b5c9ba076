//! SPDX 2.2 and 2.3 documents in JSON.
//!
//! Source: SPDX 2.3, clause 6 (document creation information).

use super::{Outline, PredicateType, mismatch};
use crate::error::Result;

pub(super) struct Spdx;

const URI: &str = "https://spdx.dev/Document";
const VERSIONS: [&str; 2] = ["SPDX-2.2", "SPDX-2.3"];

impl PredicateType for Spdx {
    fn name(&self) -> &'static str {
        "spdx"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["spdxjson"]
    }

    fn uri(&self) -> &'static str {
        URI
    }

    fn reads(&self, uri: &str) -> bool {
        // Some signers append the version: `…/Document/v2.3`.
        uri.strip_prefix(URI).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v"))
    }

    fn recognises(&self, document: &Outline<'_>) -> bool {
        document.has("spdxVersion")
    }

    fn check(&self, document: &Outline<'_>) -> Result<()> {
        let wrong = |path: &str, expected: &str| {
            let found = document.string(path).unwrap_or_else(|| "no such text".into());
            mismatch("SPDX", path, expected, found)
        };
        if !document.string("spdxVersion").is_some_and(|v| VERSIONS.contains(&v.as_str())) {
            return Err(wrong("spdxVersion", "SPDX-2.2 or SPDX-2.3"));
        }
        if document.string("SPDXID").as_deref() != Some("SPDXRef-DOCUMENT") {
            return Err(wrong("SPDXID", "SPDXRef-DOCUMENT"));
        }
        for name in ["name", "dataLicense", "documentNamespace"] {
            if document.string(name).is_none_or(|text| text.is_empty()) {
                return Err(wrong(name, "a text"));
            }
        }
        let info = document
            .object("creationInfo")
            .ok_or_else(|| mismatch("SPDX", "creationInfo", "an object", "none"))?;
        if info.string("created").is_none_or(|time| time.parse::<jiff::Timestamp>().is_err()) {
            return Err(mismatch("SPDX", "creationInfo.created", "an RFC 3339 time", "none"));
        }
        if info.array_len("creators").unwrap_or(0) == 0 {
            return Err(mismatch("SPDX", "creationInfo.creators", "at least one creator", "none"));
        }
        if document.has("packages") && document.array_len("packages").is_none() {
            return Err(mismatch("SPDX", "packages", "an array", "something else"));
        }
        Ok(())
    }

    fn describe(&self, document: &Outline<'_>) -> String {
        format!(
            "{} document {:?}, {} packages",
            document.string("spdxVersion").unwrap_or_default(),
            document.string("name").unwrap_or_default(),
            document.array_len("packages").unwrap_or(0)
        )
    }
}
