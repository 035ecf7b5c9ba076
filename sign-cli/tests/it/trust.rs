//! Where trust comes from: the network, the cache, what came with the program, files.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sign_sandbox::{RekorVersion, TufRole};
use tokio::process::Command;

use crate::support::{Fixture, Run};

/// A sandbox as a private instance with a TUF repository, and a signed file.
struct Private {
    f: Arc<Fixture>,
    file: String,
    bundle: String,
}

impl Private {
    async fn start() -> Self {
        let f = Fixture::start(RekorVersion::V2).await;
        let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
        f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
        f.sandbox.tuf().take_requests();
        Self { f, file, bundle }
    }

    /// The program with nothing but a home, and the sandbox's TUF repository.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(self.f.folder.path(), arguments);
        command
            .env("SIGNER_TUF_URL", &self.f.sandbox.urls().tuf)
            .env("SIGNER_TUF_ROOT", self.f.sandbox.data().join("tuf_root.json"));
        command
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        run(self.command(arguments), arguments).await
    }

    /// Verification of the file, with more options.
    fn verify<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let arguments = self.f.accepted(&["verify-blob", &self.file, "--bundle", &self.bundle]);
        [&arguments[..], more].concat()
    }

    fn asked(&self) -> Vec<String> {
        self.f.sandbox.tuf().take_requests()
    }

    fn cache(&self) -> std::path::PathBuf {
        let folder = self.f.path(".cache/signer/tuf");
        let repository = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        repository.join("metadata.json")
    }
}

