//! The words that every other crate speaks: ids, roles, tools, effects, and the ports (traits) between crates.
//!
//! Nothing in here does input or output, with two small exceptions that own what they touch: [`clock`] reads the
//! system's clock and [`random`] its random source.

pub mod audit;
pub mod chat;
pub mod clock;
pub mod health;
pub mod id;
pub mod mint;
pub mod port;
pub mod principal;
pub mod random;
pub mod role;
pub mod secret;
pub mod text;
pub mod tool;
