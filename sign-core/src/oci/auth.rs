//! How a registry is convinced of who we are: Basic, or a token from the service its challenge names.
//!
//! Source: the token authentication specification of the distribution project.

use std::collections::HashMap;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use crate::encoding::base64_encode;
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, Request, Retry, is_loopback, may_carry_secrets, redacted};

use super::credentials::{Credential, CredentialSource, Found, look_up};
use super::reference::Reference;

/// How long a token is good for when the service does not say, as the specification sets it.
const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(60);
/// Longest time a token is kept, whatever the service says.
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// A token is not used in its last seconds, in which it could expire on the way.
const TOKEN_MARGIN: Duration = Duration::from_secs(5);
/// What we call ourselves to a token service.
const CLIENT_ID: &str = "signer";

/// What a request is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Pull,
    Push,
}

/// The demand of a `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// Answers challenges of one registry for one repository, and remembers the answers.
pub(super) struct Authorizer {
    http: HttpClient,
    source: CredentialSource,
    reference: Reference,
    found: tokio::sync::OnceCell<Found>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    basic: bool,
    tokens: HashMap<Access, (Zeroizing<String>, Instant)>,
}

/// The answer of a token service. No `Debug`: it would show the token.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Authorizer {
    pub(super) fn new(http: HttpClient, source: CredentialSource, reference: Reference) -> Self {
        Self { http, source, reference, found: tokio::sync::OnceCell::new(), state: Mutex::default() }
    }

    /// Adds what is already known to be needed to a request to the registry itself.
    pub(super) async fn authorize(&self, request: Request, access: Access) -> Result<Request> {
        let value = if let CredentialSource::Token(_) = &self.source {
            match &self.found().await.credential {
                Credential::Bearer(token) => Some(bearer(token)),
                _ => None,
            }
        } else {
            let state = self.state.lock().await;
            match state.tokens.get(&access) {
                Some((token, until)) if *until > Instant::now() => Some(bearer(token)),
                _ if state.basic => self.basic().await,
                _ => None,
            }
        };
        let Some(value) = value else { return Ok(request) };
        check_protected(&request.url)?;
        request.header(AUTHORIZATION, &value)
    }

    /// Reads the challenge of a 401 of the registry to a request that carried `used`, and gets ready to answer
    /// it. `false` means that there is nothing better to offer than what was refused.
    pub(super) async fn answer(
        &self,
        registry: &Url,
        headers: &HeaderMap,
        used: Option<&str>,
        access: Access,
    ) -> Result<bool> {
        let mut state = self.state.lock().await;
        // A request at the same time may have answered already.
        if state.tokens.get(&access).is_some_and(|(token, _)| used != Some(bearer(token).as_str())) {
            return Ok(true);
        }
        state.tokens.remove(&access);
        let credential = &self.found().await.credential;
        let strongest = challenges(headers).into_iter().max_by_key(|c| matches!(c, Challenge::Bearer { .. }));
        match (strongest, credential) {
            // The caller's own token is not traded in for another one.
            (None, _) | (_, Credential::Bearer(_)) => Ok(false),
            (Some(Challenge::Basic), Credential::Basic { .. }) => {
                state.basic = true;
                Ok(used.is_none())
            }
            (Some(Challenge::Basic), _) => Ok(false),
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                // Anyone on the way can have written this challenge, and would be sent the password. Its
                // token could not be used on this connection either.
                check_protected(registry)?;
                let realm = check_realm(registry, &realm)?;
                let scopes = scopes(self.reference.repository(), access, scope.as_deref());
                let answer = self.token(&realm, service.as_deref(), &scopes, credential).await?;
                let lifetime = answer.expires_in.map_or(DEFAULT_TOKEN_LIFETIME, Duration::from_secs);
                let lifetime = lifetime.clamp(DEFAULT_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME);
                let token = [answer.token, answer.access_token].into_iter().flatten().find(|t| !t.is_empty());
                let token = Zeroizing::new(token.ok_or_else(|| {
                    Error::new(Code::ServiceProtocol, "the registry's token service sent no token")
                        .found(redacted(&realm))
                })?);
                state.tokens.insert(access, (token, Instant::now() + lifetime.saturating_sub(TOKEN_MARGIN)));
                Ok(true)
            }
        }
    }

    /// The error for a registry that is not convinced.
    pub(super) async fn refused(&self, status: StatusCode, doing: &str) -> Error {
        let tried = match self.found.get() {
            Some(found) => found.tried.join("; "),
            None => "none, as the registry did not ask for any".to_owned(),
        };
        let message = match status {
            StatusCode::FORBIDDEN => format!("the registry does not allow {doing}"),
            _ => format!("the registry refused the credentials for {doing}"),
        };
        Error::new(Code::CredentialsRefused, format!("{message}; credentials tried: {tried}"))
            .found(status)
            .hint(format!("log in with `docker login {0}` or `podman login {0}`", self.reference.registry()))
    }

    async fn found(&self) -> &Found {
        self.found.get_or_init(|| look_up(&self.source, &self.reference)).await
    }

    async fn basic(&self) -> Option<String> {
        match &self.found().await.credential {
            Credential::Basic { username, password } => Some(basic(username, password)),
            _ => None,
        }
    }

    async fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        scope: &[String],
        credential: &Credential,
    ) -> Result<TokenAnswer> {
        if let Credential::IdentityToken(identity) = credential {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("service", service.unwrap_or_default())
                .append_pair("client_id", CLIENT_ID)
                .append_pair("refresh_token", identity)
                .append_pair("scope", &scope.join(" "))
                .finish();
            let request = Request::new("the registry's token service", Method::POST, realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")?
                .body(form)
                .retry(Retry::Safe);
            if let Some(answer) = self.ask(request).await? {
                return Ok(answer);
            }
        }
        let mut url = realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            for scope in scope {
                query.append_pair("scope", scope);
            }
        }
        let mut request = Request::new("the registry's token service", Method::GET, url);
        let value = match credential {
            Credential::Basic { username, password } => Some(basic(username, password)),
            // An identity token has no place in this form; what is public can still be had.
            Credential::IdentityToken(_) | Credential::Anonymous | Credential::Bearer(_) => None,
        };
        if let Some(value) = value {
            request = request.header(AUTHORIZATION, &value)?;
        }
        let missing = || {
            Error::new(Code::ServiceProtocol, "the registry's token service does not exist")
                .found(redacted(realm))
        };
        self.ask(request).await?.ok_or_else(missing)
    }

    /// The token service's answer; `None` for 404.
    async fn ask(&self, request: Request) -> Result<Option<TokenAnswer>> {
        let answer = self.http.send(request).await?;
        match answer.status {
            status if status.is_success() => serde_json::from_slice(&answer.body).map(Some).map_err(|_| {
                // The cause would quote the answer, and the answer holds a token.
                Error::new(Code::ServiceProtocol, "the answer of the registry's token service does not parse")
                    .found(redacted(&answer.url))
            }),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                Err(self.refused(answer.status, "a token").await)
            }
            status => Err(Error::new(Code::ServiceUnavailable, "the registry's token service gave no token")
                .found(status)
                .hint("try again later")),
        }
    }
}

