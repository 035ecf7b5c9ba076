//! Keys that sign metadata.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use rand_core::OsRng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::canonical::canonical;
use crate::pki::BoxError;

/// A P-256 key and how metadata names it.
#[derive(Clone)]
pub(super) struct Key {
    signing: SigningKey,
    pub(super) public: Value,
    pub(super) id: String,
}

impl Key {
    pub(super) fn new() -> Result<Self, BoxError> {
        let signing = SigningKey::random(&mut OsRng);
        let pem = signing.verifying_key().to_public_key_pem(LineEnding::LF)?;
        let public = json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem}});
        // Section 4.2: the id is the hash of the key's canonical form.
        let id = hex::encode(Sha256::digest(canonical(&public)?));
        Ok(Self { signing, public, id })
    }
}

/// Section 4.2: what is signed, with the signatures over its canonical form.
pub(super) fn envelope(signed: &Value, keys: &[Key]) -> Result<Vec<u8>, BoxError> {
    let message = canonical(signed)?;
    let signatures: Vec<_> = keys
        .iter()
        .map(|key| {
            let signature: DerSignature = key.signing.sign(&message);
            json!({"keyid": key.id, "sig": hex::encode(signature.as_bytes())})
        })
        .collect();
    Ok(serde_json::to_vec_pretty(&json!({"signatures": signatures, "signed": signed}))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_hash() {
        let key = Key::new().unwrap();
        let pem = key.public["keyval"]["public"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        // Written out, not with the helper: the line breaks are in the string as they are.
        let form =
            format!(r#"{{"keytype":"ecdsa","keyval":{{"public":"{pem}"}},"scheme":"ecdsa-sha2-nistp256"}}"#);
        assert_eq!(key.id, hex::encode(Sha256::digest(form)));
    }
}
