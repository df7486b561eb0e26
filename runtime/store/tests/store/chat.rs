//! Inbox, outbox and channels.

mod announcement;
mod partial;

use std::time::Duration;

use openpact_model::audit;
use openpact_model::audit::Verdict;
use openpact_model::chat::{
    Author, AuthorKind, Detail, Event, Happening, Message, Occasion, Part, Place as Where, Target, Visibility,
};
use openpact_model::id::{SessionId, TurnId};
use openpact_model::role::Channel;
use openpact_store::Store;
use openpact_store::audit::Filter;
use openpact_store::import::Import;
use openpact_store::inbox::{Arrival, Begin, Edit, Finish, Lane, State};
use openpact_store::outbox::{Failure, New};
use serde_json::json;

use crate::support::Place;

const SECOND: i64 = 1_000_000;

fn event(id: &str, revision: u64, thread: Option<&str>, text: &str) -> Event {
    let message = Message {
        id: "m".into(),
        text: text.into(),
        others: false,
        attachments: Vec::new(),
        reply_to: None,
        occasion: Occasion::Direct,
    };
    Event {
        account: "me".into(),
        id: id.into(),
        revision,
        time: 0,
        place: Where {
            id: "c".into(),
            thread: thread.map(str::to_owned),
            name: None,
            visibility: Visibility::Direct,
        },
        author: Author {
            id: "u".into(),
            display_name: String::new(),
            handle: None,
            kind: AuthorKind::Person,
        },
        happening: Happening::Message(message),
    }
}

fn arrival(event: Event) -> Arrival {
    Arrival { instance: "fake".into(), event, lane: Lane::Turn, state: State::Received }
}

fn channel(thread: Option<&str>) -> Channel {
    Channel { provider: "fake".into(), channel: "c".into(), thread: thread.map(str::to_owned) }
}

fn part(text: &str) -> New {
    let (account, channel) = ("me".into(), "c".into());
    New {
        instance: "fake".into(),
        target: Target { account, channel, thread: None, reply_to: None },
        part: Part { body: text.into(), plain: text.into(), files: Vec::new() },
        key: format!("key {text}"),
    }
}

fn begin(number: i64, edits: u32, session: &SessionId) -> Begin {
    Begin { number, edits, turn: TurnId::from_stored("turn_1"), session: session.clone() }
}

fn finish(number: i64, parts: Vec<New>) -> Finish {
    Finish { number, state: State::Answered, parts, event: None }
}

async fn insert(store: &Store, event: Event) -> i64 {
    store.inbox().insert(&arrival(event)).await.unwrap().expect("it is new")
}

fn lost(number: i64) -> audit::Event {
    audit::Event::new("message.send", "runtime", "c", Verdict::Failed).with("part", number)
}

#[tokio::test]
async fn an_event_is_stored_once_by_its_whole_identity() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    insert(&store, event("1", 0, None, "x")).await;
    assert_eq!(inbox.insert(&arrival(event("1", 0, Some("t"), "other"))).await.unwrap(), None);
    insert(&store, event("1", u64::MAX, None, "x")).await;
    assert_eq!(inbox.insert(&arrival(event("1", u64::MAX, None, "x"))).await.unwrap(), None);
    insert(&store, Event { account: "other".into(), ..event("1", 0, None, "x") }).await;
    let elsewhere = Arrival { instance: "other".into(), ..arrival(event("1", 0, None, "x")) };
    assert!(inbox.insert(&elsewhere).await.unwrap().is_some());
    assert_eq!(inbox.counts().await.unwrap().received, 4);
}

