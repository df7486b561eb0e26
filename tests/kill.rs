//! Kills the program with SIGKILL at random instants while messages stream in from several chats: every message is
//! answered, once but for the window that the platform leaves open, and no tool call runs twice.
//!
//! `OPENPACT_KILLS`, `OPENPACT_KILL_MESSAGES` and `OPENPACT_KILL_SEED` change how long it goes on and what is random;
//! `tests/kill.sh` runs it with a thousand kills.
#![expect(clippy::disallowed_methods, reason = "starting and killing the program is what this test does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openpact_fake_telegram::{Chat, Fault, Rule, Server, User};

const TOKEN: &str = "700000001:AAkill-test-token-not-of-any-real-bot-1";
const CHATS: i64 = 6;

/// How long a start that is not killed may take until everything is answered.
const PATIENCE: Duration = Duration::from_mins(2);

/// The chat and the id of a message.
type Message = (i64, i64);

/// Numbers that look random and come again with the seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Place {
    folder: tempfile::TempDir,
    telegram: Server,
    people: Vec<(Chat, User)>,
}

impl Place {
    fn new() -> Self {
        let telegram = Server::start().unwrap();
        let bot = telegram.bot(TOKEN);
        let people: Vec<_> = (1..=CHATS)
            .map(|number| {
                let user = telegram.user(1000 + number, &format!("Person {number}"));
                (bot.private(&user), user)
            })
            .collect();
        let place = Self { folder: tempfile::tempdir().unwrap(), telegram, people };
        let secure = place.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), place.configuration()).unwrap();
        fs::write(place.folder.path().join("token"), TOKEN).unwrap();
        let token = place.folder.path().join("token");
        place.succeed(&["secret", "set", "TELEGRAM_TOKEN", "--file", token.to_str().unwrap()]);
        place
    }

    fn configuration(&self) -> String {
        let people = self.people.iter().map(|(_, user)| {
            format!("  person{0}: {{ role: owner, identities: {{ telegram: [\"{0}\"] }} }}\n", user.id)
        });
        let people: String = people.collect();
        let base = self.telegram.base_url();
        format!(
            "users:\n{people}\
             chat:\n  providers: {{ telegram: {{ pace: {{ per_second: 100000, per_channel: 1ms }} }} }}\n  \
             rate: {{ person: {{ burst: 100000, per_minute: 100000 }}, channel: {{ burst: 100000, per_minute: 100000 }} }}\n\
             tools: {{ rate: {{ person: {{ burst: 100000, per_minute: 100000 }}, tool: {{ burst: 100000, per_minute: 100000 }} }} }}\n\
             mcp: {{ enabled: false }}\nhealth: {{ enabled: false }}\n\
             components:\n  telegram:\n    settings: {{ base_url: \"{base}\" }}\n    \
             grants: [\"POST {base}/*/* credential=token private=127.0.0.1/32 timeout=70\"]\n"
        )
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.data()).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let ended = self.command(arguments).output().unwrap();
        let shown =
            format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{arguments:?}: {shown}");
        shown
    }

    fn start(&self) -> Running {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let out = log.try_clone().unwrap();
        Running(self.command(&["start"]).stdout(out).stderr(log).spawn().unwrap())
    }

    /// Waits until the program asks for what was said, or has shown that it does not.
    fn wait_for_poll(&self) {
        let before = self.telegram.count("getMe");
        let until = Instant::now() + PATIENCE;
        while self.telegram.count("getMe") == before {
            assert!(Instant::now() < until, "it never connected:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let tail = text.len().saturating_sub(6000);
        text.get(tail..).unwrap_or_default().to_owned()
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join("secure/openpact.db")).unwrap()
    }

    /// The messages whose answer may have arrived without the program knowing: a part of it was being sent when the
    /// program died.
    fn ambiguous(&self) -> BTreeSet<Message> {
        let database = self.database();
        let sql = "SELECT channel, reply_to FROM outbox WHERE state = 'sending' AND reply_to IS NOT NULL";
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        rows.unwrap()
            .map(|row| row.unwrap())
            .map(|(chat, id)| (chat.parse().unwrap(), id.parse().unwrap()))
            .collect()
    }

    fn open(&self) -> (i64, i64) {
        let count = |sql: &str| self.database().query_row(sql, [], |row| row.get(0)).unwrap();
        (
            count("SELECT count(*) FROM inbox WHERE state IN ('received', 'running')"),
            count("SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending')"),
        )
    }

    /// How often each message was answered.
    fn answers(&self) -> BTreeMap<Message, Vec<String>> {
        let mut answers = BTreeMap::<_, Vec<_>>::new();
        for (chat, _) in &self.people {
            for sent in chat.sent() {
                let to =
                    sent.reply_to.unwrap_or_else(|| panic!("an answer without its message: {}", sent.text));
                answers.entry((chat.id(), to)).or_default().push(sent.text);
            }
        }
        answers
    }

    /// How often each tool call did its work: each wrote one line.
    fn marks(&self) -> BTreeMap<String, usize> {
        let mut marks = BTreeMap::new();
        let folder = self.data().join("ai-data/workspace/kill");
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            for line in text.lines() {
                *marks.entry(line.to_owned()).or_default() += 1;
            }
        }
        marks
    }
}

