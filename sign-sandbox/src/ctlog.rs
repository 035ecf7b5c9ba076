//! The certificate transparency log: RFC 6962 version 1, signed certificate timestamps over precertificates.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use rand_core::OsRng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::pki::BoxError;

/// RFC 6962 section 3.2: version 1.
const V1: u8 = 0;
/// RFC 6962 section 3.2: `SignatureType.certificate_timestamp`.
const CERTIFICATE_TIMESTAMP: u8 = 0;
/// RFC 6962 section 3.5: `SignatureType.tree_hash`.
const TREE_HASH: u8 = 1;
/// RFC 6962 section 3.1: `LogEntryType.precert_entry`.
const PRECERT_ENTRY: u16 = 1;
/// RFC 6962 section 3.4: `MerkleLeafType.timestamped_entry`.
const TIMESTAMPED_ENTRY: u8 = 0;
/// RFC 5246 section 7.4.1.4.1: `HashAlgorithm.sha256` and `SignatureAlgorithm.ecdsa`.
const SHA256_ECDSA: [u8; 2] = [4, 3];
/// RFC 6962 section 2.1: what a leaf's hash starts with.
const LEAF_PREFIX: u8 = 0;
/// RFC 6962 section 2.1: what an inner node's hash starts with.
const NODE_PREFIX: u8 = 1;
/// No request to the log has a body.
const MAX_BODY: usize = 1024;

/// The log: a P-256 key and the hashes of what it was given.
pub(crate) struct CtLog {
    key: SigningKey,
    public_key: Vec<u8>,
    id: [u8; 32],
    tree: Mutex<Tree>,
}

/// The leaves' hashes, and when the last one came, in milliseconds.
#[derive(Default)]
struct Tree {
    leaves: Vec<[u8; 32]>,
    updated: u64,
}

impl CtLog {
    /// An empty log with a new key.
    pub(crate) fn new() -> Result<Self, BoxError> {
        let key = SigningKey::random(&mut OsRng);
        let public_key = key.verifying_key().to_public_key_der()?.into_vec();
        let id = Sha256::digest(&public_key).into();
        Ok(Self { key, public_key, id, tree: Mutex::default() })
    }

    /// The public key, DER SPKI.
    pub(crate) fn public_key_der(&self) -> Vec<u8> {
        self.public_key.clone()
    }

    /// RFC 6962 section 3.2: SHA-256 of the public key.
    pub(crate) fn id(&self) -> [u8; 32] {
        self.id
    }

    /// How many precertificates were logged.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.tree().leaves.len()
    }

    /// The log's own word on its tree: RFC 6962 section 4.3. The precertificates come from Fulcio alone.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/ct/v1/get-sth", get(tree_head))
            .fallback(async || refuse(StatusCode::NOT_FOUND, "no such endpoint"))
            .method_not_allowed_fallback(async || {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "no such method on this endpoint")
            })
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs the precertificate whose TBS, without poison and SCT list, is `tbs`; answers the SCT.
    pub(crate) fn add(
        &self,
        tbs: &[u8],
        issuer_key_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Vec<u8>, BoxError> {
        let now = u64::try_from(now.as_millisecond())?;
        let timestamp = now.to_be_bytes();
        let entry = entry(tbs, issuer_key_hash, timestamp)?;
        let mut signed = vec![V1, CERTIFICATE_TIMESTAMP];
        signed.extend_from_slice(&entry);
        let signature: DerSignature = self.key.sign(&signed);

        let leaf = Sha256::new().chain_update([LEAF_PREFIX, V1, TIMESTAMPED_ENTRY]).chain_update(&entry);
        let mut tree = self.tree();
        tree.leaves.push(leaf.finalize().into());
        tree.updated = tree.updated.max(now);
        drop(tree);

        let mut sct = vec![V1];
        sct.extend_from_slice(&self.id);
        sct.extend_from_slice(&timestamp);
        sct.extend_from_slice(&[0, 0]); // no extensions
        push_signature(&mut sct, &signature)?;
        Ok(sct)
    }

    /// RFC 6962 section 3.5: the signed tree head.
    fn tree_head(&self) -> Result<Value, BoxError> {
        let tree = self.tree();
        let size = u64::try_from(tree.leaves.len())?;
        let root = root(&tree.leaves);
        let mut signed = vec![V1, TREE_HASH];
        signed.extend_from_slice(&tree.updated.to_be_bytes());
        signed.extend_from_slice(&size.to_be_bytes());
        signed.extend_from_slice(&root);
        let mut signature = Vec::new();
        push_signature(&mut signature, &self.key.sign(&signed))?;
        Ok(json!({
            "tree_size": size,
            "timestamp": tree.updated,
            "sha256_root_hash": BASE64_STANDARD.encode(root),
            "tree_head_signature": BASE64_STANDARD.encode(signature),
        }))
    }
}

async fn tree_head(State(log): State<Arc<CtLog>>) -> Response {
    match log.tree_head() {
        Ok(head) => Json(head).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error_message": message}))).into_response()
}

/// RFC 6962 section 2.1: the Merkle tree hash.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            // The largest power of two below the number of leaves.
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let node = Sha256::new().chain_update([NODE_PREFIX]).chain_update(root(left));
            node.chain_update(root(right)).finalize().into()
        }
    }
}

