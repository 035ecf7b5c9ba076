//! Whose signatures are accepted. Name and issuer always go together.

use std::fmt;

use super::Pattern;
use crate::certificate::{Certificate, Claim};
use crate::error::{Code, Error, Result};

/// Most identities in one policy; more is no decision about who may sign.
const MAX_IDENTITIES: usize = 256;

/// One accepted signer.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The subject alternative name. None only where a claim names the repository.
    pub san: Option<Pattern>,
    /// Who vouched for the signer.
    pub issuer: IssuerRule,
    /// Further claims that must match.
    pub claims: Vec<(Claim, Pattern)>,
}

/// What the certificate must say about the issuer of the token.
#[derive(Debug, Clone)]
pub enum IssuerRule {
    /// An issuer that matches.
    Matches(Pattern),
    /// No issuer extension at all, as GitHub's release certificates have it.
    None,
}

/// The accepted signers. There is at least one, and each is named.
#[derive(Debug, Clone)]
pub struct IdentityPolicy {
    identities: Vec<Identity>,
}

/// How far a certificate came with one identity; later is further.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mismatch {
    Both,
    Name,
    Issuer,
    Claim(usize),
}

impl IdentityPolicy {
    /// Accepts any of `identities`.
    ///
    /// # Errors
    /// [`Code::IdentityRequired`] when there is none, or one that names nobody.
    pub fn new(identities: Vec<Identity>) -> Result<Self> {
        let named = |identity: &Identity| {
            identity.san.is_some() || identity.claims.iter().any(|(claim, _)| names_repository(*claim))
        };
        if identities.is_empty() || !identities.iter().all(named) {
            return Err(Error::new(Code::IdentityRequired, "no identity to verify against")
                .expected("the signer's name or repository, together with an issuer")
                .hint("anybody can sign as somebody: say whose signature is meant"));
        }
        if identities.len() > MAX_IDENTITIES {
            return Err(Error::new(Code::InvalidArgument, "too many identities")
                .expected(format!("at most {MAX_IDENTITIES}"))
                .found(identities.len()));
        }
        Ok(Self { identities })
    }

    /// Whether `certificate` is one of the accepted signers'.
    pub(crate) fn check(&self, certificate: &Certificate) -> Result<()> {
        let mut furthest: Option<(Mismatch, &Identity)> = None;
        for identity in &self.identities {
            let Some(mismatch) = identity.mismatch(certificate) else { return Ok(()) };
            if furthest.as_ref().is_none_or(|(other, _)| mismatch > *other) {
                furthest = Some((mismatch, identity));
            }
        }
        Err(match furthest {
            Some((mismatch, identity)) => self.explain(mismatch, identity, certificate),
            None => Error::new(Code::IdentityRequired, "no identity to verify against"),
        })
    }

    fn explain(&self, mismatch: Mismatch, identity: &Identity, certificate: &Certificate) -> Error {
        let found_issuer = certificate.issuer().unwrap_or("none");
        match mismatch {
            Mismatch::Claim(index) => {
                let claim = identity.claims.get(index);
                let name = claim.map_or("", |(claim, _)| claim.as_str());
                let found = claim.and_then(|(claim, _)| certificate.claim_in_any_form(*claim));
                let message = match found {
                    Some(_) => format!("the certificate's {name} is another one"),
                    None => format!("the certificate has no {name}"),
                };
                Error::new(Code::ClaimMismatch, message)
                    .expected(claim.map_or(String::new(), |(_, pattern)| pattern.to_string()))
                    .found(found.unwrap_or("none".into()))
            }
            Mismatch::Issuer => Error::new(Code::IssuerMismatch, "another issuer vouched for the signer")
                .expected(&identity.issuer)
                .found(found_issuer)
                .hint("the same name from another issuer is another person"),
            Mismatch::Name | Mismatch::Both => {
                let expected: Vec<String> = self.identities.iter().map(ToString::to_string).collect();
                Error::new(Code::IdentityMismatch, "signed by somebody else")
                    .expected(expected.join(" or "))
                    .found(format!("{} from {found_issuer}", certificate.san()))
            }
        }
    }
}

impl Identity {
    fn mismatch(&self, certificate: &Certificate) -> Option<Mismatch> {
        let name = self.san.as_ref().is_none_or(|pattern| pattern.matches(certificate.san().as_str()));
        let issuer = match (&self.issuer, certificate.issuer()) {
            (IssuerRule::Matches(pattern), Some(issuer)) => pattern.matches(issuer),
            (IssuerRule::None, None) => true,
            _ => false,
        };
        match (name, issuer) {
            (false, false) => return Some(Mismatch::Both),
            (false, true) => return Some(Mismatch::Name),
            (true, false) => return Some(Mismatch::Issuer),
            (true, true) => {}
        }
        self.claims
            .iter()
            .position(|(claim, pattern)| {
                !certificate.claim_in_any_form(*claim).is_some_and(|found| pattern.matches(&found))
            })
            .map(Mismatch::Claim)
    }
}

/// Claims that stand for a signer's name.
fn names_repository(claim: Claim) -> bool {
    matches!(claim, Claim::SourceRepositoryUri | Claim::GithubWorkflowRepository)
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.san {
            Some(san) => write!(f, "{san}")?,
            None => {
                let repository = self.claims.iter().find(|(claim, _)| names_repository(*claim));
                write!(
                    f,
                    "repository {}",
                    repository.map_or(String::new(), |(_, pattern)| pattern.to_string())
                )?;
            }
        }
        write!(f, " from {}", self.issuer)
    }
}

impl fmt::Display for IssuerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matches(pattern) => write!(f, "{pattern}"),
            Self::None => f.write_str("no issuer"),
        }
    }
}
