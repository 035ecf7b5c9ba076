//! Evidence by hand: good bundles made with a sandbox's keys, and what it takes to spoil them.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use der::Decode as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sign_core::{
    Artifact, Bundle, BundleVersion, Code, Content, Digest, Envelope, EnvelopeSignature, FixedClock,
    HashAlgorithm, INTOTO_PAYLOAD_TYPE, Identity, IdentityPolicy, InclusionProof, IssuerRule, KeyMaterial,
    LogEntry, MessageSignature, Pattern, PublicKey, Requirement, Thresholds, TrustedRoot, VerifiedBundle,
    Verifier,
};
pub use sign_sandbox::RekorVersion::{self, V1, V2};
use sign_sandbox::{Forge, Sandbox, SandboxOptions};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::TbsCertificate;

pub const EMAIL: &str = "dev@example.com";
pub const CONTENT: &[u8] = b"content";
/// Entries in a v1 log's earlier shards, so that its two indexes differ.
const EARLIER: u64 = 1000;

/// The sandbox that all tests share, and an attacker with services of the same names.
pub struct Kit {
    pub sandbox: Sandbox,
    _runtime: tokio::runtime::Runtime,
    pub own: Forge,
    pub stranger: Forge,
    pub issuer: String,
    pub workflow_issuer: String,
    pub now: Timestamp,
}

pub fn kit() -> &'static Kit {
    static KIT: OnceLock<Kit> = OnceLock::new();
    KIT.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let sandbox = runtime.block_on(Sandbox::start(SandboxOptions::default())).unwrap();
        let own = sandbox.forge().clone();
        Kit {
            stranger: own.stranger().unwrap(),
            own,
            issuer: sandbox.urls().oidc.clone(),
            workflow_issuer: sandbox.urls().oidc_github.clone(),
            now: Timestamp::from_second(Timestamp::now().as_second()).unwrap(),
            sandbox,
            _runtime: runtime,
        }
    })
}

/// A signer's key.
pub struct Key {
    pair: EcdsaKeyPair,
    hash: HashAlgorithm,
}

impl Key {
    pub fn new() -> Arc<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Arc::new(Self { pair, hash: HashAlgorithm::Sha256 })
    }

    pub fn p384() -> Arc<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        Arc::new(Self { pair, hash: HashAlgorithm::Sha384 })
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// A `SubjectPublicKeyInfo` is the curve's prefix and the point.
    pub fn der(&self) -> Vec<u8> {
        let prefix = match self.hash {
            HashAlgorithm::Sha384 => "3076301006072a8648ce3d020106052b81040022036200",
            _ => "3059301306072a8648ce3d020106082a8648ce3d030107034200",
        };
        let mut der = hex::decode(prefix).unwrap();
        der.extend_from_slice(self.pair.public_key().as_ref());
        der
    }

    /// The protobuf name of the hash that it signs.
    pub fn hash_name(&self) -> &'static str {
        if self.hash == HashAlgorithm::Sha384 { "SHA2_384" } else { "SHA2_256" }
    }

    pub fn spki(&self) -> SubjectPublicKeyInfoOwned {
        SubjectPublicKeyInfoOwned::from_der(&self.der()).unwrap()
    }
}

/// A bundle with everything that it is judged by.
#[derive(Clone)]
pub struct Case {
    pub bundle: Bundle,
    pub root: Value,
    pub artifact: Artifact,
    pub requirement: Requirement,
    /// What the verifier's clock says.
    pub now: Timestamp,
    /// How many authorities it asks for, beyond what the trusted root implies.
    pub thresholds: Thresholds,
    pub key: Arc<Key>,
}

impl Case {
    /// A good bundle over [`CONTENT`] by [`EMAIL`], logged, and stamped at `kit().now`.
    pub fn message(log: RekorVersion) -> Self {
        Self::made(&kit().own, log, None, |_| ())
    }

    /// As [`Self::message`], with an envelope around a statement about [`CONTENT`].
    pub fn envelope(log: RekorVersion) -> Self {
        Self::made(&kit().own, log, Some(statement(&Digest::sha256(CONTENT).hex())), |_| ())
    }

    /// The good bundles of each kind and log.
    pub fn all() -> [Self; 4] {
        [Self::message(V1), Self::message(V2), Self::envelope(V1), Self::envelope(V2)]
    }

    /// A bundle by the services of `forge`, whose certificate `change` has seen before it was signed.
    pub fn made(
        forge: &Forge,
        log: RekorVersion,
        payload: Option<Vec<u8>>,
        change: impl FnOnce(&mut TbsCertificate),
    ) -> Self {
        let kit = kit();
        let key = Key::new();
        let identity = sign_sandbox::Identity::email(EMAIL);
        let mut tbs = forge.precertificate(&identity, key.spki(), kit.now).unwrap();
        change(&mut tbs);
        let sct = forge.sct(&tbs, kit.now).unwrap();
        let certificate = forge.certify(tbs, &[sct]).unwrap();
        Self::with(forge, log, payload, key, KeyMaterial::Certificate(certificate))
    }

