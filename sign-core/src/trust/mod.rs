//! Whom to trust, and which services to sign with.

mod root;
mod signing_config;
#[cfg(feature = "net")]
mod tuf;
mod wire;

pub use root::{Instance, ServiceKind, TrustedRoot, TrustedService};
pub use signing_config::{
    CLIENT_TRUST_CONFIG_V0_1, RekorService, SIGNING_CONFIG_V0_2, SigningConfig, TrustConfig,
};
#[cfg(feature = "net")]
pub use tuf::{TrustCache, TrustMaterial, TrustOrigin, TrustStore, TrustUpdate, TufRepository, TufRole};
