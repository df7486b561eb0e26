//! `openpact user` through the real binary: strangers ask through the library, as a chat would let them, and everything
//! else is done at the command line.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};
use openpact_model::chat::Visibility;
use openpact_model::clock::{Clock, SystemClock};
use openpact_model::random::SystemRandom;
use openpact_model::role::Channel;
use openpact_orchestrator::people::{self, Who};
use openpact_store::{DataDirectory, Store};
use serde_json::Value;

/// What a stranger calls themselves.
const SHOWN: &str = "Alice\u{202e}\u{1b}[2J\nadmin";

/// A clock that is late.
struct Late(Duration);

impl Clock for Late {
    fn now(&self) -> Timestamp {
        SystemClock.now() - self.0
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

/// A data directory of its own, and the program on it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn configure(&self, text: &str) {
        let secure = self.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), text).unwrap();
    }

    /// The code that a stranger was told that long ago. Nothing else may use the directory meanwhile.
    fn asked(&self, user: &str, ago: Duration) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock: Arc<dyn Clock> = Arc::new(Late(ago));
            let directory = DataDirectory::acquire(&self.data()).unwrap();
            let store = Store::open(&directory, Arc::clone(&clock), Arc::new(SystemRandom)).unwrap();
            let ports = people::Ports { store: store.clone(), clock, random: Arc::new(SystemRandom) };
            let people = people::Config::default().build(ports).await.unwrap();
            let channel = Channel { provider: "telegram".into(), channel: user.into(), thread: None };
            let who = Who {
                provider: "telegram",
                user,
                display_name: SHOWN,
                channel: &channel,
                visibility: Visibility::Direct,
                asserts_owner: true,
            };
            let told = people.greet(&who).await.unwrap().expect("a stranger is told a code");
            store.close().await.unwrap();
            told.text.rsplit(' ').next().unwrap().to_owned()
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).current_dir(self.0.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let out = self.good(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32, expected: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        for part in expected {
            assert!(ended.err.contains(part), "'{part}' is missing in {ended:?}");
        }
        assert!(!ended.err.contains("panicked"), "{ended:?}");
    }

    /// Kind and subject of every entry of the audit log that begins so.
    fn audit(&self, kind: &str) -> Vec<String> {
        let shown = self.json(&["audit", "show", "--kind", kind]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entries = shown["entries"].as_array().unwrap().iter().map(|entry| &entry["event"]);
        entries.map(|event| format!("{} {}", text(&event["kind"]), text(&event["subject"]))).collect()
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

#[test]
fn a_wrong_code_lets_nobody_in() {
    let place = Place::new();
    let late = place.asked("7", Duration::from_mins(61));
    place.fails(&["user", "accept", "hello"], 2, &["this is no code", "K7QF-3M9T"]);
    place.fails(
        &["user", "accept", "0000-0000"],
        1,
        &["no request is open with this code", "openpact user list"],
    );
    place.fails(&["user", "accept", &late], 1, &["has expired"]);
    place.fails(&["user", "deny", &late], 1, &["has expired"]);
    place.fails(&["user", "deny", "0000-0000"], 1, &["no request is open"]);
    place.fails(&["user", "accept", &late, "--role", "admin"], 2, &["'admin'", "member, owner, guest"]);
    place.fails(&["user", "accept", &late, "--name", " x"], 2, &["a name has 1 to 128 bytes"]);
    place.fails(&["user", "remove", "telegram:7"], 1, &["there is nobody called 'telegram:7'"]);
    let listed = place.json(&["user", "list"]);
    assert_eq!(listed, serde_json::json!({ "users": [], "requests": [] }));
    assert!(place.good(&["user", "list"]).contains("openpact user accept CODE --role owner"));
    assert_eq!(place.audit("user."), [""; 0]);
    let denied = ["pairing.accept", "pairing.accept", "pairing.deny", "pairing.deny"];
    let denied = denied.map(|kind| format!("{kind} unknown code"));
    assert_eq!(place.audit("pairing.")[1..], denied);
}

#[test]
fn a_stranger_is_let_in_once_and_taken_out_again() {
    let place = Place::new();
    let code = place.asked("7", Duration::ZERO);
    let text = place.good(&["user", "list"]);
    assert!(text.contains("telegram:7") && text.contains("Alice\\u{202e}\\u{1b}[2J\\u{a}admin"), "{text}");
    assert!(!text.contains(&code) && !text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    let listed = place.json(&["user", "list"]);
    assert_eq!(listed["requests"][0]["identity"], "telegram:7", "{listed:#}");
    assert!(!listed.to_string().contains(&code), "{listed:#}");

    let said = place.good(&["user", "accept", &code, "--role", "owner", "--name", "bob"]);
    assert!(said.starts_with("telegram:7 (shown there as 'Alice\\u{202e}"), "{said}");
    assert!(said.ends_with("may speak from now on, as owner, called 'bob'\n"), "{said}");
    place.fails(&["user", "accept", &code, "--role", "owner"], 1, &["no request is open"]);
    let listed = place.json(&["user", "list"]);
    let bob = &listed["users"][0];
    let expected = ("bob", "owner", "telegram:7", "paired", "admin");
    let found = ["name", "role", "origin", "by"].map(|key| bob[key].as_str().unwrap());
    assert_eq!((found[0], found[1], bob["identities"][0].as_str().unwrap(), found[2], found[3]), expected);
    assert!(bob["since"].is_string() && listed["requests"] == serde_json::json!([]), "{listed:#}");
    let text = place.good(&["user", "list"]);
    assert!(text.contains("bob") && text.contains("paired by admin"), "{text}");

    assert_eq!(place.good(&["user", "remove", "bob"]), "bob may speak no longer\n");
    place.fails(&["user", "remove", "bob"], 1, &["there is nobody called 'bob'"]);
    assert_eq!(place.audit("user."), ["user.add telegram:7", "user.remove bob"]);
    assert!(place.good(&["audit", "verify"]).contains("intact"));
}

#[test]
fn a_stranger_is_turned_down() {
    let place = Place::new();
    let code = place.asked("7", Duration::ZERO);
    let said = place.json(&["user", "deny", &code.to_lowercase()]);
    assert_eq!(said["message"], "telegram:7 was turned down, and is told no other code for a day");
    place.fails(&["user", "accept", &code], 1, &["no request is open"]);
    assert_eq!(place.audit("pairing.deny"), ["pairing.deny telegram:7"]);
}

#[test]
fn what_the_configuration_states_is_changed_there() {
    let place = Place::new();
    let (code, other) = (place.asked("7", Duration::ZERO), place.asked("8", Duration::ZERO));
    place.configure("users:\n  alice: { role: member, identities: { telegram: [7, '70'] } }\n");
    place.fails(&["user", "accept", &code, "--role", "owner"], 4, &["belongs to 'alice'", "under 'users'"]);
    place.fails(
        &["user", "accept", &other, "--name", "alice"],
        4,
        &["'alice' is stated in the configuration"],
    );
    place.fails(&["user", "remove", "alice"], 4, &["stated in the configuration", "config.yaml"]);
    place.fails(&["user", "remove", "telegram:70"], 4, &["belongs to 'alice'", "config.yaml"]);
    let listed = place.json(&["user", "list"]);
    let alice = &listed["users"][0];
    assert_eq!(alice["identities"], serde_json::json!(["telegram:7", "telegram:70"]), "{listed:#}");
    assert_eq!(
        (&alice["role"], &alice["origin"], &alice["since"]),
        (&"member".into(), &"configuration".into(), &Value::Null)
    );
    place.configure("users:\n  alice: { role: admin }\n");
    place.fails(&["user", "list"], 3, &["line 2", "users.alice.role", "owner"]);
}

#[test]
fn it_works_while_the_program_runs() {
    let place = Place::new();
    let code = place.asked("7", Duration::ZERO);
    let mut chat = place.command(&["chat"]).stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut answers = BufReader::new(chat.stdout.take().unwrap());
    let mut say = |text: &str| {
        writeln!(chat.stdin.as_mut().unwrap(), "{text}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        line
    };
    // An owner at the terminal, too, makes nobody an owner in a chat.
    assert!(say(&format!("/approve {code} owner")).contains("openpact user accept CODE --role owner"));
    assert!(place.good(&["user", "accept", &code]).contains("as member"));
    assert!(say(&format!("/approve {code}")).contains("no request is open"), "the program knows at once");
    let listed = place.json(&["user", "list"]);
    assert_eq!(listed["users"][0]["name"], "telegram:7", "{listed:#}");
    assert!(place.good(&["user", "remove", "telegram:7"]).contains("may speak no longer"));
    drop(chat.stdin.take());
    assert_eq!(chat.wait().unwrap().code(), Some(0));
}

#[test]
fn help_says_what_each_command_does() {
    let place = Place::new();
    let help = place.good(&["user", "--help"]);
    for command in ["list", "accept", "deny", "remove"] {
        assert!(help.contains(command), "{help}");
    }
    let help = place.good(&["user", "accept", "--help"]);
    for part in ["K7QF-3M9T", "[possible values: member, owner, guest]", "[default: member]", "--name"] {
        assert!(help.contains(part), "'{part}' is missing in {help}");
    }
    assert!(!place.data().exists(), "nothing was made on the way");
}
