//! `openpact:host/log`: for the operator, and from "info" on for a caller who asked for it.

use openpact_bindings::v0_1_0::openpact::host::log::{Host, Level};
use openpact_model::tool::LogLevel;

use crate::state::State;
use crate::stdio;

impl Host for State {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let (level, told) = match level {
            Level::Trace => (stdio::Level::Trace, None),
            Level::Debug => (stdio::Level::Debug, None),
            Level::Info => (stdio::Level::Info, Some(LogLevel::Info)),
            Level::Warn => (stdio::Level::Warn, Some(LogLevel::Warn)),
            Level::Error => (stdio::Level::Error, Some(LogLevel::Error)),
        };
        let mut capture = self.ledger.capture();
        capture.message(level, &message);
        if let Some(told) = told {
            self.progress.log(told, &message, |text| capture.redacted(text));
        }
        Ok(())
    }
}
