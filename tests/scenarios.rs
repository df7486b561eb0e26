//! Scenarios: each folder of `tests/scenarios` is one test through the real program and the real components.
//!
//! A folder holds `scenario.toml` (what it shows, secrets, what is told on standard error, expected files and audit records), `chat.txt` (what is
//! typed), `expected.txt` (what is printed, to the letter), and if a model takes part `config.yaml` (with `${MODEL}` for
//! its address) and `model.toml` (its script). Where `scenario.toml` has a `site`, its pages are served on this machine, and
//! `${SITE}` in all of these files stands for its address. Whatever a scenario shows, no secret of it may be anywhere but in the
//! header that carries it to the model.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use openpact_scripted_model::{Script, Server};
use serde::Deserialize;
use serde_json::Value;

/// `scenario.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// What it shows, in a sentence.
    about: String,
    /// Texts that standard error must hold: what the person is told besides the answers.
    #[serde(default)]
    told: Vec<String>,
    /// What the conversation ends with: 1 where an answer failed.
    #[serde(default)]
    code: i32,
    /// Secrets to set before the conversation.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// Files that must be there afterwards, by their path in the data directory.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// A site of the web: its pages by their path, as HTML.
    #[serde(default)]
    site: BTreeMap<String, String>,
    /// The paths that were asked of the site, all of them, in order.
    #[serde(default)]
    visits: Vec<String>,
    /// Audit records that must be there afterwards, in this order, perhaps with others between them.
    #[serde(default)]
    audit: Vec<Value>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let mut folders: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").path())
        .collect();
    folders.sort();
    let trials = folders.into_iter().map(|folder| {
        let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        Trial::test(name, move || run(&folder).map_err(|error| Failed::from(format!("{error:#}"))))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(folder: &Path) -> Result<()> {
    let site = Site::start()?;
    let file = |name: &str| anyhow::Ok(read(&folder.join(name))?.replace("${SITE}", &site.address));
    let scenario: Scenario = toml::from_str(&file("scenario.toml")?)?;
    site.serve(scenario.site.clone());
    ensure!(!scenario.about.is_empty(), "a scenario says what it shows");
    let model = match folder.join("model.toml") {
        script if script.exists() => Some(Server::start(Script::from_toml(&file("model.toml")?)?)?),
        _ => None,
    };
    let world = World::new(folder, model.as_ref(), &site)?;
    for (name, value) in &scenario.secrets {
        world.succeed(&["secret", "set", name], value)?;
    }
    let talk = world.run(&["chat"], &file("chat.txt")?)?;
    let shown = String::from_utf8(talk.stdout.clone())?;
    let expected = file("expected.txt")?;
    let told = String::from_utf8_lossy(&talk.stderr);
    ensure!(shown == expected, "printed:\n{shown}\nexpected:\n{expected}\ntold:\n{told}");
    ensure!(talk.status.code() == Some(scenario.code), "chat ended with {}:\n{told}", talk.status);
    for wanted in &scenario.told {
        ensure!(told.contains(wanted), "the person was not told '{wanted}', but:\n{told}");
    }
    for (path, content) in &scenario.files {
        ensure!(read(&world.data().join(path))? == *content, "{path} holds something else");
    }
    if let Some(model) = &model {
        ensure!(model.mismatches().is_empty(), "the model was asked otherwise: {:#?}", model.mismatches());
        ensure!(model.left() == 0, "{} exchanges of the script were not asked for", model.left());
    }
    ensure!(site.visits() == scenario.visits, "the site was asked for {:?}", site.visits());
    world.succeed(&["audit", "verify"], "")?;
    check_audit(&world, &scenario.audit)?;
    for (name, value) in &scenario.secrets {
        check_secret(&world, name, value, &talk, model.as_ref())?;
    }
    Ok(())
}

/// A data directory of its own and the program on it.
struct World {
    folder: tempfile::TempDir,
    config: Option<PathBuf>,
    model: String,
    site: String,
}

impl World {
    fn new(scenario: &Path, model: Option<&Server>, site: &Site) -> Result<Self> {
        let config = scenario.join("config.yaml");
        Ok(Self {
            folder: tempfile::tempdir()?,
            config: config.exists().then_some(config),
            model: model.map(Server::base_url).unwrap_or_default(),
            site: site.address.clone(),
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs the program with nothing of our own environment in it.
    #[expect(clippy::disallowed_methods, reason = "the program under test is a process")]
    fn run(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("MODEL", &self.model).env("SITE", &self.site).env("TZ", "UTC");
        command.current_dir(self.folder.path());
        command.arg("--data").arg(self.data()).args(arguments);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("standard input is a pipe")?.write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    fn succeed(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let output = self.run(arguments, input)?;
        if !output.status.success() {
            bail!("{arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output)
    }
}

/// A site on this machine: answers one request for each connection, counts them, and ends with its handle.
struct Site {
    address: String,
    listener: Arc<TcpListener>,
    visits: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
}

impl Site {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("http://{}", listener.local_addr()?);
        Ok(Self { address, listener: Arc::new(listener), visits: Arc::default(), is_over: Arc::default() })
    }

    fn serve(&self, pages: BTreeMap<String, String>) {
        let (listener, visits, is_over) =
            (Arc::clone(&self.listener), Arc::clone(&self.visits), Arc::clone(&self.is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned));
                let path = path.unwrap_or_else(|| "nothing".to_owned());
                lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
                let page = pages.get(&path);
                visits.lock().expect("no holder panics").push(path);
                let (status, body) = page.map_or(("404 Not Found", ""), |page| ("200 OK", page.as_str()));
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                // Whoever asked may be gone.
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
    }

    fn visits(&self) -> Vec<String> {
        self.visits.lock().expect("no holder panics").clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the thread, so that it sees that.
        let _ = self.listener.local_addr().map(TcpStream::connect);
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// Each expected record must be found behind the one before it; a record fits if it has all that is stated.
fn check_audit(world: &World, expected: &[Value]) -> Result<()> {
    let shown = world.succeed(&["audit", "show", "--limit", "1000", "--json"], "")?;
    let shown: Value = serde_json::from_slice(&shown.stdout)?;
    let entries = shown["entries"].as_array().context("audit show --json gives entries")?;
    let mut entries = entries.iter();
    for wanted in expected {
        ensure!(
            entries.any(|entry| fits(entry, wanted)),
            "no audit record {wanted} in its place in {shown:#}"
        );
    }
    Ok(())
}

/// Whether `value` has everything that `wanted` has.
fn fits(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().all(|(key, wanted)| fits(&value[key], wanted)),
        wanted => value == wanted,
    }
}

/// The secret reached the model in its header, and is in nothing that was printed, logged, stored or sent besides.
fn check_secret(world: &World, name: &str, value: &str, talk: &Output, model: Option<&Server>) -> Result<()> {
    let holds = |bytes: &[u8]| bytes.windows(value.len()).any(|window| window == value.as_bytes());
    ensure!(!holds(&talk.stdout) && !holds(&talk.stderr), "{name} was printed");
    for file in files(&world.data())? {
        ensure!(!holds(&fs::read(&file)?), "{name} is in {}", file.display());
    }
    for request in model.map(Server::requests).unwrap_or_default() {
        ensure!(
            request.header("authorization").is_some_and(|header| header.ends_with(value)),
            "{name} was not sent"
        );
        ensure!(!holds(request.json().to_string().as_bytes()), "{name} is in a prompt");
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
