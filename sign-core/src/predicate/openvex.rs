//! OpenVEX, version 0.2.0.
//!
//! Source: OpenVEX specification 0.2.0 and its JSON schema; for which details go with which status,
//! the VEX minimum requirements, which it follows.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::document::{Document, Node};
use super::resource::time;
use super::typed::{or_default, rfc3339};
use super::{Predicate, PredicateType, counted};
use crate::error::Result;

pub(super) struct Type;

const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";
const JUSTIFICATIONS: [&str; 5] = [
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
];
/// Hash names: OpenVEX specification, appendix A.
const HASHES: [&str; 12] = [
    "md5",
    "sha1",
    "sha-256",
    "sha-384",
    "sha-512",
    "sha3-224",
    "sha3-256",
    "sha3-384",
    "sha3-512",
    "blake2s-256",
    "blake2b-256",
    "blake2b-512",
];

impl PredicateType for Type {
    fn name(&self) -> &'static str {
        "openvex"
    }

    fn title(&self) -> &'static str {
        "OpenVEX"
    }

    fn uri(&self) -> &'static str {
        // cosign's; vexctl writes the one with the version.
        "https://openvex.dev/ns"
    }

    fn reads(&self, uri: &str) -> bool {
        uri == self.uri() || uri == CONTEXT
    }

    fn recognises(&self, document: &Document<'_>) -> bool {
        document.string("@context").is_some_and(|text| text.starts_with("https://openvex.dev/ns"))
    }

    fn check(&self, document: &Document<'_>) -> Result<()> {
        document.require("@context")?.one_of(&[CONTEXT])?;
        document.require("@id")?.uri()?;
        document.require("author")?.text()?;
        document.require("timestamp")?.time()?;
        time(document.get("last_updated"))?;
        document.require("version")?.integer(1)?;
        let mut ids = HashSet::new();
        for statement in document.require("statements")?.some_elements()? {
            if let Some(id) = statement.object()?.get("@id")
                && !ids.insert(id.text()?)
            {
                return Err(id.wrong("an @id that no other statement has"));
            }
            check_statement(statement)?;
        }
        Ok(())
    }

    fn describe(&self, document: &Document<'_>) -> String {
        let count = document.get("statements").map_or(0, |statements| statements.items().count());
        let count = counted(count, "statement", "statements");
        format!("OpenVEX document by {}, {count}", document.string("author").unwrap_or_default())
    }
}

fn check_statement(statement: Node<'_>) -> Result<()> {
    let [vulnerability, products, status, written, updated, version] =
        statement.pick(["vulnerability", "products", "status", "timestamp", "last_updated", "version"]);
    let vulnerability = statement.present(vulnerability, "vulnerability")?;
    vulnerability.require("name")?.text()?;
    if let Some(aliases) = vulnerability.get("aliases") {
        aliases.elements()?.try_for_each(|alias| alias.text().map(|_| ()))?;
    }
    time(written)?;
    time(updated)?;
    version.map_or(Ok(0), |version| version.integer(0))?;
    for product in products.map(|node| node.elements()).transpose()?.into_iter().flatten() {
        component(product)?;
        let subcomponents = product.get("subcomponents").map(|node| node.elements()).transpose()?;
        subcomponents.into_iter().flatten().try_for_each(component)?;
    }
    details(statement, statement.present(status, "status")?)
}

/// What must and must not stand beside a status: a statement that gives a reason for being unaffected
/// and says that it is affected would be read in two ways.
fn details(statement: Node<'_>, status: Node<'_>) -> Result<()> {
    let [justification, impact, action, action_time] = statement.pick([
        "justification",
        "impact_statement",
        "action_statement",
        "action_statement_timestamp",
    ]);
    if let Some(justification) = justification {
        justification.one_of(&JUSTIFICATIONS)?;
    }
    for text in [impact, action].into_iter().flatten() {
        text.text()?;
    }
    time(action_time)?;
    let status = status.one_of(&["not_affected", "affected", "fixed", "under_investigation"])?;
    let (reason, remedy) = (status == "not_affected", status == "affected");
    if reason && justification.is_none() && impact.is_none() {
        return Err(statement.lacks("justification").expected("a justification or an impact_statement"));
    }
    if remedy && action.is_none() {
        return Err(statement.lacks("action_statement"));
    }
    let misplaced = [justification, impact].into_iter().flatten().find(|_| !reason);
    match misplaced.or(action.filter(|_| !remedy)) {
        Some(node) => Err(node.wrong(format!("nothing, as the status is {status}"))),
        None => Ok(()),
    }
}

