//! What a client has to trust, and which services it should use: the three files of Sigstore's protobuf-specs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::pki::{BoxError, ORGANIZATION};
use crate::sandbox::{RekorVersion, Urls};

/// The form that the public instances deploy.
const TRUSTED_ROOT: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
const SIGNING_CONFIG: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
const CLIENT_TRUST_CONFIG: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";
/// How long before the start everything is valid: a client's clock may be behind. The certificates are older.
const VALID_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// A log's key and its id.
pub(crate) struct LogKey {
    /// DER SPKI.
    pub(crate) public_key: Vec<u8>,
    pub(crate) id: [u8; 32],
}

/// The keys and chains behind a sandbox's services.
pub(crate) struct Trust<'a> {
    pub(crate) urls: &'a Urls,
    /// When the sandbox started.
    pub(crate) now: Timestamp,
    /// Intermediate and root, DER.
    pub(crate) fulcio: Vec<Vec<u8>>,
    /// Leaf, intermediate and root, DER.
    pub(crate) tsa: Vec<Vec<u8>>,
    pub(crate) ct: LogKey,
    pub(crate) rekor1: LogKey,
    pub(crate) rekor2: LogKey,
}

/// A sandbox's trust files, for both versions of Rekor.
#[derive(Debug)]
pub(crate) struct TrustFiles {
    pub(crate) trusted_root: String,
    signing_configs: [String; 2],
    trust_configs: [String; 2],
}

impl TrustFiles {
    pub(crate) fn signing_config(&self, rekor: RekorVersion) -> &str {
        let [v1, v2] = &self.signing_configs;
        match rekor {
            RekorVersion::V1 => v1,
            RekorVersion::V2 => v2,
        }
    }

    pub(crate) fn trust_config(&self, rekor: RekorVersion) -> &str {
        let [v1, v2] = &self.trust_configs;
        match rekor {
            RekorVersion::V1 => v1,
            RekorVersion::V2 => v2,
        }
    }
}

impl Trust<'_> {
    /// All files.
    pub(crate) fn files(&self) -> Result<TrustFiles, BoxError> {
        let valid_for = json!({"start": rfc3339(self.now.checked_sub(VALID_BEFORE)?)});
        let root = self.trusted_root(&valid_for);
        let configs =
            [RekorVersion::V1, RekorVersion::V2].map(|rekor| signing_config(self.urls, rekor, &valid_for));
        let trust_configs = configs.each_ref().map(|config| {
            let trust =
                json!({"mediaType": CLIENT_TRUST_CONFIG, "trustedRoot": root, "signingConfig": config});
            format!("{trust:#}\n")
        });
        Ok(TrustFiles {
            trusted_root: format!("{root:#}\n"),
            signing_configs: configs.map(|config| format!("{config:#}\n")),
            trust_configs,
        })
    }

    fn trusted_root(&self, valid_for: &Value) -> Value {
        const P256: &str = "PKIX_ECDSA_P256_SHA_256";
        let log = |url: &str, key: &LogKey, details: &str| {
            json!({
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": BASE64_STANDARD.encode(&key.public_key),
                    "keyDetails": details,
                    "validFor": valid_for,
                },
                "logId": {"keyId": BASE64_STANDARD.encode(key.id)},
                "operator": ORGANIZATION,
            })
        };
        let authority = |url: &str, common_name: &str, chain: &[Vec<u8>]| {
            let certificates: Vec<_> =
                chain.iter().map(|der| json!({"rawBytes": BASE64_STANDARD.encode(der)})).collect();
            json!({
                "subject": {"organization": ORGANIZATION, "commonName": common_name},
                "uri": url,
                "certChain": {"certificates": certificates},
                "validFor": valid_for,
                "operator": ORGANIZATION,
            })
        };
        json!({
            "mediaType": TRUSTED_ROOT,
            "tlogs": [
                log(&self.urls.rekor1, &self.rekor1, P256),
                log(&self.urls.rekor2, &self.rekor2, "PKIX_ED25519"),
            ],
            "certificateAuthorities": [authority(&self.urls.fulcio, "sandbox fulcio", &self.fulcio)],
            "ctlogs": [log(&self.urls.ct, &self.ct, P256)],
            "timestampAuthorities": [
                authority(&timestamp_url(self.urls), "sandbox timestamp authority", &self.tsa),
            ],
        })
    }
}

