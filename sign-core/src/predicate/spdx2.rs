//! SPDX 2.2 and 2.3 documents in JSON.
//!
//! Source: SPDX 2.2.2 and 2.3, clauses 6 to 11 and the JSON schema. What one part of a document says
//! about another is checked too: a relationship to an element that is not there describes nothing.

use std::borrow::Cow;
use std::collections::HashSet;

use super::document::{Document, Node};
use super::{PredicateType, counted};
use crate::error::Result;

pub(super) struct Type;

const URI: &str = "https://spdx.dev/Document";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
/// Relationship types: SPDX 2.3, clause 11.1.
const RELATIONSHIPS: &[&str] = &[
    "DESCRIBES",
    "DESCRIBED_BY",
    "CONTAINS",
    "CONTAINED_BY",
    "DEPENDS_ON",
    "DEPENDENCY_OF",
    "DEPENDENCY_MANIFEST_OF",
    "BUILD_DEPENDENCY_OF",
    "DEV_DEPENDENCY_OF",
    "OPTIONAL_DEPENDENCY_OF",
    "PROVIDED_DEPENDENCY_OF",
    "TEST_DEPENDENCY_OF",
    "RUNTIME_DEPENDENCY_OF",
    "EXAMPLE_OF",
    "GENERATES",
    "GENERATED_FROM",
    "ANCESTOR_OF",
    "DESCENDANT_OF",
    "VARIANT_OF",
    "DISTRIBUTION_ARTIFACT",
    "PATCH_FOR",
    "PATCH_APPLIED",
    "COPY_OF",
    "FILE_ADDED",
    "FILE_DELETED",
    "FILE_MODIFIED",
    "EXPANDED_FROM_ARCHIVE",
    "DYNAMIC_LINK",
    "STATIC_LINK",
    "DATA_FILE_OF",
    "TEST_CASE_OF",
    "BUILD_TOOL_OF",
    "DEV_TOOL_OF",
    "TEST_OF",
    "TEST_TOOL_OF",
    "DOCUMENTATION_OF",
    "OPTIONAL_COMPONENT_OF",
    "METAFILE_OF",
    "PACKAGE_OF",
    "AMENDS",
    "PREREQUISITE_FOR",
    "HAS_PREREQUISITE",
    "REQUIREMENT_DESCRIPTION_FOR",
    "SPECIFICATION_FOR",
    "OTHER",
];

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "spdx2"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["spdx", "spdxjson"]
    }

    fn title(&self) -> &'static str {
        "SPDX 2"
    }

    fn uri(&self) -> &'static str {
        URI
    }

    fn reads(&self, uri: &str) -> bool {
        // Some signers append the version: `…/Document/v2.3`.
        uri.strip_prefix(URI).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v2"))
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("spdxVersion")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        let version = document.require("spdxVersion")?.one_of(&["SPDX-2.2", "SPDX-2.3"])?;
        document.require("SPDXID")?.one_of(&[DOCUMENT])?;
        document.require("name")?.text()?;
        document.require("dataLicense")?.one_of(&["CC0-1.0"])?;
        let namespace = document.require("documentNamespace")?;
        if namespace.uri()?.contains('#') {
            return Err(namespace.wrong("an absolute URI without #"));
        }
        creation(document.require("creationInfo")?)?;

        // The elements first, wherever they stand in the file: references may come before them.
        let mut elements = Elements::default();
        elements.ids.insert(DOCUMENT.into());
        // SPDX 2.3 made these optional.
        let stated: &[&str] = if version == "SPDX-2.2" {
            &["licenseConcluded", "licenseDeclared", "copyrightText"]
        } else {
            &[]
        };
        array(document, "packages", |node| package(node, stated, &mut elements))?;
        array(document, "files", |node| file(node, &mut elements))?;
        array(document, "snippets", |node| {
            elements.add(node, node.get("SPDXID"))?;
            elements.later.push(node.require("snippetFromFile")?);
            node.require("ranges")?.elements().map(|_| ())
        })?;
        array(document, "externalDocumentRefs", |node| elements.external(node))?;
        array(document, "hasExtractedLicensingInfos", |node| {
            node.require("licenseId")?.text()?;
            node.require("extractedText")?.any_text().map(|_| ())
        })?;

        array(document, "annotations", annotation)?;
        array(document, "relationships", |node| relationship(node, &elements))?;
        array(document, "documentDescribes", |node| elements.resolve(node, &[]))?;
        elements.later.iter().try_for_each(|node| elements.resolve(*node, &[]))
    }

    fn describe(&self, document: &Document<'_>) -> String {
        format!(
            "{} document {:?}, {}",
            document.string("spdxVersion").unwrap_or_default(),
            document.string("name").unwrap_or_default(),
            counted(
                document.get("packages").map_or(0, |packages| packages.items().count()),
                "package",
                "packages"
            )
        )
    }
}

/// Runs `check` over the elements of a top-level array, where there is one.
fn array<'d>(document: &Document<'d>, name: &str, check: impl FnMut(Node<'d>) -> Result<()>) -> Result<()> {
    match document.get(name) {
        Some(node) => node.elements()?.try_for_each(check),
        None => Ok(()),
    }
}

