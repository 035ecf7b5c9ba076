//! CycloneDX 1.4 to 1.7 in JSON.
//!
//! Source: CycloneDX JSON schemas `bom-1.4` to `bom-1.7`. References are checked too: within a document
//! a `bom-ref` is unique, and what depends on another names one that is there. Dependencies may form
//! circles, as those of real packages do.

use std::borrow::Cow;
use std::collections::HashSet;

use super::document::{Document, Node};
use super::resource::time;
use super::{PredicateType, counted};
use crate::error::Result;

pub(super) struct Type;

const URI: &str = "https://cyclonedx.org/bom";
const VERSIONS: [&str; 4] = ["1.4", "1.5", "1.6", "1.7"];
/// Component types, each with the first version that has it.
const COMPONENT_TYPES: [(&str, &str); 13] = [
    ("library", "1.4"),
    ("application", "1.4"),
    ("framework", "1.4"),
    ("container", "1.4"),
    ("operating-system", "1.4"),
    ("device", "1.4"),
    ("firmware", "1.4"),
    ("file", "1.4"),
    ("platform", "1.5"),
    ("device-driver", "1.5"),
    ("machine-learning-model", "1.5"),
    ("data", "1.5"),
    ("cryptographic-asset", "1.6"),
];

/// Hash algorithms, each with the first version that has it.
const HASHES: [(&str, &str); 14] = [
    ("MD5", "1.4"),
    ("SHA-1", "1.4"),
    ("SHA-256", "1.4"),
    ("SHA-384", "1.4"),
    ("SHA-512", "1.4"),
    ("SHA3-256", "1.4"),
    ("SHA3-384", "1.4"),
    ("SHA3-512", "1.4"),
    ("BLAKE2b-256", "1.4"),
    ("BLAKE2b-384", "1.4"),
    ("BLAKE2b-512", "1.4"),
    ("BLAKE3", "1.4"),
    ("Streebog-256", "1.7"),
    ("Streebog-512", "1.7"),
];
/// Lengths of hashes in hexadecimal digits.
const HASH_LENGTHS: [usize; 5] = [32, 40, 64, 96, 128];

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "cyclonedx"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["cyclonedxjson"]
    }

    fn title(&self) -> &'static str {
        "CycloneDX"
    }

    fn uri(&self) -> &'static str {
        URI
    }

    fn reads(&self, uri: &str) -> bool {
        // Some signers append the version: `…/bom/v1.5`.
        uri.strip_prefix(URI).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v"))
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.has("bomFormat")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("bomFormat")?.one_of(&["CycloneDX"])?;
        let version = document.require("specVersion")?.one_of(&VERSIONS)?;
        match document.get("version") {
            Some(number) => {
                number.integer(1)?;
            }
            None if version == "1.4" => return Err(document.root().lacks("version")),
            None => {}
        }
        if let Some(serial) = document.get("serialNumber")
            && !serial.string().is_some_and(|text| is_uuid(&text))
        {
            return Err(serial.wrong("urn:uuid: and a UUID in lower case"));
        }
        let mut bom = Bom { version, refs: HashSet::new() };
        if let Some(metadata) = document.get("metadata") {
            let [timestamp, component, tools, licenses] =
                metadata.object()?.pick(["timestamp", "component", "tools", "licenses"]);
            time(timestamp)?;
            bom.list(licenses, |_, node| license(node))?;
            component.map_or(Ok(()), |node| bom.component(node))?;
            // Since 1.5; an array of another form before.
            bom.members_of(tools.filter(|node| node.is_object()))?;
        }
        bom.list(document.get("components"), Bom::component)?;
        bom.list(document.get("services"), Bom::service)?;
        bom.list(document.get("vulnerabilities"), Bom::named)?;
        bom.list(document.get("compositions"), Bom::named)?;
        bom.list(document.get("annotations"), Bom::named)?;
        bom.list(document.get("formulation"), |bom, node| bom.members_of(Some(node)))?;
        bom.members_of(document.get("declarations").and_then(|node| node.get("targets")))?;

        // Only now is every `bom-ref` known.
        bom.list(document.get("dependencies"), |bom, node| bom.dependency(node))?;
        bom.list(document.get("vulnerabilities"), |bom, node| {
            bom.list(node.get("affects"), |bom, affected| bom.resolve(affected.require("ref")?))
        })?;
        bom.list(document.get("compositions"), |bom, node| {
            node.require("aggregate")?.text()?;
            bom.list(node.get("assemblies"), |bom, node| bom.resolve(node))?;
            bom.list(node.get("dependencies"), |bom, node| bom.resolve(node))
        })
    }

    fn describe(&self, document: &Document<'_>) -> String {
        format!(
            "CycloneDX {} document, {}",
            document.string("specVersion").unwrap_or_default(),
            counted(
                document.get("components").map_or(0, |components| components.items().count()),
                "component",
                "components"
            )
        )
    }
}

/// What is known of a document while it is gone through.
struct Bom<'d> {
    version: Cow<'d, str>,
    refs: HashSet<Cow<'d, str>>,
}

