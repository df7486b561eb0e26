//! Secrets that are minted, their key, and the admin's view of the network, through the real binary: the engine's key is
//! an access token of an OAuth server, and the model is asked with it.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use openpact_scripted_model::{Exchange, Script, Server};
use serde_json::Value;

struct Place(tempfile::TempDir);

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
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
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn feed(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ended = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let ended = self.feed(arguments, "");
        assert_eq!(ended.code, Some(0), "{arguments:?}: {} {}", ended.out, ended.err);
        ended.out
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[arguments, &["--json"]].concat())).unwrap()
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], input: &str, code: i32, expected: &str) {
        let ended = self.feed(arguments, input);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {} {}", ended.out, ended.err);
        assert!(ended.err.contains(expected), "'{expected}' is missing in {}", ended.err);
    }

    fn configure(&self, text: &str) {
        fs::create_dir_all(self.data().join("secure")).unwrap();
        fs::write(self.data().join("secure/config.yaml"), text).unwrap();
    }

    /// Every byte of every file of the data directory.
    fn bytes(&self) -> Vec<u8> {
        let mut folders = vec![self.data()];
        let mut bytes = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    bytes.extend(fs::read(entry.path()).unwrap());
                }
            }
        }
        bytes
    }
}

/// `chat` that goes on until it is dropped.
struct Chat {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Chat {
    fn start(place: &Place) -> Self {
        let mut child = place.command(&["chat"]).stderr(Stdio::inherit()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut chat = Self { child, answers };
        assert!(!chat.say("!workspace_list {}").is_empty());
        chat
    }

    fn say(&mut self, text: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token endpoint whose refresh tokens work once. Its thread ends with the test.
struct Tokens {
    port: u16,
    used: Arc<Mutex<Vec<String>>>,
}

impl Tokens {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let used: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&used);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &log);
            }
        });
        Self { port, used }
    }

    fn definition(&self, refresh: &str) -> String {
        serde_json::json!({ "token_url": format!("http://127.0.0.1:{}/token", self.port), "client_id": "c",
            "client_secret": "client-secret-of-the-test", "refresh_token": refresh, "private": ["127.0.0.1/32"] })
        .to_string()
    }

    fn used(&self) -> Vec<String> {
        self.used.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let refresh =
        body.split('&').find_map(|pair| pair.strip_prefix("refresh_token=")).unwrap_or_default().to_owned();
    let mut log = log.lock().unwrap();
    let expected = format!("refresh-token-number-{}", log.len());
    log.push(refresh.clone());
    let number = log.len();
    let (status, body) = if refresh == expected {
        let body = format!(
            r#"{{"access_token":"access-token-number-{number}","token_type":"bearer","expires_in":3600,"refresh_token":"refresh-token-number-{number}"}}"#
        );
        ("200 OK", body)
    } else {
        ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_owned())
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn model(place: &Place, key: &str) -> Server {
    let exchanges = (0..3).map(|_| Exchange::text("It is done."));
    let server = Server::start(Script::new(key, exchanges)).unwrap();
    place.configure(&format!(
        "engine:\n  base_url: {}\n  model: m\n  key: MODEL\n  private: [127.0.0.1/32]\n",
        server.base_url()
    ));
    server
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

#[test]
fn the_engines_key_is_minted_kept_over_a_restart_and_a_new_master_key_and_never_shown() {
    let (place, tokens) = (Place::new(), Tokens::start());
    let model = model(&place, "access-token-number-1");
    fs::write(place.0.path().join("oauth.json"), tokens.definition("refresh-token-number-0")).unwrap();
    let set = place.good(&["secret", "set", "MODEL", "--host", "127.0.0.1", "--oauth", "oauth.json"]);
    assert!(set.contains("stored"), "{set}");
    let said = place.feed(&["chat"], "hello\n");
    assert!(said.out.contains("It is done."), "{} {}", said.out, said.err);
    let rotated = place.good(&["secret", "rotate-key"]);
    assert!(rotated.contains("1 secrets") && rotated.contains("master.key.replaced"), "{rotated}");
    let said = place.feed(&["chat"], "hello\n");
    assert!(said.out.contains("It is done."), "{} {}", said.out, said.err);
    assert_eq!(tokens.used(), ["refresh-token-number-0"], "one token for two processes");
    assert_eq!(model.requests().len(), 2);

    let listed = place.json(&["secret", "list"]);
    let secret = &list(&listed, "secrets")[0];
    assert_eq!(
        (&secret["hosts"][0], &secret["minting"]["from"]),
        (&"127.0.0.1".into(), &"oauth-refresh".into())
    );
    assert!(secret["last_used"].is_string() && secret["minting"]["problem"].is_null(), "{secret:#}");
    let shown = place.good(&["secret", "list"]);
    assert!(shown.contains("oauth-refresh") && shown.contains("minted at http://127.0.0.1"), "{shown}");
    let grants = place.json(&["grant", "list", "runtime"]).to_string();
    assert!(grants.contains("/token private=127.0.0.1/32"), "{grants}");
    assert_eq!(place.json(&["audit", "verify"])["sealed"], true);
    let kinds = place.json(&["audit", "show", "--kind", "secret.", "--limit", "9"]).to_string();
    for kind in ["secret.set", "secret.mint", "secret.key.rotate"] {
        assert!(kinds.contains(kind), "{kind} in {kinds}");
    }

    let log = place.json(&["egress", "log", "--principal", "runtime"]);
    let request = &list(&log, "requests")[0];
    assert_eq!((&request["method"], &request["status"]), (&"POST".into(), &200.into()), "{request:#}");
    let everything = [listed.to_string(), shown, kinds, log.to_string(), said.out, said.err].concat();
    let bytes = place.bytes();
    for part in ["access-token-number", "refresh-token-number", "client-secret-of"] {
        assert!(!everything.contains(part), "{part}");
        assert!(!bytes.windows(part.len()).any(|window| window == part.as_bytes()), "{part} is on disk");
    }
}

#[test]
fn a_token_that_cannot_be_had_is_told_in_the_list_and_the_status_with_what_to_do() {
    let (place, tokens) = (Place::new(), Tokens::start());
    let model = model(&place, "never");
    let set = ["secret", "set", "MODEL", "--oauth", "-"];
    assert_eq!(place.feed(&set, &tokens.definition("refresh-token-of-another")).code, Some(0));
    drop(place.feed(&["chat"], "hello\n"));
    assert_eq!(model.requests().len(), 0);
    for command in [["secret", "list"].as_slice(), &["status"]] {
        let shown = place.good(command);
        assert!(shown.contains("takes the refresh token no more: invalid_grant"), "{shown}");
        assert!(shown.contains("openpact secret set MODEL --oauth FILE"), "{shown}");
        assert!(!shown.contains("refresh-token-of-another"), "{shown}");
    }
}

#[test]
fn a_definition_that_is_wrong_is_refused_with_what_is_wrong() {
    let place = Place::new();
    let oauth = ["secret", "set", "A", "--oauth", "-"];
    place.fails(&oauth, "nonsense", 2, "is not JSON");
    place.fails(&oauth, "{}", 2, "missing field `token_url`");
    let text = r#"{"token_url":"https://a.example/t","client_id":"c"}"#;
    place.fails(&oauth, text, 2, "neither a \"refresh_token\"");
    let text = r#"{"token_url":"http://a.example/t","client_id":"c","client_secret":"s"}"#;
    place.fails(&oauth, text, 2, "is not https");
    let text = r#"{"token_url":"https://a.example/t","client_id":"c","clientsecret":"s"}"#;
    place.fails(&oauth, text, 2, "unknown field `clientsecret`");
    let text = r#"{"app_id":1,"installation_id":2,"private_key":"x"}"#;
    place.fails(&["secret", "set", "A", "--github-app", "-"], text, 2, "not an RSA private key");
    place.fails(
        &["secret", "set", "A", "--host", "https://a.example", "--file", "x"],
        "",
        2,
        "is not a host",
    );
    assert!(list(&place.json(&["secret", "list"]), "secrets").is_empty());
    assert!(place.good(&["secret", "set", "--help"]).contains("private_key_file"));
}

#[test]
fn a_denied_request_brings_the_command_that_allows_it() {
    let place = Place::new();
    let test = ["egress", "test", "http://127.0.0.1:9/a/b?key=1", "--as", "component:memory"];
    let found = place.json(&test);
    let fix = found["fix"].as_str().unwrap();
    assert_eq!(fix, "openpact grant add component:memory 'GET http://127.0.0.1:9/a/b private=127.0.0.1/32'");
    assert_eq!(found["addresses"][0]["refused"], "loopback");
    // Without the range the address is still in the way, and the rule that is proposed says so.
    let add = |rule: &str| place.good(&["grant", "add", "component:memory", rule]);
    add("GET http://127.0.0.1:9/a/b");
    let found = place.json(&test);
    assert_eq!(found["fix"].as_str().unwrap(), fix);
    place.good(&["grant", "remove", "1"]);
    add(fix.split('\'').nth(1).unwrap());
    let found = place.json(&test);
    assert_eq!((&found["denied"], &found["fix"]), (&Value::Null, &Value::Null), "{found:#}");
    let shown = place.good(&test);
    assert!(shown.contains("would be allowed") && shown.contains("nothing was sent"), "{shown}");
    place.fails(&["egress", "test", "ftp://a.example", "--as", "component:memory"], "", 2, "scheme");
    place.fails(
        &["egress", "test", "http://a.example", "--as", "component:none"],
        "",
        1,
        "there is no component",
    );
    place.configure("components:\n  memory:\n    grants: []\n");
    let found = place.json(&test);
    assert!(
        found["fix"].as_str().unwrap().contains("'components.memory.grants' in the configuration"),
        "{found:#}"
    );
    assert!(list(&place.json(&["egress", "log"]), "requests").is_empty(), "nothing was sent");
    assert_eq!(place.good(&["egress", "log"]), "no requests\n");
}

#[test]
fn count_mode_is_an_admins_for_a_while_told_everywhere_and_recorded() {
    let place = Place::new();
    let on = ["component", "test", "memory", "--for", "5min"];
    place.fails(&on, "", 1, "none runs");
    let chat = Chat::start(&place);
    place.fails(&["component", "test", "memory", "--for", "25h"], "", 2, "one day");
    place.fails(&["component", "test", "none"], "", 1, "there is no component");
    let said = place.good(&on);
    assert!(said.contains("count mode is on for 'memory' until") && said.contains("--would-deny"), "{said}");
    for command in [["status"].as_slice(), &["component", "list"]] {
        assert!(place.good(command).contains("count mode"), "{command:?}");
    }
    let test = ["egress", "test", "https://198.51.100.1/x", "--as", "component:memory"];
    assert_eq!(place.json(&test)["counting"], true);
    let said = place.good(&["component", "test", "memory", "--off"]);
    assert!(said.contains("is off"), "{said}");
    assert!(!place.good(&["status"]).contains("count mode"));
    assert_eq!(place.json(&test)["counting"], false);
    place.good(&on);
    drop(chat);
    // A new process knows nothing of it.
    let _chat = Chat::start(&place);
    assert!(!place.good(&["status"]).contains("count mode"));
    let audit = place.json(&["audit", "show", "--kind", "egress.count"]);
    let kinds: Vec<_> =
        list(&audit, "entries").iter().map(|entry| entry["event"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["egress.count.start", "egress.count.stop", "egress.count.start"], "{audit:#}");
}
