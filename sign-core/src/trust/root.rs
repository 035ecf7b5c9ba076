//! The trusted root: keys and certificates of the services that are believed, each with its time.
//!
//! Source: `TrustedRoot` in `sigstore_trustroot.proto`. The JSON is read by `sigstore-trust-root`; here
//! it becomes what the checks need, so that nothing has to be parsed again for each bundle.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use sigstore_types::TimeRange;
use url::Url;

use super::wire;
use crate::certificate::{CertificateAuthority, CtLog};
use crate::clock::Window;
use crate::crypto::PublicKey;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::json::check_unique_keys;
use crate::timestamp::TimestampAuthority;
use crate::tlog::Log;

/// What the media type of a trusted root starts with, in all its spellings.
const MEDIA_TYPE_PREFIX: &str = "application/vnd.dev.sigstore.trustedroot";
/// Most entries of each kind: real roots have under ten, and every signature may try them all.
const MAX_ENTRIES: usize = 64;
/// `keyDetails` of keys in PKCS #1, which old CT logs have.
const PKCS1: &str = "PKCS1_RSA_PKCS1V5";

/// A Sigstore deployment whose trusted root comes with this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Instance {
    /// The public good instance, sigstore.dev.
    #[default]
    Public,
    /// The staging instance, sigstage.dev.
    Staging,
    /// GitHub's own, for attestations of private repositories and for releases.
    GitHub,
}

/// What a service of the trusted root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceKind {
    /// Issues certificates: Fulcio.
    CertificateAuthority,
    /// Logs signatures: Rekor.
    TransparencyLog,
    /// Logs certificates.
    CtLog,
    /// Proves times: RFC 3161.
    TimestampAuthority,
}

impl ServiceKind {
    /// The name used in output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CertificateAuthority => "certificate-authority",
            Self::TransparencyLog => "transparency-log",
            Self::CtLog => "ct-log",
            Self::TimestampAuthority => "timestamp-authority",
        }
    }
}

/// One entry of the trusted root, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustedService {
    /// What it is.
    pub kind: ServiceKind,
    /// Its address; empty where the root does not say.
    pub url: String,
    /// A log's id or the SHA-256 of an authority's certificate that is nearest to what it signs, hex.
    pub id: String,
    /// From when on it is trusted.
    pub start: Timestamp,
    /// Until when, inclusive; for good if none.
    pub end: Option<Timestamp>,
}

/// Everything that a bundle is checked against. Cheap to clone.
#[derive(Clone)]
pub struct TrustedRoot(Arc<Inner>);

struct Inner {
    services: Vec<TrustedService>,
    logs: Vec<Log>,
    lists_logs: bool,
    ct_logs: Vec<CtLog>,
    lists_ct_logs: bool,
    certificate_authorities: Vec<CertificateAuthority>,
    timestamp_authorities: Vec<TimestampAuthority>,
}

