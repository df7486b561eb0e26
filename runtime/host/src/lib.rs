//! The component host: runs verified components in fresh, limited instances.
//!
//! [`Config`] is built into a [`Host`], the host loads a verified package into a [`Component`], and a component answers
//! tool calls. A component gets nothing that its [`Deployment`] does not give: no environment, no arguments, no sockets,
//! no files but its mounts, no network but through its egress door.
//!
//! One file for each interface that a component may import: `import`, and `filesystem` for `wasi:filesystem`, which
//! is our own door to the files instead of the stock one.

mod adapter;
mod allowance;
mod bucket;
mod cache;
mod call;
mod compile;
mod component;
mod config;
mod deployment;
mod describe;
mod engine;
mod error;
mod failure;
mod filesystem;
mod host;
mod import;
mod ledger;
mod limiter;
mod linker;
mod meter;
mod metric;
mod name;
mod native;
mod output;
mod places;
mod redaction;
mod report;
mod sandbox;
mod state;
mod stdio;
mod tally;
mod throttle;
mod turns;

pub use adapter::Adapter;
pub use compile::{Bound, Bounds, Compiler, Helper, serve_compiler};
pub use component::Component;
pub use config::{Config, Ports, Share};
pub use deployment::{Access, Deployment, FileRule, Limits, Mount, Scope};
pub use error::Error;
pub use host::Host;
pub use report::Report;
