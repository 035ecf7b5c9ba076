//! Writing statements.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{STATEMENT_V1, Statement};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::predicate::{Predicate, write_as};

/// Builds a Statement v1 around a predicate that is embedded as it stands, byte for byte.
#[derive(Debug, Clone)]
pub struct StatementBuilder {
    subjects: Vec<WireSubject>,
    predicate_type: String,
}

#[derive(Debug, Clone, Serialize)]
struct WireSubject {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl StatementBuilder {
    /// A statement of this predicate type, with no subject yet.
    pub fn new(predicate_type: impl Into<String>) -> Self {
        Self { subjects: Vec::new(), predicate_type: predicate_type.into() }
    }

    /// A statement of the type of `P`, with no subject yet.
    #[must_use]
    pub fn of<P: Predicate>() -> Self {
        Self::new(P::kind().uri())
    }

    /// Adds a subject.
    #[must_use]
    pub fn subject(
        mut self,
        name: Option<String>,
        digest: &Digest,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let digest = BTreeMap::from([(digest.algorithm().as_str(), digest.hex())]);
        self.subjects.push(WireSubject { name, digest, annotations });
        self
    }

    /// The statement's bytes, checked by parsing them back.
    ///
    /// # Errors
    /// [`Code::InvalidStatement`] without subjects or when `predicate` is not a JSON object.
    pub fn build(&self, predicate: &[u8]) -> Result<Statement> {
        if !predicate.trim_ascii_start().starts_with(b"{") {
            return Err(Error::new(Code::InvalidStatement, "the predicate is not a JSON object"));
        }
        let mut out = Vec::with_capacity(predicate.len() + 512);
        out.extend_from_slice(br#"{"_type":"#);
        out.extend(json(&STATEMENT_V1)?);
        out.extend_from_slice(br#","subject":"#);
        out.extend(json(&self.subjects)?);
        out.extend_from_slice(br#","predicateType":"#);
        out.extend(json(&self.predicate_type)?);
        out.extend_from_slice(br#","predicate":"#);
        out.extend_from_slice(predicate.trim_ascii());
        out.push(b'}');
        Statement::parse(out)
    }

    /// The statement about a predicate given as a Rust value, which is checked like any other.
    ///
    /// # Errors
    /// [`Code::PredicateMismatch`] when it is not valid or of another type than this statement's, and as
    /// [`StatementBuilder::build`].
    pub fn build_from<P: Predicate>(&self, predicate: &P) -> Result<Statement> {
        if !P::kind().reads(&self.predicate_type) {
            return Err(Error::new(Code::PredicateMismatch, "the predicate is of another type")
                .expected(&self.predicate_type)
                .found(P::kind().uri()));
        }
        self.build(&write_as(predicate)?)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::new(Code::Internal, "could not write JSON").caused_by(e))
}
