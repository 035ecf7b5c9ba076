//! Transparency log entries: what a log returned, as a bundle carries it, and how it is proven.

mod body;
mod checkpoint;
mod inclusion;
mod set;

pub(crate) use body::{Body, Verifier as EntryVerifier};
pub(crate) use checkpoint::Checkpoint;
pub(crate) use inclusion::{MAX_HASHES, check_inclusion};
pub(crate) use set::check_promise;

use crate::clock::Window;
use crate::crypto::PublicKey;

/// A transparency log that is trusted.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) url: String,
    /// Who runs it; what thresholds count.
    pub(crate) authority: String,
    /// The host of `url`, without the port: the origin of a Rekor v2's checkpoints.
    pub(crate) host: Option<String>,
    pub(crate) id: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) window: Window,
}

/// An entry of a transparency log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Position in the whole log; for Rekor v1 over all its shards.
    pub log_index: u64,
    /// SHA-256 of the log's key (v1), or of origin and key (v2).
    pub log_id: Vec<u8>,
    /// `hashedrekord`, `dsse` or `intoto`.
    pub kind: String,
    /// Version of the kind.
    pub version: String,
    /// Seconds since the epoch; authenticated only by the promise. None or 0 for Rekor v2.
    pub integrated_time: Option<i64>,
    /// The signed entry timestamp of Rekor v1.
    pub promise: Option<Vec<u8>>,
    /// Proof that the entry is in the log.
    pub proof: Option<InclusionProof>,
    /// The canonical body that was hashed into the tree.
    pub body: Vec<u8>,
}

/// An RFC 6962 inclusion proof and the checkpoint it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Position within the tree (shard) of the checkpoint.
    pub log_index: u64,
    /// Root hash claimed; only the checkpoint's is believed.
    pub root_hash: Vec<u8>,
    /// Tree size claimed; only the checkpoint's is believed.
    pub tree_size: u64,
    /// Sibling hashes, leaf to root.
    pub hashes: Vec<Vec<u8>>,
    /// The signed note.
    pub checkpoint: String,
}
