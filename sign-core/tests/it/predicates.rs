//! Every predicate type: one good document, and for each rule a document that breaks it and no other.

use serde_json::{Value, json};
use sign_core::{Code, check_predicate};

/// Applies `change` to `document`: a JSON pointer and the value to put there, or `None` to take away.
fn edit(document: &Value, pointer: &str, change: Option<Value>) -> String {
    let mut edited = document.clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match (edited.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")), change) {
        (Value::Object(members), Some(value)) => {
            members.insert(last.replace("~1", "/"), value);
        }
        (Value::Object(members), None) => {
            members.remove(last).unwrap_or_else(|| panic!("no {pointer}"));
        }
        (Value::Array(items), Some(value)) => match items.get_mut(last.parse::<usize>().unwrap()) {
            Some(item) => *item = value,
            None => items.push(value),
        },
        (Value::Array(items), None) => {
            items.remove(last.parse().unwrap());
        }
        _ => panic!("{parent} has no members"),
    }
    edited.to_string()
}

type Case = (&'static str, Option<Value>, &'static str);

/// The document is recognised and valid, and each change makes it invalid at the place named.
fn rules(document: &Value, uri: &str, name: &str, cases: Vec<Case>) {
    let checked = check_predicate(document.to_string().as_bytes(), "auto").unwrap();
    assert_eq!(checked.uri, uri);
    for requested in [name, uri] {
        assert_eq!(check_predicate(document.to_string().as_bytes(), requested).unwrap().uri, uri);
    }
    assert!(cases.len() >= 5, "{name} has {} bad documents", cases.len());
    for (pointer, change, place) in cases {
        let bad = edit(document, pointer, change);
        let error = check_predicate(bad.as_bytes(), name).expect_err(&bad);
        assert_eq!(error.code(), Code::PredicateMismatch, "{error}: {bad}");
        let place = format!(": {place}, line 1");
        assert!(error.message().ends_with(&place), "{error}\nshould be at {place}\n{bad}");
        assert!(error.expected_value().is_some() && error.found_value().is_some(), "{error}");
    }
}

pub fn spdx() -> Value {
    json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "dataLicense": "CC0-1.0",
        "documentNamespace": "https://example.com/app",
        "creationInfo": { "created": "2026-01-31T12:00:00Z", "creators": ["Tool: made-by-hand"] },
        "externalDocumentRefs": [{
            "externalDocumentId": "DocumentRef-base", "spdxDocument": "https://example.com/base",
            "checksum": { "algorithm": "SHA1", "checksumValue": "da39a3ee5e6b4b0d3255bfef95601890afd80709" }
        }],
        "relationships": [
            { "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-app" },
            { "spdxElementId": "SPDXRef-app", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-main" },
            { "spdxElementId": "SPDXRef-app", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "NOASSERTION" },
            { "spdxElementId": "SPDXRef-app", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "DocumentRef-base:SPDXRef-libc" },
            { "spdxElementId": "SPDXRef-app", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-app" },
        ],
        "packages": [{
            "SPDXID": "SPDXRef-app", "name": "app", "downloadLocation": "NOASSERTION", "versionInfo": "1.0",
            "checksums": [{ "algorithm": "SHA256", "checksumValue": "ab" }],
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:cargo/app@1.0"
            }],
            "hasFiles": ["SPDXRef-main"]
        }],
        "files": [{
            "SPDXID": "SPDXRef-main", "fileName": "./main.rs",
            "checksums": [{ "algorithm": "SHA1", "checksumValue": "da39a3ee5e6b4b0d3255bfef95601890afd80709" }]
        }],
        "snippets": [{
            "SPDXID": "SPDXRef-part", "snippetFromFile": "SPDXRef-main", "ranges": []
        }],
        "hasExtractedLicensingInfos": [{ "licenseId": "LicenseRef-own", "extractedText": "Do as you like." }]
    })
}

