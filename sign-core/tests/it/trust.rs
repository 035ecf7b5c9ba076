//! Trust material over TUF: what is accepted, what is refused, what is kept.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sign_core::{
    Code, HttpClient, HttpOptions, Result, TrustCache, TrustMaterial, TrustOrigin, TrustStore, TufRepository,
};
use sign_sandbox::{Sandbox, SandboxOptions, Tuf, TufRole};
use tempfile::TempDir;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);

/// A repository, and a client with a cache.
struct Bench {
    sandbox: Sandbox,
    cache: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        Self { sandbox, cache: TempDir::new().unwrap() }
    }

    fn tuf(&self) -> &Tuf {
        self.sandbox.tuf()
    }

    fn repository(&self) -> TufRepository {
        TufRepository::new(&self.sandbox.urls().tuf, self.tuf().root().as_bytes()).unwrap()
    }

    fn store(&self) -> TrustStore {
        TrustStore::new(self.repository(), Some(TrustCache::new(self.cache.path())))
    }

    fn file(&self) -> PathBuf {
        TrustCache::new(self.cache.path()).folder(&self.repository()).join("metadata.json")
    }

    async fn update(&self) -> Result<TrustMaterial> {
        self.store().update(&http(), now()).await.map(|update| update.after)
    }

    /// The newest targets, snapshot and timestamp, changed by `edit` and linked as they should be,
    /// before `relink` has a say.
    fn forge(&self, edit: impl Fn(TufRole, &mut Value), relink: impl Fn(TufRole, &mut Value)) {
        let tuf = self.tuf();
        tuf.publish(&[], now()).unwrap();
        let mut lower: Option<(&str, Value)> = None;
        for role in [TufRole::Targets, TufRole::Snapshot, TufRole::Timestamp] {
            let path = path(tuf, role);
            let mut signed = signed(tuf, &path);
            if let Some((name, described)) = lower.take() {
                signed["meta"][name] = described;
            }
            edit(role, &mut signed);
            let file = tuf.sign(role, &signed).unwrap();
            let mut described = json!({"meta": Tuf::describe(&file)});
            relink(role, &mut described["meta"]);
            tuf.replace(&path, Some(file));
            let name = if role == TufRole::Targets { "targets.json" } else { "snapshot.json" };
            lower = Some((name, described["meta"].take()));
        }
    }

    /// A next root with `edit`, signed by the keys of today's root.
    fn next_root(&self, edit: impl FnOnce(&mut Value)) -> String {
        let next = self.tuf().version(TufRole::Root) + 1;
        let mut root = signed(self.tuf(), "/root.json");
        root["version"] = json!(next);
        edit(&mut root);
        let path = format!("/{next}.root.json");
        self.tuf().replace(&path, Some(self.tuf().sign(TufRole::Root, &root).unwrap()));
        path
    }
}

fn path(tuf: &Tuf, role: TufRole) -> String {
    match role {
        TufRole::Targets => format!("/{}.targets.json", tuf.version(role)),
        TufRole::Snapshot => format!("/{}.snapshot.json", tuf.version(role)),
        _ => "/timestamp.json".into(),
    }
}

fn signed(tuf: &Tuf, path: &str) -> Value {
    let mut file: Value = serde_json::from_slice(&tuf.read(path).unwrap()).unwrap();
    file["signed"].take()
}

fn http() -> HttpClient {
    HttpClient::new(HttpOptions::default()).unwrap()
}

fn offline() -> HttpClient {
    HttpClient::new(HttpOptions { offline: true, ..HttpOptions::default() }).unwrap()
}

fn now() -> Timestamp {
    Timestamp::now()
}

fn versions(material: &TrustMaterial) -> Vec<(&'static str, u64)> {
    material.roles.iter().map(|role| (role.name, role.version)).collect()
}