impl TrustedRoot {
    /// Parses the JSON form.
    ///
    /// # Errors
    /// [`Code::TrustConfigInvalid`].
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(json).map_err(|e| invalid("not a trusted root").caused_by(e))?;
        let not_json = |e: serde_json::Error| invalid("not a trusted root").found(e.to_string()).caused_by(e);
        check_unique_keys(json).map_err(not_json)?;
        let known: wire::Root = serde_json::from_slice(json).map_err(not_json)?;
        let wire = sigstore_trust_root::TrustedRoot::from_json(text)
            .map_err(|e| invalid("not a trusted root").found(e.to_string()).caused_by(e))?;
        if !wire.media_type.starts_with(MEDIA_TYPE_PREFIX) {
            return Err(invalid("not a trusted root").expected(MEDIA_TYPE_PREFIX).found(&wire.media_type));
        }
        let counts = [
            wire.tlogs.len(),
            wire.ctlogs.len(),
            wire.certificate_authorities.len(),
            wire.timestamp_authorities.len(),
        ];
        if counts.iter().any(|count| *count > MAX_ENTRIES) {
            return Err(invalid("the trusted root lists too many services").expected(MAX_ENTRIES));
        }
        let (lists_logs, lists_ct_logs) = (!wire.tlogs.is_empty(), !wire.ctlogs.is_empty());
        let mut services = Vec::new();
        let mut logs = Vec::new();
        for (index, log) in wire.tlogs.iter().enumerate() {
            let window = window(log.public_key.valid_for.as_ref(), "a transparency log")?;
            // A key of a kind that is not known here proves nothing, and must not hide the others.
            let Ok(key) = PublicKey::from_der(log.public_key.raw_bytes.as_bytes()) else { continue };
            let id = key_id(log.log_id.key_id.as_bytes())?;
            services.push(service(ServiceKind::TransparencyLog, &log.base_url, hex::encode(&id), window));
            let host = Url::parse(&log.base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
            let authority = authority(&known.tlogs, index, &log.base_url, &id);
            logs.push(Log { url: log.base_url.clone(), authority, host, id, key, window });
        }
        let mut ct_logs = Vec::new();
        for (index, log) in wire.ctlogs.iter().enumerate() {
            let window = window(log.public_key.valid_for.as_ref(), "a CT log")?;
            let der = log.public_key.raw_bytes.as_bytes();
            let parse = match log.public_key.key_details.as_str() {
                PKCS1 => PublicKey::from_pkcs1,
                _ => PublicKey::from_der,
            };
            let Ok(key) = parse(der).or_else(|_| PublicKey::from_der(der)) else { continue };
            let id = key_id(log.log_id.key_id.as_bytes())?;
            services.push(service(ServiceKind::CtLog, &log.base_url, hex::encode(&id), window));
            let authority = authority(&known.ctlogs, index, &log.base_url, &id);
            ct_logs.push(CtLog { url: log.base_url.clone(), authority, id, key, window });
        }
        let mut certificate_authorities = Vec::new();
        for authority in &wire.certificate_authorities {
            let window = window(authority.valid_for.as_ref(), "a certificate authority")?;
            let chain = certificates(&authority.cert_chain);
            let issuing = chain.first().map(|der| Digest::sha256(der).hex()).unwrap_or_default();
            services.push(service(ServiceKind::CertificateAuthority, &authority.uri, issuing, window));
            let authority = CertificateAuthority::new(chain, window)
                .map_err(|e| invalid("a certificate authority cannot be used").caused_by(e))?;
            certificate_authorities.push(authority);
        }
        let mut timestamp_authorities: Vec<TimestampAuthority> = Vec::new();
        for (index, authority) in wire.timestamp_authorities.iter().enumerate() {
            let window = window(authority.valid_for.as_ref(), "a timestamp authority")?;
            let uri = authority.uri.clone().unwrap_or_default();
            let operator = known.timestamp_authorities.get(index).and_then(|known| known.operator.clone());
            let chain = certificates(&authority.cert_chain);
            match TimestampAuthority::new(uri, operator, chain, window) {
                Ok(authority) => timestamp_authorities.push(authority),
                Err(e) if e.code() == Code::InvalidArgument => {}
                Err(e) => return Err(invalid("a timestamp authority cannot be used").caused_by(e)),
            }
        }
        services.extend(timestamp_authorities.iter().map(|authority| {
            let fingerprint = authority.fingerprint.hex();
            service(ServiceKind::TimestampAuthority, &authority.uri, fingerprint, authority.window)
        }));
        Ok(Self(Arc::new(Inner {
            services,
            logs,
            lists_logs,
            ct_logs,
            lists_ct_logs,
            certificate_authorities,
            timestamp_authorities,
        })))
    }

    /// The root that came with this version of the crate.
    ///
    /// # Errors
    /// None in a released version.
    pub fn embedded(instance: Instance) -> Result<Self> {
        let json = match instance {
            Instance::Public => sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT,
            Instance::Staging => sigstore_trust_root::SIGSTORE_STAGING_TRUSTED_ROOT,
            Instance::GitHub => sigstore_trust_root::SIGSTORE_GITHUB_TRUSTED_ROOT,
        };
        Self::from_json(json.as_bytes())
    }

    /// Every service that is trusted, and when.
    #[must_use]
    pub fn services(&self) -> &[TrustedService] {
        &self.0.services
    }

    /// Whether the deployment has transparency logs, so that an entry must be shown.
    pub(crate) fn lists_logs(&self) -> bool {
        self.0.lists_logs
    }

    /// Whether the deployment has CT logs, so that an SCT must be shown.
    pub(crate) fn lists_ct_logs(&self) -> bool {
        self.0.lists_ct_logs
    }

    /// The logs with this id; more than one where a key has several windows.
    pub(crate) fn logs_with_id<'a>(&'a self, id: &[u8]) -> impl Iterator<Item = &'a Log> + use<'a> {
        let id = id.to_vec();
        self.0.logs.iter().filter(move |log| log.id == id)
    }

    /// The CT logs with this id.
    pub(crate) fn ct_logs_with_id<'a>(&'a self, id: &[u8]) -> impl Iterator<Item = &'a CtLog> + use<'a> {
        let id = id.to_vec();
        self.0.ct_logs.iter().filter(move |log| log.id == id)
    }

    pub(crate) fn certificate_authorities(&self) -> &[CertificateAuthority] {
        &self.0.certificate_authorities
    }

    pub(crate) fn timestamp_authorities(&self) -> &[TimestampAuthority] {
        &self.0.timestamp_authorities
    }
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedRoot")
            .field("logs", &self.0.logs.iter().map(|log| &log.url).collect::<Vec<_>>())
            .field("ct_logs", &self.0.ct_logs.iter().map(|log| &log.url).collect::<Vec<_>>())
            .field("certificate_authorities", &self.0.certificate_authorities.len())
            .field("timestamp_authorities", &self.0.timestamp_authorities.len())
            .finish_non_exhaustive()
    }
}

fn service(kind: ServiceKind, url: &str, id: String, window: Window) -> TrustedService {
    TrustedService { kind, url: url.to_owned(), id, start: window.start, end: window.end }
}

