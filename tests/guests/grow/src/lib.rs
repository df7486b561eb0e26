//! Takes memory.
#![cfg(target_family = "wasm")]

use std::hint::black_box;

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "forever" => forever,
    "take" => take,
}

/// Until there is no more.
fn forever(_: &Value) -> Answer {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// As many bytes as asked for, at once.
fn take(arguments: &Value) -> Answer {
    let bytes = usize::try_from(arguments["bytes"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
    Ok(black_box(vec![1_u8; bytes]).len().to_string())
}
