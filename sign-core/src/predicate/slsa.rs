//! SLSA build provenance, version 1.
//!
//! Source: SLSA provenance v1, schema.

use super::{Outline, PredicateType, mismatch};
use crate::error::Result;

pub(super) struct SlsaProvenanceV1;

const KIND: &str = "SLSA provenance v1";

impl PredicateType for SlsaProvenanceV1 {
    fn name(&self) -> &'static str {
        "slsaprovenance1"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["slsaprovenance"]
    }

    fn uri(&self) -> &'static str {
        "https://slsa.dev/provenance/v1"
    }

    fn recognises(&self, document: &Outline<'_>) -> bool {
        document.has("buildDefinition") && document.has("runDetails")
    }

    fn check(&self, document: &Outline<'_>) -> Result<()> {
        let object = |parent: &Outline<'_>, name: &str, path: &str| {
            parent.object(name).ok_or_else(|| mismatch(KIND, path, "an object", "none")).map(|_| ())
        };
        object(document, "buildDefinition", "buildDefinition")?;
        object(document, "runDetails", "runDetails")?;
        let definition = document.object("buildDefinition");
        let uri_at = |text: Option<String>, path: &str| {
            // A TypeURI must be one; readers compare it to decide which rules apply.
            match text {
                Some(text) if url::Url::parse(&text).is_ok() => Ok(()),
                other => Err(mismatch(KIND, path, "a URI", other.unwrap_or_else(|| "none".into()))),
            }
        };
        uri_at(definition.as_ref().and_then(|d| d.string("buildType")), "buildDefinition.buildType")?;
        if definition.is_none_or(|d| d.object("externalParameters").is_none()) {
            return Err(mismatch(KIND, "buildDefinition.externalParameters", "an object", "none"));
        }
        let builder = document.object("runDetails").and_then(|run| run.object("builder"));
        uri_at(builder.and_then(|b| b.string("id")), "runDetails.builder.id")
    }

    fn describe(&self, document: &Outline<'_>) -> String {
        let builder = document
            .object("runDetails")
            .and_then(|run| run.object("builder"))
            .and_then(|builder| builder.string("id"))
            .unwrap_or_default();
        format!("{KIND} by {builder}")
    }
}
