//! Identity tokens that the environment offers, such as a CI job's.

use std::fmt;

use async_trait::async_trait;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{Method, StatusCode};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{IdentityToken, SIGSTORE_AUDIENCE, TokenSource};
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, Request, may_carry_secrets};
use crate::service;

/// The environment variable that holds a token; GitLab jobs fill it through `id_tokens`.
pub const SIGSTORE_ID_TOKEN: &str = "SIGSTORE_ID_TOKEN";
const ACTIONS_REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const ACTIONS_REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
const ACTIONS: &str = "GitHub Actions";

/// The sources that the environment offers, first the one to use: the variable `SIGSTORE_ID_TOKEN`,
/// then GitHub Actions. A source that is there and fails is an error to report, not a reason to go on
/// to the next: the next would be somebody else.
pub fn ambient(variable: impl Fn(&str) -> Option<String>, http: &HttpClient) -> Vec<Box<dyn TokenSource>> {
    let mut sources: Vec<Box<dyn TokenSource>> = Vec::new();
    if let Some(source) = EnvToken::detect(&variable) {
        sources.push(Box::new(source));
    }
    if let Some(source) = ActionsToken::detect(&variable, http) {
        sources.push(Box::new(source));
    }
    sources
}

/// The token in the environment variable `SIGSTORE_ID_TOKEN`.
#[derive(Clone)]
pub struct EnvToken(Zeroizing<String>);

impl EnvToken {
    /// The token, if the variable is set and not empty.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        variable(SIGSTORE_ID_TOKEN).filter(|raw| !raw.trim().is_empty()).map(|raw| Self(raw.into()))
    }
}

#[async_trait]
impl TokenSource for EnvToken {
    async fn token(&self) -> Result<IdentityToken> {
        IdentityToken::parse(&self.0).map_err(|e| e.context(SIGSTORE_ID_TOKEN))
    }

    fn name(&self) -> &str {
        SIGSTORE_ID_TOKEN
    }
}

impl fmt::Debug for EnvToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvToken(redacted)")
    }
}

/// The token service of a GitHub Actions job.
#[derive(Clone)]
pub struct ActionsToken {
    http: HttpClient,
    url: String,
    bearer: Zeroizing<String>,
}

impl ActionsToken {
    /// The service, if the job has been given `id-token: write`.
    pub fn detect(variable: impl Fn(&str) -> Option<String>, http: &HttpClient) -> Option<Self> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (url, bearer) = (given(ACTIONS_REQUEST_URL)?, given(ACTIONS_REQUEST_TOKEN)?);
        Some(Self { http: http.clone(), url, bearer: bearer.into() })
    }

    fn request(&self) -> Result<Request> {
        let invalid = || {
            Error::new(Code::InvalidArgument, format!("{ACTIONS_REQUEST_URL} is not a usable address"))
                .expected("an https address")
        };
        let mut url: Url = self.url.parse().map_err(|_| invalid())?;
        // The bearer token must not cross a network in the clear.
        if !may_carry_secrets(&url) {
            return Err(invalid());
        }
        url.query_pairs_mut().append_pair("audience", SIGSTORE_AUDIENCE);
        Request::new("GitHub's token service", Method::GET, url)
            .header(ACCEPT, "application/json")?
            .header(AUTHORIZATION, &format!("Bearer {}", self.bearer.as_str()))
    }
}

#[async_trait]
impl TokenSource for ActionsToken {
    async fn token(&self) -> Result<IdentityToken> {
        #[derive(Deserialize)]
        struct Answer {
            value: String,
        }
        let answer = self.http.send(self.request()?).await?;
        if answer.status != StatusCode::OK {
            let refused = service::refused("GitHub's token service", &answer);
            return Err(match refused.code() {
                Code::ServiceRefused => refused.hint("give the job the permission id-token: write"),
                _ => refused,
            });
        }
        let answer: Answer = serde_json::from_slice(&answer.body)
            // The cause is left out because it could quote the token.
            .map_err(|_| service::not_understood("GitHub's token service", "no JSON with a value"))?;
        IdentityToken::parse(&Zeroizing::new(answer.value)).map_err(|e| e.context(ACTIONS))
    }

    fn name(&self) -> &str {
        ACTIONS
    }
}

impl fmt::Debug for ActionsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActionsToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpOptions;
    use crate::service::fake::Fake;

    fn names(variables: &[(&str, &str)]) -> Vec<String> {
        let http = HttpClient::new(HttpOptions::default()).unwrap();
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        ambient(lookup, &http).iter().map(|source| source.name().to_owned()).collect()
    }

    #[test]
    fn finds_sources_in_the_documented_order() {
        assert!(names(&[]).is_empty());
        assert!(names(&[(SIGSTORE_ID_TOKEN, " ")]).is_empty());
        assert!(names(&[(ACTIONS_REQUEST_URL, "https://a.example")]).is_empty());
        let actions = [(ACTIONS_REQUEST_TOKEN, "t"), (ACTIONS_REQUEST_URL, "https://a.example")];
        assert_eq!(names(&actions), [ACTIONS]);
        assert_eq!(names(&[actions[0], (SIGSTORE_ID_TOKEN, "x"), actions[1]]), [SIGSTORE_ID_TOKEN, ACTIONS]);
    }

    #[tokio::test]
    async fn reads_the_token_and_looks_at_the_status() {
        let raw = super::super::tests::jwt(r#"{"iss":"i","sub":"s","exp":1}"#);
        let good = format!(r#"{{"count":1,"value":"{raw}"}}"#);
        for (status, body, failure) in [
            (200, good.clone(), None),
            // A body that looks right does not make up for a refusal.
            (403, good, Some(Code::ServiceRefused)),
            (200, "{}".into(), Some(Code::ServiceProtocol)),
            (200, r#"{"value":"SECRET"}"#.into(), Some(Code::TokenInvalid)),
        ] {
            let fake = Fake::serve(vec![(status, vec![], body)]).await;
            let source = ActionsToken {
                http: fake.client(),
                url: fake.url.to_string(),
                bearer: "t".to_owned().into(),
            };
            match (source.token().await, failure) {
                (Ok(token), None) => assert_eq!(token.secret(), raw),
                (Err(error), Some(code)) => {
                    assert_eq!(error.code(), code, "{error}");
                    assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
                }
                (result, _) => panic!("{status}: {result:?}"),
            }
        }
    }

    #[test]
    fn asks_for_the_audience_and_only_over_a_protected_connection() {
        let source = |url: &str| ActionsToken {
            http: HttpClient::new(HttpOptions::default()).unwrap(),
            url: url.to_owned(),
            bearer: "SECRET".to_owned().into(),
        };
        let request = source("https://a.example/token?api-version=2.0").request().unwrap();
        assert_eq!(request.url.as_str(), "https://a.example/token?api-version=2.0&audience=sigstore");
        assert_eq!(request.headers[AUTHORIZATION], "Bearer SECRET");
        assert!(!format!("{request:?}{:?}", source("x")).contains("SECRET"));
        source("http://127.0.0.1:1/t").request().unwrap();
        for bad in ["http://a.example/", "ftp://a.example/", "nonsense", "http://127.0.0.1.evil.example/"] {
            assert_eq!(source(bad).request().unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