/// What we need, and what the registry says we need besides.
fn scopes(repository: &str, access: Access, demanded: Option<&str>) -> Vec<String> {
    let actions = match access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
    };
    let mut scopes = vec![format!("repository:{repository}:{actions}")];
    let demanded = demanded.unwrap_or_default().split(' ').filter(|scope| !scope.is_empty());
    // A scope about a repository is ours to choose: the registry's could be about another one, and a token
    // for that would be good for more than was asked for.
    scopes.extend(demanded.filter(|scope| !scope.starts_with("repository:")).map(str::to_owned));
    scopes
}

/// The address of the token service, if it may be asked.
///
/// It is named by the registry, and so can be on another host; over an unprotected connection it could be
/// named by anyone on the way, who would then be sent the password (CVE-2020-15157, CVE-2026-48978).
fn check_realm(registry: &Url, realm: &str) -> Result<Url> {
    let refused = |why: &str| {
        Error::new(Code::CredentialsRefused, format!("the registry names a token service {why}")).found(realm)
    };
    let url = Url::parse(realm).map_err(|_| refused("that is not an address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("with a user in its address"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if registry.scheme() == "http" && is_loopback(registry) && is_loopback(&url) => Ok(url),
        _ => Err(refused("that is not reached over https").expected("an https address")),
    }
}

/// Refuses to put a secret on an unprotected connection.
fn check_protected(url: &Url) -> Result<()> {
    if may_carry_secrets(url) {
        return Ok(());
    }
    Err(Error::new(Code::CredentialsRefused, "credentials are not sent over plain HTTP to another machine")
        .found(redacted(url))
        .hint("reach the registry over https"))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", base64_encode(Zeroizing::new(format!("{username}:{password}")).as_bytes()))
}

/// The challenges of all `WWW-Authenticate` headers that we can answer.
fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(parse_challenges)
        .collect()
}

