//! Exact texts and regular expressions that must match the whole.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::error::{Code, Error, Result};

/// Longest regular expression: far more than an identity needs, and a bound on what is compiled.
const MAX_REGEX: usize = 4096;
/// Largest compiled form, in bytes; repetitions of repetitions can grow without end.
const MAX_COMPILED: usize = 1024 * 1024;

/// Identities that nobody has. An expression that matches one of them matches strangers.
///
/// They are documented in `docs/codes.md` under `pattern-too-broad`.
const PROBES: &[&str] = &[
    "https://github.com/invented-9f3c/invented/.github/workflows/invented.yml@refs/heads/invented",
    "https://gitlab.com/invented-9f3c/invented//.gitlab-ci.yml@refs/heads/invented",
    "https://invented-9f3c.example/invented",
    "invented-9f3c@gmail.com",
    "invented-9f3c@invented.example",
];

/// How a name in a certificate is compared.
#[derive(Clone)]
pub struct Pattern(Kind);

#[derive(Clone)]
enum Kind {
    Exact(String),
    Regex(Regex, String),
}

impl Pattern {
    /// Equal, byte for byte.
    pub fn exact(text: impl Into<String>) -> Self {
        Self(Kind::Exact(text.into()))
    }

    /// A regular expression that must match the whole text.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] when it does not compile, [`Code::PatternTooBroad`] when it matches
    /// identities that nobody has.
    pub fn regex(expression: &str) -> Result<Self> {
        let invalid = |found: String| {
            Error::new(Code::InvalidArgument, "not a regular expression").expected("RE2 syntax").found(found)
        };
        if expression.len() > MAX_REGEX {
            return Err(invalid(format!("{} bytes, which is too long", expression.len())));
        }
        let compile = |text: &str| {
            RegexBuilder::new(text).size_limit(MAX_COMPILED).build().map_err(|e| invalid(e.to_string()))
        };
        // Alone first: `a)|(b` is no expression, but would become one between the anchors.
        compile(expression)?;
        let regex = compile(&format!(r"\A(?:{expression})\z"))?;
        if let Some(probe) = PROBES.iter().find(|probe| regex.is_match(probe)) {
            return Err(Error::new(
                Code::PatternTooBroad,
                "the expression matches identities that nobody has",
            )
            .expected("an expression that names an owner, a domain or an issuer")
            .found(format!("{expression:?} matches {probe}"))
            .hint("escape dots, and write out the host and the owner"));
        }
        Ok(Self(Kind::Regex(regex, expression.to_owned())))
    }

    /// Whether `text` is meant.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Exact(exact) => exact == text,
            Kind::Regex(regex, _) => regex.is_match(text),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exact(exact) => f.write_str(exact),
            Kind::Regex(_, expression) => write!(f, "/{expression}/"),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_the_whole() {
        let pattern =
            Pattern::regex(r"https://github\.com/owner/.+@refs/tags/v\d+|ci@owner\.example").unwrap();
        assert!(pattern.matches("https://github.com/owner/app/w.yml@refs/tags/v1"));
        assert!(pattern.matches("ci@owner.example"));
        for other in [
            "https://github.com/owner/app/w.yml@refs/tags/v1x",
            "xci@owner.example",
            "ci@owner.example\n",
            "ci@owner.example.evil",
            "https://github.com/owner-evil/app/w.yml@refs/tags/v1",
        ] {
            assert!(!pattern.matches(other), "{other}");
        }
        assert!(Pattern::exact("a.b").matches("a.b") && !Pattern::exact("a.b").matches("axb"));
    }

    #[test]
    fn expressions_that_match_strangers_are_refused() {
        for broad in [
            ".*",
            ".+@.+",
            "",
            "https://.*",
            r"https://github\.com/.*",
            r"^https://github.com/[^/]+/[^/]+/.*$",
            r"(?i).*@GMAIL\.com",
            r"https://gitlab\.com/.+",
            r"[\s\S]*",
        ] {
            let result = Pattern::regex(broad);
            if broad.is_empty() {
                // Matches the empty name only, which no certificate has.
                assert!(result.is_ok());
                continue;
            }
            assert_eq!(result.unwrap_err().code(), Code::PatternTooBroad, "{broad}");
        }
    }

    #[test]
    fn expressions_cannot_leave_their_anchors() {
        for text in [r"a)|(?:b", "(", r"(?x) a # ", r"a\", "(?:a{1000}){1000}", &"a".repeat(MAX_REGEX + 1)] {
            assert_eq!(Pattern::regex(text).unwrap_err().code(), Code::InvalidArgument, "{text:.20}");
        }
    }
}
