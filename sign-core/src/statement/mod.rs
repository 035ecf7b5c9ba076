//! In-toto statements: which subjects, and what is said about them.
//!
//! Source: in-toto attestation framework, Statement v0.1 and v1. Unknown fields are ignored as the
//! specification asks; duplicate keys are refused, because two readers could see two documents.

mod build;
mod parse;

pub use build::StatementBuilder;
pub use parse::{Statement, Subject};

/// `_type` of the statements that this crate writes.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// `_type` of the statements that cosign's `attest` writes.
pub const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";
