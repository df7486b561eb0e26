//! What the fakes of chat platforms have in common, and none of what a platform says or means: the server and waiting
//! for what happens on it ([`Server`]), what goes wrong and how often ([`Chance`]), the clock, what is noted down
//! ([`Ledger`]), reading requests and breaking answers ([`form`], [`wire`], [`websocket`]), the place of published
//! descriptions ([`description`]), and the program for shell scripts ([`program`], [`control`], [`script`]).
//!
//! A fake is a type that knows everything ([`Fake`]); its own server is a [`Server`] of that type.

mod chance;
pub mod clock;
pub mod control;
pub mod description;
pub mod form;
mod ledger;
mod parameters;
pub mod program;
pub mod script;
mod server;
pub mod websocket;
pub mod wire;

pub use chance::{Chance, Dice, Rule, Switchboard};
pub use ledger::Ledger;
pub use parameters::{NotJson, Parameter, Parameters};
pub use server::{Fake, Server, Shared};
