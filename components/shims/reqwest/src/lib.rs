//! The part of reqwest 0.12's interface that the platforms' crates use, over `wasi:http` 0.2.
//!
//! A component has no sockets: what goes to the network goes through `wasi:http/outgoing-handler`, which reqwest does
//! not know. Crates such as teloxide-core need reqwest even for their types, so the workspace puts this crate in its
//! place. Names and meanings are reqwest's (<https://docs.rs/reqwest/0.12>); what is not used is not there. Different
//! are:
//!
//! - TLS, proxies, redirects, decompression and name resolution are the host's business.
//! - A [`Client::timeout`](ClientBuilder::timeout) holds for the head of the answer and between two pieces of its body,
//!   not for the whole exchange; the host's own limits hold in any case.
//! - A body is at most [`MAX_BODY`] bytes long when it is read as a whole.
//! - Waiting blocks the component's one thread. While tokio's runtime has other tasks, a wait gives them their turn every
//!   10 ms; without other tasks it sleeps until the answer comes. So a timer beside a request in the *same* task rests
//!   while the request waits: use the request's timeout.
//! - Outside a component there is no network: every request fails with [`Error::is_connect`].

mod body;
mod client;
mod error;
pub mod multipart;
mod request;
mod response;
mod wait;

#[cfg(not(target_family = "wasm"))]
#[path = "native.rs"]
mod transport;
#[cfg(target_family = "wasm")]
#[path = "wasi.rs"]
mod transport;

pub use body::Body;
pub use client::{Client, ClientBuilder, Proxy};
pub use error::{Error, Result};
pub use http::{HeaderMap, Method, StatusCode, header};
pub use request::{IntoUrl, Request, RequestBuilder};
pub use response::Response;
pub use url::Url;

/// The longest body that is read as a whole, in bytes; longer ones can be read piece by piece.
pub const MAX_BODY: usize = 32 * 1024 * 1024;
