//! The statements that `sign` and `attest` make about an image.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::error::Result;
use crate::predicate::registry::SIGN_V1;
use crate::statement::{Statement, StatementBuilder};

/// The statement of an image signature: the digest and nothing else, as cosign writes it.
///
/// # Errors
/// None in practice; the statement is parsed back to be sure.
pub fn signature_statement(digest: &Digest, annotations: BTreeMap<String, String>) -> Result<Statement> {
    StatementBuilder::new(SIGN_V1).subject(None, digest, annotations).build(b"{}")
}

/// A statement that says `predicate` about the image `digest` in the repository `name`.
///
/// # Errors
/// `invalid-statement` when `predicate` is not a JSON object.
pub fn attestation_statement(
    name: impl Into<String>,
    digest: &Digest,
    predicate_type: &str,
    predicate: &[u8],
) -> Result<Statement> {
    StatementBuilder::new(predicate_type).subject(Some(name.into()), digest, BTreeMap::new()).build(predicate)
}
