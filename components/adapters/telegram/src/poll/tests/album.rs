//! Albums in the stream of updates.

use openpact_sdk::adapter::{Happening, InboundMessage};

use super::*;

/// A part of an album in the private chat of the person 7: message and update have the same number.
fn part(id: u64, album: &str) -> Value {
    part_with(id, album, &json!({}))
}

fn part_with(id: u64, album: &str, more: &Value) -> Value {
    let mut message = json!({ "message_id": id, "date": 1, "media_group_id": album,
        "photo": [{ "file_id": format!("f{id}"), "file_unique_id": "u", "width": 1, "height": 1 }],
        "chat": { "id": 7, "type": "private", "first_name": "A" },
        "from": { "id": 7, "is_bot": false, "first_name": "A" } });
    message.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({ "update_id": id, "message": message })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for an answer")]
fn parts(ids: impl IntoIterator<Item = u64>) -> Result<Value, Failure> {
    Ok(ids.into_iter().map(|id| part(id, "album")).collect())
}

fn said(happening: Happening) -> InboundMessage {
    match happening {
        Happening::Message(message) | Happening::Edit(message) => message,
        other => panic!("{other:?}"),
    }
}

/// The events that were delivered, as their ids and the ids of their files.
fn events() -> Vec<(String, Vec<String>)> {
    let files = |happening| said(happening).attachments.into_iter().map(|file| file.id).collect();
    delivered_for_test().into_iter().map(|event| (event.id, files(event.happening))).collect()
}

fn event(first: u64, files: impl IntoIterator<Item = u64>) -> (String, Vec<String>) {
    (format!("7:{first}"), files.into_iter().map(|id| format!("f{id}")).collect())
}

/// Starts anew, where a start before may have died of the event `deadly`; gives the limits of the polls.
fn start(answers: Vec<Result<Value, Failure>>, deadly: &str) -> Vec<u64> {
    let (rounds, asked) = (answers.len(), Rc::new(RefCell::default()));
    let api = Script { answers: RefCell::new(answers.into()), asked: Rc::clone(&asked) };
    trap_for_test(deadly);
    drop(catch_unwind(AssertUnwindSafe(|| rounds_with(api, rounds))));
    asked.take().iter().map(|(_, body)| body["limit"].as_u64().expect("a limit")).collect()
}

#[test]
fn an_album_is_one_event_as_soon_as_a_poll_brings_no_more_of_it() {
    let run = run(vec![parts([10, 11, 12]), parts([10, 11, 12]), Ok(json!([]))]);
    assert_eq!(events(), [event(10, [10, 11, 12])]);
    assert_eq!(offsets(&run), [None, None, Some(13)], "nothing is acknowledged before it is stored");
    assert_eq!(run.slept, [1]);
}

#[test]
fn what_comes_with_the_next_poll_belongs_to_it() {
    let run = run(vec![parts([10]), parts([10, 11]), parts([10, 11]), Ok(json!([]))]);
    assert_eq!(events(), [event(10, [10, 11])]);
    assert_eq!(offsets(&run), [None, None, None, Some(12)]);
    assert_eq!(run.slept, [1, 1]);
}

#[test]
fn ten_parts_are_an_album_and_more_are_another() {
    let ten = run(vec![parts(1..=10)]);
    assert_eq!((events(), ten.slept), (vec![event(1, 1..=10)], vec![]));
    let nine = run(vec![parts(21..=29)]);
    assert_eq!((events(), nine.slept), (vec![], vec![1]), "there may be one more");
    let more = run(vec![parts(41..=52), parts(51..=52)]);
    assert_eq!(events(), [event(41, 41..=50), event(51, 51..=52)]);
    assert_eq!(more.offset.next, Some(53));
}

#[test]
fn it_is_not_waited_for_without_end() {
    let answers = (1..=7).map(|last| if last < 7 { parts(1..=last) } else { parts([7]) });
    let run = run(answers.collect());
    assert_eq!(events(), [event(1, 1..=6)], "five waits are enough");
    assert_eq!((run.slept, run.offset.next), (vec![1; 6], Some(7)));
}

#[test]
fn what_others_say_in_between_comes_in_its_place_and_one_wait_is_for_all() {
    let batch =
        || Ok(json!([part(10, "a"), update(11), part(12, "b"), part(13, "a"), part(14, "b"), update(15)]));
    let run = run(vec![batch(), batch(), Ok(json!([]))]);
    let none: [u64; 0] = [];
    assert_eq!(events(), [event(10, [10, 13]), event(11, none), event(12, [12, 14]), event(15, none)]);
    assert_eq!((offsets(&run), run.slept), (vec![None, None, Some(16)], vec![1]));
}

#[test]
fn after_a_death_it_is_the_same_event_and_what_came_later_is_another() {
    assert_eq!(start(vec![parts([10, 11]), parts([10, 11])], "7:10"), [100, 100]);
    assert_eq!(events(), []);
    // It may have been stored. Were it delivered with the third part now, that would be dropped with it.
    let limits = start(vec![parts([10, 11, 12]), parts([12]), Ok(json!([]))], "");
    assert_eq!(events(), [event(10, [10, 11]), event(12, [12])]);
    assert_eq!(limits, [100; 3], "one update is not enough of an album");
}

#[test]
fn after_a_death_behind_its_first_part_the_others_are_not_said_again() {
    let batch = || Ok(json!([part(10, "a"), update(11), part(12, "a")]));
    start(vec![batch(), batch()], "7:11");
    assert_eq!(events(), [event(10, [10, 12])]);
    let rest = || Ok(json!([update(11), part(12, "a")]));
    start(vec![rest(), Ok(json!([]))], "");
    assert_eq!(events(), [event(11, [])]);
    assert_eq!(Offset::load("42").next, Some(13));
}

#[test]
fn an_album_of_which_the_adapter_dies_is_passed_as_a_whole() {
    start(vec![parts([10, 11]), parts([10, 11])], "7:10");
    for _ in 1..DEATHS {
        start(vec![parts([10, 11])], "7:10");
    }
    start(vec![Ok(json!([part(10, "album"), part(11, "album"), update(12)]))], "7:10");
    assert_eq!(events(), [event(12, [])]);
    assert_eq!(Offset::load("42").next, Some(13));
}

#[test]
fn an_album_that_could_not_be_stored_comes_again_as_it_was() {
    answer_for_test([Err(inbox::Error::Unavailable("disk full".into()))]);
    let run = run(vec![parts([10, 11]), parts([10, 11]), parts([10, 11, 12]), parts([12])]);
    assert_eq!(events(), [event(10, [10, 11]), event(12, [12])]);
    assert_eq!(run.offset.next, Some(13));
}

#[test]
fn nobody_puts_pictures_into_the_album_of_somebody_else() {
    let eve = json!({ "from": { "id": 8, "is_bot": false, "first_name": "E" } });
    let batch = || Ok(json!([part(10, "a"), part_with(11, "a", &eve)]));
    run(vec![batch(), batch()]);
    let senders = |event: InboundEvent| (event.sender.id, said(event.happening).attachments.len());
    let senders: Vec<_> = delivered_for_test().into_iter().map(senders).collect();
    assert_eq!(senders, [("7".to_owned(), 1), ("8".to_owned(), 1)]);
    // An id that is none of Telegram's makes no album.
    let long = "1".repeat(65);
    let alone = run(vec![Ok(json!([part(20, &long), part(21, &long)]))]);
    assert_eq!((events(), alone.slept), (vec![event(20, [20]), event(21, [21])], vec![]));
}

#[test]
fn in_a_group_the_caption_speaks_for_all_of_it_and_for_what_comes_late() {
    let group = json!({ "id": -200, "type": "supergroup", "title": "Group" });
    let plain = json!({ "chat": group });
    let mention = json!({ "chat": group, "caption": "@our_bot look",
        "caption_entities": [{ "type": "mention", "offset": 0, "length": 8 }] });
    let batch = || Ok(json!([part_with(10, "a", &plain), part_with(11, "a", &mention)]));
    let late = || Ok(json!([part_with(12, "a", &plain), part_with(13, "b", &plain)]));
    let run = run(vec![batch(), batch(), late(), late()]);
    let delivered = delivered_for_test();
    let ids: Vec<_> = delivered.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["-200:10", "-200:12"], "an album that is not said to the bot is not heard");
    let body = said(delivered[0].happening.clone());
    assert_eq!((body.text.trim(), body.attachments.len(), body.id.as_str()), ("look", 2, "10"));
    assert_eq!(run.offset.next, Some(14));
}

#[test]
fn who_changes_a_caption_changes_the_album() {
    let mut edit = part_with(12, "album", &json!({ "message_id": 11, "edit_date": 5, "caption": "now" }));
    edit["edited_message"] = edit["message"].take();
    edit.as_object_mut().expect("an object").remove("message");
    edit["edited_message"]["photo"][0]["file_id"] = "new".into();
    let album = || parts([10, 11]);
    run(vec![album(), album(), Ok(json!([edit]))]);
    let delivered = delivered_for_test();
    assert_eq!((delivered[1].id.as_str(), delivered[1].revision), ("7:10", 5_012));
    let Happening::Edit(body) = delivered[1].happening.clone() else { panic!("{delivered:?}") };
    let files: Vec<_> = body.attachments.iter().map(|file| file.id.as_str()).collect();
    assert_eq!((body.text.as_str(), files), ("now", vec!["f10", "new"]));
    // After a new start the other parts are not known any more.
    edit["update_id"] = 13.into();
    run(vec![Ok(json!([edit]))]);
    let delivered = delivered_for_test();
    assert_eq!((delivered.len(), delivered[0].id.as_str()), (1, "7:11"));
}
