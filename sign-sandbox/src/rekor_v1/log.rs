//! The log: a growing tree, its key, and what it says about an entry.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::merkle::{Hash, Tree, leaf_hash};
use crate::note::{self, NoteKey};
use crate::pki::{self, BoxError};

/// The number of the log's only shard.
const TREE_ID: u64 = 1_193_050_959_916_656_506;
/// Entries in shards before this one: a client that takes the global index for the shard's fails.
const EARLIER_ENTRIES: usize = 4_163_431;
/// The name in the checkpoints: the host of the log's URL, as on the public instance. sigstore-js refuses a
/// checkpoint whose name is not part of that URL.
const NAME: &str = "127.0.0.1";

/// The tree with its key.
pub(super) struct Log {
    key: SigningKey,
    spki: Vec<u8>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tree: Tree,
    entries: Vec<Entry>,
    by_leaf: HashMap<Hash, usize>,
}

struct Entry {
    body: Vec<u8>,
    integrated_time: i64,
}

/// What became of a proposal.
pub(super) enum Added {
    New(usize),
    Exists(usize),
}

impl Log {
    pub(super) fn new(clock: Clock) -> Result<Self, BoxError> {
        let key = SigningKey::from_slice(&pki::random::<32>())?;
        let spki = key.verifying_key().to_public_key_der()?.into_vec();
        Ok(Self { key, spki, clock, state: Mutex::default() })
    }

    pub(super) fn public_key_der(&self) -> &[u8] {
        &self.spki
    }

    pub(super) fn id(&self) -> Hash {
        Sha256::digest(&self.spki).into()
    }

    pub(super) fn add(&self, body: Vec<u8>) -> Added {
        let mut state = self.lock();
        let leaf = leaf_hash(&body);
        if let Some(index) = state.by_leaf.get(&leaf) {
            return Added::Exists(*index);
        }
        let index = state.tree.append(leaf);
        state.entries.push(Entry { body, integrated_time: self.clock.now().as_second() });
        state.by_leaf.insert(leaf, index);
        Added::New(index)
    }

    /// The entry's name: the shard's number and the leaf's hash.
    pub(super) fn uuid(&self, index: usize) -> Option<String> {
        let state = self.lock();
        let entry = state.entries.get(index)?;
        Some(format!("{TREE_ID:016x}{}", hex::encode(leaf_hash(&entry.body))))
    }

    /// The index of an entry by its name, with or without the shard's number.
    pub(super) fn find(&self, uuid: &str) -> Option<usize> {
        let leaf = match uuid.len() {
            64 => uuid,
            80 => uuid.strip_prefix(&format!("{TREE_ID:016x}"))?,
            _ => return None,
        };
        let leaf: Hash = hex::decode(leaf).ok()?.try_into().ok()?;
        self.lock().by_leaf.get(&leaf).copied()
    }

    /// The index within this shard.
    pub(super) fn local(global: usize) -> Option<usize> {
        global.checked_sub(EARLIER_ENTRIES)
    }

    /// Everything the log says about an entry, proven against the tree as it is now.
    pub(super) fn entry(&self, index: usize) -> Option<Value> {
        let state = self.lock();
        let Entry { body, integrated_time } = state.entries.get(index)?;
        let (size, root) = (state.tree.size(), state.tree.root(state.tree.size()));
        let hashes: Vec<_> = state.tree.inclusion_proof(index, size).iter().map(hex::encode).collect();
        let (body, log_id, global) = (STANDARD.encode(body), hex::encode(self.id()), index + EARLIER_ENTRIES);
        let promised =
            json!({ "body": body, "integratedTime": integrated_time, "logID": log_id, "logIndex": global });
        let set = self.sign(&serde_json_canonicalizer::to_vec(&promised).ok()?);
        Some(json!({
            "body": body,
            "integratedTime": integrated_time,
            "logID": log_id,
            "logIndex": global,
            "verification": {
                "inclusionProof": {
                    "checkpoint": self.checkpoint(size, &root),
                    "hashes": hashes,
                    "logIndex": index,
                    "rootHash": hex::encode(root),
                    "treeSize": size,
                },
                "signedEntryTimestamp": STANDARD.encode(set),
            },
        }))
    }

    /// Size, root and checkpoint.
    pub(super) fn info(&self) -> Value {
        let state = self.lock();
        let size = state.tree.size();
        let root = state.tree.root(size);
        json!({
            "rootHash": hex::encode(root),
            "signedTreeHead": self.checkpoint(size, &root),
            "treeID": TREE_ID.to_string(),
            "treeSize": size,
            "inactiveShards": [],
        })
    }

    fn checkpoint(&self, size: usize, root: &Hash) -> String {
        note::checkpoint(&format!("{NAME} - {TREE_ID}"), size, root, self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change to the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoteKey for Log {
    fn name(&self) -> &str {
        NAME
    }

    fn hint(&self) -> [u8; 4] {
        self.id().first_chunk().copied().unwrap_or_default()
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.key.sign(text);
        signature.as_bytes().to_vec()
    }
}