fn set(root: u64, rest: u64) -> Vec<(&'static str, u64)> {
    vec![("root", root), ("timestamp", rest), ("snapshot", rest), ("targets", rest)]
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_material_is_fetched_once_and_kept() {
    let bench = Bench::start().await;
    let store = bench.store();
    assert_eq!(store.offline().unwrap_err().code(), Code::OfflineRequired);
    assert_eq!(store.current(&offline(), now()).await.unwrap_err().code(), Code::OfflineRequired);

    let first = store.current(&http(), now()).await.unwrap();
    assert_eq!((first.origin, versions(&first)), (TrustOrigin::Repository, set(1, 1)));
    assert_eq!(first.trusted_root_json, bench.sandbox.trusted_root().as_bytes());
    assert!(first.signing_config().is_ok() && first.not_cached.is_none());
    assert_eq!(first.trusted_root.services().len(), 5);

    // Fresh: nobody is asked.
    bench.tuf().take_requests();
    let second = store.current(&http(), now()).await.unwrap();
    assert_eq!((second.origin, second.as_of), (TrustOrigin::Cache, first.as_of));
    assert_eq!(bench.tuf().take_requests(), Vec::<String>::new());

    // After a day: whether there is newer, and no more than that.
    let tomorrow = now() + 25 * HOUR;
    assert!(!second.is_fresh(tomorrow));
    let third = store.current(&http(), tomorrow).await.unwrap();
    assert_eq!((third.origin, third.as_of), (TrustOrigin::Repository, tomorrow));
    assert_eq!(bench.tuf().take_requests(), ["/2.root.json", "/timestamp.json"]);

    // A set that claims to be from the future is looked up anew, and used where that is not possible.
    assert!(!store.cached().unwrap().is_fresh(now()));
    assert_eq!(store.current(&offline(), now()).await.unwrap().as_of, tomorrow);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_versions_and_new_keys_are_followed() {
    let bench = Bench::start().await;
    bench.update().await.unwrap();
    let text = bench.sandbox.trusted_root().replace("  ", " ");
    bench.tuf().publish(&[("trusted_root.json", &text)], now()).unwrap();
    let update = bench.store().update(&http(), now()).await.unwrap();
    assert_eq!(update.before.map(|before| versions(&before)), Some(set(1, 1)));
    assert_eq!((versions(&update.after), update.after.trusted_root_json), (set(1, 2), text.into_bytes()));
    let all = [TufRole::Root, TufRole::Targets, TufRole::Snapshot, TufRole::Timestamp];
    for (round, roles) in (2..).zip([&all[3..], &all[..1], &all[1..2], &all[..], &all[2..]]) {
        bench.tuf().rotate(roles, now()).unwrap();
        assert_eq!(versions(&bench.update().await.unwrap()), set(round, round + 1), "{roles:?}");
        assert_eq!(versions(&bench.store().cached().unwrap()), set(round, round + 1), "{roles:?}");
    }
    // From the pinned root on, without a cache.
    let fresh = TrustStore::new(bench.repository(), None).update(&http(), now()).await.unwrap();
    assert!(fresh.before.is_none());
    assert_eq!(versions(&fresh.after), set(6, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_found_through_a_delegation() {
    let bench = Bench::start().await;
    let root = signed(bench.tuf(), "/root.json");
    let id = root["roles"]["targets"]["keyids"][0].as_str().unwrap().to_owned();
    let all = signed(bench.tuf(), "/1.targets.json")["targets"].clone();
    let delegated = json!({
        "_type": "targets", "spec_version": "1.0.31", "version": 7, "expires": "2099-01-01T00:00:00Z",
        "targets": {"trusted_root.json": all["trusted_root.json"]},
    });
    let file = bench.tuf().sign(TufRole::Targets, &delegated).unwrap();
    let described = Tuf::describe(&file);
    bench.tuf().replace("/7.trust.json", Some(file));
    let forge = |paths: &str| {
        bench.forge(
            |role, signed| match role {
                TufRole::Targets => {
                    signed["targets"] = json!({});
                    signed["delegations"] = json!({
                        "keys": {id.clone(): root["keys"][&id]},
                        "roles": [{"name": "trust", "keyids": [id], "threshold": 1, "terminating": true, "paths": [paths]}],
                    });
                }
                TufRole::Snapshot => signed["meta"]["trust.json"] = described.clone(),
                _ => (),
            },
            |_, _| (),
        );
    };
    forge("other*");
    assert_eq!(bench.update().await.unwrap_err().code(), Code::TrustUpdateRejected);
    forge("trusted*");
    let material = bench.update().await.unwrap();
    assert_eq!(material.trusted_root_json, bench.sandbox.trusted_root().as_bytes());
    assert!(material.signing_config().is_err(), "nobody lists one");
    assert!(bench.store().cached().is_some());
}

/// A change to a document, by role.
type Edit = Box<dyn Fn(TufRole, &mut Value)>;

fn only(wanted: TufRole, edit: impl Fn(&mut Value) + 'static) -> Edit {
    Box::new(move |role, value| {
        if role == wanted {
            edit(value);
        }
    })
}

fn nothing() -> Edit {
    Box::new(|_, _| ())
}

fn expired() -> impl Fn(&mut Value) {
    |signed| signed["expires"] = json!("2026-01-01T00:00:00Z")
}

#[tokio::test(flavor = "multi_thread")]
async fn tuf_evil_metadata_is_refused_and_the_last_good_kept() {
    use TufRole::{Snapshot, Targets, Timestamp as Stamp};
    let bench = Bench::start().await;
    for _ in 0..3 {
        bench.tuf().publish(&[], now()).unwrap();
    }
    bench.update().await.unwrap();
    let cases: Vec<(&str, Edit, Edit)> = vec![
        ("expired timestamp", only(Stamp, expired()), nothing()),
        ("expired snapshot", only(Snapshot, expired()), nothing()),
        ("expired targets", only(Targets, expired()), nothing()),
        ("timestamp rollback", only(Stamp, |s| s["version"] = json!(1)), nothing()),
        ("snapshot rollback", only(Snapshot, |s| s["version"] = json!(1)), nothing()),
        ("targets rollback", only(Targets, |s| s["version"] = json!(1)), nothing()),
        ("targets entry gone", only(Snapshot, |s| s["meta"] = json!({})), nothing()),
        ("snapshot entry gone", only(Stamp, |s| s["meta"] = json!({})), nothing()),
        ("snapshot hash", nothing(), only(Snapshot, |m| m["hashes"]["sha256"] = json!("00".repeat(32)))),
        ("snapshot length", nothing(), only(Snapshot, |m| m["length"] = json!(1))),
        (
            "snapshot version",
            nothing(),
            only(Snapshot, |m| m["version"] = json!(m["version"].as_u64().unwrap() + 1)),
        ),
        ("targets hash", nothing(), only(Targets, |m| m["hashes"]["sha256"] = json!("00".repeat(32)))),
        ("targets length", nothing(), only(Targets, |m| m["length"] = json!(1))),
        (
            "targets version",
            nothing(),
            only(Targets, |m| m["version"] = json!(m["version"].as_u64().unwrap() + 1)),
        ),
        ("unknown hash only", nothing(), only(Targets, |m| m["hashes"] = json!({"md5": "00"}))),
        ("timestamp of another type", only(Stamp, |s| s["_type"] = json!("snapshot")), nothing()),
        ("targets of another type", only(Targets, |s| s["_type"] = json!("root")), nothing()),
        ("another specification", only(Stamp, |s| s["spec_version"] = json!("2.0.0")), nothing()),
        ("no expiry", only(Stamp, |s| s["expires"] = Value::Null), nothing()),
        ("fractions", only(Stamp, |s| s["version"] = json!("7")), nothing()),
        ("no trusted root", only(Targets, |s| s["targets"] = json!({})), nothing()),
        (
            "a target without hashes",
            only(Targets, |s| s["targets"]["trusted_root.json"]["hashes"] = json!({})),
            nothing(),
        ),
        (
            "a target without end",
            only(Targets, |s| s["targets"]["trusted_root.json"]["length"] = json!(1_u64 << 40)),
            nothing(),
        ),
    ];
    assert!(cases.len() >= 20);
    for (name, edit, relink) in cases {
        let good = versions(&bench.store().cached().unwrap());
        bench.forge(edit, relink);
        let error = bench.update().await.err().unwrap_or_else(|| panic!("accepted: {name}"));
        // A file of a version that is not published yet is not there.
        let code = if name.ends_with("version") { Code::ServiceRefused } else { Code::TrustUpdateRejected };
        assert_eq!(error.code(), code, "{name}: {error}");
        let kept = bench.store().cached().unwrap_or_else(|| panic!("lost: {name}"));
        assert_eq!(versions(&kept), good, "{name}");
        // Whoever needs something now goes on with it, and is told.
        let used = bench.store().current(&http(), now() + 25 * HOUR).await.unwrap();
        assert_eq!((versions(&used), used.origin), (good, TrustOrigin::Cache), "{name}");
        assert_eq!(used.not_updated.map(|e| e.code()), Some(code), "{name}");
        // And once the repository is right again, so is the client.
        bench.tuf().publish(&[], now()).unwrap();
        bench.update().await.unwrap_or_else(|e| panic!("not recovered from {name}: {e}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tuf_evil_files_are_refused() {
    let bench = Bench::start().await;
    bench.update().await.unwrap();
    let tuf = bench.tuf();
    let good = versions(&bench.store().cached().unwrap());
    let old = tuf.read("/timestamp.json");
    tuf.publish(&[("trusted_root.json", &bench.sandbox.trusted_root().replace("  ", " "))], now()).unwrap();
    let stamp = tuf.read("/timestamp.json").unwrap();
    let listed = signed(tuf, &path(tuf, TufRole::Targets));
    let hash = listed["targets"]["trusted_root.json"]["hashes"]["sha256"].as_str().unwrap();
    let target = format!("/targets/{hash}.trusted_root.json");
    let snapshot = path(tuf, TufRole::Snapshot);
    let foreign = tuf.sign(TufRole::Root, &signed(tuf, "/timestamp.json")).unwrap();
    let mut unsigned: Value = serde_json::from_slice(&stamp).unwrap();
    unsigned["signatures"] = json!([]);
    let mut padded = stamp.clone();
    padded.resize(17_000, b' ');
    let cases: Vec<(&str, Option<Vec<u8>>, Code)> = vec![
        ("/timestamp.json", Some(foreign), Code::TrustUpdateRejected),
        ("/timestamp.json", Some(unsigned.to_string().into_bytes()), Code::TrustUpdateRejected),
        ("/timestamp.json", Some(stamp[..stamp.len() / 2].to_vec()), Code::TrustUpdateRejected),
        ("/timestamp.json", Some(b"<html>log in</html>".to_vec()), Code::TrustUpdateRejected),
        ("/timestamp.json", Some(padded), Code::ServiceProtocol),
        ("/timestamp.json", None, Code::ServiceRefused),
        (&snapshot, tuf.read("/1.snapshot.json"), Code::TrustUpdateRejected),
        (&snapshot, None, Code::ServiceRefused),
        (&target, Some(bench.sandbox.trusted_root().into()), Code::ServiceProtocol),
        (&target, Some(vec![b'{'; 64]), Code::TrustUpdateRejected),
        (&target, None, Code::ServiceRefused),
    ];
    for (file, content, code) in cases {
        let right = tuf.read(file);
        tuf.replace(file, content);
        assert_eq!(bench.update().await.unwrap_err().code(), code, "{file}");
        assert_eq!(versions(&bench.store().cached().unwrap()), good, "{file}");
        tuf.replace(file, right);
    }
    // The newer timestamp was seen, even though its set never came: the older one is a replay now.
    tuf.replace("/timestamp.json", old);
    assert_eq!(bench.update().await.unwrap_err().code(), Code::TrustUpdateRejected);
    tuf.replace("/timestamp.json", Some(stamp));
    assert_eq!(versions(&bench.update().await.unwrap()), set(1, 2));
    // Nor does a second update that breaks off lower what the first has seen.
    tuf.publish(&[], now()).unwrap();
    let (third, third_snapshot) = (tuf.read("/timestamp.json"), path(tuf, TufRole::Snapshot));
    tuf.publish(&[], now()).unwrap();
    let (fourth, fourth_snapshot) = (tuf.read("/timestamp.json"), path(tuf, TufRole::Snapshot));
    for (timestamp, snapshot) in [(&fourth, &fourth_snapshot), (&third, &third_snapshot)] {
        let right = tuf.read(snapshot);
        tuf.replace("/timestamp.json", timestamp.clone());
        tuf.replace(snapshot, None);
        assert_eq!(bench.update().await.unwrap_err().code(), Code::ServiceRefused);
        tuf.replace(snapshot, right);
    }
    assert_eq!(bench.update().await.unwrap_err().code(), Code::TrustUpdateRejected);
    tuf.replace("/timestamp.json", fourth);
    assert_eq!(versions(&bench.update().await.unwrap()), set(1, 4));
    // A trusted root that nobody can read is no reason to lose the one that could be read.
    tuf.publish(&[("trusted_root.json", "{}")], now()).unwrap();
    assert_eq!(bench.update().await.unwrap_err().code(), Code::TrustUpdateRejected);
    assert_eq!(versions(&bench.store().cached().unwrap()), set(1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn tuf_evil_roots_are_refused() {
    let bench = Bench::start().await;
    bench.update().await.unwrap();
    let tuf = bench.tuf();
    let other = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let foreign = signed(other.tuf(), "/root.json");
    let refuse = async |name: &str, path: String| {
        let error = bench.update().await.err().unwrap_or_else(|| panic!("accepted: {name}"));
        assert_eq!(error.code(), Code::TrustUpdateRejected, "{name}: {error}");
        assert_eq!(versions(&bench.store().cached().unwrap()), set(1, 1), "{name}");
        tuf.replace(&path, None);
        bench.update().await.unwrap_or_else(|e| panic!("not recovered from {name}: {e}"));
    };
    refuse("gap", bench.next_root(|root| root["version"] = json!(3))).await;
    refuse("same version", bench.next_root(|root| root["version"] = json!(1))).await;
    refuse("threshold 0", bench.next_root(|root| root["roles"]["root"]["threshold"] = json!(0))).await;
    refuse("threshold -1", bench.next_root(|root| root["roles"]["root"]["threshold"] = json!(-1))).await;
    refuse("threshold 2 by one", bench.next_root(|root| root["roles"]["root"]["threshold"] = json!(2))).await;
    refuse("no timestamp role", bench.next_root(|root| drop(root["roles"]["timestamp"].take()))).await;
    refuse(
        "not signed by the new key",
        bench.next_root(|root| {
            root["keys"] = foreign["keys"].clone();
            root["roles"] = foreign["roles"].clone();
        }),
    )
    .await;
    let path = bench.next_root(|_| ());
    tuf.replace(&path, other.tuf().read("/1.root.json"));
    refuse("not signed by the old key", path).await;

    // One key twice is one signer; a second name for it makes it no other.
    let path = bench.next_root(|root| root["roles"]["root"]["threshold"] = json!(2));
    let mut file: Value = serde_json::from_slice(&tuf.read(&path).unwrap()).unwrap();
    let signature = file["signatures"][0].clone();
    file["signatures"] = json!([signature, signature]);
    tuf.replace(&path, Some(file.to_string().into_bytes()));
    refuse("the same signature twice", path).await;

    // Only the last root's expiry counts: a client may come back after years. Until it does, the expired
    // one is the newest.
    let path = bench.next_root(expired());
    assert_eq!(bench.update().await.unwrap_err().code(), Code::TrustUpdateRejected);
    assert_eq!(versions(&bench.store().cached().unwrap()), set(2, 1));
    assert_eq!(bench.store().current(&http(), now()).await.unwrap_err().code(), Code::TrustRootStale);
    let mut root = signed(tuf, &path);
    root["version"] = json!(3);
    root["expires"] = json!("2099-01-01T00:00:00Z");
    tuf.replace("/3.root.json", Some(tuf.sign(TufRole::Root, &root).unwrap()));
    assert_eq!(versions(&bench.update().await.unwrap()), set(3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_repository_is_noticed() {
    let bench = Bench::start().await;
    bench.update().await.unwrap();
    let later = now() + YEAR;
    let error = bench.store().update(&http(), later).await.unwrap_err();
    assert_eq!(error.code(), Code::TrustUpdateRejected);
    // By then the root itself has expired: nothing is left to go on with, except when told to.
    let error = bench.store().current(&http(), later).await.unwrap_err();
    assert_eq!((error.code(), error.others().len()), (Code::TrustRootStale, 1));
    let material = bench.store().current(&offline(), later).await.unwrap();
    assert!(material.expired(later).is_some() && material.age(later) > 365 * 24 * HOUR);

    // A root that lives longer is no help: what is served is rejected, and what is there has expired.
    bench.next_root(|root| root["expires"] = json!("2099-01-01T00:00:00Z"));
    let error = bench.store().current(&http(), later).await.unwrap_err();
    assert_eq!((error.code(), error.others().len()), (Code::TrustRootStale, 1));
    assert_eq!(error.others()[0].code(), Code::TrustUpdateRejected);
    assert!(error.found_value().unwrap().starts_with("timestamp version 1 expired"), "{error:?}");
    assert_eq!(versions(&bench.store().cached().unwrap()), set(2, 1));
    // A repository that is out of reach is another matter: with such a root, old material may go on.
    bench.tuf().replace("/timestamp.json", None);
    let material = bench.store().current(&http(), later).await.unwrap();
    assert_eq!(material.not_updated.map(|e| e.code()), Some(Code::ServiceRefused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_update_leaves_what_has_not_expired() {
    let bench = Bench::start().await;
    bench.tuf().publish(&[], now()).unwrap();
    bench.next_root(|root| root["expires"] = json!("2099-01-01T00:00:00Z"));
    bench.update().await.unwrap();
    // An older state, replayed while what is there is good.
    bench.forge(only(TufRole::Timestamp, |s| s["version"] = json!(1)), nothing());
    let material = bench.store().current(&http(), now() + 25 * HOUR).await.unwrap();
    assert_eq!(material.not_updated.map(|e| e.code()), Some(Code::TrustUpdateRejected));
    // And once the first of its roles has expired, while the root has not.
    let roles = bench.store().cached().unwrap().roles;
    let first = roles.iter().map(|role| role.expires).min().unwrap();
    assert!(roles[0].expires > first + HOUR);
    let error = bench.store().current(&http(), first + HOUR).await.unwrap_err();
    assert_eq!((error.code(), error.others().len()), (Code::TrustRootStale, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_online_key_takes_its_versions_along() {
    let bench = Bench::start().await;
    // Whoever has the online keys can run far ahead.
    bench.forge(only(TufRole::Timestamp, |s| s["version"] = json!(1_000_000)), nothing());
    bench.update().await.unwrap();
    bench.tuf().publish(&[], now()).unwrap();
    assert_eq!(bench.update().await.unwrap_err().code(), Code::TrustUpdateRejected);
    // A new key brings the client back, even beside the old one, whose metadata would still verify.
    let other = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let foreign = signed(other.tuf(), "/root.json");
    let id = foreign["roles"]["timestamp"]["keyids"][0].clone();
    let next = bench.next_root(|root| {
        root["keys"][id.as_str().unwrap()] = foreign["keys"][id.as_str().unwrap()].clone();
        root["roles"]["timestamp"]["keyids"].as_array_mut().unwrap().push(id.clone());
    });
    assert_eq!(versions(&bench.update().await.unwrap()), set(2, 3));
    // Undone, for what follows.
    bench.tuf().replace(&next, None);
    std::fs::remove_file(bench.file()).unwrap();
    bench.update().await.unwrap();
    bench.tuf().rotate(&[TufRole::Timestamp, TufRole::Snapshot], now()).unwrap();
    assert_eq!(versions(&bench.update().await.unwrap()), set(2, 4));

    // If the update then breaks off, the last set is signed by a key of yesterday: not fresh, but good.
    bench.tuf().rotate(&[TufRole::Timestamp], now()).unwrap();
    bench.tuf().replace("/timestamp.json", None);
    bench.update().await.unwrap_err();
    let kept = bench.store().cached().unwrap();
    assert_eq!(kept.roles.iter().map(|role| role.version).collect::<Vec<_>>(), [3, 4, 4, 4]);
    assert!(!kept.is_fresh(now()));
    // The targets keys are another matter: what they signed before, nobody stands behind any more.
    bench.tuf().rotate(&[TufRole::Targets], now()).unwrap();
    bench.tuf().replace("/timestamp.json", None);
    bench.update().await.unwrap_err();
    assert!(bench.store().cached().is_none());
    bench.tuf().publish(&[], now()).unwrap();
    bench.update().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_crash_a_tampered_cache_is_never_trusted() {
    let bench = Bench::start().await;
    bench.tuf().rotate(&[TufRole::Root], now()).unwrap();
    let good = bench.update().await.unwrap();
    let file = bench.file();
    let json = std::fs::read(&file).unwrap();
    let mut tampered: Vec<Vec<u8>> =
        vec![vec![], b"{}".to_vec(), b"[]".to_vec(), json[..json.len() / 2].to_vec()];
    let state: Value = serde_json::from_slice(&json).unwrap();
    for name in state["files"].as_object().unwrap().keys() {
        let text = state["files"][name].as_str().unwrap();
        for content in [text.replacen('1', "2", 1), text.replace("127.0.0.1", "127.0.0.2"), String::new()] {
            if content != text {
                let mut state = state.clone();
                state["files"][name] = json!(content);
                tampered.push(state.to_string().into_bytes());
            }
        }
        let mut state = state.clone();
        state["files"].as_object_mut().unwrap().remove(name);
        tampered.push(state.to_string().into_bytes());
    }
    let mut later = state.clone();
    later["confirmed"] = json!("2099-01-01T00:00:00Z");
    tampered.push(later.to_string().into());
    let other = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let mut foreign = state.clone();
    for name in ["timestamp.json", "1.snapshot.json", "1.targets.json"] {
        let text = String::from_utf8(other.tuf().read(&format!("/{name}")).unwrap()).unwrap();
        foreign["files"][name.trim_start_matches("1.")] = json!(text);
    }
    foreign["files"]["targets/trusted_root.json"] = json!(other.trusted_root());
    tampered.push(foreign.to_string().into_bytes());
    assert!(tampered.len() >= 15, "{}", tampered.len());
    for content in tampered {
        std::fs::write(&file, &content).unwrap();
        if let Some(cached) = bench.store().cached() {
            // What may be missing is what the signed list does not vouch for in this place.
            assert_eq!(cached.trusted_root_json, good.trusted_root_json);
            assert_eq!(cached.signing_config_json, good.signing_config_json);
        }
        let again = bench.store().current(&http(), now()).await.unwrap();
        assert_eq!((versions(&again), &again.trusted_root_json), (set(2, 2), &good.trusted_root_json));
        assert_eq!(bench.store().cached().unwrap().trusted_root_json, good.trusted_root_json);
    }
    std::fs::write(&file, later.to_string()).unwrap();
    assert!(bench.store().cached().is_none(), "updated after it expired?");
    // A root that does not follow from the one before.
    for (version, content) in [("2", "{}"), ("3", "{}"), ("9", &*bench.tuf().root())] {
        let mut state = state.clone();
        state["roots"][version] = json!(content);
        std::fs::write(&file, state.to_string()).unwrap();
        assert!(bench.store().cached().is_none(), "{version}");
        assert_eq!(versions(&bench.store().current(&http(), now()).await.unwrap()), set(2, 2), "{version}");
        assert_eq!(versions(&bench.store().cached().unwrap()), set(2, 2), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_crash_without_a_place_to_write_memory_does() {
    let bench = Bench::start().await;
    let in_the_way = bench.cache.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let lock_is_a_folder = bench.cache.path().join("a");
    std::fs::create_dir_all(TrustCache::new(&lock_is_a_folder).folder(&bench.repository()).join("lock"))
        .unwrap();
    let file_is_a_folder = bench.cache.path().join("b");
    let metadata = TrustCache::new(&file_is_a_folder).folder(&bench.repository()).join("metadata.json");
    std::fs::create_dir_all(metadata.join("x")).unwrap();
    for folder in [in_the_way, lock_is_a_folder, file_is_a_folder] {
        let store = TrustStore::new(bench.repository(), Some(TrustCache::new(&folder)));
        for _ in 0..2 {
            let material = store.current(&http(), now()).await.unwrap();
            assert_eq!(versions(&material), set(1, 1));
            assert_eq!(
                material.not_cached.map(|e| e.code()),
                Some(Code::FileUnreadable),
                "{}",
                folder.display()
            );
        }
    }
    let none = TrustStore::new(bench.repository(), None);
    assert!(none.current(&http(), now()).await.unwrap().not_cached.is_none());
    assert!(none.cached().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_at_once_ask_once() {
    let bench = Bench::start().await;
    bench.tuf().take_requests();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = bench.store();
            tokio::spawn(async move { store.current(&http(), now()).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(versions(&task.await.unwrap()), set(1, 1));
    }
    let asked = bench.tuf().take_requests();
    assert_eq!(asked.iter().filter(|path| *path == "/timestamp.json").count(), 1, "{asked:?}");
    let folder = TrustCache::new(bench.cache.path()).folder(&bench.repository());
    let mut left: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["lock", "metadata.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_does_not_answer_costs_one_deadline() {
    let bench = Bench::start().await;
    bench.update().await.unwrap();
    // Accepts connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let options = HttpOptions { timeout: std::time::Duration::from_millis(300), ..HttpOptions::default() };
    let http = HttpClient::new(options).unwrap();
    let begun = std::time::Instant::now();
    let store = TrustStore::new(
        TufRepository::of(sign_core::Instance::Public).unwrap().mirrored_at(&url).unwrap(),
        None,
    );
    let material = store.current(&http, now()).await.unwrap();
    assert_eq!(material.origin, TrustOrigin::Embedded);
    assert_eq!(material.not_updated.map(|e| e.code()), Some(Code::ServiceUnavailable));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    // With nothing to go on with, it is an error.
    let private = TrustStore::new(bench.repository().mirrored_at(&url).unwrap(), None);
    assert_eq!(private.current(&http, now()).await.unwrap_err().code(), Code::ServiceUnavailable);
}