struct Running(Child);

impl Running {
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn end(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

/// What a person says: every other message calls a tool that can be seen to have run.
fn text(number: u64, chat: i64) -> String {
    if number.is_multiple_of(2) {
        return format!("message {number}");
    }
    let arguments = serde_json::json!({
        "path": format!("kill/{chat}.txt"), "content": format!("m{number}\n"), "mode": "append",
    });
    format!("!workspace_write {arguments}")
}

#[test]
fn killed_at_any_instant_it_loses_nothing_and_repeats_no_call() {
    let (kills, messages) = (setting("OPENPACT_KILLS", 25), setting("OPENPACT_KILL_MESSAGES", 500));
    let seed = setting("OPENPACT_KILL_SEED", u64::from(std::process::id()) + 1);
    let mut chance = Chance(seed | 1);
    let place = Place::new();
    place.telegram.seed(seed);
    // Slow answers widen the window in which a part may have arrived; the others let a part wait and be tried again.
    for (fault, likely) in [(Fault::Drip(20), 0.3), (Fault::ServerError(502), 0.05), (Fault::CutBefore, 0.03)]
    {
        place.telegram.fault(Rule::new(fault).method("sendMessage").chance(likely));
    }
    let mut said: BTreeMap<Message, u64> = BTreeMap::new();
    let mut ambiguous = BTreeSet::new();
    let mut next = 0;
    let mut windows = 0;
    for kill in 0..kills {
        let running = place.start();
        let goal = messages * (kill + 1) / kills;
        if chance.below(4) == 0 {
            // Anywhere, the start itself included.
            std::thread::sleep(Duration::from_millis(chance.below(1500)));
        } else {
            // In the thick of it: a burst, and the kill while it is worked off.
            place.wait_for_poll();
            while next < goal {
                say(&place, &mut said, &mut next, &mut chance);
            }
            std::thread::sleep(Duration::from_millis(chance.below(600)));
        }
        running.kill();
        let open = if place.data().join("secure/openpact.db").exists() {
            place.ambiguous()
        } else {
            BTreeSet::new()
        };
        windows += open.len();
        ambiguous.extend(open);
    }
    let running = place.start();
    while next < messages {
        say(&place, &mut said, &mut next, &mut chance);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && (place.answers().len() < said.len() || place.open() != (0, 0)) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let code = running.end();
    let context = || format!("seed {seed}\n{}", place.log());
    let answers = place.answers();
    let silent: Vec<_> = said.iter().filter(|(message, _)| !answers.contains_key(message)).collect();
    assert!(silent.is_empty(), "never answered: {silent:?}\nopen: {:?}\n{}", place.open(), context());
    let repeated: Vec<_> = answers.iter().filter(|(_, texts)| texts.len() > 1).collect();
    let unexplained: Vec<_> = repeated.iter().filter(|(message, _)| !ambiguous.contains(message)).collect();
    assert!(unexplained.is_empty(), "answered again without need: {unexplained:?}\n{}", context());
    let marks = place.marks();
    let twice: Vec<_> = marks.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "ran twice: {twice:?}\n{}", context());
    assert_eq!(code, Some(0), "{}", context());
    assert_eq!(place.open(), (0, 0), "{}", context());
    place.succeed(&["audit", "verify"]);
    place.telegram.assert_no_violations();
    let calls = said.values().filter(|number| !number.is_multiple_of(2)).count();
    println!(
        "{kills} kills, {messages} messages of {CHATS} chats, seed {seed}: all answered; {} of {calls} calls ran, none \
         twice; {windows} parts were on their way at a kill, {} of them arrived twice (the platform takes no key by \
         which it could tell)",
        marks.len(),
        repeated.len(),
    );
    assert!(!marks.is_empty(), "calls must have run, or this shows nothing");
}

fn say(place: &Place, said: &mut BTreeMap<Message, u64>, next: &mut u64, chance: &mut Chance) {
    let index = usize::try_from(chance.below(place.people.len() as u64)).unwrap();
    let (chat, user) = &place.people[index];
    let update = chat.say(user, &text(*next, chat.id()));
    said.insert((chat.id(), update.message_id), *next);
    *next += 1;
}
