//! Every published advisory that concerns verification, as a test named by its id.
//!
//! Each starts from evidence that is accepted, changes one thing, signs anew whatever an attacker could
//! sign anew, and asserts the code of the refusal: a bundle that fails for another reason proves nothing.

mod certificate;
pub(crate) mod kit;
mod limits;
mod log;
mod policy;
mod statement;
mod time;
