//! From a request to the canonical body that is hashed into the tree. The signature is checked.
//!
//! Source: `hashedrekord.proto` and `verifier.proto` of rekor-tiles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::keys::ClientKey;
use crate::pki::BoxError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateEntry {
    #[serde(alias = "hashed_rekord_request_v002")]
    hashed_rekord_request_v002: Option<HashedRekord>,
    #[serde(alias = "dsse_request_v002")]
    dsse_request_v002: Option<Value>,
}

#[derive(Deserialize)]
struct HashedRekord {
    digest: String,
    signature: Signature,
}

#[derive(Deserialize)]
struct Signature {
    content: String,
    verifier: Verifier,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verifier {
    #[serde(alias = "x509_certificate")]
    x509_certificate: Option<RawBytes>,
    #[serde(alias = "public_key")]
    public_key: Option<RawBytes>,
    #[serde(alias = "key_details")]
    key_details: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBytes {
    #[serde(alias = "raw_bytes")]
    raw_bytes: String,
}

/// The canonical form of a request whose signature verifies.
pub(super) fn canonical(json: &[u8]) -> Result<Vec<u8>, BoxError> {
    let request: CreateEntry = serde_json::from_slice(json)?;
    let (Some(HashedRekord { digest, signature }), None) =
        (request.hashed_rekord_request_v002, request.dsse_request_v002)
    else {
        return Err("invalid type, must be hashedrekord".into());
    };
    let Verifier { x509_certificate, public_key, key_details } = signature.verifier;
    let (key, verifier) = match (x509_certificate, public_key) {
        (Some(RawBytes { raw_bytes }), None) => {
            let key = ClientKey::from_certificate(STANDARD.decode(raw_bytes)?)?;
            let raw = STANDARD.encode(&key.der);
            (key, json!({ "x509Certificate": { "rawBytes": raw }, "keyDetails": key_details }))
        }
        (None, Some(RawBytes { raw_bytes })) => {
            let key = ClientKey::from_spki(STANDARD.decode(raw_bytes)?)?;
            let raw = STANDARD.encode(&key.der);
            (key, json!({ "publicKey": { "rawBytes": raw }, "keyDetails": key_details }))
        }
        _ => return Err("not exactly one of certificate and public key".into()),
    };
    if key.key_details()? != key_details {
        return Err(format!("the key is {}, not {key_details}", key.key_details()?).into());
    }
    let (algorithm, length) = match key_details.as_str() {
        "PKIX_ECDSA_P256_SHA_256" => ("SHA2_256", 32),
        _ => ("SHA2_384", 48),
    };
    let (digest, content) = (STANDARD.decode(digest)?, STANDARD.decode(signature.content)?);
    if digest.len() != length {
        return Err(format!("the digest has {} bytes, not {length}", digest.len()).into());
    }
    key.verify_digest(&digest, &content)?;
    let entry = json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
        "data": { "algorithm": algorithm, "digest": STANDARD.encode(digest) },
        "signature": { "content": STANDARD.encode(content), "verifier": verifier },
    } } });
    Ok(serde_json_canonicalizer::to_vec(&entry)?)
}
