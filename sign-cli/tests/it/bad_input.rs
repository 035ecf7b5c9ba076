//! Wrong input: refused before anybody is asked for anything, and said in a way that helps.

use sign_sandbox::{RekorVersion, Sandbox, SandboxOptions, TokenChanges};

use crate::support::{CYCLONEDX, Fixture};

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_cannot_be_attested() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let cases = [
        ("not json", &["--type", "auto"][..], "invalid-json"),
        ("<bom/>", &[], "invalid-json"),
        ("[]", &[], "invalid-json"),
        (r#"{"a":1,"a":2}"#, &["--type", "https://example.com/p"], "invalid-json"),
        ("{}", &[], "predicate-unknown"),
        (CYCLONEDX, &["--type", "spdx"], "predicate-mismatch"),
        (CYCLONEDX, &["--type", "word"], "invalid-argument"),
        (r#"{"spdxVersion":"SPDX-2.3"}"#, &[], "predicate-mismatch"),
    ];
    for (content, extra, code) in cases {
        let file = f.file("doc.json", content);
        let arguments = [&["attest", &image, "--predicate", &file][..], extra].concat();
        f.signer(&arguments).await.fails(2, code);
    }
    f.signer(&["attest", &image, "--predicate", "/nonexistent/sbom.json"]).await.fails(2, "file-unreadable");
    f.signer(&["attest", &image]).await.expect(2);
    for statement in [
        r#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://example.com/p"}"#,
        r#"{"predicateType":"https://example.com/p"}"#,
        "[]",
    ] {
        let file = f.file("statement.json", statement);
        f.signer(&["attest", &image, "--statement", &file]).await.fails(2, "invalid-statement");
    }
    let tree = f.signer(&["tree", &image]).await.expect(0);
    assert!(tree.stdout.contains("nothing attached"));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_not_there() {
    let f = Fixture::start(RekorVersion::V2).await;
    let registry = f.sandbox.urls().registry.clone();
    f.signer(&["sign", &format!("{registry}/none:1")]).await.fails(2, "subject-not-found");
    f.signer(&f.accepted(&["verify", &format!("{registry}/none:1")])).await.fails(2, "subject-not-found");
    f.signer(&["sign", "UPPER CASE"]).await.fails(2, "invalid-argument");
    f.signer(&["sign", "oci-layout:/nonexistent:1"]).await.expect(2);
    // Nobody listens there: that is no answer about the image.
    let verify = f.accepted(&["verify", "127.0.0.1:1/app:1", "--timeout", "1"]);
    f.signer(&verify).await.fails(3, "service-unavailable");
    let offline = f.accepted(&["verify", "127.0.0.1:1/app:1", "--offline"]);
    f.signer(&offline).await.fails(2, "offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_cannot_sign() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("out.json").display().to_string());
    let sign = |token: String| {
        let (f, file, bundle) = (&f, file.clone(), bundle.clone());
        async move { f.signer(&["sign-blob", &file, "--bundle", &bundle, "--identity-token", &token]).await }
    };
    let expired = TokenChanges { lifetime: Some(-60), ..TokenChanges::default() };
    sign(f.token(expired)).await.fails(2, "token-invalid");
    let audience = TokenChanges { audience: Some("someone-else".into()), ..TokenChanges::default() };
    sign(f.token(audience)).await.fails(2, "token-invalid");
    let nobody = TokenChanges { omit: vec!["email".into(), "sub".into()], ..TokenChanges::default() };
    sign(f.token(nobody)).await.fails(2, "token-invalid");
    sign("not-a-token-and-not-a-file".into()).await.expect(2);
    sign(f.file("garbage", "a.b.c")).await.fails(2, "token-invalid");
    // Only the issuer can see that this one is refused.
    let unverified = TokenChanges { email_verified: Some(false), ..TokenChanges::default() };
    let run = sign(f.token(unverified)).await;
    assert!(matches!(run.status, 2 | 3), "{}", run.stderr);
    assert!(!f.path("out.json").exists(), "a bundle was written without a signature");
    let run =
        f.signer_with(&["sign-blob", &file, "--bundle", &bundle], &[("SIGNER_IDENTITY_TOKEN", "")]).await;
    assert_eq!(run.status, 2, "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_and_command_lines_that_make_no_sense() {
    let f = Fixture::start(RekorVersion::V2).await;
    let file = f.file("a.txt", "hello");
    for (content, code) in [("", "bundle-malformed"), ("{}", "bundle-malformed"), ("[]", "bundle-malformed")]
    {
        let bundle = f.file("b.json", content);
        f.signer(&f.accepted(&["verify-blob", &file, "--bundle", &bundle])).await.fails(1, code);
    }
    f.signer(&f.accepted(&["verify-blob", &file, "--bundle", "/nonexistent"]))
        .await
        .fails(2, "file-unreadable");
    f.signer(&["frobnicate"]).await.expect(2);
    let run = f.signer(&["verify", "--no-such-flag", "-o", "json"]).await.expect(2);
    assert_eq!(run.json()["outcome"], "usage");
    let run = f.signer(&f.accepted(&["verify-blob", &file, "--bundle", "/nonexistent", "-o", "json"])).await;
    assert_eq!((run.status, run.json()["code"].as_str()), (2, Some("file-unreadable")));
    let both = f.accepted(&["verify-blob", &file, "--bundle", &file, "--certificate-identity-regexp", "x"]);
    f.signer(&both).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_said_to_be_taken() {
    let taken = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let port = taken.urls().registry.rsplit(':').next().unwrap().to_owned();
    let f = Fixture::start(RekorVersion::V2).await;
    f.signer(&["sandbox", "up", "--registry-port", &port]).await.fails(2, "port-taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_does_not_reach_a_terminal_raw() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let sneaky = f.signer(&["sign", &image, "-a", "x=\u{1b}[2Jevil\u{202e}"]).await.expect(0);
    let tree = f.signer(&["verify", "a\u{1b}[31mb"]).await;
    for text in [sneaky.stdout, sneaky.stderr, tree.stdout, tree.stderr] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_inside_a_sandbox_and_its_status_is_ours() {
    let f = Fixture::start(RekorVersion::V2).await;
    let run =
        f.signer(&["sandbox", "run", "--", "sh", "-c", "test -s \"$SIGNER_IDENTITY_TOKEN\" && exit 7"]).await;
    assert_eq!(run.status, 7, "{}", run.stderr);
}
