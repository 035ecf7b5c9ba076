//! Predicate types: how each is named, recognised and checked. One file a type.
//!
//! A predicate is validated and then embedded exactly as it was given; nothing here rewrites it.
//! [`check_predicate`](crate::check_predicate) is the way in for documents. For code there are Rust types
//! such as [`SlsaProvenanceV1`] and [`OpenVex`], read with
//! [`Statement::predicate_as`](crate::Statement::predicate_as) and written with
//! [`StatementBuilder::build_from`](crate::StatementBuilder::build_from); and for types of one's own the
//! traits [`PredicateType`] and [`Predicate`].

mod custom;
mod cyclonedx;
mod document;
mod link;
mod link_v1;
mod openvex;
mod reference;
pub(crate) mod registry;
mod release;
mod resource;
mod scai;
mod slsa_v0_1;
mod slsa_v0_2;
mod slsa_v1;
mod spdx2;
mod spdx3;
mod test_result;
mod typed;
mod vsa;
mod vuln;
mod vulns;

use crate::error::Result;

pub use document::{Document, Items, Members, Node};
pub use openvex::{
    Justification, NotAffectedReason, OpenVex, VexComponent, VexIdentifiers, VexProduct, VexStatement,
    VexStatus, VexVulnerability,
};
pub use resource::ResourceDescriptor;
pub use slsa_v1::{BuildDefinition, BuildMetadata, Builder, RunDetails, SlsaProvenanceV1};
pub use typed::Predicate;
pub(crate) use typed::{read_as, write_as};
pub use vsa::{VerificationResult, VerificationSummary, VsaVerifier};
pub use vuln::{ScanInvocation, ScanMetadata, Scanner, ScannerDatabase, VulnerabilityScan};

/// A number of things, in words.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// One kind of predicate. Implement it to teach the library another, and add it to a
/// [`PredicateTypes`](crate::PredicateTypes).
pub trait PredicateType: Send + Sync {
    /// The short name that `--type` takes; no other type has it.
    fn name(&self) -> &'static str;

    /// Other names for the same. Several types may share one: it then means whichever of them the
    /// document is when written, and all of them when read.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// What people call it.
    fn title(&self) -> &'static str;

    /// The `predicateType` that is written.
    fn uri(&self) -> &'static str;

    /// Whether a statement with this `predicateType` is of this kind when read.
    fn reads(&self, uri: &str) -> bool {
        uri == self.uri()
    }

    /// Whether new statements of this kind are made; `false` for what is only still read.
    fn written(&self) -> bool {
        true
    }

    /// Whether the document looks like one of these, even if it turns out not to be valid.
    fn recognises(&self, document: &Document<'_>) -> bool;

    /// Checks the document: required members, their types, and references within it. Unknown members
    /// are no fault: consumers must ignore them.
    ///
    /// # Errors
    /// `predicate-mismatch`, best made by the methods of [`Node`], which name the place.
    fn check(&self, document: &Document<'_>) -> Result<()>;

    /// A few words about a checked document, for people: version, name, size.
    fn describe(&self, document: &Document<'_>) -> String;
}
