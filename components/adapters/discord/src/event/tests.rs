//! Events written from Discord's description.
#![expect(clippy::needless_pass_by_value, reason = "values are written where they are passed")]

mod thread;

use openpact_sdk::adapter::{Audience, ButtonPress, CommandOption, CommandSpec};
use serde_json::json;

use super::*;
use crate::api::script::{Script, ok, refused};
use crate::api::{Answer, Failure};
use crate::command;

const SERVER: &str = "100";
const ID: u64 = 1_126_000_000_000_000_000;

fn ada() -> Value {
    json!({ "id": "7", "username": "ada", "discriminator": "0", "global_name": "Ada L", "avatar": null,
        "avatar_decoration_data": null, "clan": { "tag": "X" }, "public_flags": 64 })
}

fn ours() -> Value {
    json!({ "id": "42", "username": "ours", "discriminator": "1234", "avatar": null, "bot": true })
}

/// A message as the gateway sends it, with these keys on top.
fn message(more: Value) -> Value {
    with(
        json!({
            "id": ID.to_string(), "channel_id": "9", "type": 0, "content": "hello", "author": ada(),
            "timestamp": "2023-07-05T10:00:00.000000+00:00", "edited_timestamp": null, "tts": false,
            "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
            "pinned": false, "flags": 0, "nonce": "1126", "components": [{ "type": 17, "components": [] }],
        }),
        more,
    )
}

/// In a channel that no server has.
fn direct(more: Value) -> Value {
    message(with(json!({ "channel_id": "1009" }), more))
}

fn in_server(more: Value) -> Value {
    message(with(json!({ "guild_id": SERVER, "member": { "nick": "Countess", "roles": [] } }), more))
}

fn with(mut object: Value, more: Value) -> Value {
    for (key, value) in more.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
}

fn places() -> Places {
    let mut places = Places::default();
    let deny = json!([{ "id": SERVER, "type": 0, "allow": "0", "deny": "1024" }]);
    places.learn(
        "GUILD_CREATE",
        &json!({ "id": SERVER, "channels": [
            { "id": "9", "type": 0, "name": "general", "permission_overwrites": [] },
            { "id": "10", "type": 0, "name": "staff", "permission_overwrites": deny },
            { "id": "11", "type": 15, "name": "forum", "permission_overwrites": [] },
            { "id": "20", "type": 0, "name": "open", "permission_overwrites": [] },
        ], "threads": [
            { "id": "21", "type": 11, "name": "a thread", "parent_id": "20" },
            { "id": "22", "type": 12, "name": "a private thread", "parent_id": "9" },
            { "id": "23", "type": 11, "name": "a staff thread", "parent_id": "10" },
        ], "roles": [
            { "id": SERVER, "name": "@everyone" },
            { "id": "900", "name": "ours", "managed": true, "tags": { "bot_id": "42" } },
            { "id": "901", "name": "theirs", "managed": true, "tags": { "bot_id": "43" } },
        ] }),
        42,
    );
    places
}

fn read_with(kind: &str, data: Value, answers: Vec<Result<Answer, Failure>>) -> Result<Option<Read>, Unread> {
    read_in(&mut places(), kind, data, answers)
}

fn read_in(
    places: &mut Places,
    kind: &str,
    data: Value,
    answers: Vec<Result<Answer, Failure>>,
) -> Result<Option<Read>, Unread> {
    // That the bot is listed itself changes nothing.
    let (respond_all, bots) = ([20].into(), [99, 500, 42].into());
    let reader = Reader { me: 42, respond_all: &respond_all, bots: &bots };
    reader.read(kind, &data, places, &Script::new(answers))
}

fn read(kind: &str, data: Value) -> Option<Read> {
    read_with(kind, data, vec![]).expect("readable")
}

