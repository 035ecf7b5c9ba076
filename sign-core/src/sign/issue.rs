//! A certificate from Fulcio, checked against what was asked before anything is signed with it.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::SigningContext;
use crate::certificate::{Certificate, SubjectAltName as San};
use crate::error::{Code, Result};
use crate::fulcio;
use crate::identity::{ExpectedSan, IdentityToken, SIGSTORE_AUDIENCE, TokenSource};
use crate::service;
use crate::signer::{EphemeralKey, Signer};

const FULCIO: &str = "Fulcio";
/// How far Fulcio's clock may be ahead of ours: a certificate starts at the moment it is issued.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// In whose name a session signs, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningIdentity {
    /// The subject alternative name.
    pub san: String,
    /// The issuer of the token.
    pub issuer: String,
}

impl fmt::Display for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.san, self.issuer)
    }
}

/// A key and the certificate for it.
pub(super) struct Credential {
    pub(super) signer: Arc<dyn Signer>,
    pub(super) certificate: Arc<Certificate>,
    pub(super) certificate_der: Vec<u8>,
    pub(super) identity: SigningIdentity,
}

/// Gets a token, makes a key unless there is one, and has a certificate issued.
pub(super) async fn issue(
    context: &SigningContext,
    tokens: &dyn TokenSource,
    signer: Option<Arc<dyn Signer>>,
) -> Result<Credential> {
    let token = tokens.token().await?;
    token.check(context.clock.now(), SIGSTORE_AUDIENCE).map_err(|e| e.context(tokens.name()))?;
    let signer = match signer {
        Some(signer) => signer,
        None => Arc::new(EphemeralKey::generate()?),
    };
    let der = fulcio::request_certificate(&context.http, &context.fulcio, &token, signer.as_ref()).await?;
    let certificate = Certificate::parse(&der).map_err(|e| e.context("the certificate from Fulcio"))?;
    let key = signer.public_key_der();
    let facts = Facts {
        key: certificate.public_key_der(),
        san: certificate.san(),
        issuer: certificate.issuer(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
    };
    let now = context.clock.now();
    let identity = facts.check(&token, &key, now)?;
    // Chain and SCT, as every verifier will: better to stop here than after the log entry.
    let at = now.max(certificate.not_before());
    context
        .verifier
        .check_certificate(&certificate, at)
        .map_err(|e| e.context("the certificate from Fulcio"))?;
    Ok(Credential { signer, certificate: Arc::new(certificate), certificate_der: der, identity })
}

/// What a certificate says that Fulcio was asked to put into it.
struct Facts<'a> {
    key: &'a [u8],
    san: &'a San,
    issuer: Option<&'a str>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Facts<'_> {
    fn check(&self, token: &IdentityToken, key: &[u8], now: Timestamp) -> Result<SigningIdentity> {
        if self.key != key {
            return Err(service::contradiction(FULCIO, "the certificate is for another key"));
        }
        let issuers = token.certificate_issuers();
        let issuer = self.issuer.filter(|issuer| issuers.contains(issuer)).ok_or_else(|| {
            service::contradiction(FULCIO, "the certificate names another issuer")
                .expected(issuers.join(" or "))
                .found(self.issuer.unwrap_or("none"))
        })?;
        let wanted = match (token.expected_san(), self.san) {
            (None, _) => None,
            (Some(ExpectedSan::Email(wanted)), San::Email(found)) if *found == wanted => None,
            (Some(ExpectedSan::UriEndingWith(wanted)), San::Uri(found))
                if found.strip_suffix(&wanted).is_some_and(|rest| rest.ends_with('/')) =>
            {
                None
            }
            (Some(ExpectedSan::Email(wanted)), _) => Some(wanted),
            (Some(ExpectedSan::UriEndingWith(wanted)), _) => Some(format!("…/{wanted}")),
        };
        if let Some(wanted) = wanted {
            return Err(service::contradiction(FULCIO, "the certificate names another identity")
                .expected(wanted)
                .found(self.san.as_str()));
        }
        if self.not_before > now + MAX_CLOCK_SKEW || self.not_after <= now {
            return Err(service::contradiction(FULCIO, "the certificate is not valid now")
                .expected(now)
                .found(format!("{} to {}", self.not_before, self.not_after))
                .hint("check the clock of this machine"));
        }
        Ok(SigningIdentity { san: self.san.as_str().to_owned(), issuer: issuer.to_owned() })
    }
}

impl Credential {
    /// Whether `other`, issued later, is for the same identity.
    pub(super) fn require_same_identity(&self, other: &Self) -> Result<()> {
        if self.identity == other.identity {
            return Ok(());
        }
        Err(crate::error::Error::new(Code::TokenInvalid, "the fresh identity token is somebody else's")
            .expected(&self.identity)
            .found(&other.identity)
            .hint("run the command again, with one identity from start to end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::jwt;

    #[test]
    fn stops_at_a_certificate_that_was_not_asked_for() {
        let now = Timestamp::from_second(1_000).unwrap();
        let time = |seconds| Timestamp::from_second(seconds).unwrap();
        let mail = IdentityToken::parse(&jwt(r#"{"iss":"i","email":"a@b.example","exp":1}"#)).unwrap();
        let job = IdentityToken::parse(&jwt(r#"{"iss":"i","sub":"s","job_workflow_ref":"o/r/w@x","exp":1}"#))
            .unwrap();
        let other = IdentityToken::parse(&jwt(r#"{"iss":"i","sub":"s","exp":1}"#)).unwrap();
        let email = |text: &str| San::Email(text.into());
        let uri = |text: &str| San::Uri(text.into());
        let good = (b"key".as_slice(), Some("i"), 1_060, 1_600);
        for (name, token, san, (key, issuer, not_before, not_after), failure) in [
            ("email", &mail, email("a@b.example"), good, None),
            ("workflow", &job, uri("https://forge.example/o/r/w@x"), good, None),
            ("derived", &other, uri("anything"), good, None),
            ("other address", &mail, email("b@b.example"), good, Some("identity")),
            ("address as URI", &mail, uri("a@b.example"), good, Some("identity")),
            ("other workflow", &job, uri("https://forge.example/o/r/w@y"), good, Some("identity")),
            ("longer owner", &job, uri("https://forge.example/evil-o/r/w@x"), good, Some("identity")),
            ("key", &mail, email("a@b.example"), (b"yek".as_slice(), Some("i"), 0, 1_600), Some("key")),
            ("issuer", &mail, email("a@b.example"), (b"key".as_slice(), Some("j"), 0, 1_600), Some("issuer")),
            ("no issuer", &mail, email("a@b.example"), (b"key".as_slice(), None, 0, 1_600), Some("issuer")),
            (
                "ended",
                &mail,
                email("a@b.example"),
                (b"key".as_slice(), Some("i"), 0, 1_000),
                Some("valid now"),
            ),
            (
                "future",
                &mail,
                email("a@b.example"),
                (b"key".as_slice(), Some("i"), 1_061, 2_000),
                Some("valid now"),
            ),
        ] {
            let facts =
                Facts { key, san: &san, issuer, not_before: time(not_before), not_after: time(not_after) };
            match (facts.check(token, b"key", now), failure) {
                (Ok(identity), None) => assert_eq!(identity.san, san.as_str(), "{name}"),
                (Err(error), Some(text)) => {
                    assert_eq!(error.code(), Code::ServiceContradiction, "{name}");
                    assert!(error.message().contains(text), "{name}: {error}");
                }
                (result, _) => panic!("{name}: {result:?}"),
            }
        }
    }
}
