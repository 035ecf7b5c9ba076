//! Every name that the JSON of a trusted root can have, and the operators, which `sigstore-trust-root`
//! does not read.
//!
//! Source: `TrustedRoot` in `sigstore_trustroot.proto`. What has no name here is refused. A list whose name
//! is misspelled would else be an empty list, and no log entry or SCT be asked for; a lost `end` would
//! trust a stolen key for ever; a lost `operator` would count one operator twice. The readers that are
//! generated from the schema refuse unknown names too, so that no publisher can add one to this version.
//! The schema's own names, such as `valid_for`, are refused with the rest, because nothing reads them.

use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Root {
    #[serde(rename = "mediaType")]
    _media_type: IgnoredAny,
    #[serde(default)]
    pub(super) tlogs: Vec<Log>,
    #[serde(default)]
    pub(super) ctlogs: Vec<Log>,
    #[serde(default, rename = "certificateAuthorities")]
    _certificate_authorities: Vec<Authority>,
    #[serde(default)]
    pub(super) timestamp_authorities: Vec<Authority>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) operator: Option<String>,
    #[serde(rename = "baseUrl")]
    _base_url: Option<IgnoredAny>,
    #[serde(rename = "hashAlgorithm")]
    _hash_algorithm: Option<IgnoredAny>,
    #[serde(rename = "publicKey")]
    _public_key: Option<PublicKey>,
    #[serde(rename = "logId")]
    _log_id: Option<LogId>,
    #[serde(rename = "checkpointKeyId")]
    _checkpoint_key_id: Option<LogId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Authority {
    pub(super) operator: Option<String>,
    #[serde(rename = "subject")]
    _subject: Option<Subject>,
    #[serde(rename = "uri")]
    _uri: Option<IgnoredAny>,
    #[serde(rename = "certChain")]
    _cert_chain: Option<Chain>,
    #[serde(rename = "validFor")]
    _valid_for: Option<Range>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKey {
    #[serde(rename = "rawBytes")]
    _raw_bytes: Option<IgnoredAny>,
    #[serde(rename = "keyDetails")]
    _key_details: Option<IgnoredAny>,
    #[serde(rename = "validFor")]
    _valid_for: Option<Range>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogId {
    #[serde(rename = "keyId")]
    _key_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    #[serde(rename = "organization")]
    _organization: Option<IgnoredAny>,
    #[serde(rename = "commonName")]
    _common_name: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    #[serde(rename = "certificates")]
    _certificates: Vec<Certificate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    #[serde(rename = "rawBytes")]
    _raw_bytes: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    #[serde(rename = "start")]
    _start: Option<IgnoredAny>,
    #[serde(rename = "end")]
    _end: Option<IgnoredAny>,
}
