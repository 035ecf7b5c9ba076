//! The signing config: which services to sign with.
//!
//! Source: `SigningConfig` in `sigstore_trustroot.proto`, v0.2. Unknown fields are refused: a misspelled
//! list would otherwise leave a kind of service out without a word.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::{Instance, TrustedRoot};
use crate::error::{Code, Error, Result};

/// Media type of the signing configs that are read.
pub const SIGNING_CONFIG_V0_2: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
/// Media type of a trusted root and a signing config in one document.
pub const CLIENT_TRUST_CONFIG_V0_1: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";

const CA_VERSIONS: &[u32] = &[1];
const OIDC_VERSIONS: &[u32] = &[1];
const REKOR_VERSIONS: &[u32] = &[1, 2];
const TSA_VERSIONS: &[u32] = &[1];

/// Which services to sign with, and how many of each.
#[derive(Debug, Clone)]
pub struct SigningConfig {
    ca: Vec<Service>,
    oidc: Vec<Service>,
    rekor: Vec<Service>,
    tsa: Vec<Service>,
    rekor_selector: Option<Selector>,
    tsa_selector: Option<Selector>,
}

/// A transparency log to write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RekorService {
    /// Its address.
    pub url: Url,
    /// The major version of its API: 1 or 2.
    pub version: u32,
}

/// Trusted root and signing config of one instance.
#[derive(Debug, Clone)]
pub struct TrustConfig {
    /// Whom to trust.
    pub trusted_root: TrustedRoot,
    /// Which services to sign with.
    pub signing_config: SigningConfig,
}

