//! Rekor v2: `hashedrekord` 0.0.2, for envelopes over the digest of their PAE.
//!
//! Source: `rekor_service.proto` of rekor-tiles.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Proposal, base64, same};
use crate::bundle::log_entry_from_json;
use crate::encoding::base64_encode;
use crate::error::Result;
use crate::http::{HttpClient, Request};
use crate::service;
use crate::tlog::LogEntry;

const REKOR: &str = "Rekor v2";
/// Shortest deadline of a write: the log answers only when a checkpoint covers the entry, and clients
/// must wait at least this long.
const MIN_WRITE_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn request_body(proposal: &Proposal<'_>) -> Result<Bytes> {
    let request = json!({ "hashedRekordRequestV002": {
        "digest": base64_encode(proposal.digest.as_bytes()),
        "signature": {
            "content": base64_encode(proposal.signature),
            "verifier": {
                "x509Certificate": { "rawBytes": base64_encode(proposal.certificate) },
                "keyDetails": proposal.scheme.key_details(),
            },
        },
    } });
    Ok(request.to_string().into())
}

pub(super) async fn write(
    http: &HttpClient,
    base: &Url,
    body: Bytes,
    proposal: &Proposal<'_>,
) -> Result<LogEntry> {
    let request = Request::new(REKOR, Method::POST, service::endpoint(base, "api/v2/log/entries")?)
        .header(CONTENT_TYPE, "application/json")?
        .header(ACCEPT, "application/json")?
        .body(body);
    let answer = http.with_timeout_of_at_least(MIN_WRITE_TIMEOUT).send(request).await?;
    match answer.status {
        StatusCode::CREATED | StatusCode::OK => {}
        StatusCode::CONFLICT => {
            // Unlike v1 there is no address to fetch the entry with its proof from.
            return Err(service::refused(REKOR, &answer)
                .context("the log holds this entry already and does not return it")
                .hint("sign again: a new key makes a new entry"));
        }
        StatusCode::NOT_IMPLEMENTED => {
            return Err(service::refused(REKOR, &answer)
                .hint("this log is frozen; use a signing config that names its successor"));
        }
        _ => return Err(service::refused(REKOR, &answer)),
    }
    let entry = parse(&answer.body)?;
    check(&entry, proposal)?;
    Ok(entry)
}

fn parse(json: &[u8]) -> Result<LogEntry> {
    let entry = log_entry_from_json(json).map_err(|e| {
        let found = e.found_value().unwrap_or_default().to_owned();
        service::not_understood(REKOR, "no log entry").found(found).caused_by(e)
    })?;
    if entry.proof.as_ref().is_none_or(|proof| proof.checkpoint.is_empty()) {
        return Err(service::not_understood(REKOR, "the entry has no inclusion proof with a checkpoint"));
    }
    Ok(entry)
}

#[derive(Deserialize)]
struct Body {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "hashedRekordV002")]
    hashed_rekord: HashedRekord,
}

#[derive(Deserialize)]
struct HashedRekord {
    data: Data,
    signature: Signature,
}

#[derive(Deserialize)]
struct Data {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
struct Signature {
    content: String,
    verifier: Verifier,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verifier {
    x509_certificate: Certificate,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    raw_bytes: String,
}

/// Makes sure that the entry is about what was sent, before it is put into a bundle.
fn check(entry: &LogEntry, proposal: &Proposal<'_>) -> Result<()> {
    if (entry.kind.as_str(), entry.version.as_str()) != ("hashedrekord", "0.0.2") {
        return Err(service::contradiction(REKOR, "the entry is of another kind")
            .expected("hashedrekord 0.0.2")
            .found(format!("{} {}", entry.kind, entry.version)));
    }
    let body: Body = serde_json::from_slice(&entry.body)
        .map_err(|e| service::not_understood(REKOR, "the entry's body").found(e.to_string()).caused_by(e))?;
    let HashedRekord { data, signature } = body.spec.hashed_rekord;
    if data.algorithm != proposal.scheme.hash_name() {
        return Err(service::contradiction(REKOR, "the entry is about another hash algorithm")
            .expected(proposal.scheme.hash_name())
            .found(data.algorithm));
    }
    same(REKOR, "digest", &base64(REKOR, "the digest", &data.digest)?, proposal.digest.as_bytes())?;
    same(REKOR, "signature", &base64(REKOR, "the signature", &signature.content)?, proposal.signature)?;
    let certificate = base64(REKOR, "the certificate", &signature.verifier.x509_certificate.raw_bytes)?;
    same(REKOR, "certificate", &certificate, proposal.certificate)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::digest::Digest;
    use crate::error::Code;
    use crate::service::fake::Fake;
    use crate::signer::KeyScheme;

    fn proposal(digest: &Digest) -> Proposal<'_> {
        Proposal {
            scheme: KeyScheme::EcdsaP256Sha256,
            certificate: b"certificate",
            digest,
            signature: b"signature",
            envelope: None,
        }
    }

