use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use der::asn1::{BitString, OctetString, SetOfVec};
use der::pem::LineEnding;
use der::{Decode, DecodePem, EncodePem};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rand_core::OsRng;
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};

use super::*;
use crate::oidc::TokenChanges;
use crate::oidc::tests::NOW;

const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";

struct Service {
    url: String,
    oidc: Arc<Oidc>,
    ct: Arc<CtLog>,
    faults: Faults,
    roots: Vec<Vec<u8>>,
}

impl Service {
    async fn start() -> Self {
        let clock = Clock::new(|| NOW.parse().unwrap());
        let oidc = Arc::new(crate::oidc::tests::oidc());
        let ct = Arc::new(CtLog::new().unwrap());
        let faults = Faults::default();
        let fulcio = Fulcio::new(oidc.clone(), ct.clone(), clock, faults.clone()).unwrap();
        let roots = fulcio.chain_der();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Arc::new(fulcio).router()).into_future());
        Self { url, oidc, ct, faults, roots }
    }

    fn token(&self, identity: &Identity) -> String {
        self.oidc.token(identity, &TokenChanges::default()).unwrap()
    }

    async fn post(&self, token: Option<&str>, body: impl Into<String>) -> (u16, Value) {
        let request =
            reqwest::Client::new().post(format!("{}/api/v2/signingCert", self.url)).body(body.into());
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn certify(&self, identity: &Identity, key: &SigningKey) -> Vec<Certificate> {
        let challenge = match identity {
            Identity::Email(address) => address,
            Identity::Workflow(workflow) => &workflow.sub,
        };
        let (status, reply) = self.post(Some(&self.token(identity)), key_request(key, challenge)).await;
        assert_eq!(status, 200, "{reply}");
        chain(&reply)
    }

    /// Whether the leaf's SCT is this log's over this leaf, read by RFC 6962 and not by ours.
    fn sct_is_good(&self, leaf: &Certificate, issuer: &Certificate) -> bool {
        let mut tbs = leaf.tbs_certificate.clone();
        let extensions = tbs.extensions.as_mut().unwrap();
        let at = extensions.iter().position(|one| one.extn_id.to_string() == SCT_LIST).unwrap();
        let list = OctetString::from_der(extensions.remove(at).extn_value.as_bytes()).unwrap();
        let sct = &list.as_bytes()[4..];
        assert_eq!(sct[..33], [&[0], self.ct.id().as_slice()].concat());

        let issuer = issuer.tbs_certificate.subject_public_key_info.to_der().unwrap();
        let tbs = tbs.to_der().unwrap();
        let mut signed = vec![0, 0];
        signed.extend_from_slice(&sct[33..41]);
        signed.extend_from_slice(&[0, 1]);
        signed.extend_from_slice(&Sha256::digest(issuer));
        signed.extend_from_slice(&u32::try_from(tbs.len()).unwrap().to_be_bytes()[1..]);
        signed.extend_from_slice(&tbs);
        signed.extend_from_slice(&[0, 0]);
        let key = VerifyingKey::from_public_key_der(&self.ct.public_key_der()).unwrap();
        key.verify(&signed, &Signature::from_der(&sct[47..]).unwrap()).is_ok()
    }
}

fn key() -> SigningKey {
    SigningKey::random(&mut OsRng)
}

fn key_request(key: &SigningKey, challenge: &str) -> String {
    let proof: DerSignature = key.sign(challenge.as_bytes());
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    raw_key_request(&pem, proof.as_bytes())
}

fn raw_key_request(pem: &str, proof: &[u8]) -> String {
    json!({"publicKeyRequest": {
        "publicKey": {"algorithm": "ECDSA", "content": pem},
        "proofOfPossession": BASE64_STANDARD.encode(proof),
    }})
    .to_string()
}

