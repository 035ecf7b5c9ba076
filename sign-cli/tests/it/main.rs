//! The program as a person uses it: whole processes against a sandbox on loopback.

#![allow(missing_docs, unreachable_pub, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod bad_bundle_files;
mod bad_input;
mod blobs;
mod end_to_end;
mod faults;
mod images;
mod legacy;
mod output;
mod sandbox;
mod support;
mod trust;
mod verdicts;
