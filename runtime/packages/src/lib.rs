//! Packages: one `.wasm` component with its manifest inside, and a detached signature over all of it.
//!
//! This crate knows what a package is and when it may be trusted; it never runs one. The one way to a [`Verified`] is
//! [`verify`], and the host compiles nothing else.
//!
//! - [`manifest`] is what a component says about itself, in the custom section `openpact:manifest`.
//! - [`pack`] puts it there; [`sign`] and [`key`] make the signature; [`signature`] is its canonical text.
//! - [`verify`] holds bytes and signature against the pinned publishers of a [`Trust`], or says with one [`Refusal`] why
//!   not.
//! - [`rotation`] and [`revocation`] are the [`statement`]s by which a publisher changes its keys, and takes keys and
//!   packages back.
//! - [`difference`] says what differs between the installed package and a new one, for the admin who decides.
//! - [`inspect`] shows what a package asks for without trusting it.

pub mod difference;
mod error;
mod inspect;
mod interface;
pub mod key;
pub mod manifest;
mod pack;
mod refusal;
pub mod revocation;
pub mod rotation;
pub mod signature;
pub mod statement;
mod structure;
#[cfg(test)]
mod testing;
mod trust;
mod verify;

pub use difference::Difference;
pub use error::Error;
pub use inspect::{Inspection, inspect};
pub use manifest::Manifest;
pub use pack::pack;
pub use refusal::Refusal;
pub use signature::sign;
pub use structure::{MANIFEST_SECTION, MAX_PACKAGE_BYTES};
pub use trust::{Publisher, Trust, Withdrawn};
pub use verify::{Verified, verify};