fn csr(key: &SigningKey, signed_by: &SigningKey) -> String {
    let info = CertReqInfo {
        version: Version::V1,
        subject: Name::default(),
        public_key: spki::SubjectPublicKeyInfoOwned::from_key(*key.verifying_key()).unwrap(),
        attributes: SetOfVec::new(),
    };
    let signature: DerSignature = signed_by.sign(&info.to_der().unwrap());
    let algorithm =
        AlgorithmIdentifierOwned { oid: const_oid::db::rfc5912::ECDSA_WITH_SHA_256, parameters: None };
    let request =
        CertReq { info, algorithm, signature: BitString::from_bytes(signature.as_bytes()).unwrap() };
    BASE64_STANDARD.encode(request.to_pem(LineEnding::LF).unwrap())
}

fn chain(reply: &Value) -> Vec<Certificate> {
    let chain = reply["signedCertificateEmbeddedSct"]["chain"]["certificates"].as_array().unwrap();
    chain.iter().map(|pem| Certificate::from_pem(pem.as_str().unwrap()).unwrap()).collect()
}

fn assert_signed(certificate: &Certificate, issuer: &Certificate) {
    let spki = issuer.tbs_certificate.subject_public_key_info.to_der().unwrap();
    let key = p384::ecdsa::VerifyingKey::from_public_key_der(&spki).unwrap();
    let signature = p384::ecdsa::Signature::from_der(certificate.signature.as_bytes().unwrap()).unwrap();
    key.verify(&certificate.tbs_certificate.to_der().unwrap(), &signature).unwrap();
    assert_eq!(certificate.tbs_certificate.issuer, issuer.tbs_certificate.subject);
}

fn name(leaf: &Certificate) -> String {
    let (critical, SubjectAltName(names)) = leaf.tbs_certificate.get().unwrap().unwrap();
    assert!(critical);
    match names.as_slice() {
        [GeneralName::Rfc822Name(name) | GeneralName::UniformResourceIdentifier(name)] => name.to_string(),
        other => panic!("{other:?}"),
    }
}

fn extension(leaf: &Certificate, number: u32) -> Option<Vec<u8>> {
    let oid = format!("1.3.6.1.4.1.57264.1.{number}");
    let extensions = leaf.tbs_certificate.extensions.as_ref().unwrap();
    let found = extensions.iter().find(|one| one.extn_id.to_string() == oid)?;
    Some(found.extn_value.as_bytes().to_vec())
}

fn text(leaf: &Certificate, number: u32) -> String {
    String::from_der(&extension(leaf, number).unwrap()).unwrap()
}

#[tokio::test]
async fn an_email_certificate_has_fulcios_profile() {
    let service = Service::start().await;
    let key = key();
    let chain = service.certify(&Identity::email("dev@example.com"), &key).await;
    let [leaf, intermediate, root] = chain.as_slice() else { panic!("{}", chain.len()) };
    assert_signed(leaf, intermediate);
    let order: Vec<_> =
        leaf.tbs_certificate.extensions.iter().flatten().map(|one| one.extn_id.to_string()).collect();
    let expected = [
        "2.5.29.15",
        "2.5.29.37",
        "2.5.29.14",
        "2.5.29.35",
        "2.5.29.17",
        "1.3.6.1.4.1.57264.1.1",
        "1.3.6.1.4.1.57264.1.8",
        "1.3.6.1.4.1.57264.1.24",
        "1.3.6.1.4.1.11129.2.4.2",
    ];
    assert_eq!(order, expected);
    assert_eq!(text(leaf, 24), "1234");
    assert_signed(intermediate, root);
    assert_signed(root, root);
    assert_eq!([intermediate.to_der().unwrap(), root.to_der().unwrap()].as_slice(), service.roots);
    assert!(service.sct_is_good(leaf, intermediate));
    assert!(!service.sct_is_good(leaf, root));
    assert_eq!(service.ct.size(), 1);

    let tbs = &leaf.tbs_certificate;
    assert!(tbs.subject.is_empty());
    assert_eq!(tbs.validity.not_before.to_string(), NOW);
    assert_eq!(tbs.validity.not_after.to_string(), "2026-03-04T05:16:07Z");
    assert_eq!(tbs.get().unwrap(), Some((true, KeyUsage(KeyUsages::DigitalSignature.into()))));
    let code_signing = ExtendedKeyUsage(vec![const_oid::db::rfc5912::ID_KP_CODE_SIGNING]);
    assert_eq!(tbs.get().unwrap(), Some((false, code_signing)));
    assert_eq!(tbs.get::<BasicConstraints>().unwrap(), None);
    let spki = tbs.subject_public_key_info.to_der().unwrap();
    assert_eq!(spki, key.verifying_key().to_public_key_der().unwrap().into_vec());
    assert_eq!(name(leaf), "dev@example.com");
    assert_eq!(extension(leaf, 1).unwrap(), b"http://127.0.0.1:1");
    assert_eq!(text(leaf, 8), "http://127.0.0.1:1");
    assert!((2..=22).filter(|number| *number != 8).all(|number| extension(leaf, number).is_none()));

    let constraints: Option<(bool, BasicConstraints)> = intermediate.tbs_certificate.get().unwrap();
    assert_eq!(constraints, Some((true, BasicConstraints { ca: true, path_len_constraint: Some(0) })));
}

