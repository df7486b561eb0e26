//! Write components for OpenPact: tools, and with the feature `adapter` chat adapters (`adapter`).
//!
//! A tool is a type with typed arguments; [`export!`] turns one or more of them into a component. Everything that a
//! tool may touch is an import that the admin sees and grants: what is not used is not imported.
//!
//! This is a whole component:
//!
#![doc = concat!("```\n", include_str!("../examples/hello.rs"), "```")]
//!
//! The crate is a `cdylib` (the component) and, so that its tests run natively, an `rlib` too. Outside a component the
//! imports ([`log`], [`settings`], [`kv`], [`credentials`], [`progress`]) act on a stand-in of the calling thread, so
//! that a test needs no host; `http` and [`websocket`] answer that there is no network.

#[cfg(feature = "adapter")]
pub mod adapter;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
pub mod clock;
pub mod credentials;
mod error;
#[doc(hidden)]
pub mod export;
pub mod file;
#[cfg(feature = "http")]
pub mod http;
pub mod kv;
pub mod log;
mod output;
pub mod part;
pub mod progress;
mod schema;
pub mod settings;
mod tool;
pub mod websocket;

pub use error::{Error, Result};
pub use output::{Body, Content, Embedded, Link, Output};
pub use schema::schema_of;
pub use schemars;
pub use serde;
pub use serde_json;
pub use tool::{Description, Effects, Reads, Tool, Writes, describe};
