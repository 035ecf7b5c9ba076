//! Image manifests and indexes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = sign_core::Manifest::parse(None, data);
});
