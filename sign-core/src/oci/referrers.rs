//! Who refers to an image: the referrers API with all its pages, and the tag schema for registries without it.
//!
//! Source: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema".

use std::time::Duration;

use http::header::{ACCEPT, LINK};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use url::Url;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::http::Response;

use super::auth::Access;
use super::manifest::{DOCKER_INDEX, Descriptor, MAX_MANIFEST, OCI_INDEX, essence};
use super::registry::{Registry, content_type, refusal};
use super::{MAX_REFERRERS, distinct, too_many_referrers};

/// Most pages of a list: a registry that gives four referrers a page still gets through.
const MAX_PAGES: usize = 1024;
/// Most bytes of all pages together, several times what [`MAX_REFERRERS`] need.
pub(super) const MAX_LIST_BYTES: usize = 32 * 1024 * 1024;
/// Longest time for all pages together: a registry that drips them must not hold up a deployment for ever.
const MAX_LIST_TIME: Duration = Duration::from_secs(300);
/// Longest algorithm and longest encoded part in a tag of the tag schema.
const MAX_TAG_PARTS: (usize, usize) = (32, 64);

/// What the referrers API said.
enum Listing {
    Listed(Vec<Descriptor>),
    /// There is no such API.
    Unsupported,
    /// Something answered that is not the API; it could be a proxy's page.
    Unclear(Error),
}

/// The index that the tag schema keeps, as it is, so that nothing in it is lost when it is written again.
pub(super) struct TagIndex {
    pub(super) document: Value,
    pub(super) etag: Option<String>,
}

impl Registry {
    /// All referrers of `subject`, of whatever type.
    pub(super) async fn list_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let read_tag = || async {
            let index = self.tag_index(&tag_of(subject), Access::Pull).await?;
            index.map(|index| descriptors(&index.document)).transpose()
        };
        let listed = match self.api_referrers(subject, Access::Pull).await? {
            // A registry that got the API later may not have taken over what the tag lists.
            Listing::Listed(listed) if listed.is_empty() => match read_tag().await {
                // With the API at work, a tag that is no referrers list is just somebody's tag.
                Err(error) if error.code() == Code::ManifestInvalid => Vec::new(),
                tag => tag?.unwrap_or_default(),
            },
            Listing::Listed(listed) => listed,
            Listing::Unsupported => read_tag().await?.unwrap_or_default(),
            Listing::Unclear(error) => read_tag().await?.ok_or(error)?,
        };
        let listed = distinct(listed);
        if listed.len() > MAX_REFERRERS { Err(too_many_referrers()) } else { Ok(listed) }
    }

    /// Whether the referrers API lists `digest`. Some registries have the API and do not say so when a
    /// manifest is pushed.
    pub(super) async fn api_lists(&self, subject: &Digest, digest: &Digest) -> Result<bool> {
        match self.api_referrers(subject, Access::Push).await? {
            Listing::Listed(listed) => Ok(listed.iter().any(|descriptor| &descriptor.digest == digest)),
            Listing::Unsupported | Listing::Unclear(_) => Ok(false),
        }
    }

    async fn api_referrers(&self, subject: &Digest, access: Access) -> Result<Listing> {
        let pages = self.all_pages(subject, access);
        tokio::time::timeout(MAX_LIST_TIME, pages).await.unwrap_or_else(|_| {
            Err(Error::new(Code::ServiceUnavailable, "the registry takes too long to list referrers")
                .expected(format!("all pages within {} s", MAX_LIST_TIME.as_secs())))
        })
    }

    async fn all_pages(&self, subject: &Digest, access: Access) -> Result<Listing> {
        let doing = "listing referrers";
        let mut url = self.url("referrers", &subject.to_string()).await?;
        let (mut listed, mut bytes) = (Vec::new(), 0);
        for page in 0..MAX_PAGES {
            let request =
                Self::request(Method::GET, url.clone()).header(ACCEPT, OCI_INDEX)?.max_answer(MAX_MANIFEST);
            let answer = self.send(request, access, doing).await?;
            let is_index = content_type(&answer.headers).map(essence).as_deref() == Some(OCI_INDEX);
            match answer.status {
                StatusCode::OK if is_index => {}
                StatusCode::OK if page == 0 => return Ok(Listing::Unclear(not_an_index(&answer))),
                StatusCode::OK => return Err(not_an_index(&answer)),
                StatusCode::NOT_FOUND
                | StatusCode::BAD_REQUEST
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_ACCEPTABLE
                    if page == 0 =>
                {
                    return Ok(Listing::Unsupported);
                }
                _ => return Err(refusal(&answer, doing)),
            }
            bytes += answer.body.len();
            listed.extend(descriptors(&parse(&answer).map_err(|e| protocol(e.message()))?)?);
            if bytes > MAX_LIST_BYTES || listed.len() > MAX_REFERRERS {
                return Err(too_many_referrers());
            }
            match next_page(&url, &answer.headers)? {
                Some(next) => url = next,
                None => return Ok(Listing::Listed(listed)),
            }
        }
        Err(too_many_referrers())
    }

    /// The index under a tag of the tag schema; `None` if there is none yet.
    pub(super) async fn tag_index(&self, tag: &str, access: Access) -> Result<Option<TagIndex>> {
        let Some(answer) = self.get_manifest(tag, access).await? else { return Ok(None) };
        let document = parse(&answer).map_err(|e| e.context(format!("the tag {tag}")))?;
        let header =
            |name| answer.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let etag = header(http::header::ETAG)
            .map(str::to_owned)
            .or_else(|| header(super::registry::CONTENT_DIGEST).map(|digest| format!("\"{digest}\"")));
        Ok(Some(TagIndex { document, etag }))
    }
}

