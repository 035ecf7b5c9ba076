//! What cosign wrote before bundles, made here from what the sandbox signs, and every way to bend it.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sign_core::{
    Artifact, Bundle, Code, Content, Digest, Envelope, EnvelopeSignature, INTOTO_PAYLOAD_TYPE,
    LegacySignature, PublicKey, Requirement, Result, Session, VerifiedBundle,
};
use sign_sandbox::RekorVersion;

use crate::sandbox::{Bench, CONTENT};

pub type Annotations = BTreeMap<String, String>;

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const ENTRY: &str = "dev.sigstore.cosign/bundle";
const STAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// A layer of a `.sig` or `.att` manifest.
#[derive(Clone)]
pub struct Layer {
    pub blob: Vec<u8>,
    pub annotations: Annotations,
}

pub fn subject() -> Digest {
    Digest::sha256(b"an image's manifest")
}

pub fn payload(subject: &Digest) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/app"}},"image":{{"docker-manifest-digest":"{subject}"}},"type":"cosign container image signature"}},"optional":{{"build":"7","n":1}}}}"#
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The evidence of a bundle as annotations, in cosign's spelling.
fn annotations(bundle: &Bundle) -> Annotations {
    let mut out = Annotations::new();
    if let Some(der) = bundle.leaf_certificate() {
        out.insert(CERTIFICATE.into(), pem("CERTIFICATE", der));
        out.insert(CHAIN.into(), String::new());
    }
    for entry in &bundle.log_entries {
        let promised = json!({
            "SignedEntryTimestamp": STANDARD.encode(entry.promise.as_ref().unwrap()),
            "Payload": {
                "body": STANDARD.encode(&entry.body), "integratedTime": entry.integrated_time,
                "logIndex": entry.log_index, "logID": hex::encode(&entry.log_id),
            },
        });
        out.insert(ENTRY.into(), promised.to_string());
    }
    for der in &bundle.timestamps {
        let stamp = json!({ "SignedRFC3161Timestamp": STANDARD.encode(der) });
        out.insert(STAMP.into(), stamp.to_string());
    }
    out
}

/// A `.sig` layer, signed keyless by `session`.
pub async fn signed(session: &Session<'_>, payload: &str) -> Layer {
    let bundle = session.sign_blob(&Digest::sha256(payload.as_bytes())).await.unwrap().bundle;
    let mut annotations = annotations(&bundle);
    annotations.insert(SIGNATURE.into(), STANDARD.encode(bundle.signature()));
    Layer { blob: payload.as_bytes().to_vec(), annotations }
}

/// The `.att` layer that says what `bundle` says.
pub fn attestation_layer(bundle: &Bundle) -> Layer {
    let Content::Dsse(envelope) = &bundle.content else { panic!("{bundle:?}") };
    let mut annotations = annotations(bundle);
    annotations.insert(SIGNATURE.into(), String::new());
    annotations.insert("predicateType".into(), "https://example.com/p".into());
    Layer { blob: envelope.to_json(), annotations }
}

/// A key that somebody keeps.
struct Key {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Key {
    fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let prefix = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        let public = PublicKey::from_der(&[&prefix[..], pair.public_key().as_ref()].concat()).unwrap();
        Self { pair, public }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn pem(&self) -> String {
        STANDARD.encode(pem("PUBLIC KEY", self.public.as_der()))
    }

    fn requirement(&self) -> Requirement {
        Requirement::Key(self.public.clone())
    }

