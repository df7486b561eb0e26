//! Proof that the fake is one: a bot on a stock client (discord.js, from npm) that knows nothing of it works with it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use openpact_fake_discord::{
    Bot, Channel, Fault, GatewayFault, GatewayRule, Guild, Limited, Limits, Rule, Sent, Server, Stage, User,
    World,
};
use openpact_test_programs::{Running, npm};
use serde_json::json;

const TOKEN: &str = "NzAw.stock.secret";
const SOON: Duration = Duration::from_mins(1);

/// A server, a guild, a person, and a bot on the stock client that is ready.
struct Place {
    server: Server,
    bot: Bot,
    guild: Guild,
    alice: User,
    general: Channel,
    stock: Running,
    _folder: tempfile::TempDir,
}

fn command(server: &Server, folder: &Path) -> Option<Command> {
    let mut command = npm()?.bot(folder, include_str!("stock/bot.cjs")).unwrap();
    command.env("TOKEN", TOKEN).env("API", format!("{}/api", server.base_url()));
    Some(command)
}

impl Place {
    /// `None` where there is no npm.
    fn new() -> Option<Self> {
        let server = Server::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(&server, folder.path())?;
        server.ignore_unknown_fields();
        let bot = server.bot(700, TOKEN);
        let guild = bot.guild(100, "Guild");
        let general = guild.channel(200, "general");
        let alice = server.user(42, "Alice");
        let stock = Running(command.spawn().unwrap());
        server.wait("the commands", SOON, |world| (world.commands(700).len() == 2).then_some(()));
        Some(Self { server, bot, guild, alice, general, stock, _folder: folder })
    }

    /// The answer to what is done by `act`: the next message in the channel.
    fn answer<T>(&self, channel: &Channel, act: impl FnOnce() -> T) -> Sent {
        let before = channel.sent().len();
        act();
        self.server.wait("an answer", SOON, |world| world.sent(channel.id()).get(before).cloned())
    }

    fn ask(&self, text: &str) -> Sent {
        self.answer(&self.general, || self.general.say(&self.alice, text))
    }

    fn resumed(&self, times: usize) {
        self.server.wait("a resumed session", SOON, |world| {
            (world.received_count(6) >= times && world.is_connected(700)).then_some(())
        });
    }
}

#[test]
fn a_stock_client_holds_a_conversation() {
    let Some(mut place) = Place::new() else { return };
    let heard = place.ask("hello 😀");
    assert_eq!((heard.content.as_str(), heard.pings.as_slice()), ("heard hello 😀", [].as_slice()));
    assert!(heard.reply_to.is_some());
    let direct = place.bot.direct(&place.alice);
    assert_eq!(place.answer(&direct, || direct.say(&place.alice, "hi")).content, "heard hi");

    let embed = place.ask("embed");
    assert_eq!(embed.embeds[0]["title"], "A title");
    let edited = place.ask("edit").id;
    let after =
        |world: &World| world.sent(200).into_iter().find(|sent| sent.id == edited && sent.content == "after");
    assert_eq!(place.server.wait("the edit", SOON, after).edits, ["before"]);
    let gone = place.ask("delete").id;
    place.server.wait("the deletion", SOON, |world| {
        world.sent(200).iter().any(|sent| sent.id == gone && sent.deleted).then_some(())
    });
    assert_eq!(place.ask("typing").content, "typed");
    assert_eq!(place.server.look(|world| world.typing(200).len()), 1);

    let read = place.answer(&place.general, || {
        place.general.draft(&place.alice, "file").attachment("a.txt", "text/plain", b"what it says").send()
    });
    assert_eq!((read.content.as_str(), read.files.as_slice()), ("read", ["copy.txt".to_owned()].as_slice()));

    let mut first = 0;
    let heard = place.answer(&place.general, || first = place.general.say(&place.alice, "frist"));
    assert_eq!(heard.content, "heard frist");
    assert_eq!(
        place.answer(&place.general, || place.general.edit(first, "first")).content,
        "changed to first"
    );

    place.general.say(&place.alice, "thread");
    let thread = place.server.wait("the thread", SOON, |world| world.threads().first().cloned());
    let thread = place.general.at(thread.0);
    place.server.wait("a message there", SOON, |world| world.sent(thread.id()).first().cloned());
    assert_eq!(place.answer(&thread, || thread.say(&place.alice, "aside")).content, "heard aside");

    let nonces = place.ask("nonce");
    assert_eq!(nonces.content, "once");
    let told = |world: &World| world.sent(200).last().cloned();
    let same = |world: &World| told(world).filter(|sent| sent.content != "once");
    assert_eq!(place.server.wait("the outcome", SOON, same).content, "true");
    place.server.assert_no_violations();
    assert_eq!(place.ask("long").content, "400 50035");

    place.general.draft(&place.alice, "joined").system(7).send();
    let forwarded = place.answer(&place.general, || {
        place.general.draft(&place.alice, "").forwarded("said elsewhere").send();
    });
    assert_eq!(forwarded.content, "read said elsewhere");
    place.general.draft(&place.alice, "by a webhook").webhook(5, "Hook").send();
    place.guild.channel(201, "later");
    place.bot.push("KIND_OF_TOMORROW", &json!({"a": 1}));
    assert_eq!(place.ask("still there").content, "heard still there");
    place.general.say(&place.alice, "stop");
    assert!(place.stock.0.wait().unwrap().success());
}

