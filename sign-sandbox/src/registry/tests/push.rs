use super::*;

#[tokio::test]
async fn a_blob_in_one_go_and_in_parts() {
    let service = Service::start(RegistryOptions::default()).await;
    let digest = service.blob("a/b", b"0123456789").await;
    let path = format!("/v2/a/b/blobs/{digest}");

    let head = service.send("HEAD", &path).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "10", 0));
    assert_eq!(head.header("docker-content-digest"), digest.as_str());
    let escaped = service.send("GET", &path.replace(':', "%3A")).await;
    assert_eq!((escaped.status, escaped.body.as_slice()), (200, &b"0123456789"[..]));

    let part = send(service.request("GET", &path).header("range", "bytes=2-4")).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let outside = send(service.request("GET", &path).header("range", "bytes=10-")).await;
    assert_eq!((outside.status, outside.header("content-range")), (416, "bytes */10"));

    // Another repository does not have it.
    assert_eq!(service.send("GET", &path.replace("a/b", "a")).await.code(), "BLOB_UNKNOWN");
    assert_eq!(service.send("DELETE", &path).await.status, 202);
    assert_eq!(service.send("HEAD", &path).await.status, 404);
    assert_eq!(service.send("DELETE", &path).await.code(), "BLOB_UNKNOWN");
}

#[tokio::test]
async fn chunks_must_follow_each_other() {
    let service = Service::start(RegistryOptions::default()).await;
    let start = service.send("POST", "/v2/a/blobs/uploads/").await;
    assert_eq!((start.status, start.header("range")), (202, "0-0"));
    let location = start.header("location").to_owned();
    let chunk = |range: &str, content: &'static str| {
        send(service.request("PATCH", &location).header("content-range", range).body(content))
    };

    let first = chunk("0-4", "01234").await;
    assert_eq!((first.status, first.header("range")), (202, "0-4"));
    let gap = chunk("6-7", "67").await;
    assert_eq!((gap.status, gap.header("range")), (416, "0-4"));
    assert_eq!(chunk("nonsense", "56").await.status, 416);
    assert_eq!(chunk("5-9", "56").await.code(), "SIZE_INVALID");
    // Nothing of the refused chunks stayed.
    let status = service.send("GET", &location).await;
    assert_eq!((status.status, status.header("range")), (204, "0-4"));
    assert_eq!(chunk("5-6", "56").await.status, 202);

    let digest = Digest::of(b"012345678");
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    assert_eq!(service.send("GET", &elsewhere).await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(send(service.request("PUT", &location)).await.code(), "DIGEST_INVALID");
    let end = service.request("PUT", &format!("{location}&digest={digest}")).header("content-range", "7-8");
    let end = send(end.body("78")).await;
    assert_eq!((end.status, end.header("docker-content-digest")), (201, digest.as_str()));
    assert_eq!(service.send("GET", end.header("location")).await.body, b"012345678");
    assert_eq!(service.send("GET", &location).await.status, 404);
}