/// The tag under which the referrers of `subject` are listed.
pub(super) fn tag_of(subject: &Digest) -> String {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let (algorithm, encoded) = MAX_TAG_PARTS;
    format!("{}-{}", cut(subject.algorithm().as_str(), algorithm), cut(&subject.hex(), encoded))
}

/// An index as a document, whose unknown fields are kept.
fn parse(answer: &Response) -> Result<Value> {
    let invalid = |what: &str| Error::new(Code::ManifestInvalid, what.to_owned());
    let document: Value = serde_json::from_slice(&answer.body)
        .map_err(|e| invalid("the list of referrers does not parse").found(&e).caused_by(e))?;
    let served_as = content_type(&answer.headers).map(essence);
    let media_type = document.get("mediaType").and_then(Value::as_str).map(str::to_owned).or(served_as);
    let is_index = media_type.as_deref().is_some_and(|t| t == OCI_INDEX || t == DOCKER_INDEX);
    if !is_index || document.get("layers").is_some() || !document.get("manifests").is_some_and(is_list) {
        return Err(invalid("what should be a list of referrers is something else")
            .expected(OCI_INDEX)
            .found(media_type.unwrap_or_else(|| "no media type".to_owned())));
    }
    Ok(document)
}

/// Go writes an empty list as `null`.
fn is_list(value: &Value) -> bool {
    value.is_array() || value.is_null()
}

/// The descriptors in an index. One that does not parse names nothing that could be fetched, and does not
/// hide the others; but if none parses, nothing is known.
fn descriptors(document: &Value) -> Result<Vec<Descriptor>> {
    let entries = document.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read: Vec<Descriptor> =
        entries.iter().filter_map(|entry| serde_json::from_value(entry.clone()).ok()).collect();
    if read.is_empty() && !entries.is_empty() {
        return Err(protocol("no entry in the registry's list of referrers can be understood"));
    }
    Ok(read)
}

fn protocol(what: &str) -> Error {
    Error::new(Code::ServiceProtocol, what)
}

fn not_an_index(answer: &Response) -> Error {
    protocol("the registry's list of referrers is something else")
        .expected(OCI_INDEX)
        .found(content_type(&answer.headers).unwrap_or("no content type"))
        .hint("check that no proxy or login page answers for the registry")
}

