//! The one pass that decides whether a document is JSON that everybody reads the same way.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::locate::{line_of, path_to};
use crate::error::{Code, Error, Result};

/// Keys of one object that are compared one by one; above that a hash set is cheaper, and keeps an
/// object with a million keys from costing a million times a million comparisons.
const FEW_KEYS: usize = 24;
/// How far into a document its format is guessed from: a comment or a licence may come first.
const LOOK_AT: usize = 4096;

/// The text of `document` if it is one JSON object without duplicate keys.
pub(super) fn parse(document: &[u8]) -> Result<&str> {
    if let Some(error) = another_format(document) {
        return Err(error);
    }
    let text = std::str::from_utf8(document).map_err(|e| {
        let good = String::from_utf8_lossy(document.get(..e.valid_up_to()).unwrap_or_default());
        invalid(format!("bytes that are not UTF-8 on line {}", line_of(&good, good.len()))).caused_by(e)
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(invalid("something that is not an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = Strict { keys: &mut Vec::new() }.deserialize(&mut deserializer);
    result.and_then(|()| deserializer.end()).map_err(|e| {
        let offset = offset_of(text, e.line(), e.column());
        invalid(format!("in {}: {e}", path_to(text, offset))).caused_by(e)
    })?;
    Ok(text)
}

fn invalid(found: impl fmt::Display) -> Error {
    Error::new(Code::InvalidJson, "not a JSON object that can be attested")
        .expected("one JSON object in UTF-8, no key twice in an object")
        .found(found)
}

/// The offset of a line and column as the parser counts them: both from 1, columns in bytes.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column.saturating_sub(1)
}

/// What people give instead of JSON, told by its first bytes, with the way out.
fn another_format(document: &[u8]) -> Option<Error> {
    let head = document.get(..document.len().min(LOOK_AT)).unwrap_or_default();
    let text = String::from_utf8_lossy(head);
    let start = text.trim_start();
    let line_starts = |word: &str| start.lines().any(|line| line.starts_with(word));
    let spdx = "convert it to SPDX JSON first, for example: pyspdxtools -i FILE -o FILE.spdx.json";
    let (found, hint) = if head.starts_with(b"\xef\xbb\xbf") {
        ("a byte order mark before the document", "save the file as UTF-8 without a byte order mark")
    } else if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        ("UTF-16", "save the file as UTF-8 without a byte order mark")
    } else if head.starts_with(b"\x1f\x8b") || head.starts_with(b"\x28\xb5\x2f\xfd") {
        ("a compressed file", "decompress it first")
    } else if start.starts_with('{') {
        return None;
    } else if text.contains("cyclonedx.org/schema/bom") {
        (
            "CycloneDX XML",
            "convert it to CycloneDX JSON first, for example: cyclonedx convert --input-file FILE \
             --output-format json --output-file FILE.json",
        )
    } else if text.contains("spdx.org/rdf") {
        ("SPDX RDF", spdx)
    } else if line_starts("SPDXVersion:") {
        ("SPDX tag-value", spdx)
    } else if line_starts("spdxVersion:") || line_starts("SPDXID:") {
        ("SPDX YAML", spdx)
    } else if start.starts_with('<') {
        ("XML", "convert it to JSON first")
    } else {
        return None;
    };
    Some(invalid(found).hint(hint))
}

/// Any JSON value in which no object has the same key twice. One stack of keys serves all levels, so
/// that a document of a million small objects costs no million allocations.
struct Strict<'s, 'de> {
    keys: &'s mut Vec<Cow<'de, str>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let base = self.keys.len();
        let mut many: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(Key(key)) = map.next_key()? {
            let few = self.keys.get(base..).unwrap_or_default();
            if few.contains(&key) || many.contains(&key) {
                return Err(serde::de::Error::custom(format_args!("duplicate key {key:?}")));
            }
            if few.len() < FEW_KEYS {
                self.keys.push(key);
            } else {
                many.insert(key);
            }
            map.next_value_seed(Strict { keys: &mut *self.keys })?;
        }
        self.keys.truncate(base);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strict { keys: &mut *self.keys })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, borrowed from the document where it has no escapes.
struct Key<'de>(Cow<'de, str>);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_json_and_says_where() {
        let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        let wide = format!("{{{}\"k7\":1}}", (0..100).map(|i| format!("\"k{i}\":0,")).collect::<String>());
        for (document, found) in [
            (br#"{"a":{"b":[1,{"c":1,"c":2}]}}"#.as_slice(), "in a.b[1]: duplicate key \"c\""),
            (br#"{"a":1,"\u0061":2}"#, "duplicate key \"a\""),
            (wide.as_bytes(), "duplicate key \"k7\""),
            (b"{\"a\":1}\n{}", "trailing characters"),
            (b"{\"a\":1} x", "trailing characters"),
            (b"{\"a\":\n\"\xff\"}", "not UTF-8 on line 2"),
            (br#"{"a":"\ud800"}"#, "in a: "),
            (br#"{"a":01}"#, "in a: "),
            (br#"{"a":"#, "EOF"),
            (deep.as_bytes(), "recursion limit"),
            (b"[]", "not an object"),
            (b"", "not an object"),
            (b"\xef\xbb\xbf{}", "byte order mark"),
            (b"\xff\xfe{\0}\0", "UTF-16"),
            (b"\x1f\x8b\x08", "compressed"),
        ] {
            let error = parse(document).unwrap_err();
            assert_eq!(error.code(), Code::InvalidJson);
            assert!(error.found_value().unwrap().contains(found), "{error}");
        }
        parse(format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100)).as_bytes()).unwrap();
    }

    #[test]
    fn tells_how_to_convert_what_is_another_format() {
        for (document, found, hint) in [
            ("SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "SPDX tag-value", "pyspdxtools"),
            ("# made by hand\nSPDXVersion: SPDX-2.3\n", "SPDX tag-value", "pyspdxtools"),
            ("SPDXID: \"SPDXRef-DOCUMENT\"\nspdxVersion: \"SPDX-2.3\"\n", "SPDX YAML", "pyspdxtools"),
            ("<rdf:RDF xmlns:spdx=\"http://spdx.org/rdf/terms#\"/>", "SPDX RDF", "pyspdxtools"),
            (
                "<?xml version=\"1.0\"?>\n<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"/>",
                "CycloneDX XML",
                "cyclonedx convert",
            ),
            ("<html/>", "XML", "JSON"),
        ] {
            let error = parse(document.as_bytes()).unwrap_err();
            assert_eq!((error.code(), error.found_value()), (Code::InvalidJson, Some(found)));
            assert!(error.hint_text().unwrap().contains(hint), "{error}");
        }
    }
}
