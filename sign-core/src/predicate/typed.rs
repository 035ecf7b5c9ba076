//! Predicates as Rust values, for those who read or write them in code.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::PredicateType;
use super::document::Document;
use crate::error::{Code, Error, Result};

/// A Rust type for the content of one kind of predicate.
///
/// It holds what the specification names; members it does not know are left out, so the bytes of the
/// statement stay the authority.
pub trait Predicate: Serialize + DeserializeOwned {
    /// The kind of predicate, which says what is read as this type and whether it is valid.
    fn kind() -> &'static dyn PredicateType;
}

/// Reads the predicate of a statement whose type is `predicate_type`.
pub(crate) fn read_as<P: Predicate>(predicate_type: &str, predicate: &[u8]) -> Result<P> {
    let kind = P::kind();
    if !kind.reads(predicate_type) {
        return Err(Error::new(Code::PredicateTypeMismatch, "the statement is of another type")
            .expected(kind.uri())
            .found(predicate_type));
    }
    // Wrong evidence, not a wrong request: the document came from elsewhere.
    let invalid = |e: Error| {
        let error =
            Error::new(Code::PredicateInvalid, format!("not valid {}: {}", kind.title(), e.message()));
        let error = e.expected_value().into_iter().fold(error, Error::expected);
        e.found_value().map(str::to_owned).into_iter().fold(error, Error::found).caused_by(e)
    };
    kind.check(&Document::parse(predicate).map_err(invalid)?).map_err(invalid)?;
    serde_json::from_slice(predicate).map_err(|e| {
        Error::new(Code::PredicateInvalid, format!("not valid {}", kind.title()))
            .found(e.to_string())
            .caused_by(e)
    })
}

/// Writes `predicate` and checks that it is a valid one.
pub(crate) fn write_as<P: Predicate>(predicate: &P) -> Result<Vec<u8>> {
    let kind = P::kind();
    let bytes = serde_json::to_vec(predicate)
        .map_err(|e| Error::new(Code::Internal, "could not write JSON").caused_by(e))?;
    kind.check(&Document::parse(&bytes)?).map_err(|e| e.context(format!("not valid {}", kind.title())))?;
    Ok(bytes)
}

/// Times in RFC 3339.
pub(super) mod rfc3339 {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }

    /// The same where a time may be absent.
    pub(in super::super) mod option {
        use jiff::Timestamp;
        use serde::{Deserialize as _, Deserializer, Serializer};

        pub(in super::super::super) fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => to.collect_str(time),
                None => to.serialize_none(),
            }
        }

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            let text = Option::<String>::deserialize(from)?;
            text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
        }
    }
}

/// `null` read as "not set", as protocol buffers and Go write it.
pub(super) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(from)?.unwrap_or_default())
}
