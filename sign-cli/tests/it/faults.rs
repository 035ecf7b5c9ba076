//! Services that misbehave: the right code, the right exit status, and nothing attached.

use sign_sandbox::{Fault, RekorVersion};

use crate::support::{CYCLONEDX, Fixture};

/// Which fault of a signing service is seen as what.
const SIGNING: &[(Fault, i32, &str)] = &[
    (Fault::FulcioOtherKey, 1, "service-contradiction"),
    (Fault::FulcioOtherIdentity, 1, "service-contradiction"),
    (Fault::FulcioOtherIssuer, 1, "service-contradiction"),
    (Fault::FulcioNoSct, 1, "sct-invalid"),
    (Fault::FulcioBadSct, 1, "sct-invalid"),
    (Fault::FulcioOtherChain, 1, "certificate-untrusted"),
    (Fault::FulcioDown, 3, "service-unavailable"),
    (Fault::RekorOtherHash, 1, "service-contradiction"),
    (Fault::RekorBadProof, 1, "inclusion-proof-invalid"),
    (Fault::RekorBadCheckpoint, 1, "checkpoint-invalid"),
    (Fault::RekorDown, 3, "service-unavailable"),
    (Fault::TsaOtherImprint, 1, "service-contradiction"),
    (Fault::TsaOtherNonce, 1, "service-contradiction"),
    (Fault::TsaFuture, 3, "time-in-future"),
    (Fault::TsaDown, 3, "service-unavailable"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_attached_when_a_signing_service_misbehaves() {
    for rekor in [RekorVersion::V1, RekorVersion::V2] {
        let f = Fixture::start(rekor).await;
        let image = f.image("team/app");
        let sbom = f.file("sbom.json", CYCLONEDX);
        let bundle = f.path("out.json").display().to_string();
        let only_v1 = [(Fault::RekorBadSet, 1, "set-invalid")];
        let more = if rekor == RekorVersion::V1 { &only_v1[..] } else { &[] };
        for &(fault, status, code) in SIGNING.iter().chain(more) {
            f.sandbox.faults().clear();
            f.sandbox.faults().set(fault);
            eprintln!("{fault:?} with {rekor:?}");
            let sign = ["sign", &image, "--timeout", "4"];
            let attest = ["attest", &image, "--predicate", &sbom, "--timeout", "4"];
            let blob = ["sign-blob", &sbom, "--bundle", &bundle, "--timeout", "4"];
            tokio::join!(
                f.refuses(&sign, status, code),
                f.refuses(&attest, status, code),
                f.refuses(&blob, status, code),
            );
            assert!(!f.path("out.json").exists(), "{fault:?} left a bundle");
            f.sandbox.faults().clear();
            f.bare(&image).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_cannot_be_read_is_not_an_unsigned_image() {
    let f = Fixture::start(RekorVersion::V2).await;
    let (image, other) = (f.image("team/app"), f.image("team/other"));
    let sbom = f.file("sbom.json", CYCLONEDX);
    f.signer(&["sign", &image]).await.expect(0);
    let verify = f.accepted(&["verify", &image, "--timeout", "4"]);
    for (fault, status, code) in [
        (Fault::Registry401, 3, "credentials-refused"),
        (Fault::Registry404, 2, "subject-not-found"),
        (Fault::Registry429, 3, "service-unavailable"),
        (Fault::Registry500, 3, "service-unavailable"),
        (Fault::RegistryCut, 3, "service-unavailable"),
        (Fault::RegistryHang, 3, "service-unavailable"),
        (Fault::RegistryTamper, 1, "content-mismatch"),
    ] {
        f.sandbox.faults().clear();
        f.sandbox.faults().set(fault);
        eprintln!("{fault:?}");
        // What cannot be read is not verified, and not signed, attested or listed either.
        let sign = ["sign", &other, "--timeout", "4"];
        let attest = ["attest", &other, "--predicate", &sbom, "--timeout", "4"];
        let tree = ["tree", &other, "--timeout", "4"];
        tokio::join!(
            f.refuses(&verify, status, code),
            f.refuses(&sign, status, code),
            f.refuses(&attest, status, code),
            f.refuses(&tree, status, code),
        );
    }
    f.sandbox.faults().clear();
    f.signer(&verify).await.expect(0);
    f.bare(&other).await;
    assert_eq!(f.next_log_index().await, 1, "something was logged that was not attached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_takes_nothing_fails_the_command() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    f.sandbox.faults().set(Fault::RegistryReadOnly);
    let run = f.signer(&["sign", &image, "--timeout", "4"]).await;
    assert_eq!(run.status, 3, "{}", run.stderr);
    assert!(run.stdout.is_empty(), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_costs_one_deadline() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    f.sandbox.faults().set(Fault::RegistryHang);
    let started = std::time::Instant::now();
    let run = f.signer(&["tree", &image, "--timeout", "6"]).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(run.stderr.contains("http://") && run.stderr.contains("https://"), "{}", run.stderr);
    run.fails(3, "service-unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_attached_is_told_apart_from_what_was_not() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("app");
    let layout = format!("oci-layout:{}", f.path("layout-app").display());
    f.sandbox.faults().set(Fault::RegistryReadOnly);
    let sign = ["sign", &image, &layout, "--timeout", "2", "-o", "json"];
    let document = f.signer(&sign).await.expect(3).json();
    assert_eq!(document["code"], "attach-incomplete");
    assert_eq!(document["results"][0]["outcome"], "unknown");
    assert_eq!(document["results"][1]["outcome"], "done");
    f.sandbox.faults().clear();
    f.bare(&image).await;
    f.signer(&f.accepted(&["verify", &layout])).await.expect(0);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_takes_nothing_is_found_out_before_anything_is_logged() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("app");
    // Permissions bind no administrator, and the longest path does (4095 bytes): the blobs that are there can
    // be read, and the longer name of a temporary file beside them cannot be made.
    let longest = 4095 - "/blobs/sha256/".len() - 64;
    let mut folder = f.path("deep");
    while folder.as_os_str().len() < longest - 256 {
        folder.push("d".repeat(128));
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder.push("d".repeat(longest - folder.as_os_str().len() - 1));
    std::fs::rename(f.path("layout-app"), &folder).unwrap();
    let layout = format!("oci-layout:{}", folder.display());
    let bundle = f.path("out.json").display().to_string();
    let first = f.next_log_index().await;
    f.refuses(&["sign", &image, &layout, "--bundle", &bundle], 2, "file-unreadable").await;
    f.bare(&image).await;
    assert!(!f.path("out.1.json").exists());
    assert_eq!(f.next_log_index().await, first + 1, "something was logged in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_leaves_the_printed_digest_signed() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("team/app");
    f.sandbox.faults().set(Fault::RegistryMoveTag);
    let signed = f.signer(&["sign", &image, "-o", "json"]).await.expect(0).json();
    f.sandbox.faults().clear();
    let digest = signed["results"][0]["digest"].as_str().unwrap();
    let (name, _) = image.rsplit_once(':').unwrap();
    let by_digest = format!("{name}@{digest}");
    f.signer(&f.accepted(&["verify", &by_digest])).await.expect(0);
    // The tag points at something else by now, and that is not signed.
    f.signer(&f.accepted(&["verify", &image])).await.fails(1, "no-signatures");
}
