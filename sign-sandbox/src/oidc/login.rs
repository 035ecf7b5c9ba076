//! Signing in with a browser: RFC 6749's authorization code with RFC 7636's proof key.
//!
//! Nobody is asked for a password: the page sends the browser straight back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::{Identity, Oidc, TokenChanges, refuse};
use crate::pki;

/// The client every Sigstore tool signs in as; it has no secret.
const CLIENT: &str = "sigstore";
/// Who signs in unless `login_hint` says otherwise.
const LOGIN: &str = "dev@example.com";
/// How long a code is good: RFC 6749 section 4.1.2 allows ten minutes, a browser needs no time at all.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(1);
/// How many codes can be waiting: more than anyone signs in at once, and too few to fill the memory.
const MAX_CODES: usize = 64;

/// The codes that were given out and not yet redeemed.
#[derive(Default)]
pub(super) struct Codes(Mutex<BTreeMap<String, Grant>>);

struct Grant {
    redirect_uri: String,
    code_challenge: String,
    address: String,
    nonce: Option<String>,
    expires: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct AuthorizationRequest {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    login_hint: Option<String>,
}

/// RFC 6749 section 4.1.1: the browser comes here, and goes back with a code.
pub(super) async fn authorize(
    State(oidc): State<Arc<Oidc>>,
    query: Result<Query<AuthorizationRequest>, QueryRejection>,
) -> Response {
    let bad = |description: &str| refuse(StatusCode::BAD_REQUEST, "invalid_request", description);
    let Ok(Query(request)) = query else { return bad("a parameter is missing or given twice") };
    if request.client_id != CLIENT {
        return bad("unknown client");
    }
    // RFC 8252 section 7.3: a program on this machine, on any port. Nobody else may get a code.
    let Some(mut back) = loopback(&request.redirect_uri) else {
        return bad("redirect_uri is not on loopback");
    };
    if request.response_type != "code" || !request.scope.split(' ').any(|scope| scope == "openid") {
        return bad("only response_type code with scope openid");
    }
    let (Some(code_challenge), Some("S256")) =
        (request.code_challenge, request.code_challenge_method.as_deref())
    else {
        return bad("RFC 7636: give a code_challenge with code_challenge_method S256");
    };
    let grant = Grant {
        redirect_uri: request.redirect_uri,
        code_challenge,
        address: request.login_hint.unwrap_or_else(|| LOGIN.to_owned()),
        nonce: request.nonce,
        expires: oidc.clock.now().saturating_add(CODE_LIFETIME).unwrap_or(Timestamp::MAX),
    };
    let Some(code) = oidc.codes.give(grant, oidc.clock.now()) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "too many are signing in");
    };
    back.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = request.state {
        back.query_pairs_mut().append_pair("state", &state);
    }
    (StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response()
}

/// RFC 6749 section 4.1.3: the program redeems the code.
pub(super) async fn redeem(State(oidc): State<Arc<Oidc>>, body: Result<Bytes, BytesRejection>) -> Response {
    let bad = |error: &str, description: &str| refuse(StatusCode::BAD_REQUEST, error, description);
    let Ok(body) = body else { return bad("invalid_request", "the body is too long or cut off") };
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(&body).collect();
    let field = |name: &str| form.get(name).map(|value| value.as_ref()).unwrap_or_default();
    if field("grant_type") != "authorization_code" {
        return bad("unsupported_grant_type", "only authorization_code");
    }
    let now = oidc.clock.now();
    let Some(grant) = oidc.codes.take(field("code"), now) else {
        return bad("invalid_grant", "the code is unknown, used or expired");
    };
    // The code alone is not enough: it went through the browser, the verifier did not.
    let challenge = BASE64_URL.encode(Sha256::digest(field("code_verifier")));
    if challenge != grant.code_challenge || field("redirect_uri") != grant.redirect_uri {
        return bad("invalid_grant", "the code was given to someone else");
    }
    let changes = TokenChanges { nonce: grant.nonce, ..TokenChanges::default() };
    match oidc.token(&Identity::email(grant.address), &changes) {
        Ok(token) => {
            let reply = json!({
                "access_token": hex::encode(pki::random::<16>()), "token_type": "Bearer",
                "expires_in": CODE_LIFETIME.as_secs(), "id_token": token,
            });
            ([(header::CACHE_CONTROL, "no-store")], Json(reply)).into_response()
        }
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "cannot make a token"),
    }
}

impl Codes {
    fn give(&self, grant: Grant, now: Timestamp) -> Option<String> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, grant| now < grant.expires);
        if codes.len() >= MAX_CODES {
            return None;
        }
        let code = hex::encode(pki::random::<16>());
        codes.insert(code.clone(), grant);
        Some(code)
    }

    /// The grant behind `code`, once only.
    fn take(&self, code: &str, now: Timestamp) -> Option<Grant> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.remove(code).filter(|grant| now < grant.expires)
    }
}

