//! The identity provider: OpenID Connect discovery, one RSA key, and tokens for anyone who asks.
//!
//! Two issuers share the key: `{base}` certifies e-mail addresses as Dex does, `{base}/gha` workflows as
//! GitHub Actions does, with the endpoint a job asks for its token.

mod login;
mod token;

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use p256::pkcs8::PrivateKeyInfo;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) use self::token::{Claims, TokenRefusal};
pub use self::token::{Identity, TokenChanges, Workflow};
use crate::clock::Clock;
use crate::pki::{self, BoxError};

/// The audience Fulcio asks for.
pub(crate) const AUDIENCE: &str = "sigstore";
/// RFC 7518 section 3.3 asks for 2048 bits at least; more is only slower.
const KEY_SIZE: KeySize = KeySize::Rsa2048;
/// The one request with a body redeems a code: a form of a few hundred bytes.
const MAX_BODY: usize = 8 * 1024;

/// The two issuers.
pub(crate) struct Oidc {
    base_url: String,
    clock: Clock,
    kid: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwks: Value,
    request_token: String,
    codes: login::Codes,
}

impl Oidc {
    /// An issuer at `base_url` with a new key.
    pub(crate) fn new(base_url: String, clock: Clock) -> Result<Self, BoxError> {
        let pair = KeyPair::generate(KEY_SIZE).map_err(|_| "cannot generate an RSA key")?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| "cannot encode the RSA key")?;
        // jsonwebtoken takes PKCS #1, which is what PKCS #8 wraps.
        let pkcs1 = PrivateKeyInfo::try_from(pkcs8.as_ref()).map_err(|error| error.to_string())?;
        let public = pair.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero();
        let exponent = public.exponent().big_endian_without_leading_zero();
        let kid = hex::encode(Sha256::digest(modulus));
        let jwks = json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
            "n": BASE64_URL.encode(modulus), "e": BASE64_URL.encode(exponent),
        }]});
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            clock,
            kid,
            signing: EncodingKey::from_rsa_der(pkcs1.private_key),
            verifying: DecodingKey::from_rsa_raw_components(modulus, exponent),
            jwks,
            request_token: hex::encode(pki::random::<16>()),
            codes: login::Codes::default(),
        })
    }

    /// The issuer of e-mail tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.base_url
    }

    /// The issuer of workflow tokens.
    pub(crate) fn workflow_issuer(&self) -> String {
        format!("{}/gha", self.base_url)
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, as a job finds them.
    pub(crate) fn actions_request(&self) -> (String, String) {
        (format!("{}/gha/token?api-version=2.0", self.base_url), self.request_token.clone())
    }

    /// A token for `identity`.
    pub(crate) fn token(&self, identity: &Identity, changes: &TokenChanges) -> Result<String, BoxError> {
        let issuer = match identity {
            Identity::Email(_) => self.base_url.clone(),
            Identity::Workflow(_) => self.workflow_issuer(),
        };
        let claims = token::claims(identity, changes, issuer, self.clock.now())?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.kid.clone());
        Ok(jsonwebtoken::encode(&header, &claims, &self.signing)?)
    }

    /// Checks `token` as Fulcio does: signature, issuer, audience, times, and what its issuer vouches for.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, TokenRefusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefusal::Malformed)?;
        if header.kid.as_deref() != Some(self.kid.as_str()) {
            return Err(TokenRefusal::UnknownKey);
        }
        // The key decides the algorithm, not the token: a token must not choose how it is checked.
        let mut validation = jsonwebtoken::Validation::new(Algorithm::RS256);
        // Times and audience are checked below, with the sandbox's clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims =
            jsonwebtoken::decode::<serde_json::Map<String, Value>>(token, &self.verifying, &validation)
                .map_err(|_| TokenRefusal::Signature)?
                .claims;
        token::check(claims, &self.base_url, &self.workflow_issuer(), self.clock.now())
    }

    /// Both issuers' endpoints, to be served at `base_url`.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/keys", get(async |State(oidc): State<Arc<Self>>| Json(oidc.jwks.clone())))
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/auth", get(login::authorize))
            .route("/token", post(login::redeem))
            .route("/gha/.well-known/openid-configuration", get(workflow_discovery))
            .route("/gha/token", get(workflow_token))
            .fallback(async || refuse(StatusCode::NOT_FOUND, "not_found", "no such endpoint"))
            .method_not_allowed_fallback(async || {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "no such method on this endpoint")
            })
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// OpenID Connect Discovery section 3, what both issuers say.
    fn discovery(&self, issuer: &str) -> serde_json::Map<String, Value> {
        let jwks_uri = format!("{}/keys", self.base_url);
        [
            ("issuer", json!(issuer)),
            ("jwks_uri", json!(jwks_uri)),
            ("subject_types_supported", json!(["public"])),
            ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

async fn discovery(State(oidc): State<Arc<Oidc>>) -> Json<Value> {
    let issuer = oidc.issuer();
    let mut document = oidc.discovery(issuer);
    document.insert("authorization_endpoint".to_owned(), json!(format!("{issuer}/auth")));
    document.insert("token_endpoint".to_owned(), json!(format!("{issuer}/token")));
    document.insert("response_types_supported".to_owned(), json!(["code"]));
    document.insert("code_challenge_methods_supported".to_owned(), json!(["S256"]));
    document.insert("scopes_supported".to_owned(), json!(["openid", "email"]));
    Json(document.into())
}

/// As GitHub's: nobody can sign in there.
async fn workflow_discovery(State(oidc): State<Arc<Oidc>>) -> Json<Value> {
    let mut document = oidc.discovery(&oidc.workflow_issuer());
    document.insert("response_types_supported".to_owned(), json!(["id_token"]));
    document.insert("scopes_supported".to_owned(), json!(["openid"]));
    Json(document.into())
}

#[derive(Deserialize)]
struct WorkflowTokenQuery {
    audience: Option<String>,
}

/// What GitHub's runner offers to a job with `id-token: write`.
async fn workflow_token(
    State(oidc): State<Arc<Oidc>>,
    query: Result<Query<WorkflowTokenQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(query)) = query else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", "audience is given twice");
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    if given != Some(oidc.request_token.as_str()) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_token", "not the token of this job");
    }
    let identity = Identity::workflow();
    // Without a choice GitHub names the owner's page.
    let audience = query.audience.unwrap_or_else(|| "https://github.com/octo-org".to_owned());
    let changes = TokenChanges { audience: Some(audience), ..TokenChanges::default() };
    match oidc.token(&identity, &changes) {
        Ok(token) => Json(json!({"count": 1, "value": token})).into_response(),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "cannot make a token"),
    }
}

