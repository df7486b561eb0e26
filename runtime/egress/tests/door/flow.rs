//! Sizes, times, back-pressure, broken peers, the end of a connection, and grants that are taken back.

mod pressure;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use openpact_egress::socket::{CloseReason, MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES, Message, Socket};
use openpact_egress::{Config, Door, Error, Part, Phase};
use openpact_model::audit::Verdict;
use tokio::time::timeout;

use crate::peer::{BINARY, CLOSE, Line, PING, PONG, Peer, TEXT, connect, frame, hasty, soon, text, until};
use crate::world::{PROBE, World, grant, placed};

const LIMIT: usize = 4096;
const MOMENT: Duration = Duration::from_millis(300);

/// A peer that writes these bytes and then reads for ever.
async fn writing(bytes: Vec<u8>) -> Peer {
    Peer::start(move |mut line: Line| {
        let bytes = bytes.clone();
        async move {
            line.open(&[]).await;
            line.write(&bytes).await;
            line.drain().await;
        }
    })
    .await
}

fn hasty_world() -> World {
    World::with(Config { socket: hasty(), ..Config::default() })
}

async fn open(world: &World, peer: &Peer, options: &str) -> (Arc<Door>, Socket) {
    let door = world.door(&[&peer.rule(options)]);
    let socket = connect(&door, &peer.url("/")).await.unwrap();
    (door, socket)
}

#[tokio::test]
async fn a_message_that_comes_may_have_its_limit_and_no_byte_more() {
    for (length, fits) in [(LIMIT, true), (LIMIT + 1, false)] {
        let payload = vec![b'x'; length];
        let (first, second) = payload.split_at(1000);
        let pieces = [frame(BINARY, false, first), frame(0, true, second)].concat();
        // Only the announcement of a long frame, nothing of it.
        let mut forms = vec![frame(BINARY, true, &payload), frame(TEXT, true, &payload), pieces];
        if !fits {
            let mut announced = frame(BINARY, true, &vec![0; 1 << 16]);
            announced.truncate(10);
            announced[2..10].copy_from_slice(&(u64::MAX >> 1).to_be_bytes());
            forms.push(announced);
        }
        for bytes in forms {
            let peer = writing(bytes).await;
            let world = World::new();
            let (_, mut socket) = open(&world, &peer, "response-max=4KiB").await;
            let received = socket.receive().await;
            if fits {
                match received.unwrap() {
                    Message::Text(text) => assert_eq!(text.len(), LIMIT),
                    Message::Binary(bytes) => assert_eq!(bytes.len(), LIMIT),
                    Message::Closed(_) => panic!("closed"),
                }
            } else {
                let is_large = |error| matches!(error, Error::TooLarge { part: Part::Message, limit: 4096 });
                assert!(is_large(received.unwrap_err()));
                assert!(is_large(socket.send(text("x")).await.unwrap_err()), "and it is over");
                until("the end is recorded", || world.log.ended().len() == 1).await;
                let event = world.log.last();
                assert_eq!(
                    (&event.detail["error"], event.verdict),
                    (&"message-too-large".into(), Verdict::Failed)
                );
            }
        }
    }
}