#[derive(Debug, Clone)]
struct Service {
    url: Url,
    version: u32,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    operator: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selector {
    Any,
    All,
    Exact(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireTrustConfig<'a> {
    #[serde(alias = "media_type")]
    media_type: String,
    #[serde(alias = "trusted_root", borrow)]
    trusted_root: &'a RawValue,
    #[serde(alias = "signing_config", borrow)]
    signing_config: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireConfig {
    #[serde(alias = "media_type")]
    media_type: String,
    #[serde(alias = "ca_urls", default)]
    ca_urls: Vec<WireService>,
    #[serde(alias = "oidc_urls", default)]
    oidc_urls: Vec<WireService>,
    #[serde(alias = "rekor_tlog_urls", default)]
    rekor_tlog_urls: Vec<WireService>,
    #[serde(alias = "rekor_tlog_config")]
    rekor_tlog_config: Option<WireSelection>,
    #[serde(alias = "tsa_urls", default)]
    tsa_urls: Vec<WireService>,
    #[serde(alias = "tsa_config")]
    tsa_config: Option<WireSelection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireService {
    url: String,
    #[serde(alias = "major_api_version", default)]
    major_api_version: u32,
    #[serde(alias = "valid_for")]
    valid_for: Option<WireRange>,
    #[serde(default)]
    operator: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRange {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSelection {
    #[serde(default)]
    selector: String,
    #[serde(default)]
    count: usize,
}

impl SigningConfig {
    /// Parses the JSON form, v0.2.
    ///
    /// # Errors
    /// [`Code::TrustConfigInvalid`].
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let wire: WireConfig = serde_json::from_slice(json)
            .map_err(|e| invalid("not a signing config").found(e.to_string()).caused_by(e))?;
        if wire.media_type != SIGNING_CONFIG_V0_2 {
            return Err(invalid("unknown version of the signing config")
                .expected(SIGNING_CONFIG_V0_2)
                .found(wire.media_type));
        }
        let services = |wire: Vec<WireService>| wire.into_iter().map(service).collect::<Result<Vec<_>>>();
        Ok(Self {
            ca: services(wire.ca_urls)?,
            oidc: services(wire.oidc_urls)?,
            rekor: services(wire.rekor_tlog_urls)?,
            tsa: services(wire.tsa_urls)?,
            rekor_selector: selector(wire.rekor_tlog_config)?,
            tsa_selector: selector(wire.tsa_config)?,
        })
    }

    /// The signing config that came with this version of the program.
    ///
    /// # Errors
    /// [`Code::NoUsableService`] for an instance that offers no signing to the public.
    pub fn embedded(instance: Instance) -> Result<Self> {
        let json = match instance {
            Instance::Public => sigstore_trust_root::SIGSTORE_PRODUCTION_SIGNING_CONFIG,
            Instance::Staging => sigstore_trust_root::SIGSTORE_STAGING_SIGNING_CONFIG,
            Instance::GitHub => {
                return Err(Error::new(Code::NoUsableService, "this instance has no public signing config")
                    .hint("give one with --signing-config or --trust-config"));
            }
        };
        Self::from_json(json.as_bytes())
    }

    /// The certificate authority.
    ///
    /// # Errors
    /// [`Code::NoUsableService`] when none is offered at `now`.
    pub fn fulcio(&self, now: Timestamp) -> Result<Url> {
        self.first("a certificate authority", &self.ca, CA_VERSIONS, now)
    }

    /// The identity provider.
    ///
    /// # Errors
    /// [`Code::NoUsableService`] when none is offered at `now`.
    pub fn oidc(&self, now: Timestamp) -> Result<Url> {
        self.first("an identity provider", &self.oidc, OIDC_VERSIONS, now)
    }

    /// The transparency logs to write to, all of them.
    ///
    /// # Errors
    /// [`Code::NoUsableService`] when not enough of them are offered at `now`.
    pub fn rekor(&self, now: Timestamp) -> Result<Vec<RekorService>> {
        let chosen = select("a transparency log", &self.rekor, REKOR_VERSIONS, self.rekor_selector, now)?;
        Ok(chosen.into_iter().map(|s| RekorService { url: s.url.clone(), version: s.version }).collect())
    }

    /// The timestamp authorities to ask, all of them; none if the config names none.
    ///
    /// # Errors
    /// [`Code::NoUsableService`] when the config names some, and not enough are offered at `now`.
    pub fn tsa(&self, now: Timestamp) -> Result<Vec<Url>> {
        if self.tsa.is_empty() {
            return Ok(Vec::new());
        }
        let chosen = select("a timestamp authority", &self.tsa, TSA_VERSIONS, self.tsa_selector, now)?;
        Ok(chosen.into_iter().map(|service| service.url.clone()).collect())
    }

    fn first(&self, what: &str, services: &[Service], versions: &[u32], now: Timestamp) -> Result<Url> {
        let chosen = select(what, services, versions, Some(Selector::Any), now)?;
        chosen.into_iter().next().map(|service| service.url.clone()).ok_or_else(|| unusable(what))
    }
}

impl TrustConfig {
    /// Parses Sigstore's `ClientTrustConfig`.
    ///
    /// # Errors
    /// [`Code::TrustConfigInvalid`].
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let wire: WireTrustConfig<'_> = serde_json::from_slice(json)
            .map_err(|e| invalid("not a client trust config").found(e.to_string()).caused_by(e))?;
        if wire.media_type != CLIENT_TRUST_CONFIG_V0_1 {
            return Err(invalid("unknown version of the client trust config")
                .expected(CLIENT_TRUST_CONFIG_V0_1)
                .found(wire.media_type));
        }
        Ok(Self {
            trusted_root: TrustedRoot::from_json(wire.trusted_root.get().as_bytes())?,
            signing_config: SigningConfig::from_json(wire.signing_config.get().as_bytes())?,
        })
    }
}

/// Chooses as the specification says: what is valid now, of the highest supported version that any
/// has, newest first, one for each operator, as many as the selector asks for.
fn select<'a>(
    what: &str,
    services: &'a [Service],
    versions: &[u32],
    selector: Option<Selector>,
    now: Timestamp,
) -> Result<Vec<&'a Service>> {
    let selector = selector.ok_or_else(|| {
        invalid(&format!("the signing config does not say how many to use of {what}"))
            .expected("a selector ANY, ALL or EXACT")
    })?;
    let valid = |s: &&Service| {
        versions.contains(&s.version) && s.start.is_none_or(|t| t <= now) && s.end.is_none_or(|t| now <= t)
    };
    let best = services.iter().filter(valid).map(|s| s.version).max();
    let mut usable: Vec<&Service> =
        services.iter().filter(valid).filter(|s| Some(s.version) == best).collect();
    usable.sort_by_key(|s| std::cmp::Reverse(s.start));
    let mut operators = Vec::new();
    // Two entries of one operator are one witness, not two.
    usable.retain(|s| {
        let operator = s.operator();
        let new = !operators.contains(&operator);
        if new {
            operators.push(operator);
        }
        new
    });
    let wanted = match selector {
        Selector::Any => 1,
        Selector::All => usable.len().max(1),
        Selector::Exact(count) => count,
    };
    if usable.len() < wanted {
        return Err(unusable(what)
            .expected(format!("at least {wanted} by distinct operators, valid at {now}"))
            .found(usable.len()));
    }
    usable.truncate(wanted);
    Ok(usable)
}

impl Service {
    /// Whose service it is; where the config leaves that out, its host stands for it.
    fn operator(&self) -> &str {
        if self.operator.is_empty() { self.url.host_str().unwrap_or_default() } else { &self.operator }
    }
}

fn service(wire: WireService) -> Result<Service> {
    let bad_url = || invalid("a service's address is not usable").expected("an http or https address");
    let url: Url = wire.url.parse().map_err(|_| bad_url().found(&wire.url))?;
    // A password here would end up in every log that names the service.
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(bad_url());
    }
    let time = |text: Option<String>| {
        text.map(|text| {
            text.parse::<Timestamp>()
                .map_err(|e| invalid("a validity is not an RFC 3339 time").found(&text).caused_by(e))
        })
        .transpose()
    };
    let (start, end) = wire.valid_for.map_or((None, None), |range| (range.start, range.end));
    Ok(Service {
        url,
        version: wire.major_api_version,
        start: time(start)?,
        end: time(end)?,
        operator: wire.operator,
    })
}

/// None when the config leaves the choice open, which matters only where there is something to choose: a
/// config without timestamp authorities says `"tsaConfig":{}`.
fn selector(wire: Option<WireSelection>) -> Result<Option<Selector>> {
    let Some(wire) = wire else { return Ok(None) };
    match wire.selector.as_str() {
        "" | "SERVICE_SELECTOR_UNDEFINED" => Ok(None),
        "ANY" => Ok(Some(Selector::Any)),
        "ALL" => Ok(Some(Selector::All)),
        "EXACT" if wire.count > 0 => Ok(Some(Selector::Exact(wire.count))),
        "EXACT" => Err(invalid("the selector EXACT needs a count").expected("1 or more").found(wire.count)),
        other => Err(invalid("unknown selector").expected("ANY, ALL or EXACT").found(other)),
    }
}

fn unusable(what: &str) -> Error {
    Error::new(Code::NoUsableService, format!("the signing config does not offer {what} that can be used"))
        .hint("use a signing config that offers one now, or update this program")
}

fn invalid(message: &str) -> Error {
    Error::new(Code::TrustConfigInvalid, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn entry(url: &str, version: u32, start: &str, end: Option<&str>, operator: &str) -> Value {
        let mut range = json!({ "start": start });
        if let Some(end) = end {
            range["end"] = json!(end);
        }
        json!({ "url": url, "majorApiVersion": version, "validFor": range, "operator": operator })
    }

    fn rekor(services: &[Value], selection: Value) -> Result<Vec<String>> {
        let config = json!({
            "mediaType": SIGNING_CONFIG_V0_2, "rekorTlogUrls": services, "rekorTlogConfig": selection,
        });
        let chosen =
            SigningConfig::from_json(config.to_string().as_bytes())?.rekor(at("2026-01-01T00:00:00Z"))?;
        Ok(chosen.into_iter().map(|c| format!("{}v{}", c.url.host_str().unwrap(), c.version)).collect())
    }

    #[test]
    fn selects_as_specified() {
        let old = entry("https://old.example", 1, "2020-01-01T00:00:00Z", None, "a");
        let two = entry("https://two.example", 2, "2024-01-01T00:00:00Z", None, "a");
        let newer = entry("https://newer.example", 2, "2025-01-01T00:00:00Z", None, "a");
        let other = entry("https://other.example", 2, "2023-01-01T00:00:00Z", None, "b");
        let future = entry("https://future.example", 2, "2026-01-01T00:00:01Z", None, "c");
        let past =
            entry("https://past.example", 2, "2020-01-01T00:00:00Z", Some("2025-12-31T23:59:59Z"), "d");
        let edge =
            entry("https://edge.example", 2, "2026-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z"), "e");
        let three = entry("https://three.example", 3, "2020-01-01T00:00:00Z", None, "f");
        let any = || json!({ "selector": "ANY" });
        let all = || json!({ "selector": "ALL" });
        let exact = |count: u32| json!({ "selector": "EXACT", "count": count });
        type Row<'a> = (Vec<&'a Value>, Value, Option<Vec<&'a str>>);
        let table: Vec<Row<'_>> = vec![
            (vec![&old], any(), Some(vec!["old.examplev1"])),
            (vec![&old, &two, &three], any(), Some(vec!["two.examplev2"])),
            (vec![&two, &newer, &other], any(), Some(vec!["newer.examplev2"])),
            (vec![&two, &newer, &other], all(), Some(vec!["newer.examplev2", "other.examplev2"])),
            (vec![&two, &newer, &other], exact(2), Some(vec!["newer.examplev2", "other.examplev2"])),
            (vec![&two, &newer, &other], exact(3), None),
            (vec![&two, &newer], exact(1), Some(vec!["newer.examplev2"])),
            (vec![&old, &future, &past], all(), Some(vec!["old.examplev1"])),
            (vec![&edge], all(), Some(vec!["edge.examplev2"])),
            (vec![&future, &past, &three], any(), None),
            (vec![], all(), None),
        ];
        for (services, selection, expected) in table {
            let services: Vec<_> = services.into_iter().cloned().collect();
            match (rekor(&services, selection.clone()), expected) {
                (Ok(found), Some(expected)) => assert_eq!(found, expected, "{services:?} {selection}"),
                (Err(error), None) => assert_eq!(error.code(), Code::NoUsableService),
                (result, expected) => panic!("{services:?} {selection}: {result:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn refuses_configs_that_leave_the_choice_open() {
        let log = [entry("https://log.example", 1, "2020-01-01T00:00:00Z", None, "a")];
        for selection in [
            json!(null),
            json!({}),
            json!({ "selector": "SERVICE_SELECTOR_UNDEFINED" }),
            json!({ "selector": "EXACT" }),
            json!({ "selector": "any" }),
        ] {
            let error = rekor(&log, selection.clone()).unwrap_err();
            assert_eq!(error.code(), Code::TrustConfigInvalid, "{selection}");
        }
        for bad in ["ftp://log.example", "nonsense", "https://user:secret@log.example"] {
            let log = [entry(bad, 1, "2020-01-01T00:00:00Z", None, "a")];
            let error = rekor(&log, json!({ "selector": "ANY" })).unwrap_err();
            assert_eq!(error.code(), Code::TrustConfigInvalid, "{bad}");
            assert!(!error.to_string().contains("secret"));
        }
        let misspelled = format!(r#"{{"mediaType":"{SIGNING_CONFIG_V0_2}","tsaUrl":[]}}"#);
        assert_eq!(
            SigningConfig::from_json(misspelled.as_bytes()).unwrap_err().code(),
            Code::TrustConfigInvalid
        );
        let old = SIGNING_CONFIG_V0_2.replace("v0.2", "v0.1");
        assert!(SigningConfig::from_json(format!(r#"{{"mediaType":"{old}"}}"#).as_bytes()).is_err());
    }

    #[test]
    fn without_timestamp_authorities_there_is_nothing_to_choose() {
        let authority = entry("https://tsa.example", 1, "2020-01-01T00:00:00Z", None, "a");
        let config = |authorities: &[Value]| {
            let config = json!({ "mediaType": SIGNING_CONFIG_V0_2, "tsaUrls": authorities, "tsaConfig": {} });
            SigningConfig::from_json(config.to_string().as_bytes()).unwrap()
        };
        let now = at("2026-01-01T00:00:00Z");
        assert!(config(&[]).tsa(now).unwrap().is_empty());
        assert_eq!(config(&[authority]).tsa(now).unwrap_err().code(), Code::TrustConfigInvalid);
    }

    #[test]
    fn the_embedded_configs_offer_what_signing_needs() {
        for instance in [Instance::Public, Instance::Staging] {
            let config = SigningConfig::embedded(instance).unwrap();
            let now = at("2026-01-01T00:00:00Z");
            assert!(config.fulcio(now).unwrap().as_str().starts_with("https://fulcio."));
            assert!(config.oidc(now).unwrap().as_str().starts_with("https://oauth2."));
            assert_eq!(config.rekor(now).unwrap().len(), 1);
            assert_eq!(config.tsa(now).unwrap().len(), 1);
        }
        assert_eq!(SigningConfig::embedded(Instance::GitHub).unwrap_err().code(), Code::NoUsableService);
    }
}
