//! The form for people.

use std::io::{self, Write as _};

use sign_core::Error;

use super::{Item, plain};

/// Most failures of other candidates that are told under the most telling one: what a reader reads, and what
/// a log can hold however many were attached.
const MAX_OTHERS: usize = 10;

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
    for (text, times) in others.iter().take(MAX_OTHERS) {
        let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
        writeln!(out, "  also:     {}{times}", plain(text))?;
    }
    if let Some(more @ 1..) = others.len().checked_sub(MAX_OTHERS) {
        writeln!(out, "  also:     {more} others; --output json has all of them")?;
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

#[cfg(test)]
mod tests {
    use sign_core::Code;

    use super::*;

    #[test]
    fn of_many_others_some_are_told_and_the_rest_counted() {
        let told = |count: usize| {
            let others = (0..count).map(|n| Error::new(Code::NoSignatures, format!("number {n}"))).collect();
            let mut out = Vec::new();
            describe(&mut out, "x", &Error::new(Code::NoSignatures, "first").with_others(others)).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(told(10).ends_with("also:     number 9 [no-signatures]\n"));
        let many = told(500);
        assert_eq!(many.lines().count(), 12);
        assert!(many.ends_with("also:     490 others; --output json has all of them\n"));
    }
}
