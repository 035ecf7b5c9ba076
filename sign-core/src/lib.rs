//! Sign, attest and verify software artifacts with Sigstore.

// L0, basics
mod clock;
mod digest;
mod encoding;
mod error;
#[cfg(feature = "net")]
mod http;
mod json;

// L1, formats
mod bundle;
mod certificate;
mod crypto;
mod envelope;
mod legacy;
pub mod predicate;
mod statement;
mod timestamp;
mod tlog;

// L2, services
#[cfg(feature = "net")]
mod fulcio;
#[cfg(feature = "net")]
mod identity;
#[cfg(feature = "net")]
mod oci;
#[cfg(feature = "net")]
mod rekor;
#[cfg(feature = "net")]
mod service;
#[cfg(feature = "net")]
mod signer;
mod trust;
#[cfg(feature = "net")]
mod tsa;

// L3, flows
#[cfg(feature = "net")]
pub mod image;
mod policy;
#[cfg(feature = "net")]
mod sign;
mod verify;

pub use bundle::{BUNDLE_V0_3, Bundle, BundleVersion, Content, KeyMaterial, MessageSignature};
pub use certificate::{Certificate, Claim, SubjectAltName};
pub use clock::{Clock, FixedClock, SystemClock};
pub use crypto::PublicKey;
pub use digest::{Digest, HashAlgorithm, Hasher};
pub use envelope::{Envelope, EnvelopeSignature, INTOTO_PAYLOAD_TYPE, pae_digest};
pub use error::{Code, Error, Outcome, Result};
pub use legacy::{LegacySignature, SimpleSigning};
pub use policy::{Identity, IdentityPolicy, IssuerRule, Pattern};
pub use predicate::registry::{
    CheckedPredicate, PredicateTypes, SIGN_V1, TypeSelector, check as check_predicate,
};
pub use statement::{STATEMENT_V0_1, STATEMENT_V1, Statement, StatementBuilder, Subject};
pub use tlog::{InclusionProof, LogEntry};
pub use trust::{
    CLIENT_TRUST_CONFIG_V0_1, Instance, RekorService, SIGNING_CONFIG_V0_2, ServiceKind, SigningConfig,
    TrustConfig, TrustedRoot, TrustedService,
};
pub use verify::{
    Artifact, Check, CheckOutcome, LoggedEntry, Requirement, Thresholds, TimeSource, TrustedTime, Verdict,
    VerifiedBundle, VerifiedSigner, Verifier,
};

#[cfg(feature = "net")]
pub use http::{DEFAULT_TIMEOUT, HttpClient, HttpOptions};
#[cfg(feature = "net")]
pub use identity::{
    ActionsToken, EnvToken, ExpectedSan, IdentityToken, MAX_TOKEN_BYTES, SIGSTORE_AUDIENCE,
    SIGSTORE_ID_TOKEN, StaticToken, TokenFile, TokenSource, ambient,
};
#[cfg(feature = "net")]
pub use oci::{
    Attachment, CredentialSource, Descriptor, FoundManifest, ImageIndex, ImageManifest, ImageReference,
    Layout, LayoutReference, LegacyTag, Manifest, Platform, Reference, Registry, RegistryOptions, Store,
    open as open_store,
};
#[cfg(feature = "net")]
pub use sign::{Session, Signed, SigningContext, SigningIdentity};
#[cfg(feature = "net")]
pub use signer::{EphemeralKey, KeyScheme, Signer};
#[cfg(feature = "net")]
pub use trust::{TrustCache, TrustMaterial, TrustOrigin, TrustStore, TrustUpdate, TufRepository, TufRole};

/// The README's program, compiled with the tests so that it stays right.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