fn signing_config(urls: &Urls, rekor: RekorVersion, valid_for: &Value) -> Value {
    let services = |url: &str, version: u8| {
        json!([{
            "url": url,
            "majorApiVersion": version,
            "validFor": valid_for,
            "operator": ORGANIZATION,
        }])
    };
    let rekor_urls = match rekor {
        RekorVersion::V1 => services(&urls.rekor1, 1),
        RekorVersion::V2 => services(&urls.rekor2, 2),
    };
    json!({
        "mediaType": SIGNING_CONFIG,
        "caUrls": services(&urls.fulcio, 1),
        "oidcUrls": services(&urls.oidc, 1),
        "rekorTlogUrls": rekor_urls,
        "tsaUrls": services(&timestamp_url(urls), 1),
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaConfig": {"selector": "ANY"},
    })
}

/// Clients post to a TSA's URL as it is.
fn timestamp_url(urls: &Urls) -> String {
    format!("{}/api/v1/timestamp", urls.tsa)
}

/// `at` in whole seconds: TUF takes no fractions, and nobody needs them.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use sigstore_trust_root::{SigningConfig, TrustedRoot};

    use super::*;
    use crate::clock::Clock;
    use crate::ctlog::CtLog;
    use crate::fault::Faults;
    use crate::tsa::Tsa;

    fn urls() -> Urls {
        let url = |name: &str| format!("http://{name}.invalid");
        Urls {
            oidc: url("oidc"),
            oidc_github: url("oidc-github"),
            fulcio: url("fulcio"),
            rekor1: url("rekor1"),
            rekor2: url("rekor2"),
            tsa: url("tsa"),
            ct: url("ct"),
            tuf: url("tuf"),
            registry: "registry.invalid".to_owned(),
        }
    }

    fn files() -> (TrustFiles, CtLog) {
        let now: Timestamp = "2026-03-04T05:06:07.8Z".parse().unwrap();
        let tsa = Tsa::new(Clock::new(move || now), Faults::default()).unwrap();
        let ct = CtLog::new().unwrap();
        let key = |id| LogKey { public_key: ct.public_key_der(), id };
        let trust = Trust {
            urls: &urls(),
            now,
            // Any chain will do: both are made by the same code.
            fulcio: tsa.chain_der().into_iter().skip(1).collect(),
            tsa: tsa.chain_der(),
            ct: key(ct.id()),
            rekor1: key([1; 32]),
            rekor2: key([2; 32]),
        };
        (trust.files().unwrap(), ct)
    }

    #[test]
    fn the_trusted_root_names_every_key() {
        let (files, ct) = files();
        let root = TrustedRoot::from_json(&files.trusted_root).unwrap();
        let logs: Vec<_> = root
            .tlogs
            .iter()
            .map(|log| (log.base_url.as_str(), log.public_key.key_details.as_str()))
            .collect();
        assert_eq!(
            logs,
            [("http://rekor1.invalid", "PKIX_ECDSA_P256_SHA_256"), ("http://rekor2.invalid", "PKIX_ED25519")]
        );
        assert_eq!(root.ctlogs.len(), 1);
        let json: Value = serde_json::from_str(&files.trusted_root).unwrap();
        assert_eq!(json["ctlogs"][0]["logId"]["keyId"], BASE64_STANDARD.encode(ct.id()));
        // An hour before the start, whole seconds.
        let start = json!("2026-03-04T04:06:07Z");
        assert_eq!(json["tlogs"][1]["publicKey"]["validFor"]["start"], start);
        assert_eq!(json["certificateAuthorities"][0]["validFor"]["start"], start);
        assert_eq!(root.fulcio_certs().len(), 2);
        let [tsa] = root.tsa_authorities().try_into().unwrap();
        assert_eq!(tsa.intermediates.len(), 1);
    }

    #[test]
    fn each_signing_config_names_one_log() {
        let (files, _) = files();
        for (rekor, number, url) in
            [(RekorVersion::V1, 1, "http://rekor1.invalid"), (RekorVersion::V2, 2, "http://rekor2.invalid")]
        {
            let config = SigningConfig::from_json(files.signing_config(rekor)).unwrap();
            let chosen = config.rekor_url(None).unwrap();
            assert_eq!((chosen.major_api_version, chosen.url.as_str()), (number, url));
            assert!(config.rekor_url(Some(3 - number)).is_none());
            assert_eq!(config.tsa_url().unwrap().url, "http://tsa.invalid/api/v1/timestamp");
            assert_eq!(config.fulcio_url().unwrap().url, "http://fulcio.invalid");
            assert_eq!(config.oidc_url().unwrap().url, "http://oidc.invalid");

            // One file for a private instance: exactly the other two.
            let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let trust = parse(files.trust_config(rekor));
            assert_eq!(trust["trustedRoot"], parse(&files.trusted_root));
            assert_eq!(trust["signingConfig"], parse(files.signing_config(rekor)));
            assert_eq!(trust["mediaType"], CLIENT_TRUST_CONFIG);
        }
    }
}
