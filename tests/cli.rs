//! The program as a person at the command line meets it: through the real binary, with real data directories.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "cli/package.rs"]
mod package;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A data directory of its own, and the program on it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with nothing of our environment but what it needs.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).current_dir(self.0.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the program with something on its standard input.
    fn feed(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A program that ends before it has read everything says why on its standard error.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ended::of(&child.wait_with_output().unwrap())
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let ended = self.good(&arguments);
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ended:?}"))
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32, expected: &[&str]) {
        self.run(arguments).failed(code, expected);
    }

    fn configure(&self, text: &str) {
        let secure = self.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), text).unwrap();
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

    /// It ended with that code and said all of that on its standard error.
    #[track_caller]
    fn failed(&self, code: i32, expected: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in expected {
            assert!(self.err.contains(part), "'{part}' is missing in {self:?}");
        }
        assert!(!self.err.contains("panicked"), "{self:?}");
    }
}

/// `chat` that goes on until it is dropped.
struct Chat {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Chat {
    fn start(place: &Place) -> Self {
        let mut child =
            place.command(&["chat"]).stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// Says something and reads one line of the answer.
    fn say(&mut self, text: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    fn end(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_line_is_typed_a_tool_runs_and_the_answer_comes_back() {
    let place = Place::new();
    let said = "!tools\n\n!workspace_write {\"path\":\"notes/a.md\",\"content\":\"hi\"}\n!workspace_read {\"path\":\"notes/a.md\"}\n";
    let ended = place.feed(&["chat"], said);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for tool in ["workspace_write", "workspace_read", "memory_write"] {
        assert!(ended.out.contains(tool), "{tool} is missing in {ended:?}");
    }
    assert_eq!(fs::read_to_string(place.data().join("ai-data/workspace/notes/a.md")).unwrap(), "hi");
    assert!(ended.out.lines().any(|line| line.trim_end().ends_with("hi")), "{ended:?}");
    // Nothing is printed beside the answers, and nothing is amiss.
    assert_eq!(ended.err, "");

    let audit = place.json(&["audit", "show", "--kind", "tool."]);
    let subjects: Vec<_> =
        list(&audit, "entries").iter().map(|entry| entry["event"]["subject"].as_str().unwrap()).collect();
    assert!(subjects.iter().any(|subject| subject.contains("workspace_write")), "{audit:#}");
    assert!(place.good(&["audit", "verify"]).out.contains("intact"));
}

#[test]
fn a_message_that_no_tool_fits_gets_help_and_a_wrong_one_the_reason() {
    let place = Place::new();
    let ended = place.feed(&["chat"], "hello\n!workspace_reed {}\n!workspace_read {\"path\":1}\n/hlep\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for expected in ["!tools", "workspace_read", "path", "/help"] {
        assert!(ended.out.contains(expected), "'{expected}' is missing in {ended:?}");
    }
}

#[test]
fn chat_speaks_json_where_a_program_listens() {
    let place = Place::new();
    let ended = place.feed(&["chat", "--json"], "!workspace_list {}\n/help\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_call", "tool_result", "text", "end", "done", "notice", "done"], "{lines:#?}");
}

#[test]
fn the_command_line_works_while_chat_runs_and_a_second_chat_is_sent_away() {
    let place = Place::new();
    let mut chat = Chat::start(&place);
    assert!(!chat.say("!workspace_list {}").is_empty());

    let socket = place.data().join("secure/control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let process = u64::from(chat.child.id());
    let status = place.json(&["status"]);
    assert_eq!(status["process"], process, "{status:#}");
    let components = place.json(&["component", "list"]);
    let names: Vec<_> =
        list(&components, "components").iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["discord", "memory", "slack", "telegram", "web", "workspace"], "{components:#}");
    let is_adapter = |one: &Value| ["discord", "slack", "telegram"].map(Value::from).contains(&one["name"]);
    let state = |one: &Value| if is_adapter(one) { "off" } else { "running" };
    assert!(list(&components, "components").iter().all(|one| one["state"] == state(one)), "{components:#}");

    for (shown, label) in [
        (
            &["component", "list"][..],
            "GET https://*/** response-max=16MiB timeout=20 (any site) (from default)",
        ),
        (&["grant", "list"], "(any site)"),
        (&["status"], "any site for component:web"),
    ] {
        assert!(place.good(shown).out.contains(label), "{shown:?} does not say {label}");
    }

    place.fails(&["chat"], 5, &["in use by", &format!("process {process}"), "--data"]);
    let called = place.json(&[
        "component",
        "call",
        "workspace",
        "workspace_write",
        "{\"path\":\"b\",\"content\":\"2\"}",
    ]);
    assert_eq!(called["is_error"], false, "{called:#}");
    assert!(called["cost"]["peak_memory"].as_u64().unwrap() > 0, "{called:#}");
    assert!(chat.say("!workspace_read {\"path\":\"b\"}").contains('2'));
    assert_eq!(chat.end(), Some(0));
    assert!(!socket.exists());
    assert_eq!(place.json(&["status"])["process"], Value::Null);
}

#[test]
fn what_an_editor_started_is_named_where_it_is_in_the_way() {
    let place = Place::new();
    place.configure("mcp: { enabled: false }\nhealth: { enabled: false }\n");
    let mut editor = place.command(&["mcp"]).stdin(Stdio::piped()).spawn().unwrap();
    let said = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    editor.stdin.as_mut().unwrap().write_all(said.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(editor.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
    assert!(answer.contains("jsonrpc"), "{answer}");

    let process = format!("process {}", editor.id());
    for command in ["start", "chat"] {
        let said = ["'openpact mcp'", &process, "which an editor started: close it there", "--data"];
        place.fails(&[command], 5, &said);
    }
    let status = place.good(&["status"]).out;
    assert!(status.contains("(openpact mcp, which an editor started"), "{status}");
    assert!(!status.contains("not running"), "{status}");
    // What the configuration switches off is shown with its key.
    assert!(
        status.contains("'mcp.enabled' is false") && status.contains("'health.enabled' is false"),
        "{status}"
    );
    drop(editor.stdin.take());
    assert_eq!(editor.wait().unwrap().code(), Some(0));
}

#[test]
fn a_line_that_is_no_text_is_told_and_the_next_is_answered() {
    let place = Place::new();
    let mut child = place.command(&["chat"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\xff\n!workspace_list {}\n").unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    ended.failed(1, &["error: a line is no text (UTF-8)", "one message was not answered"]);
    assert!(!ended.out.is_empty(), "{ended:?}");
}

#[test]
fn a_component_that_is_not_there_is_doubted_and_stops_nothing() {
    let place = Place::new();
    place.configure("components: { telegrm: {} }\n");
    let doubt = "no component 'telegrm' is installed; did you mean 'telegram'?";
    assert!(place.good(&["config", "check"]).err.contains(doubt));
    assert!(place.good(&["status"]).out.contains(doubt));
}

#[test]
fn a_process_that_was_killed_is_in_nobodys_way() {
    let place = Place::new();
    let mut chat = Chat::start(&place);
    assert!(!chat.say("!workspace_list {}").is_empty());
    chat.child.kill().unwrap();
    chat.child.wait().unwrap();
    assert!(place.data().join("secure/control.sock").exists(), "a killed process leaves its socket");
    assert_eq!(place.feed(&["chat"], "!workspace_list {}\n").code, Some(0));
    assert!(place.good(&["audit", "verify"]).out.contains("intact"));
}

#[test]
fn a_signal_ends_chat_in_good_order() {
    let place = Place::new();
    let mut chat = Chat::start(&place);
    assert!(!chat.say("!workspace_list {}").is_empty());
    let pid = rustix::process::Pid::from_raw(i32::try_from(chat.child.id()).unwrap()).unwrap();
    // Waiting would close it, and the end of the input ends the program too.
    let _input = chat.child.stdin.take();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(chat.child.wait().unwrap().code(), Some(130));
    assert!(!place.data().join("secure/control.sock").exists());
}

#[test]
fn status_says_how_every_part_is() {
    let place = Place::new();
    let status = place.json(&["status"]);
    let parts: Vec<_> =
        status["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    for part in ["store", "secrets", "engine", "network", "sandbox", "tools"] {
        assert!(parts.contains(&part), "{part} is missing in {status:#}");
    }
    let is_adapter = |part: &Value| ["discord", "slack", "telegram"].map(Value::from).contains(&part["name"]);
    let state = |part: &Value| if is_adapter(part) { "off" } else { "ready" };
    assert!(list(&status, "parts").iter().all(|part| part["state"] == state(part)), "{status:#}");
    let text = place.good(&["status"]).out;
    for expected in [
        "not running; start it with: openpact start",
        "direct",
        "workspace",
        "embedded",
        "openpact secret set OPENAI_API_KEY",
    ] {
        assert!(text.contains(expected), "'{expected}' is missing in {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours outside of a terminal: {text}");
}

#[test]
fn a_component_that_is_switched_off_says_so_and_does_not_run() {
    let place = Place::new();
    place.configure("components:\n  workspace:\n    enabled: false\n");
    let components = place.json(&["component", "list"]);
    let workspace = list(&components, "components").iter().find(|one| one["name"] == "workspace").unwrap();
    assert_eq!(workspace["state"], "off", "{components:#}");
    place.fails(
        &["component", "call", "workspace", "workspace_list"],
        1,
        &["does not run", "enabled: false"],
    );
    place.fails(&["component", "call", "memory", "memory_reed"], 1, &["has no tool", "memory_read"]);
    place.fails(
        &["component", "call", "nothing", "x"],
        1,
        &["there is no component 'nothing'", "discord, memory, slack, telegram, web, workspace"],
    );
}

#[test]
fn a_folder_that_may_not_be_given_stops_that_component_alone() {
    let place = Place::new();
    place.configure("components:\n  workspace:\n    mounts:\n      workspace:\n        path: /\n");
    let components = place.json(&["component", "list"]);
    let find =
        |name: &str| list(&components, "components").iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!(find("workspace")["state"], "failed");
    assert!(find("workspace")["why"].as_str().unwrap().contains("'secure'"), "{components:#}");
    assert_eq!(find("memory")["state"], "ready");
}

#[test]
fn a_wrong_configuration_is_refused_with_the_place_and_what_was_meant() {
    let place = Place::new();
    place.configure("engine:\n  modle: x\n");
    let expected =
        ["config.yaml, line 2, column 3", "unknown key 'modle' in 'engine'", "did you mean 'model'?"];
    for command in [&["config", "check"][..], &["status"], &["chat"]] {
        place.fails(command, 3, &expected);
    }
    place.fails(&["--config", "nowhere.yaml", "config", "check"], 3, &["nowhere.yaml", "cannot be read"]);
    fs::write(place.file("private.yaml"), "engine:\n  model: x\n  base_url: http://127.0.0.1:1/v1\n")
        .unwrap();
    place.fails(&["--config", "private.yaml", "config", "check"], 3, &["private: [\"127.0.0.1/32\"]"]);
    let variable = place.command(&["status"]).env("OPENPACT_ENGINE__TYP", "direct").output().unwrap();
    Ended::of(&variable).failed(3, &["OPENPACT_ENGINE__TYP", "did you mean 'type'?"]);
    place.configure("log:\n  level: error\n");
    assert!(place.good(&["config", "check"]).out.contains("is good"));
}

#[test]
fn the_example_and_the_schema_are_printed_without_a_data_directory() {
    let place = Place::new();
    let example = place.good(&["config", "example"]).out;
    assert_eq!(example, fs::read_to_string(repository().join("config/openpact.example.yaml")).unwrap());
    let schema: Value = serde_json::from_str(&place.good(&["config", "schema"]).out).unwrap();
    assert!(schema["properties"]["engine"]["properties"]["model"].is_object());
    assert!(place.good(&["version"]).out.starts_with("openpact "));
    assert!(!place.data().exists(), "nothing was made on the way");
}

#[test]
fn a_data_directory_that_cannot_be_used_is_explained() {
    let place = Place::new();
    fs::write(place.data(), "a file").unwrap();
    for command in [&["status"][..], &["chat"], &["secret", "list"]] {
        place.fails(command, 1, &["is not a directory", "--data"]);
    }
    // Root reads and writes everywhere, so the permissions of this one say nothing to it.
    if fs::metadata(place.0.path()).unwrap().uid() != 0 {
        let locked = place.file("locked");
        fs::create_dir(&locked).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        place.fails(&["--data", "locked/data", "status"], 1, &["check its owner and permissions"]);
    }
}

#[test]
fn a_note_goes_to_the_day_that_it_is_where_the_program_runs() {
    let place = Place::new();
    // 25 hours apart, so never on the same day.
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let mut chat = place.command(&["chat"]).env("TZ", zone).stdin(Stdio::piped()).spawn().unwrap();
        chat.stdin.take().unwrap().write_all(b"!memory_daily {\"text\":\"tea\"}\n").unwrap();
        let ended = Ended::of(&chat.wait_with_output().unwrap());
        assert!(ended.out.starts_with("Noted in "), "{zone}: {ended:?}");
    }
    let days = files(&place.data().join("ai-data/memory"));
    assert_eq!(days.len(), 2, "each zone has its own day: {days:?}");
}

#[test]
fn a_lost_master_key_costs_the_secrets_and_nothing_else() {
    let place = Place::new();
    let set = || place.feed(&["secret", "set", "MODEL_KEY"], "sk-proj-0123456789abcdefghij\n");
    assert_eq!(set().code, Some(0));
    place.fails(&["secret", "start-over"], 4, &["the master key is there"]);
    fs::remove_file(place.data().join("secure/keys/master.key")).unwrap();
    set().failed(1, &["master.key is missing", "openpact secret start-over"]);
    assert!(
        place.good(&["secret", "start-over"]).out.contains("MODEL_KEY"),
        "what has to be entered again is named"
    );
    assert_eq!(set().code, Some(0));
    let shown = place.json(&["audit", "show"]);
    let kinds: Vec<_> =
        shown["entries"].as_array().unwrap().iter().map(|entry| &entry["event"]["kind"]).collect();
    assert!(kinds.iter().any(|kind| *kind == "secret.key.replace"), "{kinds:?}");
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "secret.set").count(),
        2,
        "the log of before is still there"
    );
}

#[test]
fn a_secret_is_stored_and_never_seen_again() {
    let place = Place::new();
    let value = "sk-proj-0123456789abcdefghij";
    let set = place.feed(&["secret", "set", "MODEL_KEY", "--for", "component:web"], &format!("{value}\n"));
    assert_eq!(set.code, Some(0), "{set:?}");
    let mut seen = vec![set.out, set.err];
    for command in [
        &["secret", "list"][..],
        &["secret", "list", "--json"],
        &["audit", "show"],
        &["audit", "show", "--json"],
        &["--log-level", "trace", "status"],
    ] {
        let ended = place.good(command);
        seen.extend([ended.out, ended.err]);
    }
    assert!(seen.iter().any(|text| text.contains("MODEL_KEY")), "{seen:?}");
    assert!(seen.iter().all(|text| !text.contains(value)), "{seen:?}");
    for file in files(&place.data()) {
        assert!(
            !contains(&fs::read(&file).unwrap(), value.as_bytes()),
            "{} holds the secret",
            file.display()
        );
    }
    let listed = place.json(&["secret", "list"]);
    assert_eq!(listed["secrets"][0]["principals"][0], "component:web", "{listed:#}");

    fs::write(place.file("key"), format!("{value}2\n")).unwrap();
    assert!(place.good(&["secret", "set", "MODEL_KEY", "--file", "key"]).out.contains("replaced"));
    place.fails(&["secret", "set", "MODEL_KEY"], 2, &["the value is empty"]);
    place.fails(&["secret", "set", "lower"], 2, &["lower"]);
    place.fails(&["secret", "set", "A", "--file", "nowhere"], 1, &["nowhere cannot be read"]);
    place.feed(&["secret", "set", "LONG"], &"x".repeat(64 * 1024 + 1)).failed(1, &["65536"]);
    assert!(place.good(&["secret", "remove", "MODEL_KEY"]).out.contains("removed"));
    place.fails(&["secret", "remove", "MODEL_KEY"], 1, &["there is no secret 'MODEL_KEY'"]);
}

#[test]
fn the_key_file_of_the_engine_is_kept_as_a_secret_while_it_is_named() {
    let place = Place::new();
    let value = "sk-file-0123456789abcdefghij";
    fs::write(place.file("key"), format!("{value}\n")).unwrap();
    let engine = "engine:\n  model: x\n  base_url: https://models.example.com/v1\n";
    place.configure(&format!("{engine}  key_file: {}\n", place.file("key").display()));
    let listed = place.json(&["secret", "list"]);
    assert_eq!(listed["secrets"][0]["name"], "ENGINE_KEY_FILE", "{listed:#}");
    assert_eq!(listed["secrets"][0]["configured"][0], "engine:builtin", "{listed:#}");
    let grants = place.json(&["grant", "list", "engine:builtin"]);
    let rules: Vec<_> = list(&grants, "grants").iter().map(|grant| grant["rule"].as_str().unwrap()).collect();
    assert!(
        rules[0].starts_with("POST https://models.example.com/v1/chat/completions credential=model-key "),
        "{rules:?}"
    );
    assert!(
        rules[1].starts_with("GET https://models.example.com/v1/models credential=model-key "),
        "{rules:?}"
    );
    assert_eq!(rules.len(), 2, "{rules:?}");
    place.configure(engine);
    assert!(list(&place.json(&["secret", "list"]), "secrets").is_empty());
    place.configure(&format!("{engine}  key_file: /nowhere\n"));
    place.fails(&["secret", "list"], 3, &["'engine.key_file'", "/nowhere cannot be read"]);
}

#[test]
fn grants_are_added_listed_and_removed() {
    let place = Place::new();
    let rule = "GET https://api.example.com/v1/**";
    assert!(place.good(&["grant", "add", "component:memory", rule]).out.contains("grant 1"));
    let listed = place.json(&["grant", "list", "component:memory"]);
    assert_eq!(
        (&listed["grants"][0]["rule"], &listed["grants"][0]["origin"]),
        (&rule.into(), &"admin".into()),
        "{listed:#}"
    );
    place.fails(&["grant", "add", "component:memory", "GET ftp://x"], 2, &["column"]);
    place.fails(
        &["grant", "add", "component:memory", "GET https://x.example/ credential=token"],
        2,
        &["credential 'token'"],
    );
    place.fails(&["grant", "add", "component:nothing", rule], 1, &["there is no component 'nothing'"]);
    place.fails(&["grant", "add", "engine:builtin", rule], 2, &["the configuration"]);
    place.configure("components:\n  memory:\n    grants: []\n");
    place.fails(&["grant", "add", "component:memory", rule], 4, &["components.memory.grants"]);
    assert!(list(&place.json(&["grant", "list", "component:memory"]), "grants").is_empty());
    place.configure("");
    assert!(place.good(&["grant", "remove", "1"]).out.contains("may no longer"));
    place.fails(&["grant", "remove", "1"], 1, &["there is no grant 1"]);
    let audit = place.json(&["audit", "show", "--kind", "grant."]);
    let kinds: Vec<_> =
        list(&audit, "entries").iter().map(|entry| entry["event"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["grant.add", "grant.remove"], "{audit:#}");
}

#[test]
fn a_changed_audit_log_is_noticed() {
    let place = Place::new();
    for name in ["ONE", "TWO", "THREE"] {
        assert_eq!(place.feed(&["secret", "set", name], "0123456789abcdef0123").code, Some(0));
    }
    let chain = place.json(&["audit", "verify"]);
    assert!(chain["entries"].as_u64().unwrap() >= 3 && chain["broken"].is_null(), "{chain:#}");
    let database = rusqlite::Connection::open(place.data().join("secure/openpact.db")).unwrap();
    let changed = database.execute("UPDATE audit SET subject = 'FOUR' WHERE subject = 'TWO'", []).unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let verify = place.run(&["audit", "verify"]);
    assert_eq!(verify.code, Some(4), "{verify:?}");
    assert!(verify.out.contains("BROKEN"), "{verify:?}");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The list under that key.
#[track_caller]
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list '{key}' in {value:#}"))
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
