use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::merkle::{Hash, leaf_hash, node_hash};
use crate::pki;

struct Service {
    url: String,
    faults: Faults,
    log_key: VerifyingKey,
    client: reqwest::Client,
    key: SigningKey,
}

impl Service {
    async fn start() -> Self {
        let faults = Faults::default();
        let rekor = Arc::new(RekorV1::new(Clock::system(), faults.clone()).unwrap());
        let log_key = VerifyingKey::from_public_key_der(&rekor.public_key_der()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, rekor.router()).into_future());
        let key = SigningKey::from_slice(&pki::random::<32>()).unwrap();
        Self { url, faults, log_key, client: reqwest::Client::new(), key }
    }

    fn pem(&self) -> String {
        let der = self.key.verifying_key().to_public_key_der().unwrap();
        STANDARD
            .encode(der::pem::encode_string("PUBLIC KEY", der::pem::LineEnding::LF, der.as_bytes()).unwrap())
    }

    fn hashedrekord(&self, content: &[u8]) -> Value {
        let digest = Sha256::digest(content);
        let signature: DerSignature = self.key.sign_prehash(&digest).unwrap();
        json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": hex::encode(digest) } },
            "signature": { "content": STANDARD.encode(signature.as_bytes()), "publicKey": { "content": self.pem() } },
        } })
    }

    fn dsse(&self, payload: &str) -> Value {
        let pae = format!("DSSEv1 1 t {} {payload}", payload.len());
        let signature: DerSignature = self.key.sign(pae.as_bytes());
        let envelope = json!({ "payload": STANDARD.encode(payload), "payloadType": "t",
            "signatures": [{ "sig": STANDARD.encode(signature.as_bytes()) }] });
        json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "proposedContent": { "envelope": envelope.to_string(), "verifiers": [self.pem()] } } })
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Option<String>, Value) {
        let url = format!("{}{path}", self.url);
        let response =
            self.client.post(url).body(body.to_string()).header("content-type", "application/json").send();
        let response = response.await.unwrap();
        let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        (
            response.status().as_u16(),
            location,
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
        )
    }

    async fn create(&self, body: &Value) -> Value {
        let (status, _, answer) = self.post("/api/v1/log/entries", body).await;
        assert_eq!(status, 201, "{answer}");
        answer.as_object().unwrap().values().next().unwrap().clone()
    }

    /// Whether promise, checkpoint and proof all hold.
    fn holds(&self, entry: &Value) -> [bool; 3] {
        let verify = |message: &[u8], signature: &[u8]| {
            DerSignature::from_bytes(signature)
                .is_ok_and(|signature| self.log_key.verify(message, &signature).is_ok())
        };
        let proof = &entry["verification"]["inclusionProof"];
        let promised = json!({ "body": entry["body"], "integratedTime": entry["integratedTime"],
            "logID": entry["logID"], "logIndex": entry["logIndex"] });
        let set = STANDARD.decode(entry["verification"]["signedEntryTimestamp"].as_str().unwrap()).unwrap();
        let note = proof["checkpoint"].as_str().unwrap();
        let (text, line) = note.split_once("\n\n").unwrap();
        let line = STANDARD.decode(line.trim_end().rsplit(' ').next().unwrap()).unwrap();
        let mut lines = text.lines().skip(1);
        assert_eq!(lines.next().unwrap(), proof["treeSize"].to_string());
        let root = lines.next().unwrap();
        let mut hash: Hash = leaf_hash(&STANDARD.decode(entry["body"].as_str().unwrap()).unwrap());
        let mut index = proof["logIndex"].as_u64().unwrap();
        let mut last = proof["treeSize"].as_u64().unwrap() - 1;
        for sibling in proof["hashes"].as_array().unwrap() {
            let sibling: Hash = hex::decode(sibling.as_str().unwrap()).unwrap().try_into().unwrap();
            while index.is_multiple_of(2) && index == last {
                (index, last) = (index / 2, last / 2);
            }
            hash = if index % 2 == 1 { node_hash(&sibling, &hash) } else { node_hash(&hash, &sibling) };
            (index, last) = (index / 2, last / 2);
        }
        let claimed = hex::decode(proof["rootHash"].as_str().unwrap()).unwrap();
        [
            verify(&serde_json_canonicalizer::to_vec(&promised).unwrap(), &set),
            verify(format!("{text}\n").as_bytes(), &line[4..]),
            root == STANDARD.encode(hash) && claimed == hash,
        ]
    }
}

