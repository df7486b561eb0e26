//! Slack.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use openpact_fake_slack::{
    App, Channel, Fault, Outcome, Person, Posted, RetryAfter, Rule, Server, Trigger, World,
};

use crate::{Answer, File, Platform, lock};

const BOT_TOKEN: &str = "xoxb-1700000000-1700000001-fAkeSlackB0tTokenOfNoApp";
const APP_TOKEN: &str = "xapp-1-A0FAKE0APP-1700000002-fakeslackapptoken0fn0app";

/// Another app's bot.
const PROGRAM: &str = "U0PROGRAM1";

/// How long an acknowledgement may take: a busy machine is no slow app.
const PATIENCE: Duration = Duration::from_secs(15);

/// When an event comes again that was not acknowledged. Slack does it three times, after a moment, a minute and five;
/// here it comes sooner and more often, so that a test that kills the app again and again need not wait.
const RETRIES: [Duration; 50] = [Duration::from_secs(1); 50];

/// Slack with an app.
pub struct Slack {
    /// The fake itself.
    pub server: Server,
    /// The assistant's app.
    pub app: App,
    people: Mutex<HashMap<u32, Person>>,
    uses: Mutex<Vec<(String, Trigger)>>,
}

impl Slack {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start() -> Self {
        let server = Server::start().expect("it can listen on the loopback interface");
        let app = server.app(BOT_TOKEN, APP_TOKEN);
        server.acknowledgements(PATIENCE, &RETRIES);
        Self { server, app, people: Mutex::default(), uses: Mutex::default() }
    }

    fn person(&self, person: u32) -> Person {
        let new = || self.server.person(&self.identity(person), &format!("Person {person}"));
        lock(&self.people).entry(person).or_insert_with(new).clone()
    }

    fn channel(&self, room: &str) -> Channel {
        self.server.channel(room)
    }

    fn note(&self, room: &str, trigger: Trigger) {
        lock(&self.uses).push((room.to_owned(), trigger));
    }
}

