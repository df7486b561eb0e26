//! Panics are told like everything else: in the log's format, with the turn that they happened in, without secrets.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};

thread_local! {
    /// Whether this thread is telling of a panic already: the log itself may be what broke.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// Has panics told in the log from now on. The program's own hook is a bug's only witness where a task catches it.
pub(super) fn install() {
    panic::set_hook(Box::new(tell));
}

pub(super) fn tell(info: &PanicHookInfo<'_>) {
    if TELLING.replace(true) {
        return;
    }
    let said = info.payload_as_str().unwrap_or("without a message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    tracing::error!(target: "panic", place, thread, "a bug in OpenPact: {said}");
    TELLING.set(false);
}
