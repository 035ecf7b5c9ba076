//! What `verify-blob` and `inspect` say about how they came to their answer, and whom options name.

use serde_json::Value;
use sign_sandbox::{Identity, RekorVersion};

use crate::support::{EMAIL, Fixture, Run};

/// Names and outcomes of the checks at the top.
fn outcomes(checks: &Value) -> Vec<(String, String)> {
    let text = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    checks.as_array().unwrap().iter().map(|check| (text(check, "check"), text(check, "outcome"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_shows_what_passed_before_it() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let wrong = [
        "verify-blob",
        &file,
        "--bundle",
        &bundle,
        "--certificate-identity",
        "eve@example.com",
        "--certificate-oidc-issuer",
        f.issuer(),
    ];
    let run = f.signer(&wrong).await.fails(1, "identity-mismatch");
    assert!(run.stderr.contains("passed:   bundle, trusted-time, certificate; "), "{}", run.stderr);
    let run = f.signer(&[&wrong[..], &["-v"]].concat()).await.fails(1, "identity-mismatch");
    for line in ["ok   bundle: ", "ok   checkpoint: ", "FAIL identity: ", "-    signature: not reached"] {
        // The log is looked at after the identity, so nothing is said about its checkpoint.
        assert_eq!(run.stderr.contains(line), line != "ok   checkpoint: ", "{line}: {}", run.stderr);
    }

    let json = f.signer(&[&wrong[..], &["-o", "json"]].concat()).await.expect(1).json();
    let rejected = outcomes(&json["results"][0]["checks"]);
    let expected = ["passed", "passed", "passed", "failed", "skipped", "skipped", "skipped"];
    assert_eq!(rejected.iter().map(|(_, outcome)| outcome.as_str()).collect::<Vec<_>>(), expected);
    assert_eq!(json["results"][0]["checks"][3]["code"], "identity-mismatch");
    let good = f.accepted(&["verify-blob", &file, "--bundle", &bundle, "-o", "json"]);
    let json = f.signer(&good).await.expect(0).json();
    let accepted = outcomes(&json["results"][0]["checks"]);
    assert!(accepted.iter().all(|(_, outcome)| outcome == "passed"), "{accepted:?}");
    let mut names: [Vec<&String>; 2] =
        [&rejected, &accepted].map(|list| list.iter().map(|(name, _)| name).collect());
    names.iter_mut().for_each(|list| list.sort());
    assert_eq!(names[0], names[1], "both tell of the same checks");
    let entry = &json["results"][0]["logEntries"][0];
    assert_eq!((entry["kind"].as_str(), entry["version"].as_str()), (Some("hashedrekord"), Some("0.0.2")));
    assert_eq!(entry["logId"].as_str().map(str::len), Some(64));
    assert_eq!(json["results"][0]["times"][0]["source"], "timestamp-authority");
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_marks_what_is_proven() {
    let (here, there) = (Fixture::start(RekorVersion::V2).await, Fixture::start(RekorVersion::V2).await);
    let (file, bundle) = (here.file("a.txt", "hello"), here.path("a.json").display().to_string());
    here.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let signer = |mark: &str| format!("  {mark}  signer     {EMAIL}");
    let run = here.signer(&["inspect", &bundle]).await.expect(0);
    assert!(run.stdout.contains(&signer("proven")) && !run.stdout.contains("  claim  "), "{}", run.stdout);
    let run = there.signer(&["inspect", &bundle]).await.expect(0);
    assert!(run.stdout.contains(&signer("claim ")) && !run.stdout.contains("  proven "), "{}", run.stdout);
    let json = there.signer(&["inspect", &bundle, "-o", "json"]).await.expect(0).json();
    let result = &json["results"][0];
    assert_eq!(result["proven"]["signature"], false);
    assert_eq!(result["whyNotProven"]["code"], "timestamp-invalid");
    assert_eq!(result["checks"][1]["outcome"], "failed");
    // Exit status 0 is no verdict, and whoever reads it in a script is told so in both places.
    assert_eq!(result["verified"], false);
    let json = here.signer(&["inspect", &bundle, "-o", "json"]).await.expect(0).json();
    assert_eq!(json["results"][0]["verified"], false);
    let help = here.signer(&["inspect", "--help"]).await.expect(0).stdout;
    assert!(help.contains("exit status 0") && help.contains("no verification"), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_narrow_an_identity_in_either_form() {
    let f = Fixture::start(RekorVersion::V1).await;
    let token = f.file("workflow-token", f.sandbox.token(&Identity::workflow()));
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    f.signer(&["sign-blob", &file, "--bundle", &bundle, "--identity-token", &token]).await.expect(0);
    let issuer = f.sandbox.urls().oidc_github.clone();
    let verify = async |repository: &str, more: &[&str]| -> Run {
        let base = ["verify-blob", &file, "--bundle", &bundle, "--certificate-oidc-issuer", &issuer];
        f.signer(&[&base[..], &["--repository", repository], more].concat()).await
    };
    let sha = "a".repeat(40);
    for repository in ["octo-org/octo-repo", "https://github.com/octo-org/octo-repo"] {
        verify(repository, &[]).await.expect(0);
    }
    verify("octo-org/other", &[]).await.fails(1, "claim-mismatch");
    let (good, wrong): (&[[&str; 2]], &[[&str; 2]]) = (
        &[
            ["--workflow", "release"],
            ["--ref", "refs/heads/main"],
            ["--commit", &sha],
            ["--source-digest", &sha],
            ["--trigger", "push"],
            ["--runner-environment", "github-hosted"],
            ["--build-signer-digest", &sha],
            ["--claim", "sourceRepositoryOwnerIdentifier=65"],
            ["--claim", "sourceRepositoryVisibilityAtSigning=public"],
        ],
        &[
            ["--workflow", "Release"],
            ["--ref", "refs/heads/mai"],
            ["--commit", "aa"],
            ["--trigger", "pull_request"],
            ["--runner-environment", "self-hosted"],
            ["--build-signer-uri", "https://github.com/octo-org/octo-repo"],
            ["--build-signer-digest", "b"],
            ["--claim", "buildConfigDigest=b"],
            ["--claim", "deploymentEnvironment=production"],
        ],
    );
    verify("octo-org/octo-repo", &good[1..3].concat()).await.expect(0);
    for option in good {
        verify("octo-org/octo-repo", option).await.expect(0);
    }
    for option in wrong {
        verify("octo-org/octo-repo", option).await.fails(1, "claim-mismatch");
    }
    verify("octo-org/octo-repo", &["--claim", "colour=blue"]).await.fails(2, "invalid-argument");
}
