//! Basic credentials, and the token flow of distribution's "Token Authentication Specification".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::error::{ErrorCode, Refusal};
use super::{Registry, RegistryAuth, names, read};
use crate::pki;

pub(super) const PULL: &str = "pull";
pub(super) const PUSH: &str = "push";
const SERVICE: &str = "sandbox";
/// The specification's default, in seconds: short enough for clients to have to renew.
const LIFETIME: i64 = 60;
/// A form with a password or a token and a few scopes.
const MAX_FORM: usize = 16 * 1024;

/// What the bearer of a credential may do.
#[derive(Clone)]
pub(super) enum Access {
    /// Everything.
    All,
    /// These actions, by repository.
    Scopes(BTreeMap<String, BTreeSet<String>>),
}

impl Access {
    pub(super) fn allows(&self, repository: &str, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Scopes(scopes) => scopes.get(repository).is_some_and(|actions| actions.contains(action)),
        }
    }

    /// Reads `repository:<name>:<action>,…`, separated by spaces. What is no scope grants nothing.
    fn parse<'a>(scopes: impl Iterator<Item = &'a str>) -> Self {
        let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for scope in scopes.flat_map(str::split_ascii_whitespace) {
            let mut parts = scope.splitn(3, ':');
            if let (Some("repository"), Some(name), Some(actions)) =
                (parts.next(), parts.next(), parts.next())
                && names::is_name(name)
            {
                let entry = granted.entry(name.to_owned()).or_default();
                for action in actions.split(',') {
                    match action {
                        PULL | PUSH => _ = entry.insert(action.to_owned()),
                        "*" => entry.extend([PULL.to_owned(), PUSH.to_owned()]),
                        _ => {}
                    }
                }
            }
        }
        Self::Scopes(granted)
    }
}

/// The tokens that are out.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Issued>);

#[derive(Default)]
struct Issued {
    access: BTreeMap<String, (Timestamp, Access)>,
    refresh: BTreeSet<String>,
}

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, Issued> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self, token: &str, now: Timestamp) -> Option<Access> {
        let issued = self.lock();
        issued.access.get(token).filter(|(expires, _)| now < *expires).map(|(_, access)| access.clone())
    }

    fn issue(&self, now: Timestamp, access: Access) -> String {
        let token = hex::encode(pki::random::<32>());
        let expires = now.checked_add(SignedDuration::from_secs(LIFETIME)).unwrap_or(Timestamp::MAX);
        let mut issued = self.lock();
        issued.access.retain(|_, (expires, _)| now < *expires);
        issued.access.insert(token.clone(), (expires, access));
        token
    }

    fn issue_refresh(&self) -> String {
        let token = hex::encode(pki::random::<32>());
        self.lock().refresh.insert(token.clone());
        token
    }
}

