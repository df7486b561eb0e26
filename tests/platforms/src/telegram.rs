//! Telegram.

use std::collections::HashMap;
use std::sync::Mutex;

use openpact_fake_telegram::{Bot, Chat, Fault, Rule, Server, User, World};

use crate::{Answer, File, Platform, lock};

const TOKEN: &str = "7000000001:AAFv3ry-S3cret_token_0f_a_B0t-xyz12";

/// The ids of people and rooms are their numbers and this.
const PEOPLE: i64 = 4000;
const ROOMS: i64 = -100_500_000;

/// Another bot.
const PROGRAM: i64 = 9009;

/// Telegram with a bot.
pub struct Telegram {
    /// The fake itself.
    pub server: Server,
    /// The assistant's bot.
    pub bot: Bot,
    people: Mutex<HashMap<u32, User>>,
    rooms: Mutex<HashMap<String, Chat>>,
}

impl Telegram {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start() -> Self {
        let server = Server::start().expect("it can listen on the loopback interface");
        let bot = server.bot(TOKEN);
        Self { server, bot, people: Mutex::default(), rooms: Mutex::default() }
    }

    fn user(&self, person: u32) -> User {
        let new = || self.server.user(PEOPLE + i64::from(person), &format!("Person {person}"));
        lock(&self.people).entry(person).or_insert_with(new).clone()
    }

    fn chat(&self, room: &str) -> Chat {
        lock(&self.rooms).get(room).expect("a room that was made").clone()
    }

    fn keep(&self, chat: Chat) -> String {
        let id = chat.id().to_string();
        lock(&self.rooms).insert(id.clone(), chat);
        id
    }
}

impl Platform for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        vec![("TELEGRAM_TOKEN", TOKEN)]
    }

    fn component(&self) -> String {
        let base = self.server.base_url();
        format!(
            "  telegram:\n    settings: {{ base_url: \"{base}\", bots: [{PROGRAM}] }}\n    grants:\n      \
             - POST {base}/*/* credential=token private=127.0.0.1/32 timeout=70\n      \
             - GET {base}/file/*/** credential=token private=127.0.0.1/32\n"
        )
    }

    fn identity(&self, person: u32) -> String {
        (PEOPLE + i64::from(person)).to_string()
    }

    fn meet(&self, person: u32, name: &str) {
        let user = self.server.user(PEOPLE + i64::from(person), name);
        lock(&self.people).insert(person, user);
    }

    fn direct(&self, person: u32) -> String {
        self.keep(self.bot.private(&self.user(person)))
    }

    fn room(&self, number: u32) -> String {
        self.keep(self.bot.supergroup(ROOMS - i64::from(number), &format!("Room {number}")))
    }

    fn say(&self, room: &str, person: u32, text: &str) -> String {
        self.chat(room).say(&self.user(person), text).message_id.to_string()
    }

    fn address(&self, room: &str, person: u32, text: &str) -> String {
        self.say(room, person, &format!("@{} {text}", self.bot.username()))
    }

    fn reply(&self, room: &str, person: u32, to: &Answer, text: &str) -> String {
        let draft = self.chat(room).draft(&self.user(person), text).reply_to(id(&to.id));
        draft.send().message_id.to_string()
    }

    fn forward(&self, room: &str, person: u32, author: u32, text: &str) -> String {
        let draft = self.chat(room).draft(&self.user(person), text).forwarded_from(&self.user(author));
        draft.send().message_id.to_string()
    }

    fn address_as_program(&self, room: &str, text: &str) {
        let mut program = self.server.user(PROGRAM, "Program");
        program.is_bot = true;
        self.chat(room).say(&program, &format!("@{} {text}", self.bot.username()));
    }

    fn program(&self) -> String {
        PROGRAM.to_string()
    }

    fn edit(&self, room: &str, message: &str, text: &str) {
        self.chat(room).edit(id(message), text);
    }

    fn attach(&self, room: &str, person: u32, text: &str, file: File<'_>) -> String {
        let draft = self.chat(room).draft(&self.user(person), "");
        draft.document(file.name, file.media_type, file.bytes).caption(text).send().message_id.to_string()
    }

    fn command(&self, room: &str, person: u32, name: &str, arguments: &str) {
        let bot = if id(room) < 0 { format!("@{}", self.bot.username()) } else { String::new() };
        let text = format!("/{}{bot} {arguments}", name.replace('-', "_"));
        self.say(room, person, text.trim_end());
    }

    fn press(&self, room: &str, person: u32, message: &str, value: &str) {
        self.chat(room).press(&self.user(person), id(message), value);
    }

    fn toasts(&self) -> Vec<String> {
        let text = |call: &openpact_fake_telegram::Call| {
            let is_toast = call.method.eq_ignore_ascii_case("answerCallbackQuery");
            is_toast.then(|| call.parameters["text"].as_str().map(str::to_owned)).flatten()
        };
        self.server.look(|world| world.calls().iter().filter_map(text).collect())
    }

    fn unanswered(&self, _: &str) -> usize {
        self.bot.unanswered()
    }

    fn answers(&self, room: &str) -> Vec<Answer> {
        let answer = |sent: openpact_fake_telegram::Sent| Answer {
            number: sent.number,
            id: sent.message_id.to_string(),
            text: sent.text,
            reply_to: sent.reply_to.map(|id| id.to_string()),
            buttons: sent.buttons.into_iter().flatten().collect(),
            edits: sent.edits.len(),
            deleted: sent.deleted,
            private: false,
            told: sent.told,
            at: sent.at,
        };
        self.server.sent(id(room)).into_iter().map(answer).collect()
    }

    fn total(&self) -> u64 {
        self.server.look(World::sent_total)
    }

    fn typed(&self, room: &str) -> usize {
        self.server.look(|world| world.actions(id(room)).len())
    }

    fn is_connected(&self) -> bool {
        self.server.look(|world| world.polls() > 0)
    }

    fn connections(&self) -> u64 {
        self.server.count("getMe")
    }

    fn storm(&self, seed: u64) {
        self.server.seed(seed);
        // Slow answers widen the window in which a part may have arrived; the others let a part wait and be tried again.
        let faults = [
            (Fault::Drip(20), 0.2),
            (Fault::ServerError(502), 0.05),
            (Fault::CutBefore, 0.03),
            (Fault::CutAfter, 0.02),
        ];
        for (fault, likely) in faults {
            self.server.fault(Rule::new(fault).method("sendMessage").chance(likely));
        }
        self.server.fault(Rule::new(Fault::CutBody).method("getUpdates").chance(0.02));
        self.server.fault(Rule::new(Fault::ServerError(500)).method("getUpdates").chance(0.02));
    }

    fn calm(&self) {
        self.server.clear_faults();
    }

    fn has_commands(&self) -> bool {
        !self.server.look(|world| world.commands().is_empty())
    }

    fn violations(&self) -> Vec<String> {
        self.server.violations()
    }

    fn summary(&self) -> String {
        self.server.summary()
    }
}

fn id(text: &str) -> i64 {
    text.parse().expect("ids of Telegram are numbers")
}
