//! What is printed: one JSON document whatever happens, nothing secret, nothing that drives a terminal.

use std::process::Stdio;

use serde_json::{Value, json};
use sign_sandbox::{Fault, RegistryAuth, RegistryOptions, RekorVersion, TokenChanges};

use crate::support::{EMAIL, Fixture, Run};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_that_makes_no_sense_is_told_in_json_too() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let cases: &[(&[&str], &str, &str)] = &[
        (&["verify", "--no-such-flag"], "verify", "--no-such-flag"),
        (&["attest", &image], "attest", "--predicate"),
        (&["attest", &image], "attest", "--statement"),
        (&["sign-blob"], "sign-blob", "--bundle"),
        (&["sign", &image, "-a", "novalue"], "sign", "KEY=VALUE"),
        (&["sandbox", "up", "--fault", "no-such-fault"], "sandbox up", "rekor-down"),
        (&["sandbox", "up", "--port", "65535"], "sandbox up", "65529"),
        (&["attest", &image, "--statement", "x", "--type", "spdx"], "attest", "--predicate"),
        (&["sign", &image, "--registry-password", "x"], "sign", "--registry-username"),
        (&["sign", &image, "-a", "key=1", "-a", "key=2"], "sign", "key"),
        (&["frobnicate"], "", "frobnicate"),
        (&["verify", &image, "--instance", "public", "--trust-config", "x"], "verify", "--trust-config"),
    ];
    for (arguments, command, mentioned) in cases {
        f.signer(arguments).await.fails(2, "invalid-argument");
        let document = f.signer(&[arguments, &["-o", "json"][..]].concat()).await.expect(2).json();
        assert_eq!(document["command"], *command);
        assert_eq!(document["outcome"], "usage");
        assert_eq!(document["code"], "invalid-argument");
        assert_eq!(document["results"], json!([]));
        assert!(document["error"].to_string().contains(mentioned), "{document}");
    }
    let by_variable = f.signer_with(&["sign-blob"], &[("SIGNER_OUTPUT", "json")]).await.expect(2).json();
    assert_eq!(by_variable["command"], "sign-blob");
    f.bare(&image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_images_have_one_verdict_and_each_its_own() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (good, unsigned, gone) = (f.image("good"), f.image("unsigned"), "127.0.0.1:1/gone:1");
    f.signer(&["sign", &good]).await.expect(0);
    let cases: &[(&[&str], i32, Value)] = &[
        (&[&good, gone, &unsigned], 1, json!(["accepted", "unknown", "rejected"])),
        (&[gone, &unsigned], 1, json!(["unknown", "rejected"])),
        (&[&good, gone], 3, json!(["accepted", "unknown"])),
        (&[&good, &good], 0, json!(["accepted", "accepted"])),
    ];
    for (images, status, outcomes) in cases {
        let arguments = [&["verify", "--timeout", "1", "-o", "json"], *images].concat();
        let document = f.signer(&f.accepted(&arguments)).await.expect(*status).json();
        let results = document["results"].as_array().unwrap();
        let each: Value = results.iter().map(|result| result["outcome"].clone()).collect();
        assert_eq!(&each, outcomes);
        for result in results.iter().filter(|result| result["outcome"] != "accepted") {
            assert!(result["error"]["code"].is_string(), "{result}");
        }
        assert_eq!(document["code"].is_null(), *status == 0, "{document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_images_that_are_not_signed_is_told() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (one, two, none) = (f.image("one"), f.image("two"), format!("{}/none:1", f.sandbox.urls().registry));
    let document = f.signer(&["sign", &one, &none, &two, "-o", "json"]).await.expect(2).json();
    let results = document["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|r| json!([r["name"], r["outcome"]])).collect();
    assert_eq!(told, [json!([one, "skipped"]), json!([none, "usage"]), json!([two, "skipped"])]);
    f.bare(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_win_over_the_environment() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let verify = f.accepted(&["verify-blob", &file, "--bundle", &bundle]);
    // The variable names the sandbox's trust; the flag asks for the public instance.
    let public = [&verify[..], &["--instance", "public"]].concat();
    assert_eq!(f.signer(&public).await.status, 1);
    let config = f.sandbox.data().join("trust_config.rekor2.json").display().to_string();
    let own = [&verify[..], &["--trust-config", &config]].concat();
    let elsewhere = [("SIGNER_TRUST_CONFIG", "/nonexistent"), ("SIGNER_TRUSTED_ROOT", "/nonexistent")];
    f.signer_with(&own, &elsewhere).await.expect(0);
    f.signer_with(&verify, &elsewhere).await.fails(2, "file-unreadable");
    let json = f.signer_with(&[&verify[..], &["-o", "human"]].concat(), &[("SIGNER_OUTPUT", "json")]).await;
    assert!(json.expect(0).stdout.starts_with("verified"));
    // One that excludes what a variable says is no conflict either; two variables are, and are named.
    let by_pattern =
        [("SIGNER_CERTIFICATE_IDENTITY_REGEXP", "x@example\\.com"), ("SIGNER_KEY", "/nonexistent")];
    f.signer_with(&verify, &by_pattern).await.expect(0);
    let both = [by_pattern[0], ("SIGNER_CERTIFICATE_IDENTITY", EMAIL)];
    let run = f.signer_with(&["verify-blob", &file, "--bundle", &bundle], &both).await;
    for (variable, _) in both {
        assert!(run.stderr.contains(variable), "{}", run.stderr);
    }
    run.fails(2, "invalid-argument");
    let image = f.image("team/app");
    let login = [("SIGNER_REGISTRY_USERNAME", "u"), ("SIGNER_REGISTRY_PASSWORD", "p")];
    f.signer_with(&["tree", &image, "--registry-token", "t"], &login).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn verbose_says_what_was_asked_and_checked() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let signed = f.signer(&["sign", &image, "-v"]).await.expect(0);
    for part in [&f.sandbox.urls().fulcio, &f.sandbox.urls().rekor2, &f.sandbox.urls().tsa, "sha256:", EMAIL]
    {
        assert!(signed.stderr.contains(part), "{part} is missing in {}", signed.stderr);
    }
    let verified =
        f.signer_with(&f.accepted(&["verify", &image]), &[("SIGNER_VERBOSE", "1")]).await.expect(0);
    for check in ["certificate-chain", "transparency-log", "trusted root from", "accepted"] {
        assert!(verified.stderr.contains(check), "{check} is missing in {}", verified.stderr);
    }
    let quiet = f.signer(&f.accepted(&["verify", &image])).await.expect(0);
    assert!(quiet.stderr.is_empty(), "{}", quiet.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_printed_nowhere() {
    const PASSWORD: &str = "canary-password";
    let auth = RegistryAuth::Token { username: "u".into(), password: PASSWORD.into() };
    let options = RegistryOptions { auth, ..Default::default() };
    let f = Fixture::with_registry(RekorVersion::V2, options).await;
    let image = f.image("team/app");
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    let good = std::fs::read_to_string(f.path("token")).unwrap();
    let expired = TokenChanges { lifetime: Some(-60), ..TokenChanges::default() };
    let expired = std::fs::read_to_string(f.token(expired)).unwrap();
    let canary = "canary-of-a-token-that-is-none";
    let mangled = format!("{}x.y", &good[..good.len() / 2]);
    let environment = [("SIGNER_REGISTRY_USERNAME", "u"), ("SIGNER_REGISTRY_PASSWORD", PASSWORD)];
    for fault in [None, Some(Fault::FulcioDown), Some(Fault::RekorDown), Some(Fault::Registry401)] {
        f.sandbox.faults().clear();
        fault.into_iter().for_each(|fault| f.sandbox.faults().set(fault));
        for token in [good.as_str(), &expired, canary, &mangled] {
            for format in ["human", "json"] {
                let common = ["-v", "-o", format, "--timeout", "1", "--identity-token", token];
                let blob = [&["sign-blob", &file, "--bundle", &bundle][..], &common].concat();
                let signed = [&["sign", &image][..], &common].concat();
                for arguments in [blob, signed] {
                    let run = f.signer_with(&arguments, &environment).await;
                    // Neither the whole of it nor the part that makes it one.
                    for secret in token.split('.').filter(|part| part.len() > 8).chain([PASSWORD]) {
                        assert!(!shows(&run, secret), "{secret} in {}{}", run.stdout, run.stderr);
                    }
                }
            }
        }
    }
    let url = format!("https://u:{PASSWORD}@{image}");
    for arguments in [&["sign", &url][..], &["tree", &url], &f.accepted(&["verify", &url, "-o", "json"])] {
        let run = f.signer(arguments).await.expect(2);
        assert!(!shows(&run, PASSWORD), "{}{}", run.stdout, run.stderr);
    }
    let bearer = [("SIGNER_REGISTRY_TOKEN", "canary-bearer")];
    let run = f.signer_with(&["tree", &image, "-v"], &bearer).await;
    assert!(run.status == 3 && !shows(&run, "canary-bearer"), "{}", run.stderr);
}

fn shows(run: &Run, text: &str) -> bool {
    run.stdout.contains(text) || run.stderr.contains(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_does_not_reach_a_terminal_raw() {
    const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}";
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let annotation = format!("x={HOSTILE}");
    let kind = format!("https://example.com/{HOSTILE}");
    let name = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": {"type": "application", "name": HOSTILE}}, HOSTILE: HOSTILE})
    .to_string();
    let (sbom, other) = (f.file("sbom.json", name), f.file("other.json", json!({ HOSTILE: 1 }).to_string()));
    let duplicate = f.file("duplicate.json", format!(r#"{{"{0}":1,"{0}":2}}"#, "\\u001b[2J"));
    let bundle = f.path(&format!("out{HOSTILE}.json")).display().to_string();
    let runs: &[(&[&str], i32)] = &[
        (&["sign", &image, "-a", &annotation, "--bundle", &bundle], 0),
        (&["attest", &image, "--predicate", &sbom], 0),
        (&["attest", &image, "--predicate", &other, "--type", &kind], 2),
        (&["attest", &image, "--predicate", &duplicate, "--type", "https://example.com/p"], 2),
        (&["tree", &image], 0),
        (&f.accepted(&["verify", &image, "--type", &kind]), 2),
        (&f.accepted(&["verify", &image, "-a", "x=y"]), 1),
        (&f.accepted(&["verify", &image, "--type", "https://example.com/none"]), 1),
        (&["verify", &image, "--certificate-identity", HOSTILE, "--certificate-oidc-issuer", HOSTILE], 1),
        (&["inspect", &bundle], 0),
        (&["sign", HOSTILE], 2),
        (&["sign", &image, HOSTILE, "--nonsense"], 2),
        (&[HOSTILE], 2),
        (&["sign-blob", HOSTILE, "--bundle", "x"], 2),
    ];
    for (arguments, status) in runs {
        for more in [&[][..], &["-v"], &["-o", "json"]] {
            let run = f.signer(&[arguments, more].concat()).await.expect(*status);
            for text in [&run.stdout, &run.stderr] {
                let raw = text.chars().find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
                assert_eq!(raw, None, "{arguments:?} {more:?}: {text:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_nobody_can_read_is_no_success() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let verify = f.accepted(&["verify-blob", &file, "--bundle", &bundle]);
    // Whoever closes the pipe early has read enough of what is only shown, or is done already.
    let (again, image) = (["sign-blob", &file, "--bundle", &bundle], f.image("app"));
    for (arguments, status) in [
        (&verify[..], 3),
        (&[&verify[..], &["-o", "json"]].concat(), 3),
        (&["completions", "bash"], 0),
        (&["tree", &image], 0),
        (&again, 0),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = f.command().args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?} {stderr}");
        assert_eq!(stderr.contains("could not be written"), status == 3, "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}
