//! The door against real sockets: a listener that counts what arrives, and attackers of every kind.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail as loudly as a test")]

mod address;
mod advice;
mod audit;
mod credential;
mod echo;
mod explain;
mod farewell;
mod flow;
mod frame;
mod grant;
mod hostile;
mod http2;
mod limit;
mod mint;
mod only;
mod peer;
mod pool;
mod redirect;
mod reference;
mod server;
mod socket;
mod table;
mod tls;
mod world;
