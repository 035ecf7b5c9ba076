//! Whole verifications against the public root: certificates, logs, checkpoints, timestamps.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sign_core::{
    Artifact, Bundle, Digest, FixedClock, Identity, IdentityPolicy, Instance, IssuerRule, Pattern,
    Requirement, TrustedRoot, Verifier,
};

static VERIFIER: LazyLock<(Verifier, Requirement)> = LazyLock::new(|| {
    let root = TrustedRoot::embedded(Instance::Public).expect("an embedded root");
    let clock = FixedClock(jiff::Timestamp::from_second(1_900_000_000).expect("a time"));
    let identity = Identity {
        san: Some(Pattern::exact("a@b.example")),
        issuer: IssuerRule::Matches(Pattern::exact("https://issuer.example")),
        claims: Vec::new(),
    };
    let policy = IdentityPolicy::new(vec![identity]).expect("a policy");
    (Verifier::new(root, clock), Requirement::Identities(policy))
});

fuzz_target!(|data: &[u8]| {
    let (verifier, requirement) = &*VERIFIER;
    if let Ok(bundle) = Bundle::parse(data) {
        // Nobody has that name: whatever else is right, this must never be accepted.
        assert!(verifier.verify(&bundle, &Artifact::from_digest(Digest::sha256(b"")), requirement).is_err());
    }
});
