//! Health, readiness and metrics, over HTTP on a port of their own.
//!
//! [`recorder::install`] makes the one place where the program's measurements end up, [`names::ALL`] lists them, and
//! [`Config::build`] starts the endpoint: `/health` and `/healthz` say that the process works, `/ready` and `/readyz`
//! whether it can do its work, `/metrics` gives the measurements to Prometheus. It knows no part of the program: those
//! are asked through [`Checks`].

mod answer;
mod check;
mod error;
pub mod names;
mod places;
pub mod recorder;
mod server;
mod visitor;
mod watch;

pub use check::{Check, Checks, State, bounded};
pub use error::Error;
pub use recorder::Metrics;
pub use server::{Config, Ports, Server};
