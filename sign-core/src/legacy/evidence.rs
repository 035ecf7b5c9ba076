//! What vouches for a signature: certificate, log entry, timestamp, as cosign annotates layers with them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::malformed;
use crate::bundle::KeyMaterial;
use crate::encoding::{base64_decode_lenient as base64, pem_decode_all};
use crate::error::Result;
use crate::tlog::{Body, LogEntry};

/// The leaf certificate, PEM. Beside it stands a chain, which is not read: trust comes from the trusted
/// root alone.
pub(super) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// What Rekor v1 answered, without the inclusion proof.
pub(super) const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
/// An RFC 3161 response.
pub(super) const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

pub(super) struct Evidence {
    pub(super) key_material: KeyMaterial,
    pub(super) log_entry: Option<LogEntry>,
    pub(super) timestamp: Option<Vec<u8>>,
}

/// An entry of Rekor v1 with its promise, field for field as cosign writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PromisedEntry {
    signed_entry_timestamp: String,
    payload: Promised,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Promised {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed: String,
}

impl Evidence {
    pub(super) fn from_annotations(annotations: &BTreeMap<String, String>) -> Result<Self> {
        let present = |name: &str| annotations.get(name).filter(|text| !text.is_empty());
        let log_entry = present(LOG_ENTRY)
            .map(|json| {
                serde_json::from_str::<PromisedEntry>(json)
                    .map_err(|e| malformed("the log entry cannot be read").found(e.to_string()).caused_by(e))?
                    .into_log_entry()
            })
            .transpose()?;
        let timestamp = present(TIMESTAMP)
            .map(|json| {
                let timestamp: Timestamp = serde_json::from_str(json).map_err(|e| {
                    malformed("the timestamp cannot be read").found(e.to_string()).caused_by(e)
                })?;
                base64(&timestamp.signed)
            })
            .transpose()?;
        Ok(Self { key_material: key_material(present(CERTIFICATE))?, log_entry, timestamp })
    }
}

/// Without a certificate the signature was made with a key, which nothing names.
pub(super) fn key_material(pem: Option<&String>) -> Result<KeyMaterial> {
    let Some(pem) = pem else { return Ok(KeyMaterial::PublicKey { hint: String::new() }) };
    let mut certificates = pem_decode_all("CERTIFICATE", pem)?;
    match (certificates.pop(), certificates.is_empty()) {
        (Some(only), true) => Ok(KeyMaterial::Certificate(only)),
        (last, _) => Err(malformed("not exactly one certificate")
            .expected("one CERTIFICATE block")
            .found(certificates.len() + usize::from(last.is_some()))),
    }
}

impl PromisedEntry {
    pub(super) fn into_log_entry(self) -> Result<LogEntry> {
        let Promised { body, integrated_time, log_index, log_id } = self.payload;
        let body = base64(&body)?;
        let (kind, version) = Body::kind_of(&body)?;
        Ok(LogEntry {
            log_index: u64::try_from(log_index)
                .map_err(|_| malformed("a negative log index").found(log_index))?,
            log_id: hex::decode(&log_id)
                .map_err(|e| malformed("the log id is not hexadecimal").found(log_id).caused_by(e))?,
            kind,
            version,
            integrated_time: Some(integrated_time).filter(|&time| time != 0),
            promise: Some(base64(&self.signed_entry_timestamp)?),
            proof: None,
            body,
        })
    }
}
