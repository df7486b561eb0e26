//! The interfaces that a component may import, one file each.

pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod http;
pub(crate) mod inbox;
pub(crate) mod kv;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod settings;
pub(crate) mod websocket;