#[test]
fn spdx_2() {
    let file = json!({ "SPDXID": "SPDXRef-app", "fileName": "x", "checksums": [{ "algorithm": "SHA1", "checksumValue": "0" }] });
    let document = spdx();
    rules(
        &document,
        "https://spdx.dev/Document",
        "spdx",
        vec![
            ("/spdxVersion", Some(json!("SPDX-2.4")), "spdxVersion"),
            ("/spdxVersion", Some(json!(2.3)), "spdxVersion"),
            ("/SPDXID", Some(json!("SPDXRef-OTHER")), "SPDXID"),
            ("/name", None, "name"),
            ("/dataLicense", Some(json!("MIT")), "dataLicense"),
            ("/documentNamespace", Some(json!("app")), "documentNamespace"),
            ("/documentNamespace", Some(json!("https://example.com/app#1")), "documentNamespace"),
            ("/creationInfo", None, "creationInfo"),
            ("/creationInfo/created", Some(json!("2026-01-31")), "creationInfo.created"),
            ("/creationInfo/created", Some(json!("2026-01-31T12:00:00+01:00")), "creationInfo.created"),
            ("/creationInfo/creators", Some(json!([])), "creationInfo.creators"),
            ("/creationInfo/creators/0", Some(json!("somebody")), "creationInfo.creators[0]"),
            ("/packages", Some(json!({})), "packages"),
            ("/packages/0", Some(json!("app")), "packages[0]"),
            ("/packages/0/SPDXID", None, "packages[0].SPDXID"),
            ("/packages/0/SPDXID", Some(json!("app")), "packages[0].SPDXID"),
            ("/packages/0/SPDXID", Some(json!("SPDXRef-DOCUMENT")), "packages[0].SPDXID"),
            ("/packages/0/name", Some(json!("")), "packages[0].name"),
            ("/packages/0/downloadLocation", None, "packages[0].downloadLocation"),
            (
                "/packages/0/checksums/0/checksumValue",
                Some(json!("xyz")),
                "packages[0].checksums[0].checksumValue",
            ),
            ("/packages/0/externalRefs/0/referenceType", None, "packages[0].externalRefs[0].referenceType"),
            ("/packages/0/hasFiles/0", Some(json!("SPDXRef-gone")), "packages[0].hasFiles[0]"),
            ("/files/0/checksums", Some(json!([])), "files[0].checksums"),
            ("/files/1", Some(file), "files[1].SPDXID"),
            ("/snippets/0/snippetFromFile", Some(json!("SPDXRef-gone")), "snippets[0].snippetFromFile"),
            (
                "/externalDocumentRefs/0/externalDocumentId",
                Some(json!("base")),
                "externalDocumentRefs[0].externalDocumentId",
            ),
            ("/externalDocumentRefs/0/checksum", None, "externalDocumentRefs[0].checksum"),
            (
                "/externalDocumentRefs/0/externalDocumentId",
                Some(json!("DocumentRef-x")),
                "relationships[3].relatedSpdxElement",
            ),
            (
                "/relationships/0/relatedSpdxElement",
                Some(json!("SPDXRef-gone")),
                "relationships[0].relatedSpdxElement",
            ),
            ("/relationships/0/spdxElementId", Some(json!("NONE")), "relationships[0].spdxElementId"),
            ("/relationships/0/relationshipType", Some(json!("NEEDS")), "relationships[0].relationshipType"),
            ("/annotations", Some(json!([{ "comment": "x" }])), "annotations[0].annotationDate"),
            ("/packages/0/annotations", Some(json!({})), "packages[0].annotations"),
            ("/documentDescribes", Some(json!(["SPDXRef-gone"])), "documentDescribes[0]"),
            ("/hasExtractedLicensingInfos/0/licenseId", None, "hasExtractedLicensingInfos[0].licenseId"),
        ],
    );
    // SPDX 2.2 wants of each package what 2.3 made optional.
    let old = edit(&document, "/spdxVersion", Some(json!("SPDX-2.2")));
    let error = check_predicate(old.as_bytes(), "auto").unwrap_err();
    assert!(error.message().contains("packages[0].licenseConcluded"), "{error}");
}

