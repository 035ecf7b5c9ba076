//! The extensions in which Fulcio copies claims of the identity token.
//!
//! Source: Fulcio `docs/oid-info.md`; names as `sigstore-go` prints them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::Decode as _;
use der::asn1::Utf8StringRef;

use crate::error::{Code, Error, Result};

/// The arc under which all of Fulcio's extensions live.
const FULCIO_ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1");
/// Extensions up to this number hold the bare string; the later ones a DER `UTF8String`.
const LAST_RAW: u32 = 6;

macro_rules! claims {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal;)+) => {
        /// A claim that a Fulcio certificate can carry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Claim { $($(#[doc = $doc])+ $name,)+ }

        impl Claim {
            /// Every claim, by extension number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in output and policies.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The last arc of the extension's object identifier.
            #[must_use]
            pub fn extension_number(self) -> u32 {
                match self { $(Self::$name => $number,)+ }
            }
        }
    };
}

claims! {
    /// The OIDC issuer, in its deprecated form.
    IssuerV1 = 1, "issuerV1";
    /// Deprecated: the event that started the workflow.
    GithubWorkflowTrigger = 2, "githubWorkflowTrigger";
    /// Deprecated: the commit.
    GithubWorkflowSha = 3, "githubWorkflowSHA";
    /// Deprecated: the workflow's name.
    GithubWorkflowName = 4, "githubWorkflowName";
    /// Deprecated: `owner/repository`.
    GithubWorkflowRepository = 5, "githubWorkflowRepository";
    /// Deprecated: the branch or tag.
    GithubWorkflowRef = 6, "githubWorkflowRef";
    /// The OIDC issuer.
    Issuer = 8, "issuer";
    /// The build instructions that asked for the certificate, with their ref.
    BuildSignerUri = 9, "buildSignerURI";
    /// The commit of those instructions.
    BuildSignerDigest = 10, "buildSignerDigest";
    /// Whose machine ran the build.
    RunnerEnvironment = 11, "runnerEnvironment";
    /// The repository that was built.
    SourceRepositoryUri = 12, "sourceRepositoryURI";
    /// The commit that was built.
    SourceRepositoryDigest = 13, "sourceRepositoryDigest";
    /// The branch or tag that was built.
    SourceRepositoryRef = 14, "sourceRepositoryRef";
    /// The repository's number, which a rename does not change.
    SourceRepositoryIdentifier = 15, "sourceRepositoryIdentifier";
    /// The repository's owner.
    SourceRepositoryOwnerUri = 16, "sourceRepositoryOwnerURI";
    /// The owner's number.
    SourceRepositoryOwnerIdentifier = 17, "sourceRepositoryOwnerIdentifier";
    /// The top-level build instructions.
    BuildConfigUri = 18, "buildConfigURI";
    /// The commit of the top-level build instructions.
    BuildConfigDigest = 19, "buildConfigDigest";
    /// The event that started the build.
    BuildTrigger = 20, "buildTrigger";
    /// The run that asked for the certificate.
    RunInvocationUri = 21, "runInvocationURI";
    /// Whether the repository was public when it was signed.
    SourceRepositoryVisibilityAtSigning = 22, "sourceRepositoryVisibilityAtSigning";
    /// The deployment environment the build was for.
    DeploymentEnvironment = 23, "deploymentEnvironment";
    /// The token's `sub`, as it was.
    TokenSubject = 24, "tokenSubject";
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Claim {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|claim| claim.as_str() == text).ok_or_else(|| {
            Error::new(Code::InvalidArgument, "unknown certificate claim")
                .expected(Self::ALL.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", "))
                .found(text)
        })
    }
}