#[tokio::test]
async fn a_message_that_goes_may_have_its_limit_and_no_byte_more() {
    let peer = Peer::echo().await;
    let world = World::new();
    let (_, mut socket) = open(&world, &peer, "request-max=4KiB").await;
    for message in [text("x".repeat(LIMIT)), Message::Binary(vec![0; LIMIT])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.receive().await.unwrap(), message);
    }
    for message in [text("x".repeat(LIMIT + 1)), Message::Binary(vec![0; LIMIT + 1])] {
        let error = socket.send(message).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { part: Part::Message, limit: 4096 }), "{error:?}");
        assert_eq!(world.log.last().kind, "egress.message");
    }
    assert_eq!(peer.received().len(), 2);
    // A rule cannot make a message longer than what may wait.
    let (_, mut socket) = open(&world, &peer, "request-max=1GiB response-max=1GiB").await;
    socket.send(Message::Binary(vec![0; MAX_QUEUED_BYTES])).await.unwrap();
    let Message::Binary(bytes) = socket.receive().await.unwrap() else { panic!("bytes") };
    assert_eq!(bytes.len(), MAX_QUEUED_BYTES);
    let error = socket.send(Message::Binary(vec![0; MAX_QUEUED_BYTES + 1])).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_value_may_not_make_a_message_longer_than_allowed() {
    let peer = Peer::echo().await;
    let world = World::new();
    world.vault.set("TOKEN", &"v".repeat(LIMIT), &[PROBE]);
    let door =
        world.door_with(vec![placed(&peer.rule("credential=token request-max=4KiB"), "frame /t", "TOKEN")]);
    let references = Arc::new(door.credentials());
    let mut socket = crate::peer::connect_with(&door, &peer.url("/"), &[], &references).await.unwrap();
    let message = format!("{{\"t\":\"{}\"}}", references.reference("token").unwrap());
    assert!(matches!(socket.send(text(message)).await, Err(Error::TooLarge { .. })));
    assert!(peer.received().is_empty());
}

#[tokio::test]
async fn peers_that_break_the_protocol_are_cut_off_with_a_word() {
    let masked = {
        let mut bytes = frame(TEXT, true, b"");
        bytes[1] |= 0x80;
        bytes.extend([1, 2, 3, 4]);
        bytes
    };
    let compressed = {
        let mut bytes = frame(TEXT, true, b"x");
        bytes[0] |= 0x40;
        bytes
    };
    for (bytes, says, code) in [
        (frame(TEXT, true, &[0xff, 0xfe]), "not UTF-8", 1007_u16),
        (frame(TEXT, true, "\u{e9}".as_bytes()[..1].as_ref()), "not UTF-8", 1007),
        ([frame(TEXT, false, &[0xc3]), frame(0, true, &[0x28])].concat(), "not UTF-8", 1007),
        (masked, "masked", 1002),
        (compressed, "Reserved bits", 1002),
        (frame(0, true, b"x"), "nothing to continue", 1002),
        ([frame(TEXT, false, b"a"), frame(TEXT, true, b"b")].concat(), "more fragments", 1002),
        (frame(PING, false, b""), "Fragmented control", 1002),
        (frame(PING, true, &[0; 126]), "Control frame too big", 1002),
        (frame(3, true, b""), "3", 1002),
        (frame(11, true, b""), "11", 1002),
        (frame(CLOSE, true, &[3]), "close", 1002),
    ] {
        let farewell = Arc::new(std::sync::Mutex::new(None));
        let (kept, sent) = (farewell.clone(), bytes.clone());
        let peer = Peer::start(move |mut line: Line| {
            let (kept, sent) = (kept.clone(), sent.clone());
            async move {
                line.open(&[]).await;
                line.write(&sent).await;
                let last = line.read().await;
                *kept.lock().unwrap() = Some(last);
            }
        })
        .await;
        let world = World::new();
        let (_, mut socket) = open(&world, &peer, "").await;
        let error = socket.receive().await.unwrap_err();
        assert!(matches!(error, Error::Remote { .. }), "{bytes:x?}: {error:?}");
        assert!(error.to_string().contains(says), "{bytes:x?}: {error}");
        assert!(matches!(socket.receive().await, Err(Error::Remote { .. })), "and that is what it stays");
        until("the farewell came", || farewell.lock().unwrap().is_some()).await;
        let farewell = farewell.lock().unwrap().clone().flatten();
        assert_eq!(farewell, Some((CLOSE, code.to_be_bytes().to_vec())), "{bytes:x?}");
        until("the end is recorded", || world.log.ended().len() == 1).await;
        assert_eq!(world.log.last().detail["error"], "remote");
    }
}

