//! Base64, PEM and lists in JSON, as strict as their readers demand.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::error::{Code, Error, Result};

/// Standard base64 with padding, as protobuf JSON writes bytes.
#[must_use]
pub(crate) fn base64_encode(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// Standard base64 with padding.
pub(crate) fn base64_decode(text: &str) -> Result<Vec<u8>> {
    STANDARD
        .decode(text)
        .map_err(|e| Error::new(Code::BundleMalformed, "not standard base64").found(e.to_string()))
}

/// Standard or URL-safe base64, padded or not: what protobuf JSON and DSSE readers must accept.
pub(crate) fn base64_decode_lenient(text: &str) -> Result<Vec<u8>> {
    if let Ok(bytes) = STANDARD.decode(text) {
        return Ok(bytes);
    }
    let mapped: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            c => c,
        })
        .collect();
    URL_SAFE_NO_PAD
        .decode(mapped)
        .map_err(|e| Error::new(Code::BundleMalformed, "not base64").found(e.to_string()))
}

/// The PEM form of `der`, with lines of 64 characters.
#[cfg(any(feature = "net", test))]
#[must_use]
pub(crate) fn pem_encode(label: &str, der: &[u8]) -> String {
    let text = base64_encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|&b| b as char));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The DER bytes of every PEM block labelled `label` in `text`, in order.
pub(crate) fn pem_decode_all(label: &str, text: &str) -> Result<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(&begin) {
        rest = &rest[start + begin.len()..];
        let stop = rest
            .find(&end)
            .ok_or_else(|| Error::new(Code::BundleMalformed, "PEM block without an end").expected(&end))?;
        let body: String = rest[..stop].split_ascii_whitespace().collect();
        blocks.push(base64_decode(&body)?);
        rest = &rest[stop + end.len()..];
    }
    Ok(blocks)
}

/// A list whose elements beyond `MAX` are read and dropped, but for one, which tells that there are too
/// many: three bytes of JSON can be an element of three hundred bytes in memory.
#[derive(Debug)]
pub(crate) struct UpTo<T, const MAX: usize>(pub(crate) Vec<T>);

impl<T, const MAX: usize> Default for UpTo<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> FromIterator<T> for UpTo<T, MAX> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(elements.into_iter().collect())
    }
}

impl<T: Serialize, const MAX: usize> Serialize for UpTo<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for UpTo<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
            type Value = UpTo<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while elements.len() <= MAX {
                    let Some(element) = access.next_element()? else { return Ok(UpTo(elements)) };
                    elements.push(element);
                }
                while access.next_element::<IgnoredAny>()?.is_some() {}
                Ok(UpTo(elements))
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_that_it_is_too_long_and_keeps_no_more() {
        let list = |text: &str| serde_json::from_str::<UpTo<u8, 2>>(text).map(|list| list.0);
        assert!(list("[]").unwrap().is_empty());
        assert_eq!(list("[1, 2]").unwrap(), [1, 2]);
        assert_eq!(list("[1, 2, 3]").unwrap(), [1, 2, 3]);
        assert_eq!(list("[1, 2, 3, {}, [4]]").unwrap(), [1, 2, 3]);
        for bad in ["[1, 2, 3, ]", "[1, 2, 3", "[1, 2, {}]", "{}", "1"] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }
}
