//! Wrong input: refused before anybody is asked for anything, and said in a way that helps.

use sign_sandbox::{RekorVersion, TokenChanges};

use crate::support::{CYCLONEDX, EMAIL, Fixture};

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
        ("{}", &["--type", "https://example.com/a\u{1b}b"], "invalid-argument"),
        ("{}", &["--type", "https://example.com/a b"], "invalid-argument"),
        (r#"{"spdxVersion":"SPDX-2.3"}"#, &[], "predicate-mismatch"),
        (r#"{"bomFormat":"CycloneDX","spdxVersion":"SPDX-2.3"}"#, &[], "predicate-unknown"),
        (
            r#"{"builder":{"id":"https://example.com/b"},"recipe":{}}"#,
            &["--type", "slsaprovenance"],
            "predicate-mismatch",
        ),
    ];
    for (content, extra, code) in cases {
        let file = f.file("doc.json", content);
        let arguments = [&["attest", &image, "--predicate", &file][..], extra].concat();
        f.refuses(&arguments, 2, code).await;
    }
    f.refuses(&["attest", &image, "--predicate", "/nonexistent/sbom.json"], 2, "file-unreadable").await;
    f.refuses(&["attest", &image], 2, "invalid-argument").await;
    for statement in [
        r#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://example.com/p"}"#,
        r#"{"predicateType":"https://example.com/p"}"#,
        "[]",
    ] {
        let file = f.file("statement.json", statement);
        f.refuses(&["attest", &image, "--statement", &file], 2, "invalid-statement").await;
    }
    f.bare(&image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_not_there() {
    let f = Fixture::start(RekorVersion::V2).await;
    let none = format!("{}/none:1", f.sandbox.urls().registry);
    let sbom = f.file("sbom.json", CYCLONEDX);
    f.refuses(&["sign", &none], 2, "subject-not-found").await;
    f.refuses(&["attest", &none, "--predicate", &sbom], 2, "subject-not-found").await;
    f.refuses(&["tree", &none], 2, "subject-not-found").await;
    f.refuses(&f.accepted(&["verify", &none]), 2, "subject-not-found").await;
    for text in ["user:p4ss@ghcr.io/x", "user:p4ss@p4ss@ghcr.io/x", "user:p4ss@ghcr.io/x@sha256:0"] {
        for arguments in [vec!["sign", text], vec!["tree", text], f.accepted(&["verify", text])] {
            let run = f.signer(&arguments).await.fails(2, "invalid-argument");
            assert!(!run.stderr.contains("p4ss"), "{}", run.stderr);
        }
    }
    f.refuses(&["sign", "UPPER CASE"], 2, "invalid-argument").await;
    f.refuses(&["sign", "oci-layout:/nonexistent:1"], 2, "subject-not-found").await;
    // One that is there does not get signed beside one that is not.
    let image = f.image("team/app");
    f.refuses(&["sign", &image, &none], 2, "subject-not-found").await;
    f.bare(&image).await;
    // Nobody listens there: that is no answer about the image.
    f.refuses(&f.accepted(&["verify", "127.0.0.1:1/app:1", "--timeout", "1"]), 3, "service-unavailable")
        .await;
    f.refuses(&f.accepted(&["verify", "127.0.0.1:1/app:1", "--offline"]), 2, "offline").await;
    f.refuses(&["sign", &image, "--offline"], 2, "offline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_cannot_sign() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("out.json").display().to_string());
    let changed =
        |changes: TokenChanges| f.sandbox.token_with(&sign_sandbox::Identity::email(EMAIL), &changes);
    let cases = [
        changed(TokenChanges { lifetime: Some(-60), ..TokenChanges::default() }),
        changed(TokenChanges { audience: Some("someone-else".into()), ..TokenChanges::default() }),
        changed(TokenChanges { omit: vec!["email".into(), "sub".into()], ..TokenChanges::default() }),
        "a.b.c".into(),
        "not-a-token-and-not-a-file".into(),
        String::new(),
    ];
    let first = f.next_log_index().await;
    for token in cases {
        let identity = format!("--identity-token={token}");
        f.refuses(&["sign-blob", &file, "--bundle", &bundle, &identity], 2, "token-invalid").await;
        f.refuses(&["sign", &image, &identity], 2, "token-invalid").await;
    }
    let unverified = changed(TokenChanges { email_verified: Some(false), ..TokenChanges::default() });
    let identity = format!("--identity-token={unverified}");
    f.refuses(&["sign", &image, &identity], 2, "token-invalid").await;
    // Where the token is from, and what is wrong with it, each said once.
    let told = f.signer(&["sign", &image, &identity]).await.stderr;
    let sentence = "error: the argument given: the e-mail address of the identity token is not verified";
    assert!(told.contains(sentence), "{told}");
    assert!(!f.path("out.json").exists(), "a bundle was written without a signature");
    f.bare(&image).await;
    assert_eq!(f.next_log_index().await, first + 1, "something was logged in between");
    let nobody =
        f.command().env_remove("SIGNER_IDENTITY_TOKEN").args(["sign", &image]).output().await.unwrap();
    assert_eq!(nobody.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("[token-missing]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_an_image_as_somebody_it_is_not_from() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let sbom = f.file("sbom.json", CYCLONEDX);
    f.signer(&["attest", &image, "--predicate", &sbom]).await.expect(0);
    // An SBOM attestation is no signature, whoever made it.
    f.refuses(&f.accepted(&["verify", &image]), 1, "predicate-type-mismatch").await;
    f.signer(&["sign", &image]).await.expect(0);
    let identity = |san: &'static str| ["--certificate-identity", san];
    let issuer = |url| ["--certificate-oidc-issuer", url];
    let verify = |more: &[&'static str]| [vec!["verify"], more.to_vec()].concat();
    let cases: [(Vec<&str>, i32, &str); 5] = [
        (verify(&[]), 2, "identity-required"),
        (verify(&identity(EMAIL)), 2, "identity-required"),
        ([verify(&identity("m@example.com")), issuer(f.issuer()).to_vec()].concat(), 1, "identity-mismatch"),
        ([verify(&identity(EMAIL)), issuer("https://example.com").to_vec()].concat(), 1, "issuer-mismatch"),
        ([verify(&identity(EMAIL)), issuer("none").to_vec()].concat(), 1, "issuer-mismatch"),
    ];
    for (arguments, status, code) in cases {
        f.refuses(&[&arguments[..], &[&image]].concat(), status, code).await;
    }
    f.signer(&f.accepted(&["verify", &image])).await.expect(0);
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
    for (option, value) in [("--ca-file", "/nonexistent"), ("--ca-file", &file), ("--repository", "foo")] {
        let run = f.signer(&f.accepted(&["verify-blob", &file, "--bundle", &file, option, value])).await;
        assert!(run.stderr.contains(value), "{}", run.stderr);
        run.expect(2);
    }
    let both = f.accepted(&["verify-blob", &file, "--bundle", &file, "--certificate-identity-regexp", "x"]);
    f.signer(&both).await.expect(2);
}