#[tokio::test]
async fn a_peer_that_goes_without_a_word_has_broken_off() {
    for bytes in [vec![], frame(TEXT, false, b"half"), frame(TEXT, true, b"whole")[..3].to_vec()] {
        let peer = Peer::start(move |mut line: Line| {
            let bytes = bytes.clone();
            async move {
                line.open(&[]).await;
                line.write(&bytes).await;
            }
        })
        .await;
        let world = hasty_world();
        let (_, mut socket) = open(&world, &peer, "").await;
        let error = socket.receive().await.unwrap_err();
        assert!(matches!(error, Error::Remote { .. }), "{error:?}");
        assert!(matches!(socket.send(text("x")).await, Err(Error::Remote { .. })));
    }
}

#[tokio::test]
async fn a_close_is_told_once_with_its_reason_behind_what_came_before() {
    let reason = [&4004_u16.to_be_bytes()[..], b"who are you?"].concat();
    for (payload, expected) in [
        (reason, Some(CloseReason { code: 4004, reason: "who are you?".into() })),
        (1000_u16.to_be_bytes().to_vec(), Some(CloseReason { code: 1000, reason: String::new() })),
        (vec![], None),
    ] {
        let answered = Arc::new(std::sync::Mutex::new(None));
        let (kept, sent) = (answered.clone(), payload.clone());
        let peer = Peer::start(move |mut line: Line| {
            let (kept, sent) = (kept.clone(), sent.clone());
            async move {
                line.open(&[]).await;
                line.text("last words").await;
                line.frame(CLOSE, true, &sent).await;
                let answer = line.read().await;
                *kept.lock().unwrap() = answer;
            }
        })
        .await;
        let world = World::new();
        let (_, mut socket) = open(&world, &peer, "").await;
        assert_eq!(socket.receive().await.unwrap(), text("last words"));
        assert_eq!(socket.receive().await.unwrap(), Message::Closed(expected));
        assert!(matches!(socket.receive().await, Err(Error::Closed)));
        assert!(matches!(socket.send(text("x")).await, Err(Error::Closed)));
        assert!(matches!(socket.close(None).await, Err(Error::Closed)));
        until("our answer came", || answered.lock().unwrap().is_some()).await;
        assert_eq!(answered.lock().unwrap().clone(), Some((CLOSE, payload)));
        until("the end is recorded", || world.log.ended().len() == 1).await;
        assert_eq!(world.log.last().verdict, Verdict::Allowed);
    }
}

#[tokio::test]
async fn closing_sends_what_waits_and_waits_for_the_answer() {
    let peer = Peer::echo().await;
    let world = World::new();
    let (_, mut socket) = open(&world, &peer, "").await;
    for number in 0..100 {
        socket.send(text(number.to_string())).await.unwrap();
    }
    let reason = CloseReason { code: 4321, reason: "done".into() };
    socket.close(Some(reason)).await.unwrap();
    let received = peer.received();
    assert_eq!(received.len(), 101);
    assert_eq!(received[100], (CLOSE, [&4321_u16.to_be_bytes()[..], b"done"].concat()));
    assert!(matches!(socket.close(None).await, Err(Error::Closed)));
    // Codes that no endpoint may send (RFC 6455, section 7.4), and a reason that is too long.
    let (_, mut socket) = open(&world, &peer, "").await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        let reason = CloseReason { code, reason: String::new() };
        assert!(matches!(socket.close(Some(reason)).await, Err(Error::Invalid(_))), "{code}");
    }
    for (length, fits) in [(124, false), (123, true)] {
        let reason = CloseReason { code: 1000, reason: "x".repeat(length) };
        assert_eq!(socket.close(Some(reason)).await.is_ok(), fits, "{length}");
    }
}

#[tokio::test]
async fn closing_ends_though_the_other_side_does_not_answer() {
    let peer = writing(vec![]).await;
    let world = hasty_world();
    let (_, mut socket) = open(&world, &peer, "").await;
    socket.close(None).await.unwrap();
    until("the end is recorded", || world.log.ended().len() == 1).await;
    // A message of the kind that says the end begins the same.
    let (_, mut socket) = open(&world, &peer, "").await;
    socket.send(Message::Closed(Some(CloseReason { code: 1000, reason: String::new() }))).await.unwrap();
    until("the end is recorded", || world.log.ended().len() == 2).await;
}

