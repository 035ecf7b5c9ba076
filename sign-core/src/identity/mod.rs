//! OIDC identity tokens: what they say, checked before any service sees them.
//!
//! The signature of a token is Fulcio's to verify; here it is only made sure that a request with this
//! token can succeed, and what the certificate for it must say. Source: Fulcio's OIDC documentation.

mod ambient;
mod source;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};

pub use ambient::{ActionsToken, EnvToken, SIGSTORE_ID_TOKEN, ambient};
pub use source::{StaticToken, TokenFile, TokenSource};

/// The audience that Sigstore's certificate authorities ask for.
pub const SIGSTORE_AUDIENCE: &str = "sigstore";
/// Largest token: above what issuers make, below what servers take as a header.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far the issuer's clock may be ahead of ours before `nbf` and `iat` are refused.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// An identity token with its claims read. Holds a secret: it is wiped on drop and never printed.
#[derive(Clone)]
pub struct IdentityToken {
    raw: Zeroizing<String>,
    claims: Claims,
}

/// What the certificate's subject alternative name must be, as far as the token tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpectedSan {
    /// Exactly this e-mail address.
    Email(String),
    /// A URI that ends in `/` and this workflow reference.
    UriEndingWith(String),
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    aud: Audience,
    #[serde(deserialize_with = "seconds")]
    exp: i64,
    #[serde(default, deserialize_with = "optional_seconds")]
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "optional_seconds")]
    iat: Option<i64>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<Flag>,
    #[serde(default)]
    job_workflow_ref: Option<String>,
    #[serde(default)]
    federated_claims: Option<FederatedClaims>,
}

#[derive(Clone, Deserialize)]
struct FederatedClaims {
    #[serde(default)]
    connector_id: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

/// A boolean, which some issuers write as a string.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Text(String),
}