/// The token of an `Authorization: Bearer` header; RFC 9110 section 11.1: the scheme has no case.
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6749 section 5.2.
fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    (status, Json(json!({"error": error, "error_description": description}))).into_response()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const NOW: &str = "2026-03-04T05:06:07Z";

    pub(crate) fn oidc() -> Oidc {
        Oidc::new("http://127.0.0.1:1".to_owned(), Clock::new(|| NOW.parse().unwrap())).unwrap()
    }

    fn refusal(changes: &TokenChanges) -> TokenRefusal {
        let oidc = oidc();
        let token = oidc.token(&Identity::email("dev@example.com"), changes).unwrap();
        oidc.verify(&token).unwrap_err()
    }

    #[test]
    fn tokens_are_accepted_as_made() {
        let oidc = oidc();
        let email = Identity::email("dev@example.com");
        let claims = oidc.verify(&oidc.token(&email, &TokenChanges::default()).unwrap()).unwrap();
        assert_eq!((claims.issuer.as_str(), claims.challenge()), ("http://127.0.0.1:1", "dev@example.com"));
        let workflow = Identity::workflow();
        let claims = oidc.verify(&oidc.token(&workflow, &TokenChanges::default()).unwrap()).unwrap();
        assert_eq!(claims.issuer, "http://127.0.0.1:1/gha");
        assert_eq!(claims.challenge(), "repo:octo-org/octo-repo:ref:refs/heads/main");
        assert_eq!(claims.identity, workflow);
    }

    #[test]
    fn bad_claims_are_refused() {
        let change = TokenChanges::default;
        assert_eq!(refusal(&TokenChanges { lifetime: Some(-1), ..change() }), TokenRefusal::Expired);
        assert_eq!(refusal(&TokenChanges { lifetime: Some(0), ..change() }), TokenRefusal::Expired);
        assert_eq!(refusal(&TokenChanges { not_before: Some(301), ..change() }), TokenRefusal::NotYetValid);
        assert_eq!(refusal(&TokenChanges { issued_at: Some(301), ..change() }), TokenRefusal::NotYetValid);
        let audience = Some("other".to_owned());
        assert_eq!(refusal(&TokenChanges { audience, ..change() }), TokenRefusal::Audience);
        assert_eq!(
            refusal(&TokenChanges { email_verified: Some(false), ..change() }),
            TokenRefusal::EmailNotVerified
        );
        let issuer = Some("https://issuer.invalid".to_owned());
        assert_eq!(refusal(&TokenChanges { issuer, ..change() }), TokenRefusal::Issuer);
        for (claim, expected) in [
            ("iss", TokenRefusal::Issuer),
            ("aud", TokenRefusal::Audience),
            ("exp", TokenRefusal::Expired),
            ("iat", TokenRefusal::NotYetValid),
            ("sub", TokenRefusal::Subject),
            ("email", TokenRefusal::Email),
            ("email_verified", TokenRefusal::EmailNotVerified),
        ] {
            assert_eq!(
                refusal(&TokenChanges { omit: vec![claim.to_owned()], ..change() }),
                expected,
                "{claim}"
            );
        }
    }

    #[test]
    fn an_incomplete_workflow_is_refused() {
        let oidc = oidc();
        for claim in ["job_workflow_ref", "sha", "run_id"] {
            let changes = TokenChanges { omit: vec![claim.to_owned()], ..TokenChanges::default() };
            let token = oidc.token(&Identity::workflow(), &changes).unwrap();
            assert_eq!(oidc.verify(&token).unwrap_err(), TokenRefusal::Workflow, "{claim}");
        }
    }

    #[test]
    fn an_email_token_cannot_be_passed_off_as_a_workflow() {
        let oidc = oidc();
        let changes = TokenChanges { issuer: Some(oidc.workflow_issuer()), ..TokenChanges::default() };
        let token = oidc.token(&Identity::email("dev@example.com"), &changes).unwrap();
        assert_eq!(oidc.verify(&token).unwrap_err(), TokenRefusal::Workflow);
    }

    #[test]
    fn only_the_issuers_own_signature_is_accepted() {
        let oidc = oidc();
        let token = oidc.token(&Identity::email("dev@example.com"), &TokenChanges::default()).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (_, payload) = signed.split_once('.').unwrap();

        let none = BASE64_URL.encode(json!({"alg": "none", "kid": oidc.kid}).to_string());
        assert_eq!(oidc.verify(&format!("{none}.{payload}.")).unwrap_err(), TokenRefusal::Malformed);
        // The public key as an HMAC secret, and no key at all.
        let header = Header { kid: Some(oidc.kid.clone()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(oidc.jwks.to_string().as_bytes());
        let hmac = jsonwebtoken::encode(&header, &json!({"sub": "1"}), &secret).unwrap();
        assert_eq!(oidc.verify(&hmac).unwrap_err(), TokenRefusal::Signature);

        let other = self::oidc();
        assert_eq!(other.verify(&token).unwrap_err(), TokenRefusal::UnknownKey);
        let changed = BASE64_URL.encode(json!({"sub": "1"}).to_string());
        let header = token.split('.').next().unwrap();
        assert_eq!(
            oidc.verify(&format!("{header}.{changed}.{signature}")).unwrap_err(),
            TokenRefusal::Signature
        );
        assert_eq!(oidc.verify("").unwrap_err(), TokenRefusal::Malformed);
    }

    #[test]
    fn bearer_takes_one_scheme() {
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }

    #[tokio::test]
    async fn a_job_gets_its_token() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let oidc = Arc::new(Oidc::new(base.clone(), Clock::system()).unwrap());
        tokio::spawn(axum::serve(listener, oidc.clone().router()).into_future());
        let client = reqwest::Client::new();
        let text = async |request: reqwest::RequestBuilder| {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            (status, body)
        };

        let (url, secret) = oidc.actions_request();
        let url = format!("{url}&audience=sigstore");
        assert_eq!(text(client.get(&url).bearer_auth("guess")).await.0, 401);
        let (status, body) = text(client.get(&url).bearer_auth(secret)).await;
        assert_eq!(status, 200);
        assert_eq!(oidc.verify(body["value"].as_str().unwrap()).unwrap().identity, Identity::workflow());

        let (_, body) = text(client.get(format!("{base}/gha/.well-known/openid-configuration"))).await;
        assert_eq!(body["issuer"], format!("{base}/gha"));
        let (_, keys) = text(client.get(body["jwks_uri"].as_str().unwrap())).await;
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
        DecodingKey::from_jwk(&jwk).unwrap();
        assert_eq!(text(client.get(format!("{base}/nothing"))).await.0, 404);
    }
}
