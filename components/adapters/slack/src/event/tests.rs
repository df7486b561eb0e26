//! Events written after Slack's documentation (<https://docs.slack.dev/reference/events>).
#![expect(clippy::needless_pass_by_value, reason = "values are written where they are passed")]

use openpact_sdk::adapter::Attachment;
use openpact_sdk::kv;
use openpact_sdk::serde_json::json;

use super::*;

fn reader() -> Reader {
    Reader {
        user: "U0".into(),
        bot: Some("B0".into()),
        name: "ours".into(),
        respond_all: ["C9".to_owned()].into(),
        bots: ["B9".to_owned()].into(),
        mentions: Mentions::default(),
    }
}

fn payload(event: Value) -> Value {
    json!({
        "token": "x", "team_id": "T1", "api_app_id": "A1", "type": "event_callback", "event_id": "Ev1",
        "event_time": 1_700_000_000, "event": event,
        "authorizations": [{ "enterprise_id": null, "team_id": "T1", "user_id": "U0", "is_bot": true,
            "is_enterprise_install": false }],
    })
}

/// A message with these keys in place of the usual ones.
fn message(more: Value) -> Value {
    let mut message = json!({
        "type": "message", "channel": "C1", "user": "U1", "text": "<@U0> hi", "ts": "1700000000.000100",
        "event_ts": "1700000000.000100", "channel_type": "channel", "team": "T1", "client_msg_id": "c",
        "blocks": [{ "type": "rich_text", "block_id": "b", "elements": [] }],
    });
    for (key, value) in more.as_object().expect("an object") {
        message[key] = value.clone();
    }
    message
}

fn event(event: Value) -> Option<InboundEvent> {
    reader().event(&payload(event)).expect("readable")
}

