//! The library from outside: documents, the conformance data with an oracle, and the sandbox.

#![allow(missing_docs, unreachable_pub, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod advisories;
mod attachments;
mod bad_input;
mod bundles;
mod checks;
mod conformance;
mod differential;
mod documentation;
mod forms;
mod legacy;
mod mutations;
mod oracle;
mod predicates;
mod sandbox;
mod strictness;
mod testdata;
mod trust;
mod typed;

use advisories::kit;
