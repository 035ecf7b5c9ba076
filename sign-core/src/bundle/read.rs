//! From the wire form to the typed one, with the rules of each version.

use super::{
    Bundle, BundleVersion, Content, KeyMaterial, MAX_BUNDLE_BYTES, MAX_CERTIFICATE_BYTES, MAX_SIGNATURES,
    MessageSignature, wire,
};
use crate::encoding::{UpTo, base64_decode_lenient as base64};
use crate::envelope::{Envelope, EnvelopeSignature};
use crate::error::{Code, Error, Result};
use crate::tlog::{InclusionProof, LogEntry};

pub(super) fn parse(json: &[u8]) -> Result<Bundle> {
    at_most("bytes in a bundle", json.len(), MAX_BUNDLE_BYTES)?;
    let wire: wire::Bundle<'_> = serde_json::from_slice(json)
        .map_err(|e| malformed("not a Sigstore bundle").found(e.to_string()).caused_by(e))?;
    let version = version(&wire.media_type)?;
    let material = wire.verification_material;

    let entries = listed("log entries", material.tlog_entries.unwrap_or_default())?;
    let stamps = material.timestamp_verification_data.map(|d| d.rfc3161_timestamps).unwrap_or_default();
    let stamps = listed("timestamps", stamps)?;

    let key_material = match (material.certificate, material.x509_certificate_chain, material.public_key) {
        (Some(certificate), None, None) => KeyMaterial::Certificate(self::certificate(&certificate)?),
        (None, Some(chain), None) => {
            if version >= BundleVersion::V0_3 {
                return Err(malformed("a certificate chain is not allowed in this bundle version")
                    .expected("a single certificate"));
            }
            let chain = listed("certificates in the chain", chain.certificates)?;
            if chain.is_empty() {
                return Err(malformed("the certificate chain is empty"));
            }
            KeyMaterial::Chain(chain.iter().map(self::certificate).collect::<Result<_>>()?)
        }
        (None, None, Some(key)) => KeyMaterial::PublicKey { hint: key.hint.into_owned() },
        _ => {
            return Err(malformed("wrong key material")
                .expected("exactly one of certificate, x509CertificateChain and publicKey"));
        }
    };
    let content = match (wire.message_signature, wire.dsse_envelope) {
        (Some(message), None) => Content::Message(MessageSignature {
            digest: message
                .message_digest
                .map(|d| Ok::<_, Error>((d.algorithm.into_owned(), base64(&d.digest)?)))
                .transpose()?,
            signature: base64(&message.signature)?,
        }),
        (None, Some(envelope)) => Content::Dsse(self::envelope(envelope)?),
        _ => {
            return Err(
                malformed("wrong content").expected("exactly one of messageSignature and dsseEnvelope")
            );
        }
    };
    let log_entries = entries.into_iter().map(log_entry).collect::<Result<Vec<_>>>()?;
    for entry in &log_entries {
        let (needed, name) = match version {
            BundleVersion::Legacy | BundleVersion::V0_1 => (entry.promise.is_some(), "an inclusion promise"),
            _ => (entry.proof.is_some(), "an inclusion proof"),
        };
        if !needed {
            return Err(malformed("a log entry lacks what its bundle version demands").expected(name));
        }
    }
    let timestamps = stamps.iter().map(|s| base64(&s.signed_timestamp)).collect::<Result<_>>()?;
    Ok(Bundle { version, key_material, log_entries, timestamps, content })
}

/// Parses an envelope on its own, as an attestation's layer holds it.
pub(super) fn envelope_from_json(json: &[u8]) -> Result<Envelope> {
    let wire: wire::DsseEnvelope<'_> = serde_json::from_slice(json)
        .map_err(|e| malformed("not a DSSE envelope").found(e.to_string()).caused_by(e))?;
    envelope(wire)
}

/// Parses a log entry on its own, as Rekor v2 returns it.
#[cfg(feature = "net")]
pub(super) fn log_entry_from_json(json: &[u8]) -> Result<LogEntry> {
    let wire: wire::LogEntry<'_> = serde_json::from_slice(json)
        .map_err(|e| malformed("not a log entry").found(e.to_string()).caused_by(e))?;
    log_entry(wire)
}

