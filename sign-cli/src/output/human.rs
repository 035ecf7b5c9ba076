//! The form for people.

use std::io::{self, Write as _};

use sign_core::Error;

use super::{Item, plain};

/// Prints results to stdout and failures to stderr.
pub(super) fn print(items: &[Item], error: Option<&Error>) -> io::Result<()> {
    // That nobody reads the results keeps no failure back.
    let results = print_results(items);
    let mut err = io::stderr().lock();
    for item in items {
        if let Some(error) = &item.error {
            describe(&mut err, &item.name, error)?;
            for note in &item.notes {
                writeln!(err, "{}", plain(note))?;
            }
        }
    }
    if let Some(error) = error {
        describe(&mut err, "", error)?;
    }
    results
}

fn print_results(items: &[Item]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in items.iter().flat_map(|item| &item.lines) {
        writeln!(out, "{}", plain(line))?;
    }
    out.flush()
}

fn describe(out: &mut impl io::Write, name: &str, error: &Error) -> io::Result<()> {
    let place = if name.is_empty() { String::new() } else { format!("{}: ", plain(name)) };
    writeln!(out, "error: {place}{} [{}]", plain(error.message()), error.code())?;
    if let Some(expected) = error.expected_value() {
        writeln!(out, "  expected: {}", plain(expected))?;
    }
    if let Some(found) = error.found_value() {
        writeln!(out, "  found:    {}", plain(found))?;
    }
    let mut others: Vec<(String, usize)> = Vec::new();
    for other in error.others() {
        let text = other.to_string();
        match others.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += 1,
            None => others.push((text, 1)),
        }
    }
    for (text, times) in others {
        let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
        writeln!(out, "  also:     {}{times}", plain(&text))?;
    }
    if let Some(hint) = error.hint_text() {
        writeln!(out, "  hint:     {}", plain(hint))?;
    }
    Ok(())
}

/// A note on stderr. That nobody reads it is no reason to stop.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(text));
}

/// A line on stdout, at once.
pub(super) fn now(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", plain(text)).and_then(|()| out.flush());
}
