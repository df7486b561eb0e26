//! One program that is connected to all platforms.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use openpact_scripted_model::{Script, Server};
use openpact_test_platforms::{Answer, Platform};
use serde_json::{Value, json};

use super::secrecy;
use super::stage::{ANYTHING, ASKED, KEY, WELCOME, code, terminate};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_mins(2);

/// The person who is the owner, by one account on each platform.
pub(crate) const OWNER: u32 = 1;

/// The number of the room where whoever is there is a guest.
pub(crate) const GUESTS: u32 = 9;

/// The program, the platforms, the model.
pub(crate) struct Several {
    platforms: Vec<Box<dyn Platform>>,
    pub(crate) model: Server,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Several {
    /// A program that is connected everywhere. The model follows `exchanges` and says [`ANYTHING`] otherwise; `provider`
    /// is what a test adds to what is said of each platform.
    pub(crate) fn start(mut exchanges: Vec<Value>, provider: &str) -> Self {
        exchanges.push(json!({"times": 0, "say": [{"text": ANYTHING}]}));
        let script = json!({"key": KEY, "order": "any", "exchange": exchanges});
        let model = Server::start(Script::from_json(&script.to_string()).unwrap()).unwrap();
        let platforms = openpact_test_platforms::all();
        let mut stage = Self { platforms, model, folder: tempfile::tempdir().unwrap(), child: None };
        stage.configure(provider);
        let secrets: Vec<_> = stage.platforms.iter().flat_map(|platform| platform.secrets()).collect();
        for (name, value) in secrets.into_iter().chain([("MODEL_KEY", KEY)]) {
            let file = stage.folder.path().join("secret");
            fs::write(&file, value).unwrap();
            stage.good(&["secret", "set", name, "--file", file.to_str().unwrap()]);
            fs::remove_file(file).unwrap();
        }
        stage.launch();
        stage
    }

    fn configure(&self, provider: &str) {
        let each = |line: fn(&dyn Platform) -> String| {
            self.platforms.iter().map(|platform| line(&**platform)).collect::<String>()
        };
        let identities =
            each(|platform| format!("{}: [\"{}\"], ", platform.name(), platform.identity(OWNER)));
        let providers = self.platforms.iter().map(|platform| {
            let (name, room) = (platform.name(), platform.room(GUESTS));
            let pace = "pace: { per_second: 1000, per_channel: 1ms }";
            let channels = format!("channels: {{ \"{room}\": {{ default: guest }} }}");
            format!("    {name}: {{ {pace}, {channels}{provider} }}\n")
        });
        let providers: String = providers.collect();
        let components = each(|platform| platform.component());
        let model = self.model.base_url();
        let text = format!(
            r#"
engine: {{ base_url: "{model}", model: scripted, key: MODEL_KEY, private: ["127.0.0.1/32"] }}
users:
  olivia: {{ role: owner, identities: {{ {identities} }} }}
chat:
  providers:
{providers}
  rate:
    person: {{ burst: 1000, per_minute: 1000 }}
    guest: {{ burst: 1000, per_minute: 1000 }}
    channel: {{ burst: 1000, per_minute: 1000 }}
components:
{components}
health: {{ enabled: false }}
mcp: {{ enabled: false }}
"#
        );
        let secure = self.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), text).unwrap();
    }

    pub(crate) fn platforms(&self) -> impl Iterator<Item = &dyn Platform> {
        self.platforms.iter().map(|platform| &**platform)
    }

    /// Starts the program and waits until it is connected everywhere.
    pub(crate) fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let before: Vec<_> = self.platforms().map(Platform::connections).collect();
        let mut command = self.command(&["start", "--log-level", "debug"]);
        self.child = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        for (platform, before) in self.platforms().zip(before) {
            self.wait(platform, "the connection", || {
                (platform.connections() > before && platform.is_connected()).then_some(())
            });
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8(fs::read(self.log_file()).unwrap()).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).env("TZ", "UTC");
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that succeeds; gives what it printed.
    #[track_caller]
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The audit records of that kind about that actor, oldest first.
    pub(crate) fn audit(&self, kind: &str, actor: &str) -> Vec<Value> {
        let shown =
            self.good(&["audit", "show", "--json", "--limit", "1000", "--kind", kind, "--actor", actor]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let entries = shown["entries"].as_array().expect("audit show --json gives entries");
        entries.iter().map(|entry| entry["event"].clone()).collect()
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, platform: &dyn Platform, what: &str, look: impl FnMut() -> Option<T>) -> T {
        match openpact_test_platforms::wait(LONG, look) {
            Some(found) => found,
            None => panic!(
                "on {}: waited in vain for {what}\n{}\n{}",
                platform.name(),
                platform.summary(),
                self.last_log()
            ),
        }
    }

    fn last_log(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().filter(|line| !line.contains("hyper_util")).collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The next thing that the assistant says in that room after something is done, a welcome and what
    /// tells owners of strangers aside.
    #[track_caller]
    pub(crate) fn answer<T>(&self, platform: &dyn Platform, room: &str, act: impl FnOnce() -> T) -> Answer {
        let before = platform.answers(room).len();
        act();
        self.wait(platform, &format!("an answer in {room}"), || {
            let mut news = platform.answers(room).into_iter().skip(before);
            news.find(|answer| !answer.text.contains(WELCOME) && !answer.text.contains(ASKED))
        })
    }

    /// Lets a person in, as the admin does: they write, are told a code, and the admin types it. Gives the room in which
    /// they talk with the assistant alone.
    #[track_caller]
    pub(crate) fn admit(&self, platform: &dyn Platform, person: u32) -> String {
        let room = platform.direct(person);
        let told = self.answer(platform, &room, || platform.say(&room, person, "May I come in?"));
        self.good(&["user", "accept", &code(&told.text)]);
        room
    }

    /// Waits until the platform was told the commands, where it takes them.
    #[track_caller]
    pub(crate) fn registered(&self, platform: &dyn Platform) {
        self.wait(platform, "the commands", || platform.has_commands().then_some(()));
    }

    /// How many requests to the model end with a message of a person that holds both texts.
    pub(crate) fn asked(&self, text: &str, other: &str) -> usize {
        let said = |messages: &[Value]| {
            messages.iter().rfind(|message| message["role"] == "user").cloned().unwrap_or_default()
        };
        let holds = |request: &openpact_scripted_model::Recorded| {
            let said = said(&request.messages())["content"].as_str().unwrap_or_default().to_owned();
            said.contains(text) && said.contains(other)
        };
        self.model.requests().iter().filter(|request| holds(request)).count()
    }

    /// Ends the program as systemd does.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        terminate(&child);
        let status = child.wait().unwrap();
        assert!(status.success(), "it ended with {status}:\n{}", self.last_log());
    }

    /// Ends it, and looks at what is always to hold then.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.stop();
        self.good(&["audit", "verify"]);
        for platform in self.platforms() {
            assert_eq!(platform.violations(), Vec::<String>::new(), "{}", platform.summary());
        }
        assert_eq!(self.model.mismatches(), Vec::<String>::new());
        let mut places = secrecy::files(&self.data());
        places.push(("the log".to_owned(), self.log().into_bytes()));
        for request in &self.model.requests() {
            let all = format!("{} {}", request.path, request.body);
            places.push(("a request to the model".to_owned(), all.into_bytes()));
        }
        for (_, secret) in self.platforms().flat_map(Platform::secrets) {
            secrecy::search(secret, &places);
        }
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
