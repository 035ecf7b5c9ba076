//! What a check asks of a value. Every complaint names the way to the value and its line.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use super::{Items, Node, locate};
use crate::error::{Code, Error, Result};

/// Most of a value that an error repeats; a hostile document must not fill the screen.
const MAX_SHOWN: usize = 80;

impl<'d> Node<'d> {
    /// The error that says what was expected instead of this value.
    #[must_use]
    pub fn wrong(&self, expected: impl fmt::Display) -> Error {
        let error = Error::new(Code::PredicateMismatch, format!("{}, line {}", self.path(), self.line()));
        error.expected(expected).found(self.shown())
    }

    /// The error that says that this object has no member `name`.
    #[must_use]
    pub fn lacks(&self, name: &str) -> Error {
        let mut path =
            if locate::path_to(self.text, self.start) == "document" { String::new() } else { self.path() };
        locate::step(&mut path, name);
        Error::new(Code::PredicateMismatch, format!("{path}, line {}", self.line()))
            .expected("a value")
            .found("nothing")
    }

    /// The value in a few words.
    fn shown(&self) -> String {
        match self.first() {
            b'{' => "an object".into(),
            b'[' => "an array".into(),
            _ => {
                let raw = self.raw();
                match raw.char_indices().nth(MAX_SHOWN) {
                    Some((end, _)) => format!("{}…", raw.get(..end).unwrap_or_default()),
                    None => raw.to_owned(),
                }
            }
        }
    }

    /// The member of that name.
    ///
    /// # Errors
    /// `predicate-mismatch` when this is no object or has no such member.
    pub fn require(&self, name: &str) -> Result<Node<'d>> {
        self.object()?.get(name).ok_or_else(|| self.lacks(name))
    }

    /// `member`, which was picked from this object under `name`.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is not there.
    pub fn present(&self, member: Option<Node<'d>>, name: &str) -> Result<Node<'d>> {
        member.ok_or_else(|| self.lacks(name))
    }

    /// This object.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none.
    pub fn object(&self) -> Result<Node<'d>> {
        if self.is_object() { Ok(*self) } else { Err(self.wrong("an object")) }
    }

    /// The elements of this array.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none.
    pub fn elements(&self) -> Result<Items<'d>> {
        if self.is_array() { Ok(self.items()) } else { Err(self.wrong("an array")) }
    }

    /// The elements of this array.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none or empty.
    pub fn some_elements(&self) -> Result<Items<'d>> {
        let items = self.elements()?;
        if items.clone().next().is_none() {
            return Err(self.wrong("at least one element").found("none"));
        }
        Ok(items)
    }

    /// This text, which may be empty.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none.
    pub fn any_text(&self) -> Result<Cow<'d, str>> {
        self.string().ok_or_else(|| self.wrong("a text"))
    }

    /// This text.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none or empty.
    pub fn text(&self) -> Result<Cow<'d, str>> {
        self.string().filter(|text| !text.is_empty()).ok_or_else(|| self.wrong("a text that is not empty"))
    }

    /// This text, one of `allowed`.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none of them.
    pub fn one_of(&self, allowed: &[&str]) -> Result<Cow<'d, str>> {
        self.string().filter(|text| allowed.contains(&text.as_ref())).ok_or_else(|| self.wrong(any(allowed)))
    }

    /// This absolute URI.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none.
    pub fn uri(&self) -> Result<Cow<'d, str>> {
        self.string()
            .filter(|text| url::Url::parse(text).is_ok())
            .ok_or_else(|| self.wrong("an absolute URI"))
    }

    /// This RFC 3339 time.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none.
    pub fn time(&self) -> Result<Timestamp> {
        self.string()
            .filter(|text| text.contains('T'))
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.wrong("an RFC 3339 time, such as 2026-01-31T12:00:00Z"))
    }

    /// This integer, at least `least`.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none or less.
    pub fn integer(&self, least: u64) -> Result<u64> {
        self.raw()
            .parse()
            .ok()
            .filter(|number| *number >= least)
            .ok_or_else(|| self.wrong(format!("an integer, {least} or more")))
    }

    /// This truth value.
    ///
    /// # Errors
    /// `predicate-mismatch` when it is none.
    pub fn boolean(&self) -> Result<bool> {
        match self.raw() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }
}

/// The choices, short enough to read.
fn any(allowed: &[&str]) -> String {
    const MOST: usize = 8;
    match allowed.get(..MOST) {
        Some(first) if allowed.len() > MOST => {
            format!("one of {}, … ({} in all)", first.join(", "), allowed.len())
        }
        _ => format!("one of {}", allowed.join(", ")),
    }
}