#[test]
fn a_stock_client_answers_commands_and_buttons() {
    let Some(place) = Place::new() else { return };
    let said = place.answer(&place.general, || {
        place.general.command(&place.alice, "echo", &[("text", json!("again"))]);
    });
    assert!(said.content == "again" && said.ephemeral, "{said:?}");
    let slow = place.general.command(&place.alice, "slow", &[]);
    let done = |world: &World| {
        let interaction = world.interaction(slow)?;
        (interaction.followups.len() == 1).then(|| interaction.clone())
    };
    let done = place.server.wait("what follows", SOON, done);
    assert_eq!(done.answered.as_ref().unwrap().kind, 5);
    let sent = place.general.sent();
    let original = sent.iter().find(|sent| Some(sent.id) == done.original).unwrap();
    assert_eq!((original.content.as_str(), original.loading, original.ephemeral), ("there", false, true));
    assert_eq!(sent.last().unwrap().content, "and more");

    let choice = place.ask("buttons");
    let labels: Vec<_> = choice.buttons[0].iter().map(|button| button.label.as_str()).collect();
    assert_eq!(labels, ["Yes", "No"]);
    let pressed = place.general.press(&place.alice, choice.id, "yes");
    let changed = |world: &World| {
        world.sent(200).into_iter().find(|sent| sent.id == choice.id && !sent.edits.is_empty())
    };
    let changed = place.server.wait("the edit", SOON, changed);
    assert!(changed.content == "You chose yes" && changed.buttons.is_empty(), "{changed:?}");
    assert_eq!(place.server.interaction(pressed).answered.unwrap().kind, 7);
    let direct = place.bot.direct(&place.alice);
    let there = place.answer(&direct, || direct.command(&place.alice, "echo", &[("text", json!("alone"))]));
    assert_eq!(there.content, "alone");
    place.server.assert_no_violations();
}

#[test]
fn a_stock_client_comes_back() {
    let Some(place) = Place::new() else { return };
    assert_eq!(place.ask("one").content, "heard one");
    place.server.gateway_fault(GatewayRule::new(Stage::Resume, GatewayFault::Cut).times(1));
    place.bot.disturb(GatewayFault::Cut);
    let missed = place.ask("while it was away");
    assert_eq!(missed.content, "heard while it was away");
    place.resumed(1);
    place.bot.disturb(GatewayFault::Reconnect);
    place.resumed(3);
    assert_eq!(place.ask("two").content, "heard two");
    place.bot.disturb(GatewayFault::Close(4_000));
    place.resumed(4);
    assert_eq!(place.ask("three").content, "heard three");
    place.server.gateway_fault(GatewayRule::event("MESSAGE_CREATE", GatewayFault::Pieces).times(1));
    assert_eq!(place.ask("in pieces").content, "heard in pieces");
    assert_eq!(place.server.look(|world| world.received_count(2)), 1, "one session all along");
    place.bot.disturb(GatewayFault::InvalidSession(false));
    place.server.wait("a new session", SOON, |world| {
        (world.received_count(2) == 2 && world.is_connected(700)).then_some(())
    });
    assert_eq!(place.ask("four").content, "heard four");
    place.server.assert_no_violations();
}

#[test]
fn a_stock_client_sits_out_limits() {
    let Some(place) = Place::new() else { return };
    let limited = |limit| Rule::new(Fault::TooManyRequests(limit)).operation("create_message").times(1);
    for limit in [Limited::Route(0.2), Limited::Global(0.2), Limited::Shared(0.2), Limited::Cloudflare(1)] {
        place.server.fault(limited(limit));
        assert_eq!(place.ask("wait").content, "heard wait");
    }
    place.server.fault(Rule::new(Fault::ServerError(502)).operation("create_message").times(1));
    assert_eq!(place.ask("again").content, "heard again");
    let before = place.server.look(World::invalid_requests);
    place.server.limits(Limits { route: Some(2), window: 500, ..Limits::default() });
    for _ in 0..5 {
        place.general.say(&place.alice, "many");
    }
    place.server.wait("all of them", SOON, |world| (world.sent(200).len() == 10).then_some(()));
    let refused = place.server.look(World::invalid_requests) - before;
    assert!(refused <= 1, "it kept to the headers, but for the first that it could not know of: {refused}");
    place.server.assert_no_violations();
}

#[test]
fn a_stock_client_understands_a_refused_identify() {
    let server = Server::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some(mut command) = command(&server, folder.path()) else { return };
    let bot = server.bot(700, TOKEN);
    bot.message_content(false);
    let ended = command.stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && told.contains("disallowed intents"), "{told}");
    bot.revoke();
    let ended = command.output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && told.contains("invalid token"), "{told}");
}