#[test]
fn spdx_3() {
    let document = json!({
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [
            { "type": "Relationship", "spdxId": "https://example.com/r", "creationInfo": "_:c", "from": "https://example.com/app",
              "relationshipType": "contains", "to": ["https://example.com/main", "https://example.com/else", "https://spdx.org/licenses/MIT"] },
            { "type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-01-31T12:00:00Z",
              "createdBy": ["https://example.com/me"] },
            { "type": "Person", "spdxId": "https://example.com/me", "creationInfo": "_:c", "name": "me" },
            { "type": "SpdxDocument", "spdxId": "https://example.com/doc", "creationInfo": "_:c",
              "rootElement": ["https://example.com/app"], "import": [{ "externalSpdxId": "https://example.com/else" }] },
            { "type": "software_Package", "spdxId": "https://example.com/app", "creationInfo": "_:c", "name": "app" },
            { "type": "software_File", "spdxId": "https://example.com/main", "creationInfo": "_:c", "name": "main" },
        ]
    });
    let second =
        json!({ "type": "SpdxDocument", "spdxId": "https://example.com/doc2", "creationInfo": "_:c" });
    let gone = || Some(json!("https://example.com/gone"));
    rules(
        &document,
        "https://spdx.dev/Document",
        "spdxjson",
        vec![
            ("/@context", Some(json!("https://spdx.org/rdf/3.1/spdx-context.jsonld")), "@context"),
            ("/@graph", Some(json!([])), "@graph"),
            ("/@graph/4/type", None, "@graph[4].type"),
            ("/@graph/4/spdxId", None, "@graph[4].spdxId"),
            ("/@graph/4/spdxId", Some(json!("app")), "@graph[4].spdxId"),
            ("/@graph/5/spdxId", Some(json!("https://example.com/app")), "@graph[5].spdxId"),
            ("/@graph/4/name", None, "@graph[4].name"),
            ("/@graph/4/creationInfo", None, "@graph[4].creationInfo"),
            ("/@graph/4/creationInfo", Some(json!("_:d")), "@graph[4].creationInfo"),
            ("/@graph/1/specVersion", Some(json!("2.3")), "@graph[1].specVersion"),
            ("/@graph/1/created", Some(json!("yesterday")), "@graph[1].created"),
            ("/@graph/1/createdBy", Some(json!([])), "@graph[1].createdBy"),
            ("/@graph/1/createdBy/0", gone(), "@graph[1].createdBy[0]"),
            ("/@graph/0/from", gone(), "@graph[0].from"),
            ("/@graph/0/to/0", gone(), "@graph[0].to[0]"),
            ("/@graph/0/to", None, "@graph[0].to"),
            ("/@graph/0/relationshipType", None, "@graph[0].relationshipType"),
            ("/@graph/3/rootElement/0", gone(), "@graph[3].rootElement[0]"),
            ("/@graph/6", Some(second), "@graph[6]"),
        ],
    );
    let uri = "https://spdx.dev/Document/v3";
    assert_eq!(check_predicate(document.to_string().as_bytes(), uri).unwrap().uri, uri);
    let error =
        check_predicate(document.to_string().as_bytes(), "https://spdx.dev/Document/v2.3").unwrap_err();
    assert_eq!(error.code(), Code::PredicateMismatch);
}

pub fn cyclonedx() -> Value {
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "dependencies": [{ "ref": "app", "dependsOn": ["a", "b", "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#x"] }, { "ref": "b", "dependsOn": ["app"] }],
        "metadata": {
            "timestamp": "2026-01-31T12:00:00Z",
            "tools": { "components": [{ "type": "application", "name": "hand", "bom-ref": "tool" }] },
            "component": { "type": "container", "name": "app", "bom-ref": "app" }
        },
        "components": [{
            "type": "library", "name": "a", "bom-ref": "a",
            "hashes": [{ "alg": "SHA-1", "content": "da39a3ee5e6b4b0d3255bfef95601890afd80709" }],
            "licenses": [{ "license": { "id": "MIT" } }, { "expression": "MIT OR Apache-2.0" }],
            "components": [{ "type": "library", "name": "b", "bom-ref": "b" }]
        }],
        "services": [{ "name": "s", "bom-ref": "s", "services": [{ "name": "t", "bom-ref": "t" }] }],
        "vulnerabilities": [{ "id": "CVE-2026-0001", "bom-ref": "v", "affects": [{ "ref": "b" }] }],
        "compositions": [{ "aggregate": "complete", "assemblies": ["app"], "dependencies": ["t"] }]
    })
}

