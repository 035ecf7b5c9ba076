//! (to be written)
mod signing_config;
pub use signing_config::{CLIENT_TRUST_CONFIG_V0_1, RekorService, SIGNING_CONFIG_V0_2, SigningConfig, TrustConfig};
