//! Sigstore bundles, versions 0.1 to 0.3: bytes in, typed values out, and back.
//!
//! Source: `sigstore_bundle.proto` of the Sigstore protobuf specifications.

mod read;
mod wire;
mod write;

use crate::envelope::Envelope;
use crate::error::Result;
use crate::tlog::LogEntry;

/// Media type of the bundles that this crate writes.
pub const BUNDLE_V0_3: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Largest bundle that is read: room for a 64 MiB SBOM in base64, twice what peers attach.
pub(crate) const MAX_BUNDLE_BYTES: usize = 128 * 1024 * 1024;
/// Most log entries in one bundle; the cap of the peers.
pub(crate) const MAX_LOG_ENTRIES: usize = 32;
/// Most timestamps in one bundle; the cap of the peers.
pub(crate) const MAX_TIMESTAMPS: usize = 32;
/// Most certificates in the chain of an old bundle; Fulcio's chains have three.
pub(crate) const MAX_CHAIN: usize = 10;
/// Largest certificate: Fulcio's have under two kilobytes, and parsed ones are many times as large.
pub(crate) const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
/// Signatures in an envelope: with two, which is it about?
pub(crate) const MAX_SIGNATURES: usize = 1;

/// A signature together with what is needed to verify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Which rules the bundle follows.
    pub version: BundleVersion,
    /// Whose key made the signature.
    pub key_material: KeyMaterial,
    /// Transparency log entries.
    pub log_entries: Vec<LogEntry>,
    /// RFC 3161 responses (or bare tokens), DER.
    pub timestamps: Vec<Vec<u8>>,
    /// What was signed, and the signature.
    pub content: Content,
}

/// The version in a bundle's media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BundleVersion {
    /// No bundle yet, but cosign's annotations and files. The rules of 0.1, except that a timestamp may
    /// cover the whole envelope instead of its signature.
    Legacy,
    /// Needs an inclusion promise.
    V0_1,
    /// Needs an inclusion proof.
    V0_2,
    /// As 0.2, with a single certificate instead of a chain.
    V0_3,
}

/// The key behind a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// The leaf certificate, DER.
    Certificate(Vec<u8>),
    /// Leaf first, DER; only before 0.3. Nothing after the leaf is trusted.
    Chain(Vec<Vec<u8>>),
    /// A hint to a key that the verifier must already have.
    PublicKey {
        /// Unauthenticated.
        hint: String,
    },
}

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A signature over an artifact's bytes.
    Message(MessageSignature),
    /// A signed envelope.
    Dsse(Envelope),
}

/// A signature over an artifact's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSignature {
    /// The digest the signer claims, with the protobuf name of its algorithm; only a hint.
    pub digest: Option<(String, Vec<u8>)>,
    /// The raw signature.
    pub signature: Vec<u8>,
}

/// Parses an envelope on its own, as an attestation's layer holds it.
pub(crate) fn envelope_from_json(json: &[u8]) -> Result<Envelope> {
    read::envelope_from_json(json)
}

/// Parses a log entry on its own, as Rekor v2 returns it.
#[cfg(feature = "net")]
pub(crate) fn log_entry_from_json(json: &[u8]) -> Result<LogEntry> {
    read::log_entry_from_json(json)
}

impl Bundle {
    /// Parses the JSON form.
    ///
    /// # Errors
    /// `bundle-malformed`, `bundle-unsupported` or `limit-exceeded`.
    pub fn parse(json: &[u8]) -> Result<Self> {
        read::parse(json)
    }

    /// The JSON form; default values are written out, because some readers demand them.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        write::to_json(self)
    }

    /// The leaf certificate, DER.
    #[must_use]
    pub fn leaf_certificate(&self) -> Option<&[u8]> {
        match &self.key_material {
            KeyMaterial::Certificate(der) => Some(der),
            KeyMaterial::Chain(chain) => chain.first().map(Vec::as_slice),
            KeyMaterial::PublicKey { .. } => None,
        }
    }

    /// The raw signature: of the message, or of the envelope's first signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        match &self.content {
            Content::Message(message) => &message.signature,
            Content::Dsse(envelope) => envelope.signatures.first().map_or(&[], |s| &s.sig),
        }
    }
}