fn said(event: &InboundEvent) -> &InboundMessage {
    match &event.happening {
        Happening::Message(message) | Happening::Edit(message) => message,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(more: Value, expected: Option<(Occasion, &str)>) {
    let event = event(message(more.clone()));
    let got = event.as_ref().map(said).map(|said| (said.occasion, said.text.as_str()));
    assert_eq!(got, expected, "{more}");
}

#[test]
fn a_mention_in_a_channel_begins_a_thread() {
    let event = event(message(json!({}))).expect("an event");
    assert_eq!((event.account.as_str(), event.id.as_str()), ("U0", "C1:1700000000.000100"));
    assert_eq!((event.revision, event.time), (0, 1_700_000_000_000));
    assert_eq!(
        event.channel,
        Channel {
            id: "C1".into(),
            thread: Some("1700000000.000100".into()),
            name: None,
            audience: Audience::Public
        }
    );
    assert_eq!((event.sender.id.as_str(), event.sender.kind), ("U1", SenderKind::Person));
    let said = said(&event);
    assert_eq!((said.id.as_str(), said.text.as_str(), said.others), ("1700000000.000100", "hi", false));
    assert_eq!(said.occasion, Occasion::Mention);
}

#[test]
fn the_two_events_of_a_mention_are_one() {
    let first = event(message(json!({ "channel_type": "group" })));
    let mut mention = message(json!({ "type": "app_mention" }));
    // This event does not tell the kind of the channel: the other one did.
    mention.as_object_mut().expect("an object").remove("channel_type");
    assert_eq!(event(mention), first);
    assert_eq!(first.map(|event| event.channel.audience), Some(Audience::Group));
}

#[test]
fn a_channel_of_which_nothing_is_known_is_public() {
    let mut mention = message(json!({ "type": "app_mention", "channel": "C7" }));
    mention.as_object_mut().expect("an object").remove("channel_type");
    assert_eq!(event(mention).map(|event| event.channel.audience), Some(Audience::Public));
}

#[test]
fn what_is_said_to_it() {
    check(json!({ "text": "hi", "channel": "D1", "channel_type": "im" }), Some((Occasion::Direct, "hi")));
    check(json!({ "text": "hi" }), None);
    check(json!({ "text": "hi", "channel_type": "mpim", "channel": "G1" }), None);
    check(json!({ "channel_type": "mpim", "channel": "G1" }), Some((Occasion::Mention, "hi")));
    check(json!({ "text": "so *<@U0|ours>*?" }), Some((Occasion::Mention, "so **@ours**?")));
    check(json!({ "text": "<@U0>" }), Some((Occasion::Mention, "")));
    check(json!({ "text": "<@U01> hi" }), None);
    check(json!({ "text": "hi", "channel": "C9" }), Some((Occasion::EveryMessage, "hi")));
}

#[test]
fn direct_messages_have_threads_only_where_somebody_made_one() {
    let direct = json!({ "channel": "D1", "channel_type": "im" });
    let thread = |more: Value| event(message(more)).expect("an event").channel.thread;
    assert_eq!(thread(direct.clone()), None);
    let mut reply = direct;
    reply["thread_ts"] = "1699999999.000100".into();
    assert_eq!(thread(reply).as_deref(), Some("1699999999.000100"));
}

#[test]
fn replies_in_a_thread_that_it_takes_part_in() {
    let reply = json!({ "text": "and?", "thread_ts": "1.5" });
    check(reply.clone(), None);
    Thread { account: "U0", channel: "C1", root: "1.5" }.join("1.5");
    check(reply.clone(), Some((Occasion::Thread, "and?")));
    let broadcast = json!({ "text": "and?", "thread_ts": "1.5", "subtype": "thread_broadcast",
        "root": { "type": "message", "ts": "1.5", "text": "?" } });
    check(broadcast, Some((Occasion::Thread, "and?")));
    check(json!({ "text": "and?", "thread_ts": "1.6" }), None);
    let channel = event(message(reply)).expect("an event").channel;
    assert_eq!(channel.thread.as_deref(), Some("1.5"));
    assert_eq!(kv::get("thread/U0/1.5/C1"), Ok(Some(b"1.5".to_vec())));
}

#[test]
fn who_is_not_listened_to() {
    check(json!({ "user": "U0" }), None);
    check(json!({ "bot_id": "B0" }), None);
    check(json!({ "bot_id": "B1", "app_id": "A2", "bot_profile": { "name": "Other" } }), None);
    check(json!({ "user": "USLACKBOT" }), None);
    for subtype in
        ["bot_message", "channel_join", "channel_topic", "me_message", "message_deleted", "new_kind"]
    {
        check(json!({ "subtype": subtype }), None);
    }
}

#[test]
fn a_bot_that_is_listed_is_listened_to() {
    let classic = json!({ "subtype": "bot_message", "bot_id": "B9", "username": "CI", "user": null });
    let classic = event(message(classic)).expect("an event").sender;
    let new = json!({ "user": "U9", "bot_id": "B9", "bot_profile": { "id": "B9", "name": "CI" } });
    let new = event(message(new)).expect("an event").sender;
    assert_eq!((classic.id.as_str(), classic.display_name.as_str()), ("B9", "CI"));
    assert_eq!(classic, new);
    assert_eq!(classic.kind, SenderKind::Bot);
}

fn changed(now: Value, before: Value) -> Option<InboundEvent> {
    let inner = |edited: Value| {
        let mut inner = message(json!({ "edited": edited }));
        for key in ["channel", "channel_type", "event_ts"] {
            inner.as_object_mut().expect("an object").remove(key);
        }
        inner
    };
    event(json!({
        "type": "message", "subtype": "message_changed", "hidden": true, "channel": "C1",
        "channel_type": "channel", "ts": "1700000009.000700", "event_ts": "1700000009.000700",
        "message": inner(now), "previous_message": inner(before),
    }))
}

#[test]
fn an_edit_is_told_by_when_it_was_made() {
    let edit = |ts: &str| json!({ "user": "U1", "ts": ts });
    let first = changed(edit("1700000005.000000"), Value::Null).expect("an event");
    assert_eq!((first.id.as_str(), first.revision), ("C1:1700000000.000100", 1_700_000_009_000));
    assert!(matches!(&first.happening, Happening::Edit(message) if message.text == "hi"));
    assert_eq!(first.channel.thread.as_deref(), Some("1700000000.000100"));
    assert!(changed(edit("1700000006.000000"), edit("1700000005.000000")).is_some());
    // What a link leads to is shown: nobody edited it.
    assert_eq!(changed(Value::Null, Value::Null), None);
    assert_eq!(changed(edit("1700000005.000000"), edit("1700000005.000000")), None);
}

#[test]
fn two_edits_in_one_second_are_two() {
    let edited = json!({ "user": "U1", "ts": "1700000005.000000" });
    let inner = |text: &str| json!({ "type": "message", "user": "U1", "text": text, "ts": "1700000000.000100", "edited": edited });
    let revision = |at: &str, now: &str, before: &str| {
        let read = event(json!({
            "type": "message", "subtype": "message_changed", "hidden": true, "channel": "D1", "channel_type": "im",
            "ts": at, "event_ts": at, "message": inner(now), "previous_message": inner(before),
        }));
        read.map(|event| event.revision)
    };
    assert_eq!(revision("1700000005.400700", "b", "a"), Some(1_700_000_005_400));
    assert_eq!(revision("1700000005.900700", "c", "b"), Some(1_700_000_005_900));
    assert_eq!(revision("1700000006.000100", "c", "c"), None, "nobody edited it");
}

#[test]
fn a_message_that_is_forwarded_is_of_others() {
    let share = json!({ "is_msg_unfurl": true, "is_share": true, "author_name": "Eve [x]", "author_id": "U5",
        "text": "do *this*\n&amp; that", "ts": "1.1", "channel_id": "C5", "fallback": "x" });
    let unfurl = json!({ "from_url": "https://x.example", "title": "T", "text": "do that", "id": 1 });
    let forwarded = event(message(json!({ "attachments": [share, unfurl.clone()] }))).expect("an event");
    let said_there = said(&forwarded);
    assert!(said_there.others);
    assert_eq!(said_there.text, "hi\n[forwarded from Eve x]\n> do **this**\n> & that");
    let linked = event(message(json!({ "attachments": [unfurl] }))).expect("an event");
    assert_eq!((said(&linked).others, said(&linked).text.as_str()), (false, "hi"));
}

#[test]
fn files_can_be_fetched_where_slack_has_them() {
    let files = json!([
        { "id": "F1", "name": "a.txt", "mimetype": "text/plain", "size": 12, "mode": "hosted",
          "url_private": "https://files.slack.com/files-pri/T1-F1/a.txt" },
        { "id": "F2", "name": "doc", "is_external": true, "url_private": "https://drive.example/doc" },
        { "id": "F3", "name": "b", "url_private": "", "size": 1 },
    ]);
    let shared = message(json!({ "subtype": "file_share", "files": files, "text": "<@U0>" }));
    let event = event(shared).expect("an event");
    let said = said(&event);
    // What a file is called is nothing that the sender says.
    assert_eq!((said.text.as_str(), said.others), ("", false));
    let [file, elsewhere, nowhere] = said.attachments.as_slice() else { panic!("{said:?}") };
    assert_eq!((file.name.as_deref(), file.media_type.as_deref()), (Some("a.txt"), Some("text/plain")));
    assert_eq!(file.size, Some(12));
    let url = |file: &Attachment| serde_json::from_str::<FileId>(&file.id).expect("an id").url;
    assert_eq!(url(file).as_deref(), Some("https://files.slack.com/files-pri/T1-F1/a.txt"));
    assert_eq!((elsewhere.name.as_deref(), nowhere.name.as_deref()), (Some("doc"), Some("b")));
    assert_eq!((url(elsewhere), url(nowhere)), (None, None), "nobody is sent there");
}

#[test]
fn a_file_alone_is_a_message() {
    let file = json!({ "id": "F1", "name": "a", "url_private": "https://files.slack.com/a" });
    let direct = json!({ "channel": "D1", "channel_type": "im", "text": "", "subtype": "file_share", "files": [file] });
    assert_eq!(event(message(direct)).map(|event| said(&event).attachments.len()), Some(1));
    check(json!({ "channel": "D1", "channel_type": "im", "text": "" }), None);
}

#[test]
fn a_command_in_a_message_is_one_behind_a_mention() {
    let command = |text: &str, channel: &str, kind: &str| {
        let event = event(message(json!({ "text": text, "channel": channel, "channel_type": kind })));
        match event.expect("an event").happening {
            Happening::Command(command) => Some((command.name, command.arguments, command.message.is_some())),
            _ => None,
        }
    };
    let approve = Some(("approve".to_owned(), "ab".to_owned(), true));
    assert_eq!(command("<@U0> /approve ab", "C1", "channel"), approve);
    assert_eq!(command("/openpact approve ab", "D1", "im"), approve);
    assert_eq!(command("/approve ab <@U0>", "C1", "channel"), None);
    assert_eq!(command("<@U0> stop", "C1", "channel"), None);
}

fn said_in(channel: &str, kind: &str) {
    event(message(json!({ "channel": channel, "channel_type": kind, "text": "hi" })));
}

#[test]
fn a_slash_command() {
    let used = json!({
        "token": "x", "team_id": "T1", "team_domain": "t", "channel_id": "C1", "channel_name": "general",
        "user_id": "U1", "user_name": "ada", "command": "/openpact-mode-full", "text": "a &amp; b",
        "api_app_id": "A1", "is_enterprise_install": "false",
        "response_url": "https://hooks.slack.com/commands/T1/2/3", "trigger_id": "13.7.8",
    });
    let event = reader().slash(&used).expect("readable").expect("an event");
    assert_eq!((event.id.as_str(), event.sender.id.as_str()), ("command:13.7.8", "U1"));
    assert_eq!((event.sender.display_name.as_str(), event.channel.name.as_deref()), ("ada", Some("general")));
    let Happening::Command(command) = event.happening else { panic!("no command") };
    assert_eq!((command.name.as_str(), command.arguments.as_str()), ("mode-full", "a & b"));
    let interaction: Interaction = serde_json::from_str(&command.interaction.expect("one")).expect("an id");
    assert_eq!(interaction.url.as_deref(), Some("https://hooks.slack.com/commands/T1/2/3"));
    let named = |id: &str, name: &str| {
        let mut used = used.clone();
        (used["channel_id"], used["channel_name"]) = (id.into(), name.into());
        reader().slash(&used).expect("readable").expect("an event").channel
    };
    // Two people have it with each other, as far as anybody knows.
    let direct = named("D1", "directmessage");
    assert_eq!((direct.audience, direct.name), (Audience::Group, None));
    said_in("D1", "im");
    assert_eq!(named("D1", "directmessage").audience, Audience::Direct, "something was said there to it");
    assert_eq!(named("D2", "directmessage").audience, Audience::Group);
    // Anybody can name a channel so.
    assert_eq!(named("C1", "directmessage").audience, Audience::Public);
    assert_eq!(named("C1", "privategroup").audience, Audience::Group, "nothing better is known");
    thread::keep_kind("C1", "channel");
    assert_eq!(named("C1", "privategroup").audience, Audience::Public);
    assert_eq!(named("C1", "mpdm-a--b-1").audience, Audience::Public);
}

fn press() -> Value {
    json!({
        "type": "block_actions", "user": { "id": "U1", "username": "ada", "name": "ada", "team_id": "T1" },
        "api_app_id": "A1", "token": "x", "trigger_id": "12.3.4", "team": { "id": "T1", "domain": "t" },
        "container": { "type": "message", "message_ts": "1700000001.000200", "channel_id": "C1",
            "is_ephemeral": false, "thread_ts": "1700000000.000100" },
        "enterprise": null, "is_enterprise_install": false, "channel": { "id": "C1", "name": "privategroup" },
        "message": { "type": "message", "user": "U0", "ts": "1700000001.000200", "text": "?",
            "blocks": [{ "type": "new_block" }] },
        "state": { "values": {} }, "response_url": "https://hooks.slack.com/actions/T1/2/3",
        "actions": [{ "action_id": "openpact:0", "block_id": "b", "type": "button", "value": "approve:x",
            "text": { "type": "plain_text", "text": "Yes", "emoji": true }, "action_ts": "1700000002.500000" }],
    })
}

#[test]
fn a_press_of_a_button() {
    let event = reader().interaction(&press()).expect("readable").expect("an event");
    assert_eq!((event.id.as_str(), event.time), ("action:12.3.4", 1_700_000_002_500));
    assert_eq!(event.channel.thread.as_deref(), Some("1700000000.000100"));
    assert_eq!(event.channel.audience, Audience::Group);
    let Happening::Button(press) = event.happening else { panic!("no press") };
    assert_eq!((press.message.as_str(), press.value.as_str()), ("1700000001.000200", "approve:x"));
    let interaction: Interaction = serde_json::from_str(&press.interaction).expect("an id");
    assert_eq!((interaction.channel.as_str(), interaction.user.as_str()), ("C1", "U1"));
    assert_eq!(interaction.thread.as_deref(), Some("1700000000.000100"));
}

#[test]
fn other_interactions_are_nothing() {
    let mut other = press();
    other["actions"][0]["action_id"] = "somebody_elses".into();
    assert_eq!(reader().interaction(&other), Ok(None));
    assert_eq!(reader().interaction(&json!({ "type": "view_closed" })), Ok(None));
    assert!(reader().interaction(&json!({ "type": "block_actions" })).is_err());
}

#[test]
fn what_is_not_understood_is_told() {
    assert!(reader().event(&json!({ "type": "event_callback" })).is_err());
    assert!(reader().event(&payload(json!({ "type": "message", "ts": 1 }))).is_err());
    assert_eq!(event(json!({ "type": "reaction_added" })), None);
}

#[test]
fn times_are_read() {
    for (ts, expected) in [("1700000000.000100", 1_700_000_000_000), ("1.5", 1_500), ("2", 2_000), ("x", 0)] {
        assert_eq!(milliseconds(ts), expected, "{ts}");
    }
}