#[test]
fn cyclone_dx() {
    let document = cyclonedx();
    let twice = json!({ "type": "library", "name": "again", "bom-ref": "b" });
    rules(
        &document,
        "https://cyclonedx.org/bom",
        "cyclonedx",
        vec![
            ("/bomFormat", Some(json!("cyclonedx")), "bomFormat"),
            ("/specVersion", Some(json!("1.8")), "specVersion"),
            ("/specVersion", Some(json!("1.3")), "specVersion"),
            ("/specVersion", None, "specVersion"),
            ("/version", Some(json!(0)), "version"),
            ("/version", Some(json!("1")), "version"),
            ("/serialNumber", Some(json!("3e671687")), "serialNumber"),
            ("/metadata", Some(json!([])), "metadata"),
            ("/metadata/timestamp", Some(json!("today")), "metadata.timestamp"),
            ("/metadata/component/type", Some(json!("image")), "metadata.component.type"),
            ("/components", Some(json!({})), "components"),
            ("/components/0/name", None, "components[0].name"),
            ("/components/0/type", None, "components[0].type"),
            ("/components/0/hashes/0/content", Some(json!("zz")), "components[0].hashes[0].content"),
            ("/components/0/hashes/0/content", Some(json!("da39")), "components[0].hashes[0].content"),
            ("/components/0/hashes/0/alg", Some(json!("Streebog-256")), "components[0].hashes[0].alg"),
            ("/components/0/versionRange", Some(json!("vers:npm/>=1")), "components[0].versionRange"),
            ("/components/0/scope", Some(json!("dev")), "components[0].scope"),
            (
                "/components/0/licenses/0/license/name",
                Some(json!("MIT")),
                "components[0].licenses[0].license",
            ),
            ("/components/0/licenses/0/license/id", Some(json!("")), "components[0].licenses[0].license.id"),
            ("/components/0/licenses/1/expression", None, "components[0].licenses[1]"),
            ("/components/0/components/0/type", Some(json!("lib")), "components[0].components[0].type"),
            ("/components/1", Some(twice), "components[1].bom-ref"),
            ("/components/0/bom-ref", Some(json!("tool")), "components[0].bom-ref"),
            ("/services/0/services/0/name", None, "services[0].services[0].name"),
            ("/services/0/bom-ref", Some(json!("")), "services[0].bom-ref"),
            ("/dependencies/0/ref", Some(json!("gone")), "dependencies[0].ref"),
            ("/dependencies/0/dependsOn/1", Some(json!("gone")), "dependencies[0].dependsOn[1]"),
            ("/dependencies/0/provides", Some(json!(["gone"])), "dependencies[0].provides[0]"),
            ("/vulnerabilities/0/affects/0/ref", Some(json!("gone")), "vulnerabilities[0].affects[0].ref"),
            ("/compositions/0/aggregate", None, "compositions[0].aggregate"),
            ("/compositions/0/assemblies/0", Some(json!("gone")), "compositions[0].assemblies[0]"),
        ],
    );
    // The version became optional in 1.5, and this component type came in 1.6.
    let mut old = json!({ "bomFormat": "CycloneDX", "specVersion": "1.4" });
    let lacks = check_predicate(old.to_string().as_bytes(), "auto").unwrap_err();
    assert!(lacks.message().ends_with(": version, line 1"), "{lacks}");
    old["specVersion"] = json!("1.5");
    check_predicate(old.to_string().as_bytes(), "auto").unwrap();
    old["components"] = json!([{ "type": "cryptographic-asset", "name": "key" }]);
    check_predicate(old.to_string().as_bytes(), "auto").unwrap_err();
    old["specVersion"] = json!("1.7");
    check_predicate(old.to_string().as_bytes(), "auto").unwrap();
}

#[test]
fn slsa_provenance_1() {
    let document = json!({
        "buildDefinition": {
            "buildType": "https://example.com/build", "externalParameters": { "ref": "main" }, "internalParameters": { "runner": 1 },
            "resolvedDependencies": [{ "uri": "git+https://example.com/app", "digest": { "gitCommit": "ab" } }]
        },
        "runDetails": {
            "builder": { "id": "https://example.com/builder", "version": { "builder": "1" } },
            "metadata": { "invocationId": "1", "startedOn": "2026-01-31T12:00:00Z", "finishedOn": "2026-01-31T12:00:01.5Z" },
            "byproducts": [{ "content": "bG9n", "mediaType": "text/plain" }]
        }
    });
    let uri = "https://slsa.dev/provenance/v1";
    rules(
        &document,
        uri,
        "slsaprovenance1",
        vec![
            ("/buildDefinition", None, "buildDefinition"),
            ("/buildDefinition/buildType", Some(json!("build")), "buildDefinition.buildType"),
            ("/buildDefinition/externalParameters", Some(json!([])), "buildDefinition.externalParameters"),
            ("/buildDefinition/externalParameters", None, "buildDefinition.externalParameters"),
            ("/buildDefinition/internalParameters", Some(json!("x")), "buildDefinition.internalParameters"),
            (
                "/buildDefinition/resolvedDependencies/0",
                Some(json!({ "name": "x" })),
                "buildDefinition.resolvedDependencies[0]",
            ),
            (
                "/buildDefinition/resolvedDependencies/0/digest",
                Some(json!("ab")),
                "buildDefinition.resolvedDependencies[0].digest",
            ),
            ("/runDetails", Some(json!(null)), "runDetails"),
            ("/runDetails/builder/id", None, "runDetails.builder.id"),
            ("/runDetails/builder/version", Some(json!({ "a": 1 })), "runDetails.builder.version.a"),
            ("/runDetails/metadata/invocationId", Some(json!(7)), "runDetails.metadata.invocationId"),
            ("/runDetails/metadata/startedOn", Some(json!("2026-01-31")), "runDetails.metadata.startedOn"),
            ("/runDetails/metadata/finishedOn", Some(json!(1)), "runDetails.metadata.finishedOn"),
            ("/runDetails/byproducts", Some(json!({})), "runDetails.byproducts"),
        ],
    );
    assert_eq!(check_predicate(document.to_string().as_bytes(), "slsaprovenance").unwrap().uri, uri);
}