impl IdentityToken {
    /// Reads a compact JWT.
    ///
    /// # Errors
    /// [`Code::TokenInvalid`] when it is not one. The token itself is in no message.
    pub fn parse(raw: &str) -> Result<Self> {
        let raw = raw.trim();
        if raw.len() > MAX_TOKEN_BYTES {
            return Err(malformed("it is too long")
                .expected(format!("at most {MAX_TOKEN_BYTES} bytes"))
                .found(format!("{} bytes", raw.len())));
        }
        if raw.is_empty() {
            return Err(malformed("it is empty"));
        }
        let mut parts = raw.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("it does not have three parts separated by dots"));
        };
        let header = decode(header)?;
        // Also keeps everything that is not base64url out of the Authorization header.
        decode(signature)?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&header)
            .map_err(|_| malformed("its header is not JSON"))?;
        let claims: Claims = serde_json::from_slice(&decode(payload)?)
            // The cause could quote claims, which are personal data: only its kind and place are shown.
            .map_err(|e| malformed("its claims cannot be read").found(format!("{:?} error", e.classify())))?;
        Ok(Self { raw: Zeroizing::new(raw.to_owned()), claims })
    }

    /// Who issued the token: `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// Whom the token is about: `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        non_empty(self.claims.sub.as_deref())
    }

    /// The e-mail address, where the token has one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        non_empty(self.claims.email.as_deref())
    }

    /// Whom the token is for: `aud`.
    #[must_use]
    pub fn audience(&self) -> Vec<&str> {
        match &self.claims.aud {
            Audience::None => Vec::new(),
            Audience::One(one) => vec![one],
            Audience::Many(many) => many.iter().map(String::as_str).collect(),
        }
    }

    /// When the token ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.claims.exp).unwrap_or(Timestamp::MAX)
    }

    /// What the proof of possession signs: the e-mail address, or else the subject.
    ///
    /// # Errors
    /// [`Code::TokenInvalid`] when the token has neither.
    pub fn challenge(&self) -> Result<&str> {
        self.email().or_else(|| self.subject()).ok_or_else(|| {
            Error::new(Code::TokenInvalid, "the identity token names nobody")
                .expected("a claim email or sub")
                .hint("use a token of an issuer that Fulcio knows")
        })
    }

    /// The issuers that the certificate may name. Issuers that stand in front of others (Dex) write
    /// the other's name into `federated_claims.connector_id`, and Fulcio prefers that.
    #[must_use]
    pub fn certificate_issuers(&self) -> Vec<&str> {
        let federated = self.claims.federated_claims.as_ref().and_then(|f| f.connector_id.as_deref());
        std::iter::once(self.issuer()).chain(non_empty(federated)).collect()
    }

    /// What the certificate must name, where the token tells; other workload identities are derived
    /// from the token by Fulcio's own configuration.
    #[must_use]
    pub fn expected_san(&self) -> Option<ExpectedSan> {
        if let Some(email) = self.email() {
            return Some(ExpectedSan::Email(email.to_owned()));
        }
        non_empty(self.claims.job_workflow_ref.as_deref())
            .map(|reference| ExpectedSan::UriEndingWith(reference.to_owned()))
    }

    /// Whether a request with this token can succeed at all, so that none is made in vain.
    ///
    /// # Errors
    /// [`Code::TokenInvalid`], with what was expected and what was found.
    pub fn check(&self, now: Timestamp, audience: &str) -> Result<()> {
        let invalid = |message: &str| Error::new(Code::TokenInvalid, message);
        if self.expires_at() <= now {
            return Err(invalid("the identity token has expired")
                .expected(format!("an end after {now}"))
                .found(self.expires_at())
                .hint("get a fresh token; most are valid for a few minutes only"));
        }
        for (claim, seconds) in [("nbf", self.claims.nbf), ("iat", self.claims.iat)] {
            let starts = seconds.and_then(|s| Timestamp::from_second(s).ok());
            if let Some(starts) = starts.filter(|&s| s.duration_since(now) > MAX_CLOCK_SKEW) {
                return Err(invalid("the identity token is not valid yet")
                    .expected(format!("a claim {claim} up to {now}"))
                    .found(starts)
                    .hint("check the clock of this machine"));
            }
        }
        if !self.audience().contains(&audience) {
            let found = self.audience().join(", ");
            return Err(invalid("the identity token is for another audience")
                .expected(audience)
                .found(if found.is_empty() { "none".to_owned() } else { found })
                .hint(format!("ask the issuer for a token with the audience {audience}")));
        }
        self.challenge()?;
        let unverified = match &self.claims.email_verified {
            Some(Flag::Bool(verified)) => !verified,
            Some(Flag::Text(text)) => text != "true",
            None => false,
        };
        if self.email().is_some() && unverified {
            return Err(invalid("the e-mail address of the identity token is not verified")
                .expected("email_verified true")
                .found("false")
                .hint("verify the address with the issuer, then get a fresh token"));
        }
        Ok(())
    }

    /// The token itself, for the Authorization header and for nothing else.
    pub(crate) fn secret(&self) -> &str {
        &self.raw
    }
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityToken")
            .field("issuer", &self.issuer())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

fn decode(part: &str) -> Result<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map(Zeroizing::new)
        .map_err(|_| malformed("a part of it is not unpadded base64url"))
}

fn malformed(why: &str) -> Error {
    Error::new(Code::TokenInvalid, format!("the identity token is malformed: {why}"))
        .hint("give a JSON Web Token, or the name of a file that holds one")
}

fn non_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A NumericDate of RFC 7519, which may have a fraction.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let whole = number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|f| f.abs() < 1e15)?;
        #[allow(clippy::cast_possible_truncation, reason = "the range was just checked; the fraction goes")]
        Some(float as i64)
    });
    whole.ok_or_else(|| D::Error::custom("not a time"))
}

