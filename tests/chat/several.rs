//! One program that is connected to all platforms.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use openpact_scripted_model::{Script, Server};
use openpact_test_platforms::{Answer, Platform};
use serde_json::{Value, json};

use super::program::Program;
use super::secrecy;
use super::stage::{ANYTHING, ASKED, KEY, WELCOME, code};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_mins(2);

/// The person who is the owner, by one account on each platform.
pub(crate) const OWNER: u32 = 1;

/// The number of the room where whoever is there is a guest.
pub(crate) const GUESTS: u32 = 9;

/// The number of the room where answers are shown while they are written, with the calls of tools.
pub(crate) const SHOWN: u32 = 7;

/// The number of the room to which the configuration lets messages be sent.
pub(crate) const OPEN: u32 = 8;

/// The program, the platforms, the model.
pub(crate) struct Several {
    platforms: Vec<Box<dyn Platform>>,
    pub(crate) model: Server,
    program: Program,
}

impl Several {
    /// A program that is connected everywhere. The model follows `exchanges` and says [`ANYTHING`] otherwise; `provider`
    /// is what a test adds to what is said of each platform.
    pub(crate) fn start(mut exchanges: Vec<Value>, provider: &str) -> Self {
        exchanges.push(json!({"times": 0, "say": [{"text": ANYTHING}]}));
        let script = json!({"key": KEY, "order": "any", "exchange": exchanges});
        let model = Server::start(Script::from_json(&script.to_string()).unwrap()).unwrap();
        let platforms = openpact_test_platforms::all();
        let mut stage = Self { platforms, model, program: Program::new() };
        stage.write_configuration(provider);
        let secrets: Vec<_> = stage.platforms.iter().flat_map(|platform| platform.secrets()).collect();
        for (name, value) in secrets.into_iter().chain([("MODEL_KEY", KEY)]) {
            stage.keep_secret(name, value);
        }
        stage.launch();
        stage
    }

    fn write_configuration(&self, provider: &str) {
        let each = |line: fn(&dyn Platform) -> String| {
            self.platforms.iter().map(|platform| line(&**platform)).collect::<String>()
        };
        let identities =
            each(|platform| format!("{}: [\"{}\"], ", platform.name(), platform.identity(OWNER)));
        let providers = self.platforms.iter().map(|platform| {
            let (name, room, shown) = (platform.name(), platform.room(GUESTS), platform.room(SHOWN));
            let pace = "pace: { per_second: 1000, per_channel: 1ms }";
            let shown = format!("\"{shown}\": {{ detail: tools, stream: true }}");
            let channels = format!("channels: {{ \"{room}\": {{ default: guest }}, {shown} }}");
            let send_to = format!("send_to: [\"channel:{}\"]", platform.room(OPEN));
            format!("    {name}: {{ {pace}, {channels}, {send_to}{provider} }}\n")
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
        self.configure(&text);
    }

    pub(crate) fn platforms(&self) -> impl Iterator<Item = &dyn Platform> {
        self.platforms.iter().map(|platform| &**platform)
    }

    /// Starts the program and waits until it is connected everywhere.
    pub(crate) fn launch(&mut self) {
        let before: Vec<_> = self.platforms().map(Platform::connections).collect();
        self.program.start();
        for (platform, before) in self.platforms().zip(before) {
            self.wait(platform, "the connection", || {
                (platform.connections() > before && platform.is_connected()).then_some(())
            });
        }
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

impl Deref for Several {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Several {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}
