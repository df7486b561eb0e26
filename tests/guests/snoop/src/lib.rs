//! Looks around for everything that it was not given.
#![cfg(target_family = "wasm")]

use std::fs;
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use openpact_guest_kit::{Answer, Value, json};

openpact_guest_kit::tools! {
    "look" => look,
    "memory_mark" => memory_mark,
    "memory_search" => memory_search,
}

/// What came of an attempt, in words.
fn told<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(found) => format!("got {found:?}"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// What came of each attempt on what the test names.
fn each(arguments: &Value, name: &str, attempt: impl Fn(&str) -> String) -> Vec<String> {
    arguments[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(attempt).collect()
}

fn look(arguments: &Value) -> Answer {
    let mut input = Vec::new();
    let found = json!({
        "environment": std::env::vars().map(|(name, _)| name).collect::<Vec<_>>(),
        "arguments": std::env::args().collect::<Vec<_>>(),
        "input": told(io::stdin().read_to_end(&mut input)),
        "root": told(fs::read_dir("/").map(Iterator::count)),
        "passwords": told(fs::read("/etc/passwd").map(|bytes| bytes.len())),
        "processes": told(fs::read("/proc/self/environ").map(|bytes| bytes.len())),
        "here": told(fs::read_dir(".").map(Iterator::count)),
        "connect": told(TcpStream::connect("127.0.0.1:80")),
        "listen": told(TcpListener::bind("127.0.0.1:0")),
        "datagram": told(UdpSocket::bind("127.0.0.1:0")),
        "name": told("localhost:80".to_socket_addrs().map(Iterator::count)),
        "files": each(arguments, "files", |path| told(fs::read_to_string(path))),
        "peers": each(arguments, "peers", |address| told(TcpStream::connect(address))),
    });
    Ok(found.to_string())
}

const MARK: [u8; 16] = *b"left-by-a-guest!";
const PAGES: usize = 256;

/// Writes a mark all over memory that it takes.
fn memory_mark(_: &Value) -> Answer {
    let mut memory = vec![0_u8; PAGES * 65536];
    memory.chunks_exact_mut(MARK.len()).for_each(|chunk| chunk.copy_from_slice(&MARK));
    Ok(std::hint::black_box(memory).len().to_string())
}

/// Counts what is not zero in memory that it takes fresh from the engine.
#[expect(unsafe_code, reason = "fresh memory has to be read before anything writes to it")]
fn memory_search(_: &Value) -> Answer {
    let start = core::arch::wasm32::memory_grow::<0>(PAGES) * 65536;
    let mut found = 0_usize;
    for offset in 0..PAGES * 65536 {
        // SAFETY: these pages were just added to this guest's memory and belong to nobody else.
        let byte = unsafe { std::ptr::read_volatile((start + offset) as *const u8) };
        found += usize::from(byte != 0);
    }
    Ok(found.to_string())
}
