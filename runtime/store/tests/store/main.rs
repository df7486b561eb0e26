//! The store as the rest of the program uses it, and as somebody finds it who changes its files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod chat;
mod components;
mod directory;
mod durability;
mod families;
mod journal;
mod key_value;
mod minted;
mod secrets;
mod support;
