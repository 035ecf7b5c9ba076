//! Ways for the services to misbehave on request, so that a client's defences can be seen to work.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// One way to misbehave.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault { $($(#[doc = $doc])+ $name,)+ }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The kebab-case name, as `--fault` takes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

faults! {
    /// Fulcio certifies another key than the one asked for.
    FulcioOtherKey = "fulcio-other-key",
    /// Fulcio puts another identity into the certificate.
    FulcioOtherIdentity = "fulcio-other-identity",
    /// Fulcio names another issuer in the certificate.
    FulcioOtherIssuer = "fulcio-other-issuer",
    /// Fulcio leaves the SCT out.
    FulcioNoSct = "fulcio-no-sct",
    /// The SCT's signature is wrong.
    FulcioBadSct = "fulcio-bad-sct",
    /// Fulcio signs with a chain that nobody trusts.
    FulcioOtherChain = "fulcio-other-chain",
    /// Fulcio answers 500.
    FulcioDown = "fulcio-down",
    /// Rekor returns an entry about another hash.
    RekorOtherHash = "rekor-other-hash",
    /// Rekor's inclusion proof is wrong.
    RekorBadProof = "rekor-bad-proof",
    /// The checkpoint's signature is wrong.
    RekorBadCheckpoint = "rekor-bad-checkpoint",
    /// The signed entry timestamp is wrong.
    RekorBadSet = "rekor-bad-set",
    /// Rekor answers 500.
    RekorDown = "rekor-down",
    /// The TSA stamps something else.
    TsaOtherImprint = "tsa-other-imprint",
    /// The TSA returns another nonce.
    TsaOtherNonce = "tsa-other-nonce",
    /// The TSA is an hour ahead.
    TsaFuture = "tsa-future",
    /// The TSA answers 500.
    TsaDown = "tsa-down",
    /// The registry answers 401 to everything, whatever the credentials.
    Registry401 = "registry-401",
    /// The registry answers 404 to everything.
    Registry404 = "registry-404",
    /// The registry answers 429 to everything.
    Registry429 = "registry-429",
    /// The registry answers 500 to everything.
    Registry500 = "registry-500",
    /// The registry cuts the connection half-way through every answer.
    RegistryCut = "registry-cut",
    /// The registry takes a minute over every answer.
    RegistryHang = "registry-hang",
    /// The registry serves manifests and blobs with a byte changed.
    RegistryTamper = "registry-tamper",
    /// The registry answers 500 to every upload.
    RegistryReadOnly = "registry-read-only",
    /// The registry moves the tag after it was first read.
    RegistryMoveTag = "registry-move-tag",
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|fault| fault.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|fault| fault.as_str()).collect();
            format!("unknown fault {text:?}; known are {}", known.join(", "))
        })
    }
}

/// The faults that are switched on, shared by all services of a sandbox.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<BTreeSet<Fault>>>);

impl Faults {
    /// Switches `fault` on.
    pub fn set(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(fault);
    }

    /// Switches every fault off.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether `fault` is on.
    #[must_use]
    pub fn is(&self, fault: Fault) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&fault)
    }
}
