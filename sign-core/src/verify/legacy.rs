//! Image signatures of cosign's older form: the signature covers a payload, and the payload names the
//! image.

use super::verified::Check;
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
        let artifact = Artifact::from_bytes(&signature.payload);
        let verified = self.verify(&signature.bundle, &artifact, requirement)?;
        let payload = SimpleSigning::parse(&signature.payload)?;
        payload.check_subject(subject)?;
        Ok(verified.with_payload(payload, Check::new("subject", subject)))
    }
}
