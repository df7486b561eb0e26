//! The log of the runtime; each line carries the component's name and the turn that it works for.
//!
//! Control characters are escaped, a line past 8 KiB is cut, lines past the budget of a call are counted and dropped,
//! and known secrets are taken out. Outside a component the lines go to standard error.

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author of the component.
    Trace,
    /// For the author of the component.
    Debug,
    /// For the admin: what happened.
    Info,
    /// For the admin: something that should be looked at.
    Warn,
    /// For the admin: something that failed.
    Error,
}

/// Writes one line.
pub fn line(level: Level, text: &str) {
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::openpact::host::log;
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::log(level, text);
    }
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level:?} {text:?}");
}

/// Writes one line for the author.
pub fn debug(text: &str) {
    line(Level::Debug, text);
}

/// Writes one line for the admin: what happened.
pub fn info(text: &str) {
    line(Level::Info, text);
}

/// Writes one line for the admin: something that should be looked at.
pub fn warn(text: &str) {
    line(Level::Warn, text);
}

/// Writes one line for the admin: something that failed.
pub fn error(text: &str) {
    line(Level::Error, text);
}
