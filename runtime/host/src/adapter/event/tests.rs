//! Tests of both sides of each bound.

use super::*;

fn said(text: &str) -> events::InboundMessage {
    events::InboundMessage {
        id: "7".into(),
        text: text.into(),
        others: false,
        attachments: vec![],
        reply_to: None,
        occasion: events::Occasion::Direct,
    }
}

fn event(happening: events::Happening) -> events::InboundEvent {
    events::InboundEvent {
        account: "bot".into(),
        id: "1".into(),
        revision: 0,
        time: 1_700_000_000_000,
        channel: events::Channel {
            id: "c".into(),
            thread: None,
            name: Some("room".into()),
            audience: events::Audience::Direct,
        },
        sender: events::Sender {
            id: "42".into(),
            display_name: "Somebody".into(),
            handle: None,
            kind: events::SenderKind::Person,
        },
        happening,
    }
}

/// An event in which somebody says `text`.
pub(crate) fn good(text: &str) -> events::InboundEvent {
    event(events::Happening::Message(said(text)))
}

/// Changes a good event, and gives the sentence if it is refused.
fn check(change: impl FnOnce(&mut events::InboundEvent)) -> Result<chat::Event, String> {
    let mut event = event(events::Happening::Message(said("hello")));
    change(&mut event);
    checked(event)
}

fn refused(change: impl FnOnce(&mut events::InboundEvent)) -> String {
    check(change).expect_err("must be refused")
}

#[test]
fn a_good_event_comes_through_whole() {
    let event = check(|_| ()).unwrap();
    assert_eq!((event.account.as_str(), event.id.as_str(), event.author.id.as_str()), ("bot", "1", "42"));
    let chat::Happening::Message(message) = event.happening else { panic!("a message") };
    assert_eq!((message.text.as_str(), message.others), ("hello", false));
}

#[test]
fn whose_words_it_holds_comes_through() {
    for (message, quoted) in [(true, false), (false, true)] {
        let reply_to =
            events::Quoted { id: "6".into(), sender: None, ours: false, others: quoted, text: None };
        let said = events::InboundMessage { others: message, reply_to: Some(reply_to), ..said("hello") };
        let event = check(|event| event.happening = events::Happening::Edit(said)).unwrap();
        let chat::Happening::Edit(event) = event.happening else { panic!("an edit") };
        assert_eq!((event.others, event.reply_to.unwrap().others), (message, quoted));
    }
}

#[test]
fn the_text_may_have_256_kib_and_no_byte_more() {
    let with =
        |bytes: usize| check(|event| event.happening = events::Happening::Edit(said(&"x".repeat(bytes))));
    assert!(with(256 * 1024).is_ok());
    let why = with(256 * 1024 + 1).unwrap_err();
    assert_eq!(why, "message.text: 262145 bytes, and 262144 are allowed");
}

#[test]
fn ids_are_there_short_and_without_control_characters() {
    assert!(check(|event| event.sender.id = "x".repeat(512)).is_ok());
    assert!(refused(|event| event.sender.id = "x".repeat(513)).starts_with("sender.id: 513 bytes"));
    assert_eq!(refused(|event| event.id = String::new()), "id: empty");
    assert_eq!(refused(|event| event.channel.id = "a\nb".into()), "channel.id: a control character");
    assert_eq!(refused(|event| event.channel.thread = Some(String::new())), "channel.thread: empty");
    assert_eq!(refused(|event| event.account = "\u{1b}[2J".into()), "account: a control character");
}

#[test]
fn names_for_people_are_cut_and_not_refused() {
    let event = check(|event| {
        event.sender.display_name = "ä".repeat(257);
        event.channel.name = Some("n".repeat(100_000));
    });
    let event = event.unwrap();
    assert_eq!(event.author.display_name, "ä".repeat(256));
    assert_eq!(event.place.name.unwrap().len(), 256);
}

#[test]
fn numbers_fit_the_store() {
    assert!(check(|event| event.revision = MAX_NUMBER).is_ok());
    assert!(refused(|event| event.revision = MAX_NUMBER + 1).starts_with("revision"));
    assert!(check(|event| event.time = MAX_TIME).is_ok());
    assert!(refused(|event| event.time = MAX_TIME + 1).starts_with("time"));
}

#[test]
fn attachments_are_counted() {
    let with = |count: usize| {
        let one = events::Attachment { id: "f".into(), name: None, media_type: None, size: Some(u64::MAX) };
        let message = events::InboundMessage { attachments: vec![one; count], ..said("") };
        check(|event| event.happening = events::Happening::Message(message))
    };
    assert!(with(64).is_ok());
    assert_eq!(with(65).unwrap_err(), "attachments: more than 64");
}

#[test]
fn the_value_of_a_button_is_one_that_the_host_makes() {
    let with = |value: &str| {
        let press = events::ButtonPress { interaction: "i".into(), message: "m".into(), value: value.into() };
        check(|event| event.happening = events::Happening::Button(press))
    };
    assert!(with(&"a".repeat(64)).is_ok());
    for bad in ["", "a b", "ä", &"a".repeat(65)] {
        assert!(with(bad).unwrap_err().starts_with("button.value"), "{bad}");
    }
}

#[test]
fn a_connection_tells_an_account_with_an_id() {
    let account = |id: &str| inbox::Account { id: id.into(), name: "n".repeat(1000) };
    let connected = connection(inbox::Connection::Connected(account("1"))).unwrap();
    let name = "n".repeat(256);
    assert_eq!(connected, chat::Connection::Connected(chat::Account { id: "1".into(), name }));
    assert!(connection(inbox::Connection::Connected(account(""))).is_err());
    let chat::Connection::Lost(why) = connection(inbox::Connection::Lost("x".repeat(9999))).unwrap() else {
        panic!("must be lost");
    };
    assert_eq!(why.len(), 500);
}
