//! SLSA provenance, version 0.1: read where it is met, not written any more.
//!
//! Source: SLSA provenance v0.1, schema.

use super::PredicateType;
use super::document::Document;
use super::resource::{loose, time};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "slsaprovenance01"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["slsaprovenance"]
    }

    fn title(&self) -> &'static str {
        "SLSA provenance v0.1"
    }

    fn uri(&self) -> &'static str {
        "https://slsa.dev/provenance/v0.1"
    }

    fn written(&self) -> bool {
        false
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("builder") && document.has("recipe")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("builder")?.require("id")?.uri()?;
        if let Some(recipe) = document.optional("recipe") {
            recipe.require("type")?.uri()?;
        }
        if let Some(metadata) = document.optional("metadata") {
            time(metadata.object()?.optional("buildStartedOn"))?;
            time(metadata.optional("buildFinishedOn"))?;
        }
        match document.optional("materials") {
            Some(materials) => materials.elements()?.try_for_each(|material| loose(material).map(|_| ())),
            None => Ok(()),
        }
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let id = document.get("builder").and_then(|builder| builder.get("id")).and_then(|id| id.string());
        format!("{} by {}", self.title(), id.unwrap_or_default())
    }
}
