//! Image references: what parses is printed as something that parses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sign_core::{Digest, ImageReference};

fuzz_target!(|text: &str| {
    let _ = text.parse::<Digest>();
    let _ = text.parse::<ImageReference>();
});
