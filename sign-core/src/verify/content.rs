//! Steps 9 and 10: the signature, and what it is about.

use super::Artifact;
use super::log::ProvenEntry;
use super::verified::Check;
use crate::bundle::{Bundle, Content, MessageSignature};
use crate::crypto::PublicKey;
use crate::envelope::{Envelope, INTOTO_PAYLOAD_TYPE};
use crate::error::{Code, Error, Result};
use crate::statement::Statement;

/// Checks an envelope's signature by `key`. A message's signature waits for the artifact.
pub(super) fn check_signature(bundle: &Bundle, key: &PublicKey, checks: &mut Vec<Check>) -> Result<()> {
    let Content::Dsse(envelope) = &bundle.content else { return Ok(()) };
    let [signature] = envelope.signatures.as_slice() else {
        return Err(Error::new(Code::EnvelopeInvalid, "wrong number of signatures")
            .expected(1)
            .found(envelope.signatures.len()));
    };
    let good = match key.hash_algorithm() {
        Some(algorithm) => key.verifies_digest(&envelope.pae_digest(algorithm), &signature.sig),
        None => key.verifies(&envelope.pae(), &signature.sig),
    };
    if !good {
        return Err(invalid("the signature over the envelope does not verify"));
    }
    checks.push(Check::new("signature", "over the envelope"));
    Ok(())
}

/// The payload type is signed with the payload; another one could be read as another document.
pub(super) fn check_payload_type(envelope: &Envelope) -> Result<()> {
    if envelope.payload_type == INTOTO_PAYLOAD_TYPE {
        return Ok(());
    }
    Err(Error::new(Code::EnvelopeInvalid, "the envelope holds no in-toto statement")
        .expected(INTOTO_PAYLOAD_TYPE)
        .found(&envelope.payload_type))
}

/// Checks a signature over the artifact itself.
pub(super) fn check_message(
    message: &MessageSignature,
    key: &PublicKey,
    artifact: &Artifact,
    entries: &[ProvenEntry],
    checks: &mut Vec<Check>,
) -> Result<()> {
    let algorithm = key.hash_algorithm().ok_or_else(|| {
        Error::new(
            Code::SignatureInvalid,
            "signatures of this kind of key over a bare digest are not supported",
        )
        .found("Ed25519")
    })?;
    let digest = artifact.digest(algorithm).ok_or_else(|| {
        Error::new(Code::DigestMismatch, "the artifact is known by another digest than the key signs")
            .expected(algorithm.as_str())
            .hint("give the file itself instead of its digest")
    })?;
    let other = |found: String| {
        Error::new(Code::DigestMismatch, "another artifact was signed").expected(digest).found(found)
    };
    // The bundle's own digest is a hint. One that is wrong tells of an altered bundle.
    if let Some((name, claimed)) = &message.digest
        && (name != protobuf_name(key) || claimed != digest.as_bytes())
    {
        return Err(other(format!("{name} {}", hex::encode(claimed))));
    }
    for entry in entries {
        // What was logged must be a digest of this artifact, by whatever algorithm the log holds.
        let logged = entry.artifact.as_ref();
        if let Some(logged) = logged
            && artifact.digest(logged.algorithm()) != Some(logged)
        {
            return Err(Error::new(Code::LogEntryMismatch, "the log entry is about another artifact")
                .expected(digest)
                .found(logged));
        }
    }
    if !key.verifies_digest(digest, &message.signature) {
        return Err(invalid("the signature over the artifact does not verify")
            .expected(format!("a signature over {digest}")));
    }
    checks.push(Check::new("signature", format!("over {digest}")));
    Ok(())
}

/// The statement must name the artifact by a digest; a name alone identifies nothing.
pub(super) fn check_subject(
    statement: &Statement,
    artifact: &Artifact,
    checks: &mut Vec<Check>,
) -> Result<()> {
    let Some(digest) = artifact.named_by(statement) else {
        let subjects =
            statement.subjects().iter().take(3).flat_map(|subject| {
                subject.digests.iter().map(|(algorithm, hex)| format!("{algorithm}:{hex}"))
            });
        return Err(Error::new(Code::SubjectMismatch, "the statement is about another artifact")
            .expected(artifact)
            .found(subjects.collect::<Vec<_>>().join(", ")));
    };
    checks.push(Check::new("subject", digest));
    Ok(())
}

fn protobuf_name(key: &PublicKey) -> &'static str {
    use crate::digest::HashAlgorithm::{Sha256, Sha384, Sha512};
    match key.hash_algorithm() {
        Some(Sha256) => "SHA2_256",
        Some(Sha384) => "SHA2_384",
        Some(Sha512) => "SHA2_512",
        _ => "",
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Code::SignatureInvalid, message)
}
