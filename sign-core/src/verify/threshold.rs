//! Step 11: how many must vouch. What counts is who vouches, never how often.

use std::collections::BTreeSet;

use crate::error::{Code, Error, Result};

/// How many distinct authorities must vouch for a bundle, at least. The trusted root already asks for one
/// log entry, one SCT and one trusted time where it lists who could give them; this asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Thresholds {
    /// Transparency logs with an entry.
    pub log_entries: usize,
    /// Timestamp authorities with an RFC 3161 timestamp.
    pub timestamps: usize,
    /// CT logs with a signed certificate timestamp; only where a certificate is used.
    pub scts: usize,
}

/// Who vouched: a name and a key, each time.
#[derive(Debug, Default)]
pub(super) struct Authorities<'a> {
    names: BTreeSet<&'a str>,
    keys: BTreeSet<&'a [u8]>,
}

impl<'a> Authorities<'a> {
    pub(super) fn add(&mut self, name: &'a str, key: &'a [u8]) {
        self.names.insert(name);
        self.keys.insert(key);
    }

    /// Two keys of one operator are one authority, and so are two names of one key.
    pub(super) fn count(&self) -> usize {
        self.names.len().min(self.keys.len())
    }

    pub(super) fn at_least(&self, required: usize, of: &str) -> Result<()> {
        if self.count() >= required {
            return Ok(());
        }
        Err(Error::new(Code::ThresholdNotMet, format!("too few distinct {of}"))
            .expected(format!("at least {required}"))
            .found(self.count())
            .hint("several by one authority count once"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_entries_nor_keys_nor_names_alone_count() {
        let count = |list: &[(&'static str, &'static [u8])]| {
            let mut authorities = Authorities::default();
            list.iter().for_each(|(name, key)| authorities.add(name, key));
            authorities.count()
        };
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[("a", b"1"), ("a", b"1")]), 1);
        assert_eq!(count(&[("a", b"1"), ("a", b"2")]), 1);
        assert_eq!(count(&[("a", b"1"), ("b", b"1")]), 1);
        assert_eq!(count(&[("a", b"1"), ("b", b"2")]), 2);
    }
}
