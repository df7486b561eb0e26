//! The fake as a client meets it: over HTTP and WebSocket, with requests written by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "api/event.rs"]
mod event;
#[path = "api/fault.rs"]
mod fault;
#[path = "api/place.rs"]
mod place;
#[path = "api/socket.rs"]
mod socket;
#[path = "api/web.rs"]
mod web;
