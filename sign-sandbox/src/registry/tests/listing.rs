use super::*;

/// The path in a Link header; anything else ends the listing.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.header("link").strip_prefix('<')?;
    link.strip_suffix(">; rel=\"next\"").map(str::to_owned)
}

#[tokio::test]
async fn tags_page_by_page() {
    let service = Service::start(RegistryOptions { page_size: 3, ..RegistryOptions::default() }).await;
    service.blob("a", b"{}").await;
    for tag in ["b", "C", "a", "B", "10"] {
        assert_eq!(service.put("a", tag, &manifest(None, None)).await.status, 201);
    }
    let mut path = Some("/v2/a/tags/list?n=2".to_owned());
    let mut pages = Vec::new();
    while let Some(wanted) = path {
        let reply = service.send("GET", &wanted).await;
        assert_eq!((reply.status, &reply.json()["name"]), (200, &json!("a")));
        path = next(&reply);
        pages.push(reply.json()["tags"].clone());
    }
    assert_eq!(pages, [json!(["10", "a"]), json!(["B", "b"]), json!(["C"])]);

    let all = service.send("GET", "/v2/a/tags/list").await;
    assert_eq!(all.json()["tags"], json!(["10", "a", "B"]));
    // `last` need not be there.
    let rest = service.send("GET", "/v2/a/tags/list?last=bb").await;
    assert_eq!((rest.json()["tags"].clone(), next(&rest)), (json!(["C"]), None));
    let none = service.send("GET", "/v2/a/tags/list?n=0").await;
    assert_eq!((none.json()["tags"].clone(), next(&none)), (json!([]), None));
    assert_eq!(service.send("GET", "/v2/a/tags/list?n=x").await.code(), "PAGINATION_NUMBER_INVALID");
}

#[tokio::test]
async fn referrers_page_by_page_and_filtered() {
    let service = Service::start(RegistryOptions { page_size: 2, ..RegistryOptions::default() }).await;
    let subject = Digest::of(b"a subject that is not there yet");
    let path = format!("/v2/a/referrers/{subject}");
    let none = service.send("GET", &path).await;
    assert_eq!((none.status, none.header("content-type")), (200, INDEX));
    assert_eq!(none.json(), json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}));

    service.blob("a", b"{}").await;
    let mut pushed = Vec::new();
    for number in 0..5 {
        // The type of the last ones is their config's.
        let mut image = manifest((number < 3).then_some("a/kind+json"), Some(&subject));
        image["annotations"] = json!({"number": number.to_string()});
        let digest = Digest::of(image.to_string().as_bytes());
        let reply = service.put("a", digest.as_str(), &image).await;
        assert_eq!((reply.status, reply.header("oci-subject")), (201, subject.as_str()));
        pushed.push(digest);
    }
    let collect = async |path: String| {
        let (mut path, mut sizes, mut found) = (Some(path), Vec::new(), Vec::new());
        while let Some(wanted) = path {
            let reply = service.send("GET", &wanted).await;
            assert_eq!(reply.status, 200);
            let filtered = if wanted.contains("artifactType") { "artifactType" } else { "" };
            assert_eq!(reply.header("oci-filters-applied"), filtered);
            path = next(&reply);
            let page = reply.json()["manifests"].as_array().unwrap().clone();
            sizes.push(page.len());
            found.extend(page);
        }
        (sizes, found)
    };
    let (sizes, all) = collect(path.clone()).await;
    assert_eq!(sizes, [2, 2, 1]);
    for (number, digest) in pushed.iter().enumerate() {
        let entry = all.iter().find(|entry| entry["digest"] == digest.as_str()).unwrap();
        assert_eq!(entry["artifactType"], if number < 3 { "a/kind+json" } else { EMPTY });
        assert_eq!(entry["annotations"], json!({"number": number.to_string()}));
        assert_eq!(entry["mediaType"], IMAGE);
        let head = service.send("HEAD", &format!("/v2/a/manifests/{digest}")).await;
        assert_eq!(head.header("content-length"), entry["size"].to_string());
    }
    let (sizes, kind) = collect(format!("{path}?artifactType=a/kind%2Bjson")).await;
    assert_eq!(sizes, [2, 1]);
    assert!(kind.iter().all(|entry| entry["artifactType"] == "a/kind+json"));

    // Without its manifest a referrer is gone; other repositories never had it.
    assert_eq!(service.send("DELETE", &format!("/v2/a/manifests/{}", pushed[0])).await.status, 202);
    assert_eq!(collect(path.clone()).await.1.len(), 4);
    assert_eq!(collect(path.replace("/a/", "/b/")).await.1.len(), 0);
    assert_eq!(service.send("GET", "/v2/a/referrers/sha256:1").await.code(), "DIGEST_INVALID");
}

#[tokio::test]
async fn without_the_api_nothing_claims_it() {
    let service =
        Service::start(RegistryOptions { referrers_api: false, ..RegistryOptions::default() }).await;
    service.blob("a", b"{}").await;
    let subject = Digest::of(b"subject");
    let pushed = service.put("a", "1", &manifest(Some("a/kind"), Some(&subject))).await;
    assert_eq!((pushed.status, pushed.headers.contains_key("oci-subject")), (201, false));
    assert_eq!(service.send("GET", &format!("/v2/a/referrers/{subject}")).await.status, 404);
}