#[tokio::test]
async fn a_channel_gives_its_oldest_open_event_and_threads_are_channels() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    let first = insert(&store, event("1", 0, None, "a")).await;
    let second = insert(&store, event("2", 0, None, "b")).await;
    let thread = insert(&store, event("3", 0, Some(""), "c")).await;
    let next = async |thread| inbox.next(&channel(thread)).await.unwrap().map(|row| row.number);
    assert_eq!(next(None).await, Some(first));
    assert_eq!(next(Some("")).await, Some(thread), "an empty thread is not the same as none");
    assert_eq!(next(Some("x")).await, None);
    assert_eq!(inbox.finish(finish(first, Vec::new())).await.unwrap(), Some(None));
    assert_eq!(next(None).await, Some(second));
    assert_eq!(inbox.finish(finish(first, vec![part("x")])).await.unwrap(), None, "it has ended");
    assert_eq!(store.outbox().counts().await.unwrap().waiting, 0);
    let channels = inbox.channels("fake").await.unwrap();
    assert_eq!(channels, [(channel(None), 1), (channel(Some("")), 1)]);
}

#[tokio::test]
async fn a_turn_begins_once_and_knows_where_its_session_stood() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    let session = store.sessions().create("test", "").await.unwrap().id;
    let number = insert(&store, event("1", 0, None, "a")).await;
    store.messages().append(&session, &[json!("before")]).await.unwrap();
    assert!(!inbox.begin(&begin(number, 1, &session)).await.unwrap(), "it was read as it is not any more");
    assert!(inbox.begin(&begin(number, 0, &session)).await.unwrap());
    assert!(!inbox.begin(&begin(number, 0, &session)).await.unwrap(), "it runs already");
    store.messages().append(&session, &[json!("after"), json!("after")]).await.unwrap();
    let row = inbox.get(number).await.unwrap().unwrap();
    assert_eq!((row.state, row.before, row.after, row.attempts), (State::Running, 1, None, 1));
    inbox.park().await.unwrap();
    assert_eq!(inbox.get(number).await.unwrap().unwrap().after, Some(1), "marked");
    assert!(inbox.release(number).await.unwrap());
    assert!(!inbox.release(number).await.unwrap());
    let row = inbox.get(number).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempts, row.turn), (State::Received, 0, None));
    assert!(inbox.begin(&begin(number, 0, &session)).await.unwrap());
    inbox.finish(finish(number, Vec::new())).await.unwrap();
    let row = inbox.get(number).await.unwrap().unwrap();
    assert_eq!((row.before, row.after), (3, Some(3)));
    // Once more, when somebody asks for it.
    let asked = insert(&store, event("2", 0, None, "/retry")).await;
    assert!(inbox.again(number, asked, State::Answered).await.unwrap());
    assert!(!inbox.again(number, asked, State::Answered).await.unwrap(), "it waits already");
    assert_eq!(inbox.get(number).await.unwrap().unwrap().attempts, 0);
    assert_eq!(inbox.get(asked).await.unwrap().unwrap().state, State::Answered);
}

#[tokio::test]
async fn messages_are_taken_back_from_the_end() {
    let place = Place::new();
    let store = place.open();
    let messages = store.messages();
    let session = store.sessions().create("test", "").await.unwrap().id;
    messages.append(&session, &[json!(1), json!(2), json!(3)]).await.unwrap();
    assert_eq!(messages.remove_after(&session, 3).await.unwrap(), 0);
    assert_eq!(messages.remove_after(&session, 1).await.unwrap(), 2);
    assert_eq!(messages.append(&session, &[json!("new")]).await.unwrap(), [2]);
    assert!(messages.remove_after(&SessionId::from_stored("ses_0"), 0).await.is_err());
}

#[tokio::test]
async fn the_end_of_an_event_and_its_answer_are_one_step() {
    let place = Place::new();
    let store = place.open();
    let (inbox, outbox) = (store.inbox(), store.outbox());
    let number = insert(&store, event("1", 0, None, "a")).await;
    place
        .raw()
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON outbox WHEN new.key = 'key b'
        BEGIN SELECT RAISE(ABORT, 'broken by a test'); END",
        )
        .unwrap();
    assert!(inbox.finish(finish(number, vec![part("a"), part("b")])).await.is_err());
    assert_eq!(inbox.get(number).await.unwrap().unwrap().state, State::Received);
    assert_eq!(outbox.counts().await.unwrap().waiting, 0);
    place.raw().execute_batch("DROP TRIGGER broken").unwrap();
    let first = inbox.finish(finish(number, vec![part("a"), part("b")])).await.unwrap().unwrap();
    assert_eq!(first.unwrap().part.body, "a", "it is taken at once, since nothing else waits");
    let number = insert(&store, event("2", 0, None, "a")).await;
    let first = inbox.finish(finish(number, vec![part("c")])).await.unwrap();
    assert_eq!(first, Some(None), "others wait before it");
}