/// Reads the claims among a certificate's extensions; later, unknown numbers are left alone.
pub(super) fn read<'a>(
    extensions: impl Iterator<Item = (ObjectIdentifier, &'a [u8])>,
) -> Result<BTreeMap<Claim, String>> {
    let mut claims = BTreeMap::new();
    for (oid, value) in extensions {
        // The last arc is the last byte: numbers from 128 on take two, and there are none.
        let Some([number]) = oid.as_bytes().strip_prefix(FULCIO_ARC.as_bytes()) else { continue };
        let number = u32::from(*number);
        let Some(&claim) = Claim::ALL.iter().find(|claim| claim.extension_number() == number) else {
            continue;
        };
        let text = if number <= LAST_RAW {
            std::str::from_utf8(value).ok()
        } else {
            Utf8StringRef::from_der(value).ok().map(|text| text.as_str())
        };
        let text = text.ok_or_else(|| {
            Error::new(Code::CertificateInvalid, format!("the extension {oid} ({claim}) is not readable"))
        })?;
        claims.insert(claim, text.to_owned());
    }
    Ok(claims)
}

/// Deprecated claims with those that replaced them and say the same, word for word.
const REPLACED: [(Claim, Claim); 4] = [
    (Claim::IssuerV1, Claim::Issuer),
    (Claim::GithubWorkflowTrigger, Claim::BuildTrigger),
    (Claim::GithubWorkflowSha, Claim::SourceRepositoryDigest),
    (Claim::GithubWorkflowRef, Claim::SourceRepositoryRef),
];
/// Where the repositories of certificates are that name one without saying where.
const GITHUB: &str = "https://github.com/";

/// Refuses a certificate whose old and new extensions differ: two readers that prefer different ones
/// would see two signers.
pub(super) fn check_consistent(claims: &BTreeMap<Claim, String>) -> Result<()> {
    let differ = |old: &str, new: &str, what: Claim| {
        Error::new(Code::CertificateInvalid, format!("the certificate names two values for {what}"))
            .expected(new)
            .found(old)
    };
    for (old, new) in REPLACED {
        if let (Some(old), Some(value)) = (claims.get(&old), claims.get(&new))
            && old != value
        {
            return Err(differ(old, value, new));
        }
    }
    let (old, new) = (Claim::GithubWorkflowRepository, Claim::SourceRepositoryUri);
    if let (Some(name), Some(uri)) = (claims.get(&old), claims.get(&new))
        && repository_name(uri) != Some(name)
    {
        return Err(differ(name, uri, new));
    }
    Ok(())
}

/// The claim, or the same in its other form.
pub(super) fn in_any_form(claims: &BTreeMap<Claim, String>, claim: Claim) -> Option<Cow<'_, str>> {
    if let Some(value) = claims.get(&claim) {
        return Some(Cow::Borrowed(value));
    }
    match claim {
        Claim::GithubWorkflowRepository => {
            // The same name on another forge is another owner's repository.
            claims
                .get(&Claim::SourceRepositoryUri)
                .and_then(|uri| uri.strip_prefix(GITHUB))
                .map(Cow::Borrowed)
        }
        Claim::SourceRepositoryUri => {
            claims.get(&Claim::GithubWorkflowRepository).map(|name| Cow::Owned(format!("{GITHUB}{name}")))
        }
        _ => REPLACED
            .iter()
            .find_map(|(old, new)| match claim {
                _ if claim == *old => claims.get(new),
                _ if claim == *new => claims.get(old),
                _ => None,
            })
            .map(|value| Cow::Borrowed(value.as_str())),
    }
}

