//! Predicates as Rust values, built, embedded and read back; and a type from outside the crate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sign_core::predicate::{
    Document, Justification, NotAffectedReason, OpenVex, Predicate, PredicateType, ResourceDescriptor,
    SlsaProvenanceV1, VerificationResult, VerificationSummary, VexProduct, VexStatement, VexStatus,
    VulnerabilityScan,
};
use sign_core::{Code, Digest, PredicateTypes, Result, Statement, StatementBuilder};

use crate::predicates;

fn statement<P: Predicate>(predicate: &P) -> Result<Statement> {
    StatementBuilder::of::<P>()
        .subject(Some("app".into()), &Digest::sha256(b"app"), BTreeMap::new())
        .build_from(predicate)
}

fn raw(predicate_type: &str, predicate: &str) -> Result<Statement> {
    StatementBuilder::new(predicate_type)
        .subject(None, &Digest::sha256(b"app"), BTreeMap::new())
        .build(predicate.as_bytes())
}

#[test]
fn numbers_and_spaces_stay_as_they_were_written() {
    let text =
        "{ \"big\": 9007199254740993, \"one\" : 1.0, \"e\":1e5, \"E\":-1.50E+02,\n \"s\":\"\\u0041\\/\" }";
    sign_core::check_predicate(text.as_bytes(), "https://example.com/p").unwrap();
    let statement = raw("https://example.com/p", &format!(" {text}\n")).unwrap();
    assert_eq!(statement.predicate(), text.as_bytes());
    let payload = std::str::from_utf8(statement.payload()).unwrap();
    assert!(payload.ends_with(&format!("\"predicate\":{text}}}")), "{payload}");
}

#[test]
fn provenance_is_built_valid_and_read_back() {
    let url = |text: &str| text.parse().unwrap();
    let parameters = Map::from_iter([("ref".to_owned(), json!("refs/heads/main"))]);
    let built = SlsaProvenanceV1::new(
        &url("https://example.com/build"),
        parameters,
        &url("https://example.com/builder"),
    )
    .dependency(ResourceDescriptor::new("git+https://example.com/app").with_digest("gitCommit", "ab"))
    .invocation("https://example.com/run/1")
    .times(Some("2026-01-31T12:00:00Z".parse().unwrap()), None);
    let statement = statement(&built).unwrap();
    assert_eq!(statement.predicate_type(), "https://slsa.dev/provenance/v1");
    let read: SlsaProvenanceV1 = statement.predicate_as().unwrap();
    assert_eq!(read, built);
    assert_eq!(
        std::str::from_utf8(statement.predicate()).unwrap(),
        r#"{"buildDefinition":{"buildType":"https://example.com/build","externalParameters":{"ref":"refs/heads/main"},"resolvedDependencies":[{"uri":"git+https://example.com/app","digest":{"gitCommit":"ab"}}]},"runDetails":{"builder":{"id":"https://example.com/builder"},"metadata":{"invocationId":"https://example.com/run/1","startedOn":"2026-01-31T12:00:00Z"}}}"#
    );
    // What was made invalid by hand is caught before there is a statement.
    let mut broken = built.clone();
    broken.run_details.builder.id = "me".into();
    assert_eq!(self::statement(&broken).unwrap_err().code(), Code::PredicateMismatch);
    let empty = built.dependency(ResourceDescriptor::default());
    assert_eq!(self::statement(&empty).unwrap_err().code(), Code::PredicateMismatch);
}

#[test]
fn provenance_with_nulls_as_protocol_buffers_write_them_is_read() {
    let text = r#"{"buildDefinition":{"buildType":"https://example.com/b","externalParameters":{},"internalParameters":null,"resolvedDependencies":null},
        "runDetails":{"builder":{"id":"https://example.com/b","version":null},"metadata":null,"byproducts":null},"extension":1}"#;
    let read: SlsaProvenanceV1 = raw("https://slsa.dev/provenance/v1", text).unwrap().predicate_as().unwrap();
    assert!(
        read.build_definition.resolved_dependencies.is_empty()
            && read.run_details.metadata.started_on.is_none()
    );
}

