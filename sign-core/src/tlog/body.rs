//! Canonical bodies: what an entry says was signed, by which key.
//!
//! Source: Rekor's JSON schemas of `hashedrekord`, `dsse` and `intoto`, and `rekor-tiles`.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::digest::{Digest, HashAlgorithm};
use crate::encoding::{base64_decode_lenient, pem_decode_all};
use crate::error::{Code, Error, Result};
use crate::json::check_unique_keys;

/// Most signatures read from one entry; a bundle has one, and one is required.
const MAX_SIGNATURES: usize = 16;

/// The key an entry names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verifier {
    /// A certificate, DER.
    Certificate(Vec<u8>),
    /// A bare key, DER.
    PublicKey(Vec<u8>),
}

/// What an entry says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// `hashedrekord` 0.0.1.
    HashedRekordV1 { digest: Digest, signature: Vec<u8>, verifier: Verifier },
    /// `hashedrekord` 0.0.2, which also names the kind of key.
    HashedRekordV2 { digest: Digest, signature: Vec<u8>, verifier: Verifier, key_details: String },
    /// `dsse` 0.0.1 and `intoto` 0.0.2: the payload and its one signature.
    Envelope { payload: Digest, signature: Vec<u8>, verifier: Verifier },
    /// `intoto` 0.0.1: the text of a whole envelope, whose signature it does not repeat. The oldest
    /// entries have no hash of the payload.
    EnvelopeText { envelope: Digest, payload: Option<Digest>, verifier: Verifier },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<S> {
    kind: String,
    api_version: String,
    spec: S,
}

#[derive(Deserialize)]
struct HashedRekordV1 {
    data: DataV1,
    signature: SignatureV1,
}

