//! Proof that the fake is one: a bot on a stock client (grammY, from npm) that knows nothing of it works with it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::time::Duration;

use openpact_fake_telegram::{Bot, Chat, Fault, Rule, Sent, Server};
use openpact_test_programs::{Running, npm};
use serde_json::json;

const TOKEN: &str = "123456:stock-secret";
const SOON: Duration = Duration::from_mins(1);

/// A bot on the stock client that polls; `None` where there is no npm.
fn start(server: &Server, folder: &std::path::Path) -> Option<(Bot, Running)> {
    let mut command = npm()?.bot(folder, include_str!("stock/bot.cjs")).unwrap();
    let bot = server.bot(TOKEN);
    let stock = Running(command.env("TOKEN", TOKEN).env("BASE_URL", server.base_url()).spawn().unwrap());
    server.wait("the first poll", SOON, |world| (world.polls() > 0).then_some(()));
    Some((bot, stock))
}

/// The answer to what is done by `act`: the next message in the chat.
fn answer<T>(server: &Server, chat: &Chat, act: impl FnOnce() -> T) -> Sent {
    let before = chat.sent().len();
    act();
    server.wait("an answer", SOON, |world| world.sent(chat.id()).get(before).cloned())
}

#[test]
fn a_stock_client_holds_a_conversation() {
    let server = Server::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some((bot, mut stock)) = start(&server, folder.path()) else { return };
    let alice = server.user(42, "Alice");
    let chat = bot.private(&alice);
    let ask = |text: &str| answer(&server, &chat, || chat.say(&alice, text));

    assert_eq!(ask("hello 😀").text, "hello 😀");
    assert_eq!(server.look(|world| world.actions(42).len()), 1);
    let html = ask("/html bold");
    let kinds: Vec<_> = html.entities.iter().map(|entity| entity.kind.as_str()).collect();
    assert_eq!((html.text.as_str(), kinds.as_slice()), ("bold & more", ["bold", "text_link"].as_slice()));
    assert!(html.reply_to.is_some());
    assert_eq!(ask("/markdown bold").text, "bold code.");
    assert!(ask("/broken").text.starts_with("400 Bad Request: can't parse entities: Can't find end tag"));
    server.fault(Rule::new(Fault::TooManyRequests(3)).method("sendMessage").times(1));
    assert_eq!(ask("/flood").text, "429, wait 3");

    let choice = ask("/buttons");
    assert_eq!(choice.buttons, [["yes", "no"]]);
    chat.press(&alice, choice.message_id, "yes");
    let changed = |world: &openpact_fake_telegram::World| {
        world.sent(42).into_iter().find(|sent| sent.message_id == choice.message_id && !sent.edits.is_empty())
    };
    assert_eq!(server.wait("the edit", SOON, changed).text, "You chose yes");

    let mut first = 0;
    assert_eq!(answer(&server, &chat, || first = chat.say(&alice, "frist").message_id).text, "frist");
    let changed = answer(&server, &chat, || chat.edit(first, "first"));
    assert_eq!(changed.text, "changed to first");
    let document = chat.draft(&alice, "look").document("a.txt", "text/plain", b"what it says").send();
    let read = answer(&server, &chat, || {
        chat.draft(&alice, "/file").reply_to(document.message_id).send();
    });
    assert_eq!(read.text, "what it says");

    let forum = bot.forum(-1001, "Forum");
    let topic = forum.topic("News");
    let there = answer(&server, &forum, || {
        forum.draft(&alice, "in a topic").thread(topic).send();
    });
    assert_eq!(there.thread, Some(topic));

    chat.service(
        &alice,
        &json!({"pinned_message": {"message_id": 1, "date": 0, "chat": {"id": 42, "type": "private"}}}),
    );
    chat.album(&alice, "album", &[b"1", b"2"]).send();
    bot.channel(-1002, "Channel").post("news");
    bot.push(json!({"kind_of_tomorrow": {"a": 1}}));
    let seen = ask("/seen").text;
    assert!(seen.ends_with("message message message channel_post kind_of_tomorrow message"), "{seen}");

    chat.say(&alice, "/stop");
    assert!(stock.0.wait().unwrap().success());
    assert_eq!(bot.pending(), 0, "a client that stops confirms what it has seen");
    assert_eq!(server.look(|world| world.duplicates(42)), []);
    server.assert_no_violations();
}

#[test]
fn a_stock_client_understands_a_conflict() {
    let server = Server::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    server.fault(Rule::new(Fault::Conflict).method("getUpdates"));
    let Some(npm) = npm() else { return };
    let mut command = npm.bot(folder.path(), include_str!("stock/bot.cjs")).unwrap();
    server.bot(TOKEN);
    let ended = command.env("TOKEN", TOKEN).env("BASE_URL", server.base_url()).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(
        !ended.status.success() && told.contains("409: Conflict: terminated by other getUpdates"),
        "{told}"
    );
}