    /// A bundle with any key material.
    pub fn with(
        forge: &Forge,
        log: RekorVersion,
        payload: Option<Vec<u8>>,
        key: Arc<Key>,
        key_material: KeyMaterial,
    ) -> Self {
        let kit = kit();
        let content = match payload {
            None => Content::Message(MessageSignature {
                digest: Some((key.hash_name().into(), key.hash.hash(CONTENT).as_bytes().to_vec())),
                signature: key.sign(CONTENT),
            }),
            Some(payload) => Content::Dsse(envelope(&key, INTOTO_PAYLOAD_TYPE, payload)),
        };
        let requirement = match &key_material {
            KeyMaterial::PublicKey { .. } => Requirement::Key(PublicKey::from_der(&key.der()).unwrap()),
            _ => requirement(Pattern::exact(EMAIL), Pattern::exact(&kit.issuer)),
        };
        let bundle = Bundle {
            version: BundleVersion::V0_3,
            key_material,
            log_entries: Vec::new(),
            timestamps: Vec::new(),
            content,
        };
        let mut case = Self {
            bundle,
            root: kit.own.trusted_root().unwrap(),
            artifact: Artifact::from_bytes(CONTENT),
            requirement,
            now: kit.now,
            thresholds: Thresholds::default(),
            key,
        };
        case.log(forge, log);
        case.stamp(forge, kit.now);
        case
    }

    /// Replaces the log entries by one about the bundle as it is now.
    pub fn log(&mut self, forge: &Forge, log: RekorVersion) {
        self.bundle.log_entries = vec![logged(forge, log, body(&self.bundle, log, &self.key), kit().now)];
    }

    /// Replaces the timestamps by one over the bundle's signature as it is now.
    pub fn stamp(&mut self, forge: &Forge, at: Timestamp) {
        self.bundle.timestamps = vec![forge.timestamp(self.bundle.signature(), at, |_| ()).unwrap()];
    }

    /// A further entry about the bundle in the v1 log, with another body under another index.
    pub fn log_again(&mut self) {
        let number = self.bundle.log_entries.len() as u64;
        let (kind, version, mut body) = body(&self.bundle, V1, &self.key);
        body["spec"]["number"] = json!(number);
        let mut entry = logged(&kit().own, V1, (kind, version, body), kit().now);
        entry.log_index += number;
        entry.promise = Some(promise(&kit().own, &entry));
        self.bundle.log_entries.push(entry);
    }

    pub fn entry(&mut self) -> &mut LogEntry {
        &mut self.bundle.log_entries[0]
    }

    pub fn proof(&mut self) -> &mut InclusionProof {
        self.entry().proof.as_mut().unwrap()
    }

    /// The verdict; the bundle goes through its JSON form, as everybody's does.
    pub fn judge(&self) -> sign_core::Result<VerifiedBundle> {
        let bundle = Bundle::parse(&self.bundle.to_json())?;
        let root = TrustedRoot::from_json(self.root.to_string().as_bytes())?;
        let verifier = Verifier::new(root, FixedClock(self.now)).with_thresholds(self.thresholds);
        verifier.verify(&bundle, &self.artifact, &self.requirement)
    }

    #[track_caller]
    pub fn accepted(&self) -> VerifiedBundle {
        self.judge().unwrap()
    }

    /// Asserts that the bundle is accepted, and with `change` refused for the reason `code` names.
    #[track_caller]
    pub fn refuses(&self, code: Code, change: impl FnOnce(&mut Self)) -> String {
        self.accepted();
        let mut changed = self.clone();
        change(&mut changed);
        let Err(error) = changed.judge() else { panic!("the changed bundle is accepted") };
        assert_eq!(error.code(), code, "{error}");
        error.to_string()
    }
}

pub fn requirement(san: Pattern, issuer: Pattern) -> Requirement {
    let identity = Identity { san: Some(san), issuer: IssuerRule::Matches(issuer), claims: Vec::new() };
    Requirement::Identities(IdentityPolicy::new(vec![identity]).unwrap())
}

/// A statement with one subject of that SHA-256.
pub fn statement(sha256: &str) -> Vec<u8> {
    json!({
        "_type": sign_core::STATEMENT_V1,
        "subject": [{ "name": "artifact", "digest": { "sha256": sha256 } }],
        "predicateType": "https://example.com/predicate",
        "predicate": { "n": 1 },
    })
    .to_string()
    .into_bytes()
}

pub fn envelope(key: &Key, payload_type: &str, payload: Vec<u8>) -> Envelope {
    let mut envelope = Envelope { payload_type: payload_type.into(), payload, signatures: Vec::new() };
    let sig = key.sign(&envelope.pae());
    envelope.signatures = vec![EnvelopeSignature { keyid: String::new(), sig }];
    envelope
}