/// The address of the next page. It must be on the same host: the credentials go with the request.
fn next_page(page: &Url, headers: &HeaderMap) -> Result<Option<Url>> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = links.filter_map(next_link).next() else { return Ok(None) };
    let next = page.join(target).map_err(|_| protocol("the next page of referrers is not an address"))?;
    if next.origin() != page.origin() {
        return Err(protocol("the next page of referrers is on another host")
            .expected(page.origin().ascii_serialization())
            .found(next.origin().ascii_serialization()));
    }
    if &next == page {
        return Err(protocol("the list of referrers leads back to the same page"));
    }
    Ok(Some(next))
}

/// The target with `rel="next"` in a `Link` header (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let (parameters, next) = after.split_at(after.find('<').unwrap_or(after.len()));
        let is_next = parameters.split([';', ',']).any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
                name.trim().eq_ignore_ascii_case("rel") && relations.any(|r| r.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    fn answer(content_type: &'static str, body: &str) -> Response {
        Response {
            url: Url::parse("https://r.example/").unwrap(),
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn the_next_page_is_found_in_every_spelling() {
        for (header, expected) in [
            ("</v2/a/referrers/d?n=1>; rel=\"next\"", Some("/v2/a/referrers/d?n=1")),
            ("<?last=a,b>;rel=next", Some("?last=a,b")),
            ("</1>; rel=\"prev\", </2>; title=\"x\"; REL=\"up next\"", Some("/2")),
            ("</1>; rel=\"prev\"", None),
            ("</1>; rel=\"nextish\"", None),
            ("</1", None),
            ("", None),
        ] {
            assert_eq!(next_link(header), expected, "{header}");
        }
    }

    #[test]
    fn pages_stay_on_the_host() {
        let page = Url::parse("https://r.example/v2/a/referrers/d").unwrap();
        let next = |link: &'static str| {
            next_page(&page, &HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]))
        };
        assert_eq!(
            next("<?n=2>; rel=next").unwrap().unwrap().as_str(),
            "https://r.example/v2/a/referrers/d?n=2"
        );
        assert!(next_page(&page, &HeaderMap::new()).unwrap().is_none());
        for link in [
            "<https://s.example/x>; rel=next",
            "<http://r.example/v2/a/referrers/d?n=2>; rel=next",
            "<https://r.example:444/x>; rel=next",
            "<//s.example/x>; rel=next",
            "<>; rel=next",
        ] {
            assert_eq!(next(link).unwrap_err().code(), Code::ServiceProtocol, "{link}");
        }
    }

    #[test]
    fn tags_are_cut_as_specified() {
        use crate::digest::HashAlgorithm;
        let digest = Digest::sha256(b"");
        assert_eq!(tag_of(&digest), format!("sha256-{}", digest.hex()));
        let long = HashAlgorithm::Sha512.hash(b"");
        assert_eq!(tag_of(&long), format!("sha512-{}", &long.hex()[..64]));
    }

    #[test]
    fn a_malformed_entry_hides_no_other() {
        let digest = Digest::sha256(b"");
        let good = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
        let list = |entries: &str| {
            let body = format!(r#"{{"schemaVersion":2,"manifests":{entries}}}"#);
            parse(&answer(OCI_INDEX, &body)).and_then(|document| descriptors(&document))
        };
        assert_eq!(list(&format!(r#"[{{"digest":"md5:0"}},{good}]"#)).unwrap().len(), 1);
        assert_eq!(list("null").unwrap(), []);
        assert_eq!(list(r#"[{"digest":"md5:0"}]"#).unwrap_err().code(), Code::ServiceProtocol);
    }

    #[test]
    fn only_an_index_is_a_list_of_referrers() {
        for (content_type, body) in [
            ("application/vnd.oci.image.manifest.v1+json", r#"{"schemaVersion":2,"manifests":[]}"#),
            (OCI_INDEX, r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#),
            (OCI_INDEX, r#"{"manifests":[],"layers":[]}"#),
            (OCI_INDEX, r#"{"manifests":{}}"#),
            (OCI_INDEX, "<html>"),
        ] {
            assert_eq!(
                parse(&answer(content_type, body)).unwrap_err().code(),
                Code::ManifestInvalid,
                "{body}"
            );
        }
    }
}
