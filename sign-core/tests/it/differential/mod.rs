//! Two verifiers, one bundle: ours and an independent one are given the same mutants, and wherever
//! they disagree a rule must say why.
//!
//! The test takes a bounded sample; `examples/differential.rs` takes as many as it is told.

mod mutants;
mod rules;
pub mod subjects;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mutants::Mutants;
use rules::Rule;
use subjects::Subject;

/// How many disagreements without a rule are told in full; the rest is counted.
const TOLD: usize = 20;

/// What became of a number of mutants.
#[derive(Debug, Default)]
pub struct Report {
    /// How many mutants it takes until every field was removed and repeated.
    pub round: usize,
    pub tried: usize,
    pub both_accept: usize,
    pub both_refuse: usize,
    pub explained: BTreeMap<Rule, usize>,
    pub unexplained: Vec<String>,
}

/// Judges `count` mutants of `subjects`.
pub fn run(subjects: &[Subject], seed: u64, count: usize) -> Report {
    let mutants = Mutants::new(subjects, seed);
    let mut report = Report { round: mutants.round(), ..Report::default() };
    for mutant in mutants.take(count) {
        report.tried += 1;
        let subject = mutant.subject;
        let (ours, oracle) = (subject.ours(&mutant.json), subject.oracle(&mutant.json));
        match (&ours, &oracle) {
            (Ok(_), Ok(())) => report.both_accept += 1,
            (Err(_), Err(_)) => report.both_refuse += 1,
            _ => match rules::explain(&mutant, &ours, &oracle) {
                Some(rule) => *report.explained.entry(rule).or_default() += 1,
                None => {
                    let (ours, oracle) = (ours.map(|_| "accepted"), oracle.map(|()| "accepted"));
                    report.unexplained.push(format!("{mutant}: ours {ours:?}, oracle {oracle:?}"));
                }
            },
        }
    }
    report
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        writeln!(text, "{} mutants; every field is removed and repeated within {}", self.tried, self.round)?;
        writeln!(text, "{:>8} accepted by both", self.both_accept)?;
        writeln!(text, "{:>8} refused by both", self.both_refuse)?;
        for (rule, count) in &self.explained {
            writeln!(text, "{count:>8} {rule:?}")?;
        }
        writeln!(text, "{:>8} disagreements without a rule", self.unexplained.len())?;
        for line in self.unexplained.iter().take(TOLD) {
            writeln!(text, "  {line}")?;
        }
        f.write_str(&text)
    }
}
