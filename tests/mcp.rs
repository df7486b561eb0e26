//! MCP through the real program: clients and their tokens, standard input and output with and without a service.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A data directory of its own, and the program on it.
struct Place(tempfile::TempDir);

/// `openpact start`, until it is dropped.
struct Service(Child);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).args(arguments);
        command.env("OPENPACT_HEALTH__BIND", "127.0.0.1:0").env("OPENPACT_MCP__BIND", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[arguments, &["--json"]].concat()).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {out}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&out).unwrap()
    }

    fn start(&self) -> Service {
        self.start_with("OPENPACT_MCP__BIND", "127.0.0.1:0")
    }

    fn start_with(&self, key: &str, value: &str) -> Service {
        let mut child = self.command(&["start"]).env(key, value).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("openpact is running")), "it did not start");
        // What else it says goes nowhere, but must be taken.
        std::thread::spawn(move || lines.for_each(drop));
        Service(child)
    }

    /// Who called tools, by the audit log.
    fn callers(&self) -> Vec<String> {
        let audit = self.json(&["audit", "show", "--kind", "tool.call"]);
        let entries = audit["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["event"]["actor"].as_str().unwrap().to_owned()).collect()
    }

    /// One conversation on standard input and output: everything that came out, which must be the protocol.
    fn speak(&self) -> Vec<Value> {
        let mut child = self.command(&["mcp"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stdout.take().unwrap()).lines();
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let call = json!({"name": "workspace_list", "arguments": {}});
        let asked = [("initialize", hello), ("tools/list", json!({})), ("tools/call", call)];
        let mut answers = Vec::new();
        for (id, (method, params)) in asked.into_iter().enumerate() {
            let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            writeln!(to, "{message}").unwrap();
            let answer: Value = serde_json::from_str(&from.next().unwrap().unwrap()).unwrap();
            assert_eq!(answer["id"], id, "{answer}");
            answers.push(answer);
            if id == 0 {
                writeln!(to, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
            }
        }
        drop(to);
        assert!(from.next().is_none(), "it ends when its input ends");
        assert!(child.wait().unwrap().success());
        answers
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// The status of a list of tools asked for with a token, and the answer.
fn list(url: &str, token: &str) -> (u16, String) {
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[track_caller]
fn check(answers: &[Value]) {
    let tools = answers[1]["result"]["tools"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["name"] == "workspace_list"), "{tools:?}");
    assert_eq!(answers[2]["result"]["isError"], false, "{}", answers[2]);
}

#[test]
fn without_a_service_standard_input_is_served_here() {
    let place = Place::new();
    check(&place.speak());
    assert!(place.callers().iter().all(|caller| caller == "terminal:owner"));
}

#[test]
fn with_a_service_standard_input_and_tokens_reach_it() {
    let place = Place::new();
    let service = place.start();
    check(&place.speak());

    let added = place.json(&["mcp", "client", "add", "editor", "--role", "owner", "--tools", "workspace_l*"]);
    let (url, token) = (added["url"].as_str().unwrap(), added["token"].as_str().unwrap());
    let (status, answer) = list(url, token);
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"workspace_list\"") && !answer.contains("\"workspace_write\""), "{answer}");
    let clients = place.json(&["mcp", "client", "list"]);
    assert_eq!(clients["clients"][0]["name"], "editor");
    assert!(!clients.to_string().contains(token), "a token is shown once");

    place.json(&["mcp", "client", "revoke", "editor"]);
    assert_eq!(list(url, token).0, 401);
    let again = place.command(&["mcp", "client", "revoke", "editor"]).output().unwrap();
    assert!(!again.status.success());
    drop(service);
    let database = std::fs::read(place.data().join("secure/openpact.db")).unwrap();
    assert!(
        !database.windows(token.len()).any(|window| window == token.as_bytes()),
        "only its hash is stored"
    );
}

/// What is said to who adds a client: no address, and these words.
#[track_caller]
fn check_silent(added: &Value, words: &str) {
    assert!(added["url"].is_null(), "{added}");
    assert!(added["warnings"][0].as_str().unwrap().contains(words), "{added}");
}

#[test]
fn an_address_is_told_only_where_somebody_answers() {
    let place = Place::new();
    let added = place.json(&["mcp", "client", "add", "early", "--role", "owner", "--tools", "*"]);
    check_silent(&added, "openpact start");

    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().to_string();
    let service = place.start_with("OPENPACT_MCP__BIND", &taken);
    let added = place.json(&["mcp", "client", "add", "late", "--role", "owner", "--tools", "*"]);
    check_silent(&added, "cannot listen at");
    drop(service);

    let _service = place.start_with("OPENPACT_MCP__ENABLED", "false");
    let mut command = place.command(&["mcp", "client", "add", "last", "--role", "owner", "--tools", "*"]);
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(!shown.contains("Address") && shown.contains("mcp.enabled"), "{shown}");
}

#[test]
fn who_lets_a_guest_in_is_told_that_it_sees_nothing() {
    let place = Place::new();
    let warned = |name: &str, role: &str| {
        let added = place.json(&["mcp", "client", "add", name, "--role", role, "--tools", "*"]);
        added["warnings"].to_string().contains("a guest sees no tools")
    };
    assert!(warned("guest", "guest") && !warned("member", "member"));
}

#[test]
fn the_typescript_sdk_starts_it_itself() {
    let Some(npm) = openpact_test_programs::npm() else { return };
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    npm.workshop(folder.path()).unwrap();
    let script = folder.path().join("client.mjs");
    std::fs::write(&script, include_str!("../runtime/mcp/tests/server/client.mjs")).unwrap();
    let mut command = npm.script(&script);
    command.args(["stdio", env!("CARGO_BIN_EXE_openpact"), "--data"]).arg(place.data()).arg("mcp");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(&text).unwrap();
    assert!(told["tools"].as_u64().unwrap() > 5 && told["failed"] == false, "{told}");
}