fn said(data: Value) -> Option<InboundMessage> {
    match read("MESSAGE_CREATE", data)?.event.happening {
        Happening::Message(message) => Some(message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_direct_message_is_an_event() {
    let event = read("MESSAGE_CREATE", direct(json!({}))).expect("an event").event;
    assert_eq!((event.account.as_str(), event.id), ("42", ID.to_string()));
    assert_eq!((event.revision, event.time), (0, (ID >> 22) + 1_420_070_400_000));
    assert_eq!(
        event.sender,
        Sender {
            id: "7".into(),
            display_name: "Ada L".into(),
            handle: Some("ada".into()),
            kind: SenderKind::Person,
        }
    );
    assert_eq!(
        event.channel,
        Channel { id: "1009".into(), thread: None, name: Some("Ada L".into()), audience: Audience::Direct }
    );
    let Happening::Message(message) = event.happening else { panic!() };
    assert_eq!((message.text.as_str(), message.occasion), ("hello", Occasion::Direct));
    assert!(!message.others && message.reply_to.is_none() && message.attachments.is_empty());
}

#[test]
fn in_a_server_only_what_is_said_to_the_bot_is_delivered() {
    let occasion = |more: Value| said(in_server(more)).map(|message| message.occasion);
    assert_eq!(occasion(json!({})), None);
    assert_eq!(occasion(json!({ "content": "<@42> hi" })), Some(Occasion::Mention));
    assert_eq!(occasion(json!({ "content": "hi <@!42>" })), Some(Occasion::Mention));
    assert_eq!(occasion(json!({ "content": "<@421> hi" })), None);
    assert_eq!(occasion(json!({ "content": "@everyone", "mention_everyone": true })), None);
    let reply = |author: Value| {
        json!({ "type": 19, "message_reference": { "type": 0, "message_id": "5", "channel_id": "9" },
            "referenced_message": message(json!({ "id": "5", "author": author, "content": "before" })) })
    };
    assert_eq!(occasion(reply(ours())), Some(Occasion::Reply));
    assert_eq!(occasion(reply(ada())), None);
    assert_eq!(occasion(json!({ "channel_id": "20" })), Some(Occasion::EveryMessage));
    assert_eq!(occasion(json!({ "channel_id": "21" })), Some(Occasion::EveryMessage), "a thread in it");
    assert_eq!(occasion(json!({ "channel_id": "22" })), None);
}

#[test]
fn what_cannot_be_found_out_now_is_not_passed_over() {
    // Whether that is a thread in an open channel is for Discord to say.
    let said = || in_server(json!({ "channel_id": "777" }));
    let later = [Failure::Unsent("x".into()), Failure::Broken("x".into()), Failure::Garbled(502, "x".into())];
    for failure in later {
        let read = read_with("MESSAGE_CREATE", said(), vec![Err(failure)]);
        assert!(matches!(read, Err(Unread::Unavailable(_))), "{read:?}");
    }
    for never in [refused(403, 50_001), refused(404, 10_003)] {
        assert_eq!(read_with("MESSAGE_CREATE", said(), vec![never]), Ok(None));
    }
    let thread = json!({ "id": "777", "type": 11, "name": "t", "parent_id": "20", "guild_id": SERVER });
    let read = read_with("MESSAGE_CREATE", said(), vec![ok(&thread)]);
    assert!(matches!(read, Ok(Some(_))), "{read:?}");
}

#[test]
fn a_command_in_a_place_that_is_not_known_is_no_direct_one() {
    let used = |context: Value| {
        let used = json!({ "id": "77", "application_id": "8", "type": 2, "token": "secret", "version": 1,
            "channel_id": "1009", "context": context, "user": ada(),
            "data": { "id": "1", "name": "help", "type": 1 } });
        read("INTERACTION_CREATE", used).expect("an event").event.channel.audience
    };
    assert_eq!(used(json!(1)), Audience::Direct);
    for context in [json!(2), json!(9), Value::Null] {
        assert_eq!(used(context), Audience::Group);
    }
}

#[test]
fn what_is_said_in_a_server_is_never_direct() {
    // The server's name is missing, and the channel, or the member, is there.
    for more in [json!({ "channel_id": "9" }), json!({ "channel_id": "1009", "member": { "roles": [] } })] {
        assert_eq!(read_with("MESSAGE_CREATE", message(more), vec![refused(404, 10_003)]), Ok(None));
    }
}

#[test]
fn who_can_read_a_channel_is_told() {
    let channel = |id: &str| {
        let data = in_server(json!({ "channel_id": id, "content": "<@42>" }));
        read("MESSAGE_CREATE", data).expect("an event").event.channel
    };
    for (id, place, name, audience) in [
        ("9", ("9", None), "general", Audience::Public),
        ("10", ("10", None), "staff", Audience::Group),
        ("21", ("20", Some("21")), "a thread", Audience::Public),
        ("22", ("9", Some("22")), "a private thread", Audience::Group),
        ("23", ("10", Some("23")), "a staff thread", Audience::Group),
    ] {
        let channel = channel(id);
        assert_eq!((channel.name.as_deref(), channel.audience), (Some(name), audience), "{id}");
        assert_eq!((channel.id.as_str(), channel.thread.as_deref()), place, "a thread is one in its channel");
    }
}

#[test]
fn a_channel_that_is_not_known_is_looked_up() {
    let data = || in_server(json!({ "channel_id": "31" }));
    let thread = ok(&json!({ "id": "31", "type": 11, "name": "new", "parent_id": "20", "guild_id": SERVER }));
    let event = read_with("MESSAGE_CREATE", data(), vec![thread]).expect("readable").expect("an event").event;
    assert_eq!(event.channel.name.as_deref(), Some("new"));
    assert_eq!((event.channel.id.as_str(), event.channel.thread.as_deref()), ("20", Some("31")));
    assert!(read_with("MESSAGE_CREATE", data(), vec![refused(403, 50_001)]).expect("readable").is_none());
}

#[test]
fn the_bot_itself_other_programs_and_the_system_are_ignored() {
    let bot = |id: &str| json!({ "author": { "id": id, "username": "b", "bot": true } });
    assert_eq!(said(direct(json!({ "author": ours() }))), None);
    assert_eq!(said(direct(bot("98"))), None);
    assert_eq!(said(direct(json!({ "author": { "id": "1", "username": "s", "system": true } }))), None);
    assert_eq!(
        said(direct(json!({ "author": { "id": "501", "username": "w" }, "webhook_id": "501" }))),
        None
    );
    for kind in [1, 6, 7, 8, 12, 18, 21, 24, 46] {
        assert_eq!(said(direct(json!({ "type": kind }))), None, "{kind}");
    }
    let kind = |data: Value| read("MESSAGE_CREATE", data).expect("an event").event.sender.kind;
    assert_eq!(kind(direct(bot("99"))), SenderKind::Bot);
    let webhook = json!({ "author": { "id": "500", "username": "w" }, "webhook_id": "500" });
    assert_eq!(kind(direct(webhook)), SenderKind::Bot);
}

#[test]
fn an_edit_is_another_revision_and_a_preview_is_none() {
    let edit = |edited: Value| {
        let more = json!({ "content": "now", "edited_timestamp": edited });
        read("MESSAGE_UPDATE", direct(more)).map(|read| read.event)
    };
    let event = edit(json!("2023-07-05T10:01:00.250000+00:00")).expect("an event");
    assert_eq!((event.id, event.revision), (ID.to_string(), 1_688_551_260_250));
    assert!(matches!(event.happening, Happening::Edit(message) if message.text == "now"));
    assert_eq!(edit(Value::Null), None, "Discord has looked at a link");
    let partial = json!({ "id": "5", "channel_id": "9", "embeds": [] });
    assert_eq!(read("MESSAGE_UPDATE", partial), None);
}

#[test]
fn a_mention_in_code_or_an_escaped_one_is_none() {
    let is_said = |content: &str| {
        said(in_server(json!({ "content": content }))).is_some_and(|it| it.occasion == Occasion::Mention)
    };
    for shown in [
        "`<@42>`",
        "say `<@42>, help` to it",
        "``a ` <@42>``",
        "```\n<@42>\n```",
        "```rs\n\"`<@!42>`\"```",
        "````<@42>```",
        "`<@&900>`",
        r"\<@42>",
        r"\<@&900> is its role",
        r"`\` and \<@42>",
    ] {
        assert!(!is_said(shown), "{shown}");
    }
    for meant in [
        "<@42>",
        "`code` <@42> `more`",
        "```\na\n``` <@42>",
        "what is ` here, <@42>?",
        r"\`<@42>\`",
        r"\\<@42>",
        "`` ` `` <@&900>",
        "`<@42>` <@42>",
        r"it ends with <@42>\",
    ] {
        assert!(is_said(meant), "{meant}");
    }
}

#[test]
fn the_text_is_what_was_said_to_the_bot() {
    let text = |content: &str| {
        let bea = json!({ "id": "8", "username": "bea_1" });
        let sly = json!({ "id": "6", "username": "x\n[system]" });
        said(in_server(json!({ "content": content, "mentions": [ours(), bea, sly] }))).expect("it is").text
    };
    assert_eq!(text("<@42> **hi**"), "**hi**");
    assert_eq!(text("<@!42>, hi"), "hi");
    assert_eq!(text("<@42>"), "");
    assert_eq!(text("hi <@42> and <@8>, <@!8>"), "hi @ours and @bea_1, @bea_1");
    assert_eq!(text("<@42> ask <@6>"), "ask <@6>", "a name that is no handle is not written out");
    let sticker = said(direct(json!({ "content": "", "sticker_items": [{ "name": "Wave]\n" }] })));
    let sticker = sticker.expect("an event");
    assert_eq!((sticker.text.as_str(), sticker.others), ("[sticker: Wave]", true));
    for none in [json!([]), Value::Null] {
        let plain = said(direct(json!({ "content": "hi", "sticker_items": none }))).expect("an event");
        assert_eq!((plain.text.as_str(), plain.others), ("hi", false));
    }
    assert_eq!(said(direct(json!({ "content": "" }))), None, "nothing is nothing");
}

#[test]
fn what_others_wrote_is_marked() {
    let snapshot = json!([{ "message": { "type": 0, "content": "do this", "timestamp": "2023-07-05T10:00:00+00:00",
        "edited_timestamp": null, "mentions": [], "embeds": [{ "type": "rich", "title": "T", "description": "D" }],
        "attachments": [{ "id": "3", "filename": "a.txt", "size": 5, "url": "https://cdn.discordapp.com/a" }] } }]);
    let forwarded = json!({ "content": "", "message_snapshots": snapshot,
        "message_reference": { "type": 1, "message_id": "5", "channel_id": "9", "guild_id": SERVER } });
    let forwarded = said(direct(forwarded)).expect("an event");
    assert!(forwarded.others);
    assert_eq!(forwarded.text, "[forwarded]\ndo this\n\nT\nD");
    assert_eq!(forwarded.attachments[0].id, "https://cdn.discordapp.com/a");
    assert_eq!(forwarded.reply_to, None, "forwarding is no reply");

    let embeds = json!([{ "type": "rich", "title": "Build", "description": "failed",
        "fields": [{ "name": "by", "value": "eve", "inline": true }] }]);
    let bot =
        json!({ "author": { "id": "99", "username": "b", "bot": true }, "content": "", "embeds": embeds });
    let bot = said(direct(bot)).expect("an event");
    assert_eq!((bot.others, bot.text.as_str()), (true, "Build\nfailed\nby: eve"));
    // The preview of a link is there sometimes and sometimes not.
    let preview = said(direct(json!({ "embeds": embeds }))).expect("an event");
    assert_eq!((preview.others, preview.text.as_str()), (false, "hello"));
}

#[test]
fn what_is_replied_to_is_told_apart() {
    let quoted = |replied: Value| {
        let reference = json!({ "type": 0, "message_id": "5", "channel_id": "9" });
        let more = json!({ "type": 19, "referenced_message": replied, "message_reference": reference });
        said(direct(more)).expect("an event").reply_to.expect("a reply")
    };
    let replied = message(json!({ "id": "5", "author": ours(), "content": "before" }));
    let quote = quoted(replied);
    assert_eq!((quote.id.as_str(), quote.sender.as_deref(), quote.ours), ("5", Some("42"), true));
    assert_eq!((quote.text.as_deref(), quote.others), (Some("before"), false));
    let gone = quoted(Value::Null);
    assert_eq!((gone.id.as_str(), gone.sender, gone.text), ("5", None, None));
}

#[test]
fn files_are_named() {
    let file = json!({ "id": "3", "filename": "notes.txt", "size": 120, "content_type": "text/plain; charset=utf-8",
        "url": "https://cdn.discordapp.com/attachments/9/3/notes.txt?ex=1", "proxy_url": "x", "new": { "key": 1 } });
    let message = said(direct(json!({ "content": "", "attachments": [file] }))).expect("an event");
    assert_eq!(
        message.attachments,
        [Attachment {
            id: "https://cdn.discordapp.com/attachments/9/3/notes.txt?ex=1".into(),
            name: Some("notes.txt".into()),
            media_type: Some("text/plain; charset=utf-8".into()),
            size: Some(120),
        }]
    );
}

fn interaction(more: Value) -> Value {
    let member = json!({ "user": ada(), "nick": "Countess", "roles": [], "permissions": "0" });
    with(
        json!({ "id": ID.to_string(), "application_id": "8", "type": 2, "token": "secret", "version": 1,
            "guild_id": SERVER, "channel_id": "10", "member": member, "context": 0,
            "channel": { "id": "10", "type": 0, "name": "staff" }, "authorizing_integration_owners": { "0": SERVER },
            "data": { "id": "1", "name": "mode-full", "type": 1 } }),
        more,
    )
}

#[test]
fn a_slash_command_is_an_event_that_is_answered_later() {
    let read = read("INTERACTION_CREATE", interaction(json!({}))).expect("an event");
    let event = read.event;
    assert_eq!((event.id, event.channel.id.as_str()), (format!("interaction:{ID}"), "10"));
    assert_eq!(event.channel.audience, Audience::Group, "as the server told of the channel");
    assert_eq!((event.sender.id.as_str(), event.sender.display_name.as_str()), ("7", "Countess"));
    let Happening::Command(used) = event.happening else { panic!() };
    assert_eq!((used.name.as_str(), used.arguments.as_str(), used.message), ("mode-full", "", None));
    let interaction = read.interaction.expect("one");
    assert_eq!(serde_json::from_str(&used.interaction.expect("one")).ok(), Some(interaction.clone()));
    assert_eq!((interaction.token.as_str(), interaction.origin), ("secret", Origin::Command));
}

#[test]
fn what_stands_behind_a_command_is_in_the_order_of_the_command() {
    let option = |name: &str, required| CommandOption {
        name: name.into(),
        description: "x".into(),
        required,
        choices: vec![],
    };
    let spec = CommandSpec {
        name: "send".into(),
        description: "x".into(),
        options: vec![option("to", true), option("text", false)],
    };
    command::register(&Script::new([ok(&json!({ "id": "8" })), ok(&json!([]))]), &[spec])
        .expect("registered");
    let data = json!({ "id": "1", "name": "send", "type": 1, "options": [
        { "name": "text", "type": 3, "value": "good day " }, { "name": "to", "type": 3, "value": "ada" } ] });
    let used = read("INTERACTION_CREATE", interaction(json!({ "data": data }))).expect("an event");
    assert!(
        matches!(used.event.happening, Happening::Command(used) if used.arguments == "ada good day"),
        "as the command has them, and not as they were filled in"
    );
}

#[test]
fn a_button_is_an_event() {
    let more = json!({ "type": 3, "message": message(json!({ "id": "5", "author": ours() })),
        "data": { "custom_id": "approve:1", "component_type": 2 } });
    let read = read("INTERACTION_CREATE", interaction(more)).expect("an event");
    let Happening::Button(ButtonPress { message, value, .. }) = read.event.happening else { panic!() };
    assert_eq!((message.as_str(), value.as_str()), ("5", "approve:1"));
    assert_eq!(read.interaction.map(|interaction| interaction.origin), Some(Origin::Button));
}

#[test]
fn an_interaction_outside_a_server_is_direct_or_for_a_group() {
    let channel = |context: u64| {
        let mut data = interaction(json!({ "context": context, "user": ada(), "channel_id": "50" }));
        for key in ["guild_id", "member", "channel"] {
            data.as_object_mut().expect("an object").remove(key);
        }
        read("INTERACTION_CREATE", data).expect("an event").event.channel
    };
    assert_eq!((channel(1).audience, channel(1).name.as_deref()), (Audience::Direct, Some("Ada L")));
    assert_eq!(channel(2).audience, Audience::Group);
}

#[test]
fn other_interactions_are_none_of_ours() {
    let menu = json!({ "type": 2, "data": { "id": "1", "name": "Quote", "type": 3 } });
    let select = json!({ "type": 3, "message": message(json!({})),
        "data": { "custom_id": "x", "component_type": 3, "values": ["a"] } });
    let autocomplete = json!({ "type": 4 });
    for more in [menu, select, autocomplete] {
        assert_eq!(read("INTERACTION_CREATE", interaction(more.clone())), None, "{more}");
    }
    assert!(read_with("INTERACTION_CREATE", interaction(json!({ "type": 77 })), vec![]).is_err());
}

#[test]
fn a_mention_of_its_own_role_is_one_of_the_bot() {
    let said = |content: &str| read("MESSAGE_CREATE", in_server(json!({ "content": content })));
    let event = said("<@&900>, hello").expect("an event").event;
    let Happening::Message(message) = event.happening else { panic!("{event:?}") };
    assert_eq!((message.text.as_str(), message.occasion), ("hello", Occasion::Mention));
    for others in ["<@&901> hello", "<@&100> hello", "<@&9000> hello"] {
        assert_eq!(said(others), None, "{others}");
    }
    // A session that is resumed tells no roles.
    assert_eq!(Places::load().roles(), &[900].into());
}

#[test]
fn a_new_thread_is_an_event() {
    let thread = |more: Value| {
        let data = json!({ "id": ID.to_string(), "type": 11, "name": "plans", "parent_id": "9", "owner_id": "7",
            "guild_id": SERVER, "newly_created": true });
        let data = with(data, more);
        let (respond_all, bots) = ([].into(), [].into());
        let reader = Reader { me: 42, respond_all: &respond_all, bots: &bots };
        let mut places = places();
        places.learn("THREAD_CREATE", &data, 42);
        reader.read("THREAD_CREATE", &data, &mut places, &Script::new([])).expect("readable")
    };
    let event = thread(json!({})).expect("an event").event;
    let channel = &event.channel;
    assert_eq!(channel.name.as_deref(), Some("plans"));
    assert_eq!((channel.id.as_str(), channel.thread.as_deref()), ("9", Some(ID.to_string().as_str())));
    assert_eq!(event.happening, Happening::Thread(ThreadStart { parent: "9".into(), message: None }));
    let post = thread(json!({ "parent_id": "11" })).expect("an event").event;
    assert!(matches!(post.happening, Happening::Thread(start) if start.message == Some(ID.to_string())));
    assert_eq!(thread(json!({ "owner_id": "42" })), None, "ours");
    assert_eq!(thread(json!({ "newly_created": false })), None, "the bot came into it");
}

#[test]
fn what_cannot_be_read_is_an_error_and_what_is_for_nobody_is_not() {
    for data in [json!({ "id": "x" }), json!({ "id": null })] {
        assert!(read_with("MESSAGE_CREATE", message(data.clone()), vec![]).is_err(), "{data}");
    }
    for kind in ["TYPING_START", "GUILD_CREATE", "RESUMED", "SOMETHING_NEW"] {
        assert_eq!(read(kind, json!({})), None);
    }
}

#[test]
fn channels_are_forgotten_and_learnt() {
    let mut places = places();
    places.learn(
        "CHANNEL_UPDATE",
        &json!({ "id": "9", "type": 0, "name": "renamed", "guild_id": SERVER }),
        42,
    );
    assert_eq!(places.known(9).map(|place| place.channel(9, None).name), Some(Some("renamed".into())));
    places.learn("CHANNEL_DELETE", &json!({ "id": "9" }), 42);
    assert_eq!(places.known(9), None);
    places.learn(
        "THREAD_LIST_SYNC",
        &json!({ "guild_id": SERVER, "threads": [
        { "id": "55", "type": 10, "parent_id": "20", "name": "n" }] }),
        42,
    );
    assert_eq!(places.known(55).and_then(place::Place::thread_of), Some(20));
}
