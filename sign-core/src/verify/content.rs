//! Steps 9 and 10: the signature, and what it is about.

use super::Artifact;
use super::log::ProvenEntry;
use super::verdict::Record;
use crate::bundle::MessageSignature;
use crate::crypto::PublicKey;
use crate::digest::Digest;
use crate::envelope::{Envelope, INTOTO_PAYLOAD_TYPE};
use crate::error::{Code, Error, Result};
use crate::statement::Statement;

/// Checks an envelope's signature by `key`. Answers what it is over.
pub(super) fn check_envelope(envelope: &Envelope, key: &PublicKey) -> Result<String> {
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
    Ok("over the envelope".into())
}

/// The payload type is signed with the payload; another one could be read as another document.
pub(super) fn check_payload_type(payload_type: &str) -> Result<()> {
    if payload_type == INTOTO_PAYLOAD_TYPE {
        return Ok(());
    }
    Err(Error::new(Code::EnvelopeInvalid, "the envelope holds no in-toto statement")
        .expected(INTOTO_PAYLOAD_TYPE)
        .found(payload_type))
}

/// Which digest of the artifact a message's signature by `key` is over: the bundle and its log entries must
/// mean the same artifact.
pub(super) fn check_digest<'a>(
    message: &MessageSignature,
    key: &PublicKey,
    artifact: &'a Artifact,
    entries: &[ProvenEntry],
) -> Result<&'a Digest> {
    let algorithm = key.hash_algorithm().ok_or_else(|| {
        Error::new(
            Code::SignatureInvalid,
            "signatures of this kind of key over a bare digest are not supported",
        )
        .found("Ed25519")
    })?;
    let digest = artifact.digest(algorithm).ok_or_else(|| {
        Error::new(Code::DigestNotComparable, "what was signed is known by another kind of digest")
            .expected(format!("a {} digest", algorithm.as_str()))
            .found(artifact)
            .hint("give the file itself instead of its digest")
    })?;
    // The bundle's own digest is a hint. One that is wrong tells of an altered bundle.
    if let Some((name, claimed)) = &message.digest
        && (name != protobuf_name(key) || claimed != digest.as_bytes())
    {
        return Err(Error::new(Code::DigestMismatch, "another artifact was signed")
            .expected(digest)
            .found(format!("{name} {}", hex::encode(claimed))));
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
    Ok(digest)
}

/// Checks a signature over the artifact itself.
pub(super) fn check_message(message: &MessageSignature, key: &PublicKey, digest: &Digest) -> Result<String> {
    if !key.verifies_digest(digest, &message.signature) {
        return Err(invalid("the signature over the artifact does not verify")
            .expected(format!("a signature over {digest}")));
    }
    Ok(format!("over {digest}"))
}

/// Reads the signed statement.
pub(super) fn check_statement(payload: Vec<u8>, record: &mut Record) -> Result<Statement> {
    record.check("statement", |_| {
        let statement = Statement::parse(payload).map_err(|e| {
            Error::new(Code::EnvelopeInvalid, "the signed statement").found(e.to_string()).caused_by(e)
        })?;
        let evidence = statement.predicate_type().to_owned();
        Ok((statement, evidence))
    })
}

/// The statement must name the artifact by a digest; a name alone identifies nothing.
pub(super) fn check_subject(statement: &Statement, artifact: &Artifact) -> Result<String> {
    artifact.named_by(statement).ok_or_else(|| {
        let subjects =
            statement.subjects().iter().take(3).flat_map(|subject| {
                subject.digests.iter().map(|(algorithm, hex)| format!("{algorithm}:{hex}"))
            });
        Error::new(Code::SubjectMismatch, "the statement is about another artifact")
            .expected(artifact)
            .found(subjects.collect::<Vec<_>>().join(", "))
    })
}

/// The digest that a message bundle says was signed, for those who have no artifact at hand.
pub(super) fn claimed_digest(message: &MessageSignature, key: &PublicKey) -> Option<Artifact> {
    let (name, bytes) = message.digest.as_ref()?;
    let algorithm = key.hash_algorithm().filter(|_| name == protobuf_name(key))?;
    Digest::new(algorithm, bytes.as_slice()).ok().map(Artifact::from_digest)
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
