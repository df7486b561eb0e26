//! Messages that show an answer while it is written.

use openpact_store::outbox::{Act, Row};

use super::*;

/// What is sent until nothing waits: what is done, and with what.
async fn drained(store: &Store) -> Vec<(Act, String)> {
    let mut done = Vec::new();
    while let Some(row) = store.outbox().take(&channel(None)).await.unwrap() {
        store.outbox().sent(&row, "sent", false).await.unwrap();
        done.push(doing(row));
    }
    done
}

fn doing(row: Row) -> (Act, String) {
    (row.act, row.part.body)
}

fn send(text: &str) -> (Act, String) {
    (Act::Send, text.to_owned())
}

fn edit(message: &str, text: &str) -> (Act, String) {
    (Act::Edit(message.to_owned()), text.to_owned())
}

fn delete(message: &str) -> (Act, String) {
    (Act::Delete(message.to_owned()), String::new())
}

/// An event whose answer is shown in these messages.
async fn shown(store: &Store, id: &str, messages: &[&str]) -> i64 {
    let number = insert(store, event(id, 0, None, "a")).await;
    for (position, message) in messages.iter().enumerate() {
        assert!(store.partials().record(number, position, message).await.unwrap());
    }
    number
}

#[tokio::test]
async fn an_answer_takes_the_places_of_what_showed_it() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    for (id, messages, parts, expected) in [
        ("grew", &["m0", "m1"][..], &["a", "b", "c"][..], vec![edit("m0", "a"), edit("m1", "b"), send("c")]),
        ("shrank", &["m0", "m1", "m2"], &["a"], vec![edit("m0", "a"), delete("m1"), delete("m2")]),
        ("vanished", &["m0"], &[], vec![delete("m0")]),
        ("was never shown", &[], &["a"], vec![send("a")]),
    ] {
        let number = shown(&store, id, messages).await;
        assert_eq!(store.partials().of(number).await.unwrap(), messages);
        let parts = parts.iter().map(|text| part(text)).collect();
        let first = inbox.finish(finish(number, parts)).await.unwrap().expect("it was open");
        let first = first.expect("nothing else waits, so it is taken");
        store.outbox().sent(&first, "sent", false).await.unwrap();
        let mut done = vec![doing(first)];
        done.extend(drained(&store).await);
        assert_eq!(done, expected, "{id}");
        assert!(store.partials().of(number).await.unwrap().is_empty(), "{id}: they are used up");
    }
}

#[tokio::test]
async fn what_waits_before_an_answer_stays_before_it() {
    let place = Place::new();
    let store = place.open();
    let number = shown(&store, "1", &["m0"]).await;
    let first = store.outbox().insert(vec![part("before")]).await.unwrap().unwrap();
    assert!(!store.outbox().is_idle(&channel(None)).await.unwrap());
    assert!(store.outbox().is_idle(&channel(Some("t"))).await.unwrap());
    assert_eq!(store.inbox().finish(finish(number, vec![part("a")])).await.unwrap(), Some(None));
    store.outbox().sent(&first, "sent", false).await.unwrap();
    assert_eq!(drained(&store).await, [edit("m0", "a")]);
    assert!(store.outbox().is_idle(&channel(None)).await.unwrap());
}

#[tokio::test]
async fn what_cannot_take_its_place_is_sent_with_all_behind_it() {
    let place = Place::new();
    let store = place.open();
    let outbox = store.outbox();
    for (id, is_there, expected) in [
        ("gone", false, vec![send("b"), send("c"), delete("m2")]),
        ("refused", true, vec![send("b"), send("c"), delete("m1"), delete("m2")]),
    ] {
        let number = shown(&store, id, &["m0", "m1", "m2"]).await;
        let parts = ["a", "b", "c"].map(part).into();
        let first = store.inbox().finish(finish(number, parts)).await.unwrap().unwrap().unwrap();
        let second = outbox.sent(&first, "m0", true).await.unwrap().unwrap();
        outbox.put_back(&second, "away", true).await.unwrap();
        outbox.send_instead(&second, "late", is_there).await.unwrap();
        let second = outbox.take(&channel(None)).await.unwrap().unwrap();
        assert_eq!(second.act, Act::Edit("m1".into()), "{id}: who lost it changes nothing");
        outbox.send_instead(&second, "why", is_there).await.unwrap();
        assert_eq!(drained(&store).await, expected, "{id}");
    }
}

