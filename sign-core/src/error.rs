//! One error type: a stable [`Code`], what was expected, what was found, and a hint.

use std::error::Error as StdError;
use std::fmt;

/// Longest text, in characters, that an error repeats of what was expected or found. Much of it was written by
/// others: a media type of megabytes would be held for every candidate, and printed.
const MAX_SHOWN: usize = 500;
/// The same for its sentence, which may hold a path, or all that an option takes.
const MAX_MESSAGE: usize = 4000;

/// What an answer means to the caller; the command line's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Accepted, or done. Exit status 0.
    Accepted,
    /// The evidence was complete and says no. Exit status 1.
    Rejected,
    /// The request makes no sense. Exit status 2.
    Usage,
    /// It could not be told. Exit status 3.
    Unknown,
}

impl Outcome {
    /// The process exit status of this outcome.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Rejected => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
        }
    }

    /// The name used in JSON output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Usage => "usage",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal => $outcome:ident,)+) => {
        /// A stable, kebab-case name for a kind of failure; `docs/codes.md` explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of `docs/codes.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The kebab-case name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Which of the outcomes a failure with this code is.
            #[must_use]
            pub fn outcome(self) -> Outcome {
                match self { $(Self::$name => Outcome::$outcome,)+ }
            }
        }
    };
}

