//! The program of a fake in the hands of a script, for tests of it.
#![expect(clippy::disallowed_methods, reason = "starting the program is what its tests do")]
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "helpers of tests fail like tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A program that runs.
pub struct Script {
    child: Child,
    addresses: Value,
}

impl Script {
    /// Starts it and reads its addresses.
    pub fn start(program: &str) -> Self {
        let mut command = Command::new(program);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, addresses: serde_json::from_str(&line).unwrap() }
    }

    /// One of its addresses.
    pub fn address(&self, name: &str) -> &str {
        self.addresses[name].as_str().unwrap()
    }

    /// Gives it an order.
    pub fn order(&self, order: &Value) -> Value {
        post(self.address("control"), "", order)
    }

    /// Posts to a path of its API, with these headers, each with its end of line.
    pub fn call(&self, path: &str, headers: &str, body: &Value) -> Value {
        post(&format!("{}{path}", self.address("api")), headers, body)
    }

    /// Closes its standard input: it has to end, and in peace.
    pub fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn post(url: &str, headers: &str, body: &Value) -> Value {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap_or((&url[7..], ""));
    let mut stream = TcpStream::connect(address).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
