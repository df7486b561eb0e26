//! Kills the program with SIGKILL at random instants while messages stream in from several rooms of every platform, and
//! connections and requests fail at random too: every message is answered, once but for the window that a platform
//! leaves open, and no tool call runs twice.
//!
//! `OPENPACT_KILLS`, `OPENPACT_KILL_MESSAGES` and `OPENPACT_KILL_SEED` change how long it goes on and what is random;
//! `tests/kill.sh` runs it with a thousand kills.
#![expect(clippy::disallowed_methods, reason = "starting and killing the program is what this test does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openpact_test_platforms::{Answer, Platform};

/// Rooms on each platform.
const ROOMS: u32 = 3;

/// How long a start that is not killed may take until everything is answered.
const PATIENCE: Duration = Duration::from_mins(3);

/// The platform, the room and the id of a message.
type Message = (&'static str, String, String);

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
    platforms: Vec<Box<dyn Platform>>,
}

/// Where somebody talks with the assistant: alone, or on Slack in a channel, where the answer stands in a thread and so
/// says what it answers.
fn room(platform: &dyn Platform, number: u32) -> String {
    if platform.name() == "slack" { platform.room(number) } else { platform.direct(number) }
}

impl Place {
    fn new() -> Self {
        let platforms = openpact_test_platforms::all();
        let place = Self { folder: tempfile::tempdir().unwrap(), platforms };
        let secure = place.data().join("secure");
        fs::create_dir_all(&secure).unwrap();
        fs::write(secure.join("config.yaml"), place.configuration()).unwrap();
        for (name, value) in place.platforms.iter().flat_map(|platform| platform.secrets()) {
            let file = place.folder.path().join("secret");
            fs::write(&file, value).unwrap();
            place.succeed(&["secret", "set", name, "--file", file.to_str().unwrap()]);
        }
        place
    }