impl Platform for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        vec![("SLACK_BOT_TOKEN", BOT_TOKEN), ("SLACK_APP_TOKEN", APP_TOKEN)]
    }

    fn component(&self) -> String {
        let (api, base) = (self.server.api_url(), format!("http://{}", self.server.address()));
        let here = "private=127.0.0.1/32";
        format!(
            "  slack:\n    settings: {{ api_url: \"{api}\", bots: [{PROGRAM}] }}\n    grants:\n      \
             - POST {api}/apps.connections.open credential=app_token {here}\n      \
             - GET ws://{address}/link/ {here}\n      \
             - POST {api}/* credential=bot_token {here}\n      \
             - POST {base}/files/upload/** {here}\n      \
             - GET {base}/files/files-pri/** credential=bot_token {here}\n      \
             - POST {base}/hooks/** {here}\n",
            address = self.server.address(),
        )
    }

    fn identity(&self, person: u32) -> String {
        format!("U0PERSON{person:04}")
    }

    fn meet(&self, person: u32, name: &str) {
        let known = self.server.person(&self.identity(person), name);
        lock(&self.people).insert(person, known);
    }

    fn direct(&self, person: u32) -> String {
        self.app.direct(&self.person(person)).id().to_owned()
    }

    fn room(&self, number: u32) -> String {
        self.app.channel(&format!("C0ROOM{number:04}"), &format!("room-{number}")).id().to_owned()
    }

    fn say(&self, room: &str, person: u32, text: &str) -> String {
        self.channel(room).say(&self.person(person), &written(text)).ts
    }

    fn address(&self, room: &str, person: u32, text: &str) -> String {
        let text = format!("{} {}", self.app.mention(), written(text));
        self.channel(room).say(&self.person(person), &text).ts
    }

    fn reply(&self, room: &str, person: u32, to: &Answer, text: &str) -> String {
        let thread = to.reply_to.as_ref().unwrap_or(&to.id);
        self.channel(room).reply(&self.person(person), thread, &written(text)).ts
    }

    fn address_in(&self, room: &str, person: u32, to: &Answer, text: &str) -> String {
        let thread = to.reply_to.as_ref().unwrap_or(&to.id);
        let text = format!("{} {}", self.app.mention(), written(text));
        self.channel(room).reply(&self.person(person), thread, &text).ts
    }

    fn forward(&self, room: &str, person: u32, author: u32, text: &str) -> String {
        let draft = self.channel(room).draft(&self.person(person), "");
        draft.shared(&self.person(author), &written(text)).send().ts
    }

    fn address_as_program(&self, room: &str, text: &str) {
        let program = self.server.other_bot(PROGRAM, "Program");
        self.channel(room).say(&program, &format!("{} {}", self.app.mention(), written(text)));
    }

    fn program(&self) -> String {
        PROGRAM.to_owned()
    }

    fn edit(&self, room: &str, message: &str, text: &str) {
        self.channel(room).edit(message, &written(text));
    }

    fn attach(&self, room: &str, person: u32, text: &str, file: File<'_>) -> String {
        let draft = self.channel(room).draft(&self.person(person), &written(text));
        draft.file(file.name, file.media_type, file.bytes).send().ts
    }

    fn command(&self, room: &str, person: u32, name: &str, arguments: &str) {
        let text = format!("{name} {arguments}");
        let used = self.channel(room).command(&self.person(person), "/openpact", text.trim_end());
        self.note(room, used);
    }

    fn press(&self, room: &str, person: u32, message: &str, value: &str) {
        let used = self.channel(room).press(&self.person(person), message, value);
        self.note(room, used);
    }

    fn unanswered(&self, room: &str) -> usize {
        let uses = lock(&self.uses);
        let is_open = |trigger: &Trigger| !matches!(self.server.outcome(trigger), Outcome::Acknowledged(_));
        uses.iter().filter(|(place, trigger)| place == room && is_open(trigger)).count()
    }

    fn answers(&self, room: &str) -> Vec<Answer> {
        let channel = self.channel(room);
        let mut answers: Vec<_> =
            channel.posted().into_iter().chain(channel.ephemeral()).map(answer).collect();
        answers.sort_by_key(|answer| answer.number);
        answers
    }

    fn total(&self) -> u64 {
        self.server.look(World::posted_total)
    }

    fn typed(&self, room: &str) -> usize {
        self.channel(room).statuses().len()
    }

    fn is_connected(&self) -> bool {
        self.app.connections() > 0
    }

    fn connections(&self) -> u64 {
        self.server.look(World::connections_opened)
    }

    fn give_up(&self) {
        self.server.give_up();
    }

    fn storm(&self, seed: u64) {
        self.server.seed(seed);
        // A longer absence than the real retries bridge: what was not acknowledged has to be read in the history.
        self.server.acknowledgements(PATIENCE, &[]);
        let faults = [
            (Fault::Drip(20), 0.2),
            (Fault::ServerError(502), 0.05),
            (Fault::CutBefore, 0.03),
            (Fault::CutAfter, 0.02),
            (Fault::TooManyRequests(RetryAfter::Seconds(1)), 0.02),
        ];
        for (fault, likely) in faults {
            self.server.fault(Rule::new(fault).method("chat.postMessage").chance(likely));
        }
        for method in ["conversations.history", "conversations.replies"] {
            for (fault, likely) in [
                (Fault::ServerError(502), 0.03),
                (Fault::CutBefore, 0.03),
                (Fault::TooManyRequests(RetryAfter::Seconds(1)), 0.03),
            ] {
                self.server.fault(Rule::new(fault).method(method).chance(likely));
            }
        }
        let faults = [
            (Fault::CutBeforeEnvelope, 0.02),
            (Fault::CutAfterEnvelope, 0.02),
            (Fault::DuplicateEnvelope, 0.05),
            (Fault::FramedEnvelope(7), 0.05),
            (Fault::CutBeforeAcknowledgement, 0.02),
            (Fault::DisconnectBeforeEnvelope("refresh_requested".to_owned()), 0.01),
        ];
        for (fault, likely) in faults {
            self.server.fault(Rule::new(fault).chance(likely));
        }
    }

    fn calm(&self) {
        self.server.clear_faults();
        self.server.acknowledgements(PATIENCE, &RETRIES);
    }

    fn has_commands(&self) -> bool {
        true
    }

    fn violations(&self) -> Vec<String> {
        self.server.violations()
    }

    fn summary(&self) -> String {
        self.server.summary()
    }
}

/// A text as Slack writes it.
fn written(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn read(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn answer(posted: Posted) -> Answer {
    let (texts, buttons) = (texts(&posted.blocks), posted.buttons());
    Answer {
        number: posted.number,
        id: posted.ts,
        text: read(if texts.is_empty() { &posted.text } else { &texts }),
        reply_to: posted.thread_ts,
        buttons,
        edits: posted.edits.len(),
        deleted: posted.deleted,
        private: posted.only_for.is_some(),
        told: posted.told,
        at: posted.at,
    }
}

/// The texts of blocks, one below the other.
fn texts(blocks: &serde_json::Value) -> String {
    let mut found = Vec::new();
    for block in blocks.as_array().into_iter().flatten() {
        found.extend(block["text"]["text"].as_str().map(str::to_owned));
        let elements = block["elements"].as_array().into_iter().flatten();
        found.extend(
            elements
                .filter(|_| block["type"] == "context")
                .filter_map(|one| one["text"].as_str().map(str::to_owned)),
        );
    }
    found.join("\n")
}