#[test]
fn summaries_are_built_valid_and_read_back() {
    let url = |text: &str| text.parse().unwrap();
    let (verifier, resource, policy) =
        (url("https://example.com/v"), url("pkg:oci/app"), url("https://example.com/p"));
    let levels = |list: &[&str]| list.iter().map(|&level| level.to_owned()).collect::<Vec<_>>();
    let built = VerificationSummary::passed(
        &verifier,
        &resource,
        &policy,
        levels(&["SLSA_BUILD_LEVEL_3", "SLSA_SOURCE_LEVEL_1"]),
    )
    .unwrap()
    .at("2026-01-31T12:00:00Z".parse().unwrap())
    .policy_digest("sha256", "ab")
    .input(ResourceDescriptor::new("https://example.com/a").with_digest("sha256", "cd"));
    assert_eq!(statement(&built).unwrap().predicate_as::<VerificationSummary>().unwrap(), built);
    for bad in [levels(&["SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_2"]), levels(&["FAILED"])] {
        assert_eq!(
            VerificationSummary::passed(&verifier, &resource, &policy, bad).unwrap_err().code(),
            Code::InvalidArgument
        );
    }
    let failed = VerificationSummary::failed(&verifier, &resource, &policy);
    assert_eq!(failed.verification_result, VerificationResult::Failed);
    statement(&failed).unwrap();
    let without_digest = failed.input(ResourceDescriptor::new("https://example.com/a"));
    assert_eq!(statement(&without_digest).unwrap_err().code(), Code::PredicateMismatch);

    let read: VerificationSummary =
        raw("https://slsa.dev/verification_summary/v1", &predicates::vsa().to_string())
            .unwrap()
            .predicate_as()
            .unwrap();
    assert_eq!(read.dependency_levels.unwrap()["SLSA_BUILD_LEVEL_2"], 5);
}

#[test]
fn vex_is_built_valid_and_read_back() {
    let image = || vec![VexProduct::purl("pkg:oci/app@sha256%3Aab")];
    let reason =
        NotAffectedReason::Justified(Justification::ComponentNotPresent, Some("not built in".into()));
    let affected = VexStatus::Affected { action: "update".into(), action_timestamp: None };
    let first = VexStatement::new("CVE-2026-0001", image(), VexStatus::NotAffected(reason));
    let built = OpenVex::new(
        &"https://example.com/vex".parse().unwrap(),
        "dev@example.com",
        "2026-01-31T12:00:00Z".parse().unwrap(),
        first,
    )
    .statement(VexStatement::new("CVE-2026-0002", image(), affected))
    .statement(VexStatement::new(
        "CVE-2026-0003",
        vec![],
        VexStatus::NotAffected(NotAffectedReason::Impact("why".into())),
    ))
    .statement(VexStatement::new("CVE-2026-0004", vec![], VexStatus::UnderInvestigation));
    let statement = statement(&built).unwrap();
    assert_eq!(statement.predicate_as::<OpenVex>().unwrap(), built);
    let written: Value = serde_json::from_slice(statement.predicate()).unwrap();
    assert_eq!(
        written["statements"][0],
        json!({ "vulnerability": { "name": "CVE-2026-0001" }, "products": [{ "@id": "pkg:oci/app@sha256%3Aab" }],
                "status": "not_affected", "justification": "component_not_present", "impact_statement": "not built in" })
    );
    let nameless = built.statement(VexStatement::new("", vec![], VexStatus::Fixed));
    assert_eq!(self::statement(&nameless).unwrap_err().code(), Code::PredicateMismatch);

    // Both of its predicate types are read.
    for uri in ["https://openvex.dev/ns", "https://openvex.dev/ns/v0.2.0"] {
        let read: OpenVex = raw(uri, &predicates::openvex().to_string()).unwrap().predicate_as().unwrap();
        assert_eq!(read.statements.len(), 3);
        assert_eq!(
            read.statements[1].status,
            VexStatus::Affected { action: "update to 1.1".into(), action_timestamp: None }
        );
    }
}

