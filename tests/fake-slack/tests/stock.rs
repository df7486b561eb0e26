//! Proof that the fake is one: an app on the stock framework (Bolt, from npm) that knows nothing of it works with it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::process::Stdio;
use std::time::Duration;

use openpact_fake_slack::{App, Channel, Fault, Outcome, Posted, RetryAfter, Rule, Server, World};
use openpact_test_programs::{Running, npm};

const BOT: &str = "xoxb-stock-secret";
const APP: &str = "xapp-stock-secret";
const SOON: Duration = Duration::from_mins(1);

/// An app on the stock framework that is connected; `None` where there is no npm.
fn start(server: &Server, folder: &std::path::Path) -> Option<(App, Running)> {
    let mut command = npm()?.bot(folder, include_str!("stock/bot.cjs")).unwrap();
    let app = server.app(BOT, APP);
    command.env("BOT_TOKEN", BOT).env("APP_TOKEN", APP).env("API_URL", server.api_url());
    let stock = Running(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    connected(server, 1);
    Some((app, stock))
}

/// Waits until so many connections were opened, and the last of them is ready.
fn connected(server: &Server, opened: u64) {
    let open = |world: &World| world.connections() > 0 && world.connections_opened() >= opened;
    server.wait("a connection", SOON, |world| open(world).then_some(()));
}

/// The answer to what is done by `act`: the next message in the channel.
fn answer<T>(server: &Server, channel: &Channel, act: impl FnOnce() -> T) -> Posted {
    let before = channel.posted().len();
    act();
    server.wait("an answer", SOON, |world| world.posted(channel.id()).get(before).cloned())
}

#[test]
fn a_stock_app_holds_a_conversation() {
    let server = Server::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some((app, mut stock)) = start(&server, folder.path()) else { return };
    let alice = server.person("U0ALICE", "Alice");
    let (direct, general) = (app.direct(&alice), app.channel("C0GENERAL", "general"));

    let said = direct.say(&alice, "echo hello");
    let heard = answer(&server, &direct, || ());
    assert_eq!((heard.text.as_str(), heard.thread_ts.as_deref()), ("hello", Some(&*said.ts)));
    let mut asked = None;
    let called = answer(&server, &general, || {
        asked = Some(general.say(&alice, &format!("{} hi", app.mention())).ts);
    });
    assert_eq!((called.text.as_str(), called.thread_ts), ("you called, <@U0ALICE>", asked.clone()));
    let root = asked.unwrap();
    let again = answer(&server, &general, || general.reply(&alice, &root, "echo in the thread"));
    assert_eq!((again.text.as_str(), again.thread_ts), ("in the thread", Some(root)));

    let changing = answer(&server, &general, || general.say(&alice, "progress"));
    let done = |world: &World| {
        world.posted("C0GENERAL").into_iter().find(|said| said.ts == changing.ts && !said.edits.is_empty())
    };
    let done = server.wait("the change", SOON, done);
    assert_eq!((done.text.as_str(), done.edits.as_slice()), ("done", ["working".to_owned()].as_slice()));
    assert_eq!(general.statuses()[0].status, "is working");
    general.say(&alice, "private");
    let one = server.wait("a word to one", SOON, |world| world.ephemeral("C0GENERAL").first().cloned());
    assert_eq!((one.text.as_str(), one.only_for.as_deref()), ("only for you", Some("U0ALICE")));
    assert_eq!(answer(&server, &general, || general.say(&alice, "who")).text, "Alice in general: who");
    assert_eq!(answer(&server, &general, || general.say(&alice, "wrong")).text, "refused: invalid_blocks");

    let typo = general.say(&alice, "frist").ts;
    assert_eq!(answer(&server, &general, || general.edit(&typo, "first")).text, "changed to first");
    let read = answer(&server, &direct, || {
        direct.draft(&alice, "").file("a.txt", "text/plain", b"what it says").send()
    });
    assert_eq!(read.text, "what it says");
    let up = answer(&server, &general, || general.say(&alice, "upload"));
    let file = general.message(&up.ts).unwrap()["files"][0].clone();
    assert_eq!((file["name"].as_str(), file["size"].as_u64()), (Some("a.txt"), Some(12)));

    app.event(&serde_json::json!({"type": "kind_of_tomorrow"}));
    app.write("this is not JSON");
    assert_eq!(answer(&server, &direct, || direct.say(&alice, "echo still here")).text, "still here");
    server.wait("all to be acknowledged", SOON, |world| (world.pending() == 0).then_some(()));
    drop(stock.0.stdin.take());
    assert!(stock.0.wait().unwrap().success());
    server.assert_no_violations();
}

#[test]
fn a_stock_app_answers_commands_and_buttons() {
    let server = Server::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some((app, _stock)) = start(&server, folder.path()) else { return };
    let alice = server.person("U0ALICE", "Alice");
    let general = app.channel("C0GENERAL", "general");

    let mut used = None;
    let told = answer(&server, &general, || used = Some(general.command(&alice, "/openpact", "status")));
    assert_eq!((told.text.as_str(), told.method.as_str()), ("you said status", "response_url"));
    assert!(matches!(server.outcome(&used.unwrap()), Outcome::Acknowledged(_)));
    assert_eq!(general.ephemeral()[0].text, "one moment");

    let choice = answer(&server, &general, || general.say(&alice, "choose"));
    assert_eq!(choice.buttons(), ["yes"]);
    general.press(&alice, &choice.ts, "yes");
    let noted = server.wait("a note", SOON, |world| world.ephemeral("C0GENERAL").get(1).cloned());
    assert_eq!((noted.text.as_str(), noted.method.as_str()), ("noted", "response_url"));
    let chosen = general.posted().into_iter().find(|said| said.ts == choice.ts).unwrap();
    assert_eq!(chosen.text, "chosen: 1");
    server.assert_no_violations();
}

#[test]
fn a_stock_app_survives_what_goes_wrong() {
    let server = Server::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some((app, _stock)) = start(&server, folder.path()) else { return };
    let alice = server.person("U0ALICE", "Alice");
    let direct = app.direct(&alice);
    // What comes again may be answered again, so the answer is known by its text.
    let ask = |text: &str| {
        direct.say(&alice, &format!("echo {text}"));
        let heard = |world: &World| world.posted(direct.id()).into_iter().find(|said| said.text == text);
        server.wait(text, SOON, heard);
    };

    app.disconnect("refresh_requested");
    connected(&server, 2);
    ask("after a refresh");
    app.cut();
    connected(&server, 3);
    ask("after a cut");
    server.fault(Rule::once(Fault::CutAfterEnvelope));
    ask("before another cut");
    connected(&server, 4);
    server.wait("the end of it", SOON, |world| (world.pending() == 0).then_some(()));

    let wait = Fault::TooManyRequests(RetryAfter::Seconds(1));
    server.fault(Rule::once(wait).method("chat.postMessage"));
    ask("patience");
    let refused = server.look(|world| world.calls().iter().filter(|call| call.status == 429).count());
    assert_eq!(refused, 1);
    server.fault(Rule::once(Fault::FramedEnvelope(11)));
    ask("in pieces");
    server.assert_no_violations();
}
