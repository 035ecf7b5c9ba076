//! Releases: which artifacts a registry says a version consists of.
//!
//! Source: in-toto attestation predicate `release`, version 0.2.

use super::PredicateType;
use super::document::Document;
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "release"
    }

    fn title(&self) -> &'static str {
        "release"
    }

    fn uri(&self) -> &'static str {
        "https://in-toto.io/attestation/release/v0.2"
    }

    fn reads(&self, uri: &str) -> bool {
        // The same but for the name of one optional member.
        uri == self.uri() || uri == "https://in-toto.io/attestation/release/v0.1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.string("purl").is_some_and(|purl| purl.starts_with("pkg:"))
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        let purl = document.require("purl")?;
        if !purl.string().is_some_and(|text| has_version(&text)) {
            return Err(purl.wrong("a purl with a version, such as pkg:npm/semver@7.5.4"));
        }
        if let Some(id) = document.optional("packageId") {
            id.text()?;
        }
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        format!("{} {}", self.title(), document.string("purl").unwrap_or_default())
    }
}

/// Whether this is `pkg:type/…name@version`. A scope such as `@angular` comes before the last slash.
fn has_version(purl: &str) -> bool {
    let without_end = purl.split(['?', '#']).next().unwrap_or_default();
    let Some((kind, path)) = without_end.strip_prefix("pkg:").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let last = path.rsplit('/').next().unwrap_or_default();
    !kind.is_empty()
        && last.split_once('@').is_some_and(|(name, version)| !name.is_empty() && !version.is_empty())
}