codes! {
    // Input that makes no sense.
    /// A flag, reference or combination of them is not valid.
    InvalidArgument = "invalid-argument" => Usage,
    /// A file could not be read or written.
    FileUnreadable = "file-unreadable" => Usage,
    /// A document is not JSON, or has duplicate keys.
    InvalidJson = "invalid-json" => Usage,
    /// A document is not of the predicate type that was asked for.
    PredicateMismatch = "predicate-mismatch" => Usage,
    /// The type of a document could not be told from its content.
    PredicateUnknown = "predicate-unknown" => Usage,
    /// A statement does not follow the in-toto specification.
    InvalidStatement = "invalid-statement" => Usage,
    /// A statement does not name the artifact it is to be attached to.
    SubjectMissing = "subject-missing" => Usage,
    /// The artifact is named by a digest of another algorithm than the signed one.
    DigestNotComparable = "digest-not-comparable" => Usage,
    /// Keyless verification was asked for without an identity and an issuer.
    IdentityRequired = "identity-required" => Usage,
    /// An identity pattern matches identities that nobody would mean.
    PatternTooBroad = "pattern-too-broad" => Usage,
    /// The image or file to work on does not exist.
    SubjectNotFound = "subject-not-found" => Usage,
    /// No OIDC identity token could be had.
    TokenMissing = "token-missing" => Usage,
    /// The identity token is malformed, expired or for another audience.
    TokenInvalid = "token-invalid" => Usage,
    /// A trusted root, signing config or trust config is not valid.
    TrustConfigInvalid = "trust-config-invalid" => Usage,
    /// The signing config offers no usable set of services.
    NoUsableService = "no-usable-service" => Usage,
    /// The request needs the network and the network is switched off.
    OfflineRequired = "offline" => Usage,
    /// A network port is already taken.
    PortTaken = "port-taken" => Usage,

    // Evidence that says no.
    /// The bundle is not well-formed.
    BundleMalformed = "bundle-malformed" => Rejected,
    /// The bundle has a version or media type that is not supported.
    BundleUnsupported = "bundle-unsupported" => Rejected,
    /// A count or size is over a limit.
    LimitExceeded = "limit-exceeded" => Rejected,
    /// The certificate does not parse or breaks the Fulcio profile.
    CertificateInvalid = "certificate-invalid" => Rejected,
    /// The certificate does not chain to a trusted authority.
    CertificateUntrusted = "certificate-untrusted" => Rejected,
    /// The certificate was not valid at a trusted time.
    CertificateExpired = "certificate-expired" => Rejected,
    /// The signed certificate timestamp is missing or does not verify.
    SctInvalid = "sct-invalid" => Rejected,
    /// The signer is not one of those accepted.
    IdentityMismatch = "identity-mismatch" => Rejected,
    /// The token's issuer is not the one accepted.
    IssuerMismatch = "issuer-mismatch" => Rejected,
    /// A claim in the certificate differs from the one asked for.
    ClaimMismatch = "claim-mismatch" => Rejected,
    /// The bundle was made with a key where a certificate is needed, or the other way round.
    KeyMaterialMismatch = "key-material-mismatch" => Rejected,
    /// The signature over the artifact does not verify.
    SignatureInvalid = "signature-invalid" => Rejected,
    /// The artifact's digest differs from the one that was signed.
    DigestMismatch = "digest-mismatch" => Rejected,
    /// The statement does not name the artifact.
    SubjectMismatch = "subject-mismatch" => Rejected,
    /// The envelope or the statement in it is not acceptable.
    EnvelopeInvalid = "envelope-invalid" => Rejected,
    /// The log entry is missing, unproven or does not parse.
    LogEntryInvalid = "log-entry-invalid" => Rejected,
    /// The log entry is about another signature, key or artifact.
    LogEntryMismatch = "log-entry-mismatch" => Rejected,
    /// The log is not in the trusted root, or its key was not valid then.
    LogUntrusted = "log-untrusted" => Rejected,
    /// The inclusion proof does not verify.
    InclusionProofInvalid = "inclusion-proof-invalid" => Rejected,
    /// The checkpoint does not verify or belongs to another log.
    CheckpointInvalid = "checkpoint-invalid" => Rejected,
    /// The signed entry timestamp does not verify.
    SetInvalid = "set-invalid" => Rejected,
    /// A timestamp does not verify or is about another signature.
    TimestampInvalid = "timestamp-invalid" => Rejected,
    /// No trusted time is present.
    TimestampMissing = "timestamp-missing" => Rejected,
    /// Fewer distinct authorities than required.
    ThresholdNotMet = "threshold-not-met" => Rejected,
    /// Nothing is signed or attested that could be verified.
    NoSignatures = "no-signatures" => Rejected,
    /// There are attestations, and none of the type that was asked for.
    PredicateTypeMismatch = "predicate-type-mismatch" => Rejected,
    /// The predicate of a statement is not what its type promises.
    PredicateInvalid = "predicate-invalid" => Rejected,
    /// Content from a registry or layout has another digest than its name says.
    ContentMismatch = "content-mismatch" => Rejected,
    /// An image manifest or index does not parse, or can be read in two ways.
    ManifestInvalid = "manifest-invalid" => Rejected,
    /// A service's answer contradicts what was asked of it.
    ServiceContradiction = "service-contradiction" => Rejected,

    // Could not tell.
    /// A time lies in the future beyond the tolerance.
    TimeInFuture = "time-in-future" => Unknown,
    /// A service could not be reached or did not answer in time.
    ServiceUnavailable = "service-unavailable" => Unknown,
    /// A service refused the request.
    ServiceRefused = "service-refused" => Unknown,
    /// A service's answer could not be understood.
    ServiceProtocol = "service-protocol" => Unknown,
    /// The registry asks for credentials or refused those given.
    CredentialsRefused = "credentials-refused" => Unknown,
    /// Not everything was attached.
    AttachIncomplete = "attach-incomplete" => Unknown,
    /// More candidates than the limit, so that absence cannot be told.
    TooManyReferrers = "too-many-referrers" => Unknown,
    /// The trust material is too old to be relied on, and could not be updated.
    TrustRootStale = "trust-root-stale" => Unknown,
    /// What the TUF repository serves is not acceptable; nothing of it was used.
    TrustUpdateRejected = "trust-update-rejected" => Unknown,
    /// A defect in this program or its environment.
    Internal = "internal" => Unknown,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error of every fallible function of this crate.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    expected: Option<String>,
    found: Option<String>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    others: Vec<Error>,
}

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with nothing but its code and one sentence that says what happened.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: shown(&message.into(), MAX_MESSAGE),
            expected: None,
            found: None,
            hint: None,
            source: None,
            others: Vec::new(),
        }))
    }

    /// Adds what was expected; a long text is cut.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.0.expected = Some(shown(&expected, MAX_SHOWN));
        self
    }

    /// Adds what was found instead; a long text is cut.
    #[must_use]
    pub fn found(mut self, found: impl fmt::Display) -> Self {
        self.0.found = Some(shown(&found, MAX_SHOWN));
        self
    }

    /// Adds the next step to take.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts words in front of the message, to say what was being done.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    /// Adds failures of other candidates, less telling than this one.
    #[must_use]
    pub fn with_others(mut self, others: Vec<Self>) -> Self {
        self.0.others = others;
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What this failure means to the caller.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.code.outcome()
    }

    /// One sentence that says what happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What was expected, where that can be said.
    #[must_use]
    pub fn expected_value(&self) -> Option<&str> {
        self.0.expected.as_deref()
    }

    /// What was found instead, where that can be said.
    #[must_use]
    pub fn found_value(&self) -> Option<&str> {
        self.0.found.as_deref()
    }

    /// The next step to take.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Failures of the other candidates.
    #[must_use]
    pub fn others(&self) -> &[Self] {
        &self.0.others
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.0.message, self.0.code)?;
        if let Some(expected) = &self.0.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(found) = &self.0.found {
            write!(f, "; found {found}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// `text`, cut after `most` characters, with how many more there were.
fn shown(text: &impl fmt::Display, most: usize) -> String {
    let mut cut = Cut { start: String::new(), left: most, more: 0 };
    // Writing to it does not fail; what cannot be displayed shows as far as it can.
    let _ = fmt::Write::write_fmt(&mut cut, format_args!("{text}"));
    if cut.more > 0 { format!("{}… ({} more characters)", cut.start, cut.more) } else { cut.start }
}

/// The start of what is written, so that the whole is held nowhere.
struct Cut {
    start: String,
    left: usize,
    more: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.char_indices().nth(self.left).map_or(text.len(), |(at, _)| at);
        let (start, rest) = text.split_at(end);
        self.start.push_str(start);
        self.left -= start.chars().count();
        self.more += rest.chars().count();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_repeated_up_to_a_limit() {
        let fits = "ü".repeat(MAX_SHOWN);
        assert_eq!(shown(&fits, MAX_SHOWN), fits);
        let endless = "ü".repeat(1_000_000);
        let error = Error::new(Code::BundleUnsupported, &endless).expected(&endless).found(&endless);
        let cut = format!("{fits}… ({} more characters)", 1_000_000 - MAX_SHOWN);
        assert_eq!((error.expected_value(), error.found_value()), (Some(cut.as_str()), Some(cut.as_str())));
        assert!(error.message().ends_with(&format!("ü… ({} more characters)", 1_000_000 - MAX_MESSAGE)));
        // In pieces as at once.
        assert_eq!(shown(&format_args!("{}{}", &fits[..4], &endless[4..]), MAX_SHOWN), cut);
    }
}
