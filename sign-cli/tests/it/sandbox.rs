//! The sandbox as a command: started, used, stopped, and refused where it cannot start.

use std::process::Stdio;

use sign_sandbox::{RekorVersion, Sandbox, SandboxOptions};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{Fixture, PATIENCE, PROGRAM};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_said_to_be_taken() {
    let taken = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let f = Fixture::start(RekorVersion::V2).await;
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let registry = port(&taken.urls().registry);
    f.signer(&["sandbox", "up", "--registry-port", &registry]).await.fails(2, "port-taken");
    let services = port(&taken.urls().oidc);
    let run = f.signer(&["sandbox", "run", "--port", &services, "-o", "json", "--", "true"]).await.expect(2);
    assert_eq!(run.json()["code"], "port-taken");
    assert_eq!(run.json()["command"], "sandbox run");
    let data = f.file("a-file", "");
    let run = f.signer(&["sandbox", "up", "--data", &data]).await;
    assert!(run.stderr.contains(&format!("--data {data}")), "{}", run.stderr);
    run.fails(2, "file-unreadable");
    f.signer(&["sandbox", "up", "--registry-auth", "basic:u"]).await.fails(2, "invalid-argument");
    f.signer(&["sandbox", "up", "--identity", "nobody"]).await.fails(2, "invalid-argument");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_its_own_stay_as_they_are() {
    let f = Fixture::start(RekorVersion::V2).await;
    let data = f.sandbox.data().join("kept");
    let options = SandboxOptions { data: Some(data.clone()), ..SandboxOptions::default() };
    let up = Sandbox::start(options).await.unwrap();
    let shown = data.display().to_string();
    f.signer(&["sandbox", "up", "--data", &shown]).await.fails(2, "invalid-argument");
    assert_eq!(std::fs::read_to_string(data.join("trusted_root.json")).unwrap(), up.trusted_root());
    f.file("trusted_root.json", "precious");
    let foreign = f.folder.path().display().to_string();
    f.signer(&["sandbox", "run", "--data", &foreign, "--", "true"]).await.fails(2, "invalid-argument");
    assert_eq!(std::fs::read_to_string(f.path("trusted_root.json")).unwrap(), "precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_inside_a_sandbox_and_its_status_is_ours() {
    let f = Fixture::start(RekorVersion::V2).await;
    let script = r#"set -e
        printf hello > "$SIGNER_SANDBOX_DATA/a.txt"; cd "$SIGNER_SANDBOX_DATA"
        "$0" sign-blob a.txt --bundle a.json
        "$0" verify-blob a.txt --bundle a.json --certificate-identity dev@example.com \
          --certificate-oidc-issuer "$SIGNER_SANDBOX_ISSUER"
        test "${SIGNER_TRUSTED_ROOT-none}" = none
        exit 7"#;
    let arguments = ["sandbox", "run", "--", "sh", "-c", script, PROGRAM];
    let elsewhere = [("SIGNER_TRUSTED_ROOT", "/nonexistent")];
    let run = f.signer_with(&arguments, &elsewhere).await;
    assert_eq!(run.status, 7, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("verified signature of a.txt"), "{}", run.stdout);
    f.signer(&["sandbox", "run", "--", "/nonexistent/program"]).await.fails(2, "invalid-argument");
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_there_is_no_sandbox() {
    let f = Fixture::start(RekorVersion::V2).await;
    let mark = f.path("ran").display().to_string();
    for arguments in [&["sandbox", "run", "--", "touch", &mark][..], &["sandbox", "demo"], &["sandbox", "up"]]
    {
        f.signer(&[&["--offline"], arguments].concat()).await.fails(2, "offline");
        let run = f.signer_with(arguments, &[("SIGNER_OFFLINE", "true")]).await;
        assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
    }
    assert!(!f.path("ran").exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn being_asked_to_stop_ends_it_cleanly() {
    use rustix::process::{Pid, Signal, kill_process};
    let f = Fixture::start(RekorVersion::V2).await;
    let temporary = TempDir::new().unwrap();
    // What runs inside gets the signal too, and its status is the answer; signals end it as in a shell.
    let trap = "trap 'exit 9' TERM; echo ready; sleep 60 & wait";
    let cases: &[(&[&str], Signal, i32)] = &[
        (&["sandbox", "up"], Signal::TERM, 0),
        (&["sandbox", "up"], Signal::INT, 0),
        (&["sandbox", "up", "-o", "json"], Signal::TERM, 0),
        (&["sandbox", "up"], Signal::HUP, 0),
        (&["sandbox", "up"], Signal::QUIT, 0),
        (&["sandbox", "demo"], Signal::INT, 128 + 2),
        (&["sandbox", "demo"], Signal::TERM, 128 + 15),
        (&["sandbox", "demo"], Signal::HUP, 128 + 1),
        (&["sandbox", "run", "--", "sh", "-c", "echo ready; exec sleep 60"], Signal::HUP, 128 + 1),
        (
            &["sandbox", "run", "--", "sh", "-c", "ulimit -c 0; echo ready; exec sleep 60"],
            Signal::QUIT,
            128 + 3,
        ),
        (&["sandbox", "run", "--", "sh", "-c", trap], Signal::TERM, 9),
        (
            &["sandbox", "run", "--", "sh", "-c", "trap 'kill -KILL $$' TERM; echo ready; sleep 60 & wait"],
            Signal::TERM,
            128 + 9,
        ),
    ];
    for &(arguments, signal, status) in cases {
        let mut child = f
            .command()
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        assert!(
            ["ready", "{", "export SIGNER_TRUST_CONFIG=", "A whole Sigstore"]
                .iter()
                .any(|start| first.starts_with(start))
        );
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it did not stop").unwrap();
        assert_eq!(ended.code(), Some(status), "{arguments:?} {signal:?}");
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "files were left behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_ends_well_and_says_how_long_each_step_took() {
    let f = Fixture::start(RekorVersion::V2).await;
    let document = f.signer(&["sandbox", "demo", "-o", "json"]).await.expect(0).json();
    let steps = document["results"][0]["steps"].as_array().unwrap();
    assert!(steps.len() >= 9, "{document}");
    let told = &document["results"][0];
    assert!(told["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{document}");
    assert_eq!(told["predicateTypes"].as_array().map(Vec::len), Some(2), "{document}");
    assert!(steps.iter().all(|step| step["milliseconds"].is_u64()), "{document}");
}
