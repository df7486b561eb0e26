//! A well-behaved guest: the neighbour in tests, the measure in benches, and a probe for what crosses two calls.
#![cfg(target_family = "wasm")]

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "echo" => echo,
    "count" => count,
}

fn echo(arguments: &Value) -> Answer {
    Ok(arguments["text"].as_str().unwrap_or_default().to_owned())
}

static CALLS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static LOCAL: Cell<u32> = const { Cell::new(0) };
}

/// How often this instance was called.
fn count(_: &Value) -> Answer {
    LOCAL.set(LOCAL.get() + 1);
    Ok(format!("{} {}", CALLS.fetch_add(1, Ordering::Relaxed) + 1, LOCAL.get()))
}
