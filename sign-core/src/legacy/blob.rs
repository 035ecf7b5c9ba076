//! The file that `cosign sign-blob` and `attest-blob` wrote as a bundle before there were bundles.

use serde::Deserialize;

use super::evidence::{Evidence, PromisedEntry, key_material};
use super::malformed;
use crate::bundle::{Bundle, Content, KeyMaterial, MAX_BUNDLE_BYTES, MessageSignature, envelope_from_json};
use crate::encoding::base64_decode_lenient as base64;
use crate::error::Result;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    /// The signature; of a statement the whole envelope.
    base64_signature: String,
    /// PEM in base64. Of a key-made signature it is the key, which proves nothing.
    #[serde(default)]
    cert: String,
    #[serde(default)]
    rekor_bundle: Option<PromisedEntry>,
}

/// The bundle in `json`; `None` if that is no such file at all.
pub(super) fn parse(json: &[u8]) -> Option<Result<Bundle>> {
    if json.len() > MAX_BUNDLE_BYTES {
        return None;
    }
    serde_json::from_slice::<File>(json).ok().map(File::into_bundle)
}

impl File {
    fn into_bundle(self) -> Result<Bundle> {
        let pem = String::from_utf8(base64(&self.cert)?)
            .map_err(|e| malformed("the certificate is not PEM").caused_by(e))?;
        let key_material = if pem.contains("-----BEGIN CERTIFICATE-----") {
            key_material(Some(&pem))?
        } else {
            KeyMaterial::PublicKey { hint: String::new() }
        };
        let log_entry = self.rekor_bundle.map(PromisedEntry::into_log_entry).transpose()?;
        let signature = base64(&self.base64_signature)?;
        let content = match envelope_from_json(&signature) {
            Ok(envelope) => Content::Dsse(envelope),
            Err(_) => Content::Message(MessageSignature { digest: None, signature }),
        };
        Ok(Evidence { key_material, log_entry, timestamp: None }.into_bundle(content))
    }
}
