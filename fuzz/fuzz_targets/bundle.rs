//! A bundle that parses is the same after writing and parsing again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sign_core::Bundle;

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = Bundle::parse(data) {
        assert_eq!(Bundle::parse(&bundle.to_json()).as_ref().ok(), Some(&bundle));
    }
});