    /// A `.sig` layer, logged.
    async fn signed(&self, bench: &Bench, payload: &str) -> Layer {
        let signature = STANDARD.encode(self.sign(payload.as_bytes()));
        let hash = json!({ "algorithm": "sha256", "value": Digest::sha256(payload.as_bytes()).hex() });
        let entry = json!({ "kind": "hashedrekord", "apiVersion": "0.0.1", "spec": {
            "data": { "hash": hash },
            "signature": { "content": signature, "publicKey": { "content": self.pem() } } } });
        let annotations =
            Annotations::from([(SIGNATURE.into(), signature), (ENTRY.into(), log(bench, &entry).await)]);
        Layer { blob: payload.as_bytes().to_vec(), annotations }
    }
}

/// Logs `entry` and returns the annotation that cosign makes of the answer.
async fn log(bench: &Bench, entry: &Value) -> String {
    let url = format!("{}/api/v1/log/entries", bench.sandbox.urls().rekor1);
    let answer = post(&url, "application/json", entry.to_string().into_bytes()).await;
    let answer: BTreeMap<String, Value> = serde_json::from_slice(&answer).unwrap();
    let entry = answer.values().next().unwrap();
    json!({
        "SignedEntryTimestamp": entry["verification"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["body"], "integratedTime": entry["integratedTime"],
            "logIndex": entry["logIndex"], "logID": entry["logID"],
        },
    })
    .to_string()
}

async fn post(url: &str, content_type: &str, body: Vec<u8>) -> Vec<u8> {
    let request = reqwest::Client::new().post(url).header("content-type", content_type).body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    body.to_vec()
}

/// The annotation with a timestamp over `message`.
async fn stamp(bench: &Bench, message: &[u8]) -> String {
    let mut request = hex::decode("30360201013031300d060960864801650304020105000420").unwrap();
    request.extend_from_slice(Digest::sha256(message).as_bytes());
    let config: Value = serde_json::from_str(bench.sandbox.signing_config(RekorVersion::V1)).unwrap();
    let url = config["tsaUrls"][0]["url"].as_str().unwrap();
    let answer = post(url, "application/timestamp-query", request).await;
    json!({ "SignedRFC3161Timestamp": STANDARD.encode(answer) }).to_string()
}

fn verify(bench: &Bench, layer: &Layer, requirement: &Requirement) -> Result<VerifiedBundle> {
    let signature = LegacySignature::from_layer(layer.blob.clone(), &layer.annotations)?;
    bench.verifier().verify_legacy(&signature, &subject(), requirement)
}

#[track_caller]
fn refused(bench: &Bench, layer: &Layer, requirement: &Requirement, code: Code) {
    let error = verify(bench, layer, requirement).map(|v| v.checks().to_vec()).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
}

/// `layer` with one annotation changed; none removes it.
fn with(layer: &Layer, name: &str, value: Option<&str>) -> Layer {
    let mut layer = layer.clone();
    match value {
        Some(value) => layer.annotations.insert(name.into(), value.into()),
        None => layer.annotations.remove(name),
    };
    layer
}

/// `layer` with a member of its log entry changed.
fn with_entry(layer: &Layer, name: &str, value: Value) -> Layer {
    let mut entry: Value = serde_json::from_str(&layer.annotations[ENTRY]).unwrap();
    entry["Payload"][name] = value;
    with(layer, ENTRY, Some(&entry.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyless_signature_is_verified_and_every_bent_one_refused() {
    let bench = Bench::start(RekorVersion::V1).await;
    let session = bench.context.session(&bench.token).await.unwrap();
    // Before anything is logged: the other certificate must be valid at every time that is borrowed below.
    let other = bench.context.session(&bench.token).await.unwrap();
    let who = bench.requirement();
    let good = signed(&session, &payload(&subject())).await;
    let verified = verify(&bench, &good, &who).unwrap();
    let said = verified.payload().unwrap();
    assert_eq!((&said.digest, said.docker_reference.as_str()), (&subject(), "registry.example/app"));
    assert_eq!(said.annotations, Annotations::from([("build".into(), "7".into())]));
    assert_eq!((verified.log_entries().len(), verified.times().len()), (1, 2));
    // The promise alone proves entry and time.
    let promised = with(&good, STAMP, None);
    assert_eq!(verify(&bench, &promised, &who).unwrap().times().len(), 1);
    // The chain is not read, whatever it holds.
    verify(&bench, &with(&good, CHAIN, Some("-----BEGIN CERTIFICATE-----")), &who).unwrap();

    let another = signed(&session, &payload(&Digest::sha256(b"another image"))).await;
    refused(&bench, &another, &who, Code::SubjectMismatch);
    let mut swapped = good.clone();
    swapped.blob = swapped.blob.iter().map(|&b| if b == b'7' { b'8' } else { b }).collect();
    refused(&bench, &swapped, &who, Code::LogEntryMismatch);

    let other = signed(&other, &payload(&subject())).await;
    for name in [CERTIFICATE, ENTRY, SIGNATURE] {
        let promised = with(&promised, name, Some(&other.annotations[name]));
        refused(&bench, &promised, &who, Code::LogEntryMismatch);
    }
    refused(&bench, &with(&good, STAMP, Some(&other.annotations[STAMP])), &who, Code::TimestampInvalid);

    let integrated =
        serde_json::from_str::<Value>(&good.annotations[ENTRY]).unwrap()["Payload"]["integratedTime"]
            .as_i64()
            .unwrap();
    refused(&bench, &with_entry(&good, "integratedTime", json!(integrated - 60)), &who, Code::SetInvalid);
    refused(&bench, &with_entry(&good, "integratedTime", json!(0)), &who, Code::SetInvalid);
    refused(&bench, &with_entry(&good, "logIndex", json!(1_000_000)), &who, Code::SetInvalid);
    refused(&bench, &with_entry(&good, "logID", json!("00".repeat(32))), &who, Code::LogUntrusted);
    refused(&bench, &with(&good, ENTRY, None), &who, Code::LogEntryInvalid);
    refused(&bench, &with(&promised, ENTRY, None), &who, Code::TimestampMissing);
    // Without its certificate it looks like a key's.
    refused(&bench, &with(&good, CERTIFICATE, None), &who, Code::KeyMaterialMismatch);

    let malformed = Code::BundleMalformed;
    refused(&bench, &with(&good, SIGNATURE, None), &who, malformed);
    refused(&bench, &with(&good, SIGNATURE, Some("")), &who, malformed);
    refused(&bench, &with(&good, SIGNATURE, Some("!")), &who, malformed);
    let two = good.annotations[CERTIFICATE].repeat(2);
    refused(&bench, &with(&good, CERTIFICATE, Some(&two)), &who, malformed);
    refused(&bench, &with(&good, CERTIFICATE, Some("certificate")), &who, malformed);
    for json in ["{}", "[]", "null", "{", r#"{"SignedRFC3161Timestamp":"","x":1}"#] {
        refused(&bench, &with(&good, STAMP, Some(json)), &who, malformed);
        refused(&bench, &with(&good, ENTRY, Some(json)), &who, malformed);
    }
    refused(&bench, &with_entry(&good, "inclusionProof", json!({})), &who, malformed);
    refused(&bench, &with_entry(&good, "logIndex", json!(-1)), &who, malformed);
    refused(&bench, &with_entry(&good, "logID", json!("zz")), &who, malformed);
    refused(&bench, &with_entry(&good, "body", json!("AAAA")), &who, Code::LogEntryInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_brings_no_trust() {
    let (here, there) = (Bench::start(RekorVersion::V1).await, Bench::start(RekorVersion::V1).await);
    let layer = signed(&there.context.session(&there.token).await.unwrap(), &payload(&subject())).await;
    let root: Value = serde_json::from_str(there.sandbox.trusted_root()).unwrap();
    let chain: String = root["certificateAuthorities"][0]["certChain"]["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| pem("CERTIFICATE", &STANDARD.decode(c["rawBytes"].as_str().unwrap()).unwrap()))
        .collect();
    // A log entry and a time that count here, so that the certificate is what is left to refuse.
    let own = signed(&here.context.session(&here.token).await.unwrap(), &payload(&subject())).await;
    let layer = with(&layer, CHAIN, Some(&chain));
    let layer = with(&with(&layer, ENTRY, Some(&own.annotations[ENTRY])), STAMP, None);
    refused(&here, &layer, &there.requirement(), Code::CertificateUntrusted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_enough_and_only_the_right_one() {
    let bench = Bench::start(RekorVersion::V1).await;
    let (key, other) = (Key::generate(), Key::generate());
    let good = key.signed(&bench, &payload(&subject())).await;
    let verified = verify(&bench, &good, &key.requirement()).unwrap();
    assert_eq!(verified.log_entries().len(), 1);
    refused(&bench, &good, &other.requirement(), Code::LogEntryMismatch);
    refused(&bench, &good, &bench.requirement(), Code::KeyMaterialMismatch);
    // As with identities, the trusted root's logs want an entry.
    refused(&bench, &with(&good, ENTRY, None), &key.requirement(), Code::LogEntryInvalid);
    let theirs = other.signed(&bench, &payload(&subject())).await;
    let borrowed = with(&good, ENTRY, Some(&theirs.annotations[ENTRY]));
    refused(&bench, &borrowed, &key.requirement(), Code::LogEntryMismatch);
    // A keyless signature has a key too, and nobody asked for that one.
    let keyless = signed(&bench.context.session(&bench.token).await.unwrap(), &payload(&subject())).await;
    refused(&bench, &keyless, &key.requirement(), Code::KeyMaterialMismatch);

    let twice = payload(&subject())
        .replace(r#""image":"#, r#""image":{"docker-manifest-digest":"sha256:00"},"image":"#);
    for bad in [
        twice,
        payload(&subject()).replace(r#""n":1"#, r#""n":{"a":1,"a":2}"#),
        payload(&subject()).replace("cosign container image", "atomic container"),
        payload(&subject()).replace(r#""optional":"#, r#""expired":true,"optional":"#),
        payload(&subject()).replace(r#""type":"#, r#""until":"yesterday","type":"#),
        payload(&subject()).replace("sha256:", "md5:"),
        payload(&subject()) + "{}",
        "[]".into(),
        String::new(),
    ] {
        let layer = key.signed(&bench, &bad).await;
        refused(&bench, &layer, &key.requirement(), Code::EnvelopeInvalid);
    }
    let none = payload(&subject()).replace(r#"{"build":"7","n":1}"#, "null");
    verify(&bench, &key.signed(&bench, &none).await, &key.requirement()).unwrap();
}

pub fn statement(subject: &Digest) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://example.com/p","subject":[{{"name":"registry.example/app","digest":{{"sha256":"{}"}}}}],"predicate":{{"n": 1.10}}}}"#,
        subject.hex()
    )
}

/// Verifies an `.att` layer.
fn verify_att(bench: &Bench, layer: &Layer, requirement: &Requirement) -> Result<VerifiedBundle> {
    let bundle = Bundle::from_attestation_layer(&layer.blob, &layer.annotations)?;
    bench.verifier().verify(&bundle, &Artifact::from_digest(subject()), requirement)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_is_verified_with_either_timestamp() {
    let bench = Bench::start(RekorVersion::V1).await;
    let session = bench.context.session(&bench.token).await.unwrap();
    let statement = sign_core::Statement::parse(statement(&subject()).into_bytes()).unwrap();
    let bundle = session.sign_statement(statement).await.unwrap().bundle;
    let Content::Dsse(envelope) = &bundle.content else { panic!("{bundle:?}") };
    let good = attestation_layer(&bundle);
    let who = bench.requirement();
    let verified = verify_att(&bench, &good, &who).unwrap();
    assert_eq!(verified.statement().unwrap().predicate(), br#"{"n": 1.10}"#);
    assert_eq!(verified.times().len(), 2);
    let whole = stamp(&bench, &envelope.to_json()).await;
    assert_eq!(verify_att(&bench, &with(&good, STAMP, Some(&whole)), &who).unwrap().times().len(), 2);
    let other = stamp(&bench, b"something else").await;
    let code = |layer: &Layer| verify_att(&bench, layer, &who).map(drop).unwrap_err().code();
    assert_eq!(code(&with(&good, STAMP, Some(&other))), Code::TimestampInvalid);
    // A bundle's timestamp covers the signature, and nothing else will do.
    let stamped = Bundle::from_attestation_layer(&good.blob, &with(&good, STAMP, Some(&whole)).annotations);
    let v0_1 = Bundle::parse(&stamped.unwrap().to_json()).unwrap();
    let artifact = Artifact::from_digest(subject());
    let error = bench.verifier().verify(&v0_1, &artifact, &who).unwrap_err();
    assert_eq!(error.code(), Code::TimestampInvalid);
    // A second signature beside the envelope is one too many.
    assert_eq!(code(&with(&good, SIGNATURE, Some("c2ln"))), Code::BundleMalformed);
    let elsewhere = Artifact::from_digest(Digest::sha256(b"another image"));
    let bundle = Bundle::from_attestation_layer(&good.blob, &good.annotations).unwrap();
    assert_eq!(bench.verifier().verify(&bundle, &elsewhere, &who).unwrap_err().code(), Code::SubjectMismatch);
    // Standard or URL-safe base64 makes no difference.
    let text = String::from_utf8(good.blob.clone()).unwrap();
    let url_safe = text.split('"').map(|part| {
        let is_base64 = part.len() > 64;
        if is_base64 { part.replace('+', "-").replace('/', "_").replace('=', "") } else { part.to_owned() }
    });
    let url_safe = url_safe.collect::<Vec<_>>().join("\"");
    verify_att(&bench, &Layer { blob: url_safe.into_bytes(), ..good.clone() }, &who).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_the_first_intoto_kind_binds_the_whole_envelope() {
    let bench = Bench::start(RekorVersion::V1).await;
    let key = Key::generate();
    let envelope = |statement: &str| {
        let mut envelope = Envelope {
            payload_type: INTOTO_PAYLOAD_TYPE.into(),
            payload: statement.as_bytes().to_vec(),
            signatures: vec![],
        };
        let sig = key.sign(&envelope.pae());
        envelope.signatures.push(EnvelopeSignature { keyid: String::new(), sig });
        envelope.to_json()
    };
    let proposal = |blob: &[u8]| {
        let text = String::from_utf8(blob.to_vec()).unwrap();
        json!({ "kind": "intoto", "apiVersion": "0.0.1",
            "spec": { "content": { "envelope": text }, "publicKey": key.pem() } })
    };
    let blob = envelope(&statement(&subject()));
    let entry = log(&bench, &proposal(&blob)).await;
    let layer = Layer { blob, annotations: Annotations::from([(ENTRY.into(), entry)]) };
    let verified = verify_att(&bench, &layer, &key.requirement()).unwrap();
    assert_eq!(verified.statement().unwrap().predicate_type(), "https://example.com/p");
    // The same statement, signed again, is not what was logged.
    let again = Layer { blob: envelope(&statement(&subject())), ..layer.clone() };
    let error = verify_att(&bench, &again, &key.requirement()).unwrap_err();
    assert_eq!(error.code(), Code::LogEntryMismatch);
    let error = verify_att(&bench, &layer, &Key::generate().requirement()).unwrap_err();
    assert_eq!(error.code(), Code::LogEntryMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_from_before_bundles_are_read() {
    let bench = Bench::start(RekorVersion::V1).await;
    let (artifact, who) = (Artifact::from_bytes(CONTENT), bench.requirement());
    let file = |bundle: &Bundle, signature: &[u8]| {
        let annotations = annotations(bundle);
        json!({
            "base64Signature": STANDARD.encode(signature),
            "cert": STANDARD.encode(&annotations[CERTIFICATE]),
            "rekorBundle": serde_json::from_str::<Value>(&annotations[ENTRY]).unwrap(),
        })
    };
    let blob = bench.blob().await.bundle;
    let statement = bench.statement().await.bundle;
    let Content::Dsse(envelope) = &statement.content else { panic!("{statement:?}") };
    for (json, is_statement) in
        [(file(&blob, blob.signature()), false), (file(&statement, &envelope.to_json()), true)]
    {
        let bundle = Bundle::parse_any(json.to_string().as_bytes()).unwrap();
        let verified = bench.verifier().verify(&bundle, &artifact, &who).unwrap();
        assert_eq!(verified.statement().is_some(), is_statement);
        let other = Artifact::from_bytes(b"another file");
        assert!(bench.verifier().verify(&bundle, &other, &who).is_err());
        // A bundle is read as ever, and so is what is neither.
        assert!(Bundle::parse(json.to_string().as_bytes()).is_err());
    }
    assert_eq!(Bundle::parse_any(&blob.to_json()).unwrap(), blob);
    for bad in ["", "{}", "[]", r#"{"base64Signature":"c2ln","x":1}"#] {
        assert_eq!(Bundle::parse_any(bad.as_bytes()).unwrap_err().code(), Code::BundleMalformed, "{bad}");
    }
    let key = Key::generate();
    let signature = STANDARD.encode(key.sign(CONTENT));
    let hash = json!({ "algorithm": "sha256", "value": Digest::sha256(CONTENT).hex() });
    let entry = json!({ "kind": "hashedrekord", "apiVersion": "0.0.1", "spec": { "data": { "hash": hash },
        "signature": { "content": signature, "publicKey": { "content": key.pem() } } } });
    let entry: Value = serde_json::from_str(&log(&bench, &entry).await).unwrap();
    for cert in ["", &key.pem()] {
        let json = json!({ "base64Signature": signature, "cert": cert, "rekorBundle": entry });
        let bundle = Bundle::parse_any(json.to_string().as_bytes()).unwrap();
        bench.verifier().verify(&bundle, &artifact, &key.requirement()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changed_byte_of_an_older_signature_is_accepted() {
    let bench = Bench::start(RekorVersion::V1).await;
    let session = bench.context.session(&bench.token).await.unwrap();
    // Without the timestamp, parts of which nobody has signed.
    let good = with(&signed(&session, &payload(&subject())).await, STAMP, None);
    let parse = |layer: &Layer| LegacySignature::from_layer(layer.blob.clone(), &layer.annotations);
    let original = parse(&good).unwrap();
    let (verifier, who) = (bench.verifier(), bench.requirement());
    let holds = |layer: &Layer| match parse(layer) {
        // Another spelling of the same evidence is the same evidence.
        Ok(mutant) => mutant == original || verifier.verify_legacy(&mutant, &subject(), &who).is_err(),
        Err(_) => true,
    };
    let mut tried = 0;
    for flip in [0x01, 0x20] {
        for position in 0..good.blob.len() {
            let mut mutant = good.clone();
            mutant.blob[position] ^= flip;
            assert!(holds(&mutant), "payload, byte {position} ^ {flip:#x}");
            tried += 1;
        }
        for (name, value) in &good.annotations {
            for position in 0..value.len() {
                let mut bytes = value.clone().into_bytes();
                bytes[position] ^= flip;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                assert!(holds(&with(&good, name, Some(&text))), "{name}, byte {position} ^ {flip:#x}");
                tried += 1;
            }
        }
    }
    assert!(tried > 4000, "{tried}");
}