fn bare(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signer"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("SIGNER_IDENTITY_TOKEN", home.join("token"))
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command, arguments: &[&str]) -> Run {
    let output = tokio::time::timeout(Duration::from_secs(60), command.output());
    Run::of(output.await.expect("the program hung").unwrap(), arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_instance_is_trusted_by_its_tuf_root() {
    let p = Private::start().await;
    // Nothing is there yet, and nobody may be asked.
    p.run(&p.verify(&["--offline"])).await.fails(2, "offline");
    assert_eq!(p.asked(), Vec::<String>::new());

    let run = p.run(&p.verify(&["-o", "json"])).await.expect(0);
    assert_eq!(run.json()["trust"]["source"], "repository");
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    assert!(p.asked().contains(&"/timestamp.json".to_owned()));

    // From then on it is there, and fresh.
    for more in [&["-o", "json"][..], &["-o", "json", "--offline"]] {
        let run = p.run(&p.verify(more)).await.expect(0).json();
        assert_eq!((&run["trust"]["source"], &run["trust"]["expired"]), (&json!("cache"), &Value::Null));
        assert!(run["trust"]["ageSeconds"].as_i64().is_some_and(|age| (0..60).contains(&age)), "{run}");
    }
    let run = p.run(&p.verify(&["--offline", "-v"])).await.expect(0);
    assert!(
        run.stderr.contains("trusted root from the cache, of 20") && run.stderr.contains(" old)"),
        "{}",
        run.stderr
    );
    assert_eq!(p.asked(), Vec::<String>::new());

    // The signing config comes along.
    let other = p.f.path("other.json").display().to_string();
    p.run(&["sign-blob", &p.file, "--bundle", &other]).await.expect(0);

    // Another instance's root is no way in.
    let stranger = Fixture::start(RekorVersion::V2).await;
    let root = stranger.sandbox.data().join("tuf_root.json").display().to_string();
    p.run(&p.verify(&["--tuf-root", &root])).await.fails(3, "trust-update-rejected");
    p.run(&p.verify(&["--tuf-root", &p.file])).await.fails(2, "trust-config-invalid");
    p.run(&p.verify(&["--tuf-url", "tuf.example"])).await.fails(2, "trust-config-invalid");
    let lonely = run_bare(&p, &["verify-blob", "--tuf-root", &root]).await;
    assert_eq!(lonely.status, 2);
}

async fn run_bare(p: &Private, arguments: &[&str]) -> Run {
    run(bare(p.f.folder.path(), arguments), arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_opens_no_socket() {
    let p = Private::start().await;
    p.run(&["trust", "update"]).await.expect(0);
    // A listener that would notice, where every address leads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let offline = p.verify(&["--offline"]);
    let mut command = p.command(&offline);
    command.env("HTTP_PROXY", &proxy).env("HTTPS_PROXY", &proxy).env("ALL_PROXY", &proxy);
    run(command, &offline).await.expect(0);
    let public = ["verify-blob", &p.file, "--bundle", &p.bundle, "--offline", "-v"];
    let public = p.f.accepted(&public);
    let mut command = bare(p.f.folder.path(), &public);
    command.env("HTTPS_PROXY", &proxy);
    let refused = run(command, &public).await.expect(1);
    assert!(
        refused.stderr.contains("trusted root from this version of the program, of 20"),
        "{}",
        refused.stderr
    );
    assert!(listener.accept().is_err(), "somebody called");

    // Where the system can take the network away, it goes on just so.
    let probe = std::process::Command::new("unshare").args(["-n", "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: unshare -n is not possible here");
        return;
    }
    let program = env!("CARGO_BIN_EXE_signer");
    let mut command = Command::new("unshare");
    command
        .args(["-n", program])
        .args(&offline)
        .env("HOME", p.f.folder.path())
        .env("SIGNER_TUF_URL", &p.f.sandbox.urls().tuf)
        .env("SIGNER_TUF_ROOT", p.f.sandbox.data().join("tuf_root.json"));
    run(command, &offline).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_the_embedded_root_serves_and_says_its_age() {
    let p = Private::start().await;
    let arguments = p.f.accepted(&["verify-blob", &p.file, "--bundle", &p.bundle]);
    // Nobody listens at the first; the second never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (url, patience) in [
        ("http://127.0.0.1:1".to_owned(), Duration::from_secs(4)),
        (format!("http://{}", silent.local_addr().unwrap()), Duration::from_secs(12)),
    ] {
        let begun = Instant::now();
        let mut command = bare(p.f.folder.path(), &arguments);
        command.env("SIGNER_TUF_URL", &url);
        // The verdict is about the bundle, which is not the public instance's; the note is about trust.
        let run = run(command, &arguments).await.expect(1);
        assert!(begun.elapsed() < patience, "{url}: {:?}", begun.elapsed());
        assert!(run.stderr.contains("note: trust material could not be updated"), "{}", run.stderr);
        assert!(
            run.stderr.contains("going on with that from this version of the program, of 2026-10-23"),
            "{}",
            run.stderr
        );
    }
    for (limit, status) in [("1h", 3), ("9000d", 1)] {
        let limited = [&arguments[..], &["--offline", "--max-root-age", limit]].concat();
        let run = run_bare(&p, &limited).await.expect(status);
        assert_eq!(run.stderr.contains("[trust-root-stale]"), status == 3, "{}", run.stderr);
    }
    // A file from the future would never grow old.
    let root = p.f.file("root.json", p.f.sandbox.trusted_root());
    for (ahead, status) in [(30, 0), (3600, 3)] {
        let file = std::fs::File::options().append(true).open(&root).unwrap();
        file.set_modified(std::time::SystemTime::now() + Duration::from_secs(ahead)).unwrap();
        let limited =
            [&arguments[..], &["--offline", "--trusted-root", &root, "--max-root-age", "30d"]].concat();
        let run = run_bare(&p, &limited).await.expect(status);
        assert_eq!(run.stderr.contains("is 59 minutes ahead"), status == 3, "{}", run.stderr);
    }
    let bad = [&arguments[..], &["--max-root-age", "soon"]].concat();
    run_bare(&p, &bad).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_processes_at_once_share_one_update() {
    let p = Private::start().await;
    let arguments = p.verify(&["-o", "json"]);
    let running: Vec<_> = (0..16)
        .map(|_| p.command(&arguments).stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let mut sources = Vec::new();
    for child in running {
        let run = Run::of(child.wait_with_output().await.unwrap(), &arguments).expect(0);
        sources.push(run.json()["trust"]["source"].as_str().unwrap().to_owned());
    }
    assert_eq!(sources.iter().filter(|source| *source == "repository").count(), 1, "{sources:?}");
    assert_eq!(p.asked().iter().filter(|path| *path == "/timestamp.json").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_crash_whoever_is_killed_leaves_the_old_or_the_new() {
    let p = Private::start().await;
    p.run(&["trust", "update"]).await.expect(0);
    let mut versions = std::collections::BTreeSet::new();
    for round in 0..40_u64 {
        p.f.sandbox.tuf().publish(&[], jiff::Timestamp::now()).unwrap();
        let mut child = p.command(&["trust", "update"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(round * 2)).await;
        child.kill().await.unwrap();
        let state: Value = serde_json::from_slice(&std::fs::read(p.cache()).unwrap()).unwrap();
        let timestamp: Value =
            serde_json::from_str(state["files"]["timestamp.json"].as_str().unwrap()).unwrap();
        versions.insert(timestamp["signed"]["version"].as_u64().unwrap());
    }
    p.run(&p.verify(&["--offline"])).await.expect(0);
    let update = p.run(&["trust", "update", "-o", "json"]).await.expect(0).json();
    assert_eq!(update["results"][0]["roles"][1]["version"], 41, "{update}");
    p.run(&p.verify(&["--offline"])).await.expect(0);
    eprintln!("versions found between kills: {versions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_cannot_be_used_costs_nothing_but_time() {
    let p = Private::start().await;
    let in_the_way = p.f.file("in-the-way", "");
    let arguments = p.verify(&["-v", "--cache-dir", &in_the_way]);
    let verbose = p.run(&arguments).await.expect(0);
    assert_eq!(verbose.stderr.matches("not kept for the next run").count(), 1, "{}", verbose.stderr);
    let quiet = p.verify(&["--cache-dir", &in_the_way]);
    let silent_run = p.run(&quiet).await.expect(0);
    assert!(silent_run.stderr.is_empty(), "{}", silent_run.stderr);
    let updated = p.run(&["trust", "update", "--cache-dir", &in_the_way]).await.expect(0);
    assert!(updated.stderr.contains("note: not kept"), "{}", updated.stderr);

    // No home at all.
    let arguments = p.verify(&["-v"]);
    let mut command = p.command(&arguments);
    command.env_remove("HOME");
    let homeless = run(command, &arguments).await.expect(0);
    assert!(homeless.stderr.contains("no cache folder"), "{}", homeless.stderr);

    // One that others wrote to is not believed, and replaced.
    p.run(&p.verify(&[])).await.expect(0);
    let text = std::fs::read_to_string(p.cache()).unwrap();
    p.asked();
    for tampered in [text.replace("127.0.0.1", "127.0.0.2"), String::new(), text[..text.len() / 2].into()] {
        std::fs::write(p.cache(), tampered).unwrap();
        p.run(&p.verify(&["--offline"])).await.fails(2, "offline");
        p.run(&p.verify(&[])).await.expect(0);
        assert!(p.asked().contains(&"/timestamp.json".to_owned()));
        p.run(&p.verify(&["--offline"])).await.expect(0);
    }
}

/// A file system of its own for the cache: full, and then one that cannot be written.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn cache_crash_a_full_or_a_read_only_disk_is_no_reason_to_fail() {
    let p = Private::start().await;
    let cache = p.f.path("mounted");
    std::fs::create_dir(&cache).unwrap();
    let mount = "set -e; cache=$1; shift; mount -t tmpfs -o size=4k none \"$cache\";";
    let probe =
        std::process::Command::new("unshare").args(["-rm", "sh", "-c", mount, "sh"]).arg(&cache).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: unshare -rm and mount are not possible here");
        return;
    }
    let program = env!("CARGO_BIN_EXE_signer");
    let folder = cache.display().to_string();
    let arguments = p.verify(&["-v", "--cache-dir", &folder]);
    let in_mount = async |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["-rm", "sh", "-c", &format!("{mount} {script}"), "sh", &folder, program])
            .args(&arguments)
            .env("SIGNER_TUF_URL", &p.f.sandbox.urls().tuf)
            .env("SIGNER_TUF_ROOT", p.f.sandbox.data().join("tuf_root.json"));
        run(command, &arguments).await.expect(0)
    };
    let full = in_mount("exec \"$@\"").await;
    assert!(
        full.stderr.contains("not kept for the next run") && full.stderr.contains("space"),
        "{}",
        full.stderr
    );
    let read_only = in_mount("mount -o remount,ro none \"$cache\"; exec \"$@\"").await;
    assert!(read_only.stderr.contains("Read-only"), "{}", read_only.stderr);
    // What was put there before is used from there.
    let filled = "mount -o remount,size=1m none \"$cache\"; \"$@\"; mount -o remount,ro none \"$cache\"; exec \"$@\" --offline";
    let filled = in_mount(filled).await;
    assert!(filled.stderr.contains("trusted root from the cache"), "{}", filled.stderr);
    assert!(!filled.stderr.contains("not kept"), "{}", filled.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_is_shown_updated_and_exported() {
    let p = Private::start().await;
    p.run(&["trust", "show"]).await.fails(2, "offline");
    let first = p.run(&["trust", "update", "-o", "json"]).await.expect(0).json();
    assert_eq!((&first["outcome"], &first["results"][0]["before"]), (&json!("done"), &Value::Null));
    p.f.sandbox.tuf().rotate(&[TufRole::Root, TufRole::Timestamp], jiff::Timestamp::now()).unwrap();
    let run = p.run(&["trust", "update"]).await.expect(0);
    for text in ["root       version 1 → 2, expires 20", "timestamp  version 1 → 2", "is the same"] {
        assert!(run.stdout.contains(text), "{text}: {}", run.stdout);
    }

    p.asked();
    let show = p.run(&["trust", "show"]).await.expect(0);
    let urls = p.f.sandbox.urls();
    for text in
        [&*urls.tuf, &urls.rekor1, &urls.rekor2, &urls.fulcio, "version 2, expires", "cache, of 20", "fresh"]
    {
        assert!(show.stdout.contains(text), "{text}: {}", show.stdout);
    }
    let shown = p.run(&["trust", "show", "-o", "json"]).await.expect(0).json();
    let item = &shown["results"][0];
    assert_eq!(item["services"].as_array().map(Vec::len), Some(5));
    assert_eq!((&item["fresh"], &item["roles"][0]["version"]), (&json!(true), &json!(2)));
    assert_eq!(p.asked(), Vec::<String>::new(), "show asked somebody");

    let folder = p.f.path("export").display().to_string();
    p.run(&["trust", "export", &folder]).await.expect(0);
    let exported = |name: &str| p.f.path("export").join(name).display().to_string();
    assert_eq!(std::fs::read_to_string(exported("trusted_root.json")).unwrap(), p.f.sandbox.trusted_root());
    for option in [
        ["--trusted-root", &exported("trusted_root.json")],
        ["--trust-config", &exported("trust_config.json")],
    ] {
        let arguments = p.verify(&["--offline", option[0], option[1], "-o", "json"]);
        let run = run_bare(&p, &arguments).await.expect(0).json();
        assert_eq!(run["trust"]["source"], "file");
        let again = p.f.path("again").display().to_string();
        let same = run_bare(&p, &["trust", "export", &again, option[0], option[1]]).await.expect(0);
        assert!(same.stdout.contains("trusted_root.json"), "{}", same.stdout);
        let (one, other) = (exported("trusted_root.json"), p.f.path("again/trusted_root.json"));
        let parse = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
        assert_eq!(parse(std::fs::read(one).unwrap()), parse(std::fs::read(other).unwrap()));
        run_bare(&p, &["trust", "update", option[0], option[1]]).await.fails(2, "invalid-argument");
        run_bare(&p, &["trust", "show", option[0], option[1]]).await.expect(0);
    }
    let signed = p.f.path("signed.json").display().to_string();
    let sign = ["sign-blob", &p.file, "--bundle", &signed, "--trust-config", &exported("trust_config.json")];
    run_bare(&p, &sign).await.expect(0);
    let pinned = exported("tuf_root.json");
    p.run(&["trust", "update", "--tuf-root", &pinned]).await.expect(0);

    p.run(&["trust", "update", "--offline"]).await.fails(2, "offline");
    p.run(&["trust", "export", &p.file]).await.fails(2, "file-unreadable");
    p.f.sandbox.tuf().replace("/timestamp.json", Some(b"{}".to_vec()));
    p.run(&["trust", "update"]).await.fails(3, "trust-update-rejected");
    p.f.sandbox.tuf().replace("/timestamp.json", None);
    p.run(&["trust", "update"]).await.fails(3, "service-refused");
    // Fresh enough, so that nobody is asked; and once it is not, what there is goes on.
    let run = p.run(&p.verify(&[])).await.expect(0);
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    let yesterday = std::fs::read_to_string(p.cache()).unwrap();
    let confirmed =
        serde_json::from_str::<Value>(&yesterday).unwrap()["confirmed"].as_str().unwrap().to_owned();
    let earlier = confirmed.parse::<jiff::Timestamp>().unwrap() - jiff::SignedDuration::from_hours(30);
    std::fs::write(p.cache(), yesterday.replace(&confirmed, &earlier.to_string())).unwrap();
    let run = p.run(&p.verify(&["-o", "json"])).await.expect(0);
    assert!(
        run.stderr.contains("note: trust material") && run.stderr.contains("30 hours old"),
        "{}",
        run.stderr
    );
    assert_eq!(run.json()["trust"]["notUpdated"]["code"], "service-refused");
    p.f.sandbox.tuf().replace("/timestamp.json", Some(b"{}".to_vec()));
    let run = p.run(&p.verify(&["-o", "json"])).await.expect(0);
    assert!(run.stderr.contains("warning: trust material"), "{}", run.stderr);
    assert_eq!(run.json()["trust"]["notUpdated"]["code"], "trust-update-rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_beats_what_the_shell_still_has() {
    let p = Private::start().await;
    let repository = async |arguments: &[&str]| {
        let mut command = p.command(arguments);
        command.env("SIGNER_TRUST_CONFIG", p.f.sandbox.data().join("trust_config.rekor2.json"));
        run(command, arguments).await.json()["results"][0]["repository"].clone()
    };
    let show = ["trust", "show", "-o", "json"];
    assert_eq!(repository(&show).await, Value::Null, "the trust config names no repository");
    for (instance, host) in
        [("public", "sigstore.dev"), ("staging", "sigstage.dev"), ("github", "github.com")]
    {
        let found = repository(&[&show[..], &["--instance", instance]].concat()).await;
        assert!(found.as_str().is_some_and(|url| url.trim_end_matches('/').ends_with(host)), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_known_instances_are_shown_as_they_are() {
    let p = Private::start().await;
    let kinds = async |instance: &str| {
        let arguments = ["trust", "show", "-o", "json", "--instance", instance];
        let shown = run_bare(&p, &arguments).await.expect(0).json();
        assert_eq!(shown["results"][0]["source"], "embedded");
        let services = shown["results"][0]["services"].as_array().unwrap().clone();
        let count = |kind: &str| services.iter().filter(|service| service["kind"] == kind).count();
        (
            count("certificate-authority"),
            count("transparency-log"),
            count("ct-log"),
            count("timestamp-authority"),
        )
    };
    let (authorities, logs, ct_logs, stamps) = kinds("public").await;
    assert!(authorities >= 2 && logs >= 2 && ct_logs >= 2 && stamps >= 1);
    let (authorities, logs, ct_logs, stamps) = kinds("staging").await;
    assert!(authorities >= 1 && logs >= 1 && ct_logs >= 1 && stamps >= 1);
    let (authorities, logs, ct_logs, stamps) = kinds("github").await;
    assert!(authorities >= 1 && logs == 0 && ct_logs == 0 && stamps >= 1);
    let out = p.f.path("out.json").display().to_string();
    let sign = ["sign-blob", &p.file, "--bundle", &out, "--instance", "github", "--offline"];
    run_bare(&p, &sign).await.fails(2, "no-usable-service");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_by_another_implementation_is_read() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/peers/mktuf.py");
    let python = std::env::var("SIGNER_PEER_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = std::process::Command::new(&python).args(["-c", "import tuf, securesystemslib"]).output();
    if !script.exists() || !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: no python-tuf here, or no {}", script.display());
        return;
    }
    let p = Private::start().await;
    let data = p.f.sandbox.data();
    let out = p.f.path("tuf");
    let made = std::process::Command::new(&python)
        .arg(&script)
        .arg(&out)
        .args([data.join("trusted_root.json"), data.join("signing_config.rekor2.json")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // Served by the sandbox, made by python-tuf.
    for folder in ["", "targets/"] {
        for entry in std::fs::read_dir(out.join(folder)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                let path = format!("/{folder}{}", entry.file_name().to_string_lossy());
                p.f.sandbox.tuf().replace(&path, Some(std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    let root = out.join("1.root.json").display().to_string();
    p.run(&p.verify(&["--tuf-root", &root])).await.expect(0);
    p.run(&p.verify(&["--tuf-root", &root, "--offline"])).await.expect(0);
    let other = p.f.path("other.json").display().to_string();
    p.run(&["sign-blob", &p.file, "--bundle", &other, "--tuf-root", &root]).await.expect(0);
}
