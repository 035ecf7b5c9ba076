//! Exact texts and regular expressions that must match the whole.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::error::{Code, Error, Result};

/// Longest regular expression: far more than an identity needs, and a bound on what is compiled.
const MAX_REGEX: usize = 4096;
/// Largest compiled form, in bytes; repetitions of repetitions can grow without end.
const MAX_COMPILED: usize = 1024 * 1024;

/// What the probes are made of: identities that nobody has. An expression that matches one of them matches
/// strangers. Where a stranger would choose a common branch, file or mail provider, so do they; and owners
/// are spelled with letters alone too, which is all that `\w+` or `[a-z]+` match.
///
/// They are documented in `docs/codes.md` under `pattern-too-broad`.
const REPOSITORIES: &[&str] = &["invented-9f3c/invented", "inventedstranger/inventedproject"];
const WORKFLOWS: &[&str] = &[
    "invented.yml",
    "release.yml",
    "release.yaml",
    "ci.yml",
    "ci.yaml",
    "build.yml",
    "build.yaml",
    "publish.yml",
    "publish.yaml",
    "main.yml",
    "main.yaml",
];
const REFS: &[&str] = &["refs/heads/invented", "refs/heads/main", "refs/heads/master", "refs/tags/v1.0.0"];
const USERS: &[&str] = &["invented-9f3c", "inventedstranger", "invented.stranger"];
/// Where anybody can have an address, and a company that there is not.
const DOMAINS: &[&str] = &[
    "gmail.com",
    "outlook.com",
    "hotmail.com",
    "yahoo.com",
    "icloud.com",
    "proton.me",
    "invented-9f3c.iam.gserviceaccount.com",
    "inventedproject.iam.gserviceaccount.com",
    "inventedcompany.com",
    "invented.example",
];
const OTHERS: &[&str] = &[
    "https://buildkite.com/invented-9f3c/invented",
    "https://buildkite.com/inventedstranger/inventedproject",
    "https://invented-9f3c.example/invented",
    "https://inventedcompany.com/invented",
];

/// Every probe.
fn probes() -> impl Iterator<Item = String> {
    let each = |list: &'static [&'static str]| list.iter().copied();
    let github = each(REPOSITORIES).flat_map(move |repository| {
        each(WORKFLOWS).flat_map(move |file| {
            each(REFS).map(move |git_ref| {
                format!("https://github.com/{repository}/.github/workflows/{file}@{git_ref}")
            })
        })
    });
    let gitlab = each(REPOSITORIES).flat_map(move |repository| {
        each(REFS).map(move |git_ref| format!("https://gitlab.com/{repository}//.gitlab-ci.yml@{git_ref}"))
    });
    let mail = each(USERS).flat_map(move |user| each(DOMAINS).map(move |domain| format!("{user}@{domain}")));
    github.chain(gitlab).chain(mail).chain(each(OTHERS).map(str::to_owned))
}

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
        if let Some(probe) = probes().find(|probe| regex.is_match(probe)) {
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
            r"https://github\.com/\w+/\w+/.*",
            r"https://github\.com/.*@refs/heads/main",
            r"https://github\.com/.+/\.github/workflows/release\.yml@refs/tags/v.*",
            r"https://github\.com/[a-z]+/[a-z]+/\.github/workflows/(ci|test)\.ya?ml@refs/heads/master",
            r"https://gitlab\.com/.+//\.gitlab-ci\.yml@refs/heads/main",
            r"https://gitlab\.com/\w+/\w+//.*@refs/tags/v\d+\.\d+\.\d+",
            r"https://buildkite\.com/\w+/.*",
            r"https://\w+\.com/.*",
            r"\w+@gmail\.com",
            r"[a-z]+\.[a-z]+@(outlook|hotmail)\.com",
            r"\w+@\w+\.com",
            r".*@.*\.iam\.gserviceaccount\.com",
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
    fn expressions_that_name_somebody_are_accepted() {
        for narrow in [
            r"https://github\.com/octo-org/.*",
            r"https://github\.com/(octo-org|octo-inc)/\w+/.*@refs/heads/main",
            r"https://github\.com/octo-org/octo-repo/\.github/workflows/.+@refs/(heads|tags)/.+",
            r"https://gitlab\.com/octo-group/.+//\.gitlab-ci\.yml@refs/heads/main",
            r"https://git\.octo\.example/.+",
            r"https://buildkite\.com/octo-org/.+",
            r"https://token\.actions\.githubusercontent\.com(/octo-org)?",
            r".*@octo\.example",
            r"[\w.+-]+@(\w+\.)?octo\.example",
            r"(first|second)@gmail\.com",
            r".+@octo-project\.iam\.gserviceaccount\.com",
        ] {
            assert!(Pattern::regex(narrow).is_ok(), "{narrow}");
        }
    }

    #[test]
    fn every_probe_is_documented() {
        let codes = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/codes.md"));
        let (_, section) = codes.split_once("### pattern-too-broad").unwrap();
        let (section, _) = section.split_once("\n### ").unwrap();
        for part in [REPOSITORIES, WORKFLOWS, REFS, USERS, DOMAINS, OTHERS].into_iter().flatten() {
            assert!(section.contains(&format!("`{part}`")), "{part}");
        }
    }

    #[test]
    fn expressions_cannot_leave_their_anchors() {
        for text in [r"a)|(?:b", "(", r"(?x) a # ", r"a\", "(?:a{1000}){1000}", &"a".repeat(MAX_REGEX + 1)] {
            assert_eq!(Pattern::regex(text).unwrap_err().code(), Code::InvalidArgument, "{text:.20}");
        }
    }
}
