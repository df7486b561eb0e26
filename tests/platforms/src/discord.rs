//! Discord.

use std::collections::HashMap;
use std::sync::Mutex;

use openpact_fake_discord::{
    Bot, Channel, Fault, GatewayFault, GatewayRule, Guild, Limited, Limits, Rule, Sent, Server, Stage, User,
    World,
};
use serde_json::{Value, json};

use crate::{Answer, File, Platform, lock};

const TOKEN: &str = "MTA3MDAwMDAwMDAwMDAwMDAw.GfAke1.dIscord-token_0f-no_real-bot-xyz12";

/// The id of the bot, and what the numbers of people and rooms are added to.
const BOT: u64 = 700_000_000_000_000_007;
const PEOPLE: u64 = 400_000_000_000_000_000;
const ROOMS: u64 = 500_000_000_000_000_000;

/// Another bot.
const PROGRAM: u64 = 900_000_000_000_000_009;

/// Discord with a bot, and a server that the bot is in.
pub struct Discord {
    /// The fake itself.
    pub server: Server,
    /// The assistant's bot.
    pub bot: Bot,
    guild: Guild,
    people: Mutex<HashMap<u32, User>>,
    rooms: Mutex<HashMap<String, Channel>>,
    uses: Mutex<Vec<(String, u64)>>,
}

impl Discord {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start() -> Self {
        let server = Server::start().expect("it can listen on the loopback interface");
        // A busy machine is no slow bot.
        server.limits(Limits { answer: Some(15_000), ..Limits::default() });
        let bot = server.bot(BOT, TOKEN);
        let guild = bot.guild(ROOMS, "Guild");
        let (people, rooms, uses) = Default::default();
        Self { server, bot, guild, people, rooms, uses }
    }

    /// A person as the fake has them.
    pub fn user(&self, person: u32) -> User {
        let new = || self.server.user(PEOPLE + u64::from(person), &format!("Person {person}"));
        lock(&self.people).entry(person).or_insert_with(new).clone()
    }

    /// A room as the fake has it.
    ///
    /// # Panics
    /// When it was not made.
    pub fn channel(&self, room: &str) -> Channel {
        lock(&self.rooms).get(room).expect("a room that was made").clone()
    }

    fn note(&self, room: &str, interaction: u64) {
        lock(&self.uses).push((room.to_owned(), interaction));
    }

    fn is_open(&self, room: &str, interaction: u64) -> bool {
        let used = self.server.interaction(interaction);
        let thinks = |sent: &Sent| sent.interaction == Some(interaction) && sent.loading;
        used.answered.is_none() || self.channel(room).sent().iter().any(thinks)
    }
}

