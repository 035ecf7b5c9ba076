//! From the typed form to bundle v0.3 JSON.

use std::borrow::Cow;

use super::{Bundle, BundleVersion, Content, KeyMaterial, MAX_TIMESTAMPS, wire};
use crate::encoding::{UpTo, base64_encode};
use crate::tlog::LogEntry;

pub(super) fn to_json(bundle: &Bundle) -> Vec<u8> {
    let (mut certificate, mut chain, mut public_key) = (None, None, None);
    let raw = |der: &Vec<u8>| wire::Certificate { raw_bytes: base64_encode(der).into() };
    match &bundle.key_material {
        KeyMaterial::Certificate(der) => certificate = Some(raw(der)),
        KeyMaterial::Chain(ders) => {
            chain = Some(wire::Chain { certificates: ders.iter().map(raw).collect() })
        }
        KeyMaterial::PublicKey { hint } => public_key = Some(wire::PublicKey { hint: Cow::Borrowed(hint) }),
    }
    let (mut message_signature, mut dsse_envelope) = (None, None);
    let mut size = 16 * 1024;
    match &bundle.content {
        Content::Message(message) => {
            message_signature = Some(wire::MessageSignature {
                message_digest: message.digest.as_ref().map(|(algorithm, digest)| wire::MessageDigest {
                    algorithm: Cow::Borrowed(algorithm),
                    digest: base64_encode(digest).into(),
                }),
                signature: base64_encode(&message.signature).into(),
            });
        }
        Content::Dsse(envelope) => {
            size += envelope.payload.len() / 3 * 4;
            dsse_envelope = Some(wire::DsseEnvelope {
                payload: wire::Base64::Bytes(&envelope.payload),
                payload_type: Cow::Borrowed(&envelope.payload_type),
                signatures: envelope
                    .signatures
                    .iter()
                    .map(|s| wire::Signature {
                        sig: base64_encode(&s.sig).into(),
                        keyid: Cow::Borrowed(&s.keyid),
                    })
                    .collect(),
            });
        }
    }
    let timestamps: UpTo<_, MAX_TIMESTAMPS> = bundle
        .timestamps
        .iter()
        .map(|der| wire::Timestamp { signed_timestamp: base64_encode(der).into() })
        .collect();
    let wire = wire::Bundle {
        media_type: media_type(bundle.version).into(),
        verification_material: wire::VerificationMaterial {
            certificate,
            x509_certificate_chain: chain,
            public_key,
            tlog_entries: Some(bundle.log_entries.iter().map(log_entry).collect()),
            timestamp_verification_data: (!timestamps.0.is_empty())
                .then_some(wire::TimestampVerificationData { rfc3161_timestamps: timestamps }),
        },
        message_signature,
        dsse_envelope,
    };
    let mut out = Vec::with_capacity(size);
    // Writing plain strings and numbers into memory has no way to fail.
    if serde_json::to_writer(&mut out, &wire).is_err() {
        out.clear();
    }
    out
}

fn media_type(version: BundleVersion) -> &'static str {
    match version {
        // Whose rules they follow.
        BundleVersion::Legacy | BundleVersion::V0_1 => "application/vnd.dev.sigstore.bundle+json;version=0.1",
        BundleVersion::V0_2 => "application/vnd.dev.sigstore.bundle+json;version=0.2",
        BundleVersion::V0_3 => super::BUNDLE_V0_3,
    }
}

fn log_entry(entry: &LogEntry) -> wire::LogEntry<'_> {
    let int = |value: u64| wire::Int64(i64::try_from(value).unwrap_or(i64::MAX));
    wire::LogEntry {
        log_index: int(entry.log_index),
        log_id: Some(wire::LogId { key_id: base64_encode(&entry.log_id).into() }),
        kind_version: wire::KindVersion {
            kind: Cow::Borrowed(&entry.kind),
            version: Cow::Borrowed(&entry.version),
        },
        integrated_time: wire::Int64(entry.integrated_time.unwrap_or(0)),
        inclusion_promise: entry
            .promise
            .as_ref()
            .map(|set| wire::InclusionPromise { signed_entry_timestamp: base64_encode(set).into() }),
        inclusion_proof: entry.proof.as_ref().map(|proof| wire::InclusionProof {
            log_index: int(proof.log_index),
            root_hash: base64_encode(&proof.root_hash).into(),
            tree_size: int(proof.tree_size),
            hashes: proof.hashes.iter().map(|hash| base64_encode(hash).into()).collect(),
            checkpoint: Some(wire::Checkpoint { envelope: Cow::Borrowed(&proof.checkpoint) }),
        }),
        canonicalized_body: base64_encode(&entry.body).into(),
    }
}
