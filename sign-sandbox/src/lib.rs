//! A whole Sigstore and an OCI registry in one process on loopback.

mod clock;
mod ctlog;
mod fault;
mod fulcio;
pub mod image;
mod merkle;
mod note;
mod oidc;
mod pki;
mod registry;
mod rekor_v1;
mod rekor_v2;
mod trust;
mod tsa;
mod tuf;

pub use clock::Clock;
pub use fault::{Fault, Faults};
pub use registry::{RegistryAuth, RegistryOptions};
