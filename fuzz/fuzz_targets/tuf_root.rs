//! Root metadata of a TUF repository.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sign_core::TufRepository;

fuzz_target!(|data: &[u8]| {
    let _ = TufRepository::new("https://tuf.example", data);
});
