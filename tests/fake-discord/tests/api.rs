//! The fake as a client meets it: over HTTP and over the gateway, with requests written by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "api/commands.rs"]
mod commands;
#[path = "api/faults.rs"]
mod faults;
#[path = "api/gateway.rs"]
mod gateway;
#[path = "api/interactions.rs"]
mod interactions;
#[path = "api/judge.rs"]
mod judge;
#[path = "api/messages.rs"]
mod messages;
#[path = "api/place.rs"]
mod place;
