//! Rekor, the transparency log: an entry for a signature. One file for each version of its API.

mod v1;
mod v2;

use bytes::Bytes;
use serde::Deserialize;

use crate::digest::Digest;
use crate::encoding::base64_decode_lenient;
use crate::error::{Code, Error, Result};
use crate::http::HttpClient;
use crate::service;
use crate::signer::KeyScheme;
use crate::tlog::LogEntry;
use crate::trust::RekorService;

/// What is to be logged.
pub(crate) struct Proposal<'a> {
    pub(crate) scheme: KeyScheme,
    /// The leaf certificate, DER.
    pub(crate) certificate: &'a [u8],
    /// The digest that was signed: of the artifact, or of the envelope's PAE.
    pub(crate) digest: &'a Digest,
    pub(crate) signature: &'a [u8],
    /// Payload type and payload of an envelope; none for an artifact.
    pub(crate) envelope: Option<(&'a str, &'a [u8])>,
}

/// The request bodies for the versions in use, each written once however many logs there are.
pub(crate) struct Requests {
    v1: Option<Bytes>,
    v2: Option<Bytes>,
}

impl Requests {
    pub(crate) fn new(logs: &[RekorService], proposal: &Proposal<'_>) -> Result<Self> {
        let uses = |version| logs.iter().any(|log| log.version == version);
        Ok(Self {
            v1: uses(1).then(|| v1::request_body(proposal)).transpose()?,
            v2: uses(2).then(|| v2::request_body(proposal)).transpose()?,
        })
    }
}

/// Writes `proposal` to `log`; the entry returned is about it, but not verified yet.
pub(crate) async fn write(
    http: &HttpClient,
    log: &RekorService,
    requests: &Requests,
    proposal: &Proposal<'_>,
) -> Result<LogEntry> {
    match (log.version, &requests.v1, &requests.v2) {
        (1, Some(body), _) => v1::write(http, &log.url, body.clone(), proposal).await,
        (2, _, Some(body)) => v2::write(http, &log.url, body.clone(), proposal).await,
        (version, ..) => {
            Err(Error::new(Code::NoUsableService, "no client for this version of Rekor").found(version))
        }
    }
}

/// Kind and version of a canonical body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    kind: String,
    api_version: String,
}

fn head(service: &str, body: &[u8]) -> Result<Head> {
    serde_json::from_slice(body).map_err(|_| service::not_understood(service, "the entry's body is not JSON"))
}

/// Compares one part of the logged body with what was sent.
fn same(service: &str, what: &str, found: &[u8], sent: &[u8]) -> Result<()> {
    if found == sent {
        return Ok(());
    }
    Err(service::contradiction(service, &format!("the entry is about another {what}"))
        .expected(hex::encode(sent))
        .found(hex::encode(found.get(..64).unwrap_or(found))))
}

fn base64(service: &str, what: &str, text: &str) -> Result<Vec<u8>> {
    base64_decode_lenient(text)
        .map_err(|_| service::not_understood(service, &format!("{what} is not base64")))
}
