//! Checkpoints: signed notes that commit a log to the root of its tree.
//!
//! Source: C2SP signed-note and tlog-checkpoint. A signature line that no trusted key made is ignored,
//! as the note format asks: witnesses add theirs.

use super::Log;
use crate::crypto::PublicKey;
use crate::digest::Digest;
use crate::encoding::base64_decode;
use crate::error::{Code, Error, Result};

/// Largest note: a few hundred bytes with a log's signature, some kilobytes with many witnesses.
const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Most signature lines, each of which may cost a signature check.
const MAX_SIGNATURES: usize = 64;
/// What separates a note's text from its signatures.
const SEPARATOR: &str = "\n\n";
/// A signature line: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";
/// Bytes of a key's id in front of each signature.
const HINT: usize = 4;
/// Algorithm number of Ed25519 in a note key's id.
const ED25519: u8 = 0x01;

/// A parsed note; nothing in it is believed until [`Checkpoint::verify`] has passed.
#[derive(Debug)]
pub(crate) struct Checkpoint<'a> {
    /// What is signed: the lines with the last line break.
    text: &'a str,
    origin: &'a str,
    tree_size: u64,
    root_hash: [u8; 32],
    signatures: Vec<Line<'a>>,
}

#[derive(Debug)]
struct Line<'a> {
    name: &'a str,
    hint: [u8; HINT],
    signature: Vec<u8>,
}

impl<'a> Checkpoint<'a> {
    pub(crate) fn parse(note: &'a str) -> Result<Self> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(
                Error::new(Code::LimitExceeded, "the checkpoint is too large").expected(MAX_NOTE_BYTES)
            );
        }
        // The last empty line separates: the text itself may hold others.
        let split = note.rfind(SEPARATOR).ok_or_else(|| invalid("no empty line before the signatures"))?;
        let text = note.get(..=split).ok_or_else(|| invalid("no text"))?;
        let lines = note.get(split + SEPARATOR.len()..).unwrap_or_default();
        let mut head = text.lines();
        let origin = head.next().filter(|line| !line.is_empty()).ok_or_else(|| invalid("no origin"))?;
        let size = head.next().ok_or_else(|| invalid("no tree size"))?;
        // Decimal without sign or leading zeros: one spelling for one number.
        let tree_size = size
            .parse::<u64>()
            .ok()
            .filter(|number| number.to_string() == size)
            .ok_or_else(|| invalid("the tree size is not a number").found(size))?;
        let root = head.next().ok_or_else(|| invalid("no root hash"))?;
        let root_hash = base64_decode(root)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| invalid("the root hash is not 32 bytes in base64").found(root))?;
        let lines = lines.strip_suffix('\n').ok_or_else(|| invalid("the last line does not end"))?;
        let signatures = lines.split('\n').map(Line::parse).collect::<Result<Vec<_>>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(Error::new(Code::LimitExceeded, "the checkpoint has too many signatures")
                .expected(MAX_SIGNATURES)
                .found(signatures.len()));
        }
        Ok(Self { text, origin, tree_size, root_hash, signatures })
    }

    /// Checks that `log` signed. A Rekor v2 names itself by its host; a v1's origin is free text.
    pub(crate) fn verify(&self, log: &Log, v2: bool) -> Result<()> {
        let name = if v2 {
            let host =
                log.host.as_deref().ok_or_else(|| invalid("the trusted log has no host to name it by"))?;
            if self.origin != host {
                // Two logs of one operator may share a key, and never a name.
                return Err(invalid("it is another log's").expected(host).found(self.origin));
            }
            Some(host)
        } else {
            None
        };
        let hint = key_hint(&log.key, name.unwrap_or_default());
        let mut own = self
            .signatures
            .iter()
            .filter(|line| line.hint == hint && name.is_none_or(|name| line.name == name))
            .peekable();
        if own.peek().is_none() {
            return Err(invalid("the log did not sign it")
                .expected(format!("a signature by key {}", hex::encode(hint)))
                .found(self.signatures.iter().map(Line::to_string).collect::<Vec<_>>().join(", ")));
        }
        if own.any(|line| log.key.verifies(self.text.as_bytes(), &line.signature)) {
            return Ok(());
        }
        Err(invalid("the log's signature does not verify"))
    }

    pub(crate) fn tree_size(&self) -> u64 {
        self.tree_size
    }

    pub(crate) fn root_hash(&self) -> &[u8; 32] {
        &self.root_hash
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Result<Self> {
        let malformed = || invalid("a signature line cannot be read");
        let (name, text) = line
            .strip_prefix(SIGNATURE_PREFIX)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(malformed)?;
        if name.is_empty() || name.contains('+') || text.contains(char::is_whitespace) {
            return Err(malformed());
        }
        let bytes = base64_decode(text).map_err(|_| malformed())?;
        let (hint, signature) = bytes.split_first_chunk().ok_or_else(malformed)?;
        if signature.is_empty() {
            return Err(malformed());
        }
        Ok(Self { name, hint: *hint, signature: signature.to_vec() })
    }
}

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, hex::encode(self.hint))
    }
}

