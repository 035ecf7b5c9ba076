//! The verdicts of the conformance suite and of an independent verifier, case by case and under mutation.
//!
//! The suite's data lies beside a checkout of the project's developers; without it this says so, and
//! the sandbox's bundles are all there is.

use crate::differential::{self, subjects};

/// Mutants in the bounded sample; each is judged twice.
const SAMPLE: usize = 4000;

#[test]
fn the_verdicts_are_those_of_the_suite_and_of_the_oracle() {
    let cases = subjects::suite();
    assert!(cases.is_empty() || cases.len() == 70, "{}", cases.len());
    for case in cases {
        let expected = !case.name.ends_with("_fail");
        let ours = case.ours(&case.bundle);
        assert_eq!(ours.is_ok(), expected, "{}: {ours:?}", case.name);
        // The oracle takes managed keys through another policy; those cases are judged above alone.
        if !case.key {
            assert_eq!(case.oracle(&case.bundle).is_ok(), expected, "the oracle on {}", case.name);
        }
    }
}

#[test]
fn every_disagreement_over_a_mutant_has_a_rule() {
    let report = differential::run(&subjects::all(), 1, SAMPLE);
    assert!(report.unexplained.is_empty(), "{report}");
    assert!(report.both_refuse > SAMPLE / 2 && report.both_accept > 0, "{report}");
}
