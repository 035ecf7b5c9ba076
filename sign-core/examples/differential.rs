//! The long form of the differential test: `differential COUNT [SEED]` judges that many mutants by this
//! library and by an independent verifier, prints what became of them, and fails for a disagreement that
//! no rule explains.

#![allow(dead_code, unreachable_pub, reason = "the modules are shared with the tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, reason = "a test")]

use std::process::ExitCode;

#[path = "../tests/it/differential/mod.rs"]
mod differential;
#[path = "../tests/it/advisories/kit.rs"]
mod kit;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(Ok(count)) = arguments.next().map(|text| text.parse()) else {
        eprintln!("usage: differential COUNT [SEED]");
        return ExitCode::from(2);
    };
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let subjects = differential::subjects::all();
    println!("{} bundles, seed {seed}", subjects.len());
    let report = differential::run(&subjects, seed, count);
    println!("{report}");
    ExitCode::from(u8::from(!report.unexplained.is_empty()))
}