/// Reads `scheme key=value, key="value", scheme …` (RFC 9110, section 11.6.1).
fn parse_challenges(text: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, HashMap<String, String>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            break;
        }
        let Some(value) = after.trim_start().strip_prefix('=') else {
            found.push((word.to_ascii_lowercase(), HashMap::new()));
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, after) = value.split_at(value.find([' ', '\t', ',']).unwrap_or(value.len()));
                (value.to_owned(), after)
            }
        };
        if let Some((_, parameters)) = found.last_mut() {
            parameters.insert(word.to_ascii_lowercase(), value);
        }
        rest = after;
    }
    found
        .into_iter()
        .filter_map(|(scheme, mut parameters)| match scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => Some(Challenge::Bearer {
                realm: parameters.remove("realm")?,
                service: parameters.remove("service"),
                scope: parameters.remove("scope"),
            }),
            _ => None,
        })
        .collect()
}

/// The text up to the closing quote, and what comes after it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Fake;

    fn bearer_of(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn challenges_are_read_in_every_spelling() {
        for (text, expected) in [
            (r#"Basic realm="a, b""#, vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://t/x",service="s",scope="repository:a/b:pull,push""#,
                vec![bearer_of("https://t/x", Some("s"), Some("repository:a/b:pull,push"))],
            ),
            (
                r#"bearer REALM = "https://t/\"q" , service=s"#,
                vec![bearer_of("https://t/\"q", Some("s"), None)],
            ),
            (
                r#"Negotiate, Basic realm="r", Bearer realm=https://t"#,
                vec![Challenge::Basic, bearer_of("https://t", None, None)],
            ),
            ("Bearer service=\"s\"", vec![]),
            ("Bearer realm=\"https://unterminated", vec![bearer_of("https://unterminated", None, None)]),
            ("realm=\"x\"", vec![]),
            ("=,=", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(parse_challenges(text), expected, "{text}");
        }
    }

    #[test]
    fn realms_must_be_protected() {
        let remote = Url::parse("https://r.example/v2/").unwrap();
        let plain = Url::parse("http://r.example/v2/").unwrap();
        let local = Url::parse("http://127.0.0.1:5000/v2/").unwrap();
        for (registry, realm, allowed) in [
            (&remote, "https://auth.example/token", true),
            (&remote, "http://auth.example/token", false),
            (&remote, "http://127.0.0.1/token", false),
            (&remote, "https://u:p@auth.example/", false),
            (&remote, "file:///etc/passwd", false),
            (&remote, "/token", false),
            (&plain, "http://r.example/token", false),
            (&local, "http://127.0.0.1:5001/token", true),
            (&local, "http://localhost/token", true),
            (&local, "http://[::1]/token", true),
            (&local, "http://auth.example/token", false),
            (&local, "http://127.0.0.1.example/token", false),
            (&local, "http://localhost.example/token", false),
            (&local, "https://auth.example/token", true),
        ] {
            assert_eq!(check_realm(registry, realm).is_ok(), allowed, "{registry} {realm}");
        }
    }

    #[test]
    fn secrets_stay_off_unprotected_connections() {
        for (url, allowed) in [
            ("https://r.example/", true),
            ("http://r.example/", false),
            ("http://127.9.9.9/", true),
            ("http://10.0.0.1/", false),
            ("http://localhost:5000/", true),
        ] {
            assert_eq!(check_protected(&Url::parse(url).unwrap()).is_ok(), allowed, "{url}");
        }
    }

    #[tokio::test]
    async fn a_challenge_that_anyone_could_have_written_is_not_answered() {
        let fake = Fake::serve(vec![(200, vec![], r#"{"token":"t"}"#.into())]).await;
        let source = CredentialSource::Explicit { username: "u".into(), password: "p".into() };
        let authorizer = Authorizer::new(fake.client(), source, "r.example/a".parse().unwrap());
        let names = |realm: &str| {
            let value = format!("Bearer realm=\"{realm}\"").parse().unwrap();
            HeaderMap::from_iter([(WWW_AUTHENTICATE, value)])
        };
        // The name leads nowhere: if it were asked, the error would be another one.
        let (plain, evil) =
            (Url::parse("http://r.example/v2/").unwrap(), names("https://evil.invalid/token"));
        let error = authorizer.answer(&plain, &evil, None, Access::Pull).await.unwrap_err();
        assert_eq!(error.code(), Code::CredentialsRefused);
        assert!(error.message().contains("plain HTTP"), "{error}");
        let own = names(fake.url.as_str());
        assert!(authorizer.answer(&fake.url, &own, None, Access::Pull).await.unwrap());
        assert_eq!(fake.requests().len(), 1);
    }

    #[test]
    fn scopes_ask_for_our_repository_only() {
        assert_eq!(scopes("a", Access::Pull, None), ["repository:a:pull"]);
        assert_eq!(
            scopes("a", Access::Push, Some("repository:b:pull registry:catalog:* repository:a:delete")),
            ["repository:a:pull,push", "registry:catalog:*"]
        );
    }
}