#[tokio::test]
async fn parts_are_taken_one_after_the_other() {
    let place = Place::new();
    let store = place.open();
    let outbox = store.outbox();
    let here = channel(None);
    let first = outbox.insert(vec![part("a"), part("b"), part("c")]).await.unwrap().unwrap();
    assert_eq!(outbox.take(&here).await.unwrap(), None, "one is being sent");
    let second = outbox.sent(&first, "id", true).await.unwrap().unwrap();
    assert_eq!((second.part.body.as_str(), second.key.as_str()), ("b", "key b"));
    outbox.put_back(&second, "away", true).await.unwrap();
    let again = outbox.take(&here).await.unwrap().unwrap();
    assert_eq!((again.number, again.attempts), (second.number, 1));
    outbox.put_back(&second, "late", true).await.unwrap();
    assert_eq!(outbox.take(&here).await.unwrap(), None, "who lost it cannot put it back");
    assert_eq!(outbox.recover("other").await.unwrap(), 0);
    assert_eq!(outbox.recover("fake").await.unwrap(), 1);
    assert_eq!(outbox.recover("fake").await.unwrap(), 0);
    let again = outbox.take(&here).await.unwrap().unwrap();
    assert_eq!(outbox.sent(&again, "id", false).await.unwrap(), None);
    assert_eq!(outbox.channels("fake").await.unwrap(), std::slice::from_ref(&here));
    let last = outbox.take(&here).await.unwrap().unwrap();
    outbox.lose(last.number, Failure::Refused, "why", lost(last.number)).await.unwrap();
    outbox.lose(last.number, Failure::GivenUp, "again", lost(last.number)).await.unwrap();
    assert_eq!(outbox.channels("fake").await.unwrap(), []);
    let filter = Filter { limit: 10, ..Default::default() };
    assert_eq!(store.audit().page(filter).await.unwrap().len(), 1, "recorded once");
    let untold = outbox.lost(&here, 5).await.unwrap();
    assert_eq!(untold.len(), 1);
    assert_eq!(untold[0].why, "why");
    outbox.told(&here, untold[0].number).await.unwrap();
    assert_eq!(outbox.lost(&here, 5).await.unwrap(), []);
    assert_eq!(outbox.counts().await.unwrap().lost, 1);
}

#[tokio::test]
async fn edits_change_what_waits_and_follow_what_was_the_newest() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    let session = store.sessions().create("test", "").await.unwrap().id;
    let edit = async |revision: u64, text: &str, author: &str| {
        let mut edit = event("1", revision, None, text);
        edit.author.id = author.into();
        let Happening::Message(message) = edit.happening else { unreachable!() };
        edit.happening = Happening::Edit(message);
        let arrival = Arrival { lane: Lane::Control, ..arrival(edit) };
        let number = inbox.insert(&arrival).await.unwrap().unwrap();
        (number, inbox.edit(number).await.unwrap())
    };
    let number = insert(&store, event("1", 0, None, "old")).await;
    assert_eq!(edit(1, "forged", "other").await.1, Edit::Ignored);
    assert_eq!(edit(9, "old", "u").await.1, Edit::Ignored, "it changes nothing");
    assert_eq!(edit(2, "new", "u").await.1, Edit::Replaced);
    let row = inbox.get(number).await.unwrap().unwrap();
    assert!(matches!(&row.event.happening, Happening::Message(message) if message.text == "new"));
    assert_eq!((row.event.revision, row.edits), (0, 1), "it keeps its own identity");
    assert!(inbox.begin(&begin(number, 1, &session)).await.unwrap());
    assert_eq!(edit(10, "new", "u").await.1, Edit::Ignored, "a preview was added, and no turn is stopped");
    let (third, done) = edit(3, "newer", "u").await;
    assert_eq!(done, Edit::Turn { running: Some(number) });
    assert_eq!(inbox.get(number).await.unwrap().unwrap().state, State::Answered);
    assert_eq!(inbox.next(&channel(None)).await.unwrap().unwrap().number, third);
    inbox.finish(finish(third, Vec::new())).await.unwrap();
    assert_eq!(edit(11, "newer", "u").await.1, Edit::Ignored);
    assert_eq!(edit(4, "newest", "u").await.1, Edit::Turn { running: None });
}

