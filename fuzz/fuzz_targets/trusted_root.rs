//! Trusted roots.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = sign_core::TrustedRoot::from_json(data);
});
