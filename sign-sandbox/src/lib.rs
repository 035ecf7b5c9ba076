//! A whole Sigstore and an OCI registry in one process on loopback.
//!
//! [`Sandbox::start`] makes new keys, serves an identity provider, Fulcio, both versions of Rekor, a
//! timestamp authority, a CT log, a TUF repository and a registry on ports of 127.0.0.1, and writes the
//! files that a client needs to trust them. With [`Faults`] the services misbehave on request, and with
//! [`Forge`] a test makes evidence that no service would.

mod clock;
mod ctlog;
mod data;
mod fault;
mod forge;
mod fulcio;
pub mod image;
mod keys;
mod merkle;
mod note;
mod oidc;
mod pki;
mod registry;
mod rekor_v1;
mod rekor_v2;
mod sandbox;
mod server;
mod trust;
mod tsa;
mod tuf;

pub use clock::Clock;
pub use fault::{Fault, Faults};
pub use forge::Forge;
pub use oidc::{Identity, TokenChanges, Workflow};
pub use registry::{RegistryAuth, RegistryOptions};
pub use sandbox::{RekorVersion, Sandbox, SandboxError, SandboxOptions, Urls};
pub use tuf::{Tuf, TufRole};