#[tokio::test]
async fn bodies_go_before_identities_and_both_at_their_time() {
    let place = Place::new();
    let store = place.open();
    let (inbox, outbox) = (store.inbox(), store.outbox());
    let open = insert(&store, event("open", 0, None, "a")).await;
    let number = insert(&store, event("1", 0, None, "a")).await;
    let sent = inbox.finish(finish(number, vec![part("a"), part("b")])).await.unwrap().unwrap().unwrap();
    let other = outbox.sent(&sent, "id", true).await.unwrap().unwrap();
    outbox.lose(other.number, Failure::GivenUp, "why", lost(other.number)).await.unwrap();
    let ended = openpact_model::clock::Clock::now(&*place.clock);
    place.clock.advance(SECOND);
    let (just, after) = (ended, ended + Duration::from_micros(1));
    assert_eq!(inbox.prune(just, just, 10).await.unwrap(), 0);
    assert_eq!(outbox.prune(just, just, 10).await.unwrap(), 0);
    assert_eq!(inbox.prune(after, just, 10).await.unwrap(), 1);
    assert_eq!(inbox.get(number).await.unwrap(), None);
    assert_eq!(inbox.insert(&arrival(event("1", 0, None, "a"))).await.unwrap(), None, "it is still known");
    assert_eq!(outbox.prune(after, just, 10).await.unwrap(), 1, "what was lost is kept for longer");
    assert_eq!(outbox.counts().await.unwrap().lost, 1);
    assert_eq!(outbox.prune(after, after, 10).await.unwrap(), 1);
    assert_eq!(inbox.prune(after, after, 10).await.unwrap(), 1);
    insert(&store, event("1", 0, None, "a")).await;
    assert!(inbox.get(open).await.unwrap().is_some(), "what is open is never forgotten");
}

#[tokio::test]
async fn a_channel_keeps_its_mode_and_counts_programs() {
    let place = Place::new();
    let store = place.open();
    let channels = store.chat_channels();
    let (here, there) = (channel(None), channel(Some("t")));
    let count = async |quiet| channels.count_bot(&here, Duration::from_secs(quiet)).await.unwrap();
    assert_eq!([count(10).await, count(10).await], [1, 2]);
    place.clock.advance(10 * SECOND);
    assert_eq!(count(10).await, 3, "so long, and no longer, is one conversation");
    place.clock.advance(10 * SECOND + 1000);
    assert_eq!([count(10).await, count(10).await], [1, 2]);
    channels.set_mode(&here, Detail::Full).await.unwrap();
    channels.forget_bots(&here).await.unwrap();
    let row = channels.get(&here).await.unwrap();
    assert_eq!((row.mode, row.bots), (Some(Detail::Full), 0));
    assert_eq!(channels.get(&there).await.unwrap(), openpact_store::chat_channel::Row::default());
    channels.count_bot(&there, Duration::MAX).await.unwrap();
    channels.forget_bots(&there).await.unwrap();
    let rows: i64 = place.raw().query_row("SELECT count(*) FROM chat_channel", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "a channel about which nothing is known takes no room");
}

