//! DSSE envelopes and their pre-authentication encoding.
//!
//! Source: DSSE protocol v1.0.2.

use crate::digest::{Digest, HashAlgorithm, Hasher};
use crate::encoding::base64_encode;

/// The payload type of every in-toto statement that this crate writes.
pub const INTOTO_PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A DSSE envelope with its payload decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Media type of the payload; part of what is signed.
    pub payload_type: String,
    /// The bytes that are signed and parsed: the same ones.
    pub payload: Vec<u8>,
    /// The signatures. A Sigstore bundle has exactly one.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// An unauthenticated hint. Never used for a decision.
    pub keyid: String,
    /// The raw signature.
    pub sig: Vec<u8>,
}

impl Envelope {
    /// The bytes that are signed. Copies the payload; prefer [`Envelope::pae_digest`].
    #[must_use]
    pub fn pae(&self) -> Vec<u8> {
        let mut out = pae_header(&self.payload_type, self.payload.len());
        out.extend_from_slice(&self.payload);
        out
    }

    /// The JSON form, byte for byte as Go's DSSE library writes it. Old logs hash it whole, and old
    /// timestamps cover it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let signatures: Vec<String> = self
            .signatures
            .iter()
            .map(|s| format!(r#"{{"keyid":{},"sig":"{}"}}"#, quoted(&s.keyid), base64_encode(&s.sig)))
            .collect();
        format!(
            r#"{{"payloadType":{},"payload":"{}","signatures":[{}]}}"#,
            quoted(&self.payload_type),
            base64_encode(&self.payload),
            signatures.join(",")
        )
        .into_bytes()
    }

    /// The digest of the bytes that are signed, without copying the payload.
    #[must_use]
    pub fn pae_digest(&self, algorithm: HashAlgorithm) -> Digest {
        pae_digest(algorithm, &self.payload_type, &self.payload)
    }
}

/// The digest of the pre-authentication encoding of `payload`.
#[must_use]
pub fn pae_digest(algorithm: HashAlgorithm, payload_type: &str, payload: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(&pae_header(payload_type, payload.len()));
    hasher.update(payload);
    hasher.finish()
}

fn pae_header(payload_type: &str, payload_len: usize) -> Vec<u8> {
    format!("DSSEv1 {} {payload_type} {payload_len} ", payload_type.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_example_of_the_specification() {
        let envelope = Envelope {
            payload_type: "http://example.com/HelloWorld".into(),
            payload: b"hello world".to_vec(),
            signatures: vec![],
        };
        assert_eq!(envelope.pae(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(envelope.pae_digest(HashAlgorithm::Sha256), Digest::sha256(&envelope.pae()));
    }

    #[test]
    fn writes_what_go_writes() {
        let signature = EnvelopeSignature { keyid: String::new(), sig: b"sig".to_vec() };
        let envelope = Envelope {
            payload_type: INTOTO_PAYLOAD_TYPE.into(),
            payload: b"{}".to_vec(),
            signatures: vec![signature],
        };
        let text = r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":"c2ln"}]}"#;
        assert_eq!(envelope.to_json(), text.as_bytes());
    }
}
