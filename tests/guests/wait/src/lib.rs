//! Waits in the host.
#![cfg(target_family = "wasm")]

use std::thread;
use std::time::Duration;

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "sleep" => sleep,
    "naps" => naps,
}

/// One long wait.
fn sleep(arguments: &Value) -> Answer {
    thread::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or(3_600_000)));
    Ok("slept".to_owned())
}

/// Short waits without end.
fn naps(_: &Value) -> Answer {
    loop {
        thread::sleep(Duration::from_millis(1));
    }
}
