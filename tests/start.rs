//! `openpact start` as the person meets it who leaves it running: through the real binary.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use openpact_fake_telegram::{Fault, Rule, Server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a line is waited for that has to come; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_mins(2);

/// A data directory of its own, and the program on it.
struct Place(tempfile::TempDir);

/// `openpact start`, until it is dropped.
struct Service {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).current_dir(self.0.path()).args(arguments);
        // Tests run beside each other, and beside a program that somebody uses.
        command.env("OPENPACT_HEALTH__BIND", "127.0.0.1:0").env("OPENPACT_MCP__BIND", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end: its code, its output, its complaints.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        out
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn configure(&self, text: &str) {
        let secure = self.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), text).unwrap();
    }

    /// The service, when it says that it runs.
    fn start(&self) -> Service {
        let mut service = Service::of(self.command(&["start"]));
        service.wait("openpact is running");
        service
    }

    fn kinds(&self) -> Vec<String> {
        let audit = self.json(&["audit", "show", "--kind", "runtime."]);
        let entries = audit["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["event"]["kind"].as_str().unwrap().to_owned()).collect()
    }
}

impl Service {
    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, log) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, log, seen: Vec::new() }
    }

    /// The next line of the log that holds `part`.
    #[track_caller]
    fn wait(&mut self, part: &str) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("'{part}' is not in the log:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn part<'a>(status: &'a Value, name: &str) -> &'a Value {
    let parts = status["parts"].as_array().unwrap();
    parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("no part {name}: {status:#}"))
}

#[test]
fn with_nothing_configured_it_runs_and_says_what_to_do_next() {
    let place = Place::new();
    let mut service = place.start();
    let engine = service.seen.iter().find(|line| line.contains("part=\"engine\"")).unwrap();
    assert!(engine.contains("openpact secret set"), "{engine}");

    let status = place.json(&["status"]);
    assert_eq!(status["process"], u64::from(service.child.id()), "{status:#}");
    assert_eq!(status["serving"], "start");
    assert!(status["uptime"].is_u64(), "{status:#}");
    for name in ["store", "secrets", "network", "sandbox", "tools"] {
        assert_eq!(part(&status, name)["state"], "running", "{status:#}");
    }
    assert!(place.good(&["status"]).contains("running for "));

    let (code, _, err) = place.run(&["start"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains(&format!("process {}", service.child.id())), "{err}");

    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));
    assert_eq!(place.kinds(), ["runtime.start", "runtime.stop"]);
    assert!(!place.data().join("secure/control.sock").exists());
}

#[test]
fn where_nothing_runs_status_says_so_first_and_claims_nothing() {
    let place = Place::new();
    let text = place.good(&["status"]);
    let second = text.lines().nth(1).unwrap();
    assert_eq!(second, "not running; start it with: openpact start", "{text}");
    let status = place.json(&["status"]);
    assert!(status["process"].is_null() && status["serving"].is_null() && status["uptime"].is_null());
    let parts = status["parts"].as_array().unwrap().iter().chain(status["components"].as_array().unwrap());
    assert!(parts.into_iter().all(|part| part["state"] != "running"), "{status:#}");
    let components = place.json(&["component", "list"]);
    let components = components["components"].as_array().unwrap();
    let workspace = components.iter().find(|one| one["name"] == "workspace").unwrap();
    assert_eq!(workspace["state"], "ready", "{components:#?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    let mut service = place.start();
    // A client that connects and says nothing is waited for.
    let mut client = UnixStream::connect(place.data().join("secure/control.sock")).unwrap();
    client.read_exact(&mut [0]).unwrap();
    service.signal(Signal::INT);
    service.wait("a second signal ends at once");
    service.wait("ended");
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(130));
    // Nothing was cut: the next one starts as ever.
    let mut service = place.start();
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));
}

#[test]
fn killed_at_once_it_starts_again() {
    let place = Place::new();
    let mut service = place.start();
    service.signal(Signal::KILL);
    assert_eq!(service.end(), None);
    let mut service = place.start();
    assert_eq!(place.json(&["status"])["serving"], "start");
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));
    assert_eq!(place.kinds(), ["runtime.start", "runtime.start", "runtime.stop"]);
    assert!(place.good(&["audit", "verify"]).contains("intact"));
}

