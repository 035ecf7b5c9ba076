//! Image signatures of cosign's older form: the signature covers a payload, and the payload names the
//! image.

use super::verdict::{Record, Verdict};
use super::{Artifact, Requirement, VerifiedBundle, Verifier};
use crate::digest::Digest;
use crate::error::Result;
use crate::legacy::{LegacySignature, SimpleSigning};

impl Verifier {
    /// Verifies that `signature` is about the image manifest `subject` and was made by whom
    /// `requirement` names.
    ///
    /// # Errors
    /// As [`Verifier::verify`], with `envelope-invalid` for a payload of another kind.
    pub fn verify_legacy(
        &self,
        signature: &LegacySignature,
        subject: &Digest,
        requirement: &Requirement,
    ) -> Result<VerifiedBundle> {
        self.examine_legacy(signature, subject, requirement).into_result()
    }

    /// As [`Verifier::verify_legacy`], with every check that was made, on a rejection too.
    #[must_use]
    pub fn examine_legacy(
        &self,
        signature: &LegacySignature,
        subject: &Digest,
        requirement: &Requirement,
    ) -> Verdict {
        let artifact = Artifact::from_bytes(&signature.payload);
        let (checks, result) = self.examine(&signature.bundle, &artifact, requirement).into_parts();
        let verified = match result {
            Ok(verified) => verified,
            Err(error) => return Verdict::rejected(error, checks),
        };
        let mut record = Record::from(checks);
        let payload = record.check("payload", |_| {
            let payload = SimpleSigning::parse(&signature.payload)?;
            payload.check_subject(subject)?;
            Ok((payload, subject.to_string()))
        });
        match payload {
            Ok(payload) => Verdict::accepted(verified.with_payload(payload, record.finish())),
            Err(error) => Verdict::rejected(error, record.finish()),
        }
    }
}
