//! Lists: tags and referrers, page by page.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::error::{ErrorCode, Refusal};
use super::manifest::{INDEX, Manifest};
use super::names::Digest;
use super::{Call, Registry};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Registry {
    /// `/v2/<name>/tags/list`.
    pub(super) fn tags(&self, call: &Call) -> Result<Response, Refusal> {
        let wanted = match call.query("n") {
            None => usize::MAX,
            Some(text) => text.parse().map_err(|_| {
                Refusal::new(ErrorCode::PaginationNumberInvalid, "n is not a number")
                    .detail(json!({"n": text}))
            })?,
        };
        let mut tags: Vec<String> = {
            let store = self.store();
            let repository = store.get(&call.name).ok_or_else(|| {
                Refusal::new(ErrorCode::NameUnknown, "repository name not known to registry")
            })?;
            repository.tags.keys().cloned().collect()
        };
        // distribution-spec, "Listing Tags": case-insensitive alphanumeric order, whatever `last` is.
        tags.sort_by_key(|tag| lexical(tag));
        if let Some(last) = call.query("last") {
            let last = lexical(last);
            tags.retain(|tag| lexical(tag) > last);
        }
        let size = wanted.min(self.page_size());
        let next = page(&mut tags, size, |tag| tag.clone());
        let mut response = Json(json!({"name": call.name, "tags": tags})).into_response();
        if let Some(last) = next {
            let query = [("n", size.to_string()), ("last", last)];
            link(&mut response, &format!("/v2/{}/tags/list", call.name), &query);
        }
        Ok(response)
    }

    /// `/v2/<name>/referrers/<digest>`: always a list, empty if need be; 404 means that there is no API.
    pub(super) fn referrers(&self, call: &Call, subject: &Digest) -> Result<Response, Refusal> {
        if !self.options.referrers_api {
            return Err(Refusal::new(ErrorCode::Unsupported, "this registry has no referrers API"));
        }
        let filter = call.query("artifactType").filter(|filter| !filter.is_empty());
        let wanted = |manifest: &Manifest| {
            manifest.subject.as_ref() == Some(subject)
                && filter.is_none_or(|filter| manifest.artifact_type() == Some(filter))
        };
        let mut found: Vec<(String, Value)> = Vec::new();
        if let Some(repository) = self.store().get(&call.name) {
            let after = |digest: &Digest| call.query("last").is_none_or(|last| digest.as_str() > last);
            for (digest, manifest) in &repository.manifests {
                if after(digest) && wanted(manifest) {
                    found.push((digest.to_string(), manifest.descriptor(digest)));
                }
            }
        }
        let next = page(&mut found, self.page_size(), |(digest, _)| digest.clone());
        let manifests: Vec<Value> = found.into_iter().map(|(_, descriptor)| descriptor).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let mut response =
            (StatusCode::OK, [(header::CONTENT_TYPE, INDEX)], index.to_string()).into_response();
        if filter.is_some() {
            response.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
        }
        if let Some(last) = next {
            let mut query = vec![("last", last)];
            query.extend(filter.map(|filter| ("artifactType", filter.to_owned())));
            link(&mut response, &format!("/v2/{}/referrers/{subject}", call.name), &query);
        }
        Ok(response)
    }

    /// A page of nothing would never end.
    fn page_size(&self) -> usize {
        self.options.page_size.max(1)
    }
}

fn lexical(tag: &str) -> (String, String) {
    (tag.to_ascii_lowercase(), tag.to_owned())
}

/// Cuts `entries` to `size`; if that leaves any out, the key of the last one that stays.
fn page<T>(entries: &mut Vec<T>, size: usize, key: impl Fn(&T) -> String) -> Option<String> {
    let more = entries.len() > size;
    entries.truncate(size);
    entries.last().filter(|_| more).map(key)
}

/// RFC 5988, as the spec has it: relative.
fn link(response: &mut Response, path: &str, query: &[(&str, String)]) {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    if let Ok(value) = HeaderValue::from_str(&format!("<{path}?{query}>; rel=\"next\"")) {
        response.headers_mut().insert(header::LINK, value);
    }
}
