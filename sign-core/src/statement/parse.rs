//! Reading statements.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{STATEMENT_V0_1, STATEMENT_V1};
use crate::digest::Digest;
use crate::encoding::UpTo;
use crate::error::{Code, Error, Result};
use crate::json::check_unique_keys;
use crate::predicate::{Predicate, read_as};

/// Most subjects in one statement; the cap of the peers, so that nothing they accept is refused.
pub(super) const MAX_SUBJECTS: usize = 1024;
/// Most digests of one subject; the cap of the peers.
pub(super) const MAX_DIGESTS_PER_SUBJECT: usize = 32;
/// Most annotations of one subject: far more than anybody writes, and a bound on what is kept.
const MAX_ANNOTATIONS_PER_SUBJECT: usize = 1024;

/// A parsed statement that keeps the bytes it was parsed from.
#[derive(Clone)]
pub struct Statement {
    payload: Vec<u8>,
    statement_type: String,
    subjects: Vec<Subject>,
    predicate_type: String,
    predicate: Option<Range<usize>>,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// A name, which identifies nothing: subjects match by digest alone.
    pub name: Option<String>,
    /// Digests by algorithm name, as written.
    pub digests: BTreeMap<String, String>,
    /// Annotations whose values are strings.
    pub annotations: BTreeMap<String, String>,
}

impl Subject {
    /// Whether one of the digests is `digest`.
    #[must_use]
    pub fn matches(&self, digest: &Digest) -> bool {
        self.digests.get(digest.algorithm().as_str()).is_some_and(|hex| *hex == digest.hex())
    }
}

impl Statement {
    /// Parses `payload` and keeps it.
    ///
    /// # Errors
    /// [`Code::InvalidStatement`] for anything that is not a statement with at least one subject.
    pub fn parse(payload: Vec<u8>) -> Result<Self> {
        let invalid = |message: String| {
            Error::new(Code::InvalidStatement, message)
                .hint("a statement is a JSON object with _type, subject, predicateType and predicate")
        };
        let wire: Wire<'_> = check_unique_keys(&payload)
            .and_then(|()| serde_json::from_slice(&payload))
            .map_err(|e| invalid("not an in-toto statement".into()).found(e.to_string()).caused_by(e))?;
        if wire.statement_type != STATEMENT_V1 && wire.statement_type != STATEMENT_V0_1 {
            return Err(invalid("unknown statement type".into())
                .expected(format!("{STATEMENT_V1} or {STATEMENT_V0_1}"))
                .found(wire.statement_type));
        }
        if wire.predicate_type.is_empty() {
            return Err(invalid("the statement has no predicateType".into()));
        }
        let UpTo(subjects) = wire.subject;
        let found = |count: usize| if count == 0 { "none" } else { "more" };
        if subjects.is_empty() || subjects.len() > MAX_SUBJECTS {
            return Err(invalid("wrong number of subjects".into())
                .expected(format!("1 to {MAX_SUBJECTS}"))
                .found(found(subjects.len())));
        }
        for (index, subject) in subjects.iter().enumerate() {
            if subject.digest.0.is_empty() || subject.digest.0.len() > MAX_DIGESTS_PER_SUBJECT {
                return Err(invalid(format!("subject {index} has the wrong number of digests"))
                    .expected(format!("1 to {MAX_DIGESTS_PER_SUBJECT}"))
                    .found(found(subject.digest.0.len())));
            }
            if subject.annotations.0.len() > MAX_ANNOTATIONS_PER_SUBJECT {
                return Err(invalid(format!("subject {index} has too many annotations"))
                    .expected(format!("at most {MAX_ANNOTATIONS_PER_SUBJECT}"))
                    .found("more"));
            }
        }
        let predicate = wire.predicate.filter(|raw| raw.get() != "null").map(|raw| {
            let start = raw.get().as_ptr() as usize - payload.as_ptr() as usize;
            start..start + raw.get().len()
        });
        let first = predicate.as_ref().and_then(|range| payload.get(range.start));
        // cosign's older `--type spdx` put the whole document into a text.
        let text_form = first == Some(&b'"') && wire.predicate_type.starts_with("https://spdx.dev/Document");
        if first.is_some_and(|byte| *byte != b'{') && !text_form {
            return Err(invalid("the predicate is not a JSON object".into()));
        }
        let subjects = subjects
            .into_iter()
            .map(|s| Subject {
                name: s.name,
                digests: s.digest.0,
                annotations: s
                    .annotations
                    .0
                    .into_iter()
                    .filter_map(|(key, raw)| Some((key, serde_json::from_str(raw.get()).ok()?)))
                    .collect(),
            })
            .collect();
        let (statement_type, predicate_type) = (wire.statement_type, wire.predicate_type);
        Ok(Self { statement_type, subjects, predicate_type, predicate, payload })
    }

    /// The bytes this statement was parsed from.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Takes the bytes out.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// The `_type`.
    #[must_use]
    pub fn statement_type(&self) -> &str {
        &self.statement_type
    }