/// Who runs a log: its operator where the root says so, else its address, else its key. Two keys of one
/// operator are one authority.
fn authority(known: &[wire::Log], index: usize, url: &str, id: &[u8]) -> String {
    let operator = known.get(index).and_then(|log| log.operator.as_deref());
    let named = operator.into_iter().chain([url]).find(|name| !name.is_empty());
    named.map_or_else(|| hex::encode(id), str::to_owned)
}

/// A missing window is malformed: read as unbounded, it would trust a key for ever.
fn window(range: Option<&TimeRange>, what: &str) -> Result<Window> {
    let range =
        range.ok_or_else(|| invalid(&format!("{what} has no validity")).expected("validFor.start"))?;
    Ok(Window { start: range.start, end: range.end })
}

fn certificates(chain: &sigstore_trust_root::trusted_root::CertChain) -> Vec<CertificateDer<'static>> {
    chain.certificates.iter().map(|entry| CertificateDer::from(entry.raw_bytes.as_bytes().to_vec())).collect()
}

fn key_id(bytes: &[u8]) -> Result<Vec<u8>> {
    // Shorter ids exist in drafts; a bundle's id is compared whole, never by prefix.
    if bytes.len() != 32 {
        return Err(invalid("a log's id has the wrong length").expected("32 bytes").found(bytes.len()));
    }
    Ok(bytes.to_vec())
}

fn invalid(message: &str) -> Error {
    Error::new(Code::TrustConfigInvalid, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn public() -> Value {
        serde_json::from_str(sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT).unwrap()
    }

    fn code(root: &Value) -> Code {
        TrustedRoot::from_json(root.to_string().as_bytes()).unwrap_err().code()
    }

    #[test]
    fn the_embedded_roots_are_usable() {
        for (instance, logs, ct_logs) in [
            (Instance::Public, true, true),
            (Instance::Staging, true, true),
            (Instance::GitHub, false, false),
        ] {
            let root = TrustedRoot::embedded(instance).unwrap();
            assert_eq!((root.lists_logs(), root.lists_ct_logs()), (logs, ct_logs), "{instance:?}");
            assert!(!root.certificate_authorities().is_empty(), "{instance:?}");
            assert!(!root.timestamp_authorities().is_empty(), "{instance:?}");
        }
        let public = TrustedRoot::embedded(Instance::Public).unwrap();
        assert!(public.0.logs.iter().any(|log| log.host.as_deref() == Some("log2025-1.rekor.sigstore.dev")));
    }

    #[test]
    fn a_missing_window_is_not_an_open_one() {
        for pointer in [
            "/tlogs/0/publicKey",
            "/ctlogs/0/publicKey",
            "/certificateAuthorities/0",
            "/timestampAuthorities/0",
        ] {
            let mut root = public();
            root.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove("validFor").unwrap();
            assert_eq!(code(&root), Code::TrustConfigInvalid, "{pointer}");
            let mut root = public();
            root.pointer_mut(pointer).unwrap()["validFor"] = json!({});
            assert_eq!(code(&root), Code::TrustConfigInvalid, "{pointer}");
        }
    }

    #[test]
    fn refuses_other_documents_and_endless_lists() {
        assert_eq!(code(&json!({})), Code::TrustConfigInvalid);
        let mut root = public();
        root["mediaType"] = json!("application/json");
        assert_eq!(code(&root), Code::TrustConfigInvalid);
        let mut root = public();
        let one = root["tlogs"][0].clone();
        root["tlogs"] = json!(vec![one; MAX_ENTRIES + 1]);
        assert_eq!(code(&root), Code::TrustConfigInvalid);
    }

    #[test]
    fn a_misspelled_name_is_not_an_absent_list() {
        for (parent, name, misspelled) in [
            ("", "tlogs", "tLogs"),
            ("", "tlogs", "transparencyLogs"),
            ("", "ctlogs", "ctLogs"),
            ("", "timestampAuthorities", "timestamp_authorities"),
            ("/tlogs/0/publicKey/validFor", "end", "End"),
            ("/certificateAuthorities/0/validFor", "end", "ends"),
            ("/tlogs/0", "operator", "operators"),
            ("/ctlogs/0", "checkpointKeyId", "checkpointKeyID"),
            ("/timestampAuthorities/0/subject", "commonName", "common_name"),
        ] {
            let mut root = public();
            root["tlogs"][0]["publicKey"]["validFor"]["end"] = json!("2030-01-01T00:00:00Z");
            root["tlogs"][0]["operator"] = json!("sigstore.dev");
            root["ctlogs"][0]["checkpointKeyId"] = root["ctlogs"][0]["logId"].clone();
            assert!(TrustedRoot::from_json(root.to_string().as_bytes()).is_ok());
            let object = root.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            let value = object.remove(name).unwrap();
            object.insert(misspelled.to_owned(), value);
            let error = TrustedRoot::from_json(root.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::TrustConfigInvalid, "{misspelled}");
            assert!(format!("{error:?}").contains(misspelled), "{error:?}");
        }
    }
}
