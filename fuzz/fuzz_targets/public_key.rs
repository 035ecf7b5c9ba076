//! Public keys in PEM and DER.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sign_core::PublicKey;

fuzz_target!(|data: &[u8]| {
    let _ = PublicKey::from_der(data);
    let _ = PublicKey::from_pem(&String::from_utf8_lossy(data));
});
