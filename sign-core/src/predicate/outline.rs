//! The first level of a JSON document, without a model of the whole: a 50 MB SBOM stays one slice.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};

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
        serde_json::from_slice::<UniqueKeys>(document).map_err(invalid)?;
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

/// Any JSON value in which no object has the same key twice.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeysVisitor)
    }
}

struct UniqueKeysVisitor;

impl<'de> Visitor<'de> for UniqueKeysVisitor {
    type Value = UniqueKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeys, A::Error> {
        let mut seen: HashSet<std::borrow::Cow<'de, str>> = HashSet::new();
        while let Some(Key(key)) = map.next_key()? {
            if seen.contains(&key) {
                return Err(serde::de::Error::custom(format_args!("duplicate key {key:?}")));
            }
            seen.insert(key);
            map.next_value::<UniqueKeys>()?;
        }
        Ok(UniqueKeys)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<UniqueKeys, A::Error> {
        while seq.next_element::<UniqueKeys>()?.is_some() {}
        Ok(UniqueKeys)
    }

    fn visit_bool<E>(self, _: bool) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_i64<E>(self, _: i64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_u64<E>(self, _: u64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_f64<E>(self, _: f64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_str<E>(self, _: &str) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_unit<E>(self) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }
}

/// A key, borrowed from the document where it has no escapes.
#[derive(PartialEq, Eq, Hash)]
struct Key<'de>(std::borrow::Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(Key(key.into()))
            }

            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Key(key.to_owned().into()))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
