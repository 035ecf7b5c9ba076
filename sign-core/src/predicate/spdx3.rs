//! SPDX 3.0 documents in JSON-LD.
//!
//! Source: SPDX 3.0.1, model (Core) and annex "RDF and JSON-LD serialization".

use std::borrow::Cow;
use std::collections::HashSet;

use super::document::{Document, Node};
use super::{PredicateType, counted};
use crate::error::Result;

pub(super) struct Type;

const FAMILY: &str = "https://spdx.dev/Document";
const CONTEXT: &str = "https://spdx.org/rdf/";

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "spdx3"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["spdx", "spdxjson"]
    }

    fn title(&self) -> &'static str {
        "SPDX 3.0"
    }

    fn uri(&self) -> &'static str {
        FAMILY
    }

    fn reads(&self, uri: &str) -> bool {
        uri.strip_prefix(FAMILY).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v3"))
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.string("@context").is_some_and(|text| text.starts_with(CONTEXT)) && document.has("@graph")
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        let context = document.require("@context")?;
        let is_ours = |text: &str| {
            text.strip_prefix(CONTEXT)
                .and_then(|rest| rest.strip_suffix("/spdx-context.jsonld"))
                .is_some_and(is_version)
        };
        if !context.string().is_some_and(|text| is_ours(&text)) {
            return Err(context.wrong("https://spdx.org/rdf/3.0.1/spdx-context.jsonld, or another of 3.0"));
        }
        let graph = document.require("@graph")?;
        let mut known = Known::default();
        let mut documents = 0;
        for element in graph.some_elements()? {
            documents += usize::from(known.add(element)? == "SpdxDocument");
            if documents > 1 {
                return Err(element.wrong("at most one SpdxDocument"));
            }
        }
        graph.items().try_for_each(|element| known.check(element))
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let is_package = |element: &Node<'_>| kind(*element).is_some_and(|kind| kind == "software_Package");
        let count = document.get("@graph").map_or(0, |graph| graph.items().filter(is_package).count());
        format!("{} document, {}", self.title(), counted(count, "package", "packages"))
    }
}

fn is_version(text: &str) -> bool {
    text.strip_prefix("3.0").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn kind<'d>(element: Node<'d>) -> Option<Cow<'d, str>> {
    let [kind, alias] = element.pick(["type", "@type"]);
    kind.or(alias)?.string()
}

/// What a document defines, and what it says is defined elsewhere.
#[derive(Default)]
struct Known<'d> {
    ids: HashSet<Cow<'d, str>>,
    creations: HashSet<Cow<'d, str>>,
}

impl<'d> Known<'d> {
    /// Notes what `element` defines, and gives back its type.
    fn add(&mut self, element: Node<'d>) -> Result<Cow<'d, str>> {
        let [kind, kind_alias, id, id_alias, imports] =
            element.object()?.pick(["type", "@type", "spdxId", "@id", "import"]);
        let kind = element.present(kind.or(kind_alias), "type")?.text()?;
        let creation = kind == "CreationInfo";
        let id = match (creation, id, id_alias) {
            (true, None, None) => return Ok(kind),
            // Classes that are no elements, such as hashes, may stand in the graph with a blank node.
            (_, id, alias) => element.present(id.or(alias), if creation { "@id" } else { "spdxId" })?,
        };
        let text = id.text()?;
        if !text.starts_with("_:") {
            id.uri()?;
        }
        if creation {
            self.creations.insert(text.clone());
        }
        if !self.ids.insert(text) {
            return Err(id.wrong("an identifier that nothing else in the graph has"));
        }
        for import in imports.map(|node| node.elements()).transpose()?.into_iter().flatten() {
            self.ids.insert(import.require("externalSpdxId")?.uri()?);
        }
        Ok(kind)
    }

    fn check(&self, element: Node<'d>) -> Result<()> {
        let kind = kind(element).unwrap_or_default();
        if kind == "CreationInfo" {
            return self.creation(element);
        }
        let [id, creation, name, from, to, relation, root, contents] = element.pick([
            "spdxId",
            "creationInfo",
            "name",
            "from",
            "to",
            "relationshipType",
            "rootElement",
            "element",
        ]);
        // Only elements have an spdxId; and each says who made it, and when.
        if id.is_some() {
            let creation = element.present(creation, "creationInfo")?;
            if creation.is_object() {
                self.creation(creation)?;
            } else if !creation.string().is_some_and(|text| self.creations.contains(&text)) {
                return Err(creation.wrong("the @id of a CreationInfo of this document"));
            }
        }
        if matches!(kind.as_ref(), "software_Package" | "software_File") {
            element.present(name, "name")?.text()?;
        }
        if kind.ends_with("Relationship") {
            self.resolve(element.present(from, "from")?)?;
            self.resolve_all(Some(element.present(to, "to")?))?;
            element.present(relation, "relationshipType")?.text()?;
        }
        self.resolve_all(root)?;
        self.resolve_all(contents)
    }

    fn creation(&self, node: Node<'d>) -> Result<()> {
        let version = node.require("specVersion")?;
        if !version.string().is_some_and(|text| is_version(&text)) {
            return Err(version.wrong("3.0.0 or 3.0.1"));
        }
        node.require("created")?.time()?;
        node.require("createdBy")?.some_elements()?.try_for_each(|agent| self.resolve(agent))?;
        self.resolve_all(node.get("createdUsing"))
    }

    fn resolve_all(&self, node: Option<Node<'d>>) -> Result<()> {
        match node {
            Some(node) => node.elements()?.try_for_each(|reference| self.resolve(reference)),
            None => Ok(()),
        }
    }

    /// Whether `node` names something of this document or an import, or is something itself.
    fn resolve(&self, node: Node<'d>) -> Result<()> {
        if node.is_object() {
            return Ok(());
        }
        // The model's own individuals, such as NoneElement, and the licences of the SPDX list.
        let ours = |text: &str| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            rest.is_some_and(|rest| {
                rest.starts_with("spdx.org/rdf/3.0") || rest.starts_with("spdx.org/licenses/")
            }) || matches!(text, "NoneElement" | "NoAssertionElement" | "SpdxOrganization")
                || text.starts_with("expandedlicensing_No")
        };
        if node.string().is_some_and(|text| self.ids.contains(&text) || ours(&text)) {
            return Ok(());
        }
        Err(node.wrong("the spdxId of an element of this document or of one of its imports"))
    }
}
