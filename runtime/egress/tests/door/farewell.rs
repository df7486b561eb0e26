//! What the other side is told when a connection ends here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openpact_egress::Config;
use openpact_egress::socket::{CloseReason, Message};

use crate::peer::{CLOSE, Line, Peer, TEXT, connect, hasty, text, until};
use crate::world::World;

/// Each frame that came, and `None` for the end of the connection.
type Seen = Arc<Mutex<Vec<Option<(u8, Vec<u8>)>>>>;

/// A side that keeps what it reads, and answers nothing.
async fn witness() -> (Peer, Seen) {
    let seen = Seen::default();
    let kept = seen.clone();
    let peer = Peer::start(move |mut line: Line| {
        let kept = kept.clone();
        async move {
            line.open(&[]).await;
            loop {
                let frame = line.read().await;
                let is_over = frame.is_none();
                kept.lock().unwrap().push(frame);
                if is_over {
                    return;
                }
            }
        }
    })
    .await;
    (peer, seen)
}

async fn until_over(seen: &Seen) -> Vec<Option<(u8, Vec<u8>)>> {
    until("the connection is over", || seen.lock().unwrap().last() == Some(&None)).await;
    seen.lock().unwrap().clone()
}

fn world() -> World {
    World::with(Config { socket: hasty(), ..Config::default() })
}

#[tokio::test]
async fn a_connection_that_nobody_holds_ends_without_a_word() {
    // 1001 would tell a server that nobody comes back to resume.
    let (peer, seen) = witness().await;
    let world = World::new();
    let mut socket = connect(&world.door(&[&peer.rule("")]), &peer.url("/")).await.unwrap();
    socket.send(text("hello")).await.unwrap();
    until("it came", || seen.lock().unwrap().len() == 1).await;
    drop(socket);
    assert_eq!(until_over(&seen).await, [Some((TEXT, b"hello".to_vec())), None]);
    until("the end is recorded", || world.log.ended().len() == 1).await;
    assert_eq!(world.log.last().detail["abandoned"], true);
}

#[tokio::test]
async fn a_program_that_stops_says_no_farewell() {
    let (peer, seen) = witness().await;
    let (rule, url) = (peer.rule(""), peer.url("/"));
    let stopped = tokio::task::spawn_blocking(move || {
        let program =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = program.block_on(async {
            let world = World::new();
            let mut socket = connect(&world.door(&[&rule]), &url).await.unwrap();
            socket.send(text("hello")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            socket
        });
        // The connection is held to the last.
        program.shutdown_timeout(Duration::from_secs(10));
        drop(socket);
    });
    stopped.await.unwrap();
    assert_eq!(until_over(&seen).await, [Some((TEXT, b"hello".to_vec())), None]);
}

#[tokio::test]
async fn a_farewell_is_the_one_that_was_asked_for() {
    for code in [1000, 1001, 1003, 1007, 1014, 3000, 4000, 4999] {
        let world = world();
        let (peer, seen) = witness().await;
        let mut socket = connect(&world.door(&[&peer.rule("")]), &peer.url("/")).await.unwrap();
        let reason = CloseReason { code, reason: "later".into() };
        // By `close`, and by the message that begins to.
        if code % 2 == 0 {
            socket.close(Some(reason)).await.unwrap();
        } else {
            socket.send(Message::Closed(Some(reason))).await.unwrap();
        }
        let farewell = (CLOSE, [&code.to_be_bytes()[..], b"later"].concat());
        assert_eq!(until_over(&seen).await, [Some(farewell), None], "and nothing after it");
    }
    let world = world();
    let (peer, seen) = witness().await;
    let mut socket = connect(&world.door(&[&peer.rule("")]), &peer.url("/")).await.unwrap();
    socket.close(None).await.unwrap();
    assert_eq!(until_over(&seen).await, [Some((CLOSE, Vec::new())), None], "no code is made up");
}