#[derive(Deserialize)]
struct DataV1 {
    hash: Hash,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureV1 {
    content: String,
    public_key: PublicKey,
}

#[derive(Deserialize)]
struct PublicKey {
    content: String,
}

#[derive(Deserialize)]
struct SpecV2 {
    #[serde(rename = "hashedRekordV002")]
    hashed_rekord: HashedRekordV2,
}

#[derive(Deserialize)]
struct HashedRekordV2 {
    data: DataV2,
    signature: SignatureV2,
}

#[derive(Deserialize)]
struct DataV2 {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
struct SignatureV2 {
    content: String,
    verifier: VerifierV2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifierV2 {
    #[serde(default)]
    x509_certificate: Option<RawBytes>,
    #[serde(default)]
    public_key: Option<RawBytes>,
    key_details: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBytes {
    raw_bytes: String,
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoV1 {
    content: IntotoContentV1,
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoContentV1 {
    hash: Hash,
    #[serde(default)]
    payload_hash: Option<Hash>,
}

#[derive(Deserialize)]
struct Intoto {
    content: IntotoContent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoContent {
    envelope: IntotoEnvelope,
    payload_hash: Hash,
}

#[derive(Deserialize)]
struct IntotoEnvelope {
    signatures: Vec<IntotoSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoSignature {
    sig: String,
    public_key: String,
}

impl Body {
    /// Kind and version of a body that comes without them.
    ///
    /// # Errors
    /// [`Code::LogEntryInvalid`].
    pub(crate) fn kind_of(body: &[u8]) -> Result<(String, String)> {
        let Entry::<IgnoredAny> { kind, api_version, spec: _ } = entry(body)?;
        Ok((kind, api_version))
    }

    /// Parses the canonical body of an entry that says it is of this kind and version.
    ///
    /// # Errors
    /// [`Code::LogEntryInvalid`].
    pub(crate) fn parse(kind: &str, version: &str, body: &[u8]) -> Result<Self> {
        match (kind, version) {
            ("hashedrekord", "0.0.1") => {
                let HashedRekordV1 { data, signature } = spec(kind, version, body)?;
                Ok(Self::HashedRekordV1 {
                    digest: digest(&data.hash)?,
                    signature: bytes(&signature.content)?,
                    verifier: verifier(&signature.public_key.content)?,
                })
            }
            ("hashedrekord", "0.0.2") => {
                let SpecV2 { hashed_rekord: HashedRekordV2 { data, signature } } = spec(kind, version, body)?;
                let algorithm = match data.algorithm.as_str() {
                    "SHA2_256" => HashAlgorithm::Sha256,
                    "SHA2_384" => HashAlgorithm::Sha384,
                    "SHA2_512" => HashAlgorithm::Sha512,
                    other => return Err(invalid("unknown hash algorithm").found(other)),
                };
                let digest = Digest::new(algorithm, bytes(&data.digest)?)
                    .map_err(|e| invalid("the digest has the wrong length").caused_by(e))?;
                let VerifierV2 { x509_certificate, public_key, key_details } = signature.verifier;
                let verifier = match (x509_certificate, public_key) {
                    (Some(certificate), None) => Verifier::Certificate(bytes(&certificate.raw_bytes)?),
                    (None, Some(key)) => Verifier::PublicKey(bytes(&key.raw_bytes)?),
                    _ => return Err(invalid("not exactly one of certificate and key")),
                };
                Ok(Self::HashedRekordV2 {
                    digest,
                    signature: bytes(&signature.content)?,
                    verifier,
                    key_details,
                })
            }
            ("dsse", "0.0.1") => {
                let Dsse { payload_hash, signatures } = spec(kind, version, body)?;
                let only = only(signatures)?;
                Ok(Self::Envelope {
                    payload: digest(&payload_hash)?,
                    signature: bytes(&only.signature)?,
                    verifier: verifier(&only.verifier)?,
                })
            }
            ("intoto", "0.0.1") => {
                let IntotoV1 { content, public_key } = spec(kind, version, body)?;
                Ok(Self::EnvelopeText {
                    envelope: digest(&content.hash)?,
                    payload: content.payload_hash.as_ref().map(digest).transpose()?,
                    verifier: verifier(&public_key)?,
                })
            }
            ("intoto", "0.0.2") => {
                let Intoto { content } = spec(kind, version, body)?;
                let only = only(content.envelope.signatures)?;
                // This kind encodes the signature twice.
                let once = String::from_utf8(bytes(&only.sig)?)
                    .map_err(|_| invalid("the signature is not base64 in base64"))?;
                Ok(Self::Envelope {
                    payload: digest(&content.payload_hash)?,
                    signature: bytes(&once)?,
                    verifier: verifier(&only.public_key)?,
                })
            }
            _ => Err(invalid("unknown kind of entry")
                .expected("hashedrekord 0.0.1 or 0.0.2, dsse 0.0.1, intoto 0.0.1 or 0.0.2")
                .found(format!("{kind} {version}"))),
        }
    }
}

impl Body {
    /// The key that the entry names.
    pub(crate) fn verifier(&self) -> &Verifier {
        match self {
            Self::HashedRekordV1 { verifier, .. }
            | Self::HashedRekordV2 { verifier, .. }
            | Self::Envelope { verifier, .. }
            | Self::EnvelopeText { verifier, .. } => verifier,
        }
    }
}

fn spec<'a, S: Deserialize<'a>>(kind: &str, version: &str, body: &'a [u8]) -> Result<S> {
    let entry: Entry<S> = entry(body)?;
    // The kind outside is not in the tree, the one inside is.
    if entry.kind != kind || entry.api_version != version {
        return Err(invalid("the body is of another kind than the entry says")
            .expected(format!("{kind} {version}"))
            .found(format!("{} {}", entry.kind, entry.api_version)));
    }
    Ok(entry.spec)
}

fn entry<'a, S: Deserialize<'a>>(body: &'a [u8]) -> Result<Entry<S>> {
    // The canonical form has no duplicate keys, and neither has a log that writes it.
    check_unique_keys(body)
        .and_then(|()| serde_json::from_slice(body))
        .map_err(|e| invalid("the body cannot be read").found(e.to_string()).caused_by(e))
}

/// A bundle has one signature, and so must its entry: with several, which is it about?
fn only<T>(signatures: Vec<T>) -> Result<T> {
    let count = signatures.len();
    let mut all = signatures.into_iter().take(MAX_SIGNATURES);
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(invalid("wrong number of signatures").expected("1").found(count)),
    }
}

fn digest(hash: &Hash) -> Result<Digest> {
    format!("{}:{}", hash.algorithm, hash.value)
        .parse()
        .map_err(|e| invalid("the hash cannot be read").found(&hash.algorithm).caused_by(e as Error))
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    base64_decode_lenient(text).map_err(|e| invalid("not base64").caused_by(e))
}

/// A certificate or key, PEM within base64.
fn verifier(text: &str) -> Result<Verifier> {
    let pem = String::from_utf8(bytes(text)?).map_err(|_| invalid("the key is not PEM"))?;
    let certificates =
        pem_decode_all("CERTIFICATE", &pem).map_err(|e| invalid("the key is not PEM").caused_by(e))?;
    let keys = pem_decode_all("PUBLIC KEY", &pem).map_err(|e| invalid("the key is not PEM").caused_by(e))?;
    match (certificates.len(), keys.len()) {
        (1, 0) => Ok(Verifier::Certificate(certificates.into_iter().next().unwrap_or_default())),
        (0, 1) => Ok(Verifier::PublicKey(keys.into_iter().next().unwrap_or_default())),
        _ => Err(invalid("not exactly one certificate or key")),
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Code::LogEntryInvalid, format!("the log entry: {message}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::{base64_encode, pem_encode};

    fn parse(kind: &str, version: &str, body: &Value) -> Result<Body> {
        Body::parse(kind, version, body.to_string().as_bytes())
    }

    fn pem(label: &str) -> String {
        base64_encode(pem_encode(label, b"der").as_bytes())
    }

    fn hashedrekord() -> Value {
        json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": Digest::sha256(b"a").hex() } },
            "signature": { "content": "c2ln", "publicKey": { "content": pem("CERTIFICATE") } } } })
    }

    #[test]
    fn reads_every_kind() {
        let (digest, sig) = (Digest::sha256(b"a"), b"sig".to_vec());
        let certificate = || Verifier::Certificate(b"der".to_vec());
        assert_eq!(
            parse("hashedrekord", "0.0.1", &hashedrekord()).unwrap(),
            Body::HashedRekordV1 { digest: digest.clone(), signature: sig.clone(), verifier: certificate() }
        );
        let v2 = json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": base64_encode(digest.as_bytes()) },
            "signature": { "content": "c2ln", "verifier": { "publicKey": { "rawBytes": "ZGVy" }, "keyDetails": "K" } } } } });
        assert_eq!(
            parse("hashedrekord", "0.0.2", &v2).unwrap(),
            Body::HashedRekordV2 {
                digest: digest.clone(),
                signature: sig.clone(),
                verifier: Verifier::PublicKey(b"der".to_vec()),
                key_details: "K".into()
            }
        );
        let hash = json!({ "algorithm": "sha256", "value": digest.hex() });
        let dsse = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "payloadHash": hash, "envelopeHash": hash,
            "signatures": [{ "signature": "c2ln", "verifier": pem("CERTIFICATE") }] } });
        let expected = Body::Envelope { payload: digest, signature: sig, verifier: certificate() };
        assert_eq!(parse("dsse", "0.0.1", &dsse).unwrap(), expected);
        let intoto = json!({ "apiVersion": "0.0.2", "kind": "intoto", "spec": { "content": { "payloadHash": hash,
            "envelope": { "payloadType": "t", "signatures": [{ "sig": base64_encode(b"c2ln"), "publicKey": pem("CERTIFICATE") }] } } } });
        assert_eq!(parse("intoto", "0.0.2", &intoto).unwrap(), expected);
    }

    #[test]
    fn refuses_bodies_that_leave_a_choice() {
        let two = json!([{ "signature": "c2ln", "verifier": pem("CERTIFICATE") }, { "signature": "eA==", "verifier": pem("CERTIFICATE") }]);
        let hash = json!({ "algorithm": "sha256", "value": Digest::sha256(b"a").hex() });
        let dsse = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "payloadHash": hash, "signatures": two } });
        assert_eq!(parse("dsse", "0.0.1", &dsse).unwrap_err().code(), Code::LogEntryInvalid);
        // The entry's own words are not in the tree.
        assert!(parse("hashedrekord", "0.0.2", &hashedrekord()).is_err());
        assert!(parse("rekord", "0.0.1", &hashedrekord()).is_err());
        let mut both = hashedrekord();
        let pems = format!("{}{}", pem_encode("CERTIFICATE", b"a"), pem_encode("CERTIFICATE", b"b"));
        both["spec"]["signature"]["publicKey"]["content"] = json!(base64_encode(pems.as_bytes()));
        assert!(parse("hashedrekord", "0.0.1", &both).is_err());
        let twice = hashedrekord().to_string().replacen("{", r#"{"extra":1,"extra":2,"#, 1);
        assert!(Body::parse("hashedrekord", "0.0.1", twice.as_bytes()).is_err());
        let mut sha1 = hashedrekord();
        sha1["spec"]["data"]["hash"]["algorithm"] = json!("sha1");
        assert!(parse("hashedrekord", "0.0.1", &sha1).is_err());
        assert!(Body::parse("hashedrekord", "0.0.1", b"[]").is_err());
    }
}