#[tokio::test]
async fn a_workflow_certificate_has_every_claim() {
    let service = Service::start().await;
    let chain = service.certify(&Identity::workflow(), &key()).await;
    let leaf = &chain[0];
    let workflow = "https://github.com/octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main";
    assert_eq!(name(leaf), workflow);
    let sha = "a".repeat(40);
    let old = ["http://127.0.0.1:1/gha", "push", &sha, "release", "octo-org/octo-repo", "refs/heads/main"];
    for (number, value) in (1..).zip(old) {
        assert_eq!(extension(leaf, number).unwrap(), value.as_bytes(), "{number}");
    }
    let new = [
        "http://127.0.0.1:1/gha",
        workflow,
        &sha,
        "github-hosted",
        "https://github.com/octo-org/octo-repo",
        &sha,
        "refs/heads/main",
        "74",
        "https://github.com/octo-org",
        "65",
        workflow,
        &sha,
        "push",
        "https://github.com/octo-org/octo-repo/actions/runs/100/attempts/1",
        "public",
    ];
    for (number, value) in (8..).zip(new) {
        assert_eq!(text(leaf, number), value, "{number}");
    }
}

#[tokio::test]
async fn a_csr_and_a_token_in_the_body_do_as_well() {
    let service = Service::start().await;
    let key = key();
    let credentials = json!({"oidcIdentityToken": service.token(&Identity::email("dev@example.com"))});
    let body = json!({"credentials": credentials, "certificateSigningRequest": csr(&key, &key)});
    let (status, reply) = service.post(None, body.to_string()).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(name(&chain(&reply)[0]), "dev@example.com");

    for csr in [csr(&key, &self::key()), BASE64_STANDARD.encode("garbage"), "%".to_owned(), String::new()] {
        let body = json!({"credentials": credentials, "certificateSigningRequest": csr});
        let (status, reply) = service.post(None, body.to_string()).await;
        assert_eq!((status, &reply["code"]), (400, &json!(3)), "{reply}");
    }
}

#[tokio::test]
async fn the_other_keys_are_certified_in_their_usual_scheme() {
    let service = Service::start().await;
    let token = service.token(&Identity::email("dev@example.com"));
    let p384 = p384::ecdsa::SigningKey::random(&mut OsRng);
    let proof: p384::ecdsa::DerSignature = p384.sign(b"dev@example.com");
    let pem = p384.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    assert_eq!(service.post(Some(&token), raw_key_request(&pem, proof.as_bytes())).await.0, 200);
    let ed25519 = ed25519_dalek::SigningKey::generate(&mut OsRng);
    let proof = ed25519.sign(b"dev@example.com");
    let pem = ed25519.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    assert_eq!(service.post(Some(&token), raw_key_request(&pem, &proof.to_bytes())).await.0, 200);
    assert_eq!(service.post(Some(&token), raw_key_request(&pem, &[0; 64])).await.0, 400);
}

