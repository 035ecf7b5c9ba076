//! The one pass that decides whether a document is JSON that everybody reads the same way.

use std::fmt;

use super::locate::{line_of, path_to};
use crate::error::{Code, Error, Result};
use crate::json::check_unique_keys;

/// How far into a document its format is guessed from: a comment or a licence may come first.
const LOOK_AT: usize = 4096;

/// The text of `document` if it is one JSON object without duplicate keys.
pub(super) fn parse(document: &[u8]) -> Result<&str> {
    if let Some(error) = another_format(document) {
        return Err(error);
    }
    if document.trim_ascii().is_empty() {
        return Err(invalid("nothing: it is empty"));
    }
    let text = std::str::from_utf8(document).map_err(|e| {
        let good = String::from_utf8_lossy(document.get(..e.valid_up_to()).unwrap_or_default());
        invalid(format!("bytes that are not UTF-8 on line {}", line_of(&good, good.len()))).caused_by(e)
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(invalid("something that is not an object"));
    }
    check_unique_keys(document).map_err(|e| {
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
            (br#"{"a":[:]}"#, "in a[0]: "),
            (br#"{"a":[1,:"#, "in a[1]: "),
            (br#"{"a" "b":1}"#, "expected `:`"),
            (br#"{:}"#, "in document: "),
            (deep.as_bytes(), "recursion limit"),
            (b"[]", "not an object"),
            (b"", "empty"),
            (b" \n", "empty"),
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