#[tokio::test]
async fn pings_are_answered_though_nobody_receives() {
    let pongs = Arc::new(AtomicUsize::new(0));
    let counted = pongs.clone();
    let peer = Peer::start(move |mut line: Line| {
        let counted = counted.clone();
        async move {
            line.open(&[]).await;
            for number in 0..50_u8 {
                line.frame(PING, true, &[number; 100]).await;
                let (opcode, payload) = line.read().await.unwrap();
                assert_eq!((opcode, payload), (PONG, vec![number; 100]));
                counted.fetch_add(1, Ordering::SeqCst);
            }
            line.drain().await;
        }
    })
    .await;
    let world = World::new();
    let (_, _socket) = open(&world, &peer, "").await;
    until("all are answered", || pongs.load(Ordering::SeqCst) == 50).await;
}

#[tokio::test]
async fn a_peer_that_shows_no_life_is_asked_and_then_given_up() {
    // Answers pings while it is asked to, and not after.
    let answers = Arc::new(AtomicBool::new(true));
    let asked = Arc::new(AtomicUsize::new(0));
    let (answering, counted) = (answers.clone(), asked.clone());
    let peer = Peer::start(move |mut line: Line| {
        let (answering, counted) = (answering.clone(), counted.clone());
        async move {
            line.open(&[]).await;
            while let Some((opcode, payload)) = line.read().await {
                assert_eq!(opcode, PING);
                counted.fetch_add(1, Ordering::SeqCst);
                if answering.load(Ordering::SeqCst) {
                    line.frame(PONG, true, &payload).await;
                }
            }
        }
    })
    .await;
    let world = hasty_world();
    let (_, mut socket) = open(&world, &peer, "").await;
    let waiting = timeout(MOMENT * 10, socket.receive()).await;
    assert!(waiting.is_err(), "who answers stays: {waiting:?}");
    assert!(asked.load(Ordering::SeqCst) > 1);
    answers.store(false, Ordering::SeqCst);
    let error = soon(socket.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: Phase::Silence, .. }), "{error:?}");
    until("the end is recorded", || world.log.ended().len() == 1).await;
    assert_eq!(world.log.last().detail["error"], "timeout-silence");
}

#[tokio::test]
async fn a_message_that_drips_is_given_up() {
    let peer = Peer::start(|mut line: Line| async move {
        line.open(&[]).await;
        line.write(&frame(TEXT, false, b"the beginning")).await;
        while line.write(&frame(0, false, b".")).await && line.write(&frame(PING, true, b"")).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let world = World::new();
    let (_, mut socket) = open(&world, &peer, "timeout=1").await;
    let error = soon(socket.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: Phase::Message, .. }), "{error:?}");
}