#[tokio::test]
async fn the_older_api_answers_with_the_chain_as_it_is() {
    let service = Service::start().await;
    let token = service.token(&Identity::email("dev@example.com"));
    let post = async |token: &str, body: Value| {
        let client = reqwest::Client::new().post(format!("{}/api/v1/signingCert", service.url));
        let response = client.bearer_auth(token).body(body.to_string()).send().await.unwrap();
        let kind = response.headers().get(header::CONTENT_TYPE).cloned();
        (response.status().as_u16(), kind, response.text().await.unwrap())
    };
    let key = key();
    let proof = |challenge: &str| -> String {
        let proof: DerSignature = key.sign(challenge.as_bytes());
        BASE64_STANDARD.encode(proof.as_bytes())
    };
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let der = key.verifying_key().to_public_key_der().unwrap();
    let with_key = |content: &[u8], challenge: &str| {
        json!({
            "publicKey": {"content": BASE64_STANDARD.encode(content), "algorithm": "ecdsa"},
            "signedEmailAddress": proof(challenge), "certificateSigningRequest": null,
        })
    };
    let with_csr = json!({
        "publicKey": {"content": null}, "signedEmailAddress": null, "certificateSigningRequest": csr(&key, &key),
    });
    for body in
        [with_key(pem.as_bytes(), "dev@example.com"), with_key(der.as_bytes(), "dev@example.com"), with_csr]
    {
        let (status, kind, chain) = post(&token, body).await;
        assert_eq!((status, kind.unwrap().as_bytes()), (201, &b"application/pem-certificate-chain"[..]));
        let chain = Certificate::load_pem_chain(chain.as_bytes()).unwrap();
        assert_eq!((chain.len(), name(&chain[0]).as_str()), (3, "dev@example.com"));
        assert_signed(&chain[0], &chain[1]);
        assert!(service.sct_is_good(&chain[0], &chain[1]));
    }
    for (token, body) in [
        (token.as_str(), with_key(pem.as_bytes(), "other@example.com")),
        (token.as_str(), with_key(b"no key", "dev@example.com")),
        (token.as_str(), json!({})),
        (token.as_str(), json!([])),
        ("no token", with_key(pem.as_bytes(), "dev@example.com")),
    ] {
        let (status, _, refusal) = post(token, body).await;
        assert_eq!(status, 400, "{refusal}");
        assert_eq!(serde_json::from_str::<Value>(&refusal).unwrap()["code"], 3);
    }
}

#[tokio::test]
async fn a_key_must_be_shown_to_be_held() {
    let service = Service::start().await;
    let token = service.token(&Identity::email("dev@example.com"));
    let pem = key().verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let foreign: DerSignature = key().sign(b"dev@example.com");
    let bodies = [
        key_request(&key(), "someone@example.com"), // the proof of another identity
        key_request(&key(), "1234"),                // sub, where the address is asked for
        raw_key_request(&pem, foreign.as_bytes()),
        raw_key_request(&pem, b""),
        raw_key_request("garbage", b""),
        raw_key_request(&pem.replace("PUBLIC KEY", "CERTIFICATE"), foreign.as_bytes()),
        "{}".to_owned(),
        "[".to_owned(),
    ];
    for body in bodies {
        let (status, reply) = service.post(Some(&token), body).await;
        assert_eq!((status, &reply["code"], &reply["details"]), (400, &json!(3), &json!([])), "{reply}");
    }
    assert_eq!(service.ct.size(), 0);
}