/// How a note names `key`: Ed25519 keys of a named log by name and key, others by the key alone.
fn key_hint(key: &PublicKey, name: &str) -> [u8; HINT] {
    let id = match (key.hash_algorithm(), key.ed25519_bytes()) {
        (None, Some(raw)) if !name.is_empty() => {
            Digest::sha256(&[name.as_bytes(), &[b'\n', ED25519], raw].concat())
        }
        _ => key.fingerprint(),
    };
    id.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn invalid(message: &str) -> Error {
    Error::new(Code::CheckpointInvalid, format!("the checkpoint: {message}"))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use jiff::Timestamp;

    use super::*;
    use crate::clock::Window;
    use crate::encoding::base64_encode;

    const HOST: &str = "log.example";

    fn log(pair: &Ed25519KeyPair) -> Log {
        let prefix = hex::decode("302a300506032b6570032100").unwrap();
        let der = [&prefix[..], pair.public_key().as_ref()].concat();
        Log {
            url: "https://log.example:8080/path".into(),
            authority: HOST.into(),
            host: Some(HOST.into()),
            id: vec![0; 32],
            key: PublicKey::from_der(&der).unwrap(),
            window: Window::open(Timestamp::UNIX_EPOCH),
        }
    }

    fn line(pair: &Ed25519KeyPair, name: &str, text: &str) -> String {
        let hint = key_hint(&log(pair).key, name);
        let bytes = [&hint[..], pair.sign(text.as_bytes()).as_ref()].concat();
        format!("\u{2014} {name} {}\n", base64_encode(&bytes))
    }

    fn text(origin: &str) -> String {
        format!("{origin}\n7\n{}\n", base64_encode(&[5; 32]))
    }

    #[test]
    fn binds_a_v2_log_by_key_and_host() {
        let (pair, other) = (Ed25519KeyPair::generate().unwrap(), Ed25519KeyPair::generate().unwrap());
        let text = text(HOST);
        let own = line(&pair, HOST, &text);
        let witness = line(&other, "witness.example", &text);
        for good in [own.clone(), format!("{witness}{own}"), format!("{}{own}", line(&other, HOST, &text))] {
            let note = format!("{text}\n{good}");
            let checkpoint = Checkpoint::parse(&note).unwrap();
            checkpoint.verify(&log(&pair), true).unwrap();
            assert_eq!((checkpoint.tree_size(), checkpoint.root_hash()), (7, &[5; 32]));
        }
        let elsewhere = self::text("other.example");
        for bad in [
            format!("{text}\n{witness}"),
            format!("{elsewhere}\n{}", line(&pair, HOST, &elsewhere)),
            format!("{elsewhere}\n{}", line(&pair, "other.example", &elsewhere)),
            format!("{}\n{own}", text.replace('7', "8")),
        ] {
            let error = Checkpoint::parse(&bad).unwrap().verify(&log(&pair), true).unwrap_err();
            assert_eq!(error.code(), Code::CheckpointInvalid, "{bad}");
        }
    }

    #[test]
    fn refuses_notes_that_are_none() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let good = text(HOST);
        let sig = line(&pair, HOST, &good);
        let root = base64_encode(&[5; 32]);
        for bad in [
            String::new(),
            good.clone(),
            format!("{good}{sig}"),
            format!("{good}\n"),
            format!("{good}\n{}", sig.trim_end()),
            format!("{good}\n{}", sig.replace('\u{2014}', "-")),
            format!("{good}\n\u{2014} {HOST} AAAA\n"),
            format!("{good}\n{sig}\u{2014}  AAAAAAA=\n"),
            format!("{good}\n{sig}\u{2014} log+other AAAAAAA=\n"),
            format!("\n7\n{root}\n\n{sig}"),
            format!("{HOST}\n+7\n{root}\n\n{sig}"),
            format!("{HOST}\n07\n{root}\n\n{sig}"),
            format!("{HOST}\n7\n{}\n\n{sig}", base64_encode(&[5; 31])),
            format!("{HOST}\n{root}\n\n{sig}"),
            format!("{good}\n{}", sig.repeat(MAX_SIGNATURES + 1)),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn knows_a_v1_log_by_its_key_whatever_the_kind() {
        let (pair, text) = (Ed25519KeyPair::generate().unwrap(), text("anything - 1"));
        let note = |hint: &[u8]| {
            let bytes = [hint, pair.sign(text.as_bytes()).as_ref()].concat();
            format!("{text}\n\u{2014} anything {}\n", base64_encode(&bytes))
        };
        let fingerprint = log(&pair).key.fingerprint();
        let own = note(&fingerprint.as_bytes()[..HINT]);
        Checkpoint::parse(&own).unwrap().verify(&log(&pair), false).unwrap();
        let named = note(&key_hint(&log(&pair).key, "anything"));
        Checkpoint::parse(&named).unwrap().verify(&log(&pair), false).unwrap_err();
    }
}
