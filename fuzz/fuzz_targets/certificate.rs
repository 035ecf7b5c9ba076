//! Certificates and their claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sign_core::Certificate;

fuzz_target!(|data: &[u8]| {
    if let Ok(certificate) = Certificate::parse(data) {
        assert!(!certificate.san().as_str().is_empty());
        assert!(certificate.claims().count() < 64);
    }
});