#[tokio::test]
async fn every_entry_is_proven() {
    let service = Service::start().await;
    for n in 0..6 {
        let entry = service.create(&service.hashedrekord(&[n])).await;
        assert_eq!(service.holds(&entry), [true; 3], "{entry}");
        let entry = service.create(&service.dsse(&format!("payload {n}"))).await;
        assert_eq!(service.holds(&entry), [true; 3], "{entry}");
        let index = entry["logIndex"].as_u64().unwrap();
        assert_ne!(entry["verification"]["inclusionProof"]["logIndex"], index);
        let url = format!("{}/api/v1/log/entries?logIndex={index}", service.url);
        let text = service.client.get(url).send().await.unwrap().text().await.unwrap();
        let found: Value = serde_json::from_str(&text).unwrap();
        let (uuid, again) = found.as_object().unwrap().iter().next().unwrap();
        assert_eq!(again["body"], entry["body"]);
        let (_, _, list) =
            service.post("/api/v1/log/entries/retrieve", &json!({ "entryUUIDs": [uuid] })).await;
        assert_eq!(list[0][uuid]["body"], entry["body"]);
    }
}

#[tokio::test]
async fn an_entry_is_logged_once() {
    let service = Service::start().await;
    let proposal = service.hashedrekord(b"once");
    let first = service.create(&proposal).await;
    let (status, location, _) = service.post("/api/v1/log/entries", &proposal).await;
    assert_eq!(status, 409);
    let url = format!("{}{}", service.url, location.unwrap());
    let text = service.client.get(url).send().await.unwrap().text().await.unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found.as_object().unwrap().values().next().unwrap()["body"], first["body"]);
}

#[tokio::test]
async fn what_does_not_verify_is_refused() {
    let service = Service::start().await;
    let mut other_hash = service.hashedrekord(b"a");
    other_hash["spec"]["data"]["hash"]["value"] = json!(hex::encode(Sha256::digest(b"b")));
    let mut other_kind = service.hashedrekord(b"a");
    other_kind["apiVersion"] = json!("0.0.2");
    let mut other_payload = service.dsse("a");
    let envelope =
        other_payload["spec"]["proposedContent"]["envelope"].as_str().unwrap().replace("YQ==", "Yg==");
    other_payload["spec"]["proposedContent"]["envelope"] = json!(envelope);
    for (bad, expected) in
        [(other_hash, 400), (other_kind, 400), (other_payload, 400), (json!({}), 422), (json!([]), 422)]
    {
        let (status, _, answer) = service.post("/api/v1/log/entries", &bad).await;
        assert_eq!((u64::from(status), answer["code"].as_u64()), (expected, Some(expected)), "{bad}");
    }
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let service = Service::start().await;
    service.create(&service.hashedrekord(b"before")).await;
    for (fault, expected) in [
        (Fault::RekorBadSet, [false, true, true]),
        (Fault::RekorBadCheckpoint, [true, false, true]),
        (Fault::RekorBadProof, [true, true, false]),
        (Fault::RekorOtherHash, [true; 3]),
    ] {
        service.faults.clear();
        service.faults.set(fault);
        let content = fault.as_str().as_bytes();
        let entry = service.create(&service.hashedrekord(content)).await;
        assert_eq!(service.holds(&entry), expected, "{fault:?}");
        let body = STANDARD.decode(entry["body"].as_str().unwrap()).unwrap();
        let same = String::from_utf8(body).unwrap().contains(&hex::encode(Sha256::digest(content)));
        assert_eq!(same, fault != Fault::RekorOtherHash, "{fault:?}");
    }
    service.faults.clear();
    service.faults.set(Fault::RekorDown);
    let (status, ..) = service.post("/api/v1/log/entries", &service.hashedrekord(b"down")).await;
    assert_eq!(status, 500);
}
