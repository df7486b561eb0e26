//! `wasi:io/error`: what a guest is told of an error of ours.
//!
//! The stock implementation shows the error's `Debug` form, and with it, where the host was started with backtraces, a
//! backtrace of the host. A guest gets one line.

use openpact_model::text::one_line;
use wasmtime::component::Resource;
use wasmtime_wasi_io::bindings::wasi::io::error::{Host, HostError};

use crate::state::State;

/// The longest text in characters.
const MAX_TEXT: usize = 500;

impl Host for State {}

impl HostError for State {
    fn to_debug_string(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<String> {
        Ok(one_line(&self.table.get(&error)?.to_string(), MAX_TEXT))
    }

    fn drop(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}