impl<'d> Bom<'d> {
    /// Runs `check` over an array, where there is one.
    fn list(
        &mut self,
        node: Option<Node<'d>>,
        mut check: impl FnMut(&mut Self, Node<'d>) -> Result<()>,
    ) -> Result<()> {
        match node {
            Some(node) => node.elements()?.try_for_each(|item| check(self, item)),
            None => Ok(()),
        }
    }

    /// The components and services of something that has both.
    fn members_of(&mut self, node: Option<Node<'d>>) -> Result<()> {
        let Some(node) = node else { return Ok(()) };
        let [components, services] = node.object()?.pick(["components", "services"]);
        self.list(components, Self::component)?;
        self.list(services, Self::service)
    }

    /// A component and those inside it. The parser's limit on nesting bounds the recursion.
    fn component(&mut self, node: Node<'d>) -> Result<()> {
        let [kind, name, bom_ref, version, range, external, scope, hashes, licenses, inner, pedigree] =
            node.object()?.pick([
                "type",
                "name",
                "bom-ref",
                "version",
                "versionRange",
                "isExternal",
                "scope",
                "hashes",
                "licenses",
                "components",
                "pedigree",
            ]);
        self.word(node.present(kind, "type")?, &COMPONENT_TYPES, "component type")?;
        node.present(name, "name")?.any_text()?;
        self.define(bom_ref)?;
        if let Some(range) = range
            && (version.is_some() || external.is_none_or(|node| node.raw() != "true"))
        {
            return Err(range.wrong("a range only of what is external, and no version beside it"));
        }
        if let Some(scope) = scope {
            scope.one_of(&["required", "optional", "excluded"])?;
        }
        self.list(hashes, |bom, node| bom.hash(node))?;
        self.list(licenses, |_, node| license(node))?;
        if let Some(pedigree) = pedigree {
            for relatives in pedigree.object()?.pick(["ancestors", "descendants", "variants"]) {
                self.list(relatives, Self::component)?;
            }
        }
        self.list(inner, Self::component)
    }

    /// Whether `node` is a word of `list` that this version of CycloneDX has.
    fn word(&self, node: Node<'d>, list: &[(&str, &str)], what: &str) -> Result<()> {
        let known =
            |text: &str| list.iter().any(|(word, since)| *word == text && *since <= self.version.as_ref());
        if node.string().is_some_and(|text| known(&text)) {
            return Ok(());
        }
        Err(node.wrong(format!("a {what} of CycloneDX {}", self.version)))
    }

    fn hash(&self, node: Node<'d>) -> Result<()> {
        let [algorithm, content] = node.object()?.pick(["alg", "content"]);
        self.word(node.present(algorithm, "alg")?, &HASHES, "hash algorithm")?;
        let content = node.present(content, "content")?;
        let is_hash =
            |text: &str| HASH_LENGTHS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if content.string().is_some_and(|text| is_hash(&text)) {
            return Ok(());
        }
        Err(content.wrong("a hash in hexadecimal digits"))
    }

    fn service(&mut self, node: Node<'d>) -> Result<()> {
        let [name, bom_ref, licenses, inner] =
            node.object()?.pick(["name", "bom-ref", "licenses", "services"]);
        node.present(name, "name")?.any_text()?;
        self.define(bom_ref)?;
        self.list(licenses, |_, node| license(node))?;
        self.list(inner, Self::service)
    }

    fn named(&mut self, node: Node<'d>) -> Result<()> {
        self.define(node.object()?.get("bom-ref"))
    }

    fn define(&mut self, bom_ref: Option<Node<'d>>) -> Result<()> {
        let Some(node) = bom_ref else { return Ok(()) };
        if !self.refs.insert(node.text()?) {
            return Err(node.wrong("a bom-ref that nothing else has"));
        }
        Ok(())
    }

    fn dependency(&mut self, node: Node<'d>) -> Result<()> {
        let [from, on, provides] = node.object()?.pick(["ref", "dependsOn", "provides"]);
        self.resolve(node.present(from, "ref")?)?;
        self.list(on, |bom, node| bom.resolve(node))?;
        self.list(provides, |bom, node| bom.resolve(node))
    }

    /// Whether `node` names something of this document, or by BOM-Link something of another.
    fn resolve(&self, node: Node<'d>) -> Result<()> {
        let known = |text: &str| self.refs.contains(text) || text.starts_with("urn:cdx:");
        if node.string().is_some_and(|text| known(&text)) {
            return Ok(());
        }
        Err(node.wrong("the bom-ref of something in this document"))
    }
}

/// A licence: an expression, or one that has either an SPDX id or a name.
fn license(node: Node<'_>) -> Result<()> {
    let [license, expression] = node.object()?.pick(["license", "expression"]);
    let only = either(node, [license, expression], "license or expression")?;
    let name = match license {
        Some(license) => either(license, license.object()?.pick(["id", "name"]), "id or name")?,
        None => only,
    };
    name.text().map(|_| ())
}

/// The only one of two members of `node`.
fn either<'d>(node: Node<'d>, members: [Option<Node<'d>>; 2], names: &str) -> Result<Node<'d>> {
    match members {
        [Some(only), None] | [None, Some(only)] => Ok(only),
        _ => Err(node.wrong(format!("either {names}"))),
    }
}

fn is_uuid(text: &str) -> bool {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.split('-').map(str::len).eq(GROUPS)
        && uuid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}