#[test]
fn hanging_up_reads_the_configuration_again_and_a_bad_one_changes_nothing() {
    let place = Place::new();
    let mut service = place.start();
    let reload = |service: &mut Service, text: &str, expected: &str| {
        place.configure(text);
        service.signal(Signal::HUP);
        service.wait(expected)
    };
    let line = reload(&mut service, "limits: { shutdown: 3s }\n", "read again");
    assert!(line.contains("limits.shutdown"), "{line}");

    let line = reload(&mut service, "limits: { shutdwon: 4s }\n", "everything stays as it was");
    assert!(line.contains("did you mean 'shutdown'"), "{line}");
    let line = reload(&mut service, "limits: [\n", "everything stays as it was");
    assert!(line.contains("not valid YAML"), "{line}");
    // What is not even read is not forgotten: the next good one is compared with what holds.
    let line = reload(&mut service, "limits: { shutdown: 3s }\nengine: { max_steps: 3 }\n", "started anew");
    assert!(line.contains("engine.max_steps") && !line.contains("shutdown"), "{line}");

    // A rule that its component cannot be given is found before anything changes.
    let bad = "components: { workspace: { grants: ['GET https://a.example/** credential=token'] } }\n";
    let line = reload(&mut service, bad, "everything stays as it was");
    assert!(line.contains("workspace") && line.contains("does not ask for a credential"), "{line}");
    assert!(!place.good(&["grant", "list"]).contains("a.example"));
    let good = "components: { workspace: { grants: ['GET https://b.example/**'] } }\n";
    reload(&mut service, good, "read again");
    assert!(place.good(&["grant", "list"]).contains("b.example"));

    let _ = reload(&mut service, "log: { level: error }\n", "read again");
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));
    assert!(!service.log.iter().any(|line| line.contains("ending")), "the log's level was not taken over");
}

#[test]
fn a_configuration_that_fails_at_the_last_step_changes_nothing() {
    let place = Place::new();
    let mut service = place.start();
    let database = rusqlite::Connection::open(place.data().join("secure/openpact.db")).unwrap();
    // What is read of a platform last of all cannot be read.
    let spoil = "INSERT INTO setting VALUES ('provider-stopped', 'telegram', 'no JSON', 0)";
    database.execute(spoil, []).unwrap();
    place.configure(
        "users: { alice: { role: owner, identities: { telegram: ['1'] } } }\n\
         components: { workspace: { grants: ['GET https://b.example/**'] } }\n",
    );
    service.signal(Signal::HUP);
    service.wait("everything stays as it was");
    assert!(!place.good(&["user", "list"]).contains("alice"));
    assert!(!place.good(&["grant", "list"]).contains("b.example"));

    database.execute("DELETE FROM setting WHERE scope = 'provider-stopped'", []).unwrap();
    service.signal(Signal::HUP);
    let line = service.wait("read again");
    assert!(line.contains("users.alice") && line.contains("components.workspace"), "{line}");
    assert!(place.good(&["user", "list"]).contains("alice"));
    assert!(place.good(&["grant", "list"]).contains("b.example"));
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));
}

#[test]
fn an_endpoint_whose_port_is_taken_stops_nothing_else_and_says_what_to_do() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = place.command(&["start"]);
    command.env("OPENPACT_MCP__BIND", taken.local_addr().unwrap().to_string());
    let mut service = Service::of(command);
    service.wait("MCP clients cannot connect");
    service.wait("openpact is running");
    let status = place.json(&["status"]);
    let mcp = part(&status, "mcp");
    assert_eq!(mcp["state"], "failed", "{mcp}");
    let todo = mcp["todo"].as_str().unwrap();
    assert!(todo.contains("'mcp.bind'") && todo.contains("config.yaml"), "{todo}");
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));
}

