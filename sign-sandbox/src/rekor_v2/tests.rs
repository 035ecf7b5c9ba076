use ed25519_dalek::{Signature, VerifyingKey};
use p256::ecdsa::DerSignature;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;

use super::*;

struct Service {
    url: String,
    faults: Faults,
    log_key: VerifyingKey,
    log_id: [u8; 32],
    client: reqwest::Client,
    key: p256::ecdsa::SigningKey,
}

impl Service {
    async fn start() -> Self {
        let faults = Faults::default();
        let rekor = Arc::new(RekorV2::new("log.example", faults.clone()).unwrap());
        let (log_key, log_id) = (rekor.key.verifying_key(), rekor.log_id());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, rekor.router()).into_future());
        let key = p256::ecdsa::SigningKey::from_slice(&pki::random::<32>()).unwrap();
        Self { url, faults, log_key, log_id, client: reqwest::Client::new(), key }
    }

    fn request(&self, content: &[u8]) -> Value {
        let digest = Sha256::digest(content);
        let signature: DerSignature = self.key.sign_prehash(&digest).unwrap();
        let der = self.key.verifying_key().to_public_key_der().unwrap();
        json!({ "hashedRekordRequestV002": { "digest": STANDARD.encode(digest), "signature": {
            "content": STANDARD.encode(signature.as_bytes()),
            "verifier": { "publicKey": { "rawBytes": STANDARD.encode(der.as_bytes()) }, "keyDetails": "PKIX_ECDSA_P256_SHA_256" },
        } } })
    }

    async fn post(&self, request: &Value) -> (u16, Value) {
        let response = self.client.post(format!("{}/api/v2/log/entries", self.url)).body(request.to_string());
        let response = response.header("content-type", "application/json").send().await.unwrap();
        (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    /// Size and root of a checkpoint, if the log signed it.
    fn open(&self, note: &str) -> Option<(usize, Hash)> {
        let (text, line) = note.split_once("\n\n")?;
        let mut words = line.trim_end().split(' ').skip(1);
        assert_eq!(words.next(), Some("log.example"));
        let line = STANDARD.decode(words.next()?).ok()?;
        let (hint, signature) = line.split_at(4);
        assert_eq!(hint, &self.log_id[..4]);
        self.log_key
            .verify_strict(format!("{text}\n").as_bytes(), &Signature::from_slice(signature).ok()?)
            .ok()?;
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("log.example"));
        let size = lines.next()?.parse().ok()?;
        Some((size, STANDARD.decode(lines.next()?).ok()?.try_into().ok()?))
    }
}

#[tokio::test]
async fn entries_checkpoint_and_tiles_are_one_tree() {
    let service = Service::start().await;
    let mut tree = Tree::default();
    let mut bodies = Vec::new();
    for n in 0..5_u8 {
        let (status, entry) = service.post(&service.request(&[n])).await;
        assert_eq!(status, 201, "{entry}");
        assert_eq!(entry["logIndex"], n.to_string());
        assert_eq!(entry["logId"]["keyId"], STANDARD.encode(service.log_id));
        let body = STANDARD.decode(entry["canonicalizedBody"].as_str().unwrap()).unwrap();
        tree.append(leaf_hash(&body));
        bodies.push(body);
        let proof = &entry["inclusionProof"];
        let expected = tree.inclusion_proof(n.into(), tree.size());
        let found: Vec<_> =
            proof["hashes"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap()).collect();
        assert_eq!(found, expected.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>());
        let opened = service.open(proof["checkpoint"]["envelope"].as_str().unwrap());
        assert_eq!(opened, Some((tree.size(), tree.root(tree.size()))));
    }
    let (_, note) = service.get("/api/v2/checkpoint").await;
    assert_eq!(service.open(&String::from_utf8(note).unwrap()), Some((5, tree.root(5))));
    let leaves: Vec<Hash> = bodies.iter().map(|body| leaf_hash(body)).collect();
    assert_eq!(service.get("/api/v2/tile/0/000.p/5").await, (200, leaves.concat()));
    let (status, entries) = service.get("/api/v2/tile/entries/000.p/5").await;
    assert_eq!((status, entries.len()), (200, bodies.iter().map(|body| body.len() + 2).sum()));
    assert_eq!(service.get("/api/v2/tile/0/000").await.0, 404);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let service = Service::start().await;
    let good = service.request(b"a");
    assert_eq!(service.post(&good).await.0, 201);
    let (status, answer) = service.post(&good).await;
    assert_eq!((status, answer["code"].as_u64()), (409, Some(6)));
    let at = |pointer: &str, value: Value| {
        let mut bad = service.request(b"b");
        *bad.pointer_mut(&format!("/hashedRekordRequestV002{pointer}")).unwrap() = value;
        bad
    };
    for bad in [
        at("/digest", json!(STANDARD.encode(Sha256::digest(b"c")))),
        at("/digest", json!("YQ==")),
        at("/signature/verifier/keyDetails", json!("PKIX_ECDSA_P384_SHA_384")),
        at("/signature/verifier/publicKey/rawBytes", json!("YQ==")),
        json!({ "dsseRequestV002": {} }),
        json!({}),
    ] {
        let (status, answer) = service.post(&bad).await;
        assert_eq!((status, answer["code"].as_u64()), (400, Some(3)), "{bad}");
    }
    assert_eq!(service.get("/api/v2/unknown").await.0, 404);
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let service = Service::start().await;
    service.faults.set(Fault::RekorBadCheckpoint);
    let (_, entry) = service.post(&service.request(b"checkpoint")).await;
    assert_eq!(service.open(entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap()), None);
    service.faults.clear();
    service.faults.set(Fault::RekorBadProof);
    let (_, entry) = service.post(&service.request(b"proof")).await;
    let (_, root) =
        service.open(entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap()).unwrap();
    assert_ne!(entry["inclusionProof"]["rootHash"], STANDARD.encode(root));
    service.faults.clear();
    service.faults.set(Fault::RekorOtherHash);
    let (_, entry) = service.post(&service.request(b"hash")).await;
    let body = STANDARD.decode(entry["canonicalizedBody"].as_str().unwrap()).unwrap();
    assert!(!String::from_utf8(body).unwrap().contains(&STANDARD.encode(Sha256::digest(b"hash"))));
    service.faults.clear();
    service.faults.set(Fault::RekorDown);
    assert_eq!(service.post(&service.request(b"down")).await.0, 503);
}
