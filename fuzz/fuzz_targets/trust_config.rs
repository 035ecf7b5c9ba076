//! Signing configs and client trust configs.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = sign_core::SigningConfig::from_json(data);
    let _ = sign_core::TrustConfig::from_json(data);
});
