//! SLSA build provenance, version 1.
//!
//! Source: SLSA provenance v1, schema.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::document::Document;
use super::resource::{descriptors, object, text_map, time};
use super::typed::{or_default, rfc3339};
use super::{Predicate, PredicateType, ResourceDescriptor};
use crate::error::Result;

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "slsaprovenance1"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["slsaprovenance"]
    }

    fn title(&self) -> &'static str {
        "SLSA provenance v1"
    }

    fn uri(&self) -> &'static str {
        "https://slsa.dev/provenance/v1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("buildDefinition") || document.has("runDetails")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        let definition = document.require("buildDefinition")?;
        // A TypeURI must be one; readers compare it to decide which rules apply.
        definition.require("buildType")?.uri()?;
        definition.require("externalParameters")?.object()?;
        object(definition.optional("internalParameters"))?;
        descriptors(definition.optional("resolvedDependencies"))?;
        let run = document.require("runDetails")?;
        let builder = run.require("builder")?;
        builder.require("id")?.uri()?;
        text_map(builder.optional("version"))?;
        descriptors(builder.optional("builderDependencies"))?;
        if let Some(metadata) = run.optional("metadata") {
            if let Some(id) = metadata.object()?.optional("invocationId") {
                id.any_text()?;
            }
            time(metadata.optional("startedOn"))?;
            time(metadata.optional("finishedOn"))?;
        }
        descriptors(run.optional("byproducts"))
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let builder = document.get("runDetails").and_then(|run| run.get("builder"));
        let id = builder.and_then(|builder| builder.get("id")).and_then(|id| id.string());
        format!("{} by {}", self.title(), id.unwrap_or_default())
    }
}

impl Predicate for SlsaProvenanceV1 {
    fn kind() -> &'static dyn PredicateType {
        &Type
    }
}

/// How an artifact was built: SLSA provenance v1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SlsaProvenanceV1 {
    /// What went in.
    pub build_definition: BuildDefinition,
    /// Who ran it, and when.
    pub run_details: RunDetails,
}

/// The inputs of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BuildDefinition {
    /// A URI that says how to read the parameters.
    pub build_type: String,
    /// What a user of the platform chose. A verifier must expect each of them.
    pub external_parameters: Map<String, Value>,
    /// What the platform chose.
    #[serde(default, skip_serializing_if = "Map::is_empty", deserialize_with = "or_default")]
    pub internal_parameters: Map<String, Value>,
    /// Artifacts that the build used, such as the source at its commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// The run of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunDetails {
    /// The platform that ran it.
    pub builder: Builder,
    /// Which run it was.
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub metadata: BuildMetadata,
    /// Other outputs, such as logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// A build platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Builder {
    /// A URI for the platform and its mode; the sole determiner of the SLSA level. It is a claim until
    /// it was compared with who signed.
    pub id: String,
    /// Versions of the platform's parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub version: BTreeMap<String, String>,
    /// Artifacts that the platform itself depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub builder_dependencies: Vec<ResourceDescriptor>,
}

/// Which run of a build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct BuildMetadata {
    /// The platform's own name for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub started_on: Option<Timestamp>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub finished_on: Option<Timestamp>,
}

impl SlsaProvenanceV1 {
    /// Provenance with all that it must say; what it may say besides is set afterwards.
    #[must_use]
    pub fn new(build_type: &Url, external_parameters: Map<String, Value>, builder_id: &Url) -> Self {
        Self {
            build_definition: BuildDefinition {
                build_type: build_type.as_str().into(),
                external_parameters,
                internal_parameters: Map::new(),
                resolved_dependencies: Vec::new(),
            },
            run_details: RunDetails {
                builder: Builder {
                    id: builder_id.as_str().into(),
                    version: BTreeMap::new(),
                    builder_dependencies: Vec::new(),
                },
                metadata: BuildMetadata::default(),
                byproducts: Vec::new(),
            },
        }
    }

    /// Adds parameters that the platform chose.
    #[must_use]
    pub fn internal_parameters(mut self, parameters: Map<String, Value>) -> Self {
        self.build_definition.internal_parameters = parameters;
        self
    }

    /// Adds an artifact that the build used.
    #[must_use]
    pub fn dependency(mut self, dependency: ResourceDescriptor) -> Self {
        self.build_definition.resolved_dependencies.push(dependency);
        self
    }

    /// Says which run it was.
    #[must_use]
    pub fn invocation(mut self, id: impl Into<String>) -> Self {
        self.run_details.metadata.invocation_id = Some(id.into());
        self
    }

    /// Says when it ran.
    #[must_use]
    pub fn times(mut self, started: Option<Timestamp>, finished: Option<Timestamp>) -> Self {
        self.run_details.metadata.started_on = started;
        self.run_details.metadata.finished_on = finished;
        self
    }

    /// Adds another output.
    #[must_use]
    pub fn byproduct(mut self, byproduct: ResourceDescriptor) -> Self {
        self.run_details.byproducts.push(byproduct);
        self
    }
}

fn is_default(metadata: &BuildMetadata) -> bool {
    *metadata == BuildMetadata::default()
}
