//! `--bundle` where nothing can be written: noticed before anything becomes public in the log.

use std::path::Path;

use sign_sandbox::RekorVersion;

use crate::support::{CYCLONEDX, Fixture};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_logged_for_a_bundle_that_cannot_be_written() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let (file, sbom) = (f.file("a.txt", "hello"), f.file("sbom.json", CYCLONEDX));
    let read_only = f.file("read-only.json", "kept");
    let mut permissions = std::fs::metadata(&read_only).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&read_only, permissions).unwrap();
    let missing = f.path("no/such/folder/out.json").display().to_string();
    let folder = f.folder.path().display().to_string();

    let first = f.next_log_index().await;
    for bundle in [&missing, &folder, &read_only] {
        f.refuses(&["sign-blob", &file, "--bundle", bundle], 2, "file-unreadable").await;
        let attest = ["attest-blob", &file, "--predicate", &sbom, "--bundle", bundle];
        f.refuses(&attest, 2, "file-unreadable").await;
        f.refuses(&["sign", &image, "--bundle", bundle], 2, "file-unreadable").await;
        f.refuses(&["attest", &image, "--predicate", &sbom, "--bundle", bundle], 2, "file-unreadable").await;
    }
    // The second of two files is the one that cannot be written.
    let two = f.image("team/two");
    std::fs::create_dir(f.path("out.2.json")).unwrap();
    let out = f.path("out.json").display().to_string();
    f.refuses(&["sign", &image, &two, "--bundle", &out], 2, "file-unreadable").await;

    f.bare(&image).await;
    assert!(!f.path("out.1.json").exists());
    assert_eq!(std::fs::read_to_string(&read_only).unwrap(), "kept");
    assert_eq!(f.next_log_index().await, first + 1, "something was logged in between");
    assert_no_temporary_files(f.folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_never_replaces_what_it_is_about() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    let (file, sbom) = (f.file("a.txt", "hello"), f.file("sbom.json", CYCLONEDX));
    let (token, config) = (f.path("token"), f.sandbox.data().join("trust_config.rekor2.json"));
    for kept in [&token, &config] {
        let before = std::fs::read(kept).unwrap();
        let kept_path = kept.display().to_string();
        f.refuses(&["sign-blob", &file, "--bundle", &kept_path], 2, "invalid-argument").await;
        f.refuses(&["sign", &image, "--bundle", &kept_path], 2, "invalid-argument").await;
        assert_eq!(std::fs::read(kept).unwrap(), before);
    }
    f.refuses(&["sign-blob", &file, "--bundle", "-"], 2, "invalid-argument").await;
    f.refuses(&["sign-blob", &file, "--bundle", &file], 2, "invalid-argument").await;
    for bundle in [&file, &sbom] {
        let attest = ["attest-blob", &file, "--predicate", &sbom, "--bundle", bundle];
        f.refuses(&attest, 2, "invalid-argument").await;
    }
    f.refuses(&["attest", &image, "--predicate", &sbom, "--bundle", &sbom], 2, "invalid-argument").await;
    let bundle = f.path("a.sigstore.json").display().to_string();
    f.signer(&["attest-blob", &file, "--predicate", &sbom, "--bundle", &bundle]).await.expect(0);
    for predicate in [&file, &bundle] {
        let write = ["verify-blob", &file, "--bundle", &bundle, "--write-predicate", predicate];
        f.refuses(&f.accepted(&write), 2, "invalid-argument").await;
    }
    f.signer(&f.accepted(&["verify-blob", &file, "--bundle", &bundle])).await.expect(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hello");
    assert_eq!(std::fs::read_to_string(&sbom).unwrap(), CYCLONEDX);
    f.bare(&image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_signature_leaves_an_older_bundle_as_it_is() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (file, bundle) = (f.file("a.txt", "hello"), f.file("a.sigstore.json", "older"));
    f.sandbox.faults().set(sign_sandbox::Fault::TsaOtherImprint);
    f.refuses(&["sign-blob", &file, "--bundle", &bundle], 1, "service-contradiction").await;
    assert_eq!(std::fs::read_to_string(&bundle).unwrap(), "older");
    f.sandbox.faults().clear();
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    f.signer(&f.accepted(&["verify-blob", &file, "--bundle", &bundle])).await.expect(0);
    assert_no_temporary_files(f.folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_upload_the_bundle_is_all_there_is() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    f.refuses(&["sign", &image, "--no-upload"], 2, "invalid-argument").await;
    let bundle = f.path("out.json").display().to_string();
    let signed =
        f.signer(&["sign", &image, "--no-upload", "--bundle", &bundle, "-o", "json"]).await.expect(0);
    assert_eq!(signed.json()["results"][0]["bundle"], bundle.as_str());
    assert!(signed.json()["results"][0].get("referrer").is_none());
    f.bare(&image).await;
    f.signer(&["inspect", &bundle]).await.expect(0);
}

fn assert_no_temporary_files(folder: &Path) {
    let left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
