//! What the tokens say, and what of it has to be true.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::AUDIENCE;
use crate::pki::BoxError;

/// How long a token lives unless changed, in seconds: GitHub's live five minutes, Dex's one; tests are slower.
const LIFETIME: i64 = 600;
/// How far ahead an issuer's clock may be, in seconds: go-oidc's leeway, which Fulcio uses.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
/// The e-mail tokens' `sub`: an account number, so that nobody takes it for the address.
const ACCOUNT: &str = "1234";

/// Who a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Someone with an e-mail address.
    Email(String),
    /// A workflow run on GitHub Actions.
    Workflow(Box<Workflow>),
}

impl Identity {
    /// Someone with this e-mail address.
    pub fn email(address: impl Into<String>) -> Self {
        Self::Email(address.into())
    }

    /// The release workflow of `octo-org/octo-repo`, run by a push to `main`.
    #[must_use]
    pub fn workflow() -> Self {
        Self::Workflow(Box::default())
    }
}

/// A workflow run; the members are GitHub's claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented by GitHub under these names")]
pub struct Workflow {
    pub sub: String,
    pub event_name: String,
    pub sha: String,
    pub workflow: String,
    pub repository: String,
    #[serde(rename = "ref")]
    pub ref_: String,
    pub job_workflow_ref: String,
    pub job_workflow_sha: String,
    pub workflow_ref: String,
    pub workflow_sha: String,
    pub run_id: String,
    pub run_attempt: String,
    pub runner_environment: String,
    pub repository_id: String,
    pub repository_owner: String,
    pub repository_owner_id: String,
    pub repository_visibility: String,
}

impl Default for Workflow {
    fn default() -> Self {
        let sha = "a".repeat(40);
        let workflow_ref = "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main";
        Self {
            sub: "repo:octo-org/octo-repo:ref:refs/heads/main".to_owned(),
            event_name: "push".to_owned(),
            sha: sha.clone(),
            workflow: "release".to_owned(),
            repository: "octo-org/octo-repo".to_owned(),
            ref_: "refs/heads/main".to_owned(),
            job_workflow_ref: workflow_ref.to_owned(),
            job_workflow_sha: sha.clone(),
            workflow_ref: workflow_ref.to_owned(),
            workflow_sha: sha,
            run_id: "100".to_owned(),
            run_attempt: "1".to_owned(),
            runner_environment: "github-hosted".to_owned(),
            repository_id: "74".to_owned(),
            repository_owner: "octo-org".to_owned(),
            repository_owner_id: "65".to_owned(),
            repository_visibility: "public".to_owned(),
        }
    }
}

/// How a token differs from a good one. Times are seconds from now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenChanges {
    /// Another audience than `sigstore`.
    pub audience: Option<String>,
    /// Another issuer than the identity's.
    pub issuer: Option<String>,
    /// When the token expires; it has expired when negative.
    pub lifetime: Option<i64>,
    /// When the token begins to be valid.
    pub not_before: Option<i64>,
    /// When the token says that it was issued.
    pub issued_at: Option<i64>,
    /// Whether the issuer has checked the e-mail address.
    pub email_verified: Option<bool>,
    /// The `nonce` that a sign-in asked for.
    pub nonce: Option<String>,
    /// Claims to leave out.
    pub omit: Vec<String>,
}

/// A token that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) identity: Identity,
}

