//! Cosign's older forms: no panic, whatever is in the payload, the envelope, the file or the annotations.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use sign_core::{Bundle, LegacySignature, SimpleSigning};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data).into_owned();
    for name in ["certificate", "bundle", "rfc3161timestamp"] {
        let annotations = BTreeMap::from([
            (format!("dev.sigstore.cosign/{name}"), text.clone()),
            ("dev.cosignproject.cosign/signature".to_owned(), "c2ln".to_owned()),
        ]);
        _ = LegacySignature::from_layer(data.to_vec(), &annotations);
    }
    _ = Bundle::from_attestation_layer(data, &BTreeMap::new());
    _ = Bundle::parse_any(data);
    if let Ok(payload) = SimpleSigning::parse(data) {
        assert!(text.contains(&payload.digest.hex()));
    }
});