#[tokio::test]
async fn an_upload_with_another_digest_or_none_is_not_kept() {
    let service = Service::start(RegistryOptions::default()).await;
    let digest = Digest::of(b"good");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(send(service.request("POST", &path).body("evil")).await.code(), "DIGEST_INVALID");
    let location = service.send("POST", "/v2/a/blobs/uploads/").await.header("location").to_owned();
    let put = service.request("PUT", &format!("{location}&digest={digest}")).body("evil");
    assert_eq!(send(put).await.code(), "DIGEST_INVALID");
    assert_eq!(service.send("GET", &format!("/v2/a/blobs/{digest}")).await.status, 404);

    let location = service.send("POST", "/v2/a/blobs/uploads/").await.header("location").to_owned();
    assert_eq!(service.send("DELETE", &location).await.status, 204);
    assert_eq!(service.send("PATCH", &location).await.code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_blob_is_mounted_or_uploaded() {
    let service = Service::start(RegistryOptions::default()).await;
    let digest = service.blob("a", b"content").await;
    let mount = service.send("POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a")).await;
    assert_eq!((mount.status, mount.header("location")), (201, &*format!("/v2/b/blobs/{digest}")));
    assert_eq!(service.send("GET", mount.header("location")).await.body, b"content");
    let absent = Digest::of(b"absent");
    let refused = service.send("POST", &format!("/v2/b/blobs/uploads/?mount={absent}&from=a")).await;
    assert_eq!(refused.status, 202);
    assert!(refused.header("location").starts_with("/v2/b/blobs/uploads/"));
}

#[tokio::test]
async fn manifests_by_tag_and_by_digest() {
    let service = Service::start(RegistryOptions::default()).await;
    let mut image = manifest(None, None);
    assert_eq!(service.put("a", "1", &image).await.code(), "MANIFEST_BLOB_UNKNOWN");
    service.blob("a", b"{}").await;
    let pushed = service.put("a", "1", &image).await;
    let digest = Digest::of(image.to_string().as_bytes());
    assert_eq!((pushed.status, pushed.header("docker-content-digest")), (201, digest.as_str()));
    assert_eq!(pushed.header("location"), format!("/v2/a/manifests/{digest}"));
    assert_eq!(pushed.header("oci-subject"), "");

    for reference in ["1", digest.as_str()] {
        let path = format!("/v2/a/manifests/{reference}");
        let read = service.send("GET", &path).await;
        assert_eq!((read.status, read.header("content-type")), (200, IMAGE));
        assert_eq!((read.header("etag"), read.json()), (&*format!("\"{digest}\""), image.clone()));
        let head = service.send("HEAD", &path).await;
        assert_eq!(head.header("content-length"), image.to_string().len().to_string());
    }

    image["layers"] = json!([{"mediaType": "a/b", "digest": Digest::of(b"x").as_str(), "size": 1}]);
    let missing = service.put("a", "2", &image).await;
    assert_eq!((missing.status, missing.code()), (400, "MANIFEST_BLOB_UNKNOWN".into()));
    assert_eq!(missing.json()["errors"][0]["detail"]["digest"], Digest::of(b"x").as_str());
    assert_eq!(service.put("a", digest.as_str(), &image).await.code(), "DIGEST_INVALID");
    assert_eq!(service.put("a", "2", &json!({})).await.code(), "MANIFEST_INVALID");
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    assert_eq!(service.put("a", "2", &index).await.code(), "MANIFEST_INVALID");

    // The tag alone, then the manifest with the other tags on it.
    assert_eq!(service.put("a", "3", &manifest(None, None)).await.status, 201);
    assert_eq!(service.send("DELETE", "/v2/a/manifests/1").await.status, 202);
    assert_eq!(service.send("GET", &format!("/v2/a/manifests/{digest}")).await.status, 200);
    assert_eq!(service.send("DELETE", &format!("/v2/a/manifests/{digest}")).await.status, 202);
    for reference in ["1", "3", digest.as_str()] {
        assert_eq!(service.send("GET", &format!("/v2/a/manifests/{reference}")).await.status, 404);
        assert_eq!(service.send("DELETE", &format!("/v2/a/manifests/{reference}")).await.status, 404);
    }
}

#[tokio::test]
async fn manifests_are_limited() {
    let service = Service::start(RegistryOptions::default()).await;
    service.blob("a", b"{}").await;
    let mut image = manifest(None, None);
    image["annotations"] = json!({"padding": ""});
    let room = (4 << 20) - image.to_string().len();
    image["annotations"] = json!({"padding": "x".repeat(room)});
    assert_eq!(service.put("a", "1", &image).await.status, 201);
    image["annotations"] = json!({"padding": "x".repeat(room + 1)});
    let refused = service.put("a", "1", &image).await;
    assert_eq!((refused.status, refused.code()), (413, "SIZE_INVALID".into()));
}

#[tokio::test]
async fn a_write_can_be_conditional() {
    let service = Service::start(RegistryOptions::default()).await;
    service.blob("a", b"{}").await;
    let put = |kind: &'static str, name: &'static str, value: String| {
        let request = service.request("PUT", "/v2/a/manifests/1").header("content-type", IMAGE);
        send(request.header(name, value).body(manifest(Some(kind), None).to_string()))
    };
    assert_eq!(put("a/1", "if-match", "*".into()).await.status, 412);
    assert_eq!(put("a/1", "if-none-match", "*".into()).await.status, 201);
    let etag = service.send("HEAD", "/v2/a/manifests/1").await.header("etag").to_owned();
    let refused = put("a/2", "if-none-match", "*".into()).await;
    assert_eq!((refused.status, refused.header("etag")), (412, etag.as_str()));
    assert_eq!(put("a/2", "if-match", etag.clone()).await.status, 201);
    // Whoever read the tag before that write has lost.
    assert_eq!(put("a/3", "if-match", etag).await.status, 412);
    let read = service.send("GET", "/v2/a/manifests/1").await;
    assert_eq!(read.json()["artifactType"], "a/2");
    let list = format!("\"other\", {}", read.header("etag"));
    assert_eq!(put("a/3", "if-match", list).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_conditional_writers_one_wins() {
    let service = Service::start(RegistryOptions::default()).await;
    service.blob("a", b"{}").await;
    let writers = (0..16).map(|number| {
        let request = service.request("PUT", "/v2/a/manifests/1").header("content-type", IMAGE);
        let image = manifest(Some(&format!("a/{number}")), None);
        send(request.header("if-none-match", "*").body(image.to_string()))
    });
    let replies = futures_util::future::join_all(writers).await;
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(replies.iter().filter(|reply| reply.status == 412).count(), 15);
    let read = service.send("GET", "/v2/a/manifests/1").await;
    assert_eq!(read.header("etag"), won[0].header("etag"));
}