fn loopback(uri: &str) -> Option<Url> {
    let uri = Url::parse(uri).ok()?;
    let here = match uri.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::from(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(address).is_loopback(),
    };
    (here && uri.scheme() == "http" && uri.fragment().is_none()).then_some(uri)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const BACK: &str = "http://localhost:4444/auth/callback";
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    /// RFC 7636 appendix B.
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    struct Service {
        oidc: Arc<Oidc>,
        base: String,
        client: reqwest::Client,
    }

    impl Service {
        async fn start() -> Self {
            let oidc = Arc::new(crate::oidc::tests::oidc());
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(axum::serve(listener, oidc.clone().router()).into_future());
            let client =
                reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            Self { oidc, base, client }
        }

        async fn authorize(&self, changes: &[(&str, &str)]) -> Result<Url, u16> {
            let mut query = BTreeMap::from([
                ("response_type", "code"),
                ("client_id", "sigstore"),
                ("redirect_uri", BACK),
                ("scope", "openid email"),
                ("state", "a state"),
                ("nonce", "a nonce"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
            ]);
            query.extend(changes.iter().copied());
            let url = Url::parse_with_params(&format!("{}/auth", self.base), query).unwrap();
            let response = self.client.get(url).send().await.unwrap();
            match response.headers().get("location") {
                Some(location) => Ok(location.to_str().unwrap().parse().unwrap()),
                None => Err(response.status().as_u16()),
            }
        }

        async fn redeem(&self, back: &Url, verifier: &str, redirect_uri: &str) -> (u16, Value) {
            let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
            let body = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("grant_type", "authorization_code"), ("code", &*code)])
                .extend_pairs([("code_verifier", verifier), ("redirect_uri", redirect_uri)])
                .finish();
            let response = self.client.post(format!("{}/token", self.base)).body(body).send().await.unwrap();
            let status = response.status().as_u16();
            (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
        }
    }

    #[tokio::test]
    async fn a_code_is_redeemed_once_and_by_its_owner() {
        let service = Service::start().await;
        let back = service.authorize(&[]).await.unwrap();
        assert!(back.as_str().starts_with(BACK));
        assert!(back.query_pairs().any(|pair| pair == ("state".into(), "a state".into())));
        let (status, reply) = service.redeem(&back, VERIFIER, BACK).await;
        assert_eq!(status, 200, "{reply}");
        let token = reply["id_token"].as_str().unwrap();
        assert_eq!(service.oidc.verify(token).unwrap().identity, Identity::email(LOGIN));
        let payload = BASE64_URL.decode(token.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["nonce"], "a nonce");
        assert_eq!(service.redeem(&back, VERIFIER, BACK).await.0, 400);

        let back = service.authorize(&[]).await.unwrap();
        assert_eq!(service.redeem(&back, "another", BACK).await.0, 400);
        let back = service.authorize(&[]).await.unwrap();
        assert_eq!(
            service.redeem(&back, VERIFIER, "http://localhost:5555/").await.1["error"],
            "invalid_grant"
        );
    }

    #[tokio::test]
    async fn nobody_else_gets_a_code() {
        let service = Service::start().await;
        for change in [
            ("redirect_uri", "https://attacker.invalid/"),
            ("redirect_uri", "http://localhost.attacker.invalid/"),
            ("redirect_uri", "http://localhost@attacker.invalid/"),
            ("client_id", "other"),
            ("response_type", "token"),
            ("scope", "email"),
            ("code_challenge_method", "plain"),
        ] {
            assert_eq!(service.authorize(&[change]).await.unwrap_err(), 400, "{change:?}");
        }
        assert!(service.authorize(&[("redirect_uri", "http://127.0.0.1:1/x?y=z")]).await.is_ok());
    }

    #[test]
    fn codes_expire_and_are_few() {
        let codes = Codes::default();
        let now: Timestamp = crate::oidc::tests::NOW.parse().unwrap();
        let grant = || Grant {
            redirect_uri: String::new(),
            code_challenge: String::new(),
            address: String::new(),
            nonce: None,
            expires: now.checked_add(CODE_LIFETIME).unwrap(),
        };
        let late = now.checked_add(CODE_LIFETIME).unwrap();
        let first = codes.give(grant(), now).unwrap();
        assert!(codes.take(&first, late).is_none());
        assert!((0..MAX_CODES).all(|_| codes.give(grant(), now).is_some()));
        assert!(codes.give(grant(), now).is_none());
        assert!(codes.give(grant(), late).is_some());
    }
}
