//! References to documents that are kept elsewhere.
//!
//! Source: in-toto attestation predicate `reference`, version 0.1.

use super::document::Document;
use super::resource::loose;
use super::{PredicateType, counted};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn title(&self) -> &'static str {
        "reference"
    }

    fn uri(&self) -> &'static str {
        "https://in-toto.io/attestation/reference/v0.1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("attester") && document.has("references")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("attester")?.require("id")?.uri()?;
        for reference in document.require("references")?.elements()? {
            loose(reference)?;
            reference.require("downloadLocation")?.uri()?;
            reference.require("mediaType")?.text()?;
        }
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let count = document.get("references").map_or(0, |node| node.items().count());
        format!("{} to {}", self.title(), counted(count, "document", "documents"))
    }
}