#[test]
fn slsa_provenance_0() {
    let document = json!({
        "builder": { "id": "https://example.com/builder" }, "buildType": "https://example.com/build",
        "invocation": { "configSource": { "uri": "git+https://example.com/app", "digest": { "sha1": "ab" }, "entryPoint": "make" } },
        "metadata": { "buildStartedOn": "2026-01-31T12:00:00Z", "completeness": { "parameters": true }, "reproducible": false },
        "materials": [{ "uri": "git+https://example.com/app", "digest": { "sha1": "ab" } }]
    });
    let uri = "https://slsa.dev/provenance/v0.2";
    rules(
        &document,
        uri,
        "slsaprovenance02",
        vec![
            ("/builder/id", None, "builder.id"),
            ("/builder", Some(json!("me")), "builder"),
            ("/buildType", Some(json!("build")), "buildType"),
            ("/invocation/configSource", Some(json!([])), "invocation.configSource"),
            ("/invocation/configSource/entryPoint", Some(json!(1)), "invocation.configSource.entryPoint"),
            ("/metadata/buildStartedOn", Some(json!("noon")), "metadata.buildStartedOn"),
            ("/metadata/completeness/parameters", Some(json!("yes")), "metadata.completeness.parameters"),
            ("/metadata/reproducible", Some(json!(0)), "metadata.reproducible"),
            ("/materials", Some(json!({})), "materials"),
            ("/materials/0/digest/sha1", Some(json!("")), "materials[0].digest.sha1"),
        ],
    );
    assert_eq!(check_predicate(document.to_string().as_bytes(), "slsaprovenance").unwrap().uri, uri);

    // The first version is read, and told from the others, but not written.
    let first = json!({ "builder": { "id": "https://example.com/builder" }, "recipe": { "type": "https://example.com/make" } });
    for requested in ["auto", "slsaprovenance", "slsaprovenance01", "https://slsa.dev/provenance/v0.1"] {
        let error = check_predicate(first.to_string().as_bytes(), requested).unwrap_err();
        assert_eq!(error.code(), Code::PredicateMismatch);
        assert!(error.hint_text().unwrap().contains("only read"), "{error}");
    }
}

pub fn openvex() -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex/1", "author": "dev@example.com",
        "timestamp": "2026-01-31T12:00:00Z", "version": 1,
        "statements": [
            { "@id": "https://example.com/vex/1#1", "vulnerability": { "name": "CVE-2026-0001", "aliases": ["GHSA-1"] }, "status": "not_affected",
              "justification": "component_not_present",
              "products": [{ "@id": "pkg:oci/app@sha256%3Aab", "hashes": { "sha-256": "ab" },
                             "subcomponents": [{ "identifiers": { "purl": "pkg:cargo/lib@1" } }] }] },
            { "vulnerability": { "name": "CVE-2026-0002" }, "status": "affected", "action_statement": "update to 1.1" },
            { "vulnerability": { "name": "CVE-2026-0003" }, "status": "fixed" },
        ]
    })
}

#[test]
fn open_vex() {
    let again =
        json!({ "@id": "https://example.com/vex/1#1", "vulnerability": { "name": "x" }, "status": "fixed" });
    rules(
        &openvex(),
        "https://openvex.dev/ns",
        "openvex",
        vec![
            ("/@context", Some(json!("https://openvex.dev/ns")), "@context"),
            ("/@id", None, "@id"),
            ("/author", Some(json!("")), "author"),
            ("/timestamp", Some(json!("2026")), "timestamp"),
            ("/version", Some(json!(0)), "version"),
            ("/version", Some(json!(1.5)), "version"),
            ("/statements", Some(json!([])), "statements"),
            ("/statements/0/vulnerability/name", None, "statements[0].vulnerability.name"),
            (
                "/statements/0/vulnerability/aliases/0",
                Some(json!(1)),
                "statements[0].vulnerability.aliases[0]",
            ),
            ("/statements/0/status", None, "statements[0].status"),
            ("/statements/0/status", Some(json!("unaffected")), "statements[0].status"),
            ("/statements/0/justification", None, "statements[0].justification"),
            ("/statements/0/justification", Some(json!("because")), "statements[0].justification"),
            ("/statements/0/action_statement", Some(json!("none")), "statements[0].action_statement"),
            ("/statements/1/action_statement", None, "statements[1].action_statement"),
            ("/statements/1/impact_statement", Some(json!("none")), "statements[1].impact_statement"),
            (
                "/statements/2/justification",
                Some(json!("component_not_present")),
                "statements[2].justification",
            ),
            ("/statements/2/action_statement", Some(json!("x")), "statements[2].action_statement"),
            ("/statements/0/products/0/@id", None, "statements[0].products[0]"),
            (
                "/statements/0/products/0/hashes",
                Some(json!({ "sha256": "ab" })),
                "statements[0].products[0].hashes.sha256",
            ),
            (
                "/statements/0/products/0/subcomponents/0/identifiers",
                Some(json!({})),
                "statements[0].products[0].subcomponents[0].identifiers",
            ),
            ("/statements/0/timestamp", Some(json!("2026")), "statements[0].timestamp"),
            ("/statements/3", Some(again), "statements[3].@id"),
        ],
    );
}

