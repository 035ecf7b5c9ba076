use super::*;
use crate::fault::Fault;

async fn with_image() -> (Service, Digest) {
    let service = Service::start(RegistryOptions::default()).await;
    let blob = service.blob("a", b"{}").await;
    assert_eq!(service.put("a", "1", &manifest(None, None)).await.status, 201);
    (service, blob)
}

#[tokio::test]
async fn statuses_for_everything() {
    let (service, _) = with_image().await;
    for (fault, status) in [
        (Fault::Registry401, 401),
        (Fault::Registry404, 404),
        (Fault::Registry429, 429),
        (Fault::Registry500, 500),
    ] {
        service.faults.set(fault);
        assert_eq!(service.send("GET", "/v2/").await.status, status);
        let reply = service.put("a", "1", &manifest(None, None)).await;
        assert_eq!((reply.status, reply.code().is_empty()), (status, false));
        let challenge = if status == 401 { "Basic realm=\"sandbox\"" } else { "" };
        assert_eq!(reply.header("www-authenticate"), challenge);
        assert_eq!(reply.header("retry-after"), if status == 429 { "1" } else { "" });
        service.faults.clear();
    }
    assert_eq!(service.send("GET", "/v2/a/manifests/1").await.status, 200);
}

#[tokio::test]
async fn a_cut_reply_is_an_error_to_the_client() {
    let (service, blob) = with_image().await;
    service.faults.set(Fault::RegistryCut);
    let mut response = service.request("GET", &format!("/v2/a/blobs/{blob}")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(2)));
    let mut got = 0;
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => got += chunk.len(),
            Ok(None) => panic!("the reply ended as if it was whole"),
            Err(error) => break error,
        }
    };
    assert!(error.is_decode() || error.is_body(), "{error:?}");
    assert_eq!(got, 1);
    assert_eq!(service.send("HEAD", &format!("/v2/a/blobs/{blob}")).await.header("content-length"), "2");
}

#[tokio::test]
async fn a_hanging_registry_does_not_answer() {
    let (service, _) = with_image().await;
    service.faults.set(Fault::RegistryHang);
    let request = service.request("GET", "/v2/").timeout(Duration::from_millis(300)).send().await;
    assert!(request.unwrap_err().is_timeout());
}

#[tokio::test]
async fn tampering_changes_one_byte_of_what_is_read() {
    let (service, blob) = with_image().await;
    let paths = [format!("/v2/a/blobs/{blob}"), "/v2/a/manifests/1".to_owned()];
    for path in paths {
        let before = service.send("GET", &path).await;
        service.faults.set(Fault::RegistryTamper);
        let after = service.send("GET", &path).await;
        let different = before.body.iter().zip(&after.body).filter(|(one, other)| one != other).count();
        assert_eq!((different, after.body.len()), (1, before.body.len()));
        let digest = "docker-content-digest";
        assert_eq!(service.send("HEAD", &path).await.header(digest), before.header(digest));
        service.faults.clear();
    }
}

#[tokio::test]
async fn a_read_only_registry_refuses_uploads() {
    let (service, blob) = with_image().await;
    service.faults.set(Fault::RegistryReadOnly);
    assert_eq!(service.send("POST", "/v2/a/blobs/uploads/").await.status, 500);
    assert_eq!(service.put("a", "2", &manifest(None, None)).await.status, 500);
    assert_eq!(service.send("GET", &format!("/v2/a/blobs/{blob}")).await.status, 200);
}

#[tokio::test]
async fn a_tag_moves_once_after_its_first_read() {
    let (service, _) = with_image().await;
    service.faults.set(Fault::RegistryMoveTag);
    let first = service.send("HEAD", "/v2/a/manifests/1").await;
    let second = service.send("GET", "/v2/a/manifests/1").await;
    let digest = |reply: &Reply| reply.header("docker-content-digest").to_owned();
    assert_ne!(digest(&first), digest(&second));
    assert_eq!(digest(&second), Digest::of(&second.body).as_str());
    assert_eq!(second.json()["config"], manifest(None, None)["config"]);
    assert_eq!(digest(&service.send("GET", "/v2/a/manifests/1").await), digest(&second));
    let old = service.send("GET", &format!("/v2/a/manifests/{}", digest(&first))).await;
    assert_eq!((old.status, old.json()), (200, manifest(None, None)));
}
