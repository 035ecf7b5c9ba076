use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_1, ID_SHA_256, ID_SHA_512};
use der::asn1::{Int, OctetString};
use der::{Decode, Encode};
use p256::ecdsa::signature::Verifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use p384::pkcs8::DecodePublicKey as _;
use sha2::{Digest, Sha256, Sha384};
use spki::AlgorithmIdentifierOwned;
use x509_cert::Certificate;
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use super::*;
use crate::oidc::tests::NOW;

struct Service {
    url: String,
    faults: Faults,
    chain: Vec<Vec<u8>>,
}

impl Service {
    async fn start() -> Self {
        let faults = Faults::default();
        let tsa =
            Tsa::new(Clock::new(|| "2026-03-04T05:06:07.89Z".parse().unwrap()), faults.clone()).unwrap();
        let chain = tsa.chain_der();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/timestamp", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Arc::new(tsa).router()).into_future());
        Self { url, faults, chain }
    }

    async fn post(&self, content_type: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = reqwest::Client::new().post(&self.url).header("content-type", content_type);
        let response = request.body(body).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    async fn stamp(&self, request: &TimeStampReq) -> Vec<u8> {
        let (status, reply) = self.post("application/timestamp-query", request.to_der().unwrap()).await;
        assert_eq!(status, 200);
        reply
    }

    /// What the token says, once its signature is found to be the leaf's.
    async fn verified(&self, request: &TimeStampReq) -> (TstInfo, SignedData) {
        let reply = self.stamp(request).await;
        let token = TimeStampResp::from_der(&reply).unwrap().time_stamp_token.unwrap();
        let ContentInfo { content, .. } = token;
        let data: SignedData = content.decode_as().unwrap();
        let info = data.encap_content_info.econtent.as_ref().unwrap().value().to_vec();
        let signer = &data.signer_infos.0.as_slice()[0];
        let attributes = signer.signed_attrs.as_ref().unwrap();
        let digest = attributes.iter().find(|one| one.oid.to_string() == "1.2.840.113549.1.9.4").unwrap();
        assert_eq!(digest.values.as_slice()[0].value(), &Sha384::digest(&info)[..]);
        let leaf = Certificate::from_der(&self.chain[0]).unwrap().tbs_certificate;
        let key = leaf.subject_public_key_info.to_der().unwrap();
        let signature = Signature::from_der(signer.signature.as_bytes()).unwrap();
        let key = VerifyingKey::from_public_key_der(&key).unwrap();
        key.verify(&attributes.to_der().unwrap(), &signature).unwrap();
        (TstInfo::from_der(&info).unwrap(), data)
    }
}

fn request(algorithm: ObjectIdentifier, hash: &[u8]) -> TimeStampReq {
    TimeStampReq {
        version: TspVersion::V1,
        message_imprint: MessageImprint {
            hash_algorithm: AlgorithmIdentifierOwned { oid: algorithm, parameters: None },
            hashed_message: OctetString::new(hash).unwrap(),
        },
        req_policy: None,
        nonce: None,
        cert_req: false,
        extensions: None,
    }
}

fn sha256() -> TimeStampReq {
    request(ID_SHA_256, &Sha256::digest(b"signature"))
}

#[tokio::test]
async fn a_token_says_what_was_asked() {
    let service = Service::start().await;
    let mut request = sha256();
    let (info, data) = service.verified(&request).await;
    assert_eq!(info.message_imprint, request.message_imprint);
    assert_eq!((info.nonce, data.certificates), (None, None));
    // Whole seconds, though the clock is exact.
    assert_eq!(info.gen_time.to_date_time().to_string(), NOW);

    request.nonce = Some(Int::new(&[0x42; 8]).unwrap());
    request.cert_req = true;
    let (other, data) = service.verified(&request).await;
    assert_eq!(other.nonce, request.nonce);
    assert_ne!(other.serial_number, info.serial_number);
    let certificates = data.certificates.unwrap().0;
    assert_eq!(certificates.as_slice()[0].to_der().unwrap(), service.chain[0]);
    service.verified(&self::request(ID_SHA_512, &[7; 64])).await;
}

#[tokio::test]
async fn the_leaf_is_for_time_stamping_only() {
    let service = Service::start().await;
    let leaf = Certificate::from_der(&service.chain[0]).unwrap();
    let usage: Option<(bool, ExtendedKeyUsage)> = leaf.tbs_certificate.get().unwrap();
    let purpose = const_oid::db::rfc5912::ID_KP_TIME_STAMPING;
    assert_eq!(usage, Some((true, ExtendedKeyUsage(vec![purpose]))));
    let pem = reqwest::get(format!("{}/certchain", service.url)).await.unwrap().text().await.unwrap();
    let chain = Certificate::load_pem_chain(pem.as_bytes()).unwrap();
    let chain: Vec<_> = chain.iter().map(|one| one.to_der().unwrap()).collect();
    assert_eq!(chain, service.chain);
}

#[tokio::test]
async fn what_cannot_be_stamped_is_refused() {
    let service = Service::start().await;
    let mut policy = sha256();
    policy.req_policy = Some(ObjectIdentifier::new_unwrap("1.2.3.4"));
    // RFC 3161 section 2.4.2: status 2 and one bit, as DER writes it.
    for (request, failure) in [
        (request(ID_SHA_1, &[7; 20]), vec![0x03, 2, 7, 0x80]),
        (request(ID_SHA_256, &[7; 31]), vec![0x03, 2, 2, 0x04]),
        (policy, vec![0x03, 3, 0, 0x00, 0x01]),
    ] {
        let reply = service.stamp(&request).await;
        let status = [&[0x02, 1, 2], failure.as_slice()].concat();
        let status = [&[0x30, u8::try_from(status.len()).unwrap()], status.as_slice()].concat();
        assert_eq!(reply, [&[0x30, u8::try_from(status.len()).unwrap()], status.as_slice()].concat());
    }
    let query = "application/timestamp-query";
    for (content_type, body, expected) in [
        (query, b"garbage".to_vec(), 400),
        (query, [sha256().to_der().unwrap(), vec![0]].concat(), 400),
        (query, vec![0; MAX_BODY + 1], 413),
        ("application/octet-stream", sha256().to_der().unwrap(), 415),
        ("application/json", sha256().to_der().unwrap(), 400),
        ("application/json", br#"{"artifactHash":"AAAA","hashAlgorithm":"sha1"}"#.to_vec(), 400),
        ("application/json", br#"{"artifactHash":"%%%","hashAlgorithm":"sha256"}"#.to_vec(), 400),
    ] {
        let (status, reply) = service.post(content_type, body).await;
        let reply: serde_json::Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!((status, &reply["code"]), (expected, &json!(expected)));
    }
}

#[test]
fn json_and_der_ask_for_the_same() {
    let hash = Sha256::digest(b"signature");
    let mut expected = sha256();
    let body = |more: serde_json::Value| {
        let mut body = json!({"artifactHash": STANDARD.encode(hash), "hashAlgorithm": "sha256"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string().into_bytes()
    };
    assert_eq!(json::request(&body(json!({}))).unwrap(), expected);

    expected.cert_req = true;
    expected.req_policy = Some(ObjectIdentifier::new_unwrap("1.2.3.4"));
    for (number, bytes) in [
        (0_u64, &[0][..]),
        (127, &[0x7f]),
        (128, &[0, 0x80]),
        (u64::MAX, &[0, 255, 255, 255, 255, 255, 255, 255, 255]),
    ] {
        expected.nonce = Some(Int::new(bytes).unwrap());
        let body = body(json!({"nonce": number, "certificates": true, "tsaPolicyOID": "1.2.3.4"}));
        assert_eq!(json::request(&body).unwrap(), expected, "{number}");
    }
}

#[tokio::test]
async fn json_gets_the_same_reply() {
    let service = Service::start().await;
    let body = json!({"artifactHash": STANDARD.encode([7; 32]), "hashAlgorithm": "sha256", "nonce": 300});
    let (status, reply) = service.post("application/json", body.to_string().into_bytes()).await;
    assert_eq!(status, 200);
    let token = TimeStampResp::from_der(&reply).unwrap().time_stamp_token.unwrap();
    let data: SignedData = token.content.decode_as().unwrap();
    let info = TstInfo::from_der(data.encap_content_info.econtent.unwrap().value()).unwrap();
    assert_eq!(info.message_imprint.hashed_message.as_bytes(), [7; 32]);
    assert_eq!(info.nonce, Some(Int::new(&[1, 44]).unwrap()));
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let service = Service::start().await;
    let mut request = sha256();
    request.nonce = Some(Int::new(&[0x42; 8]).unwrap());
    service.faults.set(Fault::TsaOtherImprint);
    assert_ne!(service.verified(&request).await.0.message_imprint, request.message_imprint);
    service.faults.clear();
    service.faults.set(Fault::TsaOtherNonce);
    let (info, _) = service.verified(&request).await;
    assert!(info.nonce.is_some() && info.nonce != request.nonce);
    service.faults.clear();
    service.faults.set(Fault::TsaFuture);
    let (info, _) = service.verified(&request).await;
    assert_eq!(info.gen_time.to_date_time().to_string(), "2026-03-04T06:06:07Z");
    service.faults.clear();
    service.faults.set(Fault::TsaDown);
    assert_eq!(service.post("application/timestamp-query", request.to_der().unwrap()).await.0, 500);
}

/// OpenSSL's opinion, where it is installed; the tests above say the same without it.
#[tokio::test]
async fn openssl_verifies_the_token() {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("data"), "signature").unwrap();
    std::fs::write(file("other"), "another").unwrap();
    let pem = |der: &[u8]| pki::certificate_pem(der).unwrap();
    std::fs::write(file("root.pem"), pem(&service.chain[2])).unwrap();
    std::fs::write(file("rest.pem"), pem(&service.chain[0]) + &pem(&service.chain[1])).unwrap();
    for certificate in [&["-cert"][..], &[]] {
        let mut query = Command::new("openssl");
        query.args(["ts", "-query", "-sha256"]).args(certificate).arg("-data").arg(file("data"));
        assert!(query.arg("-out").arg(file("query")).output().unwrap().status.success());
        let body = std::fs::read(file("query")).unwrap();
        let (status, reply) = service.post("application/timestamp-query", body).await;
        assert_eq!(status, 200);
        std::fs::write(file("reply"), reply).unwrap();
        let verify = |option: &str, name: &str| {
            let mut verify = Command::new("openssl");
            let at = NOW.parse::<jiff::Timestamp>().unwrap().as_second().to_string();
            verify.args(["ts", "-verify", "-attime", &at, option]).arg(file(name)).arg("-in");
            verify.arg(file("reply")).arg("-CAfile").arg(file("root.pem")).arg("-untrusted");
            verify.arg(file("rest.pem")).output().unwrap()
        };
        let good = verify("-queryfile", "query");
        assert!(good.status.success(), "{good:?}");
        let good = verify("-data", "data");
        assert!(good.status.success(), "{good:?}");
        assert!(!verify("-data", "other").status.success());
    }
}
