//! The first level of a JSON document, without a model of the whole: a 50 MB SBOM stays one slice.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::json::check_unique_keys;

/// A JSON object by its top-level members, each still in its written form.
#[derive(Debug)]
pub struct Outline<'a> {
    members: BTreeMap<String, &'a RawValue>,
}

impl<'a> Outline<'a> {
    /// Parses `document`, refusing what is not one JSON object or has duplicate keys anywhere: two
    /// readers could see two different documents.
    ///
    /// # Errors
    /// [`Code::InvalidJson`].
    pub fn parse(document: &'a [u8]) -> Result<Self> {
        let invalid = |e: serde_json::Error| {
            let error = Error::new(Code::InvalidJson, "not a JSON object that can be attested")
                .expected("one JSON object without duplicate keys")
                .found(e.to_string())
                .caused_by(e);
            match document.trim_ascii_start() {
                [b'<', ..] => error.hint("this looks like XML: convert it to JSON first"),
                start if start.starts_with(b"SPDXVersion:") => {
                    error.hint("this looks like SPDX tag-value: convert it to SPDX JSON first")
                }
                _ => error,
            }
        };
        check_unique_keys(document).map_err(invalid)?;
        let members = serde_json::from_slice(document).map_err(invalid)?;
        Ok(Self { members })
    }

    /// Whether there is a member of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The member, if it is a string.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.members.get(name)?.get()).ok()
    }

    /// The member's own members, if it is an object.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<Outline<'a>> {
        let members = serde_json::from_str(self.members.get(name)?.get()).ok()?;
        Some(Outline { members })
    }

    /// How many elements the member has, if it is an array.
    #[must_use]
    pub fn array_len(&self, name: &str) -> Option<usize> {
        serde_json::from_str::<Vec<IgnoredAny>>(self.members.get(name)?.get()).ok().map(|items| items.len())
    }
}
