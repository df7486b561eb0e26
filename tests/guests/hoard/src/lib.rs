//! Opens handles and never closes them.
#![cfg(target_family = "wasm")]

use std::fs::File;

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "files" => files,
    "folders" => folders,
    "timers" => timers,
    "headers" => headers,
}

/// Open files.
fn files(_: &Value) -> Answer {
    let mut kept = Vec::new();
    loop {
        kept.push(File::create("/workspace/hoarded").map_err(|error| error.to_string())?);
    }
}

/// Open folders.
fn folders(_: &Value) -> Answer {
    let mut kept = Vec::new();
    loop {
        kept.push(std::fs::read_dir("/workspace").map_err(|error| error.to_string())?);
    }
}

/// Pollables of the clock.
fn timers(_: &Value) -> Answer {
    loop {
        std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX));
    }
}

/// Header lists of requests that are never sent.
fn headers(_: &Value) -> Answer {
    loop {
        std::mem::forget(wasip2::http::types::Fields::new());
    }
}