fn creation(info: Node<'_>) -> Result<()> {
    let created = info.require("created")?;
    if !created.string().is_some_and(|text| text.ends_with('Z')) {
        return Err(created.wrong("a time in UTC, such as 2026-01-31T12:00:00Z"));
    }
    created.time()?;
    for creator in info.require("creators")?.some_elements()? {
        let named = |text: &str| {
            ["Person:", "Organization:", "Tool:"]
                .iter()
                .any(|kind| text.strip_prefix(kind).is_some_and(|name| !name.trim().is_empty()))
        };
        if !creator.string().is_some_and(|text| named(&text)) {
            return Err(creator.wrong("Person: NAME, Organization: NAME or Tool: NAME-VERSION"));
        }
    }
    Ok(())
}

fn package<'d>(node: Node<'d>, stated: &[&str], elements: &mut Elements<'d>) -> Result<()> {
    let [id, name, location, checksums, references, files, annotations] = node.object()?.pick([
        "SPDXID",
        "name",
        "downloadLocation",
        "checksums",
        "externalRefs",
        "hasFiles",
        "annotations",
    ]);
    elements.add(node, id)?;
    node.present(name, "name")?.text()?;
    node.present(location, "downloadLocation")?.text()?;
    for name in stated {
        node.require(name)?.text()?;
    }
    annotations.map_or(Ok(()), |node| node.elements()?.try_for_each(annotation))?;
    elements.later.extend(files.map(|node| node.elements()).transpose()?.into_iter().flatten());
    if let Some(checksums) = checksums {
        checksums.elements()?.try_for_each(checksum)?;
    }
    for reference in references.map(|node| node.elements()).transpose()?.into_iter().flatten() {
        let members = reference.object()?.pick(["referenceCategory", "referenceType", "referenceLocator"]);
        for (member, name) in
            members.into_iter().zip(["referenceCategory", "referenceType", "referenceLocator"])
        {
            reference.present(member, name)?.text()?;
        }
    }
    Ok(())
}

fn file<'d>(node: Node<'d>, elements: &mut Elements<'d>) -> Result<()> {
    let [id, name, checksums] = node.object()?.pick(["SPDXID", "fileName", "checksums"]);
    elements.add(node, id)?;
    node.present(name, "fileName")?.text()?;
    node.present(checksums, "checksums")?.some_elements()?.try_for_each(checksum)
}

fn annotation(node: Node<'_>) -> Result<()> {
    let names = ["annotationDate", "annotationType", "annotator", "comment"];
    for (member, name) in node.object()?.pick(names).into_iter().zip(names) {
        node.present(member, name)?.text()?;
    }
    Ok(())
}

fn checksum(node: Node<'_>) -> Result<()> {
    let [algorithm, value] = node.object()?.pick(["algorithm", "checksumValue"]);
    node.present(algorithm, "algorithm")?.text()?;
    let value = node.present(value, "checksumValue")?;
    value
        .string()
        .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(|_| ())
        .ok_or_else(|| value.wrong("hexadecimal digits"))
}

fn relationship<'d>(node: Node<'d>, elements: &Elements<'d>) -> Result<()> {
    let [from, kind, to] = node.object()?.pick(["spdxElementId", "relationshipType", "relatedSpdxElement"]);
    elements.resolve(node.present(from, "spdxElementId")?, &[])?;
    node.present(kind, "relationshipType")?.one_of(RELATIONSHIPS)?;
    elements.resolve(node.present(to, "relatedSpdxElement")?, &["NONE", "NOASSERTION"])
}

/// The identifiers that a document defines.
#[derive(Default)]
struct Elements<'d> {
    ids: HashSet<Cow<'d, str>>,
    documents: HashSet<Cow<'d, str>>,
    /// References met before everything was defined that they may name.
    later: Vec<Node<'d>>,
}

impl<'d> Elements<'d> {
    fn add(&mut self, owner: Node<'d>, id: Option<Node<'d>>) -> Result<()> {
        let id = owner.object()?.present(id, "SPDXID")?;
        let text = id
            .string()
            .filter(|text| is_identifier(text, "SPDXRef-"))
            .ok_or_else(|| id.wrong("SPDXRef- and letters, digits, dots and hyphens"))?;
        if !self.ids.insert(text) {
            return Err(id.wrong("an SPDXID that no other element has"));
        }
        Ok(())
    }

    fn external(&mut self, node: Node<'d>) -> Result<()> {
        let id = node.require("externalDocumentId")?;
        node.require("spdxDocument")?.uri()?;
        checksum(node.require("checksum")?)?;
        let text = id
            .string()
            .filter(|text| is_identifier(text, "DocumentRef-"))
            .ok_or_else(|| id.wrong("DocumentRef- and letters, digits, dots, hyphens and plus signs"))?;
        if !self.documents.insert(text) {
            return Err(id.wrong("an identifier that no other external document has"));
        }
        Ok(())
    }

    /// Whether `node` names an element of this document, of an external one, or one of `words`.
    fn resolve(&self, node: Node<'d>, words: &[&str]) -> Result<()> {
        let known = |text: &str| match text.split_once(':') {
            Some((document, id)) => self.documents.contains(document) && is_identifier(id, "SPDXRef-"),
            None => self.ids.contains(text) || words.contains(&text),
        };
        if node.string().is_some_and(|text| known(&text)) {
            return Ok(());
        }
        Err(node.wrong("the SPDXID of an element of this document or of a declared external one"))
    }
}

fn is_identifier(text: &str, prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
    text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(allowed))
}