pub fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// Text of a time as trusted roots have it.
pub fn text(at: Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The DER of a certificate in a trusted root.
pub fn der_of(certificate: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(certificate["rawBytes"].as_str().unwrap()).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    base64(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(der)).as_bytes())
}

/// The canonical body of an entry about `bundle`: kind, version, JSON.
pub fn body(bundle: &Bundle, log: RekorVersion, key: &Key) -> (&'static str, &'static str, Value) {
    let signature = base64(bundle.signature());
    let (certificate, der) = match bundle.leaf_certificate() {
        Some(der) => (true, der.to_vec()),
        None => (false, key.der()),
    };
    let verifier = pem(if certificate { "CERTIFICATE" } else { "PUBLIC KEY" }, &der);
    let digest = match &bundle.content {
        Content::Message(_) => key.hash.hash(CONTENT),
        Content::Dsse(envelope) if log == V2 => envelope.pae_digest(key.hash),
        Content::Dsse(envelope) => Digest::sha256(&envelope.payload),
    };
    let hash = json!({ "algorithm": digest.algorithm().as_str(), "value": digest.hex() });
    let details = match key.hash {
        HashAlgorithm::Sha384 => "PKIX_ECDSA_P384_SHA_384",
        _ => "PKIX_ECDSA_P256_SHA_256",
    };
    let (kind, version, spec) = match (log, &bundle.content) {
        (V2, _) => {
            let name = if certificate { "x509Certificate" } else { "publicKey" };
            let spec = json!({ "hashedRekordV002": {
                "data": { "algorithm": key.hash_name(), "digest": base64(digest.as_bytes()) },
                "signature": {
                    "content": signature,
                    "verifier": { name: { "rawBytes": base64(&der) }, "keyDetails": details },
                },
            } });
            ("hashedrekord", "0.0.2", spec)
        }
        (V1, Content::Message(_)) => {
            let signature = json!({ "content": signature, "publicKey": { "content": verifier } });
            ("hashedrekord", "0.0.1", json!({ "data": { "hash": hash }, "signature": signature }))
        }
        (V1, Content::Dsse(_)) => {
            let signatures = json!([{ "signature": signature, "verifier": verifier }]);
            let spec = json!({ "envelopeHash": hash, "payloadHash": hash, "signatures": signatures });
            ("dsse", "0.0.1", spec)
        }
    };
    (kind, version, json!({ "apiVersion": version, "kind": kind, "spec": spec }))
}

/// Hash of a leaf and of an inner node: RFC 6962 §2.1.
pub fn leaf_hash(body: &[u8]) -> [u8; 32] {
    Digest::sha256(&[&[0], body].concat()).as_bytes().try_into().unwrap()
}

pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Digest::sha256(&[&[1], &left[..], right].concat()).as_bytes().try_into().unwrap()
}

/// A proof that `body` is the second leaf of two, by a log of `forge` under its own name.
pub fn proof(forge: &Forge, log: RekorVersion, body: &[u8]) -> InclusionProof {
    let first = leaf_hash(b"first");
    let root = node_hash(&first, &leaf_hash(body));
    let origin = if log == V1 { "rekor.sandbox - 1" } else { "127.0.0.1" };
    InclusionProof {
        log_index: 1,
        root_hash: root.to_vec(),
        tree_size: 2,
        hashes: vec![first.to_vec()],
        checkpoint: forge.checkpoint(log, origin, 2, &root),
    }
}

/// An entry as a log of `forge` returns it, promise included where the log gives one.
pub fn logged(
    forge: &Forge,
    log: RekorVersion,
    (kind, version, body): (&str, &str, Value),
    at: Timestamp,
) -> LogEntry {
    let body = body.to_string().into_bytes();
    let mut entry = LogEntry {
        log_index: if log == V1 { EARLIER + 1 } else { 1 },
        log_id: forge.log_id(log).to_vec(),
        kind: kind.into(),
        version: version.into(),
        integrated_time: None,
        promise: None,
        proof: Some(proof(forge, log, &body)),
        body,
    };
    if log == V1 {
        entry.integrated_time = Some(at.as_second());
        entry.promise = Some(promise(forge, &entry));
    }
    entry
}

/// A v1 log's signature over the entry as it is.
pub fn promise(forge: &Forge, entry: &LogEntry) -> Vec<u8> {
    let signed = json!({
        "body": base64(&entry.body),
        "integratedTime": entry.integrated_time.unwrap(),
        "logID": hex::encode(&entry.log_id),
        "logIndex": entry.log_index,
    });
    // Keys in the order of the alphabet, and nothing that needs escapes: RFC 8785.
    forge.sign_as_log(V1, signed.to_string().as_bytes())
}
