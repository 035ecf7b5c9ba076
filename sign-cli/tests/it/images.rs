//! Images: in a registry with and without the referrers API, and in layouts.

use std::path::Path;

use sign_sandbox::{RegistryAuth, RegistryOptions, RekorVersion, image};

use crate::support::{CYCLONEDX, EMAIL, Fixture, PROVENANCE};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_signed_attested_and_verified() {
    for (rekor, referrers_api) in
        [(RekorVersion::V1, true), (RekorVersion::V2, true), (RekorVersion::V2, false)]
    {
        let f = Fixture::with_registry(rekor, RegistryOptions { referrers_api, ..Default::default() }).await;
        let image = f.image("team/app");
        let verify = f.accepted(&["verify", &image]);
        f.signer(&verify).await.fails(1, "no-signatures");

        let (sbom, provenance) = (f.file("sbom.json", CYCLONEDX), f.file("provenance.json", PROVENANCE));
        f.signer(&["attest", &image, "--predicate", &sbom, "--predicate", &provenance]).await.expect(0);
        // An attestation never passes for a signature.
        f.signer(&verify).await.fails(1, "predicate-type-mismatch");

        let signed = f.signer(&["sign", &image, "-a", "build=7", "-o", "json"]).await.expect(0).json();
        assert_eq!(signed["results"].as_array().map(Vec::len), Some(1));
        f.signer(&verify).await.expect(0);
        f.signer(&f.accepted(&["verify", &image, "-a", "build=7"])).await.expect(0);
        f.signer(&f.accepted(&["verify", &image, "-a", "build=8"])).await.fails(1, "claim-mismatch");

        let both =
            f.accepted(&["verify", &image, "--type", "cyclonedx", "--type", "slsaprovenance1", "-o", "json"]);
        let verdict = f.signer(&both).await.expect(0).json();
        assert_eq!(verdict["results"][0]["verified"].as_array().map(Vec::len), Some(2), "{verdict}");
        let missing = f.accepted(&["verify", &image, "--type", "cyclonedx", "--type", "spdx"]);
        f.signer(&missing).await.fails(1, "predicate-type-mismatch");
        let mallory = [
            "verify",
            &image,
            "--certificate-identity",
            "m@example.com",
            "--certificate-oidc-issuer",
            f.issuer(),
        ];
        f.signer(&mallory).await.fails(1, "identity-mismatch");

        let tree = f.signer(&["tree", &image]).await.expect(0);
        for uri in [
            "https://cyclonedx.org/bom",
            "https://slsa.dev/provenance/v1",
            "https://sigstore.dev/cosign/sign/v1",
        ] {
            assert!(tree.stdout.contains(uri), "{uri} is missing in {}", tree.stdout);
        }
    }
}

