//! Says more than anybody wants to hear.
#![cfg(target_family = "wasm")]

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "result" => result,
    "print" => print,
    "log" => log,
    "log_once" => log_once,
    "error" => error,
}

fn bytes(arguments: &Value) -> usize {
    usize::try_from(arguments["bytes"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX)
}

/// A result of so many bytes.
fn result(arguments: &Value) -> Answer {
    Ok("x".repeat(bytes(arguments)))
}

/// The same as the tool's own error.
fn error(arguments: &Value) -> Answer {
    Err("x".repeat(bytes(arguments)))
}

/// Lines of 1,000 bytes on standard output.
fn print(arguments: &Value) -> Answer {
    let line = "x".repeat(999);
    for _ in 0..bytes(arguments) / 1000 {
        println!("{line}");
    }
    Ok("printed".to_owned())
}

/// The same through the log.
fn log(arguments: &Value) -> Answer {
    let line = "x".repeat(1000);
    for _ in 0..bytes(arguments) / 1000 {
        openpact_guest_kit::log::log(openpact_guest_kit::log::Level::Info, &line);
    }
    Ok("logged".to_owned())
}

/// All in one line.
fn log_once(arguments: &Value) -> Answer {
    openpact_guest_kit::log::log(openpact_guest_kit::log::Level::Info, &"x".repeat(bytes(arguments)));
    Ok("logged".to_owned())
}
