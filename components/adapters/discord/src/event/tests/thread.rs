//! Threads are channels to Discord, and places in a channel to the host: what holds for a channel holds in them.

use super::*;

/// An id of so many milliseconds after the others.
fn later(milliseconds: u64) -> String {
    (ID + (milliseconds << 22)).to_string()
}

/// Said to the bot in a channel that is not known.
fn mention(more: Value) -> Value {
    in_server(with(json!({ "channel_id": "777", "content": "<@42> hello" }), more))
}

fn thread() -> Result<Answer, Failure> {
    ok(&json!({ "id": "777", "type": 11, "name": "t", "parent_id": "10", "guild_id": SERVER }))
}

fn place(read: Option<Read>) -> (String, Option<String>) {
    let channel = read.expect("an event").event.channel;
    (channel.id, channel.thread)
}

fn in_staff() -> (String, Option<String>) {
    ("10".to_owned(), Some("777".to_owned()))
}

#[test]
fn a_thread_that_is_not_known_is_asked_for_once() {
    let mut places = places();
    let first = read_in(&mut places, "MESSAGE_CREATE", mention(json!({})), vec![thread()]);
    assert_eq!(place(first.expect("readable")), in_staff());
    let edited = json!({ "edited_timestamp": "2023-07-05T10:01:00.250000+00:00" });
    for (kind, more) in [("MESSAGE_CREATE", json!({ "id": later(1) })), ("MESSAGE_UPDATE", edited)] {
        let next = read_in(&mut places, kind, mention(more), vec![]);
        assert_eq!(place(next.expect("readable")), in_staff());
    }
}

#[test]
fn what_may_be_in_a_thread_waits_until_that_is_known() {
    // As a channel of its own, it would be answered where the configuration says that nobody may speak.
    for failure in
        [Failure::Unsent("x".into()), Failure::Broken("x".into()), Failure::Garbled(502, "x".into())]
    {
        let read = read_with("MESSAGE_CREATE", mention(json!({})), vec![Err(failure)]);
        assert!(matches!(read, Err(Unread::Unavailable(_))), "{read:?}");
    }
    let denied = || Err(Failure::Denied { grant: "GET x".into() });
    let of_nothing = || ok(&json!({ "id": "777", "type": 11, "name": "t", "guild_id": SERVER }));
    for never in [refused(403, 50_001), refused(404, 10_003), denied(), of_nothing(), ok(&json!({}))] {
        assert_eq!(read_with("MESSAGE_CREATE", mention(json!({})), vec![never]), Ok(None));
    }
}

#[test]
fn what_is_refused_is_asked_for_again_after_a_minute() {
    let mut places = places();
    let mut said = |time: u64, answers| {
        let data = mention(json!({ "id": later(time) }));
        read_in(&mut places, "MESSAGE_CREATE", data, answers).expect("readable")
    };
    assert_eq!(said(0, vec![refused(403, 50_001)]), None);
    assert_eq!(said(59_999, vec![]), None, "it is not asked at every message");
    assert_eq!(place(said(60_000, vec![thread()])), in_staff());
}

#[test]
fn what_the_gateway_tells_of_a_channel_that_was_refused_counts_at_once() {
    let mut places = places();
    let refused = read_in(&mut places, "MESSAGE_CREATE", mention(json!({})), vec![refused(404, 10_003)]);
    assert_eq!(refused, Ok(None));
    let told = json!({ "id": "777", "type": 12, "name": "t", "parent_id": "10", "guild_id": SERVER });
    places.learn("THREAD_UPDATE", &told, 42);
    let read = read_in(&mut places, "MESSAGE_CREATE", mention(json!({})), vec![]);
    assert_eq!(place(read.expect("readable")), in_staff());
}

#[test]
fn a_command_and_a_button_in_a_thread_are_used_in_its_channel() {
    let press = json!({ "type": 3, "message": message(json!({ "id": "5", "author": ours() })),
        "data": { "custom_id": "approve:1", "component_type": 2 } });
    for kind in [json!({}), press] {
        // Discord says along what the channel is.
        let told = json!({ "channel_id": "777",
            "channel": { "id": "777", "type": 11, "name": "t", "parent_id": "10", "guild_id": SERVER } });
        let used = |more: &Value| interaction(with(kind.clone(), more.clone()));
        let read = read("INTERACTION_CREATE", used(&told)).expect("an event");
        assert_eq!(read.event.channel.audience, Audience::Group, "as for everybody in the channel");
        assert_eq!(place(Some(read)), in_staff());
        // Where it does not, it is asked.
        for channel in [Value::Null, json!({ "id": "777" })] {
            let untold = json!({ "channel_id": "777", "channel": channel });
            let read = read_with("INTERACTION_CREATE", used(&untold), vec![thread()]).expect("readable");
            assert_eq!(place(read), in_staff());
            let none = read_with("INTERACTION_CREATE", used(&untold), vec![refused(404, 10_003)]);
            assert_eq!(none, Ok(None));
            let later =
                read_with("INTERACTION_CREATE", used(&untold), vec![Err(Failure::Unsent("x".into()))]);
            assert!(matches!(later, Err(Unread::Unavailable(_))), "{later:?}");
        }
    }
}

#[test]
fn only_so_many_channels_are_remembered() {
    let mut places = Places::default();
    for id in 1..50_000_u64 {
        let data = json!({ "id": id.to_string(), "type": 0, "guild_id": SERVER });
        places.learn("CHANNEL_CREATE", &data, 42);
        let asked = places.find(1_000_000 + id, 0, &Script::new([refused(404, 10_003)]));
        assert_eq!(asked, Ok(None));
    }
    let (known, refused) = places.counts();
    assert!((1..=20_000).contains(&known) && (1..=1_000).contains(&refused), "{known}, {refused}");
}
