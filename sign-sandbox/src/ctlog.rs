//! The certificate transparency log: RFC 6962 version 1, signed certificate timestamps over precertificates.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use rand_core::OsRng;
use sha2::{Digest, Sha256};

use crate::pki::BoxError;

/// RFC 6962 section 3.2: version 1.
const V1: u8 = 0;
/// RFC 6962 section 3.2: `SignatureType.certificate_timestamp`.
const CERTIFICATE_TIMESTAMP: u8 = 0;
/// RFC 6962 section 3.1: `LogEntryType.precert_entry`.
const PRECERT_ENTRY: u16 = 1;
/// RFC 6962 section 3.4: `MerkleLeafType.timestamped_entry`.
const TIMESTAMPED_ENTRY: u8 = 0;
/// RFC 5246 section 7.4.1.4.1: `HashAlgorithm.sha256` and `SignatureAlgorithm.ecdsa`.
const SHA256_ECDSA: [u8; 2] = [4, 3];
/// RFC 6962 section 2.1: what a leaf's hash starts with.
const LEAF_PREFIX: u8 = 0;

/// The log: a P-256 key and the hashes of what it was given.
pub(crate) struct CtLog {
    key: SigningKey,
    public_key: Vec<u8>,
    id: [u8; 32],
    leaves: Mutex<Vec<[u8; 32]>>,
}

impl CtLog {
    /// An empty log with a new key.
    pub(crate) fn new() -> Result<Self, BoxError> {
        let key = SigningKey::random(&mut OsRng);
        let public_key = key.verifying_key().to_public_key_der()?.into_vec();
        let id = Sha256::digest(&public_key).into();
        Ok(Self { key, public_key, id, leaves: Mutex::new(Vec::new()) })
    }

    /// The public key, DER SPKI.
    pub(crate) fn public_key_der(&self) -> Vec<u8> {
        self.public_key.clone()
    }

    /// RFC 6962 section 3.2: SHA-256 of the public key.
    pub(crate) fn id(&self) -> [u8; 32] {
        self.id
    }

    /// How many precertificates were logged.
    pub(crate) fn size(&self) -> usize {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Logs the precertificate whose TBS, without poison and SCT list, is `tbs`; answers the SCT.
    pub(crate) fn add(
        &self,
        tbs: &[u8],
        issuer_key_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Vec<u8>, BoxError> {
        let timestamp = u64::try_from(now.as_millisecond())?.to_be_bytes();
        let entry = entry(tbs, issuer_key_hash, timestamp)?;
        let mut signed = vec![V1, CERTIFICATE_TIMESTAMP];
        signed.extend_from_slice(&entry);
        let signature: DerSignature = self.key.sign(&signed);

        let leaf = Sha256::new().chain_update([LEAF_PREFIX, V1, TIMESTAMPED_ENTRY]).chain_update(&entry);
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).push(leaf.finalize().into());

        let mut sct = vec![V1];
        sct.extend_from_slice(&self.id);
        sct.extend_from_slice(&timestamp);
        sct.extend_from_slice(&[0, 0]); // no extensions
        sct.extend_from_slice(&SHA256_ECDSA);
        push_vector(&mut sct, signature.as_bytes())?;
        Ok(sct)
    }
}

/// RFC 6962 section 3.3: a `SignedCertificateTimestampList` of one.
pub(crate) fn list(sct: &[u8]) -> Result<Vec<u8>, BoxError> {
    let mut one = Vec::new();
    push_vector(&mut one, sct)?;
    let mut list = Vec::new();
    push_vector(&mut list, &one)?;
    Ok(list)
}

/// RFC 6962 section 3.4, from `timestamp` on: the members that the SCT's signature and the leaf share.
fn entry(tbs: &[u8], issuer_key_hash: [u8; 32], timestamp: [u8; 8]) -> Result<Vec<u8>, BoxError> {
    let length = u32::try_from(tbs.len())?.to_be_bytes();
    let [0, length @ ..] = length else { return Err("a precertificate of 16 MiB or more".into()) };
    let mut entry = timestamp.to_vec();
    entry.extend_from_slice(&PRECERT_ENTRY.to_be_bytes());
    entry.extend_from_slice(&issuer_key_hash);
    entry.extend_from_slice(&length);
    entry.extend_from_slice(tbs);
    entry.extend_from_slice(&[0, 0]); // no extensions
    Ok(entry)
}

/// RFC 5246 section 4.3: a vector with a length of two bytes.
fn push_vector(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), BoxError> {
    to.extend_from_slice(&u16::try_from(bytes.len())?.to_be_bytes());
    to.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier as _;
    use p256::ecdsa::{Signature, VerifyingKey};
    use p256::pkcs8::DecodePublicKey as _;

    use super::*;

    #[test]
    fn the_timestamp_is_signed_over_the_entry() {
        let log = CtLog::new().unwrap();
        let now = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let sct = log.add(b"a tbs", [7; 32], now).unwrap();

        let (head, signature) = sct.split_at(1 + 32 + 8 + 2 + 2 + 2);
        assert_eq!(head[1..33], log.id());
        // Written out from RFC 6962, not with the helpers above.
        let mut expected = vec![0, 0];
        expected.extend_from_slice(&1_700_000_000_123_u64.to_be_bytes());
        expected.extend_from_slice(&[0, 1]);
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(&[0, 0, 5]);
        expected.extend_from_slice(b"a tbs\0\0");
        let key = VerifyingKey::from_public_key_der(&log.public_key_der()).unwrap();
        let signature = Signature::from_der(signature).unwrap();
        key.verify(&expected, &signature).unwrap();
        *expected.last_mut().unwrap() = 1;
        assert!(key.verify(&expected, &signature).is_err());
        assert_eq!(log.size(), 1);
    }

    #[test]
    fn a_list_has_two_lengths() {
        assert_eq!(list(b"abc").unwrap(), b"\0\x05\0\x03abc");
        assert!(list(&vec![0; 65_534]).is_err());
    }
}