fn version(media_type: &str) -> Result<BundleVersion> {
    Ok(match media_type {
        "application/vnd.dev.sigstore.bundle+json;version=0.1" => BundleVersion::V0_1,
        "application/vnd.dev.sigstore.bundle+json;version=0.2" => BundleVersion::V0_2,
        "application/vnd.dev.sigstore.bundle+json;version=0.3" | super::BUNDLE_V0_3 => BundleVersion::V0_3,
        other => {
            return Err(Error::new(Code::BundleUnsupported, "unknown bundle version")
                .expected("a media type of bundle version 0.1, 0.2 or 0.3")
                .found(other));
        }
    })
}

fn envelope(wire: wire::DsseEnvelope<'_>) -> Result<Envelope> {
    let UpTo(signatures) = wire.signatures;
    if signatures.len() != MAX_SIGNATURES {
        let found = if signatures.is_empty() { "none" } else { "more" };
        return Err(malformed("wrong number of envelope signatures").expected(MAX_SIGNATURES).found(found));
    }
    Ok(Envelope {
        payload_type: wire.payload_type.into_owned(),
        payload: match wire.payload {
            wire::Base64::Text(text) => base64(&text)?,
            wire::Base64::Bytes(bytes) => bytes.to_vec(),
        },
        signatures: signatures
            .into_iter()
            .map(|s| Ok(EnvelopeSignature { sig: base64(&s.sig)?, keyid: s.keyid.into_owned() }))
            .collect::<Result<_>>()?,
    })
}

fn log_entry(wire: wire::LogEntry<'_>) -> Result<LogEntry> {
    let proof = wire
        .inclusion_proof
        .map(|proof| {
            Ok::<_, Error>(InclusionProof {
                log_index: index(proof.log_index)?,
                root_hash: base64(&proof.root_hash)?,
                tree_size: index(proof.tree_size)?,
                hashes: proof.hashes.0.iter().map(|h| base64(h)).collect::<Result<_>>()?,
                checkpoint: proof.checkpoint.map(|c| c.envelope.into_owned()).unwrap_or_default(),
            })
        })
        .transpose()?;
    Ok(LogEntry {
        log_index: index(wire.log_index)?,
        log_id: base64(&wire.log_id.map(|id| id.key_id).unwrap_or_default())?,
        kind: wire.kind_version.kind.into_owned(),
        version: wire.kind_version.version.into_owned(),
        integrated_time: Some(wire.integrated_time.0).filter(|&t| t != 0),
        promise: wire.inclusion_promise.map(|p| base64(&p.signed_entry_timestamp)).transpose()?,
        proof,
        body: base64(&wire.canonicalized_body)?,
    })
}

fn index(value: wire::Int64) -> Result<u64> {
    u64::try_from(value.0).map_err(|_| malformed("a negative index or size").found(value.0))
}

fn certificate(wire: &wire::Certificate<'_>) -> Result<Vec<u8>> {
    let der = base64(&wire.raw_bytes)?;
    at_most("bytes in a certificate", der.len(), MAX_CERTIFICATE_BYTES)?;
    Ok(der)
}

/// The elements, if there are not too many.
fn listed<T, const MAX: usize>(what: &str, UpTo(elements): UpTo<T, MAX>) -> Result<Vec<T>> {
    if elements.len() <= MAX {
        return Ok(elements);
    }
    Err(Error::new(Code::LimitExceeded, format!("too many {what}"))
        .expected(format!("at most {MAX}"))
        .found("more"))
}

fn at_most(what: &str, found: usize, most: usize) -> Result<()> {
    if found <= most {
        return Ok(());
    }
    Err(Error::new(Code::LimitExceeded, format!("too many {what}"))
        .expected(format!("at most {most}"))
        .found(found))
}

fn malformed(message: &str) -> Error {
    Error::new(Code::BundleMalformed, message)
}
