//! From what the engine says to what the caller is told.

use std::collections::HashSet;
use std::fmt;

use openpact_model::text::one_line;
use openpact_model::tool::{Limit, ToolFailure};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use crate::deployment::Limits;
use crate::engine::{BACKTRACE_FRAMES, MAX_WASM_STACK};
use crate::ledger::Ledger;

/// The longest text in characters of a broken tool that a model is shown.
const MAX_TEXT: usize = 300;

/// With as many frames as a backtrace holds, at most this many different functions are a recursion: a program that goes
/// this deep without one has more.
const RECURSING_FUNCTIONS: usize = BACKTRACE_FRAMES / 4;

/// A limit of the sandbox was hit; travels through the engine as the reason of a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LimitHit {
    pub(crate) limit: Limit,
    pub(crate) value: u64,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit of {} ({}) reached", self.value, self.limit.noun())
    }
}

impl std::error::Error for LimitHit {}

impl From<LimitHit> for ToolFailure {
    fn from(hit: LimitHit) -> Self {
        Self::LimitReached { limit: hit.limit, value: hit.value }
    }
}

/// Something of ours did not work while a guest asked for it; the text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostFault(pub(crate) String);

/// Tells why a guest ended without an answer.
pub(crate) fn classify(error: &wasmtime::Error, limits: &Limits, ledger: &Ledger) -> ToolFailure {
    if let Some(hit) = find::<LimitHit>(error) {
        return (*hit).into();
    }
    if let Some(fault) = find::<HostFault>(error) {
        return ToolFailure::Host(fault.0.clone());
    }
    if find::<wasmtime::PoolConcurrencyLimitError>(error).is_some() {
        return ToolFailure::Host("the pool of instances is full although calls are counted".into());
    }
    if let Some(failure) = by_text(error, limits) {
        return failure;
    }
    if let Some(exit) = find::<wasmtime_wasi::I32Exit>(error) {
        let said = ledger.capture().panic().unwrap_or_else(|| format!("it exited with status {}", exit.0));
        return ledger.explain(ToolFailure::Broken(one_line(&said, MAX_TEXT)));
    }
    if let Some(trap) = find::<Trap>(error) {
        return by_trap(*trap, error, ledger);
    }
    let root = error.root_cause().to_string();
    ledger.explain(ToolFailure::Broken(one_line(&root, MAX_TEXT)))
}

fn by_trap(trap: Trap, error: &wasmtime::Error, ledger: &Ledger) -> ToolFailure {
    let stack = ToolFailure::LimitReached { limit: Limit::Stack, value: MAX_WASM_STACK as u64 };
    match trap {
        Trap::StackOverflow => stack,
        // A program keeps part of its stack in its memory, below everything else; a recursion without end leaves the
        // memory at its lower end.
        Trap::MemoryOutOfBounds if recursing(error) => stack,
        trap => {
            let said = ledger.capture().panic().unwrap_or_else(|| trap.to_string());
            ledger.explain(ToolFailure::Broken(one_line(&said, MAX_TEXT)))
        }
    }
}

/// Limits of the engine whose errors have no public type; tests hold the texts to it.
fn by_text(error: &wasmtime::Error, limits: &Limits) -> Option<ToolFailure> {
    let handles = ToolFailure::LimitReached { limit: Limit::Handles, value: limits.handles as u64 };
    if matches!(find::<ResourceTableError>(error), Some(ResourceTableError::Full)) {
        return Some(handles);
    }
    let root = error.root_cause().to_string();
    if root.contains("handle limit exceeded") {
        return Some(handles);
    }
    if root.contains("fuel allocated for hostcalls has been exhausted") {
        // With frames on the stack the guest was calling us; without it was handing over its answer.
        let calling = error.downcast_ref::<WasmBacktrace>().is_some_and(|trace| !trace.frames().is_empty());
        return Some(if calling {
            ToolFailure::LimitReached { limit: Limit::Hostcall, value: limits.hostcall_fuel as u64 }
        } else {
            ToolFailure::LimitReached { limit: Limit::Result, value: limits.result }
        });
    }
    None
}

fn recursing(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<WasmBacktrace>().is_some_and(|trace| {
        let functions: HashSet<u32> = trace.frames().iter().map(wasmtime::FrameInfo::func_index).collect();
        trace.frames().len() >= BACKTRACE_FRAMES && functions.len() <= RECURSING_FUNCTIONS
    })
}

/// The first error of that type in the chain, contexts included.
fn find<E: std::error::Error + Send + Sync + 'static>(error: &wasmtime::Error) -> Option<&E> {
    error.downcast_ref::<E>().or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<E>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &wasmtime::Error) -> ToolFailure {
        classify(error, &Limits::default(), &Ledger::for_tests())
    }

    #[test]
    fn our_own_reasons_are_found_under_contexts() {
        let hit = LimitHit { limit: Limit::Memory, value: 7 };
        let error = wasmtime::Error::new(hit).context("error while executing at wasm backtrace");
        assert_eq!(check(&error), ToolFailure::LimitReached { limit: Limit::Memory, value: 7 });
        let error = wasmtime::Error::new(HostFault("disk".into())).context("outer");
        assert_eq!(check(&error), ToolFailure::Host("disk".into()));
    }

    #[test]
    fn traps_are_told_apart() {
        let overflow = check(&wasmtime::Error::from(Trap::StackOverflow));
        assert_eq!(overflow, ToolFailure::LimitReached { limit: Limit::Stack, value: MAX_WASM_STACK as u64 });
        let outside = check(&wasmtime::Error::from(Trap::MemoryOutOfBounds));
        assert!(
            matches!(outside, ToolFailure::Broken(_)),
            "without a recursion it is a wild pointer: {outside:?}"
        );
        let exit = check(&wasmtime::Error::new(wasmtime_wasi::I32Exit(3)));
        assert_eq!(exit, ToolFailure::Broken("it exited with status 3".into()));
    }

    #[test]
    fn a_broken_tool_cannot_write_to_a_terminal() {
        let ToolFailure::Broken(text) = check(&wasmtime::Error::msg("a\u{1b}[2Jb\nc")) else {
            panic!("must be broken");
        };
        assert_eq!(text, "a\\u{1b}[2Jb\\u{a}c");
    }
}
