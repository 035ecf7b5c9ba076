//! Files: signed, attested, verified, inspected.

use serde_json::{Value, json};
use sign_sandbox::RekorVersion;

use crate::support::{CYCLONEDX, EMAIL, Fixture, spdx};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_signed_and_verified_with_either_log() {
    for rekor in [RekorVersion::V1, RekorVersion::V2] {
        let f = Fixture::start(rekor).await;
        let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
        f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
        let verify = f.accepted(&["verify-blob", &file, "--bundle", &bundle, "--offline"]);
        let run = f.signer(&verify).await.expect(0);
        assert!(run.stdout.contains("verified signature of") && run.stdout.contains(EMAIL), "{}", run.stdout);

        let digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        f.signer(&f.accepted(&["verify-blob", digest, "--bundle", &bundle])).await.expect(0);

        let other = f.file("b.txt", "hellp");
        f.signer(&f.accepted(&["verify-blob", &other, "--bundle", &bundle]))
            .await
            .fails(1, "digest-mismatch");
        // A message signature is no statement.
        let typed = f.accepted(&["verify-blob", &file, "--bundle", &bundle, "--type", "cyclonedx"]);
        f.signer(&typed).await.fails(1, "predicate-type-mismatch");
    }
}

/// Whoever may write into the working directory must not choose what a digest stands for.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_a_digest_whatever_files_there_are() {
    let f = Fixture::start(RekorVersion::V2).await;
    let wanted = format!("sha256:{}", "0".repeat(64));
    let (file, bundle) = (f.file(&wanted, "hello"), f.path("a.json").display().to_string());
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let verify = |name: &str| {
        let mut command = f.command();
        command.current_dir(f.folder.path());
        command.args(f.accepted(&["verify-blob", name, "--bundle", &bundle, "--offline"]));
        async move { command.output().await.unwrap().status.code() }
    };
    assert_eq!(verify(&wanted).await, Some(1));
    assert_eq!(verify("sha1:no-digest").await, Some(2));
    assert_eq!(verify(&format!("./{wanted}")).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_needed_and_is_compared() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let verify = |identity: &[&str]| {
        let arguments: Vec<String> = ["verify-blob", &file, "--bundle", &bundle]
            .iter()
            .chain(identity)
            .map(|word| (*word).to_owned())
            .collect();
        let f = &f;
        async move { f.signer(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let issuer = f.issuer();
    verify(&[]).await.fails(2, "identity-required");
    verify(&["--certificate-identity", EMAIL]).await.fails(2, "identity-required");
    verify(&["--certificate-oidc-issuer", issuer]).await.fails(2, "identity-required");
    let wrong = ["--certificate-identity", "mallory@example.com", "--certificate-oidc-issuer", issuer];
    verify(&wrong).await.fails(1, "identity-mismatch");
    let wrong = ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", "https://example.com"];
    verify(&wrong).await.fails(1, "issuer-mismatch");
    let wrong = ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", "none"];
    verify(&wrong).await.fails(1, "issuer-mismatch");
    let prefix = ["--certificate-identity-regexp", "dev@example", "--certificate-oidc-issuer", issuer];
    verify(&prefix).await.fails(1, "identity-mismatch");
    let whole = ["--certificate-identity-regexp", r"dev@example\.com", "--certificate-oidc-issuer", issuer];
    verify(&whole).await.expect(0);
    let broad = ["--certificate-identity-regexp", ".*", "--certificate-oidc-issuer", issuer];
    verify(&broad).await.fails(2, "pattern-too-broad");
    // Pairs by position, never a cross product.
    let pairs = [
        "--certificate-identity",
        EMAIL,
        "--certificate-oidc-issuer",
        "https://example.com",
        "--certificate-identity",
        "mallory@example.com",
        "--certificate-oidc-issuer",
        issuer,
    ];
    assert_eq!(verify(&pairs).await.status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_about_a_file_keeps_its_predicate_byte_for_byte() {
    for rekor in [RekorVersion::V1, RekorVersion::V2] {
        let f = Fixture::start(rekor).await;
        let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
        let sbom = f.file("sbom.json", CYCLONEDX);
        f.signer(&["attest-blob", &file, "--predicate", &sbom, "--bundle", &bundle]).await.expect(0);
        let verify =
            f.accepted(&["verify-blob", &file, "--bundle", &bundle, "--type", "cyclonedx", "-o", "json"]);
        let verdict = f.signer(&verify).await.expect(0).json();
        assert_eq!(verdict["outcome"], "accepted");
        assert_eq!(verdict["schemaVersion"], 1);
        assert_eq!(verdict["results"][0]["predicateType"], "https://cyclonedx.org/bom");
        assert!(
            verdict["results"][0]["checks"].as_array().is_some_and(|checks| checks.len() >= 5),
            "{verdict}"
        );

        let bundle: Value = serde_json::from_slice(&std::fs::read(f.path("a.json")).unwrap()).unwrap();
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        let payload = base64_decode(payload);
        assert!(
            payload.windows(CYCLONEDX.len()).any(|w| w == CYCLONEDX.as_bytes()),
            "the predicate was rewritten"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_tells_claims_from_proof() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let run = f.signer(&["inspect", &bundle]).await.expect(0);
    assert!(
        run.stdout.contains("Claimed by the bundle:") && run.stdout.contains("Proven against"),
        "{}",
        run.stdout
    );
    // Against another root, the same bundle proves nothing, and inspect says so.
    let run = f.signer_with(&["inspect", &bundle, "-o", "json"], &[("SIGNER_TRUST_CONFIG", "")]).await;
    assert_eq!(run.status, 2, "an empty file name is not a trust config: {}", run.stdout);
    let other = Fixture::start(RekorVersion::V2).await;
    let run = other.signer(&["inspect", &bundle]).await.expect(0);
    assert!(run.stdout.contains("Not proven:"), "{}", run.stdout);
    // Shown, and not accepted: nobody can take this for a verdict.
    let document = other.signer(&["inspect", &bundle, "-o", "json"]).await.expect(0).json();
    for claim in ["signature", "identity", "issuer", "messageDigest"] {
        assert_eq!(document["results"][0]["proven"][claim], false, "{claim}");
    }
    assert_eq!((&document["outcome"], &document["results"][0]["outcome"]), (&json!("done"), &json!("done")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_sbom_is_attested_and_verified() {
    for rekor in [RekorVersion::V1, RekorVersion::V2] {
        let f = Fixture::start(rekor).await;
        let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
        let sbom = f.file("sbom.json", spdx(5 << 20));
        f.signer(&["attest-blob", &file, "--predicate", &sbom, "--bundle", &bundle]).await.expect(0);
        f.signer(&f.accepted(&["verify-blob", &file, "--bundle", &bundle, "--type", "spdx"])).await.expect(0);
    }
}

pub fn base64_decode(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (Vec::new(), 0, 0u32);
    for byte in text.bytes().filter(|&b| b != b'=') {
        held = held << 6 | ALPHABET.iter().position(|&a| a == byte).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
        }
    }
    out
}
