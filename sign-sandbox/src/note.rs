//! Signed notes and the checkpoints in them.
//!
//! Source: C2SP signed-note and tlog-checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::merkle::Hash;

/// Signs the text of a note.
pub(crate) trait NoteKey {
    /// The name in the signature line.
    fn name(&self) -> &str;
    /// The first four bytes of the key's id.
    fn hint(&self) -> [u8; 4];
    /// The signature over `text`.
    fn sign(&self, text: &[u8]) -> Vec<u8>;
}

/// The checkpoint of a tree as a signed note.
pub(crate) fn checkpoint(origin: &str, size: usize, root: &Hash, key: &dyn NoteKey) -> String {
    let text = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
    let mut line = key.hint().to_vec();
    line.extend(key.sign(text.as_bytes()));
    format!("{text}\n\u{2014} {} {}\n", key.name(), STANDARD.encode(line))
}

/// The id of an Ed25519 note key: all 32 bytes of the hash over name, algorithm and key.
pub(crate) fn ed25519_key_id(name: &str, public_key: &[u8; 32]) -> Hash {
    Sha256::new()
        .chain_update(name.as_bytes())
        .chain_update([b'\n', 0x01])
        .chain_update(public_key)
        .finalize()
        .into()
}

/// A checkpoint whose signature no longer verifies.
pub(crate) fn broken(checkpoint: &str) -> String {
    let Some((text, line)) = checkpoint.trim_end().rsplit_once(' ') else { return checkpoint.to_owned() };
    let mut bytes = STANDARD.decode(line).unwrap_or_default();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    format!("{text} {}\n", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl NoteKey for Fixed {
        fn name(&self) -> &str {
            "log.example"
        }
        fn hint(&self) -> [u8; 4] {
            [1, 2, 3, 4]
        }
        fn sign(&self, text: &[u8]) -> Vec<u8> {
            text.len().to_be_bytes().to_vec()
        }
    }

    #[test]
    fn has_the_layout_of_a_signed_note() {
        let note = checkpoint("log.example", 7, &[0; 32], &Fixed);
        let root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert!(
            note.starts_with(&format!("log.example\n7\n{root}\n\n\u{2014} log.example AQIDBA")),
            "{note}"
        );
        assert!(note.ends_with('\n'));
        assert_ne!(broken(&note), note);
        assert_eq!(broken(&broken(&note)), note);
    }
}
