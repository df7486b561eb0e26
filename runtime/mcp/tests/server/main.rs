//! The MCP server as clients meet it: over real sockets, with the real router, store and sandbox behind it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attack;
mod conformance;
mod fixture;
mod programs;
mod protocol;
mod proxy;
mod shelf;
mod taint;
mod wire;