fn component(node: Node<'_>) -> Result<()> {
    let [id, identifiers, hashes] = node.object()?.pick(["@id", "identifiers", "hashes"]);
    if let Some(id) = id {
        id.text()?;
    }
    if let Some(identifiers) = identifiers {
        identifiers.object()?;
        let known = identifiers.pick(["purl", "cpe22", "cpe23"]);
        if known.iter().all(Option::is_none) {
            return Err(identifiers.wrong("purl, cpe22 or cpe23"));
        }
        known.into_iter().flatten().try_for_each(|identifier| identifier.text().map(|_| ()))?;
    }
    if id.is_none() && identifiers.is_none() {
        return Err(node.wrong("@id or identifiers"));
    }
    for (name, value) in hashes.map(|node| node.object()).transpose()?.iter().flat_map(Node::members) {
        if !HASHES.contains(&name.as_ref()) {
            return Err(value.wrong(format!("a hash named {}", HASHES.join(", "))));
        }
        value.text()?;
    }
    Ok(())
}

impl Predicate for OpenVex {
    fn kind() -> &'static dyn PredicateType {
        &Type
    }
}

/// An OpenVEX document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenVex {
    #[serde(rename = "@context")]
    context: String,
    /// An IRI for the document.
    #[serde(rename = "@id")]
    pub id: String,
    /// Who says so: a person or an organisation.
    pub author: String,
    /// In which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When the document was issued; statements without a time of their own have this one.
    #[serde(with = "rfc3339")]
    pub timestamp: Timestamp,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub last_updated: Option<Timestamp>,
    /// Counts up with each change, from 1.
    pub version: u64,
    /// What made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tooling: Option<String>,
    /// What is said; at least one.
    pub statements: Vec<VexStatement>,
}

impl OpenVex {
    /// A first version of a document. Add statements; one without any is not valid.
    #[must_use]
    pub fn new(id: &Url, author: impl Into<String>, timestamp: Timestamp, first: VexStatement) -> Self {
        Self {
            context: CONTEXT.into(),
            id: id.as_str().into(),
            author: author.into(),
            role: None,
            timestamp,
            last_updated: None,
            version: 1,
            tooling: None,
            statements: vec![first],
        }
    }

    /// Adds a statement.
    #[must_use]
    pub fn statement(mut self, statement: VexStatement) -> Self {
        self.statements.push(statement);
        self
    }
}

/// What is said about one vulnerability in some products.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VexStatement {
    /// An IRI for the statement.
    #[serde(rename = "@id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Which vulnerability.
    pub vulnerability: VexVulnerability,
    /// When it was known to be so; the document's time if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub timestamp: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    pub last_updated: Option<Timestamp>,
    /// In which products; the subjects of the attestation if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub products: Vec<VexProduct>,
    /// How it is with them.
    #[serde(flatten)]
    pub status: VexStatus,
    /// Who supplies the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// How the status was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_notes: Option<String>,
}

impl VexStatement {
    /// Says of the vulnerability of that name, such as `CVE-2026-0001`, how it is with `products`.
    #[must_use]
    pub fn new(vulnerability: impl Into<String>, products: Vec<VexProduct>, status: VexStatus) -> Self {
        Self {
            id: None,
            version: None,
            vulnerability: VexVulnerability { name: vulnerability.into(), ..VexVulnerability::default() },
            timestamp: None,
            last_updated: None,
            products,
            status,
            supplier: None,
            status_notes: None,
        }
    }
}

