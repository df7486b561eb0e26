//! Ends in every way but the right one.
#![cfg(target_family = "wasm")]

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "panic" => panics,
    "exit" => exit,
    "abort" => abort,
    "wild" => wild,
}

fn panics(_: &Value) -> Answer {
    panic!("the guest's own words\u{1b}[31m in red");
}

fn exit(_: &Value) -> Answer {
    std::process::exit(3);
}

fn abort(_: &Value) -> Answer {
    std::process::abort();
}

/// Reads where nothing is.
#[expect(unsafe_code, reason = "that is what it is for")]
fn wild(_: &Value) -> Answer {
    let address = std::hint::black_box(usize::MAX - 4096);
    // SAFETY: none; the sandbox has to stop it.
    let byte = unsafe { std::ptr::read_volatile(address as *const u8) };
    Ok(byte.to_string())
}
