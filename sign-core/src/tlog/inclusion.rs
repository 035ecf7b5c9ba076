//! Inclusion proofs: the entry is in the tree whose root a checkpoint signs.
//!
//! Source: RFC 6962 §2.1.1, RFC 9162 §2.1.3.2.

use sigstore_merkle::{hash_leaf, verify_inclusion_proof};
use sigstore_types::Sha256Hash;

use super::{Checkpoint, InclusionProof};
use crate::error::{Code, Error, Result};

/// Most hashes in a proof: one for each level of the largest tree that 64 bits can count.
pub(crate) const MAX_HASHES: usize = 64;

/// Checks that `body` is in the tree of `checkpoint`. Root and size come from the checkpoint alone;
/// what the proof repeats of them must agree, or two readers would see two proofs.
pub(crate) fn check_inclusion(
    body: &[u8],
    proof: &InclusionProof,
    checkpoint: &Checkpoint<'_>,
) -> Result<()> {
    if proof.root_hash != checkpoint.root_hash() {
        return Err(invalid("it leads to another root than the checkpoint")
            .expected(hex::encode(checkpoint.root_hash()))
            .found(hex::encode(&proof.root_hash)));
    }
    if proof.tree_size != checkpoint.tree_size() {
        return Err(invalid("it is for another tree size than the checkpoint")
            .expected(checkpoint.tree_size())
            .found(proof.tree_size));
    }
    if proof.hashes.len() > MAX_HASHES {
        return Err(invalid("too many hashes").expected(MAX_HASHES).found(proof.hashes.len()));
    }
    let hashes = proof
        .hashes
        .iter()
        .map(|hash| Sha256Hash::try_from(hash.as_slice()).map_err(|_| invalid("a hash has the wrong length")))
        .collect::<Result<Vec<_>>>()?;
    let root =
        Sha256Hash::try_from(checkpoint.root_hash().as_slice()).map_err(|_| invalid("the root hash"))?;
    verify_inclusion_proof(&hash_leaf(body), proof.log_index, checkpoint.tree_size(), &hashes, &root)
        .map_err(|e| invalid("the entry is not in the tree").found(e.to_string()))
}

fn invalid(message: &str) -> Error {
    Error::new(Code::InclusionProofInvalid, format!("the inclusion proof: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::encoding::base64_encode;

    #[test]
    fn a_tree_of_one_is_its_leaf() {
        let root = hash_leaf(b"body").as_bytes().to_vec();
        let note = |root: &[u8], size| format!("o\n{size}\n{}\n\n\u{2014} n AAAAAAA=\n", base64_encode(root));
        let good = InclusionProof {
            log_index: 0,
            root_hash: root.clone(),
            tree_size: 1,
            hashes: vec![],
            checkpoint: String::new(),
        };
        let check = |body: &[u8], proof: &InclusionProof, note: &str| {
            check_inclusion(body, proof, &Checkpoint::parse(note).unwrap()).map_err(|e| e.code())
        };
        check(b"body", &good, &note(&root, 1)).unwrap();
        let refused = Err(Code::InclusionProofInvalid);
        assert_eq!(check(b"ydob", &good, &note(&root, 1)), refused);
        assert_eq!(check(b"body", &good, &note(&root, 2)), refused);
        assert_eq!(check(b"body", &good, &note(&[0; 32], 1)), refused);
        for change in [
            &mut |p: &mut InclusionProof| p.log_index = 1,
            &mut |p: &mut InclusionProof| p.tree_size = 2,
            &mut |p: &mut InclusionProof| p.root_hash = vec![0; 32],
            &mut |p: &mut InclusionProof| p.hashes = vec![vec![0; 32]],
            &mut |p: &mut InclusionProof| p.hashes = vec![vec![0; 31]],
            &mut |p: &mut InclusionProof| p.hashes = vec![vec![0; 32]; MAX_HASHES + 1],
        ] as [&mut dyn FnMut(&mut InclusionProof); 6]
        {
            let mut proof = good.clone();
            change(&mut proof);
            assert_eq!(check(b"body", &proof, &note(&root, 1)), refused, "{proof:?}");
        }
    }
}