/// A vulnerability.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VexVulnerability {
    /// An IRI for it.
    #[serde(rename = "@id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its main name.
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub aliases: Vec<String>,
}

/// How it is with a product, with what must be said about that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireStatus", into = "WireStatus")]
pub enum VexStatus {
    /// Nothing needs to be done.
    NotAffected(NotAffectedReason),
    /// Something needs to be done.
    Affected {
        /// What.
        action: String,
        /// When that was said.
        action_timestamp: Option<Timestamp>,
    },
    /// These products contain a fix.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

/// Why a product is not affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAffectedReason {
    /// For a reason that machines understand, and perhaps some words.
    Justified(Justification, Option<String>),
    /// For a reason only told in words.
    Impact(String),
}

/// A reason why a product is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The component is not in the product.
    ComponentNotPresent,
    /// The component is, the vulnerable code is not.
    VulnerableCodeNotPresent,
    /// The code is never run.
    VulnerableCodeNotInExecutePath,
    /// An attacker cannot reach the code.
    VulnerableCodeCannotBeControlledByAdversary,
    /// The product protects itself.
    InlineMitigationsAlreadyExist,
}

/// A product, and the parts of it that the statement is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VexProduct {
    /// The product.
    #[serde(flatten)]
    pub component: VexComponent,
    /// Its parts; the whole product if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub subcomponents: Vec<VexComponent>,
}

impl VexProduct {
    /// The product with that package URL, which for an image should have its digest as the version.
    pub fn purl(purl: impl Into<String>) -> Self {
        let component = VexComponent { id: Some(purl.into()), ..VexComponent::default() };
        Self { component, subcomponents: Vec::new() }
    }
}

/// A piece of software; `@id` or an identifier says which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VexComponent {
    /// An IRI, often a purl.
    #[serde(rename = "@id", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Other identifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifiers: Option<VexIdentifiers>,
    /// Hashes by name, such as `sha-256`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub hashes: BTreeMap<String, String>,
}

/// Identifiers of a piece of software; at least one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VexIdentifiers {
    /// Package URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// CPE 2.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpe22: Option<String>,
    /// CPE 2.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpe23: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireStatus {
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<Justification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impact_statement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_statement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    action_statement_timestamp: Option<Timestamp>,
}

impl TryFrom<WireStatus> for VexStatus {
    type Error = String;

    fn try_from(wire: WireStatus) -> Result<Self, String> {
        match (wire.status.as_str(), wire.justification, wire.impact_statement, wire.action_statement) {
            ("not_affected", Some(justification), impact, None) => {
                Ok(Self::NotAffected(NotAffectedReason::Justified(justification, impact)))
            }
            ("not_affected", None, Some(impact), None) => {
                Ok(Self::NotAffected(NotAffectedReason::Impact(impact)))
            }
            ("affected", None, None, Some(action)) => {
                Ok(Self::Affected { action, action_timestamp: wire.action_statement_timestamp })
            }
            ("fixed", None, None, None) => Ok(Self::Fixed),
            ("under_investigation", None, None, None) => Ok(Self::UnderInvestigation),
            (status, ..) => Err(format!("the details do not go with the status {status:?}")),
        }
    }
}

impl From<VexStatus> for WireStatus {
    fn from(status: VexStatus) -> Self {
        let wire = |status: &str| Self { status: status.into(), ..Self::default() };
        match status {
            VexStatus::NotAffected(NotAffectedReason::Justified(justification, impact)) => {
                Self { justification: Some(justification), impact_statement: impact, ..wire("not_affected") }
            }
            VexStatus::NotAffected(NotAffectedReason::Impact(impact)) => {
                Self { impact_statement: Some(impact), ..wire("not_affected") }
            }
            VexStatus::Affected { action, action_timestamp } => Self {
                action_statement: Some(action),
                action_statement_timestamp: action_timestamp,
                ..wire("affected")
            },
            VexStatus::Fixed => wire("fixed"),
            VexStatus::UnderInvestigation => wire("under_investigation"),
        }
    }
}
