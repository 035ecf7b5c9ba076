//! From a proposed entry to the canonical body that is hashed into the tree. Signatures are checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::keys::ClientKey;
use crate::pki::BoxError;

/// Most signatures of one envelope; clients send one.
const MAX_SIGNATURES: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proposal {
    api_version: String,
    kind: String,
    spec: Value,
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
struct Hash {
    #[serde(default)]
    algorithm: String,
    value: String,
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
    proposed_content: ProposedContent,
}

#[derive(Deserialize)]
struct ProposedContent {
    envelope: String,
    verifiers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intoto {
    content: IntotoContent,
    public_key: String,
}

#[derive(Deserialize)]
struct IntotoContent {
    envelope: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

/// Whether a refused proposal is JSON that Rekor's schema turns away before anything in it is looked at.
pub(super) fn lacks_members(json: &[u8]) -> bool {
    serde_json::from_slice::<Value>(json)
        .is_ok_and(|value| ["apiVersion", "kind", "spec"].iter().any(|name| value.get(name).is_none()))
}

/// The canonical form of a proposal whose signature verifies.
pub(super) fn canonical(json: &[u8]) -> Result<Vec<u8>, BoxError> {
    let Proposal { api_version, kind, spec } = serde_json::from_slice(json)?;
    let spec = match (kind.as_str(), api_version.as_str()) {
        ("hashedrekord", "0.0.1") => hashedrekord(serde_json::from_value(spec)?)?,
        ("dsse", "0.0.1") => dsse(serde_json::from_value(spec)?)?,
        ("intoto", "0.0.1") => intoto(serde_json::from_value(spec)?)?,
        _ => return Err(format!("unsupported entry {kind:?} {api_version:?}").into()),
    };
    let entry = json!({ "apiVersion": api_version, "kind": kind, "spec": spec });
    Ok(serde_json_canonicalizer::to_vec(&entry)?)
}

fn hashedrekord(proposal: HashedRekord) -> Result<Value, BoxError> {
    let HashedRekord { data: Data { hash }, signature } = proposal;
    let length = match hash.algorithm.as_str() {
        "sha256" => 32,
        "sha384" => 48,
        "sha512" => 64,
        other => return Err(format!("unsupported hash algorithm {other:?}").into()),
    };
    let digest = hex::decode(&hash.value)?;
    if digest.len() != length {
        return Err("the hash has the wrong length".into());
    }
    let key = ClientKey::from_pem(&STANDARD.decode(&signature.public_key.content)?)?;
    let signed = STANDARD.decode(&signature.content)?;
    key.verify_digest(&digest, &signed)?;
    Ok(json!({
        "data": { "hash": { "algorithm": hash.algorithm, "value": hex::encode(digest) } },
        "signature": {
            "content": STANDARD.encode(signed),
            "publicKey": { "content": STANDARD.encode(key.pem()?) },
        },
    }))
}

fn dsse(proposal: Dsse) -> Result<Value, BoxError> {
    let ProposedContent { envelope: text, verifiers } = proposal.proposed_content;
    let envelope: Envelope = serde_json::from_str(&text)?;
    if envelope.signatures.is_empty()
        || envelope.signatures.len() > MAX_SIGNATURES
        || verifiers.len() > MAX_SIGNATURES
    {
        return Err("wrong number of signatures or verifiers".into());
    }
    let keys = verifiers
        .iter()
        .map(|verifier| ClientKey::from_pem(&STANDARD.decode(verifier)?))
        .collect::<Result<Vec<_>, BoxError>>()?;
    let payload = STANDARD.decode(&envelope.payload)?;
    let pae = envelope.pae(&payload);
    let mut signatures = Vec::new();
    for signature in &envelope.signatures {
        let bytes = STANDARD.decode(&signature.sig)?;
        let key = keys
            .iter()
            .find(|key| key.verify(&pae, &bytes).is_ok())
            .ok_or("a signature of the envelope does not verify with any of the keys")?;
        signatures.push((STANDARD.encode(bytes), STANDARD.encode(key.pem()?)));
    }
    signatures.sort();
    let signatures: Vec<_> = signatures
        .into_iter()
        .map(|(signature, verifier)| json!({ "signature": signature, "verifier": verifier }))
        .collect();
    Ok(json!({
        "envelopeHash": hash(text.as_bytes()), "payloadHash": hash(&payload), "signatures": signatures,
    }))
}

/// What cosign logged for attestations at first: the entry does not repeat the signature.
fn intoto(proposal: Intoto) -> Result<Value, BoxError> {
    let text = proposal.content.envelope;
    let envelope: Envelope = serde_json::from_str(&text)?;
    let payload = STANDARD.decode(&envelope.payload)?;
    let key = ClientKey::from_pem(&STANDARD.decode(&proposal.public_key)?)?;
    let [signature] = envelope.signatures.as_slice() else { return Err("wrong number of signatures".into()) };
    key.verify(&envelope.pae(&payload), &STANDARD.decode(&signature.sig)?)?;
    Ok(json!({
        "content": { "hash": hash(text.as_bytes()), "payloadHash": hash(&payload) },
        "publicKey": STANDARD.encode(key.pem()?),
    }))
}

impl Envelope {
    fn pae(&self, payload: &[u8]) -> Vec<u8> {
        let kind = &self.payload_type;
        let header = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
        [header.as_bytes(), payload].concat()
    }
}

fn hash(bytes: &[u8]) -> Value {
    json!({ "algorithm": "sha256", "value": hex::encode(Sha256::digest(bytes)) })
}
