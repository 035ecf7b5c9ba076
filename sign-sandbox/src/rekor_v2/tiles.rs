//! Tiles: the tree in pieces of 256 hashes, and the entries in pieces of 256.
//!
//! Source: C2SP tlog-tiles.

use crate::merkle::{Hash, Tree, node_hash};

/// Hashes or entries in a full tile.
const WIDTH: usize = 256;
/// Levels of the tree in one level of tiles.
const HEIGHT: usize = 8;

/// The number and width in the last part of a tile's path, such as `x001/234.p/17`.
pub(super) fn parse(path: &str) -> Option<(usize, Option<usize>)> {
    let (number, width) = match path.split_once(".p/") {
        Some((number, width)) => {
            (number, Some(width.parse().ok().filter(|width| (1..WIDTH).contains(width))?))
        }
        None => (path, None),
    };
    let groups: Vec<&str> = number.split('/').collect();
    let (last, first) = groups.split_last()?;
    let mut index: usize = 0;
    for group in first.iter().map(|group| group.strip_prefix('x')).chain([Some(*last)]) {
        let group = group.filter(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))?;
        index = index.checked_mul(1000)?.checked_add(group.parse().ok()?)?;
    }
    // One name for one tile: no group of zeros in front.
    (first.first() != Some(&"x000")).then_some((index, width))
}

/// The hashes of one tile, or nothing if the tree is not that large yet.
pub(super) fn hashes(tree: &Tree, level: usize, number: usize, width: Option<usize>) -> Option<Vec<u8>> {
    let nodes = complete_nodes(tree, level.checked_mul(HEIGHT)?);
    let start = number.checked_mul(WIDTH)?;
    let end = start.checked_add(width.unwrap_or(WIDTH))?;
    Some(nodes.get(start..end)?.concat())
}

/// The roots of all complete subtrees with 2^level leaves.
fn complete_nodes(tree: &Tree, level: usize) -> Vec<Hash> {
    let mut nodes = tree.level(0).to_vec();
    for _ in 0..level {
        if nodes.len() < 2 {
            return Vec::new();
        }
        nodes =
            nodes.chunks_exact(2).filter_map(|pair| Some(node_hash(pair.first()?, pair.last()?))).collect();
    }
    nodes
}

/// The entries of one tile, each with its length in front.
pub(super) fn entries(bodies: &[Vec<u8>], number: usize, width: Option<usize>) -> Option<Vec<u8>> {
    let start = number.checked_mul(WIDTH)?;
    let end = start.checked_add(width.unwrap_or(WIDTH))?;
    let mut out = Vec::new();
    for body in bodies.get(start..end)? {
        out.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
        out.extend(body);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;

    #[test]
    fn names_are_read_as_specified() {
        for (path, expected) in [
            ("000", Some((0, None))),
            ("067", Some((67, None))),
            ("x001/x234/067", Some((1_234_067, None))),
            ("x001/234.p/17", Some((1_234, Some(17)))),
            ("000.p/1", Some((0, Some(1)))),
            ("0", None),
            ("000.p/256", None),
            ("000.p/0", None),
            ("001/234", None),
            ("x000/001", None),
            ("x001/x002", None),
            ("", None),
        ] {
            assert_eq!(parse(path), expected, "{path}");
        }
    }

    #[test]
    fn tiles_hold_what_is_complete() {
        let mut tree = Tree::default();
        let leaves: Vec<Hash> = (0..300_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for leaf in &leaves {
            tree.append(*leaf);
        }
        assert_eq!(hashes(&tree, 0, 0, None).unwrap(), leaves[..256].concat());
        assert_eq!(hashes(&tree, 0, 1, Some(44)).unwrap(), leaves[256..].concat());
        assert_eq!(hashes(&tree, 0, 1, Some(45)), None);
        assert_eq!(hashes(&tree, 0, 1, None), None);
        assert_eq!(hashes(&tree, 1, 0, Some(1)).unwrap(), tree.root(256));
        assert_eq!(hashes(&tree, 1, 0, Some(2)), None);
        let bodies = vec![b"ab".to_vec(), b"c".to_vec()];
        assert_eq!(entries(&bodies, 0, Some(2)).unwrap(), b"\0\x02ab\0\x01c");
        assert_eq!(entries(&bodies, 0, None), None);
    }
}
