//! The gateway, version 10 (<https://discord.com/developers/docs/events/gateway>): a WebSocket on the same port.

mod connection;
mod fault;
mod handshake;
mod identify;
pub(crate) mod intent;
mod session;
mod wire;

pub use fault::{GatewayFault, GatewayRule, Stage};
pub use session::Received;

pub(crate) use handshake::open;
pub(crate) use session::Session;