impl Registry {
    /// What the request may do, or the challenge if that is not `wanted`: a repository and an action.
    pub(super) fn authorize(
        &self,
        headers: &HeaderMap,
        wanted: Option<(&str, &str)>,
    ) -> Result<Access, Refusal> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let name = wanted.map(|(name, _)| name);
        match &self.options.auth {
            RegistryAuth::None => Ok(Access::All),
            RegistryAuth::Basic { .. } => {
                if basic(given).is_some_and(|(username, password)| self.knows(&username, &password)) {
                    Ok(Access::All)
                } else {
                    Err(self.challenge(name, None))
                }
            }
            RegistryAuth::Token { .. } => {
                let Some(token) = given.and_then(|value| credentials(value, "Bearer")) else {
                    return Err(self.challenge(name, None));
                };
                match self.tokens.access(token, self.clock.now()) {
                    None => Err(self.challenge(name, Some("invalid_token"))),
                    Some(access) if wanted.is_none_or(|(name, action)| access.allows(name, action)) => {
                        Ok(access)
                    }
                    Some(_) => Err(self.challenge(name, Some("insufficient_scope"))),
                }
            }
        }
    }

    /// The refusal for a path, whatever the credentials.
    pub(super) fn unauthorized(&self, path: &str, message: &str) -> Refusal {
        let route = path.strip_prefix("/v2/").and_then(|rest| names::route(rest).ok());
        let challenge = self.challenge_text(route.as_ref().map(|(name, _)| name.as_str()), None);
        Refusal::new(ErrorCode::Unauthorized, message).header(header::WWW_AUTHENTICATE, &challenge)
    }

    fn challenge(&self, name: Option<&str>, error: Option<&str>) -> Refusal {
        Refusal::new(ErrorCode::Unauthorized, "authentication required")
            .header(header::WWW_AUTHENTICATE, &self.challenge_text(name, error))
    }

    fn challenge_text(&self, name: Option<&str>, error: Option<&str>) -> String {
        if !matches!(self.options.auth, RegistryAuth::Token { .. }) {
            return format!("Basic realm=\"{SERVICE}\"");
        }
        let mut text = format!("Bearer realm=\"{}/token\",service=\"{SERVICE}\"", self.base_url);
        if let Some(name) = name {
            text.push_str(&format!(",scope=\"repository:{name}:{PULL},{PUSH}\""));
        }
        if let Some(error) = error {
            text.push_str(&format!(",error=\"{error}\""));
        }
        text
    }

    fn knows(&self, username: &str, password: &str) -> bool {
        match &self.options.auth {
            RegistryAuth::None => false,
            RegistryAuth::Basic { username: name, password: secret }
            | RegistryAuth::Token { username: name, password: secret } => {
                // Both are compared, so that the time tells nothing about either.
                let name = verify_slices_are_equal(name.as_bytes(), username.as_bytes()).is_ok();
                let secret = verify_slices_are_equal(secret.as_bytes(), password.as_bytes()).is_ok();
                name & secret
            }
        }
    }

    /// `/token`: GET with Basic credentials, or POST with an OAuth 2 form.
    pub(super) async fn token(
        &self,
        method: &Method,
        headers: &HeaderMap,
        query: Vec<(String, String)>,
        body: Body,
    ) -> Result<Response, Refusal> {
        let denied = || {
            Refusal::new(ErrorCode::Unauthorized, "wrong user name, password or token")
                .header(header::WWW_AUTHENTICATE, &format!("Basic realm=\"{SERVICE}\""))
        };
        let mut form = query;
        let known = match *method {
            Method::GET => {
                let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                basic(given).is_some_and(|(username, password)| self.knows(&username, &password))
            }
            Method::POST => {
                let mut bytes = Vec::new();
                read(body, &mut bytes, MAX_FORM).await?;
                form = url::form_urlencoded::parse(&bytes).into_owned().collect();
                let field = |name| field(&form, name).unwrap_or_default();
                match field("grant_type") {
                    "password" => self.knows(field("username"), field("password")),
                    "refresh_token" => self.tokens.lock().refresh.contains(field("refresh_token")),
                    _ => false,
                }
            }
            _ => return Err(Refusal::new(ErrorCode::MethodNotAllowed, "no such method on this endpoint")),
        };
        if !known || field(&form, "service").is_some_and(|service| service != SERVICE) {
            return Err(denied());
        }
        let scopes = form.iter().filter(|(key, _)| key == "scope").map(|(_, value)| value.as_str());
        let now = self.clock.now();
        let token = self.tokens.issue(now, Access::parse(scopes));
        let mut reply = json!({
            "token": token, "access_token": token, "expires_in": LIFETIME, "issued_at": now.to_string(),
        });
        if field(&form, "offline_token") == Some("true") || field(&form, "access_type") == Some("offline") {
            reply["refresh_token"] = json!(self.tokens.issue_refresh());
        }
        Ok(([(header::CACHE_CONTROL, "no-store")], Json(reply)).into_response())
    }
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// RFC 9110 section 11.1: the scheme's case does not matter.
fn credentials<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (given, credentials) = value.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
}

fn basic(value: Option<&str>) -> Option<(String, String)> {
    let decoded = BASE64_STANDARD.decode(credentials(value?, "Basic")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(username, password)| (username.to_owned(), password.to_owned()))
}
