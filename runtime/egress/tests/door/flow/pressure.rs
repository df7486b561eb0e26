//! Sides that take nothing, or not fast enough.

use super::*;

#[tokio::test]
async fn what_nobody_receives_holds_the_other_side_back() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 1024;
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    let peer = Peer::start(move |mut line: Line| {
        let counted = counted.clone();
        async move {
            line.open(&[]).await;
            for number in 0..PIECES {
                let mut payload = vec![0; PIECE];
                payload[..8].copy_from_slice(&(number as u64).to_be_bytes());
                line.frame(BINARY, true, &payload).await;
                counted.fetch_add(PIECE, Ordering::SeqCst);
            }
            line.drain().await;
        }
    })
    .await;
    let world = hasty_world();
    let (_, mut socket) = open(&world, &peer, "").await;
    let stalled = stalled(&written).await;
    // What waits here, one message on its way, and what the system keeps for both ends.
    assert!(stalled < MAX_QUEUED_BYTES + (16 << 20), "{stalled} of {} were taken", PIECE * PIECES);
    assert!(world.log.ended().is_empty(), "and it is not taken for dead meanwhile");
    for number in 0..PIECES {
        let Message::Binary(bytes) = socket.receive().await.unwrap() else { panic!("bytes") };
        assert_eq!(bytes[..8], (number as u64).to_be_bytes(), "in order, and none is lost");
    }
}

/// The number, once it has stopped growing.
async fn stalled(number: &AtomicUsize) -> usize {
    let mut last = usize::MAX;
    loop {
        let now = number.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return now;
        }
        last = now;
        tokio::time::sleep(MOMENT * 2).await;
    }
}

#[tokio::test]
async fn so_many_small_messages_wait_and_no_more() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    let peer = Peer::start(move |mut line: Line| {
        let counted = counted.clone();
        async move {
            line.open(&[]).await;
            // Each is answered to a ping behind it only while there is room for the next.
            for number in 0..1000_u32 {
                line.text(&number.to_string()).await;
                line.frame(PING, true, b"").await;
                if line.read().await.is_none() {
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
            }
            line.drain().await;
        }
    })
    .await;
    let world = World::new();
    let (_, mut socket) = open(&world, &peer, "").await;
    let taken = stalled(&written).await;
    assert!(taken.abs_diff(MAX_QUEUED_MESSAGES) <= 1, "{taken}");
    for number in 0..1000_u32 {
        assert_eq!(socket.receive().await.unwrap(), text(number.to_string()));
    }
}

#[tokio::test]
async fn what_the_other_side_does_not_take_holds_the_guest_back() {
    let read = Arc::new(tokio::sync::Notify::new());
    let begin = read.clone();
    let got = Arc::new(AtomicUsize::new(0));
    let counted = got.clone();
    let peer = Peer::start(move |mut line: Line| {
        let (begin, counted) = (begin.clone(), counted.clone());
        async move {
            line.open(&[]).await;
            begin.notified().await;
            while line.read().await.is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let world = World::new();
    let (_, mut socket) = open(&world, &peer, "").await;
    let piece = vec![7; 256 << 10];
    let mut sent = 0;
    while timeout(MOMENT * 2, socket.send(Message::Binary(piece.clone())))
        .await
        .is_ok_and(|sent| sent.is_ok())
    {
        sent += 1;
        assert!(sent < 200, "50 MiB were taken by nobody");
    }
    assert!(sent >= MAX_QUEUED_BYTES / piece.len());
    read.notify_one();
    socket.send(text("now")).await.unwrap();
    until("all of it came", || got.load(Ordering::SeqCst) > sent).await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up() {
    let peer = Peer::start(|mut line: Line| async move {
        line.open(&[]).await;
        std::future::pending::<()>().await;
    })
    .await;
    let world = World::new();
    let (_, mut socket) = open(&world, &peer, "timeout=1").await;
    let error = loop {
        if let Err(error) = socket.send(Message::Binary(vec![0; 1 << 20])).await {
            break error;
        }
    };
    assert!(matches!(error, Error::Timeout { phase: Phase::Sending, .. }), "{error:?}");
}

#[tokio::test]
async fn pings_that_nobody_takes_the_answers_of_cost_no_memory() {
    // Sends pings for ever and reads nothing: answers pile up in the system, and must not pile up here.
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let peer = Peer::start(move |mut line: Line| {
        let counted = counted.clone();
        async move {
            line.open(&[]).await;
            let many = frame(PING, true, &[1; 125]).repeat(512);
            for _ in 0..512 {
                if !line.write(&many).await {
                    return;
                }
                counted.fetch_add(many.len(), Ordering::SeqCst);
            }
            line.text("still here").await;
            std::future::pending::<()>().await;
        }
    })
    .await;
    let world = World::new();
    let (_, mut socket) = open(&world, &peer, "").await;
    let before = resident();
    assert_eq!(socket.receive().await.unwrap(), text("still here"));
    let grown = resident().saturating_sub(before);
    assert!(sent.load(Ordering::SeqCst) > 30 << 20);
    assert!(grown < 24 << 20, "{grown} bytes more");
}

/// The memory of this process in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn closing_does_not_wait_for_what_nobody_receives() {
    let peer = Peer::start(|mut line: Line| async move {
        line.open(&[]).await;
        // More than may wait, so that the answer to the close stands behind what is not read.
        for number in 0..1000_u32 {
            line.text(&number.to_string()).await;
        }
        while let Some((opcode, payload)) = line.read().await {
            if opcode == CLOSE {
                line.frame(CLOSE, true, &payload).await;
                return;
            }
        }
    })
    .await;
    let world = World::with(Config {
        // Whoever waits for the time to run out waits long.
        socket: openpact_egress::socket::Config { closing: Duration::from_mins(5), ..hasty() },
        ..Config::default()
    });
    let (_, mut socket) = open(&world, &peer, "").await;
    socket.receive().await.unwrap();
    let reason = CloseReason { code: 4000, reason: "enough".into() };
    soon(socket.close(Some(reason))).await.unwrap();
    until("the end is recorded", || world.log.ended().len() == 1).await;
    let event = world.log.last();
    assert_eq!((&event.detail["close"], event.verdict), (&4000.into(), Verdict::Allowed));
}

#[tokio::test]
async fn a_time_in_which_nobody_received_is_not_the_other_sides_silence() {
    let peer = Peer::start(|mut line: Line| async move {
        line.open(&[]).await;
        // As many as may wait, so that nothing is read until one is received, and nothing is there to be read then.
        for _ in 0..MAX_QUEUED_MESSAGES {
            line.text("x").await;
        }
        while let Some((opcode, payload)) = line.read().await {
            assert_eq!(opcode, PING);
            line.frame(PONG, true, &payload).await;
        }
    })
    .await;
    let world = hasty_world();
    let (_, mut socket) = open(&world, &peer, "").await;
    tokio::time::sleep(hasty().silence * 4).await;
    for _ in 0..MAX_QUEUED_MESSAGES {
        assert_eq!(socket.receive().await.unwrap(), text("x"));
    }
    let waiting = timeout(hasty().silence * 4, socket.receive()).await;
    assert!(waiting.is_err(), "it lives: {waiting:?}");
}
