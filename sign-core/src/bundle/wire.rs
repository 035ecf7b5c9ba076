//! The protobuf JSON form, field for field. Unknown and duplicate fields are refused.

use std::borrow::Cow;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{MAX_CHAIN, MAX_LOG_ENTRIES, MAX_SIGNATURES, MAX_TIMESTAMPS};
use crate::encoding::UpTo;
use crate::tlog::MAX_HASHES;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Bundle<'a> {
    #[serde(alias = "media_type", borrow)]
    pub(super) media_type: Cow<'a, str>,
    #[serde(alias = "verification_material", borrow)]
    pub(super) verification_material: VerificationMaterial<'a>,
    #[serde(alias = "message_signature", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) message_signature: Option<MessageSignature<'a>>,
    #[serde(alias = "dsse_envelope", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) dsse_envelope: Option<DsseEnvelope<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VerificationMaterial<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<Certificate<'a>>,
    #[serde(alias = "x509_certificate_chain", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) x509_certificate_chain: Option<Chain<'a>>,
    #[serde(alias = "public_key", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) public_key: Option<PublicKey<'a>>,
    #[serde(alias = "tlog_entries", borrow, default)]
    pub(super) tlog_entries: Option<UpTo<LogEntry<'a>, MAX_LOG_ENTRIES>>,
    #[serde(alias = "timestamp_verification_data", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) timestamp_verification_data: Option<TimestampVerificationData<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Certificate<'a> {
    #[serde(alias = "raw_bytes", borrow)]
    pub(super) raw_bytes: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chain<'a> {
    #[serde(borrow, default)]
    pub(super) certificates: UpTo<Certificate<'a>, MAX_CHAIN>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicKey<'a> {
    #[serde(borrow, default)]
    pub(super) hint: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogEntry<'a> {
    #[serde(alias = "log_index", default)]
    pub(super) log_index: Int64,
    #[serde(alias = "log_id", borrow, default)]
    pub(super) log_id: Option<LogId<'a>>,
    #[serde(alias = "kind_version", borrow)]
    pub(super) kind_version: KindVersion<'a>,
    #[serde(alias = "integrated_time", default)]
    pub(super) integrated_time: Int64,
    #[serde(alias = "inclusion_promise", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) inclusion_promise: Option<InclusionPromise<'a>>,
    #[serde(alias = "inclusion_proof", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) inclusion_proof: Option<InclusionProof<'a>>,
    #[serde(alias = "canonicalized_body", borrow, default)]
    pub(super) canonicalized_body: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogId<'a> {
    #[serde(alias = "key_id", borrow, default)]
    pub(super) key_id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindVersion<'a> {
    #[serde(borrow, default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) version: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InclusionPromise<'a> {
    #[serde(alias = "signed_entry_timestamp", borrow, default)]
    pub(super) signed_entry_timestamp: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InclusionProof<'a> {
    #[serde(alias = "log_index", default)]
    pub(super) log_index: Int64,
    #[serde(alias = "root_hash", borrow, default)]
    pub(super) root_hash: Cow<'a, str>,
    #[serde(alias = "tree_size", default)]
    pub(super) tree_size: Int64,
    #[serde(borrow, default)]
    pub(super) hashes: UpTo<Cow<'a, str>, MAX_HASHES>,
    #[serde(borrow, default)]
    pub(super) checkpoint: Option<Checkpoint<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint<'a> {
    #[serde(borrow, default)]
    pub(super) envelope: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TimestampVerificationData<'a> {
    #[serde(alias = "rfc3161_timestamps", borrow, default)]
    pub(super) rfc3161_timestamps: UpTo<Timestamp<'a>, MAX_TIMESTAMPS>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Timestamp<'a> {
    #[serde(alias = "signed_timestamp", borrow)]
    pub(super) signed_timestamp: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MessageSignature<'a> {
    #[serde(alias = "message_digest", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) message_digest: Option<MessageDigest<'a>>,
    #[serde(borrow)]
    pub(super) signature: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageDigest<'a> {
    #[serde(borrow, default)]
    pub(super) algorithm: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) digest: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DsseEnvelope<'a> {
    #[serde(borrow)]
    pub(super) payload: Base64<'a>,
    #[serde(alias = "payload_type", borrow)]
    pub(super) payload_type: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) signatures: UpTo<Signature<'a>, MAX_SIGNATURES>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signature<'a> {
    #[serde(borrow)]
    pub(super) sig: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str_is_empty")]
    pub(super) keyid: Cow<'a, str>,
}

fn str_is_empty(text: &str) -> bool {
    text.is_empty()
}

/// Bytes as base64: text when read, encoded piece by piece when written, since a payload can be large.
pub(super) enum Base64<'a> {
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
}

impl Serialize for Base64<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.collect_str(&Base64Display::new(bytes, &STANDARD)),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Base64<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("base64 text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Visitor).map(Self::Text)
    }
}

/// A protobuf int64: a decimal string, though a number is read too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Int64(pub(super) i64);

impl Serialize for Int64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Int64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Int64;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a 64-bit integer or its decimal string")
            }

            fn visit_i64<E>(self, value: i64) -> Result<Int64, E> {
                Ok(Int64(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Int64, E> {
                i64::try_from(value).map(Int64).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Int64, E> {
                // One spelling for one number: no sign but a minus, no leading zeros.
                let number: i64 = value.parse().map_err(E::custom)?;
                if number.to_string() != value {
                    return Err(E::custom("not a decimal number"));
                }
                Ok(Int64(number))
            }

            fn visit_unit<E>(self) -> Result<Int64, E> {
                Ok(Int64(0))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
