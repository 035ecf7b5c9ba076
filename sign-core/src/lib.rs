//! Sign, attest and verify software artifacts with Sigstore.

// L0, basics
mod clock;
mod digest;
mod encoding;
mod error;
#[cfg(feature = "net")]
mod http;

// L1, formats
mod bundle;
mod certificate;
mod crypto;
mod envelope;
mod predicate;
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
mod signer;
mod trust;
#[cfg(feature = "net")]
mod tsa;

// L3, flows
#[cfg(feature = "net")]
mod image;
mod policy;
#[cfg(feature = "net")]
mod sign;
mod verify;

pub use bundle::{BUNDLE_V0_3, Bundle, BundleVersion, Content, KeyMaterial, MessageSignature};
pub use clock::{Clock, FixedClock, SystemClock};
pub use digest::{Digest, HashAlgorithm, Hasher};
pub use envelope::{Envelope, EnvelopeSignature, INTOTO_PAYLOAD_TYPE, pae_digest};
pub use error::{Code, Error, Outcome, Result};
pub use statement::{STATEMENT_V0_1, STATEMENT_V1, Statement, StatementBuilder, Subject};
pub use tlog::{InclusionProof, LogEntry};

#[cfg(feature = "net")]
pub use http::{DEFAULT_TIMEOUT, HttpClient, HttpOptions};
#[cfg(feature = "net")]
pub use oci::{
    Attachment, CredentialSource, Descriptor, ImageIndex, ImageManifest, ImageReference, Layout,
    LayoutReference, Manifest, Platform, Reference, Registry, RegistryOptions, Store, open,
};
