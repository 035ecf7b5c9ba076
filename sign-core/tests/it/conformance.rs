//! The conformance client's `sign-bundle` against the sandbox. Its `verify-bundle` is judged by the
//! suite's own cases in `oracle`.

use std::path::Path;

use serde_json::Value;
use sign_core::{Bundle, Content, Digest, STATEMENT_V1};
use sign_sandbox::{Identity, Sandbox, SandboxOptions};

#[path = "../../examples/conformance.rs"]
mod client;

const EMAIL: &str = "dev@example.com";

fn run(arguments: &[&str]) -> sign_core::Result<()> {
    client::run(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
}

/// The suite's checks on what a client wrote, with the statement if there is one.
fn check(bundle: &Path, statement: Option<&[u8]>, v2: bool) {
    let json: Value = serde_json::from_slice(&std::fs::read(bundle).unwrap()).unwrap();
    assert_eq!(json["mediaType"], sign_core::BUNDLE_V0_3);
    assert_eq!(json.get("dsseEnvelope").is_some(), statement.is_some());
    assert_eq!(json.get("messageSignature").is_some(), statement.is_none());
    let material = &json["verificationMaterial"];
    assert!(material["certificate"]["rawBytes"].is_string() && material["x509CertificateChain"].is_null());
    let expected = match (v2, statement) {
        (true, _) => ("hashedrekord", "0.0.2"),
        (false, None) => ("hashedrekord", "0.0.1"),
        (false, Some(_)) => ("dsse", "0.0.1"),
    };
    let written = &material["tlogEntries"][0]["kindVersion"];
    assert_eq!((written["kind"].as_str().unwrap(), written["version"].as_str().unwrap()), expected);
    assert_eq!(material["timestampVerificationData"]["rfc3161Timestamps"].as_array().unwrap().len(), 1);
    match (Bundle::parse(&std::fs::read(bundle).unwrap()).unwrap().content, statement) {
        (Content::Dsse(envelope), Some(statement)) => assert_eq!(envelope.payload, statement),
        (Content::Message(_), None) => {}
        (content, _) => panic!("{content:?}"),
    }
}

#[test]
fn the_client_signs_what_it_then_verifies() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(SandboxOptions::default())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, statement, bundle) = (path("artifact"), path("statement.json"), path("bundle.json"));
    std::fs::write(&file, b"content").unwrap();
    let digest = Digest::sha256(b"content");
    // Spelled as no writer of ours would: every byte must come through.
    let text = format!(
        "{{ \"subject\":\t[{{\"digest\": {{\"sha256\":\"{}\"}},\"name\":\"\\u0061\"}}],\n\"predicate\":{{\"n\":1.10}},\
         \"predicateType\":\"https://example.com/p\",\"_type\":\"{STATEMENT_V1}\"}}\n",
        digest.hex()
    );
    std::fs::write(&statement, &text).unwrap();
    let root = sandbox.data().join("trusted_root.json");
    let root = root.to_str().unwrap();

    for (number, v2) in [(1, false), (2, true)] {
        let config = sandbox.data().join(format!("signing_config.rekor{number}.json"));
        let config = config.to_str().unwrap();
        for in_toto in [false, true] {
            let token = sandbox.token(&Identity::email(EMAIL));
            let (mut sign, subject) = (vec!["sign-bundle"], if in_toto { &statement } else { &file });
            sign.extend(in_toto.then_some("--in-toto"));
            sign.extend(["--identity-token", &token, "--bundle", &bundle]);
            sign.extend(["--trusted-root", root, "--signing-config", config, subject]);
            run(&sign).unwrap();
            check(Path::new(&bundle), in_toto.then_some(text.as_bytes()), v2);

            let issuer = &sandbox.urls().oidc;
            let verify = |identity: &str, subject: &str| {
                run(&[
                    "verify-bundle",
                    "--bundle",
                    &bundle,
                    "--certificate-identity",
                    identity,
                    "--certificate-oidc-issuer",
                    issuer,
                    "--trusted-root",
                    root,
                    subject,
                ])
            };
            verify(EMAIL, &file).unwrap();
            verify(EMAIL, &digest.to_string()).unwrap();
            assert!(verify("eve@example.com", &file).is_err());
            assert!(verify(EMAIL, &statement).is_err());
        }
    }
}

#[test]
fn the_client_takes_no_option_twice_or_without_its_value() {
    for arguments in [
        &[][..],
        &["verify-bundle"],
        &["verify-bundle", "--bundle", "file"],
        &["verify-bundle", "--staging", "--staging", "file"],
        &["verify-bundle", "--bundle", "a", "--bundle", "b", "file"],
        &["attest-bundle", "file"],
    ] {
        assert_eq!(run(arguments).unwrap_err().code(), sign_core::Code::InvalidArgument, "{arguments:?}");
    }
}
