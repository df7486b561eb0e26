//! Takes all the processor time that it can get, in several ways.
#![cfg(target_family = "wasm")]

use std::hint::black_box;
use std::time::Instant;

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "forever" => forever,
    "asking" => asking,
    "recurse" => recurse,
    "recurse_lean" => recurse_lean,
    "recurse_in_turns" => recurse_in_turns,
}

fn forever(_: &Value) -> Answer {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Spends its time in calls of the host.
fn asking(_: &Value) -> Answer {
    loop {
        black_box(Instant::now());
    }
}

/// With frames that need memory, so that the guest's own stack ends first.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deeper(depth: u64) -> u64 {
    let mut frame = [depth; 64];
    black_box(&mut frame);
    black_box(deeper(depth + 1)) + frame[7]
}

fn recurse(_: &Value) -> Answer {
    Ok(deeper(0).to_string())
}

/// With frames that need none, so that the host's stack ends first.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn leaner(depth: u64) -> u64 {
    black_box(leaner(black_box(depth) + 1)) + 1
}

fn recurse_lean(_: &Value) -> Answer {
    Ok(leaner(0).to_string())
}

#[inline(never)]
fn there(depth: u64) -> u64 {
    let mut frame = [depth; 32];
    black_box(&mut frame);
    black_box(back(depth + 1)) + frame[3]
}

#[inline(never)]
fn back(depth: u64) -> u64 {
    let mut frame = [depth; 48];
    black_box(&mut frame);
    black_box(there(depth + 1)) + frame[5]
}

fn recurse_in_turns(_: &Value) -> Answer {
    Ok(there(0).to_string())
}
