//! A whole sandbox, from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sign_sandbox::{
    Clock, Fault, Faults, Identity, RekorVersion, Sandbox, SandboxError, SandboxOptions, TokenChanges,
};
use sigstore_trust_root::{SigningConfig, TrustedRoot};
use url::Url;

async fn start() -> Sandbox {
    Sandbox::start(SandboxOptions::default()).await.unwrap()
}

async fn get(url: &str) -> (u16, String) {
    let response = reqwest::get(url).await.unwrap_or_else(|e| panic!("{url}: {e}"));
    (response.status().as_u16(), response.text().await.unwrap())
}

/// A port such that the next ones are probably free, too: outside the range that port 0 draws from.
fn some_port() -> u16 {
    (20_000..30_000)
        .step_by(16)
        .map(|port| port + u16::try_from(std::process::id() % 8).unwrap())
        .find(|port| (*port..port + 9).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .unwrap()
}

#[tokio::test]
async fn every_service_answers() {
    let sandbox = start().await;
    let urls = sandbox.urls();
    for (base, path) in [
        (&urls.oidc, "/.well-known/openid-configuration"),
        (&urls.oidc_github, "/.well-known/openid-configuration"),
        (&urls.fulcio, "/api/v2/trustBundle"),
        (&urls.rekor1, "/api/v1/log"),
        (&urls.rekor2, "/api/v2/checkpoint"),
        (&urls.tsa, "/api/v1/timestamp/certchain"),
        (&urls.ct, "/ct/v1/get-sth"),
        (&urls.tuf, "/timestamp.json"),
        (&format!("http://{}", urls.registry), "/v2/"),
    ] {
        let url = format!("{base}{path}");
        let (status, body) = get(&url).await;
        assert_eq!(status, 200, "{url}: {body}");
        assert!(Url::parse(&url).unwrap().host_str() == Some("127.0.0.1"), "{url}");
    }
    // Each has a port of its own.
    let ports: BTreeSet<_> = [
        &urls.oidc,
        &urls.fulcio,
        &urls.rekor1,
        &urls.rekor2,
        &urls.tsa,
        &urls.ct,
        &urls.tuf,
        &format!("http://{}", urls.registry),
    ]
    .map(|url| Url::parse(url).unwrap().port().unwrap())
    .into();
    assert_eq!(ports.len(), 8);
    for issuer in [&urls.oidc, &urls.oidc_github] {
        let (_, document) = get(&format!("{issuer}/.well-known/openid-configuration")).await;
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["issuer"], issuer.as_str());
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn the_files_say_what_the_sandbox_says() {
    let sandbox = start().await;
    let read = |name: &str| std::fs::read_to_string(sandbox.data().join(name)).unwrap();
    assert_eq!(read("trusted_root.json"), sandbox.trusted_root());
    for (number, rekor) in [(1, RekorVersion::V1), (2, RekorVersion::V2)] {
        assert_eq!(read(&format!("signing_config.rekor{number}.json")), sandbox.signing_config(rekor));
        assert_eq!(read(&format!("trust_config.rekor{number}.json")), sandbox.trust_config(rekor));
    }
    let urls: Value = serde_json::from_str(&read("urls.json")).unwrap();
    assert_eq!(urls, serde_json::to_value(sandbox.urls()).unwrap());
    assert_eq!(get(&format!("{}/1.root.json", sandbox.urls().tuf)).await, (200, read("tuf_root.json")));

    let root = TrustedRoot::from_json(sandbox.trusted_root()).unwrap();
    let urls = sandbox.urls();
    let logs: Vec<_> = root.tlogs.iter().map(|log| log.base_url.as_str()).collect();
    assert_eq!(logs, [&urls.rekor1, &urls.rekor2]);
    assert_eq!(root.rekor_keys().unwrap().len(), 2);
    // The chain in the trusted root is the one Fulcio hands out.
    let (_, bundle) = get(&format!("{}/api/v2/trustBundle", urls.fulcio)).await;
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    assert_eq!(bundle["chains"][0]["certificates"].as_array().unwrap().len(), root.fulcio_certs().len());
    let config = SigningConfig::from_json(sandbox.signing_config(RekorVersion::V2)).unwrap();
    assert_eq!(config.rekor_url(None).unwrap().url, urls.rekor2);

    let data = sandbox.data().to_owned();
    sandbox.stop().await;
    assert!(!data.exists());
}

#[tokio::test]
async fn a_directory_that_was_given_is_kept() {
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("data");
    let options = SandboxOptions { data: Some(data.clone()), ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options.clone()).await.unwrap();
    let first = sandbox.trusted_root().to_owned();
    drop(sandbox);
    assert_eq!(std::fs::read_to_string(data.join("trusted_root.json")).unwrap(), first);
    // A second one there has new keys.
    let sandbox = Sandbox::start(options).await.unwrap();
    let second = std::fs::read_to_string(data.join("trusted_root.json")).unwrap();
    assert_eq!(second, sandbox.trusted_root());
    assert_ne!(second, first);
    let mut names: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "sandbox.lock",
            "signing_config.rekor1.json",
            "signing_config.rekor2.json",
            "trust_config.rekor1.json",
            "trust_config.rekor2.json",
            "trusted_root.json",
            "tuf_root.json",
            "urls.json"
        ]
    );
}

