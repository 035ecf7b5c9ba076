//! Rekor v1: `hashedrekord` 0.0.1 for artifacts, `dsse` 0.0.1 for envelopes.
//!
//! Source: Rekor's OpenAPI document and the JSON schemas of its entry types.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Proposal, base64, head, same};
use crate::digest::Digest;
use crate::encoding::{base64_encode, pem_decode_all, pem_encode};
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, Request, Response};
use crate::service;
use crate::tlog::{InclusionProof, LogEntry};

const REKOR: &str = "Rekor";
/// How often an entry that is said to exist is asked for: the log's read side lags behind by seconds.
const MAX_FETCHES: u32 = 5;
/// First pause between two of these; each next one is twice as long, 7.5 s in all.
const FETCH_PAUSE: Duration = Duration::from_millis(500);

/// The JSON of a proposed entry.
pub(super) fn request_body(proposal: &Proposal<'_>) -> Result<Bytes> {
    let verifier = base64_encode(pem_encode("CERTIFICATE", proposal.certificate).as_bytes());
    let signature = base64_encode(proposal.signature);
    let Some((payload_type, payload)) = proposal.envelope else {
        let entry = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": {
                    "algorithm": proposal.digest.algorithm().as_str(),
                    "value": proposal.digest.hex(),
                } },
                "signature": { "content": signature, "publicKey": { "content": verifier } },
            },
        });
        return Ok(entry.to_string().into());
    };
    // The envelope's JSON is a string within the request's JSON. The payload can be large, so it is
    // encoded straight into the only copy; base64 needs no escaping.
    let mut out = String::with_capacity(payload.len().div_ceil(3) * 4 + verifier.len() + 1024);
    out.push_str(r#"{"apiVersion":"0.0.1","kind":"dsse","spec":{"proposedContent":{"envelope":""#);
    out.push_str(r#"{\"payload\":\""#);
    STANDARD.encode_string(payload, &mut out);
    out.push_str(r#"\",\"payloadType\":"#);
    // Escaped twice, once for each of the two layers; the outer quotes are there already.
    let twice = json!(json!(payload_type).to_string()).to_string();
    out.push_str(twice.get(1..twice.len() - 1).unwrap_or_default());
    out.push_str(r#",\"signatures\":[{\"sig\":\""#);
    out.push_str(&signature);
    out.push_str(r#"\"}]}","verifiers":[""#);
    out.push_str(&verifier);
    out.push_str(r#""]}}}"#);
    Ok(out.into())
}

pub(super) async fn write(
    http: &HttpClient,
    base: &Url,
    body: Bytes,
    proposal: &Proposal<'_>,
) -> Result<LogEntry> {
    let url = service::endpoint(base, "api/v1/log/entries")?;
    let request = Request::new(REKOR, Method::POST, url)
        .header(CONTENT_TYPE, "application/json")?
        .header(ACCEPT, "application/json")?
        .body(body);
    let answer = http.send(request).await?;
    let answer = match answer.status {
        StatusCode::CREATED | StatusCode::OK => answer,
        // Written by an earlier try whose answer was lost.
        StatusCode::CONFLICT => existing(http, base, &answer).await?,
        StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(service::refused(REKOR, &answer).hint(
                "Rekor v1 takes the whole payload; use a smaller document, or a signing config with Rekor v2",
            ));
        }
        _ => return Err(service::refused(REKOR, &answer)),
    };
    let entry = parse(&answer.body)?;
    check(&entry, proposal)?;
    Ok(entry)
}

/// Fetches the entry that a 409 points to.
async fn existing(http: &HttpClient, base: &Url, conflict: &Response) -> Result<Response> {
    let url = conflict
        .headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| base.join(text).ok())
        .ok_or_else(|| {
            service::not_understood(REKOR, "the entry exists, and no Location says where")
                .hint("sign again: a new key makes a new entry")
        })?;
    // The log must not be able to send this client anywhere else.
    if url.origin() != base.origin() {
        return Err(service::contradiction(REKOR, "the entry's Location is on another host")
            .expected(base.origin().ascii_serialization())
            .found(url.origin().ascii_serialization()));
    }
    let mut pause = FETCH_PAUSE;
    for fetch in 1.. {
        let request = Request::new(REKOR, Method::GET, url.clone()).header(ACCEPT, "application/json")?;
        let answer = http.send(request).await?;
        match answer.status {
            StatusCode::OK => return Ok(answer),
            StatusCode::NOT_FOUND if fetch < MAX_FETCHES => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            StatusCode::NOT_FOUND => break,
            _ => return Err(service::refused(REKOR, &answer)),
        }
    }
    Err(Error::new(Code::ServiceUnavailable, "Rekor says that the entry exists, and does not show it")
        .hint("sign again: a new key makes a new entry"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    body: String,
    integrated_time: i64,
    #[serde(rename = "logID")]
    log_id: String,
    log_index: u64,
    verification: Verification,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    inclusion_proof: Proof,
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    checkpoint: String,
    #[serde(default)]
    hashes: Vec<String>,
    log_index: u64,
    root_hash: String,
    tree_size: u64,
}

/// The answer's single entry; Rekor v1 writes in hexadecimal what a bundle holds as bytes.
fn parse(json: &[u8]) -> Result<LogEntry> {
    let entries: BTreeMap<String, Entry> = serde_json::from_slice(json)
        .map_err(|e| service::not_understood(REKOR, "no log entry").found(e.to_string()).caused_by(e))?;
    let count = entries.len();
    let mut entries = entries.into_values();
    let (Some(entry), None) = (entries.next(), entries.next()) else {
        return Err(service::not_understood(REKOR, "wrong number of entries").expected(1).found(count));
    };
    let hex = |what: &str, text: &str| {
        hex::decode(text).map_err(|_| service::not_understood(REKOR, &format!("{what} is not hexadecimal")))
    };
    let proof = entry.verification.inclusion_proof;
    let body = base64(REKOR, "the body", &entry.body)?;
    let head = head(REKOR, &body)?;
    Ok(LogEntry {
        log_index: entry.log_index,
        log_id: hex("the log id", &entry.log_id)?,
        kind: head.kind,
        version: head.api_version,
        integrated_time: Some(entry.integrated_time),
        promise: Some(base64(REKOR, "the promise", &entry.verification.signed_entry_timestamp)?),
        proof: Some(InclusionProof {
            log_index: proof.log_index,
            root_hash: hex("the root hash", &proof.root_hash)?,
            tree_size: proof.tree_size,
            hashes: proof.hashes.iter().map(|h| hex("a hash", h)).collect::<Result<_>>()?,
            checkpoint: proof.checkpoint,
        }),
        body,
    })
}

#[derive(Deserialize)]
struct Body<S> {
    spec: S,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct HashedRekord {
    data: Data,
    signature: Signature,
}

#[derive(Deserialize)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    content: String,
    public_key: PublicKey,
}

#[derive(Deserialize)]
struct PublicKey {
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse {
    payload_hash: Hash,
    signatures: Vec<DsseSignature>,
}

#[derive(Deserialize)]
struct DsseSignature {
    signature: String,
    verifier: String,
}

/// Makes sure that the entry is about what was sent, before it is put into a bundle.
fn check(entry: &LogEntry, proposal: &Proposal<'_>) -> Result<()> {
    let kind = if proposal.envelope.is_some() { "dsse" } else { "hashedrekord" };
    if (entry.kind.as_str(), entry.version.as_str()) != (kind, "0.0.1") {
        return Err(service::contradiction(REKOR, "the entry is of another kind")
            .expected(format!("{kind} 0.0.1"))
            .found(format!("{} {}", entry.kind, entry.version)));
    }
    let (hash, digest, signature, verifier) = if let Some((_, payload)) = proposal.envelope {
        let Dsse { payload_hash, signatures } = body(&entry.body)?;
        let count = signatures.len();
        let [only] = <[DsseSignature; 1]>::try_from(signatures).map_err(|_| {
            service::contradiction(REKOR, "the entry has another number of signatures")
                .expected(1)
                .found(count)
        })?;
        (payload_hash, Digest::sha256(payload), only.signature, only.verifier)
    } else {
        let HashedRekord { data, signature } = body(&entry.body)?;
        (data.hash, proposal.digest.clone(), signature.content, signature.public_key.content)
    };
    if hash.algorithm != digest.algorithm().as_str() || hash.value != digest.hex() {
        return Err(service::contradiction(REKOR, "the entry is about another digest")
            .expected(&digest)
            .found(format!("{}:{}", hash.algorithm, hash.value)));
    }
    same(REKOR, "signature", &base64(REKOR, "the signature", &signature)?, proposal.signature)?;
    let pem = base64(REKOR, "the certificate", &verifier)?;
    let certificates = pem_decode_all("CERTIFICATE", &String::from_utf8_lossy(&pem))
        .map_err(|_| service::not_understood(REKOR, "the entry's certificate is not PEM"))?;
    same(REKOR, "certificate", &certificates.concat(), proposal.certificate)
}

fn body<S: for<'a> Deserialize<'a>>(json: &[u8]) -> Result<S> {
    serde_json::from_slice::<Body<S>>(json)
        .map(|body| body.spec)
        .map_err(|e| service::not_understood(REKOR, "the entry's body").found(e.to_string()).caused_by(e))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::service::fake::Fake;
    use crate::signer::KeyScheme;

    fn proposal<'a>(digest: &'a Digest, envelope: Option<(&'a str, &'a [u8])>) -> Proposal<'a> {
        Proposal {
            scheme: KeyScheme::EcdsaP256Sha256,
            certificate: b"certificate",
            digest,
            signature: b"signature",
            envelope,
        }
    }

    fn logged(body: &Value) -> Vec<u8> {
        json!({ "24296fb24b8ad77a": {
            "body": base64_encode(body.to_string().as_bytes()),
            "integratedTime": 1_700_000_000, "logID": "c0d2", "logIndex": 9,
            "verification": { "signedEntryTimestamp": "c2V0", "inclusionProof": {
                "checkpoint": "log\n", "hashes": ["aa", "bb"], "logIndex": 3, "rootHash": "cc", "treeSize": 4,
            } },
        } })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn the_envelope_survives_both_layers_of_json() {
        let digest = Digest::sha256(b"");
        let odd = "application/\"x\\y\"";
        let payload = [0xff, 0x00, b'"'];
        let request: Value =
            serde_json::from_slice(&request_body(&proposal(&digest, Some((odd, &payload)))).unwrap())
                .unwrap();
        let content = &request["spec"]["proposedContent"];
        let envelope: Value = serde_json::from_str(content["envelope"].as_str().unwrap()).unwrap();
        assert_eq!(envelope["payloadType"], odd);
        assert_eq!(envelope["payload"], base64_encode(&payload));
        assert_eq!(envelope["signatures"][0]["sig"], base64_encode(b"signature"));
        let pem = STANDARD.decode(content["verifiers"][0].as_str().unwrap()).unwrap();
        assert_eq!(pem, pem_encode("CERTIFICATE", b"certificate").as_bytes());
    }

    #[test]
    fn takes_entries_about_the_artifact_and_no_others() {
        let digest = Digest::sha256(b"artifact");
        let proposal = proposal(&digest, None);
        let sent: Value = serde_json::from_slice(&request_body(&proposal).unwrap()).unwrap();
        let entry = parse(&logged(&sent)).unwrap();
        check(&entry, &proposal).unwrap();
        assert_eq!((entry.log_index, entry.log_id.as_slice()), (9, [0xc0, 0xd2].as_slice()));
        let proof = entry.proof.unwrap();
        assert_eq!((proof.log_index, proof.tree_size, proof.hashes), (3, 4, vec![vec![0xaa], vec![0xbb]]));

        let certificate = base64_encode(pem_encode("CERTIFICATE", b"other").as_bytes());
        for (pointer, value) in [
            ("/kind", json!("dsse")),
            ("/apiVersion", json!("0.0.2")),
            ("/spec/data/hash/value", json!(Digest::sha256(b"other").hex())),
            ("/spec/data/hash/algorithm", json!("sha512")),
            ("/spec/signature/content", json!(base64_encode(b"other"))),
            ("/spec/signature/publicKey/content", json!(certificate)),
        ] {
            let mut other = sent.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            let error = check(&parse(&logged(&other)).unwrap(), &proposal).unwrap_err();
            assert_eq!(error.code(), Code::ServiceContradiction, "{pointer}");
        }
    }

    #[test]
    fn takes_entries_about_the_envelope_and_no_others() {
        let (digest, payload) = (Digest::sha256(b"pae"), b"payload");
        let proposal = proposal(&digest, Some(("type", payload)));
        let verifier = base64_encode(pem_encode("CERTIFICATE", b"certificate").as_bytes());
        let signature = json!({ "signature": base64_encode(b"signature"), "verifier": verifier });
        let good = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": { "algorithm": "sha256", "value": "00" },
            "payloadHash": { "algorithm": "sha256", "value": Digest::sha256(payload).hex() },
            "signatures": [signature],
        } });
        check(&parse(&logged(&good)).unwrap(), &proposal).unwrap();
        for (pointer, value) in [
            ("/spec/payloadHash/value", json!(digest.hex())),
            ("/spec/signatures", json!([])),
            ("/spec/signatures", json!([signature, signature])),
            ("/spec/signatures/0/signature", json!("AAAA")),
        ] {
            let mut other = good.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            let error = check(&parse(&logged(&other)).unwrap(), &proposal).unwrap_err();
            assert_eq!(error.code(), Code::ServiceContradiction, "{pointer}");
        }
    }

    #[tokio::test]
    async fn follows_a_conflict_to_the_entry_on_the_same_host() {
        let digest = Digest::sha256(b"artifact");
        let proposal = proposal(&digest, None);
        let body = request_body(&proposal).unwrap();
        let sent: Value = serde_json::from_slice(&body).unwrap();
        let entry = String::from_utf8(logged(&sent)).unwrap();
        let conflict = |location: &str| (409, vec![("Location", location.to_owned())], "{}".to_owned());
        let missing = || (404, vec![], "{}".to_owned());

        let at = "/api/v1/log/entries/24296fb24b8ad77a";
        let fake = Fake::serve(vec![conflict(at), missing(), missing(), (200, vec![], entry)]).await;
        let found = write(&fake.client(), &fake.url, body.clone(), &proposal).await.unwrap();
        assert_eq!(found.log_index, 9);
        let requests = fake.requests();
        assert_eq!(requests.len(), 4);
        assert!(requests[3].starts_with(&format!("GET {at} ")), "{}", requests[3]);

        let fake = Fake::serve(vec![conflict("http://127.0.0.2:1/entry")]).await;
        let error = write(&fake.client(), &fake.url, body.clone(), &proposal).await.unwrap_err();
        assert_eq!(error.code(), Code::ServiceContradiction);

        // An entry about something else is not taken just because it was found by a detour.
        let mut foreign = sent.clone();
        foreign["spec"]["data"]["hash"]["value"] = json!(Digest::sha256(b"other").hex());
        let foreign = String::from_utf8(logged(&foreign)).unwrap();
        let fake = Fake::serve(vec![conflict(at), (200, vec![], foreign)]).await;
        let error = write(&fake.client(), &fake.url, body, &proposal).await.unwrap_err();
        assert_eq!(error.code(), Code::ServiceContradiction);
    }

    #[tokio::test]
    async fn says_why_the_log_refused() {
        let digest = Digest::sha256(b"artifact");
        let proposal = proposal(&digest, None);
        for (status, code) in [
            (400, Code::ServiceRefused),
            (413, Code::ServiceRefused),
            (502, Code::ServiceUnavailable),
            (409, Code::ServiceProtocol),
        ] {
            let fake = Fake::serve(vec![(status, vec![], r#"{"code":400,"message":"no"}"#.into())]).await;
            let body = request_body(&proposal).unwrap();
            let error = write(&fake.client(), &fake.url, body, &proposal).await.unwrap_err();
            assert_eq!(error.code(), code, "{status}: {error}");
            assert_eq!(fake.requests().len(), 1, "a write is not repeated after {status}");
        }
    }

    #[test]
    fn refuses_answers_that_are_no_single_entry() {
        for bad in ["", "{}", "[]", r#"{"a":{"body":"!"}}"#] {
            assert_eq!(parse(bad.as_bytes()).unwrap_err().code(), Code::ServiceProtocol, "{bad}");
        }
    }
}
