//! Images from layouts, and Skopeo where it is installed.

use std::path::Path;
use std::process::Output;

use super::*;
use crate::image;

fn layout(dir: &Path) -> (std::path::PathBuf, image::Built, image::Built) {
    let file = dir.join("hello");
    std::fs::write(&file, vec![7; 100_000]).unwrap();
    let layout = dir.join("layout");
    let single = image::write_layout(&layout, &file, "single").unwrap();
    let multi = image::write_multi_platform_layout(&layout, &file, "multi").unwrap();
    (layout, single, multi)
}

#[tokio::test]
async fn images_load_with_everything_they_need() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, single, multi) = layout(dir.path());
    let service = Service::start(RegistryOptions::default()).await;
    let load = |name: &str, tag: &str| service.registry.load_image(&layout, name, "a/b", tag);
    assert_eq!(load("single", "1").unwrap(), single.digest);
    assert_eq!(load("multi", "2").unwrap(), multi.digest);
    assert_eq!(load("absent", "3").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(load("multi", "-").unwrap_err().kind(), std::io::ErrorKind::InvalidData);

    let index = service.send("GET", "/v2/a/b/manifests/2").await;
    assert_eq!((index.header("content-type"), index.body.len() as u64), (INDEX, multi.size));
    for entry in index.json()["manifests"].as_array().unwrap() {
        let digest = entry["digest"].as_str().unwrap();
        let image = service.send("GET", &format!("/v2/a/b/manifests/{digest}")).await.json();
        for blob in [&image["config"], &image["layers"][0]] {
            let path = format!("/v2/a/b/blobs/{}", blob["digest"].as_str().unwrap());
            let head = service.send("HEAD", &path).await;
            assert_eq!(head.header("content-length"), blob["size"].to_string());
        }
    }
}

#[tokio::test]
async fn a_layout_with_a_changed_blob_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, single, _) = layout(dir.path());
    let service = Service::start(RegistryOptions::default()).await;
    let path = layout.join("blobs").join(single.digest.replace(':', "/"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"size\"", "\"size\" ")).unwrap();
    let error = service.registry.load_image(&layout, "single", "a", "1").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(service.send("GET", "/v2/a/tags/list").await.status, 404);
}

/// Runs Skopeo; `None`, with a notice, where there is none.
async fn skopeo(arguments: &[&str]) -> Option<Output> {
    match tokio::process::Command::new("skopeo").args(arguments).output().await {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: skopeo is not installed");
            None
        }
        Err(error) => panic!("skopeo cannot be run: {error}"),
    }
}

#[tokio::test]
async fn skopeo_pushes_and_pulls() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, single, multi) = layout(dir.path());
    let auth = RegistryAuth::Token { username: "ann".into(), password: "word".into() };
    for auth in [RegistryAuth::None, auth] {
        // Small pages, so that Skopeo must follow links.
        let options = RegistryOptions { auth, page_size: 1, ..RegistryOptions::default() };
        let service = Service::start(options).await;
        let host = service.url.trim_start_matches("http://");
        let credentials = ["--src-creds=ann:word", "--dest-creds=ann:word", "--creds=ann:word"];
        for (name, built) in [("single", &single), ("multi", &multi)] {
            let local = format!("oci:{}:{name}", layout.display());
            let remote = format!("docker://{host}/a/b:{name}");
            let back = format!("oci:{}:{name}", dir.path().join("back").display());
            let push = [
                "copy",
                "--all",
                "--preserve-digests",
                credentials[1],
                "--dest-tls-verify=false",
                &local,
                &remote,
            ];
            let Some(output) = skopeo(&push).await else { return };
            assert!(output.status.success(), "{output:?}");
            let pull = [
                "copy",
                "--all",
                "--preserve-digests",
                credentials[0],
                "--src-tls-verify=false",
                &remote,
                &back,
            ];
            let output = skopeo(&pull).await.unwrap();
            assert!(output.status.success(), "{output:?}");
            let raw = skopeo(&["inspect", "--raw", &back]).await.unwrap().stdout;
            assert_eq!(Digest::of(&raw).as_str(), built.digest);
        }
        let inspect = skopeo(&["inspect", &format!("oci:{}:single", layout.display())]).await.unwrap();
        let inspected: Value = serde_json::from_slice(&inspect.stdout).unwrap();
        assert_eq!((&inspected["Architecture"], &inspected["Os"]), (&json!("amd64"), &json!("linux")));
        assert_eq!(inspected["Digest"], single.digest.as_str());

        let repository = format!("docker://{host}/a/b");
        let tags = skopeo(&["list-tags", credentials[2], "--tls-verify=false", &repository]).await.unwrap();
        let tags: Value = serde_json::from_slice(&tags.stdout).unwrap();
        assert_eq!(tags["Tags"], json!(["multi", "single"]));
        let remote = format!("{repository}:single");
        let delete = ["delete", credentials[2], "--tls-verify=false", &remote];
        let output = skopeo(&delete).await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
