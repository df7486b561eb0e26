//! What was said while no session was there.

mod outage;

use super::*;

/// An id of so many milliseconds after Discord's first.
fn id(time: u64) -> String {
    (time << 22).to_string()
}

fn message(time: u64, channel: &str, content: &str) -> Value {
    json!({ "id": id(time), "channel_id": channel, "content": content, "timestamp": "2026-01-01T00:00:00+00:00",
        "type": 0, "author": { "id": "7", "username": "ada" } })
}

fn live(sequence: u64, message: &Value) -> Result<Option<Message>, Error> {
    text(&json!({ "t": "MESSAGE_CREATE", "s": sequence, "op": 0, "d": message }))
}

/// A new session on the server 5.
fn begun() -> Result<Option<Message>, Error> {
    text(&json!({ "t": "READY", "s": 1, "op": 0, "d": { "session_id": "abc",
        "resume_gateway_url": "wss://resume.discord.gg", "user": { "id": "42", "username": "ours" },
        "guilds": [{ "id": "5", "unavailable": true }] } }))
}

/// The server with two channels and a thread, and the newest message of each.
fn server(sequence: u64, lasts: [u64; 3]) -> Result<Option<Message>, Error> {
    let channel = |channel: &str, kind: u8, last: u64| json!({ "id": channel, "type": kind, "name": channel, "last_message_id": id(last), "parent_id": "11" });
    text(&json!({ "t": "GUILD_CREATE", "s": sequence, "op": 0, "d": { "id": "5",
        "channels": [channel("11", 0, lasts[0]), channel("12", 0, lasts[1]), { "id": "13", "type": 4 },
            // A forum, whose last message is a thread.
            channel("15", 15, 200_000_000)],
        "threads": [channel("14", 11, lasts[2])] } }))
}

fn invalid() -> Result<Option<Message>, Error> {
    text(&json!({ "op": 9, "d": false }))
}

#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
fn nothing() -> Result<Option<Message>, Error> {
    Ok(None)
}

/// Everything up to 900,000 is there, in direct messages of the channel 9; then the session is lost.
fn before() {
    let frames = vec![hello(), begun(), server(2, [1, 2, 3]), live(3, &message(900_000, "9", "hi"))];
    run(vec![gateway()], vec![Ok([frames, vec![invalid()]].concat())]);
    assert_eq!(delivered(), [id(900_000)]);
    assert_eq!(stored(), None);
}

fn kept(key: &str) -> String {
    String::from_utf8(kv::get(key).expect("a store").unwrap_or_default()).expect("text")
}

fn page(messages: &[Value]) -> Result<api::Answer, Failure> {
    ok(&json!(messages))
}

#[test]
fn a_new_session_asks_for_what_was_missed() {
    before();
    let mention = |time| message(time, "12", "<@42> hello");
    let answers = vec![
        gateway(),
        page(&[message(950_000, "9", "second"), message(940_000, "9", "first")]),
        page(&[message(970_000, "12", "to others"), mention(960_000)]),
    ];
    // The channel 11 has nothing new, and 14 nothing that was not there a minute before the last message.
    let frames =
        vec![hello(), begun(), nothing(), server(2, [800_000, 970_000, 839_999]), nothing(), reconnect()];
    let run = run(answers, vec![Ok(frames)]);
    assert_eq!(run.results, [Ok(())]);
    let after = id(840_000);
    assert_eq!(
        run.asked[1..],
        [9, 12].map(|channel| format!("GET channels/{channel}/messages?after={after}&limit=100"))
    );
    let events = delivered_for_test();
    let of: Vec<_> = events.iter().map(|event| (event.id.clone(), event.channel.id.as_str())).collect();
    assert_eq!(of, [(id(940_000), "9"), (id(950_000), "9"), (id(960_000), "12")], "oldest first");
    assert_eq!(
        events[2].channel.audience,
        openpact_sdk::adapter::Audience::Public,
        "it is no direct message"
    );
    assert_eq!((kept("newest"), stored()), (id(970_000), Some(2)));
}

#[test]
fn nothing_is_passed_before_all_of_it_is_there() {
    before();
    answer_for_test([Ok(()), Err(inbox::Error::Unavailable("the disk is full".into()))]);
    let both = || page(&[message(950_000, "9", "second"), message(940_000, "9", "first")]);
    // What comes meanwhile does not count either.
    let frames = || vec![hello(), begun(), live(2, &message(999_000, "9", "now"))];
    let first = run(vec![gateway(), both()], vec![Ok(frames())]);
    assert_eq!(first.results, [Err(AdapterError::Unavailable("the disk is full".into()))]);
    assert_eq!((kept("newest"), stored()), (id(900_000), None));
    delivered_for_test();
    let frames = [frames(), vec![server(3, [1, 2, 3]), reconnect()]].concat();
    let second = run(vec![gateway(), both()], vec![Ok(frames)]);
    assert_eq!((second.results, delivered().len()), (vec![Ok(())], 3));
    assert_eq!((kept("newest"), stored()), (id(999_000), Some(3)));
}

#[test]
fn a_page_that_is_full_is_followed_by_another_one_up_to_a_limit() {
    before();
    let full =
        |start: u64| page(&(0..100).rev().map(|index| message(start + index, "9", "hi")).collect::<Vec<_>>());
    let answers = [gateway()].into_iter().chain((0..5).map(|index| full(910_000 + index * 100))).collect();
    let frames =
        [vec![hello(), begun(), server(2, [1, 2, 3])], vec![nothing(); 5], vec![reconnect()]].concat();
    let run = run(answers, vec![Ok(frames)]);
    assert_eq!((run.results, delivered().len()), (vec![Ok(())], 500));
    assert!(run.asked[2].ends_with(&format!("after={}&limit=100", id(910_099))), "{}", run.asked[2]);
    assert_eq!((run.asked.len(), stored()), (6, Some(2)));
}

