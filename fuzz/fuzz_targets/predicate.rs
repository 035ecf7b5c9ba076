//! Documents of every predicate type.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for kind in ["auto", "spdx", "cyclonedx", "slsaprovenance"] {
        let _ = sign_core::check_predicate(data, kind);
    }
});
