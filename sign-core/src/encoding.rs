//! Base64, PEM and canonical JSON, as strict as their readers demand.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

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