impl Claims {
    /// What the holder of the key signs: the address if there is one, else the subject.
    pub(crate) fn challenge(&self) -> &str {
        match &self.identity {
            Identity::Email(address) => address,
            Identity::Workflow(_) => &self.subject,
        }
    }
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefusal {
    #[error("the token is not a JWT")]
    Malformed,
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    #[error("the token's signature or algorithm is wrong")]
    Signature,
    #[error("the token is from an unknown issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token has expired or does not say when it does")]
    Expired,
    #[error("the token is not valid yet or does not say when it was issued")]
    NotYetValid,
    #[error("the token names no subject")]
    Subject,
    #[error("the token names no e-mail address")]
    Email,
    #[error("the token's e-mail address is not verified")]
    EmailNotVerified,
    #[error("the token does not describe a workflow completely")]
    Workflow,
}

/// The claims of a token for `identity`, as changed.
pub(super) fn claims(
    identity: &Identity,
    changes: &TokenChanges,
    issuer: String,
    now: Timestamp,
) -> Result<Map<String, Value>, BoxError> {
    let mut claims = match identity {
        Identity::Email(address) => {
            let mut claims = Map::new();
            claims.insert("sub".to_owned(), json!(ACCOUNT));
            claims.insert("email".to_owned(), json!(address));
            claims.insert("email_verified".to_owned(), json!(changes.email_verified.unwrap_or(true)));
            claims
        }
        Identity::Workflow(workflow) => match serde_json::to_value(workflow)? {
            Value::Object(claims) => claims,
            _ => return Err("a workflow's claims are an object".into()),
        },
    };
    let now = now.as_second();
    let at = |offset: Option<i64>, default: i64| json!(now.saturating_add(offset.unwrap_or(default)));
    claims.insert("iss".to_owned(), json!(changes.issuer.as_ref().unwrap_or(&issuer)));
    claims.insert("aud".to_owned(), json!(changes.audience.as_deref().unwrap_or(AUDIENCE)));
    claims.insert("iat".to_owned(), at(changes.issued_at, 0));
    claims.insert("nbf".to_owned(), at(changes.not_before, 0));
    claims.insert("exp".to_owned(), at(changes.lifetime, LIFETIME));
    if let Some(nonce) = &changes.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    for claim in &changes.omit {
        claims.remove(claim);
    }
    Ok(claims)
}

/// Checks the claims of a token whose signature is good.
pub(super) fn check(
    claims: Map<String, Value>,
    email_issuer: &str,
    workflow_issuer: &str,
    now: Timestamp,
) -> Result<Claims, TokenRefusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let issuer = text("iss").ok_or(TokenRefusal::Issuer)?;
    // RFC 7519 section 4.1.3: one audience or several.
    let for_us = match claims.get("aud") {
        Some(Value::String(audience)) => audience == AUDIENCE,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == AUDIENCE),
        _ => false,
    };
    if !for_us {
        return Err(TokenRefusal::Audience);
    }
    check_times(&claims, now)?;
    let subject = text("sub").ok_or(TokenRefusal::Subject)?;
    // Each issuer vouches for its own kind only: an e-mail issuer's word on workflows is worth nothing.
    let identity = if issuer == email_issuer {
        let address = text("email").filter(|address| address.contains('@')).ok_or(TokenRefusal::Email)?;
        // Some providers write the boolean as a string.
        let verified = match claims.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            Some(Value::String(verified)) => verified == "true",
            _ => false,
        };
        if !verified {
            return Err(TokenRefusal::EmailNotVerified);
        }
        Identity::Email(address.to_owned())
    } else if issuer == workflow_issuer {
        let workflow: Workflow =
            serde_json::from_value(Value::Object(claims.clone())).map_err(|_| TokenRefusal::Workflow)?;
        Identity::Workflow(Box::new(workflow))
    } else {
        return Err(TokenRefusal::Issuer);
    };
    Ok(Claims { issuer: issuer.to_owned(), subject: subject.to_owned(), identity })
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), TokenRefusal> {
    let time = |name: &str| claims.get(name).map(|value| value.as_i64());
    let now = now.as_second();
    let latest = now.saturating_add(LEEWAY.as_secs());
    match time("exp") {
        Some(Some(expires)) if now < expires => {}
        _ => return Err(TokenRefusal::Expired),
    }
    match time("iat") {
        Some(Some(issued)) if issued <= latest => {}
        _ => return Err(TokenRefusal::NotYetValid),
    }
    match time("nbf") {
        None => Ok(()),
        Some(Some(begins)) if begins <= latest => Ok(()),
        Some(_) => Err(TokenRefusal::NotYetValid),
    }
}
