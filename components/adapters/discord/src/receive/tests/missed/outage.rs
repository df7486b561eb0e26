//! Servers that are away for longer than anybody waits.

use super::*;

fn acknowledged() -> Result<Option<Message>, Error> {
    text(&json!({ "op": 11 }))
}

/// A minute: two heartbeats, and what is between them.
fn minute() -> Frames {
    vec![nothing(), acknowledged(), nothing(), acknowledged()]
}

/// The server is away, or the bot is not in it any more.
fn away(kind: &str, sequence: u64, is_unavailable: bool) -> Result<Option<Message>, Error> {
    let server = json!({ "id": "5", "unavailable": is_unavailable });
    text(&json!({ "t": kind, "s": sequence, "op": 0, "d": server }))
}

/// What is asked for in the channel 12.
fn asked(after: u64) -> String {
    format!("GET channels/12/messages?after={}&limit=100", id(after))
}

fn missed() -> Result<api::Answer, Failure> {
    page(&[message(950_000, "12", "<@42> missed")])
}

#[test]
fn a_server_that_is_away_is_caught_up_when_it_comes() {
    before();
    let live = live(2, &message(999_000, "9", "now"));
    let wait = [vec![hello(), begun()], minute(), vec![live]].concat();
    let frames = [wait, vec![server(3, [1, 950_000, 3]), nothing(), reconnect()]].concat();
    let run = run(vec![gateway(), page(&[]), missed()], vec![Ok(frames)]);
    assert_eq!(run.results, [Ok(())]);
    // From where the session before had ended, whatever came meanwhile.
    assert_eq!(run.asked[2], asked(840_000));
    assert_eq!(delivered(), [id(999_000), id(950_000)]);
    assert_eq!((kept("newest"), kept("late"), stored()), (id(999_000), "{}".to_owned(), Some(3)));
}

#[test]
fn an_outage_that_is_told_is_not_waited_for() {
    for (kind, told) in [("GUILD_DELETE", true), ("GUILD_CREATE", true), ("GUILD_DELETE", false)] {
        forget();
        kv::delete("direct").expect("deleted");
        before();
        let frames = vec![hello(), begun(), away(kind, 2, told), nothing(), acknowledged()];
        let frames = [frames, vec![live(3, &message(999_000, "9", "now")), reconnect()]].concat();
        let first = run(vec![gateway(), page(&[])], vec![Ok(frames)]);
        assert_eq!((first.results, stored()), (vec![Ok(())], Some(3)), "all else is done with");
        assert_eq!(kept("newest"), id(999_000));
        // The session is resumed by another process, in which the server comes back.
        delivered();
        let back = vec![hello(), server(4, [1, 950_000, 3]), nothing(), reconnect()];
        let next = run(vec![missed()], vec![Ok(back)]);
        let (expected, count) = if told { (vec![asked(840_000)], 1) } else { (vec![], 0) };
        assert_eq!((next.asked, delivered().len()), (expected, count), "{kind} {told}");
    }
}

#[test]
fn an_outage_within_a_session_is_caught_up_too() {
    before();
    let first = [
        vec![hello(), begun(), server(2, [1, 2, 3]), nothing(), acknowledged()],
        vec![away("GUILD_DELETE", 3, true)],
    ];
    let outage = vec![live(4, &message(999_000, "9", "now")), nothing(), acknowledged()];
    let back =
        vec![server(5, [1, 950_000, 3]), nothing(), server(6, [1, 960_000, 3]), nothing(), reconnect()];
    let frames = [first.concat(), outage, back].concat();
    let run = run(vec![gateway(), page(&[]), missed()], vec![Ok(frames)]);
    assert_eq!(run.results, [Ok(())]);
    assert_eq!(run.asked[2..], [asked(840_000)], "once, and not again when it comes a second time");
    assert_eq!((kept("newest"), stored()), (id(999_000), Some(6)));
}

#[test]
fn whoever_is_killed_while_a_server_is_caught_up_asks_again() {
    before();
    let wait = [vec![hello(), begun()], minute(), vec![live(2, &message(999_000, "9", "now"))]].concat();
    run(vec![gateway(), page(&[])], vec![Ok([wait, vec![reconnect()]].concat())]);
    assert_eq!((kept("late"), stored()), (json!({ "5": 840_000_u64 << 22 }).to_string(), Some(2)));
    delivered();
    let back = || vec![hello(), server(3, [940_000, 950_000, 3]), nothing()];
    for times in 1..=4 {
        // The script ends before the other channel is asked: as when the program is killed.
        let killed = || run(vec![missed()], vec![Ok(back())]);
        assert!(std::panic::catch_unwind(killed).is_err(), "killed");
        assert_eq!((delivered(), stored()), (vec![id(950_000)], Some(2)));
        // Whoever dies of something else than this has the session begun as often as it likes.
        let mut session = Session::load().expect("it goes on");
        session.put_back();
        assert_eq!(kept("begun"), times.to_string());
    }
    let fifth = run(vec![], vec![Ok([back(), vec![reconnect()]].concat())]);
    assert_eq!((fifth.asked, delivered().len(), stored()), (vec![], 0, Some(3)), "it is not read");
}

#[test]
fn only_so_many_servers_with_an_outage_are_kept_and_none_longer_than_anything() {
    before();
    let out = |server: u64| {
        text(
            &json!({ "t": "GUILD_DELETE", "s": server, "op": 0, "d": { "id": server.to_string(), "unavailable": true } }),
        )
    };
    let frames = vec![hello(), begun(), server(2, [1, 2, 3]), nothing()];
    let frames = [frames, (1_000..1_300).map(out).collect(), vec![reconnect()]].concat();
    run(vec![gateway(), page(&[])], vec![Ok(frames)]);
    let late: serde_json::Map<String, Value> = serde_json::from_str(&kept("late")).expect("an object");
    assert_eq!((late.len(), kept("late").len() < 10_000), (200, true));
    // What was said longer ago than three days is not answered any more.
    kv::set("late", br#"{"5":1}"#).expect("stored");
    let back = vec![hello(), server(1_400, [1, TIME, 3]), nothing(), reconnect()];
    let next = run(vec![page(&[])], vec![Ok(back)]);
    assert_eq!(next.asked, [asked(TIME - 3 * 24 * 60 * 60 * 1_000)]);
    // A session that begins without a server has no outage of it.
    Session::forget();
    kv::set("late", br#"{"5":1,"6":1}"#).expect("stored");
    let frames = vec![hello(), begun(), server(2, [1, 2, 3]), nothing(), reconnect()];
    run(vec![gateway(), page(&[])], vec![Ok(frames)]);
    assert_eq!(kept("late"), "{}");
}