#[tokio::test]
async fn ids_of_a_channel_are_not_used_in_the_one_that_it_moved_to() {
    let place = Place::new();
    let store = place.open();
    let outbox = store.outbox();
    let number = shown(&store, "1", &["m0", "m1"]).await;
    let before = outbox.insert(vec![part("before")]).await.unwrap().unwrap();
    store.inbox().finish(finish(number, vec![part("a")])).await.unwrap();
    outbox.moved(&before, "m2", "d").await.unwrap();
    let moved = Channel { channel: "d".into(), ..channel(None) };
    let row = outbox.take(&moved).await.unwrap().unwrap();
    outbox.sent(&row, "m0", false).await.unwrap();
    assert_eq!(doing(row), send("a"));
    assert_eq!(outbox.take(&moved).await.unwrap(), None);
    assert_eq!(drained(&store).await, [delete("m1")]);
}

#[tokio::test]
async fn only_what_would_be_there_twice_counts_as_ambiguous() {
    let place = Place::new();
    let store = place.open();
    let number = shown(&store, "1", &["m0"]).await;
    let taken = store.inbox().finish(finish(number, vec![part("a"), part("b")])).await.unwrap().unwrap();
    assert_eq!(taken.clone().map(doing), Some(edit("m0", "a")));
    assert_eq!(store.outbox().recover("fake").await.unwrap(), 0, "a change can be made twice");
    let again = store.outbox().take(&channel(None)).await.unwrap().unwrap();
    assert_eq!(again.number, taken.unwrap().number, "it waits again all the same");
    store.outbox().sent(&again, "m0", true).await.unwrap().unwrap();
    assert_eq!(store.outbox().recover("fake").await.unwrap(), 1);
}

#[tokio::test]
async fn what_shows_a_message_that_was_changed_shows_the_change() {
    let place = Place::new();
    let store = place.open();
    let inbox = store.inbox();
    let session = store.sessions().create("test", "").await.unwrap().id;
    let number = shown(&store, "1", &["m0"]).await;
    assert!(inbox.begin(&begin(number, 0, &session)).await.unwrap());
    let mut changed = event("1", 1, None, "b");
    let Happening::Message(message) = changed.happening else { unreachable!() };
    changed.happening = Happening::Edit(message);
    let change = inbox.insert(&Arrival { lane: Lane::Control, ..arrival(changed) }).await.unwrap().unwrap();
    assert_eq!(inbox.edit(change).await.unwrap(), Edit::Turn { running: Some(number) });
    // A message that the platform took while that happened.
    assert!(store.partials().record(number, 1, "m1").await.unwrap());
    assert_eq!(store.partials().of(change).await.unwrap(), ["m0", "m1"]);
    assert_eq!(inbox.finish(finish(number, vec![part("a")])).await.unwrap(), None, "it has ended");
    inbox.finish(finish(change, vec![part("a")])).await.unwrap();
    assert!(!store.partials().record(change, 2, "m2").await.unwrap(), "nothing is open to which it belongs");
}

#[tokio::test]
async fn what_shows_an_event_that_cannot_be_read_is_taken_back() {
    let place = Place::new();
    let store = place.open();
    let number = shown(&store, "1", &["m0"]).await;
    place.raw().execute("UPDATE inbox SET body = '{' WHERE number = ?1", [number]).unwrap();
    assert_eq!(store.inbox().next(&channel(None)).await.unwrap(), None);
    assert_eq!(drained(&store).await, [delete("m0")]);
}