#[test]
fn too_few_instances_are_refused_with_the_least() {
    let place = Place::new();
    place.configure("limits: { instances: 1 }\n");
    let (code, _, err) = place.run(&["start"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("limits.instances") && err.contains("use 8 or more"), "{err}");
}

#[test]
fn systemd_is_told_when_it_is_ready_and_when_it_ends() {
    let place = Place::new();
    let path = place.0.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = place.command(&["start"]);
    command.env("NOTIFY_SOCKET", &path);
    let mut service = Service::of(command);
    assert_eq!(told().trim(), "READY=1");
    service.signal(Signal::TERM);
    assert_eq!(told().trim(), "STOPPING=1");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_provider_that_does_not_exist_is_said_to() {
    let place = Place::new();
    for verb in ["start", "stop", "restart"] {
        let (code, _, err) = place.run(&["provider", verb, "telegraph"]);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("there is no chat platform 'telegraph'"), "{err}");
    }
}

const TOKEN: &str = "123456:AAcanary-of-the-start-tests";

/// A platform, and a service that is told to use it.
fn telegram(place: &Place) -> Server {
    let server = Server::start().unwrap();
    server.bot(TOKEN);
    let url = server.base_url();
    let url = url.trim_end_matches('/');
    place.configure(&format!(
        "components:\n  telegram:\n    settings: {{ base_url: '{url}' }}\n    grants: ['POST {url}/*/* credential=token private=127.0.0.0/8 timeout=70']\n",
    ));
    server
}

fn store_token(place: &Place) {
    let mut child =
        place.command(&["secret", "set", "TELEGRAM_TOKEN"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(TOKEN.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[track_caller]
fn provider(place: &Place) -> Value {
    let all = place.json(&["provider", "list"]);
    let all = all["providers"].as_array().unwrap();
    all.iter().find(|one| one["name"] == "telegram").unwrap().clone()
}

#[track_caller]
fn off(place: &Place, about: &str) {
    let provider = provider(place);
    assert_eq!((&provider["state"], &provider["about"]), (&"off".into(), &about.into()), "{provider:#}");
}

#[test]
fn a_platform_connects_when_its_token_is_stored_and_is_stopped_and_started_by_the_admin() {
    let place = Place::new();
    let server = telegram(&place);
    let mut service = place.start();
    off(&place, "no token");
    assert_eq!(provider(&place)["todo"], "openpact secret set TELEGRAM_TOKEN");

    store_token(&place);
    service.wait("a chat platform is connected");
    let connected = provider(&place);
    assert_eq!(
        (&connected["state"], &connected["recent_ends"]),
        (&"running".into(), &0.into()),
        "{connected:#}"
    );
    assert!(connected["account"].is_string(), "{connected:#}");

    place.good(&["provider", "restart", "telegram"]);
    service.wait("a chat platform is connected");
    place.good(&["provider", "stop", "telegram"]);
    off(&place, "stopped");
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));

    // Stopped is stopped, also for a new start; and also where nothing runs it can be switched on.
    off(&place, "stopped");
    let mut service = place.start();
    off(&place, "stopped");
    place.good(&["provider", "start", "telegram"]);
    service.wait("a chat platform is connected");

    place.good(&["secret", "remove", "TELEGRAM_TOKEN"]);
    off(&place, "no token");
    service.signal(Signal::TERM);
    assert_eq!(service.end(), Some(0));
    assert!(service.seen.iter().all(|line| !line.contains(TOKEN)));
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[test]
fn the_configuration_switches_a_platform_off_whatever_the_admin_says() {
    let place = Place::new();
    place.configure("chat: { providers: { telegram: { enabled: false } } }\n");
    let expected = "the configuration switches it off ('chat.providers.telegram.enabled: false')";
    off(&place, expected);
    let (code, _, err) = place.run(&["provider", "start", "telegram"]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("chat.providers.telegram.enabled"), "{err}");
    // Read again, it is only the token that is missing.
    let mut service = place.start();
    place.configure("chat: { providers: { telegram: { enabled: true } } }\n");
    service.signal(Signal::HUP);
    service.wait("read again");
    off(&place, "no token");
    place.configure("chat: { providers: { telegarm: {} } }\n");
    let (code, _, err) = place.run(&["config", "check"]);
    assert_eq!(code, Some(0), "its adapter may come later: {err}");
    assert!(err.contains("no adapter 'telegarm' is installed; did you mean 'telegram'?"), "{err}");
}

#[test]
fn a_platform_that_ends_again_and_again_is_shown_to_and_others_go_on() {
    let place = Place::new();
    let server = telegram(&place);
    server.fault(Rule::new(Fault::Malformed).method("getMe"));
    let mut service = place.start();
    store_token(&place);
    for _ in 0..3 {
        service.wait("an adapter ended");
    }
    let looping = provider(&place);
    assert_eq!(looping["state"], "failed", "{looping:#}");
    assert!(looping["recent_ends"].as_u64().unwrap() >= 3, "{looping:#}");
    let about = looping["about"].as_str().unwrap();
    assert!(about.contains("times in 10 min") && about.contains("last: "), "{about}");
    assert!(place.good(&["status"]).contains("times in 10 min"));
    place.good(&["component", "call", "workspace", "list", "{}"]);
    // Mended, it comes back by itself.
    server.clear_faults();
    service.wait("a chat platform is connected");
}

#[test]
fn a_refused_token_is_not_hammered_and_a_new_one_is_tried_at_once() {
    let place = Place::new();
    let server = telegram(&place);
    server.fault(Rule::new(Fault::Unauthorized));
    let mut service = place.start();
    store_token(&place);
    service.wait("an adapter ended");
    let refused = provider(&place);
    assert_eq!(refused["state"], "failed", "{refused:#}");
    assert!(refused["next_try"].as_u64().unwrap() > 200, "{refused:#}");
    assert!(refused["todo"].as_str().unwrap().contains("openpact provider restart telegram"), "{refused:#}");
    server.clear_faults();
    store_token(&place);
    service.wait("a chat platform is connected");
    assert_eq!(provider(&place)["state"], "running");
}
