//! A data directory of its own, a publisher with keys, packages made for the occasion, and a server to be reached.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use openpact_model::tool::{Effects, Reads, ToolSpec, Writes};
use openpact_packages::key::SecretKey;
use openpact_packages::{pack, sign};
use openpact_test_guests as guests;
use serde_json::{Value, json};

/// What `mail` asks for where nobody is to be reached.
pub(crate) const ASKS: &str = "GET https://mail.example/send";

pub(crate) struct Place(tempfile::TempDir);

/// The data directory that others are copies of.
static TEMPLATE: OnceLock<Place> = OnceLock::new();

/// Copies a folder with the rights of everything in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// A fresh data directory: a copy of one in which the shipped components were compiled once.
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let template = TEMPLATE.get_or_init(|| {
            let template = Self(tempfile::tempdir().unwrap());
            template.good(&["component", "list"]);
            template
        });
        copy(&template.data(), &place.data());
        place
    }

    /// A fresh data directory in which the publisher `acme` is pinned for `mail`.
    pub(crate) fn with(publisher: &Publisher) -> Self {
        let place = Self::new();
        place.pin(publisher);
        place
    }

    /// A place where `mail` 1.0.0 of that publisher runs.
    pub(crate) fn with_mail(publisher: &Publisher) -> Self {
        let place = Self::with(publisher);
        let file = place.package("good.wasm", &publisher.mail("1.0.0", &requests(ASKS)));
        place.good(&["component", "install", &file, "--approve"]);
        place
    }

    /// A package that is refused with these words, which is on record and leaves `mail` as it was.
    #[track_caller]
    pub(crate) fn refuses(&self, package: &(Vec<u8>, String), expected: &[&str]) {
        let before = (self.component("mail").unwrap(), self.audited("component.install", "denied"));
        let file = self.package("bad.wasm", package);
        self.fails(&["component", "install", &file, "--approve"], 4, expected);
        assert_eq!(self.component("mail").unwrap(), before.0, "nothing changed");
        assert_eq!(self.audited("component.install", "denied"), before.1 + 1, "and it is on record");
    }

    pub(crate) fn pin(&self, publisher: &Publisher) {
        let key = publisher.key.public().unwrap().to_string();
        self.good(&["publisher", "add", publisher.name, &key, "--prefix", "mail"]);
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::create_dir_all(self.data().join("secure")).unwrap();
        fs::write(self.data().join("secure/config.yaml"), text).unwrap();
    }

    /// Writes a package with its signature; gives its path.
    pub(crate) fn package(&self, name: &str, (bytes, signature): &(Vec<u8>, String)) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::write(self.path(&format!("{name}.minisig")), signature).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).current_dir(self.0.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.out
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let out = self.good(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], code: i32, expected: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        for part in expected {
            assert!(ended.err.contains(part) || ended.out.contains(part), "'{part}' is missing: {ended:?}");
        }
    }

    /// One entry of `component list`.
    #[track_caller]
    pub(crate) fn component(&self, name: &str) -> Option<Value> {
        let all = self.json(&["component", "list"]);
        all["components"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned()
    }

    /// The audit records of that kind, oldest first.
    #[track_caller]
    pub(crate) fn records(&self, kind: &str) -> Vec<Value> {
        let log = self.json(&["audit", "show", "--kind", kind, "--limit", "1000"]);
        let events = log["entries"].as_array().unwrap().iter().map(|entry| entry["event"].clone());
        // The command gives those too whose kind only begins so.
        events.filter(|event| event["kind"] == kind).collect()
    }

    /// The version that runs, as a call of it shows in the audit log: by its digest.
    #[track_caller]
    pub(crate) fn digest_of_calls(&self) -> Vec<String> {
        let calls = self.records("tool.call.begin");
        calls.iter().map(|event| event["detail"]["digest"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn audited(&self, kind: &str, verdict: &str) -> usize {
        self.records(kind).iter().filter(|event| event["verdict"] == verdict).count()
    }

    /// The program as a service, until it is dropped.
    pub(crate) fn serve(&self) -> Service {
        self.serve_with(&[])
    }

    /// The same with this in its environment.
    pub(crate) fn serve_with(&self, environment: &[(&str, &str)]) -> Service {
        let log = fs::File::create(self.path("service.log")).unwrap();
        let mut command = self.command(&["start"]);
        command.envs(environment.iter().copied());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let service = Service(child);
        for _ in 0..1200 {
            std::thread::sleep(Duration::from_millis(50));
            // The last that it says when it starts, when everything is there.
            if fs::read_to_string(self.path("service.log")).unwrap().contains("openpact is running") {
                return service;
            }
        }
        panic!("the service does not start: {}", fs::read_to_string(self.path("service.log")).unwrap());
    }
}

/// `openpact start`.
pub(crate) struct Service(Child);

impl Service {
    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Somebody who publishes the component `mail`.
pub(crate) struct Publisher {
    pub(crate) name: &'static str,
    pub(crate) key: SecretKey,
}

impl Publisher {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, key: SecretKey::generate().unwrap() }
    }

    /// The component `mail` in that version: the guest `fetch`, with these requests.
    pub(crate) fn mail(&self, version: &str, requests: &str) -> (Vec<u8>, String) {
        self.component("mail", version, requests, guests::FETCH, &["get"])
    }

    pub(crate) fn component(
        &self,
        name: &str,
        version: &str,
        requests: &str,
        guest: &[u8],
        tools: &[&str],
    ) -> (Vec<u8>, String) {
        self.packed(name, version, requests, guest, tools.iter().map(|name| tool(name)).collect())
    }

    /// The component `mail` with its tool changed.
    pub(crate) fn with(
        &self,
        version: &str,
        requests: &str,
        change: impl FnOnce(&mut ToolSpec),
    ) -> (Vec<u8>, String) {
        let mut get = tool("get");
        change(&mut get);
        self.packed("mail", version, requests, guests::FETCH, vec![get])
    }

    /// An adapter.
    pub(crate) fn adapter(&self, name: &str, version: &str, asks: &str, guest: &[u8]) -> (Vec<u8>, String) {
        self.signed(name, version, "adapter", asks, guest, Vec::new())
    }

    pub(crate) fn packed(
        &self,
        name: &str,
        version: &str,
        requests: &str,
        guest: &[u8],
        tools: Vec<ToolSpec>,
    ) -> (Vec<u8>, String) {
        self.signed(name, version, "tool", requests, guest, tools)
    }

    fn signed(
        &self,
        name: &str,
        version: &str,
        kind: &str,
        requests: &str,
        guest: &[u8],
        tools: Vec<ToolSpec>,
    ) -> (Vec<u8>, String) {
        let manifest = format!(
            "name = \"{name}\"\nversion = \"{version}\"\npublisher = \"{}\"\ndescription = \"Sends mail\"\n\
             license = \"MIT\"\nkind = \"{kind}\"\n{requests}\n",
            self.name
        );
        let bytes = pack(guest, &manifest, tools).unwrap();
        let signature = sign(&bytes, &self.key).unwrap();
        (bytes, signature)
    }
}

pub(crate) fn tool(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        title: None,
        description: format!("A tool: {name}."),
        input_schema: json!({ "type": "object" }),
        output_schema: None,
        effects: Effects { reads: Reads::Nothing, writes: Writes::Nothing },
    }
}

/// What the guest needs of its manifest: a site and a credential.
pub(crate) fn requests(rule: &str) -> String {
    let (methods, url) = rule.split_once(' ').unwrap();
    format!(
        "[requests]\nkv = 1024\n[[requests.http]]\nmethods = [\"{methods}\"]\nurl = \"{url}\"\nreason = \"to send mail\"\n\
         [[requests.credentials]]\nname = \"token\"\ndescription = \"a token\"\n\
         placement = \"header Authorization: Bearer {{}}\"\nhosts = [\"mail.example\"]\n\
         [settings]\ntype = \"object\"\nproperties.key = {{ type = \"string\", secret = true }}\n"
    )
}

/// A server on this machine that answers everything, and keeps what it was asked.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

/// An answer of a server.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body.as_bytes()].concat()
}