#[tokio::test]
async fn what_an_earlier_program_left_is_taken_in_once() {
    let place = Place::new();
    let store = place.open();
    let here = store.sessions().create("direct", "old").await.unwrap().id;
    let import = || Import {
        sessions: vec![
            (channel(None), here.clone()),
            (channel(Some("t")), SessionId::from_stored("ses_gone")),
        ],
        modes: vec![(channel(None), Detail::Tools)],
    };
    let event = || audit::Event::new("import.channels", "runtime", "file", Verdict::Allowed);
    assert!(!store.imports().is_done("file").await.unwrap());
    assert_eq!(store.imports().take("file", import(), event()).await.unwrap(), Some((1, 1)));
    assert!(store.imports().is_done("file").await.unwrap());
    // Somebody went on since.
    let newer = store.sessions().create("direct", "new").await.unwrap().id;
    store.sessions().set_active(&channel(None), &newer).await.unwrap();
    assert_eq!(store.imports().take("file", import(), event()).await.unwrap(), None);
    assert_eq!(store.sessions().active(&channel(None)).await.unwrap(), Some(newer.clone()));
    // Nor does another file take away what is there.
    assert_eq!(store.imports().take("other", import(), event()).await.unwrap(), Some((0, 0)));
    assert_eq!(store.sessions().active(&channel(None)).await.unwrap(), Some(newer));
    let filter = Filter { kind_prefix: Some("import.".to_owned()), limit: 10, ..Filter::default() };
    assert_eq!(store.audit().page(filter).await.unwrap().len(), 2);
}

#[tokio::test]
async fn where_an_account_wrote_last_comes_first_whatever_the_clock_says() {
    let place = Place::new();
    let places = place.open().owner_places();
    for (user, thread, account) in [("1", None, "a"), ("2", Some("t"), "a"), ("1", Some("u"), "b")] {
        places.set(&channel(thread), user, account).await.unwrap();
    }
    let rows: Vec<_> =
        places.list().await.unwrap().into_iter().map(|row| (row.user, row.channel, row.account)).collect();
    let row =
        |user: &str, thread, account: &str| (user.to_owned(), channel(Some(thread)), account.to_owned());
    assert_eq!(rows, [row("1", "u", "b"), row("2", "t", "a")]);
}

#[tokio::test]
async fn an_event_runs_again_for_one_that_is_open_and_for_no_other() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    let first = insert(&store, event("1", 0, None, "x")).await;
    inbox.finish(finish(first, Vec::new())).await.unwrap();
    let by = insert(&store, event("2", 0, None, "/retry")).await;
    assert!(inbox.again(first, by, State::Answered).await.unwrap());
    assert_eq!(inbox.get(by).await.unwrap().unwrap().state, State::Answered);
    inbox.finish(finish(first, Vec::new())).await.unwrap();
    assert!(!inbox.again(first, by, State::Answered).await.unwrap(), "it was asked for once");
    assert_eq!(inbox.get(first).await.unwrap().unwrap().state, State::Answered);
    // One that is answered still is open until it is.
    let by = insert(&store, event("3", 0, None, "/retry")).await;
    assert!(inbox.again(first, by, State::Running).await.unwrap());
    assert_eq!(inbox.get(by).await.unwrap().unwrap().state, State::Running);
    assert!(!inbox.again(first, by, State::Running).await.unwrap());
    assert!(inbox.finish(finish(by, Vec::new())).await.unwrap().is_some());
    assert_eq!(inbox.get(first).await.unwrap().unwrap().state, State::Received, "it waits for its turn");
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_begun_once() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    let number = insert(&store, event("1", 0, None, "/new")).await;
    assert!(inbox.begin_once(number).await.unwrap());
    assert!(!inbox.begin_once(number).await.unwrap());
    assert_eq!(inbox.get(number).await.unwrap().unwrap().state, State::Running);
    inbox.finish(finish(number, Vec::new())).await.unwrap();
    assert!(!inbox.begin_once(number).await.unwrap());
}