pub fn vsa() -> Value {
    json!({
        "verifier": { "id": "https://example.com/verifier", "version": { "v": "1" } }, "timeVerified": "2026-01-31T12:00:00Z",
        "resourceUri": "pkg:oci/app", "policy": { "uri": "https://example.com/policy", "digest": { "sha256": "ab" } },
        "inputAttestations": [{ "uri": "https://example.com/a", "digest": { "sha256": "ab" } }],
        "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_3", "SLSA_SOURCE_LEVEL_1", "SLSA_BUILD_REPRODUCED"],
        "dependencyLevels": { "SLSA_BUILD_LEVEL_1": 4, "SLSA_BUILD_LEVEL_2": "5" }, "slsaVersion": "1.2"
    })
}

#[test]
fn verification_summary() {
    rules(
        &vsa(),
        "https://slsa.dev/verification_summary/v1",
        "vsa",
        vec![
            ("/verifier/id", None, "verifier.id"),
            ("/verifier", Some(json!("me")), "verifier"),
            ("/timeVerified", Some(json!("noon")), "timeVerified"),
            ("/resourceUri", Some(json!("app")), "resourceUri"),
            ("/policy/uri", None, "policy.uri"),
            ("/inputAttestations/0/digest", None, "inputAttestations[0].digest"),
            ("/verificationResult", Some(json!("PASS")), "verificationResult"),
            ("/verifiedLevels", None, "verifiedLevels"),
            ("/verifiedLevels/3", Some(json!("SLSA_BUILD_LEVEL_2")), "verifiedLevels[3]"),
            ("/dependencyLevels/SLSA_BUILD_LEVEL_1", Some(json!(-1)), "dependencyLevels.SLSA_BUILD_LEVEL_1"),
            ("/slsaVersion", Some(json!("v1")), "slsaVersion"),
        ],
    );
}

pub fn vuln() -> Value {
    json!({
        "invocation": { "parameters": ["--all"], "uri": "https://example.com/run", "event_id": "1", "builder.id": "ci" },
        "scanner": { "uri": "pkg:github/example/scanner@1", "version": "1", "db": { "uri": "", "version": "" }, "result": { "n": 9007199254740993_u64 } },
        "metadata": { "scanStartedOn": "2026-01-31T12:00:00Z", "scanFinishedOn": "2026-01-31T12:00:01Z" }
    })
}

#[test]
fn vulnerability_scans() {
    rules(
        &vuln(),
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        "vuln",
        vec![
            ("/invocation/builder.id", Some(json!(1)), "invocation[\"builder.id\"]"),
            ("/scanner/uri", None, "scanner.uri"),
            ("/scanner/version", Some(json!(1)), "scanner.version"),
            ("/scanner/result", None, "scanner.result"),
            ("/metadata", None, "metadata"),
            ("/metadata/scanStartedOn", Some(json!("2026-01-31 12:00:00")), "metadata.scanStartedOn"),
            ("/metadata/scanFinishedOn", None, "metadata.scanFinishedOn"),
        ],
    );
    let in_toto = json!({
        "scanner": { "uri": "pkg:github/example/scanner@1", "db": { "lastUpdate": "2026-01-30T00:00:00Z" },
                     "result": [{ "id": "CVE-2026-0001", "severity": [{ "method": "cvss", "score": "5.2" }] }] },
        "metadata": { "scanStartedOn": "2026-01-31T12:00:00Z", "scanFinishedOn": "2026-01-31T12:00:01Z" }
    });
    rules(
        &in_toto,
        "https://in-toto.io/attestation/vulns/v0.2",
        "vulns",
        vec![
            ("/scanner/uri", Some(json!("scanner")), "scanner.uri"),
            ("/scanner/db", None, "scanner.db"),
            ("/scanner/db/lastUpdate", Some(json!("")), "scanner.db.lastUpdate"),
            ("/scanner/result", Some(json!({})), "scanner.result"),
            ("/scanner/result/0/id", None, "scanner.result[0].id"),
            ("/scanner/result/0/severity/0/score", Some(json!(5.2)), "scanner.result[0].severity[0].score"),
            ("/metadata/scanStartedOn", None, "metadata.scanStartedOn"),
        ],
    );
}