#[tokio::test]
async fn grants_that_are_taken_back_close_what_is_open() {
    let peer = Peer::echo().await;
    let world = World::new();
    world.vault.set("TOKEN", "a value of some length", &[PROBE]);
    let plain = || grant(&peer.rule(""));
    let with_credential = || placed(&peer.rule("credential=token"), "query key={}", "TOKEN");
    let other = || grant("GET https://other.test/**");
    let elsewhere = || placed(&peer.rule("credential=token"), "header X-Key: {}", "TOKEN");
    let public = || grant(&format!("GET {}", peer.url("/**")));
    // What there was, what there is, and whether the connection survives that.
    let cases = [
        (vec![plain()], vec![], false),
        (vec![plain()], vec![other()], false),
        (vec![plain()], vec![other(), plain()], true),
        (vec![plain()], vec![grant(&peer.rule("rate=1/s burst=1"))], true),
        (vec![plain()], vec![public()], false),
        (vec![plain()], vec![grant(&format!("GET {} private=127.0.0.1", peer.url("/else")))], false),
        (vec![with_credential()], vec![with_credential(), plain()], true),
        (vec![with_credential()], vec![plain()], false),
        (vec![with_credential()], vec![elsewhere()], false),
    ];
    for (number, (before, after, survives)) in cases.into_iter().enumerate() {
        let door = world.door_with(before);
        let references = Arc::new(door.credentials());
        let key = references.reference("token").unwrap_or_else(|_| "none".into());
        let url = peer.url(&format!("/?key={key}"));
        let mut socket = crate::peer::connect_with(&door, &url, &[], &references).await.unwrap();
        let mut waiting = crate::peer::connect_with(&door, &url, &[], &references).await.unwrap();
        socket.send(text("waits to be received")).await.unwrap();
        until("it came back", || peer.received().iter().any(|(opcode, _)| *opcode == TEXT)).await;
        let ended = world.log.ended().len();
        // One of them sits in a call that waits.
        let waits = tokio::spawn(async move { waiting.receive().await });
        tokio::task::yield_now().await;
        door.set_grants(after);
        if survives {
            assert_eq!(socket.receive().await.unwrap(), text("waits to be received"), "case {number}");
            socket.send(text("on")).await.unwrap();
            waits.abort();
            continue;
        }
        for error in [socket.send(text("x")).await.unwrap_err(), socket.receive().await.unwrap_err()] {
            assert!(matches!(error, Error::Denied(_)), "case {number}: {error:?}");
            assert!(error.to_string().contains("taken back"), "{error}");
        }
        let error = soon(waits).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "case {number}: {error:?}");
        until("both ends are recorded", || world.log.ended().len() == ended + 2).await;
        // Who used it may have been quicker than who watches.
        let verdicts: Vec<_> = world.log.ended().iter().rev().take(2).map(|event| event.verdict).collect();
        assert!(verdicts.contains(&Verdict::Denied), "case {number}: {verdicts:?}");
        assert!(!peer.received().iter().any(|(_, payload)| payload == b"x"));
    }
}

#[tokio::test]
async fn a_secret_that_is_taken_away_closes_what_carried_it() {
    let peer = Peer::echo().await;
    let world = World::new();
    world.vault.set("TOKEN", "a value of some length", &[PROBE]);
    let door = world.door_with(vec![placed(&peer.rule("credential=token"), "frame /t", "TOKEN")]);
    let references = Arc::new(door.credentials());
    let message = format!("{{\"t\":\"{}\"}}", references.reference("token").unwrap());
    let mut carried = crate::peer::connect_with(&door, &peer.url("/"), &[], &references).await.unwrap();
    let mut unused = crate::peer::connect_with(&door, &peer.url("/"), &[], &references).await.unwrap();
    carried.send(text(message)).await.unwrap();
    carried.receive().await.unwrap();
    world.vault.set("TOKEN", "another value of some length", &[PROBE]);
    let changed = timeout(Duration::from_millis(1500), carried.receive()).await;
    assert!(changed.is_err(), "a change of the value is no withdrawal: {changed:?}");
    world.vault.set("TOKEN", "another value of some length", &["component:other"]);
    let error = soon(carried.receive()).await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error:?}");
    unused.send(text("x")).await.unwrap();
    assert_eq!(unused.receive().await.unwrap(), text("x"));
}

#[tokio::test]
async fn whatever_bytes_come_the_connection_ends_in_order() {
    let world = hasty_world();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..200 {
        // Half of them begin like a frame, so that they come further than the first byte.
        let length = usize::try_from(next() % 200).unwrap();
        let mut bytes: Vec<u8> = (0..length).map(|_| next().to_le_bytes()[0]).collect();
        if round % 2 == 0 {
            bytes.splice(0..0, [0x81 | (next().to_le_bytes()[0] & 0x0b), 5]);
        }
        let peer = Peer::start(move |mut line: Line| {
            let bytes = bytes.clone();
            async move {
                line.open(&[]).await;
                line.write(&bytes).await;
            }
        })
        .await;
        let (_, mut socket) = open(&world, &peer, "").await;
        for _ in 0..300 {
            match socket.receive().await {
                Ok(Message::Closed(_)) | Err(_) => break,
                Ok(_) => {}
            }
        }
        assert!(socket.receive().await.is_err());
        until("the end is recorded", || world.log.ended().len() == round + 1).await;
    }
}
