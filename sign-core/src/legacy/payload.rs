//! The document that an image signature of cosign's older form covers.
//!
//! Source: the "simple signing" format of containers/image, in cosign's dialect. It is read as strictly
//! as that asks: unknown members are refused, since one could take back what the others say.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::predicate::Document;

/// `critical.type` of cosign's signatures; other signers of such documents mean other things by them.
const TYPE: &str = "cosign container image signature";

/// What an image signature of the older form says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleSigning {
    /// The repository that the image was signed in. A hint: the same image may live in many.
    pub docker_reference: String,
    /// The manifest that was signed.
    pub digest: Digest,
    /// Signed annotations whose values are strings.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    critical: Critical,
    #[serde(default)]
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Identity {
    docker_reference: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Image {
    docker_manifest_digest: String,
}

impl SimpleSigning {
    /// Parses a signed payload.
    ///
    /// # Errors
    /// `envelope-invalid` for anything but cosign's form of it without duplicate keys.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        // Two readers of duplicate keys could see two images.
        Document::parse(payload).map_err(|e| invalid("it cannot be read").found(e.to_string()))?;
        let Wire { critical, optional } = serde_json::from_slice(payload)
            .map_err(|e| invalid("it cannot be read").found(&e).caused_by(e))?;
        if critical.kind != TYPE {
            return Err(invalid("it is of another type").expected(TYPE).found(critical.kind));
        }
        let digest = critical.image.docker_manifest_digest;
        Ok(Self {
            docker_reference: critical.identity.docker_reference,
            digest: digest.parse().map_err(|e: Error| invalid("no digest").found(&digest).caused_by(e))?,
            annotations: optional
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| match value {
                    Value::String(text) => Some((key, text)),
                    _ => None,
                })
                .collect(),
        })
    }

    /// Whether it is about `subject`: a signature of one image says nothing about another.
    pub(crate) fn check_subject(&self, subject: &Digest) -> Result<()> {
        if &self.digest == subject {
            return Ok(());
        }
        Err(Error::new(Code::SubjectMismatch, "the signature is about another image")
            .expected(subject)
            .found(&self.digest))
    }
}

fn invalid(message: &str) -> Error {
    Error::new(Code::EnvelopeInvalid, format!("the signed payload: {message}"))
}