    /// What the statement is about; at least one.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// The URI that says how to read the predicate.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// The predicate, exactly as written, or `{}` where there is none: a JSON object, or a JSON text in
    /// an older SPDX attestation of cosign.
    #[must_use]
    pub fn predicate(&self) -> &[u8] {
        self.predicate.clone().and_then(|range| self.payload.get(range)).unwrap_or(b"{}")
    }

    /// The predicate as a Rust value, checked: `statement.predicate_as::<SlsaProvenanceV1>()`.
    ///
    /// # Errors
    /// [`Code::PredicateTypeMismatch`] when the statement is of another type, [`Code::PredicateInvalid`]
    /// when its predicate is not what that type promises.
    pub fn predicate_as<P: Predicate>(&self) -> Result<P> {
        read_as(&self.predicate_type, self.predicate())
    }

    /// The first subject that names `digest`.
    #[must_use]
    pub fn subject_for(&self, digest: &Digest) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.matches(digest))
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("predicate_type", &self.predicate_type)
            .field("subjects", &self.subjects)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: UpTo<WireSubject<'a>, MAX_SUBJECTS>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(borrow)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireSubject<'a> {
    name: Option<String>,
    #[serde(default)]
    digest: UpToMap<String, MAX_DIGESTS_PER_SUBJECT>,
    #[serde(default, borrow)]
    annotations: UpToMap<&'a RawValue, MAX_ANNOTATIONS_PER_SUBJECT>,
}

/// A map that keeps one entry more than `MAX` at most. It may be null, as protobuf JSON writes an empty one.
struct UpToMap<V, const MAX: usize>(BTreeMap<String, V>);

impl<V, const MAX: usize> Default for UpToMap<V, MAX> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>, const MAX: usize> Deserialize<'de> for UpToMap<V, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<V, const MAX: usize>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>, const MAX: usize> Visitor<'de> for Map<V, MAX> {
            type Value = UpToMap<V, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut map = BTreeMap::new();
                while map.len() <= MAX {
                    let Some((key, value)) = access.next_entry::<String, V>()? else {
                        return Ok(UpToMap(map));
                    };
                    map.insert(key, value);
                }
                while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(UpToMap(map))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(UpToMap::default())
            }
        }
        deserializer.deserialize_any(Map(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn statement(subject: &str, predicate: &str) -> Vec<u8> {
        format!(
            r#"{{"_type":"{STATEMENT_V1}","subject":{subject},"predicateType":"https://example.com/p","predicate":{predicate}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn keeps_the_predicate_byte_for_byte() {
        let predicate = r#"{ "n" : 1.10, "big": 12345678901234567890 }"#;
        let parsed =
            Statement::parse(statement(&format!(r#"[{{"digest":{{"sha256":"{HEX}"}}}}]"#), predicate))
                .unwrap();
        assert_eq!(parsed.predicate(), predicate.as_bytes());
        assert!(parsed.subject_for(&Digest::sha256(b"")).is_some());
        assert!(parsed.subject_for(&Digest::sha256(b"x")).is_none());
    }

    #[test]
    fn reads_but_does_not_write_cosigns_older_spdx_form() {
        let text = format!(
            r#"{{"_type":"{STATEMENT_V0_1}","subject":[{{"digest":{{"sha256":"{HEX}"}}}}],"predicateType":"https://spdx.dev/Document","predicate":"SPDXVersion: SPDX-2.2\n"}}"#
        );
        assert_eq!(Statement::parse(text.into_bytes()).unwrap().predicate(), br#""SPDXVersion: SPDX-2.2\n""#);
        let builder = super::super::StatementBuilder::new("https://spdx.dev/Document");
        let builder = builder.subject(None, &Digest::sha256(b""), BTreeMap::new());
        assert_eq!(builder.build(br#""SPDXVersion""#).unwrap_err().code(), Code::InvalidStatement);
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for subject in [
            "[]".into(),
            r#"[{"name":"a"}]"#.into(),
            r#"[{"digest":{}}]"#.into(),
            format!(r#"[{{"digest":{{"sha256":"{HEX}","sha256":"00"}}}}]"#),
            format!(r#"[{{"digest":{{"sha256":"{HEX}"}},"digest":{{"sha256":"00"}}}}]"#),
            format!(r#"[{{"digest":{{"sha256":"{HEX}"}},"uri":"a","uri":"b"}}]"#),
        ] {
            let error = Statement::parse(statement(&subject, "{}")).unwrap_err();
            assert_eq!(error.code(), Code::InvalidStatement, "{subject}");
        }
        let twice = format!(
            r#"{{"_type":"{STATEMENT_V1}","predicateType":"a","predicateType":"b","subject":[{{"digest":{{"sha256":"{HEX}"}}}}]}}"#
        );
        assert!(Statement::parse(twice.into_bytes()).is_err());
        let good = format!(r#"[{{"digest":{{"sha256":"{HEX}"}}}}]"#);
        assert!(Statement::parse(statement(&good, "[1]")).is_err());
        assert!(Statement::parse(statement(&good, r#"{"a":{"b":1,"b":2}}"#)).is_err());
        assert!(Statement::parse(statement(&good, "\"SPDXVersion: SPDX-2.3\"")).is_err());
    }
}
