//! SLSA provenance, version 0.2.
//!
//! Source: SLSA provenance v0.2, schema.

use super::PredicateType;
use super::document::Document;
use super::resource::{loose, object, time};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "slsaprovenance02"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["slsaprovenance"]
    }

    fn title(&self) -> &'static str {
        "SLSA provenance v0.2"
    }

    fn uri(&self) -> &'static str {
        "https://slsa.dev/provenance/v0.2"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        // v0.1 has a recipe where this has a build type.
        let builder = document.has("builder") && !document.has("recipe");
        builder && ["buildType", "invocation", "buildConfig"].iter().any(|name| document.has(name))
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("builder")?.require("id")?.uri()?;
        document.require("buildType")?.uri()?;
        if let Some(invocation) = document.optional("invocation")
            && let Some(source) = invocation.object()?.optional("configSource")
        {
            loose(source)?;
            if let Some(entry) = source.optional("entryPoint") {
                entry.any_text()?;
            }
        }
        object(document.optional("buildConfig"))?;
        if let Some(metadata) = document.optional("metadata") {
            if let Some(id) = metadata.object()?.optional("buildInvocationId") {
                id.any_text()?;
            }
            time(metadata.optional("buildStartedOn"))?;
            time(metadata.optional("buildFinishedOn"))?;
            if let Some(completeness) = metadata.optional("completeness") {
                completeness.object()?;
                for name in ["parameters", "environment", "materials"] {
                    completeness.optional(name).map_or(Ok(true), |node| node.boolean())?;
                }
            }
            metadata.optional("reproducible").map_or(Ok(true), |node| node.boolean())?;
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