#[test]
fn the_smaller_types() {
    let test = json!({
        "result": "PASSED", "configuration": [{ "uri": "https://example.com/ci.yml" }], "url": "https://example.com/run",
        "passedTests": ["a"]
    });
    rules(
        &test,
        "https://in-toto.io/attestation/test-result/v0.1",
        "test-result",
        vec![
            ("/result", Some(json!("OK")), "result"),
            ("/configuration", Some(json!("ci")), "configuration"),
            ("/configuration/0", Some(json!({})), "configuration[0]"),
            ("/url", Some(json!("here")), "url"),
            ("/passedTests/0", Some(json!(1)), "passedTests[0]"),
        ],
    );
    let release = json!({ "purl": "pkg:npm/%40scope/app@1.0.0", "packageId": "7" });
    rules(
        &release,
        "https://in-toto.io/attestation/release/v0.2",
        "release",
        vec![
            ("/purl", None, "purl"),
            ("/purl", Some(json!("pkg:npm/@scope/app")), "purl"),
            ("/purl", Some(json!("pkg:npm/app?a=b@1")), "purl"),
            ("/purl", Some(json!("https://example.com/app@1")), "purl"),
            ("/packageId", Some(json!(7)), "packageId"),
        ],
    );
    let link = json!({
        "name": "build", "command": ["make", ""], "materials": [{ "name": "a", "digest": { "sha256": "ab" } }],
        "byproducts": {}, "environment": {}
    });
    let again = json!({ "name": "a", "digest": { "sha256": "cd" } });
    rules(
        &link,
        "https://in-toto.io/attestation/link/v0.3",
        "link03",
        vec![
            ("/name", Some(json!("")), "name"),
            ("/command", Some(json!("make")), "command"),
            ("/materials/0/digest", None, "materials[0]"),
            ("/materials/0/name", None, "materials[0].name"),
            ("/materials/1", Some(again), "materials[1].name"),
            ("/byproducts", Some(json!([])), "byproducts"),
        ],
    );
    let old_link = json!({
        "_type": "link", "name": "build", "command": [], "materials": { "a": { "sha256": "ab" } }, "products": {},
        "byproducts": {}, "environment": {}
    });
    rules(
        &old_link,
        "https://in-toto.io/Link/v1",
        "link1",
        vec![
            ("/_type", Some(json!("layout")), "_type"),
            ("/name", None, "name"),
            ("/command", None, "command"),
            ("/materials/a", Some(json!("ab")), "materials.a"),
            ("/environment", None, "environment"),
        ],
    );
    for (document, uri) in
        [(&link, "https://in-toto.io/attestation/link/v0.3"), (&old_link, "https://in-toto.io/Link/v1")]
    {
        assert_eq!(check_predicate(document.to_string().as_bytes(), "link").unwrap().uri, uri);
    }
    let scai = json!({
        "attributes": [{ "attribute": "WITH_STACK_PROTECTION", "target": { "uri": "https://example.com/a" }, "conditions": {},
                         "evidence": { "digest": { "sha256": "ab" } } }],
        "producer": { "uri": "https://example.com/producer" }
    });
    rules(
        &scai,
        "https://in-toto.io/attestation/scai/v0.3",
        "scai",
        vec![
            ("/attributes", Some(json!([])), "attributes"),
            ("/attributes/0/attribute", Some(json!("")), "attributes[0].attribute"),
            ("/attributes/0/conditions", Some(json!(1)), "attributes[0].conditions"),
            ("/attributes/0/evidence", Some(json!({})), "attributes[0].evidence"),
            ("/producer", Some(json!("me")), "producer"),
        ],
    );
    let reference = json!({
        "attester": { "id": "https://example.com/me" },
        "references": [{ "downloadLocation": "https://example.com/sbom", "mediaType": "application/spdx+json", "digest": { "sha256": "ab" } }]
    });
    rules(
        &reference,
        "https://in-toto.io/attestation/reference/v0.1",
        "reference",
        vec![
            ("/attester/id", Some(json!("me")), "attester.id"),
            ("/references", Some(json!({})), "references"),
            ("/references/0/downloadLocation", None, "references[0].downloadLocation"),
            ("/references/0/mediaType", None, "references[0].mediaType"),
            ("/references/0/digest", Some(json!([])), "references[0].digest"),
        ],
    );
}