/// RFC 6962 section 3.3: a `SignedCertificateTimestampList`.
pub(crate) fn list(scts: &[Vec<u8>]) -> Result<Vec<u8>, BoxError> {
    let mut all = Vec::new();
    for sct in scts {
        push_vector(&mut all, sct)?;
    }
    let mut list = Vec::new();
    push_vector(&mut list, &all)?;
    Ok(list)
}

/// RFC 6962 section 3.4, from `timestamp` on: the members that the SCT's signature and the leaf share.
fn entry(tbs: &[u8], issuer_key_hash: [u8; 32], timestamp: [u8; 8]) -> Result<Vec<u8>, BoxError> {
    let length = u32::try_from(tbs.len())?.to_be_bytes();
    let [0, length @ ..] = length else { return Err("a precertificate of 16 MiB or more".into()) };
    let mut entry = timestamp.to_vec();
    entry.extend_from_slice(&PRECERT_ENTRY.to_be_bytes());
    entry.extend_from_slice(&issuer_key_hash);
    entry.extend_from_slice(&length);
    entry.extend_from_slice(tbs);
    entry.extend_from_slice(&[0, 0]); // no extensions
    Ok(entry)
}

/// RFC 5246 section 4.7: the `digitally-signed` struct.
fn push_signature(to: &mut Vec<u8>, signature: &DerSignature) -> Result<(), BoxError> {
    to.extend_from_slice(&SHA256_ECDSA);
    push_vector(to, signature.as_bytes())
}

/// RFC 5246 section 4.3: a vector with a length of two bytes.
fn push_vector(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), BoxError> {
    to.extend_from_slice(&u16::try_from(bytes.len())?.to_be_bytes());
    to.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier as _;
    use p256::ecdsa::{Signature, VerifyingKey};
    use p256::pkcs8::DecodePublicKey as _;

    use super::*;

    #[test]
    fn the_timestamp_is_signed_over_the_entry() {
        let log = CtLog::new().unwrap();
        let now = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let sct = log.add(b"a tbs", [7; 32], now).unwrap();

        let (head, signature) = sct.split_at(1 + 32 + 8 + 2 + 2 + 2);
        assert_eq!(head[1..33], log.id());
        // Written out from RFC 6962, not with the helpers above.
        let mut expected = vec![0, 0];
        expected.extend_from_slice(&1_700_000_000_123_u64.to_be_bytes());
        expected.extend_from_slice(&[0, 1]);
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(&[0, 0, 5]);
        expected.extend_from_slice(b"a tbs\0\0");
        let key = VerifyingKey::from_public_key_der(&log.public_key_der()).unwrap();
        let signature = Signature::from_der(signature).unwrap();
        key.verify(&expected, &signature).unwrap();
        *expected.last_mut().unwrap() = 1;
        assert!(key.verify(&expected, &signature).is_err());
        assert_eq!(log.size(), 1);
    }

    #[test]
    fn a_list_has_two_lengths() {
        assert_eq!(list(&[b"abc".to_vec()]).unwrap(), b"\0\x05\0\x03abc");
        assert!(list(&[vec![0; 65_534]]).is_err());
    }

    #[tokio::test]
    async fn the_tree_head_is_signed() {
        let log = Arc::new(CtLog::new().unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ct/v1/", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, log.clone().router()).into_future());
        for tbs in [b"a", b"b", b"c"] {
            log.add(tbs, [7; 32], Timestamp::from_millisecond(1_700_000_000_123).unwrap()).unwrap();
        }
        let text = reqwest::get(format!("{url}get-sth")).await.unwrap().text().await.unwrap();
        let head: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&head["tree_size"], &head["timestamp"]), (&json!(3), &json!(1_700_000_000_123_u64)));

        let leaf = |tbs: &[u8]| {
            let head = [&[0, 0, 0][..], &1_700_000_000_123_u64.to_be_bytes(), &[0, 1], &[7; 32], &[0, 0, 1]];
            Sha256::digest([&head.concat(), tbs, &[0, 0]].concat())
        };
        let left = Sha256::digest([&[1][..], &leaf(b"a"), &leaf(b"b")].concat());
        let root = Sha256::digest([&[1][..], &left, &leaf(b"c")].concat());
        let decode = |name: &str| BASE64_STANDARD.decode(head[name].as_str().unwrap()).unwrap();
        assert_eq!(decode("sha256_root_hash"), root.to_vec());
        let signed =
            [&[0, 1][..], &1_700_000_000_123_u64.to_be_bytes(), &3_u64.to_be_bytes(), &root].concat();
        let key = VerifyingKey::from_public_key_der(&log.public_key_der()).unwrap();
        key.verify(&signed, &Signature::from_der(&decode("tree_head_signature")[4..]).unwrap()).unwrap();
        assert_eq!(reqwest::get(format!("{url}get-roots")).await.unwrap().status().as_u16(), 404);
    }
}