#[tokio::test]
async fn bad_tokens_get_no_certificate() {
    let service = Service::start().await;
    let body = || key_request(&key(), "dev@example.com");
    let change = TokenChanges::default;
    for changes in [
        TokenChanges { lifetime: Some(-1), ..change() },
        TokenChanges { audience: Some("other".to_owned()), ..change() },
        TokenChanges { email_verified: Some(false), ..change() },
        TokenChanges { issuer: Some("https://issuer.invalid".to_owned()), ..change() },
    ] {
        let token = service.oidc.token(&Identity::email("dev@example.com"), &changes).unwrap();
        let (status, reply) = service.post(Some(&token), body()).await;
        assert_eq!((status, &reply["code"]), (400, &json!(3)), "{changes:?}: {reply}");
    }
    assert_eq!(service.post(None, body()).await.0, 400);
    let (status, reply) = service.post(None, " ".repeat(MAX_BODY + 1)).await;
    assert_eq!((status, &reply["code"]), (413, &json!(8)));
    assert_eq!(service.ct.size(), 0);
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let service = Service::start().await;
    let key = key();
    let email = Identity::email("dev@example.com");
    let spki = key.verifying_key().to_public_key_der().unwrap().into_vec();

    service.faults.set(Fault::FulcioOtherKey);
    let leaf = service.certify(&email, &key).await.swap_remove(0);
    assert_ne!(leaf.tbs_certificate.subject_public_key_info.to_der().unwrap(), spki);
    service.faults.clear();
    service.faults.set(Fault::FulcioOtherIdentity);
    assert_eq!(name(&service.certify(&email, &key).await[0]), "mallory@example.com");
    assert!(name(&service.certify(&Identity::workflow(), &key).await[0]).contains("mallory/other"));
    service.faults.clear();
    service.faults.set(Fault::FulcioOtherIssuer);
    assert_eq!(text(&service.certify(&email, &key).await[0], 8), "https://issuer.invalid");
    service.faults.clear();
    service.faults.set(Fault::FulcioNoSct);
    let leaf = service.certify(&email, &key).await.swap_remove(0);
    assert!(leaf.tbs_certificate.extensions.unwrap().iter().all(|one| one.extn_id.to_string() != SCT_LIST));
    service.faults.clear();
    service.faults.set(Fault::FulcioBadSct);
    let chain = service.certify(&email, &key).await;
    assert!(!service.sct_is_good(&chain[0], &chain[1]));
    service.faults.clear();
    service.faults.set(Fault::FulcioOtherChain);
    let chain = service.certify(&email, &key).await;
    assert_signed(&chain[0], &chain[1]);
    assert!(service.sct_is_good(&chain[0], &chain[1]));
    assert!(chain.iter().all(|one| !service.roots.contains(&one.to_der().unwrap())));
    service.faults.clear();
    service.faults.set(Fault::FulcioDown);
    let (status, _) = service.post(Some(&service.token(&email)), key_request(&key, "dev@example.com")).await;
    assert_eq!(status, 500);
}

#[tokio::test]
async fn the_service_describes_itself() {
    let service = Service::start().await;
    let (_, bundle) = service.get("/api/v2/trustBundle").await;
    let pem = bundle["chains"][0]["certificates"][1].as_str().unwrap();
    assert_eq!(Certificate::from_pem(pem).unwrap().to_der().unwrap(), service.roots[1]);
    let (_, configuration) = service.get("/api/v2/configuration").await;
    assert_eq!(configuration["issuers"][0]["challengeClaim"], "email");
    assert_eq!(configuration["issuers"][1]["challengeClaim"], "sub");
    assert_eq!(configuration["issuers"][1]["issuerUrl"], "http://127.0.0.1:1/gha");
    let (status, refusal) = service.get("/api/v2/nothing").await;
    assert_eq!((status, &refusal["code"]), (404, &json!(5)));
    let (status, refusal) = service.get("/api/v2/signingCert").await;
    assert_eq!((status, &refusal["code"]), (501, &json!(12)));
}

/// OpenSSL's opinion, where it is installed; the tests above say the same without it.
#[tokio::test]
async fn openssl_verifies_the_chain() {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let service = Service::start().await;
    let chain = service.certify(&Identity::workflow(), &key()).await;
    let folder = tempfile::tempdir().unwrap();
    let files = ["leaf.pem", "intermediate.pem", "root.pem"].map(|file| folder.path().join(file));
    for (file, certificate) in files.iter().zip(&chain) {
        std::fs::write(file, certificate.to_pem(LineEnding::LF).unwrap()).unwrap();
    }
    let at: jiff::Timestamp = NOW.parse().unwrap();
    let verify = |root: &std::path::Path, at: i64| {
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-purpose", "any", "-attime", &at.to_string(), "-CAfile"]);
        command.arg(root).arg("-untrusted").arg(&files[1]).arg(&files[0]).output().unwrap()
    };
    let good = verify(&files[2], at.as_second());
    assert!(good.status.success(), "{good:?}");
    assert!(!verify(&files[2], at.as_second() + 601).status.success());
    let text =
        Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&files[0]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("X509v3 Subject Alternative Name: critical"), "{text}");
    assert!(text.contains("Log ID"), "{text}");
}
