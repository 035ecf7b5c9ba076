//! In-toto links in their attestation form.
//!
//! Source: in-toto attestation predicate `link`, version 0.3.

use std::collections::HashSet;

use super::PredicateType;
use super::document::Document;
use super::resource::{descriptor, object};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "link03"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["link"]
    }

    fn title(&self) -> &'static str {
        "in-toto link v0.3"
    }

    fn uri(&self) -> &'static str {
        "https://in-toto.io/attestation/link/v0.3"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        let array = |name| document.get(name).is_some_and(|node| node.is_array());
        let step = document.has("name") && (array("command") || array("materials"));
        step && !document.has("_type") && !document.has("products")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("name")?.text()?;
        if let Some(command) = document.optional("command") {
            command.elements()?.try_for_each(|word| word.any_text().map(|_| ()))?;
        }
        if let Some(materials) = document.optional("materials") {
            let mut names = HashSet::new();
            for material in materials.elements()? {
                descriptor(material)?;
                material.require("digest")?;
                let name = material.require("name")?;
                if !names.insert(name.text()?) {
                    return Err(name.wrong("a name that no other material has"));
                }
            }
        }
        object(document.optional("byproducts"))?;
        object(document.optional("environment"))
    }

    fn describe(&self, document: &Document<'_>) -> String {
        format!("{} of the step {:?}", self.title(), document.string("name").unwrap_or_default())
    }
}