#[test]
fn what_is_refused_is_given_up_and_a_wait_is_kept() {
    before();
    let limited = Ok(api::Answer {
        status: 429,
        body: json!({ "message": "wait", "retry_after": 2.5, "global": false }).to_string().into_bytes(),
        ..api::Answer::default()
    });
    let broken = || Err(Failure::Unsent("dns".into()));
    let answers =
        vec![gateway(), limited, broken(), page(&[message(950_000, "9", "a")]), refused(403, 50_001)];
    let frames = vec![
        hello(),
        begun(),
        server(2, [1, 990_000, 3]),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
        reconnect(),
    ];
    let run = run(answers, vec![Ok(frames)]);
    assert_eq!((run.results, delivered().len()), (vec![Ok(())], 1));
    assert_eq!((run.asked.len(), stored()), (5, Some(2)));
    // Without a grant nothing more is asked for.
    Session::forget();
    let denied = Err(Failure::Denied { grant: "GET x".into() });
    let frames = vec![hello(), begun(), server(2, [995_000, 996_000, 3]), nothing(), nothing(), reconnect()];
    let run = super::run(vec![gateway(), denied], vec![Ok(frames)]);
    assert_eq!((run.results, run.asked.len(), stored()), (vec![Ok(())], 2, Some(2)));
}

#[test]
fn who_has_received_nothing_has_missed_nothing_and_a_server_that_is_new_neither() {
    let frames = vec![hello(), begun(), server(2, [700_000, 2, 3]), nothing(), reconnect()];
    let first = run(vec![gateway()], vec![Ok(frames)]);
    assert_eq!((first.results, first.asked.len()), (vec![Ok(())], 1));
    assert_eq!(kept("newest"), id(700_000), "from here on something can be missed");
    Session::forget();
    let again = vec![hello(), ready(), server(2, [990_000, 2, 3]), nothing(), reconnect()];
    assert_eq!(run(vec![gateway()], vec![Ok(again)]).asked.len(), 1);
}

#[test]
fn what_is_old_is_left_alone() {
    kv::set("newest", b"1").expect("stored");
    kv::set("direct", b"[9]").expect("stored");
    let run = run(vec![gateway(), page(&[])], vec![Ok(vec![hello(), ready(), reconnect()])]);
    let oldest = id(TIME - 3 * 24 * 60 * 60 * 1_000);
    assert_eq!(run.asked[1], format!("GET channels/9/messages?after={oldest}&limit=100"));
}

#[test]
fn a_server_that_tells_nothing_is_not_awaited_for_ever() {
    before();
    let acknowledged = || text(&json!({ "op": 11 }));
    // Two heartbeats, and a minute is over.
    let frames = vec![hello(), begun(), nothing(), acknowledged(), nothing(), acknowledged(), reconnect()];
    let run = run(vec![gateway(), page(&[])], vec![Ok(frames)]);
    assert_eq!((run.results, stored()), (vec![Ok(())], Some(1)));
}

#[test]
fn what_the_adapter_dies_of_is_not_asked_for_without_end() {
    before();
    // It died four times, and nothing put the count back.
    kv::set("begun", b"4").expect("stored");
    let frames = || vec![hello(), begun(), server(2, [1, 2, 950_000]), reconnect()];
    let first = run(vec![gateway()], vec![Ok(frames())]);
    assert_eq!((first.asked.len(), stored(), kept("newest")), (1, Some(2), id(950_000)));
    // Three times is not too often; an end in order puts the count back.
    Session::forget();
    kv::set("begun", b"3").expect("stored");
    let second = run(vec![gateway(), page(&[]), page(&[])], vec![Ok(frames())]);
    assert_eq!((second.asked.len(), kept("begun")), (3, "0".to_owned()));
}

#[test]
fn being_stopped_in_the_middle_again_and_again_costs_nothing() {
    before();
    // What the host lets a loop see that is to end: in its connection, in a request, and at a delivery.
    let page_of_one = || page(&[message(950_000, "9", "missed")]);
    for stop in 0..12 {
        let frames = vec![hello(), begun(), Err(Error::Closed)];
        let answer = if stop % 3 == 0 { Err(Failure::Broken("terminated".into())) } else { page_of_one() };
        if stop % 3 == 1 {
            answer_for_test([Err(inbox::Error::Unavailable("the adapter is being stopped".into()))]);
        }
        run(vec![gateway(), answer], vec![Ok(frames)]);
        assert_eq!((kept("newest"), stored(), kept("begun")), (id(900_000), None, "0".to_owned()), "{stop}");
    }
    delivered_for_test();
    let frames = vec![hello(), begun(), server(2, [1, 2, 3]), nothing(), reconnect()];
    let last = run(vec![gateway(), page_of_one()], vec![Ok(frames)]);
    assert_eq!((last.results, delivered()), (vec![Ok(())], vec![id(950_000)]));
}

#[test]
fn whoever_is_killed_in_the_middle_asks_again() {
    before();
    // The script ends in the middle: nothing more is done, as when the program is killed.
    let killed = || {
        let frames = vec![hello(), begun(), live(2, &message(999_000, "9", "now"))];
        run(vec![gateway(), page(&[message(950_000, "9", "missed")])], vec![Ok(frames)])
    };
    assert!(std::panic::catch_unwind(killed).is_err(), "killed");
    assert_eq!(delivered().len(), 2);
    assert_eq!((kept("newest"), stored(), kept("begun")), (id(900_000), None, "1".to_owned()));
}
