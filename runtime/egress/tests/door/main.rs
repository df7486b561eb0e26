//! The door against real sockets: a listener that counts what arrives, and attackers of every kind.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail as loudly as a test")]

mod address;
mod audit;
mod credential;
mod echo;
mod grant;
mod limit;
mod only;
mod redirect;
mod server;
mod tls;
mod world;