#[test]
fn a_scan_keeps_its_result_as_written() {
    let text = predicates::vuln().to_string().replace("9007199254740993", "9007199254740993.0");
    let scan: VulnerabilityScan =
        raw("https://cosign.sigstore.dev/attestation/vuln/v1", &text).unwrap().predicate_as().unwrap();
    assert_eq!(scan.scanner.result.get(), r#"{"n":9007199254740993.0}"#);
    assert_eq!(scan.invocation.builder_id.as_deref(), Some("ci"));
}

#[test]
fn the_wrong_type_and_wrong_content_are_told_apart() {
    let other = raw("https://example.com/p", "{}").unwrap();
    assert_eq!(other.predicate_as::<OpenVex>().unwrap_err().code(), Code::PredicateTypeMismatch);
    for bad in ["{}", r#"{"buildDefinition":{"buildType":"https://example.com","externalParameters":{}}}"#] {
        let statement = raw("https://slsa.dev/provenance/v1", bad).unwrap();
        let error = statement.predicate_as::<SlsaProvenanceV1>().unwrap_err();
        assert_eq!((error.code(), error.outcome().exit_status()), (Code::PredicateInvalid, 1), "{error}");
    }
}

/// A predicate type that this library has never heard of.
struct Weather;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Forecast {
    sky: String,
}

impl PredicateType for Weather {
    fn name(&self) -> &'static str {
        "weather"
    }

    fn title(&self) -> &'static str {
        "weather report"
    }

    fn uri(&self) -> &'static str {
        "https://example.com/weather/v1"
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("sky")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("sky")?.one_of(&["blue", "grey"])?;
        document.get("clouds").map_or(Ok(()), |clouds| {
            clouds.elements()?.try_for_each(|cloud| cloud.require("height")?.integer(1).map(|_| ()))
        })
    }

    fn describe(&self, document: &Document<'_>) -> String {
        format!("{} sky", document.string("sky").unwrap_or_default())
    }
}

impl Predicate for Forecast {
    fn kind() -> &'static dyn PredicateType {
        &Weather
    }
}

#[test]
fn a_type_from_outside_is_as_good_as_those_inside() {
    let types = PredicateTypes::default().with(Weather).unwrap();
    let good = br#"{"sky":"blue","clouds":[{"height":2}]}"#;
    for requested in ["auto", "weather", "https://example.com/weather/v1"] {
        let checked = types.check(good, requested).unwrap();
        assert_eq!(
            (checked.uri.as_str(), checked.description.as_str()),
            ("https://example.com/weather/v1", "blue sky")
        );
    }
    let error = types.check(b"{\"sky\":\"grey\",\n\"clouds\":[{}]}", "auto").unwrap_err();
    assert_eq!(error.message(), "not valid weather report: clouds[0].height, line 2");
    let ambiguous = types.check(br#"{"sky":"blue","bomFormat":"CycloneDX"}"#, "auto").unwrap_err();
    assert_eq!(ambiguous.found_value(), Some("cyclonedx, weather"));

    let selector = types.selector("weather").unwrap();
    assert!(
        selector.matches("https://example.com/weather/v1")
            && !selector.matches("https://example.com/weather/v2")
    );
    let blue = Forecast { sky: "blue".into() };
    assert_eq!(statement(&blue).unwrap().predicate_as::<Forecast>().unwrap(), blue);
    assert_eq!(statement(&Forecast { sky: "green".into() }).unwrap_err().code(), Code::PredicateMismatch);

    // A name or URI belongs to one type.
    assert_eq!(types.with(Weather).unwrap_err().code(), Code::InvalidArgument);
    sign_core::check_predicate(good, "auto").unwrap_err();
}
