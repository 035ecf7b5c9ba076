//! Verification summaries, version 1.
//!
//! Source: SLSA verification summary attestation v1, schema.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::document::Document;
use super::resource::{descriptor, text_map, time};
use super::typed::{or_default, rfc3339};
use super::{Predicate, PredicateType, ResourceDescriptor};
use crate::error::{Code, Error, Result};

pub(super) struct Type;

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "vsa"
    }

    fn title(&self) -> &'static str {
        "verification summary"
    }

    fn uri(&self) -> &'static str {
        "https://slsa.dev/verification_summary/v1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("verificationResult") || (document.has("verifier") && document.has("verifiedLevels"))
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        let verifier = document.require("verifier")?;
        verifier.require("id")?.uri()?;
        text_map(verifier.optional("version"))?;
        time(document.optional("timeVerified"))?;
        document.require("resourceUri")?.uri()?;
        let policy = document.require("policy")?;
        policy.require("uri")?.uri()?;
        descriptor(policy)?;
        if let Some(attestations) = document.optional("inputAttestations") {
            for attestation in attestations.elements()? {
                descriptor(attestation)?;
                attestation.require("digest")?;
            }
        }
        document.require("verificationResult")?.one_of(&["PASSED", "FAILED"])?;
        let mut tracks = BTreeSet::new();
        for level in document.require("verifiedLevels")?.elements()? {
            // A level implies those below it, so a second one of a track says two things.
            if let Some(track) = track(&level.text()?)
                && !tracks.insert(track.to_owned())
            {
                return Err(level.wrong("one level of each SLSA track"));
            }
        }
        if let Some(levels) = document.optional("dependencyLevels") {
            for (_, count) in levels.object()?.members() {
                // Protocol buffers write 64-bit integers as texts.
                if count.string().is_none_or(|text| text.parse::<u64>().is_err()) {
                    count.integer(0)?;
                }
            }
        }
        if let Some(version) = document.optional("slsaVersion") {
            let is_version = |text: &str| {
                text.split_once('.').is_some_and(|(major, minor)| {
                    [major, minor].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
                })
            };
            version
                .string()
                .filter(|text| is_version(text))
                .ok_or_else(|| version.wrong("a version such as 1.0"))?;
        }
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let verifier = document.get("verifier").and_then(|verifier| verifier.get("id"));
        format!(
            "{}: {} by {}",
            self.title(),
            document.string("verificationResult").unwrap_or_default(),
            verifier.and_then(|id| id.string()).unwrap_or_default()
        )
    }
}

/// The track of a level such as `SLSA_BUILD_LEVEL_3`; none for other properties.
fn track(level: &str) -> Option<&str> {
    let (track, number) = level.strip_prefix("SLSA_")?.rsplit_once("_LEVEL_")?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(track)
}

impl Predicate for VerificationSummary {
    fn kind() -> &'static dyn PredicateType {
        &Type
    }
}

/// What a verifier found about an artifact, for those who trust it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerificationSummary {
    /// Who verified. A claim until it was compared with who signed.
    pub verifier: VsaVerifier,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub time_verified: Option<Timestamp>,
    /// Which resource; a consumer must compare it with what it wanted.
    pub resource_uri: String,
    /// Against which policy.
    pub policy: ResourceDescriptor,
    /// All the attestations that were used.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub input_attestations: Vec<ResourceDescriptor>,
    /// Whether the policy was met.
    pub verification_result: VerificationResult,
    /// The highest level of each track, and other verified properties.
    pub verified_levels: Vec<String>,
    /// How many dependencies have which level; none says nothing about dependencies, an empty map says
    /// that there are no dependencies.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "counts")]
    pub dependency_levels: Option<BTreeMap<String, u64>>,
    /// The version of SLSA, `MAJOR.MINOR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VsaVerifier {
    /// A URI for the verifier.
    pub id: String,
    /// Versions of its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub version: BTreeMap<String, String>,
}

/// Whether a policy was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// It was.
    Passed,
    /// It was not.
    Failed,
}

impl VerificationSummary {
    /// A passed verification of `resource` against the policy at `policy`, which showed `levels`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] when two levels are of one track, or one says that it failed.
    pub fn passed(
        verifier: &Url,
        resource: &Url,
        policy: &Url,
        levels: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        let levels: Vec<String> = levels.into_iter().collect();
        let mut tracks = BTreeSet::new();
        for level in &levels {
            if level == "FAILED" || track(level).is_some_and(|track| !tracks.insert(track)) {
                return Err(Error::new(Code::InvalidArgument, "levels that contradict each other")
                    .expected("at most one level of each SLSA track")
                    .found(levels.join(", ")));
            }
        }
        Ok(Self::new(verifier, resource, policy, VerificationResult::Passed, levels))
    }

    /// A failed verification of `resource` against the policy at `policy`.
    #[must_use]
    pub fn failed(verifier: &Url, resource: &Url, policy: &Url) -> Self {
        Self::new(verifier, resource, policy, VerificationResult::Failed, vec!["FAILED".into()])
    }

    fn new(
        verifier: &Url,
        resource: &Url,
        policy: &Url,
        result: VerificationResult,
        levels: Vec<String>,
    ) -> Self {
        Self {
            verifier: VsaVerifier { id: verifier.as_str().into(), version: BTreeMap::new() },
            time_verified: None,
            resource_uri: resource.as_str().into(),
            policy: ResourceDescriptor::new(policy.as_str()),
            input_attestations: Vec::new(),
            verification_result: result,
            verified_levels: levels,
            dependency_levels: None,
            slsa_version: None,
        }
    }

    /// Says when.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.time_verified = Some(time);
        self
    }

    /// Says which exact policy it was, by its digest.
    #[must_use]
    pub fn policy_digest(mut self, algorithm: impl Into<String>, value: impl Into<String>) -> Self {
        self.policy = self.policy.with_digest(algorithm, value);
        self
    }

    /// Adds an attestation that was used; each needs its digest.
    #[must_use]
    pub fn input(mut self, attestation: ResourceDescriptor) -> Self {
        self.input_attestations.push(attestation);
        self
    }
}

/// Counts, which protocol buffers write as texts.
mod counts {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(u64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(
        counts: &Option<BTreeMap<String, u64>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        counts.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<BTreeMap<String, u64>>, D::Error> {
        let Some(counts) = Option::<BTreeMap<String, Count>>::deserialize(from)? else { return Ok(None) };
        let number = |(level, count)| match count {
            Count::Number(count) => Ok((level, count)),
            Count::Text(text) => text.parse().map(|count| (level, count)).map_err(serde::de::Error::custom),
        };
        counts.into_iter().map(number).collect::<Result<_, _>>().map(Some)
    }
}