#[test]
fn cosigns_generic_form_must_be_there_already() {
    let good = br#"{"Data":"x","Timestamp":"2026-01-31T12:00:00Z"}"#;
    assert_eq!(check_predicate(good, "auto").unwrap().uri, "https://cosign.sigstore.dev/attestation/v1");
    check_predicate(br#"{"Data":{"a":1},"Timestamp":""}"#, "custom").unwrap();
    for bad in [
        r#"{"by":"me"}"#,
        r#"{"Data":"x","Timestamp":"noon"}"#,
        r#"{"Data":"x","Timestamp":5}"#,
        r#"{"Timestamp":""}"#,
    ] {
        assert_eq!(
            check_predicate(bad.as_bytes(), "custom").unwrap_err().code(),
            Code::PredicateMismatch,
            "{bad}"
        );
    }
    let error = check_predicate(br#"{"by":"me"}"#, "custom").unwrap_err();
    assert!(error.hint_text().unwrap().contains("--type https://"), "{error}");
}

#[test]
fn the_type_is_told_from_the_content_or_asked_for() {
    for (document, requested, code, found) in [
        (
            r#"{"bomFormat":"CycloneDX","spdxVersion":"SPDX-2.3"}"#,
            "auto",
            Code::PredicateUnknown,
            "spdx2, cyclonedx",
        ),
        (r#"{"a":1}"#, "auto", Code::PredicateUnknown, ""),
        (
            r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"x"}"#,
            "auto",
            Code::PredicateUnknown,
            "statement",
        ),
        (r#"{"payloadType":"x","payload":""}"#, "auto", Code::PredicateUnknown, "signed"),
        (r#"{"bomFormat":"CycloneDX"}"#, "spdx", Code::PredicateMismatch, "CycloneDX"),
        (r#"{"a":1}"#, "slsaprovenance", Code::PredicateMismatch, "unknown"),
        (r#"{"a":1}"#, "https://slsa.dev/verification_summary/v1", Code::PredicateMismatch, "nothing"),
        (r#"{"a":1}"#, "word", Code::InvalidArgument, "word"),
        ("not even JSON", "word", Code::InvalidArgument, "word"),
    ] {
        let error = check_predicate(document.as_bytes(), requested).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.found_value().unwrap_or_default().contains(found), "{error}");
    }
    let own = check_predicate(br#"{"n":9007199254740993}"#, "https://example.com/own/v1").unwrap();
    assert_eq!(own.uri, "https://example.com/own/v1");
}

#[test]
fn a_complaint_says_where_and_cannot_flood_the_screen() {
    let mut document = spdx();
    document["packages"][0]["downloadLocation"] = json!(null);
    let pretty = serde_json::to_string_pretty(&document).unwrap();
    let line = pretty.lines().position(|line| line.contains("downloadLocation")).unwrap() + 1;
    let error = check_predicate(pretty.as_bytes(), "auto").unwrap_err();
    assert_eq!(error.message(), format!("not valid SPDX 2: packages[0].downloadLocation, line {line}"));
    assert_eq!(error.found_value(), Some("null"));

    let hostile = json!({ "bomFormat": "CycloneDX", "specVersion": format!("\u{1b}[2J\u{202e}{}", "x".repeat(1 << 20)) });
    let error = check_predicate(hostile.to_string().as_bytes(), "auto").unwrap_err();
    assert!(error.to_string().len() < 300, "{} bytes", error.to_string().len());
}

#[test]
fn circles_and_depth_end() {
    // Depth is the parser's to refuse; a component in a component counts two levels.
    let nest = |levels: usize| {
        let open = r#"{"type":"library","name":"n","components":["#.repeat(levels);
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{open}{}]}}"#,
            "]}".repeat(levels)
        )
    };
    check_predicate(nest(60).as_bytes(), "auto").unwrap();
    assert_eq!(check_predicate(nest(70).as_bytes(), "auto").unwrap_err().code(), Code::InvalidJson);

    let vex: Vec<_> = (0..10_000)
        .map(|i| json!({ "vulnerability": { "name": format!("CVE-2026-{i}") }, "status": "under_investigation" }))
        .collect();
    let mut document = openvex();
    document["statements"] = json!(vex);
    assert!(
        check_predicate(document.to_string().as_bytes(), "auto")
            .unwrap()
            .description
            .contains("10000 statements")
    );
}

#[test]
fn every_document_gets_an_answer() {
    for document in [vsa(), openvex(), vuln()] {
        let good = document.to_string().into_bytes();
        for at in 0..good.len() {
            // Whatever the answer, there is one, and it blames the document.
            let answer = |bytes: &[u8]| {
                if let Err(error) = check_predicate(bytes, "auto") {
                    assert_eq!(error.outcome().exit_status(), 2, "{error}");
                }
            };
            answer(&good[..at]);
            for byte in *b"{}[]\":,\\0 \xff" {
                let mut bad = good.clone();
                bad[at] = byte;
                answer(&bad);
            }
        }
    }
}
