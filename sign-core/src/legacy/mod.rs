//! What cosign wrote before there were bundles: a signed payload or envelope, and its evidence in
//! annotations or in a small file of its own. Read here into the types that bundles have.
//!
//! Source: cosign's signature and attestation specifications, and its `LocalSignedPayload`.

mod blob;
mod evidence;
mod payload;

use std::collections::BTreeMap;

pub use payload::SimpleSigning;

use crate::bundle::{Bundle, BundleVersion, Content, MessageSignature, envelope_from_json};
use crate::encoding::base64_decode_lenient as base64;
use crate::error::{Code, Error, Result};
use evidence::Evidence;

/// Largest payload or envelope: cosign's own limit for what is attached.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 128 * 1024 * 1024;
/// The annotation with the signature over the payload, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Every annotation that is read here; the others of a layer say nothing about its signature.
#[cfg(feature = "net")]
pub(crate) const EVIDENCE: [&str; 4] =
    [SIGNATURE, evidence::CERTIFICATE, evidence::LOG_ENTRY, evidence::TIMESTAMP];

/// An image signature in cosign's older form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacySignature {
    /// What was signed: a [`SimpleSigning`] document, byte for byte.
    pub payload: Vec<u8>,
    /// The signature over the payload, and the evidence for it.
    pub bundle: Bundle,
}

impl LegacySignature {
    /// From a layer of a `.sig` manifest: its blob, and the annotations of its descriptor.
    ///
    /// # Errors
    /// `bundle-malformed` when the annotations hold no signature or evidence that cannot be read,
    /// `limit-exceeded` for a payload over 128 MiB.
    pub fn from_layer(payload: Vec<u8>, annotations: &BTreeMap<String, String>) -> Result<Self> {
        check_size(&payload)?;
        let signature = annotations.get(SIGNATURE).map_or(Ok(Vec::new()), |text| base64(text))?;
        if signature.is_empty() {
            return Err(malformed("the layer has no signature").expected(format!("annotation {SIGNATURE}")));
        }
        let content = Content::Message(MessageSignature { digest: None, signature });
        Ok(Self { payload, bundle: Evidence::from_annotations(annotations)?.into_bundle(content) })
    }
}

impl Bundle {
    /// From a layer of an `.att` manifest: its blob, which is an envelope, and the annotations of its
    /// descriptor.
    ///
    /// # Errors
    /// `bundle-malformed` for an envelope or evidence that cannot be read, `limit-exceeded` for an
    /// envelope over 128 MiB.
    pub fn from_attestation_layer(envelope: &[u8], annotations: &BTreeMap<String, String>) -> Result<Self> {
        check_size(envelope)?;
        if annotations.get(SIGNATURE).is_some_and(|text| !text.is_empty()) {
            // Some readers would verify this one, and others the envelope's.
            return Err(malformed("an attestation has a second signature beside its envelope"));
        }
        let content = Content::Dsse(envelope_from_json(envelope)?);
        Ok(Evidence::from_annotations(annotations)?.into_bundle(content))
    }

    /// Parses a bundle, or the file that older cosign versions wrote under the same name.
    ///
    /// # Errors
    /// As [`Bundle::parse`].
    pub fn parse_any(json: &[u8]) -> Result<Self> {
        // Only what is no bundle is read a second time.
        Self::parse(json).or_else(|error| blob::parse(json).unwrap_or(Err(error)))
    }
}

impl Evidence {
    fn into_bundle(self, content: Content) -> Bundle {
        Bundle {
            version: BundleVersion::Legacy,
            key_material: self.key_material,
            log_entries: self.log_entry.into_iter().collect(),
            timestamps: self.timestamp.into_iter().collect(),
            content,
        }
    }
}

fn check_size(payload: &[u8]) -> Result<()> {
    if payload.len() <= MAX_PAYLOAD_BYTES {
        return Ok(());
    }
    Err(Error::new(Code::LimitExceeded, "the signed payload is too large")
        .expected(format!("at most {MAX_PAYLOAD_BYTES} bytes"))
        .found(payload.len()))
}

fn malformed(message: &str) -> Error {
    Error::new(Code::BundleMalformed, message)
}
