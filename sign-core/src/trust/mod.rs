//! Whom to trust, and which services to sign with.

mod root;
mod signing_config;

pub use root::{Instance, TrustedRoot};
pub use signing_config::{
    CLIENT_TRUST_CONFIG_V0_1, RekorService, SIGNING_CONFIG_V0_2, SigningConfig, TrustConfig,
};
