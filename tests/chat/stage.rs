//! Everything that a conversation needs: a data directory, the program on it, a model, the platform.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use openpact_fake_telegram::{Bot, Chat, Sent, Server, User, World};
use openpact_scripted_model::{Recorded, Script};
use serde_json::{Value, json};

use super::program::Program;

/// The bot's token, in the form of real ones.
pub(crate) const TOKEN: &str = "7000000001:AAFv3ry-S3cret_token_0f_a_B0t-xyz12";

/// The key for the model.
pub(crate) const KEY: &str = "sk-chat-5b0e7d2c91f84a36";

/// The owner's account.
pub(crate) const OWNER: i64 = 4242;

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(100);

/// What somebody hears who was let in.
pub(crate) const WELCOME: &str = "You have been let in";

/// What owners are told of strangers holds this.
pub(crate) const ASKED: &str = "to be let in";

/// What the model says to everything that no script names.
pub(crate) const ANYTHING: &str = "Understood.";

/// The program, and everybody whom it talks to.
pub(crate) struct Stage {
    pub(crate) platform: Server,
    pub(crate) bot: Bot,
    pub(crate) model: openpact_scripted_model::Server,
    pub(crate) owner: User,
    program: Program,
}

impl Stage {
    /// A program that runs and polls. The model follows `exchanges`, each the first time that it fits, and says
    /// [`ANYTHING`] otherwise. `configuration` is what a test adds to the section `chat`, two levels deep.
    pub(crate) fn start(mut exchanges: Vec<Value>, providers: &str, settings: &str) -> Self {
        exchanges.push(json!({"times": 0, "say": [{"text": ANYTHING}]}));
        let script = json!({"key": KEY, "order": "any", "exchange": exchanges});
        let script = Script::from_json(&script.to_string()).unwrap();
        let platform = Server::start().unwrap();
        let bot = platform.bot(TOKEN);
        let owner = platform.user(OWNER, "Olivia Owner");
        let model = openpact_scripted_model::Server::start(script).unwrap();
        let mut stage = Self { platform, bot, model, owner, program: Program::new() };
        stage.write_configuration(providers, settings);
        for (name, value) in [("TELEGRAM_TOKEN", TOKEN), ("MODEL_KEY", KEY)] {
            stage.keep_secret(name, value);
        }
        stage.launch();
        stage
    }

    fn write_configuration(&self, providers: &str, settings: &str) {
        let (base, model) = (self.platform.base_url(), self.model.base_url());
        let text = format!(
            r#"
engine:
  base_url: {model}
  model: scripted
  key: MODEL_KEY
  private: ["127.0.0.1/32"]
users:
  olivia: {{ role: owner, identities: {{ telegram: ["{OWNER}"] }} }}
chat:
  providers:
    telegram:
      pace: {{ per_second: 1000, per_channel: 1ms }}
{providers}
  rate:
    person: {{ burst: 1000, per_minute: 1000 }}
    guest: {{ burst: 1000, per_minute: 1000 }}
    channel: {{ burst: 1000, per_minute: 1000 }}
components:
  telegram:
    credentials: {{ token: TELEGRAM_TOKEN }}
    settings: {{ base_url: "{base}"{settings} }}
    grants:
      - POST {base}/*/* credential=token private=127.0.0.1/32 timeout=70
      - GET {base}/file/*/** credential=token private=127.0.0.1/32
health: {{ enabled: false }}
mcp: {{ enabled: false }}
"#
        );
        self.configure(&text);
    }

    /// Starts the program and waits until it polls.
    pub(crate) fn launch(&mut self) {
        self.program.start();
        let before = self.platform.look(World::polls);
        self.wait("the program to poll", |world| (world.polls() > before).then_some(()));
    }

    /// Waits for something on the platform.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, check: impl FnMut(&World) -> Option<T>) -> T {
        match self.platform.try_wait(LONG, check) {
            Some(found) => found,
            None => panic!("waited in vain for {what}\n{}\n{}", self.platform.summary(), self.last_log()),
        }
    }

    /// The message with this number in a chat, counted from 0, as soon as it is there.
    #[track_caller]
    pub(crate) fn nth(&self, chat: &Chat, index: usize) -> Sent {
        let what = format!("message {index} in chat {}", chat.id());
        self.wait(&what, |world| world.sent(chat.id()).get(index).cloned())
    }

    /// Somebody says something; gives the next message of the bot in that chat.
    #[track_caller]
    pub(crate) fn ask(&self, chat: &Chat, user: &User, text: &str) -> Sent {
        self.answer(chat, || chat.say(user, text))
    }

    /// The next message of the bot in that chat after something is done, a welcome and what is told of strangers aside:
    /// they come when they come.
    #[track_caller]
    pub(crate) fn answer<T>(&self, chat: &Chat, act: impl FnOnce() -> T) -> Sent {
        let before = chat.sent().len();
        act();
        self.wait(&format!("an answer in chat {}", chat.id()), |world| {
            let is_aside = |text: &str| text.contains(WELCOME) || text.contains(ASKED);
            world.sent(chat.id()).into_iter().skip(before).find(|sent| !is_aside(&sent.text))
        })
    }

    /// The owner's chat with the bot.
    pub(crate) fn owner_chat(&self) -> Chat {
        self.bot.private(&self.owner)
    }

    /// The requests of which the last message of the user holds that text.
    pub(crate) fn asked(&self, text: &str) -> Vec<Recorded> {
        let holds = |request: &Recorded| {
            let messages = request.messages();
            let said =
                messages.iter().rfind(|message| message["role"] == "user").cloned().unwrap_or_default();
            said.to_string().contains(text)
        };
        self.model.requests().into_iter().filter(holds).collect()
    }

    /// Lets a person in, as the admin does: they write, are told a code, and the admin types it.
    #[track_caller]
    pub(crate) fn admit(&self, user: &User) -> Chat {
        let chat = self.bot.private(user);
        let code = code(&self.ask(&chat, user, "May I come in?").text);
        self.good(&["user", "accept", &code]);
        chat
    }

    /// Ends the program as systemd does, and looks at what is always to hold then.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.program.stop();
        self.good(&["audit", "verify"]);
        self.platform.assert_no_violations();
        assert_eq!(self.model.mismatches(), Vec::<String>::new());
        assert_eq!(self.bot.pending(), 0, "what was answered was confirmed");
        super::secrecy::check(&self);
    }
}

impl Deref for Stage {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// The pairing code in a text.
#[track_caller]
pub(crate) fn code(text: &str) -> String {
    let is_code = |word: &&str| {
        let is_part = |part: &str| part.len() == 4 && part.chars().all(|c| c.is_ascii_alphanumeric());
        word.split_once('-').is_some_and(|(first, second)| is_part(first) && is_part(second))
    };
    let mut words = text.split_whitespace().map(|word| word.trim_end_matches('.'));
    words.find(is_code).unwrap_or_else(|| panic!("no pairing code in: {text}")).to_owned()
}

/// Whether a record has everything that `wanted` has.
pub(crate) fn fits(record: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().all(|(key, wanted)| fits(&record[key], wanted)),
        wanted => record == wanted,
    }
}

/// One of the records is so.
#[track_caller]
pub(crate) fn assert_recorded(records: &[Value], wanted: &Value) {
    assert!(records.iter().any(|record| fits(record, wanted)), "no record {wanted} in {records:#?}");
}

/// How many messages the bot sent to a chat, welcomes aside.
pub(crate) fn said(chat: &Chat) -> usize {
    chat.sent().iter().filter(|sent| !sent.text.contains(WELCOME)).count()
}
