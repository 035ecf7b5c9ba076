//! Results of test runs.
//!
//! Source: in-toto attestation predicate `test-result`, version 0.1.

use super::PredicateType;
use super::document::Document;
use super::resource::descriptor;
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "test-result"
    }

    fn title(&self) -> &'static str {
        "test result"
    }

    fn uri(&self) -> &'static str {
        "https://in-toto.io/attestation/test-result/v0.1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("result") && document.has("configuration")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("result")?.one_of(&["PASSED", "WARNED", "FAILED"])?;
        document.require("configuration")?.elements()?.try_for_each(descriptor)?;
        if let Some(url) = document.optional("url") {
            url.uri()?;
        }
        for name in ["passedTests", "warnedTests", "failedTests"] {
            if let Some(tests) = document.optional(name) {
                tests.elements()?.try_for_each(|test| test.text().map(|_| ()))?;
            }
        }
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        format!("{}: {}", self.title(), document.string("result").unwrap_or_default())
    }
}