    fn body(request: &[u8]) -> Value {
        let request: Value = serde_json::from_slice(request).unwrap();
        let request = &request["hashedRekordRequestV002"];
        json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": request["digest"] },
            "signature": request["signature"],
        } } })
    }

    fn logged(body: &Value) -> Value {
        json!({
            "logIndex": "7", "logId": { "keyId": "aWQ=" }, "integratedTime": "0",
            "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
            "inclusionProof": { "logIndex": "7", "rootHash": "cm9vdA==", "treeSize": "8", "hashes": ["aGFzaA=="],
                "checkpoint": { "envelope": "log\n8\n" } },
            "canonicalizedBody": base64_encode(body.to_string().as_bytes()),
        })
    }

    #[test]
    fn takes_entries_about_the_request_and_no_others() {
        let digest = Digest::sha256(b"pae");
        let proposal = proposal(&digest);
        let good = body(&request_body(&proposal).unwrap());
        let entry = parse(logged(&good).to_string().as_bytes()).unwrap();
        check(&entry, &proposal).unwrap();
        assert_eq!((entry.log_index, entry.integrated_time, entry.promise), (7, None, None));
        let at = "/spec/hashedRekordV002";
        for (pointer, value) in [
            ("/data/digest", base64_encode(Digest::sha256(b"other").as_bytes())),
            ("/data/algorithm", "SHA2_512".into()),
            ("/signature/content", base64_encode(b"other")),
            ("/signature/verifier/x509Certificate/rawBytes", base64_encode(b"other")),
        ] {
            let mut other = good.clone();
            *other.pointer_mut(&format!("{at}{pointer}")).unwrap() = json!(value);
            let entry = parse(logged(&other).to_string().as_bytes()).unwrap();
            let error = check(&entry, &proposal).unwrap_err();
            assert_eq!(error.code(), Code::ServiceContradiction, "{pointer}");
        }
    }

    #[tokio::test]
    async fn repeats_after_pushback_and_explains_conflicts() {
        let digest = Digest::sha256(b"pae");
        let proposal = proposal(&digest);
        let request = request_body(&proposal).unwrap();
        let entry = logged(&body(&request)).to_string();
        let fake = Fake::serve(vec![(503, vec![], String::new()), (201, vec![], entry)]).await;
        let written = write(&fake.client(), &fake.url, request.clone(), &proposal).await.unwrap();
        assert_eq!((written.log_index, fake.requests().len()), (7, 2));

        for (status, words) in [(409, "sign again"), (501, "frozen")] {
            let fake = Fake::serve(vec![(status, vec![], r#"{"code":6,"message":"no"}"#.into())]).await;
            let error = write(&fake.client(), &fake.url, request.clone(), &proposal).await.unwrap_err();
            assert_eq!(error.code(), Code::ServiceRefused, "{error}");
            assert!(error.hint_text().unwrap().contains(words), "{error:?}");
        }
    }

    #[test]
    fn refuses_answers_without_a_proof() {
        let digest = Digest::sha256(b"pae");
        let good = logged(&body(&request_body(&proposal(&digest)).unwrap()));
        for remove in ["inclusionProof", "kindVersion"] {
            let mut answer = good.clone();
            answer.as_object_mut().unwrap().remove(remove);
            let error = parse(answer.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::ServiceProtocol, "{remove}");
        }
        assert_eq!(parse(b"<html>").unwrap_err().code(), Code::ServiceProtocol);
        let mut dsse = good;
        dsse["kindVersion"]["kind"] = json!("dsse");
        let entry = parse(dsse.to_string().as_bytes()).unwrap();
        assert_eq!(check(&entry, &proposal(&digest)).unwrap_err().code(), Code::ServiceContradiction);
    }
}
