//! Writing to a registry: blobs, manifests, and a whole attachment in the right order.
//!
//! Source: OCI distribution specification 1.1, "Push".

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderName, Method, StatusCode};
use url::Url;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::http::{Request, Response, Retry};

use super::Attachment;
use super::auth::Access;
use super::manifest::{Descriptor, EMPTY_CONFIG, MAX_MANIFEST, Manifest, OCI_MANIFEST, referrer_manifest};
use super::registry::{Registry, refusal, said_digest};

/// With it the registry says that it lists the manifest as a referrer of that subject.
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Registry {
    /// Pushes a referrer: blobs first, then the manifest that names them, then its place in the list.
    pub(super) async fn push_referrer(
        &self,
        subject: &Descriptor,
        attachment: &Attachment,
    ) -> Result<Descriptor> {
        let manifest = referrer_manifest(
            subject,
            &attachment.artifact_type,
            &attachment.content,
            &attachment.annotations,
        );
        let body = serde_json::to_vec(&manifest).map_err(|e| {
            Error::new(Code::Internal, "the referrer's manifest could not be written").caused_by(e)
        })?;
        if body.len() > MAX_MANIFEST {
            return Err(Error::new(Code::InvalidArgument, "the annotations of the attachment are too large")
                .expected(format!("a manifest of at most {MAX_MANIFEST} bytes")));
        }
        let digest = Digest::sha256(&body);
        let listed = Manifest::Image(manifest).referrer_descriptor(digest.clone(), body.len());

        self.push_blob(Bytes::from_static(EMPTY_CONFIG)).await?;
        self.push_blob(attachment.content.clone()).await?;
        let request = self.put_manifest(&digest.to_string(), OCI_MANIFEST, body.into()).await?;
        let answer = self.send_manifest(request, "pushing the attachment's manifest").await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer, "the attachment's manifest"));
        }
        if said_digest(&answer.headers).is_some_and(|said| said != digest) {
            return Err(Error::new(
                Code::ServiceContradiction,
                "the registry stored another manifest than was sent",
            )
            .expected(&digest));
        }
        let indexed = answer.headers.get(OCI_SUBJECT).and_then(|value| value.to_str().ok());
        if indexed != Some(subject.digest.to_string().as_str()) {
            self.list_referrer(&subject.digest, &listed).await.map_err(|error| {
                let message = format!("{digest} was pushed, but it is not listed yet: {}", error.message());
                Error::new(Code::AttachIncomplete, message)
                    .hint(error.hint_text().unwrap_or("run the command again").to_owned())
                    .caused_by(error)
            })?;
        }
        Ok(listed)
    }

    pub(super) async fn put_manifest(&self, name: &str, media_type: &str, body: Bytes) -> Result<Request> {
        Ok(Self::request(Method::PUT, self.url("manifests", name).await?)
            .header(CONTENT_TYPE, media_type)?
            .body(body))
    }

    pub(super) async fn send_manifest(&self, request: Request, doing: &str) -> Result<Response> {
        self.send(request, Access::Push, doing).await
    }

    async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let request = Self::request(Method::HEAD, self.url("blobs", &digest.to_string()).await?);
        Ok(self.send(request, Access::Push, "pushing").await?.status == StatusCode::OK)
    }

    /// Uploads a blob in one piece, if the registry does not have it.
    async fn push_blob(&self, content: Bytes) -> Result<()> {
        let digest = Digest::sha256(&content);
        if self.has_blob(&digest).await? {
            return Ok(());
        }
        let doing = "uploading a blob";
        let start = self.url("blobs", "uploads/").await?;
        // An upload that was begun and forgotten does no harm.
        let request = Self::request(Method::POST, start.clone()).retry(Retry::Safe);
        let begun = self.send(request, Access::Push, doing).await?;
        if begun.status != StatusCode::ACCEPTED {
            return Err(refusal(&begun, doing));
        }
        let location = begun.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let target = upload_target(&start, location, &digest)?;
        let request = Self::request(Method::PUT, target.clone())
            .header(CONTENT_TYPE, "application/octet-stream")?
            .body(content);
        let put = if self.is_same_origin(&target).await? {
            self.send(request, Access::Push, doing).await
        } else {
            self.send_elsewhere(request, doing).await
        };
        let error = match put {
            Ok(answer) if answer.status.is_success() => return Ok(()),
            Ok(answer) => refusal(&answer, doing),
            Err(error) => error,
        };
        // The answer may have been lost, and the repetition refused because the blob is there.
        if matches!(self.has_blob(&digest).await, Ok(true)) { Ok(()) } else { Err(error) }
    }
}

/// Where a blob goes, from the `Location` that the registry answered to `start`.
///
/// It can be on another host, which then gets no credentials (CVE-2026-50151), and it cannot lead from a
/// protected connection to an unprotected one.
fn upload_target(start: &Url, location: Option<&str>, digest: &Digest) -> Result<Url> {
    let invalid =
        |why: &str| Error::new(Code::ServiceProtocol, format!("the registry's upload location {why}"));
    let mut target = location
        .ok_or_else(|| invalid("is missing"))
        .and_then(|text| start.join(text).map_err(|_| invalid("is not an address")))?;
    match (start.scheme(), target.scheme()) {
        (_, "https") | ("http", "http") => {}
        _ => return Err(invalid("is not protected").expected("https").found(target.scheme())),
    }
    if !target.username().is_empty() || target.password().is_some() {
        return Err(invalid("has a user in it"));
    }
    target.set_fragment(None);
    // The query is the registry's state: it is kept as it is, and the digest put behind it.
    let query = target.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&"));
    target.set_query(Some(&format!("{}digest={digest}", query.unwrap_or_default())));
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_locations_keep_their_query_and_their_protection() {
        let digest = Digest::sha256(b"");
        let start = Url::parse("https://r.example/v2/a/blobs/uploads/").unwrap();
        for (location, expected) in [
            ("/v2/a/blobs/uploads/1", "https://r.example/v2/a/blobs/uploads/1?"),
            ("1?_state=a%2Bb%3D", "https://r.example/v2/a/blobs/uploads/1?_state=a%2Bb%3D&"),
            ("https://s.example/x?sig=1#f", "https://s.example/x?sig=1&"),
            ("//s.example/x", "https://s.example/x?"),
        ] {
            let target = upload_target(&start, Some(location), &digest).unwrap();
            assert_eq!(target.as_str(), format!("{expected}digest={digest}"), "{location}");
        }
        for location in
            ["http://r.example/v2/a", "file:///tmp/x", "https://u:p@r.example/", "https://[", "data:,x"]
        {
            assert!(upload_target(&start, Some(location), &digest).is_err(), "{location}");
        }
        assert!(upload_target(&start, None, &digest).is_err());
    }
}
