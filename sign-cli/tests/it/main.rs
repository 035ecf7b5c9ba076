//! The program as a person uses it: whole processes against a sandbox on loopback.

mod bad_input;
mod blobs;
mod faults;
mod images;
mod support;