/// `owner/name` of a repository's address.
fn repository_name(uri: &str) -> Option<&str> {
    let (_, name) = uri.split_once("://")?.1.split_once('/')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique() {
        for (index, claim) in Claim::ALL.iter().enumerate() {
            assert_eq!(claim.as_str().parse::<Claim>().unwrap(), *claim);
            assert!(Claim::ALL.iter().skip(index + 1).all(|c| {
                c.as_str() != claim.as_str() && c.extension_number() > claim.extension_number()
            }));
        }
        assert_eq!("issuerV2".parse::<Claim>().unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn reads_both_encodings_and_refuses_to_mix_them() {
        let oid = |number: u32| FULCIO_ARC.push_arc(number).unwrap();
        let claims = read(
            [(oid(5), &b"o/r"[..]), (oid(12), b"\x0c\x03a/b"), (oid(99), b"\xff"), (FULCIO_ARC, b"\xff")]
                .into_iter(),
        )
        .unwrap();
        assert_eq!(claims.get(&Claim::GithubWorkflowRepository).unwrap(), "o/r");
        assert_eq!(claims.get(&Claim::SourceRepositoryUri).unwrap(), "a/b");
        assert_eq!(claims.len(), 2);
        for bad in [&b"a/b"[..], b"\x0c\x03a/b!", b"\x0c\x04a/b", b""] {
            assert_eq!(read([(oid(12), bad)].into_iter()).unwrap_err().code(), Code::CertificateInvalid);
        }
    }

    fn claims(list: &[(Claim, &str)]) -> BTreeMap<Claim, String> {
        list.iter().map(|(claim, value)| (*claim, (*value).to_owned())).collect()
    }

    #[test]
    fn old_and_new_extensions_must_agree() {
        let github = "https://github.com/o/r";
        check_consistent(&claims(&[
            (Claim::IssuerV1, "i"),
            (Claim::Issuer, "i"),
            (Claim::GithubWorkflowRepository, "o/r"),
            (Claim::SourceRepositoryUri, github),
            (Claim::GithubWorkflowRef, "refs/heads/main"),
            (Claim::SourceRepositoryRef, "refs/heads/main"),
        ]))
        .unwrap();
        for pair in [
            [(Claim::IssuerV1, "i"), (Claim::Issuer, "j")],
            [(Claim::GithubWorkflowTrigger, "push"), (Claim::BuildTrigger, "pull_request")],
            [(Claim::GithubWorkflowSha, "aa"), (Claim::SourceRepositoryDigest, "ab")],
            [(Claim::GithubWorkflowRef, "refs/heads/main"), (Claim::SourceRepositoryRef, "refs/heads/x")],
            [(Claim::GithubWorkflowRepository, "r"), (Claim::SourceRepositoryUri, github)],
            [(Claim::GithubWorkflowRepository, "x/r"), (Claim::SourceRepositoryUri, github)],
            [(Claim::GithubWorkflowRepository, "o/r"), (Claim::SourceRepositoryUri, "o/r")],
        ] {
            assert_eq!(
                check_consistent(&claims(&pair)).unwrap_err().code(),
                Code::CertificateInvalid,
                "{pair:?}"
            );
        }
    }

    #[test]
    fn a_claim_is_found_in_its_other_form() {
        let old = claims(&[(Claim::GithubWorkflowRepository, "o/r"), (Claim::GithubWorkflowSha, "aa")]);
        let new = claims(&[
            (Claim::SourceRepositoryUri, "https://gitlab.com/g/s/r"),
            (Claim::BuildTrigger, "push"),
        ]);
        assert_eq!(in_any_form(&old, Claim::SourceRepositoryUri).unwrap(), "https://github.com/o/r");
        assert_eq!(in_any_form(&old, Claim::SourceRepositoryDigest).unwrap(), "aa");
        assert_eq!(in_any_form(&new, Claim::GithubWorkflowRepository), None);
        let new_github = claims(&[(Claim::SourceRepositoryUri, "https://github.com/o/r")]);
        assert_eq!(in_any_form(&new_github, Claim::GithubWorkflowRepository).unwrap(), "o/r");
        assert_eq!(in_any_form(&new, Claim::GithubWorkflowTrigger).unwrap(), "push");
        assert_eq!(in_any_form(&new, Claim::RunnerEnvironment), None);
        assert_eq!(in_any_form(&new, Claim::GithubWorkflowName), None);
    }
}
