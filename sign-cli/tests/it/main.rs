//! The program as a person uses it: whole processes against a sandbox on loopback.

#![allow(missing_docs, unreachable_pub, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_input;
mod blobs;
mod faults;
mod images;
mod legacy;
mod support;
