//! What probes, Prometheus and those who read the log see of the program: through the real binary.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

struct Place(tempfile::TempDir);

impl Place {
    fn new(config: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let secure = place.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), config).unwrap();
        place
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).current_dir(self.0.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn status(&self) -> Value {
        let output = self.command(&["status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

/// `openpact start`, with its log.
struct Service {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    seen: Vec<Value>,
}

impl Service {
    fn start(place: &Place) -> Self {
        let mut child = place.command(&["start"]).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, seen: Vec::new() }
    }

    /// Reads the log until a line with that message.
    fn until(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            let count = self.log.read_line(&mut line).unwrap();
            assert!(count > 0, "the program ended without '{message}': {:?}", self.seen);
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            self.seen.push(value.clone());
            if value["message"] == message {
                return value;
            }
        }
    }

    fn address(&mut self) -> SocketAddr {
        self.until("health, readiness and metrics")["address"].as_str().unwrap().parse().unwrap()
    }

    /// Ends it in good order.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Asks until the answer is as wanted. Each question takes a while while the program starts.
fn until(address: SocketAddr, path: &str, is_wanted: impl Fn(u16, &str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let (code, body) = get(address, path);
        if is_wanted(code, &body) {
            return body;
        }
        assert!(start.elapsed() < PATIENCE, "{path} still says {code}: {body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const BASE: &str = "log: {format: json}\nhealth: {bind: '127.0.0.1:0'}\n";

#[test]
fn a_fresh_service_is_alive_ready_and_measured() {
    let place = Place::new(BASE);
    let mut service = Service::start(&place);
    let address = service.address();
    assert!(address.ip().is_loopback());
    let (code, body) = get(address, "/healthz");
    assert_eq!(code, 200, "{body}");
    until(address, "/readyz", |code, _| code == 200);
    let (code, text) = get(address, "/metrics");
    assert_eq!(code, 200);
    for part in [
        "openpact_ready 1\n",
        "openpact_build_info{version=",
        "openpact_inbox_waiting 0\n",
        "openpact_store_commits_total ",
        "openpact_log_lines_dropped_total 0\n",
        "openpact_adapter_connected{provider=\"telegram\"} 0\n",
        "openpact_metrics_refused_total 0\n",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let status = place.status();
    let part = status["parts"].as_array().unwrap().iter().find(|part| part["name"] == "health").cloned();
    let part = part.unwrap_or_else(|| panic!("{status}"));
    assert!(part["about"].as_str().unwrap().contains(&address.to_string()), "{part}");
    service.stop();
    assert!(TcpStream::connect(address).is_err());
}

/// What an earlier OpenPact left is read before anything is received: here it is a pipe that nobody has written to yet.
#[test]
fn nothing_is_ready_before_everything_was_started() {
    let place = Place::new(BASE);
    let pipe = place.data().join("channel_sessions.json");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut service = Service::start(&place);
    let address = service.address();
    let starts = "\"name\":\"chat\",\"state\":\"starting\"";
    let body = until(address, "/readyz", |_, body| body.contains(starts));
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&answer["status"], &answer["failing"][0]["state"]),
        (&"not-ready".into(), &"starting".into())
    );
    assert!(get(address, "/metrics").1.contains("openpact_ready 0\n"));
    // Opened by both ends, the file goes on, and it is empty: that is told, and keeps nothing from starting.
    drop(fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    until(address, "/readyz", |code, _| code == 200);
    service.stop();
}

#[test]
fn a_service_whose_engine_has_no_key_is_alive_and_says_why_it_is_not_ready() {
    let engine =
        "engine: {type: builtin, base_url: 'https://model.example/v1', model: m, key: NO_SUCH_KEY}\n";
    let place = Place::new(&format!("{BASE}{engine}"));
    let mut service = Service::start(&place);
    let address = service.address();
    // While it starts, what is not started yet is named beside it.
    let is_started = "\"name\":\"chat\",\"state\":\"running\"";
    let body = until(address, "/readyz", |_, body| body.contains(is_started));
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["status"], "not-ready");
    let failing = answer["failing"].as_array().unwrap();
    assert_eq!(failing.len(), 1, "{body}");
    assert_eq!(failing[0]["name"], "engine");
    assert!(failing[0]["about"].as_str().unwrap().contains("NO_SUCH_KEY"), "{body}");
    assert_eq!(get(address, "/healthz").0, 200);
    assert!(get(address, "/metrics").1.contains("openpact_ready 0\n"));
    service.stop();
}

#[test]
fn a_taken_port_stops_nothing_else_and_is_shown() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::new(&format!("log: {{format: json}}\nhealth: {{bind: '{address}'}}\n"));
    let mut service = Service::start(&place);
    let line = service.until("health, readiness and metrics are not there");
    assert!(line["error"].as_str().unwrap().contains("health.bind"), "{line}");
    service.until("openpact is running");
    let status = place.status();
    let part = status["parts"].as_array().unwrap().iter().find(|part| part["name"] == "health").unwrap();
    assert_eq!(part["state"], "failed", "{status}");
    service.stop();
}

/// A log that nobody reads, in a pipe that is full after one page.
#[test]
fn a_log_that_nobody_reads_stops_no_answer() {
    const MESSAGES: usize = 50;
    let place = Place::new("");
    let (unread, log) = rustix::pipe::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&unread, 4096).unwrap();
    let mut command = place.command(&["chat", "--log-level", "trace"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::from(log)).spawn().unwrap();
    drop(command);
    let input = "hello there\n".repeat(MESSAGES);
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() >= MESSAGES, "{text}");
    let mut log = fs::File::from(unread);
    let mut page = Vec::new();
    log.read_to_end(&mut page).unwrap();
    assert!(page.len() >= 4000, "the log was full: {} bytes", page.len());
}