impl Platform for Discord {
    fn name(&self) -> &'static str {
        "discord"
    }

    fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        vec![("DISCORD_TOKEN", TOKEN)]
    }

    fn component(&self) -> String {
        let (api, gateway, base) = (self.server.api_url(), self.server.gateway_url(), self.server.base_url());
        let here = "private=127.0.0.1/32";
        format!(
            "  discord:\n    settings: {{ api_url: \"{api}\", gateway_url: \"{gateway}\", bots: [\"{PROGRAM}\"] }}\n    grants:\n      \
             - GET {gateway}/** credential=gateway-token {here}\n      \
             - GET,PUT,POST,PATCH,DELETE {api}/** credential=token {here}\n      \
             - POST {api}/interactions/*/*/callback {here}\n      \
             - POST {api}/webhooks/*/* {here}\n      \
             - PATCH {api}/webhooks/*/*/messages/@original {here}\n      \
             - GET {base}/attachments/** {here}\n"
        )
    }

    fn identity(&self, person: u32) -> String {
        (PEOPLE + u64::from(person)).to_string()
    }

    fn meet(&self, person: u32, name: &str) {
        let user = self.server.user(PEOPLE + u64::from(person), name);
        lock(&self.people).insert(person, user);
    }

    fn direct(&self, person: u32) -> String {
        let channel = self.bot.direct(&self.user(person));
        let id = channel.id().to_string();
        lock(&self.rooms).insert(id.clone(), channel);
        id
    }

    fn room(&self, number: u32) -> String {
        let id = ROOMS + u64::from(number);
        let new = || self.guild.channel(id, &format!("room-{number}"));
        lock(&self.rooms).entry(id.to_string()).or_insert_with(new);
        id.to_string()
    }

    fn thread(&self, room: &str, person: u32, name: &str) -> Option<String> {
        let thread = self.channel(room).thread(&self.user(person), None, name);
        let id = thread.id().to_string();
        lock(&self.rooms).insert(id.clone(), thread);
        Some(id)
    }

    fn say(&self, room: &str, person: u32, text: &str) -> String {
        self.channel(room).say(&self.user(person), text).to_string()
    }

    fn address(&self, room: &str, person: u32, text: &str) -> String {
        let draft = self.channel(room).draft(&self.user(person), text);
        draft.mention(&self.bot.user()).send().to_string()
    }

    fn reply(&self, room: &str, person: u32, to: &Answer, text: &str) -> String {
        let draft = self.channel(room).draft(&self.user(person), text);
        draft.reply_to(id(&to.id)).send().to_string()
    }

    fn forward(&self, room: &str, person: u32, _: u32, text: &str) -> String {
        self.channel(room).draft(&self.user(person), "").forwarded(text).send().to_string()
    }

    fn address_as_program(&self, room: &str, text: &str) {
        let program = self.server.other_bot(PROGRAM, "Program");
        self.channel(room).draft(&program, text).mention(&self.bot.user()).send();
    }

    fn program(&self) -> String {
        PROGRAM.to_string()
    }

    fn edit(&self, room: &str, message: &str, text: &str) {
        self.channel(room).edit(id(message), text);
    }

    fn attach(&self, room: &str, person: u32, text: &str, file: File<'_>) -> String {
        let draft = self.channel(room).draft(&self.user(person), text);
        draft.attachment(file.name, file.media_type, file.bytes).send().to_string()
    }

    fn command(&self, room: &str, person: u32, name: &str, arguments: &str) {
        let registered = self.bot.commands();
        let command = registered.iter().find(|command| command["name"] == name);
        let options = command.expect("a command that the bot has registered")["options"].clone();
        // The last option takes what is left, as a person would spread it over the fields.
        let options: Vec<String> = options.as_array().into_iter().flatten().filter_map(name_of).collect();
        let mut words = arguments.splitn(options.len().max(1), ' ').filter(|word| !word.is_empty());
        let given: Vec<(&str, Value)> = options
            .iter()
            .filter_map(|option| words.next().map(|word| (option.as_str(), json!(word))))
            .collect();
        let used = self.channel(room).command(&self.user(person), name, &given);
        self.note(room, used);
    }

    fn press(&self, room: &str, person: u32, message: &str, value: &str) {
        let used = self.channel(room).press(&self.user(person), id(message), value);
        self.note(room, used);
    }

    fn unanswered(&self, room: &str) -> usize {
        let uses = lock(&self.uses).clone();
        uses.iter().filter(|(place, used)| place == room && self.is_open(room, *used)).count()
    }

    fn answers(&self, room: &str) -> Vec<Answer> {
        self.channel(room).sent().into_iter().filter(|sent| !sent.loading).map(answer).collect()
    }

    fn total(&self) -> u64 {
        self.server.look(World::sent_total)
    }

    fn typed(&self, room: &str) -> usize {
        self.server.look(|world| world.typing(id(room)).len())
    }

    fn is_connected(&self) -> bool {
        self.bot.is_connected()
    }

    fn connections(&self) -> u64 {
        self.server.look(World::connections)
    }

    fn forget_session(&self) {
        let rule = GatewayRule::new(Stage::Resume, GatewayFault::InvalidSession(false));
        self.server.gateway_fault(rule.times(1));
    }

    fn storm(&self, seed: u64) {
        self.server.seed(seed);
        let faults = [
            (Fault::Drip(20), 0.2),
            (Fault::ServerError(502), 0.05),
            (Fault::CutBefore, 0.03),
            (Fault::CutAfter, 0.03),
            (Fault::TooManyRequests(Limited::Route(0.3)), 0.03),
        ];
        for (fault, likely) in faults {
            self.server.fault(Rule::new(fault).operation("create_message").chance(likely));
        }
        let faults = [
            (Stage::Event, GatewayFault::Cut, 0.02),
            (Stage::Event, GatewayFault::Duplicate, 0.05),
            (Stage::Event, GatewayFault::Pieces, 0.05),
            (Stage::Event, GatewayFault::Reconnect, 0.01),
            (Stage::Resume, GatewayFault::Cut, 0.1),
            (Stage::Identify, GatewayFault::Cut, 0.05),
        ];
        for (stage, fault, likely) in faults {
            self.server.gateway_fault(GatewayRule::new(stage, fault).chance(likely));
        }
    }

    fn calm(&self) {
        self.server.clear_faults();
    }

    fn narrow(&self, requests: u64, milliseconds: u64) -> bool {
        let (route, window) = (Some(requests), milliseconds);
        self.server.limits(Limits { route, window, answer: Some(15_000), ..Limits::default() });
        true
    }

    fn refusals(&self) -> usize {
        self.server.look(|world| world.calls().iter().filter(|call| call.status == 429).count())
    }

    fn has_commands(&self) -> bool {
        !self.bot.commands().is_empty()
    }

    fn violations(&self) -> Vec<String> {
        self.server.violations()
    }

    fn summary(&self) -> String {
        self.server.summary()
    }
}

fn answer(sent: Sent) -> Answer {
    let said = |embed: &Value| {
        let texts = [&embed["title"], &embed["description"], &embed["footer"]["text"]];
        let texts = texts.map(|text| shown(text.as_str().unwrap_or_default()));
        texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    let mut texts = vec![sent.content];
    texts.retain(|text| !text.is_empty());
    texts.extend(sent.embeds.iter().flat_map(said));
    Answer {
        number: sent.number,
        id: sent.id.to_string(),
        text: texts.join("\n"),
        reply_to: sent.reply_to.map(|id| id.to_string()),
        buttons: sent.buttons.into_iter().flatten().filter_map(|button| button.custom_id).collect(),
        edits: sent.edits.len(),
        deleted: sent.deleted,
        private: sent.ephemeral,
        told: sent.told,
        at: sent.at,
    }
}

/// A text as it is seen: without the signs that keep others from meaning something.
fn shown(text: &str) -> String {
    let mut seen = String::new();
    let mut rest = text.chars().peekable();
    while let Some(sign) = rest.next() {
        let is_escape = sign == '\\' && rest.peek().is_some_and(char::is_ascii_punctuation);
        seen.extend((!is_escape).then_some(sign));
    }
    seen
}

fn name_of(option: &Value) -> Option<String> {
    option["name"].as_str().map(str::to_owned)
}

fn id(text: &str) -> u64 {
    text.parse().expect("ids of Discord are numbers")
}
