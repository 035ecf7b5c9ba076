//! Blobs: reading, in whole or in part, and deleting.

use std::ops::Range;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::error::{ErrorCode, Refusal};
use super::names::Digest;
use super::{CONTENT_DIGEST, Call, Registry, content, empty};

impl Registry {
    pub(super) fn get_blob(&self, call: &Call, digest: &Digest) -> Result<Response, Refusal> {
        let blob = self.store().get(&call.name).and_then(|repository| repository.blobs.get(digest).cloned());
        let blob = blob.ok_or_else(|| unknown(digest))?;
        let length = blob.len();
        let (status, range) = match call.header(header::RANGE).and_then(|value| range(value, length)) {
            None => (StatusCode::OK, None),
            Some(Some(range)) => (StatusCode::PARTIAL_CONTENT, Some(range)),
            Some(None) => {
                return empty(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    &[(header::CONTENT_RANGE, &format!("bytes */{length}"))],
                );
            }
        };
        let bytes = match &range {
            Some(range) => blob.slice(range.clone()),
            None => blob,
        };
        let mut response = content(status, "application/octet-stream", digest, bytes)?;
        let headers = response.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{digest}\"")) {
            headers.insert(header::ETAG, etag);
        }
        if let Some(Range { start, end }) = range {
            let text = format!("bytes {start}-{}/{length}", end.saturating_sub(1));
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(header::CONTENT_RANGE, value);
            }
        }
        Ok(response)
    }

    pub(super) fn delete_blob(&self, call: &Call, digest: &Digest) -> Result<Response, Refusal> {
        let mut store = self.store();
        let removed = store.get_mut(&call.name).and_then(|repository| repository.blobs.remove(digest));
        removed.ok_or_else(|| unknown(digest))?;
        empty(StatusCode::ACCEPTED, &[(CONTENT_DIGEST, digest.as_str())])
    }
}

fn unknown(digest: &Digest) -> Refusal {
    Refusal::new(ErrorCode::BlobUnknown, "blob unknown to registry")
        .detail(serde_json::json!({"digest": digest.as_str()}))
}

/// RFC 9110 section 14: `None` for what a server may ignore, `Some(None)` for a range outside the blob.
fn range(value: &str, length: usize) -> Option<Option<Range<usize>>> {
    let (first, last) = value.strip_prefix("bytes=")?.trim().split_once('-')?;
    // More than one range is answered with everything.
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number too long for us is longer than any blob.
        digits.then(|| text.parse().unwrap_or(usize::MAX))
    };
    let range = match (first, last) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some((range.start < range.end).then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_rfc_9110_has_them() {
        for (text, expected) in [
            ("bytes=0-0", Some(Some(0..1))),
            ("bytes=2-", Some(Some(2..10))),
            ("bytes=-3", Some(Some(7..10))),
            ("bytes=-30", Some(Some(0..10))),
            ("bytes=5-99999999999999999999999", Some(Some(5..10))),
            ("bytes=10-", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=3-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=a-", None),
            ("bytes=-", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
    }
}