    fn configuration(&self) -> String {
        let mut text = "users:\n".to_owned();
        for number in 1..=ROOMS {
            let identities: Vec<_> = self
                .platforms
                .iter()
                .map(|platform| format!("{}: [\"{}\"]", platform.name(), platform.identity(number)))
                .collect();
            writeln!(
                text,
                "  person{number}: {{ role: owner, identities: {{ {} }} }}",
                identities.join(", ")
            )
            .unwrap();
        }
        text.push_str("chat:\n  providers:\n");
        for platform in &self.platforms {
            let name = platform.name();
            writeln!(text, "    {name}: {{ pace: {{ per_second: 100000, per_channel: 1ms }} }}").unwrap();
        }
        let wide = "{ burst: 100000, per_minute: 100000 }";
        writeln!(text, "  rate: {{ person: {wide}, channel: {wide} }}").unwrap();
        writeln!(text, "tools: {{ rate: {{ person: {wide}, tool: {wide} }} }}").unwrap();
        text.push_str("mcp: { enabled: false }\nhealth: { enabled: false }\ncomponents:\n");
        text.extend(self.platforms.iter().map(|platform| platform.component()));
        text
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

    /// Waits until the program is connected to every platform.
    fn wait_for_connections(&self, before: &[u64]) {
        for (platform, before) in self.platforms.iter().zip(before) {
            let is_there = || (platform.connections() > *before && platform.is_connected()).then_some(());
            let found = openpact_test_platforms::wait(PATIENCE, is_there);
            assert!(found.is_some(), "it never connected to {}:\n{}", platform.name(), self.log());
        }
    }

    fn connections(&self) -> Vec<u64> {
        self.platforms.iter().map(|platform| platform.connections()).collect()
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
        let sql =
            "SELECT instance, channel, reply_to FROM outbox WHERE state = 'sending' AND reply_to IS NOT NULL";
        let mut statement = database.prepare(sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        };
        let rows = statement.query_map([], read).unwrap();
        let name = |name: &str| self.platforms.iter().map(|one| one.name()).find(|one| *one == name).unwrap();
        rows.map(|row| row.unwrap()).map(|(instance, room, id)| (name(&instance), room, id)).collect()
    }

    fn open(&self) -> (i64, i64) {
        let count = |sql: &str| self.database().query_row(sql, [], |row| row.get(0)).unwrap();
        (
            count("SELECT count(*) FROM inbox WHERE state IN ('received', 'running')"),
            count("SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending')"),
        )
    }

    /// How often each message was answered.
    fn answers(&self) -> BTreeMap<Message, Vec<Answer>> {
        let mut answers = BTreeMap::<_, Vec<_>>::new();
        for platform in &self.platforms {
            for room in (1..=ROOMS).map(|number| room(&**platform, number)) {
                for sent in platform.answers(&room) {
                    let to = sent.reply_to.clone();
                    let to = to.unwrap_or_else(|| panic!("an answer without its message: {}", sent.text));
                    answers.entry((platform.name(), room.clone(), to)).or_default().push(sent);
                }
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
fn text(number: u64, room: &str) -> String {
    if number.is_multiple_of(2) {
        return format!("message {number}");
    }
    let arguments = serde_json::json!({
        "path": format!("kill/{room}.txt"), "content": format!("m{number}\n"), "mode": "append",
    });
    format!("!workspace_write {arguments}")
}

#[test]
fn killed_at_any_instant_it_loses_nothing_and_repeats_no_call() {
    let (kills, messages) = (setting("OPENPACT_KILLS", 25), setting("OPENPACT_KILL_MESSAGES", 500));
    let seed = setting("OPENPACT_KILL_SEED", u64::from(std::process::id()) + 1);
    let mut chance = Chance(seed | 1);
    let place = Place::new();
    place.platforms.iter().for_each(|platform| platform.storm(seed));
    let mut said: BTreeMap<Message, u64> = BTreeMap::new();
    let mut storm = Storm::default();
    let mut next = 0;
    for kill in 0..kills {
        let before = place.connections();
        let running = place.start();
        let goal = messages * (kill + 1) / kills;
        if chance.below(4) == 0 {
            // Anywhere, the start itself included.
            std::thread::sleep(Duration::from_millis(chance.below(1500)));
        } else {
            // In the thick of it: a burst, and the kill while it is worked off.
            place.wait_for_connections(&before);
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
        storm.windows += open.len();
        storm.ambiguous.extend(open);
    }
    place.platforms.iter().for_each(|platform| platform.calm());
    let running = place.start();
    while next < messages {
        say(&place, &mut said, &mut next, &mut chance);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && (place.answers().len() < said.len() || place.open() != (0, 0)) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let code = running.end();
    assert_eq!(code, Some(0), "seed {seed}\n{}", place.log());
    println!("{kills} kills, {messages} messages, seed {seed}");
    judge(&place, &said, &storm, seed);
}

/// What the kills left.
#[derive(Default)]
struct Storm {
    /// The messages whose answers were on their way at one.
    ambiguous: BTreeSet<Message>,
    /// How many parts were.
    windows: usize,
}

/// All was answered, and again only where nobody could know.
fn judge(place: &Place, said: &BTreeMap<Message, u64>, storm: &Storm, seed: u64) {
    let context = || format!("seed {seed}\n{}", place.log());
    let answers = place.answers();
    let silent: Vec<_> = said.iter().filter(|(message, _)| !answers.contains_key(message)).collect();
    assert!(silent.is_empty(), "never answered: {silent:?}\nopen: {:?}\n{}", place.open(), context());
    let repeated: BTreeMap<_, _> = answers.iter().filter(|(_, sent)| sent.len() > 1).collect();
    // An answer comes again where the program died, or was left without word of it, while it was on its way; and never
    // where the platform takes a key by which it knows that it has it.
    let is_explained = |message: &Message, sent: &[Answer]| {
        let is_unknown = sent.iter().filter(|one| one.told).count() <= 1;
        message.0 != "discord" && (is_unknown || storm.ambiguous.contains(message))
    };
    let unexplained: Vec<_> =
        repeated.iter().filter(|(message, sent)| !is_explained(message, sent)).collect();
    assert!(unexplained.is_empty(), "answered again without need: {unexplained:#?}\n{}", context());
    let marks = place.marks();
    let twice: Vec<_> = marks.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "ran twice: {twice:?}\n{}", context());
    assert_eq!(place.open(), (0, 0), "{}", context());
    place.succeed(&["audit", "verify"]);
    for platform in &place.platforms {
        assert_eq!(platform.violations(), Vec::<String>::new(), "{}", platform.summary());
    }
    let calls = said.values().filter(|number| !number.is_multiple_of(2)).count();
    println!("all answered; {} of {calls} calls ran, none twice", marks.len());
    println!("{} parts were on their way at a kill", storm.windows);
    for platform in &place.platforms {
        let name = platform.name();
        let here = |message: &Message| message.0 == name;
        let (messages, twice) =
            (said.keys().filter(|one| here(one)).count(), repeated.keys().filter(|one| here(one)).count());
        println!(
            "  {name}: {messages} messages, {} connections, {twice} answered twice",
            platform.connections()
        );
    }
    assert!(!marks.is_empty(), "calls must have run, or this shows nothing");
}

fn say(place: &Place, said: &mut BTreeMap<Message, u64>, next: &mut u64, chance: &mut Chance) {
    let index = usize::try_from(chance.below(place.platforms.len() as u64)).unwrap();
    let person = u32::try_from(chance.below(ROOMS.into())).unwrap() + 1;
    let platform = &place.platforms[index];
    let room = room(&**platform, person);
    let text = text(*next, &room);
    let message = if platform.name() == "slack" {
        platform.address(&room, person, &text)
    } else {
        platform.say(&room, person, &text)
    };
    said.insert((platform.name(), room, message), *next);
    *next += 1;
}
