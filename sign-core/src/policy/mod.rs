//! What is accepted, beyond what is proven.

mod identity;
mod pattern;

pub use identity::{Identity, IdentityPolicy, IssuerRule};
pub use pattern::Pattern;
