use super::*;

fn user() -> (String, String) {
    ("ann".to_owned(), "pass:word".to_owned())
}

async fn with_tokens() -> Service {
    let (username, password) = user();
    let auth = RegistryAuth::Token { username, password };
    Service::start(RegistryOptions { auth, ..RegistryOptions::default() }).await
}

async fn token(service: &Service, query: &str) -> Value {
    let (username, password) = user();
    let reply =
        send(service.request("GET", &format!("/token?{query}")).basic_auth(username, Some(password))).await;
    assert_eq!(reply.status, 200);
    reply.json()
}

#[tokio::test]
async fn basic_credentials_come_with_every_request() {
    let (username, password) = user();
    let auth = RegistryAuth::Basic { username, password };
    let service = Service::start(RegistryOptions { auth, ..RegistryOptions::default() }).await;
    let refused = service.send("GET", "/v2/").await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Basic realm=\"sandbox\""));
    assert_eq!(refused.code(), "UNAUTHORIZED");
    for (username, password, status) in
        [("ann", "pass:word", 200), ("ann", "pass", 401), ("bob", "pass:word", 401), ("ann", "", 401)]
    {
        let request = service.request("GET", "/v2/").basic_auth(username, Some(password));
        assert_eq!(send(request).await.status, status, "{username}:{password}");
    }
}

#[tokio::test]
async fn a_token_is_for_one_repository_and_one_action() {
    let service = with_tokens().await;
    let base = service.send("GET", "/v2/").await;
    let challenge = format!("Bearer realm=\"{}/token\",service=\"sandbox\"", service.url);
    assert_eq!((base.status, base.header("www-authenticate")), (401, challenge.as_str()));
    let refused = service.send("POST", "/v2/a/b/blobs/uploads/").await;
    let scoped = format!("{challenge},scope=\"repository:a/b:pull,push\"");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, scoped.as_str()));

    assert_eq!(service.send("GET", "/token").await.status, 401);
    let wrong = service.request("GET", "/token").basic_auth("ann", Some("word"));
    assert_eq!(send(wrong).await.status, 401);

    let reply =
        token(&service, "service=sandbox&scope=repository:a/b:pull&scope=repository:c:pull,push").await;
    assert_eq!((&reply["token"], &reply["expires_in"]), (&reply["access_token"], &json!(60)));
    assert_eq!(reply["issued_at"], "2027-01-15T08:00:00Z");
    assert!(reply.get("refresh_token").is_none());
    let bearer = reply["token"].as_str().unwrap();
    for (method, path, status) in [
        ("GET", "/v2/", 200),
        ("GET", "/v2/a/b/manifests/1", 404),
        ("POST", "/v2/a/b/blobs/uploads/", 401),
        ("POST", "/v2/c/blobs/uploads/", 202),
        ("GET", "/v2/a/manifests/1", 401),
    ] {
        assert_eq!(send(service.request(method, path).bearer_auth(bearer)).await.status, status, "{path}");
    }
    let more = send(service.request("POST", "/v2/a/b/blobs/uploads/").bearer_auth(bearer)).await;
    assert_eq!(more.header("www-authenticate"), format!("{scoped},error=\"insufficient_scope\""));

    service.time.fetch_add(60, Ordering::Relaxed);
    let late = send(service.request("GET", "/v2/").bearer_auth(bearer)).await;
    assert_eq!(late.header("www-authenticate"), format!("{challenge},error=\"invalid_token\""));
}

#[tokio::test]
async fn a_mount_needs_the_right_to_read() {
    let service = with_tokens().await;
    let both = token(&service, "scope=repository:a:pull,push%20repository:b:push").await;
    let digest = Digest::of(b"x");
    let push = service.request("POST", &format!("/v2/a/blobs/uploads/?digest={digest}")).body("x");
    assert_eq!(send(push.bearer_auth(both["token"].as_str().unwrap())).await.status, 201);
    let mount = || service.request("POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"));
    let blind = token(&service, "scope=repository:b:push").await;
    assert_eq!(send(mount().bearer_auth(blind["token"].as_str().unwrap())).await.status, 202);
    assert_eq!(send(mount().bearer_auth(both["token"].as_str().unwrap())).await.status, 201);
}

#[tokio::test]
async fn forms_get_tokens_too() {
    let service = with_tokens().await;
    let post = |form: String| {
        let request = service.request("POST", "/token");
        send(request.header("content-type", "application/x-www-form-urlencoded").body(form))
    };
    let scope = "service=sandbox&client_id=test&scope=repository:a:pull,push";
    assert_eq!(post(format!("grant_type=password&username=ann&password=no&{scope}")).await.status, 401);
    assert_eq!(post(format!("username=ann&password=pass%3Aword&{scope}")).await.status, 401);
    let first =
        post(format!("grant_type=password&username=ann&password=pass%3Aword&access_type=offline&{scope}"))
            .await;
    let refresh = first.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(post(format!("grant_type=refresh_token&refresh_token=no&{scope}")).await.status, 401);
    let second = post(format!("grant_type=refresh_token&refresh_token={refresh}&{scope}")).await.json();
    let upload = service.request("POST", "/v2/a/blobs/uploads/");
    assert_eq!(send(upload.bearer_auth(second["access_token"].as_str().unwrap())).await.status, 202);
    // A refresh token opens nothing by itself.
    assert_eq!(send(service.request("GET", "/v2/").bearer_auth(refresh)).await.status, 401);
    let elsewhere = format!("grant_type=password&username=ann&password=pass%3Aword&{scope}");
    assert_eq!(post(elsewhere.replace("sandbox", "other")).await.status, 401);
}
