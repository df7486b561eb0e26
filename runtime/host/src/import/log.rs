//! `openpact:host/log`.

use openpact_bindings::v0_1_0::openpact::host::log::{Host, Level};

use crate::state::State;
use crate::stdio;

impl Host for State {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Trace => stdio::Level::Trace,
            Level::Debug => stdio::Level::Debug,
            Level::Info => stdio::Level::Info,
            Level::Warn => stdio::Level::Warn,
            Level::Error => stdio::Level::Error,
        };
        self.ledger.capture().message(level, &message);
        Ok(())
    }
}