/// All of a request: to the end of its body, if it says that it has one.
fn hear(stream: &mut TcpStream) -> String {
    let (mut heard, mut buffer) = (String::new(), [0; 4096]);
    while !is_whole(&heard) {
        let read = stream.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            break;
        }
        heard += &String::from_utf8_lossy(&buffer[..read]);
    }
    heard
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match value("content-length:") {
        Some(length) => body.len() >= length.parse().unwrap(),
        None => value("transfer-encoding:").is_none() || body.ends_with("0\r\n\r\n"),
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::answering(|_| answer("200 OK", "", "ok"))
    }

    pub(crate) fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let seen = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let request = hear(&mut stream);
                    let bytes = answer(&request);
                    seen.lock().unwrap().push(request);
                    let _ = stream.write_all(&bytes);
                });
            }
        });
        Self { address, heard }
    }

    /// The requests, whole.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The lines that it was asked with.
    pub(crate) fn asked(&self) -> Vec<String> {
        let heard = self.heard();
        heard.iter().map(|request| request.lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// Arguments for the guest's `get`.
    pub(crate) fn get(&self, path: &str) -> String {
        self.with(path, json!({}))
    }

    /// Arguments for those of its tools that want more.
    pub(crate) fn with(&self, path: &str, mut more: Value) -> String {
        more["scheme"] = "http".into();
        more["authority"] = self.address.to_string().into();
        more["path"] = path.into();
        more.to_string()
    }

    /// A rule for a path of this server.
    pub(crate) fn rule(&self, path: &str) -> String {
        format!("GET http://{}{path} private=127.0.0.1/32", self.address)
    }
}
