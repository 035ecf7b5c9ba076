//! An append-only Merkle tree.
//!
//! Source: RFC 6962, section 2.1.

use sha2::{Digest, Sha256};

/// A node or leaf hash.
pub(crate) type Hash = [u8; 32];

/// The tree, with the hash of every complete subtree kept, so that roots and proofs are quick.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// `levels[l][i]` is the hash over leaves `i << l` up to `(i + 1) << l`.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// How many leaves there are.
    pub(crate) fn size(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Adds a leaf hash and returns its index.
    pub(crate) fn append(&mut self, leaf: Hash) -> usize {
        let index = self.size();
        let mut hash = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(level) else { break };
            row.push(hash);
            let [.., left, right] = row.as_slice() else { break };
            if row.len() % 2 == 1 {
                break;
            }
            hash = node_hash(left, right);
        }
        index
    }

    /// The root over the first `size` leaves.
    pub(crate) fn root(&self, size: usize) -> Hash {
        if size == 0 { Sha256::digest(b"").into() } else { self.range(0, size) }
    }

    /// The hashes that lead from leaf `index` to the root over the first `size` leaves.
    pub(crate) fn inclusion_proof(&self, index: usize, size: usize) -> Vec<Hash> {
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.range(middle, end));
                end = middle;
            } else {
                path.push(self.range(start, middle));
                start = middle;
            }
        }
        path.reverse();
        path
    }

    /// The complete subtrees of one level, as tiles hold them.
    pub(crate) fn level(&self, level: usize) -> &[Hash] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    fn range(&self, start: usize, end: usize) -> Hash {
        let length = end - start;
        if length.is_power_of_two() {
            let level = length.trailing_zeros() as usize;
            if start.is_multiple_of(length)
                && let Some(hash) = self.level(level).get(start >> level)
            {
                return *hash;
            }
        }
        let middle = start + split(length);
        node_hash(&self.range(start, middle), &self.range(middle, end))
    }
}

/// The largest power of two below `length`, which is at least 2.
fn split(length: usize) -> usize {
    length.next_power_of_two() >> 1
}

/// The hash of a leaf.
pub(crate) fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash of an inner node.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9162, section 2.1.3.2: verification by the bits of the index, not by recursion.
    fn root_of_proof(leaf: Hash, index: usize, size: usize, path: &[Hash]) -> Option<Hash> {
        let (mut fnode, mut snode, mut hash) = (index, size.checked_sub(1)?, leaf);
        if fnode > snode {
            return None;
        }
        for sibling in path {
            if snode == 0 {
                return None;
            }
            if fnode & 1 == 1 || fnode == snode {
                hash = node_hash(sibling, &hash);
                while fnode & 1 == 0 && fnode != 0 {
                    fnode >>= 1;
                    snode >>= 1;
                }
            } else {
                hash = node_hash(&hash, sibling);
            }
            fnode >>= 1;
            snode >>= 1;
        }
        (snode == 0).then_some(hash)
    }

    #[test]
    fn every_proof_of_every_size_leads_to_its_root() {
        let mut tree = Tree::default();
        let leaf = |i: usize| leaf_hash(&i.to_be_bytes());
        for size in 1..=70 {
            assert_eq!(tree.append(leaf(size - 1)), size - 1);
            for earlier in 1..=size {
                for index in 0..earlier {
                    let path = tree.inclusion_proof(index, earlier);
                    assert_eq!(root_of_proof(leaf(index), index, earlier, &path), Some(tree.root(earlier)));
                }
            }
        }
    }

    #[test]
    fn knows_the_roots_of_the_specification() {
        let mut tree = Tree::default();
        assert_eq!(
            hex::encode(tree.root(0)),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        tree.append(leaf_hash(b""));
        assert_eq!(
            hex::encode(tree.root(1)),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
