//! Documents of every predicate type.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for kind in sign_core::PredicateTypes::default().iter() {
        let _ = sign_core::check_predicate(data, kind.name());
    }
    let _ = sign_core::check_predicate(data, "auto");
});