/// How many statements are attached is up to whoever may push, and so must not decide unnoticed which file
/// has the result.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_predicate_never_leaves_an_old_file_as_the_result() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("app");
    let sbom = f.file("sbom.json", CYCLONEDX);
    let out = f.path("out.json").display().to_string();
    let verify = f.accepted(&["verify", &image, "--type", "cyclonedx", "--write-predicate", &out]);
    for _ in 0..2 {
        f.signer(&["attest", &image, "--predicate", &sbom]).await.expect(0);
        f.signer(&verify).await.expect(0);
        assert_eq!(std::fs::read_to_string(&out).unwrap(), CYCLONEDX);
    }
    let other = f.file("other.json", CYCLONEDX.replace("left-pad", "right-pad"));
    f.signer(&["attest", &image, "--predicate", &other]).await.expect(0);
    f.signer(&verify).await.fails(2, "invalid-argument");
    assert!(!f.path("out.1.json").exists() && !f.path("out.2.json").exists());
    std::fs::remove_file(&out).unwrap();
    f.signer(&verify).await.expect(0);
    assert!(f.path("out.1.json").exists() && f.path("out.2.json").exists() && !f.path("out.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_images_share_one_certificate() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (one, two) = (f.image("one"), f.image("two"));
    let bundle = f.path("out.json").display().to_string();
    f.signer(&["sign", &one, &two, "--bundle", &bundle]).await.expect(0);
    let certificate = |name: &str| {
        let bundle: serde_json::Value =
            serde_json::from_slice(&std::fs::read(f.path(name)).unwrap()).unwrap();
        bundle["verificationMaterial"]["certificate"]["rawBytes"].as_str().unwrap().to_owned()
    };
    assert_eq!(certificate("out.1.json"), certificate("out.2.json"));
    f.signer(&f.accepted(&["verify", &one, &two])).await.expect(0);
    // 1 beats 3 beats 0: a good image beside an unsigned one is a rejection.
    let unsigned = f.image("three");
    assert_eq!(f.signer(&f.accepted(&["verify", &one, &unsigned])).await.status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_digest_under_several_names_is_signed_once() {
    for rekor in [RekorVersion::V1, RekorVersion::V2] {
        let f = Fixture::start(rekor).await;
        let image = f.image("app");
        let layout = f.path("layout-app");
        for (repository, tag) in [("app", "latest"), ("mirror/app", "1")] {
            f.sandbox.load_image(&layout, "1", repository, tag).unwrap();
        }
        let registry = &f.sandbox.urls().registry;
        let (latest, mirror) = (format!("{registry}/app:latest"), format!("{registry}/mirror/app:1"));
        let names = [image.as_str(), &latest, &mirror];
        let signed = f.signer(&[&["sign", "-o", "json"], &names[..]].concat()).await.expect(0).json();
        let results = signed["results"].as_array().unwrap();
        assert_eq!(results.len(), 3);
        assert!(results.iter().all(|result| result["logIndex"] == results[0]["logIndex"]), "{signed}");
        f.signer(&f.accepted(&[&["verify"], &names[..]].concat())).await.expect(0);
        let tree = f.signer(&["tree", &image, "-o", "json"]).await.expect(0).json();
        assert_eq!(tree["results"][0]["referrers"].as_array().map(Vec::len), Some(1), "{tree}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_platform_of_an_index_is_signed() {
    let f = Fixture::start(RekorVersion::V2).await;
    let content = f.file("content", "hello");
    let layout = f.path("layout");
    image::write_multi_platform_layout(&layout, Path::new(&content), "1").unwrap();
    let image = format!("oci-layout:{}:1", layout.display());
    let signed = f.signer(&["sign", &image, "--all-platforms", "-o", "json"]).await.expect(0).json();
    assert_eq!(signed["results"].as_array().map(Vec::len), Some(3), "index and two platforms: {signed}");
    let verdict =
        f.signer(&f.accepted(&["verify", &image, "--all-platforms", "-o", "json"])).await.expect(0).json();
    let platforms: Vec<_> =
        verdict["results"].as_array().unwrap().iter().filter_map(|r| r["platform"].as_str()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64/v8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_found_used_and_asked_for() {
    for auth in [
        RegistryAuth::Basic { username: "u".into(), password: "p4ss".into() },
        RegistryAuth::Token { username: "u".into(), password: "p4ss".into() },
    ] {
        let f =
            Fixture::with_registry(RekorVersion::V2, RegistryOptions { auth, ..Default::default() }).await;
        let image = f.image("team/app");
        let refused = f.signer(&["sign", &image]).await.fails(3, "credentials-refused");
        assert!(!refused.stderr.contains("p4ss"));
        let good = [("SIGNER_REGISTRY_USERNAME", "u"), ("SIGNER_REGISTRY_PASSWORD", "p4ss")];
        f.signer_with(&["sign", &image], &good).await.expect(0);
        f.signer_with(&f.accepted(&["verify", &image]), &good).await.expect(0);
        let bad = [("SIGNER_REGISTRY_USERNAME", "u"), ("SIGNER_REGISTRY_PASSWORD", "wr0ng")];
        let refused = f.signer_with(&["sign", &image], &bad).await.fails(3, "credentials-refused");
        assert!(!refused.stderr.contains("wr0ng"));
        // base64 of "u:p4ss", as `docker login` writes it
        let registry = &f.sandbox.urls().registry;
        std::fs::create_dir_all(f.path(".docker")).unwrap();
        f.file(".docker/config.json", format!(r#"{{"auths":{{"{registry}":{{"auth":"dTpwNHNz"}}}}}}"#));
        f.signer(&f.accepted(&["verify", &image])).await.expect(0);
    }
}

/// Neither registry is asked for anything: which of the two the credentials are for is not known.
#[tokio::test(flavor = "multi_thread")]
async fn given_credentials_go_to_one_registry() {
    let auth = || RegistryAuth::Basic { username: "u".into(), password: "p4ss".into() };
    let options = || RegistryOptions { auth: auth(), ..Default::default() };
    let f = Fixture::with_registry(RekorVersion::V2, options()).await;
    let image = f.image("team/app");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = format!("{}/app", listener.local_addr().unwrap());
    let given = [("SIGNER_REGISTRY_USERNAME", "u"), ("SIGNER_REGISTRY_PASSWORD", "p4ss")];
    let token = [("SIGNER_REGISTRY_TOKEN", "p4ss")];
    for arguments in [
        f.accepted(&["verify", &image, &other]),
        f.accepted(&["verify", &other, &image]),
        f.accepted(&["verify", &image, "--attachment-repository", &other]),
        vec!["sign", &image, &other],
        vec!["tree", &image, "--attachment-repository", &other],
    ] {
        for environment in [&given[..], &token] {
            let run = f.signer_with(&arguments, environment).await.fails(2, "invalid-argument");
            assert!(run.stderr.contains(&other[..other.len() - 4]), "{}", run.stderr);
        }
    }
    let asked = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(asked.is_err(), "the other registry was asked");
    f.signer_with(&["sign", &image, &image], &given).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_can_live_in_another_repository() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let elsewhere = format!("{}/signatures", f.sandbox.urls().registry);
    f.signer(&["sign", &image, "--attachment-repository", &elsewhere]).await.expect(0);
    f.signer(&f.accepted(&["verify", &image])).await.fails(1, "no-signatures");
    f.signer(&f.accepted(&["verify", &image, "--attachment-repository", &elsewhere])).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_the_callers_own_must_name_the_image() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let tree = f.signer(&["tree", &image, "-o", "json"]).await.expect(0).json();
    let digest = tree["results"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let statement = |hex: &str| {
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}}}}],"predicateType":"https://example.com/p","predicate":{{"by":"{EMAIL}"}}}}"#
        )
    };
    let good = f.file("good.json", statement(&digest));
    f.signer(&["attest", &image, "--statement", &good]).await.expect(0);
    f.signer(&f.accepted(&["verify", &image, "--type", "https://example.com/p"])).await.expect(0);
    let bad = f.file("bad.json", statement(&"0".repeat(64)));
    f.signer(&["attest", &image, "--statement", &bad]).await.fails(2, "subject-missing");
    // A type that is known is held to what it promises, in a whole statement too.
    let vex = statement(&digest).replace("https://example.com/p", "https://openvex.dev/ns");
    let vex = f.file("vex.json", vex);
    f.signer(&["attest", &image, "--statement", &vex]).await.fails(2, "predicate-mismatch");
}