#[tokio::test]
async fn ports_follow_each_other_and_are_free_again() {
    let first = some_port();
    let options =
        SandboxOptions { port: Some(first), registry_port: Some(first + 7), ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options.clone()).await.unwrap();
    let urls = sandbox.urls().clone();
    let services = [&urls.oidc, &urls.fulcio, &urls.rekor1, &urls.rekor2, &urls.tsa, &urls.ct, &urls.tuf];
    for (port, url) in (first..).zip(services) {
        assert_eq!(*url, format!("http://127.0.0.1:{port}"));
    }
    assert_eq!(urls.registry, format!("127.0.0.1:{}", first + 7));

    // The very same again, and the registry's port alone.
    let error = Sandbox::start(options.clone()).await.unwrap_err();
    assert!(matches!(error, SandboxError::PortTaken { port } if port == first), "{error}");
    let registry = SandboxOptions { registry_port: Some(first + 7), ..SandboxOptions::default() };
    let error = Sandbox::start(registry).await.unwrap_err();
    assert!(matches!(error, SandboxError::PortTaken { port } if port == first + 7), "{error}");

    // A client that stays connected and silent, and one that was answered, do not hold the sandbox up.
    let _silent = TcpStream::connect(("127.0.0.1", first)).unwrap();
    let (status, _) = get(&format!("{}/timestamp.json", urls.tuf)).await;
    assert_eq!(status, 200);
    sandbox.stop().await;
    for port in first..first + 8 {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{port} still answers");
    }
    let again = Sandbox::start(options).await.unwrap();
    assert_eq!(again.urls(), &urls);
    again.stop().await;
}

#[tokio::test]
async fn there_is_no_port_after_the_last() {
    let options = SandboxOptions { port: Some(u16::MAX - 5), ..SandboxOptions::default() };
    assert!(matches!(Sandbox::start(options).await, Err(SandboxError::Other(_))));
}

#[tokio::test]
async fn a_dropped_sandbox_ends() {
    let sandbox = start().await;
    let port = Url::parse(&sandbox.urls().tuf).unwrap().port().unwrap();
    let data = sandbox.data().to_owned();
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let answered = tokio::task::spawn_blocking(move || {
        connection.write_all(b"GET /nothing HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        connection
    });
    let mut connection = answered.await.unwrap();
    drop(sandbox);
    assert!(!data.exists());
    // The connection that was kept alive ends, and there is no new one.
    let ended = tokio::task::spawn_blocking(move || connection.read_to_end(&mut Vec::new()));
    ended.await.unwrap().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[tokio::test]
async fn faults_reach_the_services() {
    let faults = Faults::default();
    let sandbox =
        Sandbox::start(SandboxOptions { faults: faults.clone(), ..SandboxOptions::default() }).await.unwrap();
    let signing = format!("{}/api/v2/signingCert", sandbox.urls().fulcio);
    let post =
        || async { reqwest::Client::new().post(&signing).body("{}").send().await.unwrap().status().as_u16() };
    let refused = post().await;
    assert_ne!(refused, 500);
    faults.set(Fault::FulcioDown);
    assert_eq!(post().await, 500);
    sandbox.faults().clear();
    assert_eq!(post().await, refused);
}

#[tokio::test]
async fn tokens_are_for_who_was_asked() {
    let clock = Clock::new(|| "2026-03-04T05:06:07Z".parse().unwrap());
    let sandbox = Sandbox::start(SandboxOptions { clock, ..SandboxOptions::default() }).await.unwrap();
    let claims = |token: String| -> Value {
        use base64::Engine as _;
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let email = claims(sandbox.token(&Identity::email("dev@example.com")));
    assert_eq!(
        (&email["email"], &email["iss"]),
        (&"dev@example.com".into(), &sandbox.urls().oidc.as_str().into())
    );
    assert_eq!(email["iat"], 1_772_600_767);
    let workflow = claims(sandbox.token(&Identity::workflow()));
    assert_eq!(workflow["iss"], sandbox.urls().oidc_github.as_str());
    let changes = TokenChanges { audience: Some("else".to_owned()), ..TokenChanges::default() };
    assert_eq!(claims(sandbox.token_with(&Identity::workflow(), &changes))["aud"], "else");
    // The clock is the TUF repository's, too.
    let (_, timestamp) = get(&format!("{}/timestamp.json", sandbox.urls().tuf)).await;
    let timestamp: Value = serde_json::from_str(&timestamp).unwrap();
    assert_eq!(timestamp["signed"]["expires"], "2027-03-04T05:06:07Z");
}

#[tokio::test]
async fn an_image_goes_into_the_registry() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    std::fs::write(&program, "content").unwrap();
    let layout = folder.path().join("layout");
    sign_sandbox::image::write_layout(&layout, Path::new(&program), "1").unwrap();
    let sandbox = start().await;
    let digest = sandbox.load_image(&layout, "1", "demo/image", "latest").unwrap();
    let url = format!("http://{}/v2/demo/image/manifests/latest", sandbox.urls().registry);
    let response = reqwest::get(&url).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["docker-content-digest"], digest.as_str());
    assert!(sandbox.load_image(&layout, "2", "demo/image", "latest").is_err());
}