fn optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Seconds(#[serde(deserialize_with = "seconds")] i64);
    Ok(Option::<Seconds>::deserialize(deserializer)?.map(|s| s.0))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn jwt(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("signature"))
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_000).unwrap()
    }

    #[test]
    fn checks_a_token_before_any_request() {
        let good = r#""iss":"https://i.example","aud":"sigstore","exp":2000"#;
        let table: &[(&str, &str, Option<&str>)] = &[
            ("email", r#","email":"a@b.example""#, None),
            ("sub", r#","sub":"s""#, None),
            ("verified", r#","email":"a@b.example","email_verified":true"#, None),
            ("verified text", r#","email":"a@b.example","email_verified":"true""#, None),
            ("small skew", r#","sub":"s","nbf":1060,"iat":1060.5"#, None),
            ("unverified", r#","email":"a@b.example","email_verified":false"#, Some("not verified")),
            ("unverified text", r#","email":"a@b.example","email_verified":"false""#, Some("not verified")),
            ("nobody", "", Some("names nobody")),
            ("empty names", r#","sub":"","email":"""#, Some("names nobody")),
            ("nbf", r#","sub":"s","nbf":1061"#, Some("not valid yet")),
            ("iat", r#","sub":"s","iat":5000"#, Some("not valid yet")),
        ];
        for (name, more, failure) in table {
            let token = IdentityToken::parse(&jwt(&format!("{{{good}{more}}}"))).unwrap();
            match (token.check(now(), SIGSTORE_AUDIENCE), failure) {
                (Ok(()), None) => {}
                (Err(error), Some(text)) => {
                    assert_eq!(error.code(), Code::TokenInvalid, "{name}");
                    assert!(error.message().contains(text), "{name}: {error}");
                }
                (result, _) => panic!("{name}: {result:?}"),
            }
        }
    }

    #[test]
    fn refuses_expired_tokens_and_other_audiences() {
        for (claims, text) in [
            (r#"{"iss":"i","sub":"s","aud":"sigstore","exp":1000}"#, "expired"),
            (r#"{"iss":"i","sub":"s","aud":"sigstore","exp":-1}"#, "expired"),
            (r#"{"iss":"i","sub":"s","aud":"other","exp":1001}"#, "audience"),
            (r#"{"iss":"i","sub":"s","aud":["a","sigstore2"],"exp":1001}"#, "audience"),
            (r#"{"iss":"i","sub":"s","exp":1001}"#, "audience"),
        ] {
            let error = IdentityToken::parse(&jwt(claims)).unwrap().check(now(), "sigstore").unwrap_err();
            assert!(error.message().contains(text), "{claims}: {error}");
            assert!(error.hint_text().is_some() && error.found_value().is_some(), "{claims}");
        }
        let many = jwt(r#"{"iss":"i","sub":"s","aud":["a","sigstore"],"exp":1001}"#);
        IdentityToken::parse(&many).unwrap().check(now(), "sigstore").unwrap();
    }

    #[test]
    fn refuses_what_is_not_a_token_and_never_quotes_it() {
        let secret = "SECRET";
        for raw in [
            "",
            "SECRET",
            "SECRET.SECRET",
            "a.b.c.SECRET",
            "SECRET.SECRET.SECRET",
            &format!("{secret}\r\nX: y.e30.e30"),
            &jwt(r#"{"iss":"SECRET"}"#),
            &jwt(r#"{"iss":"SECRET","iss":"b","exp":1}"#),
            &jwt(r#"{"iss":"i","exp":"SECRET"}"#),
            &"A".repeat(MAX_TOKEN_BYTES + 1),
        ] {
            let error = IdentityToken::parse(raw).unwrap_err();
            assert_eq!(error.code(), Code::TokenInvalid, "{raw}");
            assert!(!format!("{error:?}{error}").contains(secret), "{error:?}");
        }
        let raw = jwt(r#"{"iss":"i","email":"me@b.example","exp":1}"#);
        let shown = format!("{:?}", IdentityToken::parse(&raw).unwrap());
        assert!(!shown.contains(&raw) && !shown.contains("me@"), "{shown}");
    }

    #[test]
    fn says_what_the_certificate_must_name() {
        let token = |claims: &str| IdentityToken::parse(&jwt(claims)).unwrap();
        let mail = token(
            r#"{"iss":"dex","sub":"s","email":"a@b.example","exp":1,"federated_claims":{"connector_id":"https://up.example"}}"#,
        );
        assert_eq!(mail.challenge().unwrap(), "a@b.example");
        assert_eq!(mail.expected_san(), Some(ExpectedSan::Email("a@b.example".into())));
        assert_eq!(mail.certificate_issuers(), ["dex", "https://up.example"]);
        let workflow =
            token(r#"{"iss":"i","sub":"repo:o/r","job_workflow_ref":"o/r/w.yml@refs/heads/main","exp":1}"#);
        assert_eq!(workflow.challenge().unwrap(), "repo:o/r");
        assert_eq!(
            workflow.expected_san(),
            Some(ExpectedSan::UriEndingWith("o/r/w.yml@refs/heads/main".into()))
        );
        assert_eq!(token(r#"{"iss":"i","sub":"s","exp":1}"#).expected_san(), None);
    }
}
