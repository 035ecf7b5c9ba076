//! Requests in JSON, which timestamp-authority takes besides DER and sigstore-js sends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
use der::asn1::{Int, OctetString};
use serde::Deserialize;
use spki::AlgorithmIdentifierOwned;
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    /// Base64.
    artifact_hash: String,
    hash_algorithm: String,
    #[serde(default)]
    certificates: bool,
    nonce: Option<u64>,
    /// Empty where none is asked for.
    #[serde(rename = "tsaPolicyOID")]
    policy: Option<String>,
}

/// The same request as RFC 3161 has it.
pub(super) fn request(body: &[u8]) -> Result<TimeStampReq, &'static str> {
    let request: Request =
        serde_json::from_slice(body).map_err(|_| "the request is not the JSON expected")?;
    let algorithm = match request.hash_algorithm.as_str() {
        "sha256" => ID_SHA_256,
        "sha384" => ID_SHA_384,
        "sha512" => ID_SHA_512,
        _ => return Err("unsupported hash algorithm"),
    };
    let policy =
        request.policy.as_deref().filter(|policy| !policy.is_empty()).map(ObjectIdentifier::new).transpose();
    let policy = policy.map_err(|_| "the policy is no object identifier")?;
    let hash = STANDARD.decode(request.artifact_hash).map_err(|_| "the hash is no base64")?;
    Ok(TimeStampReq {
        version: TspVersion::V1,
        message_imprint: MessageImprint {
            hash_algorithm: AlgorithmIdentifierOwned { oid: algorithm, parameters: None },
            hashed_message: OctetString::new(hash).map_err(|_| "the hash is too long")?,
        },
        req_policy: policy,
        nonce: request.nonce.map(integer).transpose()?,
        cert_req: request.certificates,
        extensions: None,
    })
}

/// X.690 section 8.3: the fewest bytes, with a leading zero where the number would else be negative.
fn integer(number: u64) -> Result<Int, &'static str> {
    let bytes = [&[0][..], &number.to_be_bytes()].concat();
    let superfluous =
        bytes.windows(2).take_while(|pair| matches!(pair, [0, next] if next & 0x80 == 0)).count();
    Int::new(bytes.get(superfluous..).unwrap_or_default()).map_err(|_| "the nonce is too long")
}
