//! Attribute reports of SCAI, software supply chain attribute integrity.
//!
//! Source: in-toto attestation predicate `scai`, version 0.3.

use super::document::Document;
use super::resource::{descriptor, object};
use super::{PredicateType, counted};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "scai"
    }

    fn title(&self) -> &'static str {
        "SCAI attribute report"
    }

    fn uri(&self) -> &'static str {
        "https://in-toto.io/attestation/scai/v0.3"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document
            .get("attributes")
            .is_some_and(|node| node.items().any(|item| item.get("attribute").is_some()))
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        for attribute in document.require("attributes")?.some_elements()? {
            attribute.require("attribute")?.text()?;
            for name in ["target", "evidence"] {
                attribute.optional(name).map_or(Ok(()), descriptor)?;
            }
            object(attribute.optional("conditions"))?;
        }
        document.optional("producer").map_or(Ok(()), descriptor)
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let count = document.get("attributes").map_or(0, |node| node.items().count());
        format!("{}, {}", self.title(), counted(count, "attribute", "attributes"))
    }
}
