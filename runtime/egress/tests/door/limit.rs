//! Sizes and times, from both sides.

use std::time::Duration;

use async_compression::Level;
use async_compression::tokio::bufread::BrotliDecoder;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use openpact_egress::credential::References;
use openpact_egress::{Body, Config, Door, Error, Options, Part, Phase, empty, full, request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::{Server, Step, chunked, head, reply};
use crate::world::{Names, World, get, read, send};

const LIMIT: usize = 4096;

fn door_to(server: &Server, options: &str) -> (World, std::sync::Arc<Door>) {
    let world = World::new();
    let door = world.door(&[&format!("* {} private=127.0.0.1 {options}", server.url("/**"))]);
    (world, door)
}

#[tokio::test]
async fn an_answer_may_have_its_limit_and_no_byte_more() {
    for (length, fits) in [(LIMIT, true), (LIMIT + 1, false)] {
        let body = vec![b'x'; length];
        let (first, second) = body.split_at(length / 2);
        for steps in
            [vec![Step::Write(reply("200 OK", &[], &body))], chunked("200 OK", &[], &[first, second])]
        {
            let server = Server::start(move |_| steps.clone()).await;
            let (world, door) = door_to(&server, "response-max=4KiB");
            let result = read(get(&door, &server.url("/")).await).await;
            if fits {
                assert_eq!(result.unwrap().1.len(), LIMIT);
                assert_eq!(world.log.last().detail["received"], LIMIT);
            } else {
                assert!(
                    matches!(result, Err(Error::TooLarge { part: Part::Response, limit: 4096 })),
                    "{result:?}"
                );
                assert_eq!(world.log.last().detail["error"], "response-too-large");
            }
        }
    }
}

#[tokio::test]
async fn a_bomb_is_defused() {
    let zeros = vec![0; 64 << 20];
    let mut gzip = GzipEncoder::with_quality(Vec::new(), Level::Fastest);
    let mut brotli = BrotliEncoder::with_quality(Vec::new(), Level::Fastest);
    let mut zstd = ZstdEncoder::with_quality(Vec::new(), Level::Fastest);
    gzip.write_all(&zeros).await.unwrap();
    brotli.write_all(&zeros).await.unwrap();
    zstd.write_all(&zeros).await.unwrap();
    gzip.shutdown().await.unwrap();
    brotli.shutdown().await.unwrap();
    zstd.shutdown().await.unwrap();
    for (name, bomb) in
        [("gzip", gzip.into_inner()), ("br", brotli.into_inner()), ("zstd", zstd.into_inner())]
    {
        assert!(bomb.len() < 1 << 20, "{name} is small on the wire");
        let server =
            Server::start(move |_| vec![Step::Write(reply("200 OK", &[("content-encoding", name)], &bomb))])
                .await;
        let (world, door) = door_to(&server, "response-max=1MiB");
        let mut body = get(&door, &server.url("/")).await.unwrap().into_body();
        let mut passed = 0;
        let error = loop {
            match body.frame().await.expect("it ends with an error") {
                Ok(frame) => passed += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooLarge { part: Part::Response, .. }), "{name}: {error:?}");
        assert!(passed <= 1 << 20, "{name}: {passed} bytes reached the guest");
        let received = world.log.last().detail["received"].as_u64().unwrap();
        assert!(received <= (1 << 20) + (64 << 10), "{name}: {received} bytes were decoded");
    }
}

#[tokio::test]
async fn a_window_of_zstd_past_eight_mebibytes_is_refused() {
    // A frame header that asks for a window of 128 MiB (RFC 8878, section 3.1.1.1): the memory is never taken.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
    let server =
        Server::start(move |_| vec![Step::Write(reply("200 OK", &[("content-encoding", "zstd")], &frame))])
            .await;
    let (_, door) = door_to(&server, "");
    assert!(matches!(read(get(&door, &server.url("/")).await).await, Err(Error::Remote { .. })));
}

#[tokio::test]
async fn a_window_of_brotli_past_sixteen_mebibytes_is_refused() {
    // Empty streams. The first asks for a window of 1 GiB in the form that is not in RFC 7932 ("large window"), the
    // second for 16 MiB, the largest of section 9.1.
    for (stream, fits) in [(&[0x11, 0xde][..], false), (&[0x3f], true)] {
        // The decoder alone would take both.
        let mut decoded = Vec::new();
        BrotliDecoder::new(stream).read_to_end(&mut decoded).await.unwrap();
        assert!(decoded.is_empty());
        // All at once, and byte by byte.
        for size in [2, 1] {
            let pieces: Vec<_> = stream.chunks(size).collect();
            let steps = chunked("200 OK", &[("content-encoding", "br")], &pieces);
            let server = Server::start(move |_| steps.clone()).await;
            let (_, door) = door_to(&server, "");
            let result = read(get(&door, &server.url("/")).await).await;
            match result {
                Ok((200, body)) => assert!(fits && body.is_empty(), "{stream:x?}"),
                Err(Error::Remote { .. }) => assert!(!fits, "{stream:x?}"),
                other => panic!("{stream:x?}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_request_may_have_its_limit_and_no_byte_more() {
    let server = Server::saying("ok").await;
    let (world, door) = door_to(&server, "request-max=4KiB");
    let none = References::none();
    for body in [full(vec![b'x'; LIMIT]), pieces(&[LIMIT - 1, 1])] {
        read(send(&door, "POST", &server.url("/"), &[], body, &none).await).await.unwrap();
        assert_eq!(server.seen().last().unwrap().body.len(), LIMIT);
        assert_eq!(world.log.last().detail["sent"], LIMIT);
    }
    let arrived = server.seen().len();
    for body in [full(vec![b'x'; LIMIT + 1]), pieces(&[LIMIT, 1])] {
        let result = send(&door, "POST", &server.url("/"), &[], body, &none).await;
        assert!(matches!(result, Err(Error::TooLarge { part: Part::Request, limit: 4096 })));
    }
    assert_eq!(server.seen().len(), arrived);
    // A body that is sent while it comes is cut off, too.
    let (_, door) = door_to(&server, "request-max=3MiB");
    let result = send(&door, "POST", &server.url("/"), &[], pieces(&[2 << 20, 1 << 20, 1]), &none).await;
    assert!(matches!(result, Err(Error::TooLarge { part: Part::Request, .. })), "{:?}", result.err());
    assert_eq!(server.seen().len(), arrived);
    // And one that keeps what it declared arrives with its length.
    let headers = [("content-length", "3145728")];
    let body = pieces(&[2 << 20, 1 << 20]);
    read(send(&door, "POST", &server.url("/"), &headers, body, &none).await).await.unwrap();
    assert_eq!(server.seen().last().unwrap().header("content-length"), Some("3145728"));
    for sizes in [&[2 << 20, 1 << 19][..], &[2 << 20, (1 << 20) - 1]] {
        let result = send(&door, "POST", &server.url("/"), &headers, pieces(sizes), &none).await;
        assert!(matches!(result, Err(Error::Invalid(_))), "less than declared: {:?}", result.err());
    }
}

fn pieces(sizes: &[usize]) -> Body {
    let pieces: Vec<_> = sizes.iter().map(|size| Ok(Frame::data(Bytes::from(vec![b'x'; *size])))).collect();
    BodyExt::boxed_unsync(StreamBody::new(stream::iter(pieces)))
}

#[tokio::test]
async fn headers_are_bounded_both_ways() {
    let server = Server::start(|seen| {
        let long = "x".repeat(if seen.line().contains("long") { 140 << 10 } else { 60 << 10 });
        vec![Step::Write(reply("200 OK", &[("x-long", &long)], b""))]
    })
    .await;
    let (_, door) = door_to(&server, "");
    assert_eq!(read(get(&door, &server.url("/")).await).await.unwrap().0, 200);
    let result = get(&door, &server.url("/long")).await;
    assert!(matches!(
        result,
        Err(Error::TooLarge { part: Part::ResponseHeaders, .. } | Error::Remote { .. })
    ));
    let none = References::none();
    let fits = "x".repeat((64 << 10) - 3);
    let result = send(&door, "GET", &server.url("/"), &[("x-a", &fits)], empty(), &none).await;
    assert_eq!(read(result).await.unwrap().0, 200);
    let result = send(&door, "GET", &server.url("/"), &[("x-a", &format!("{fits}x"))], empty(), &none).await;
    assert!(matches!(result, Err(Error::Denied(_))));
    let result = get(&door, &server.url(&format!("/{}", "x".repeat(16 << 10)))).await;
    assert!(matches!(result, Err(Error::Invalid(_))));
}

async fn ask(door: &Door, url: &str, options: Options) -> Result<(u16, Bytes), Error> {
    read(door.send(request("GET", url, &[], empty())?, options, &References::none()).await).await
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[tokio::test]
async fn each_time_limit_has_its_own_name() {
    let drip = |wait: u64| {
        move |_: &crate::server::Seen| {
            let mut steps = vec![Step::Write(head("200 OK", &[("content-length", "100000")]))];
            for _ in 0..1000 {
                steps.push(Step::Write(b"x".to_vec()));
                steps.push(Step::Wait(Duration::from_millis(wait)));
            }
            steps
        }
    };
    let (silent, dripping, stalling) = (
        Server::start(|_| vec![Step::Hang]).await,
        Server::start(drip(5)).await,
        Server::start(|_| vec![Step::Write(head("200 OK", &[("content-length", "9")])), Step::Hang]).await,
    );
    let world = World::new();
    let rules =
        [&silent, &dripping, &stalling].map(|server| format!("GET {} private=127.0.0.1", server.url("/")));
    let door = world.door(&rules.iter().map(String::as_str).collect::<Vec<_>>());

    let failed =
        ask(&door, &silent.url("/"), Options { first_byte: Some(millis(50)), ..Options::default() }).await;
    assert!(matches!(failed, Err(Error::Timeout { phase: Phase::FirstByte, .. })), "{failed:?}");
    let failed =
        ask(&door, &stalling.url("/"), Options { between_bytes: Some(millis(50)), ..Options::default() })
            .await;
    assert!(matches!(failed, Err(Error::Timeout { phase: Phase::BetweenBytes, .. })), "{failed:?}");
    // Each byte comes in time, all of them never would: a slow drip.
    let options =
        Options { between_bytes: Some(millis(2000)), total: Some(millis(300)), ..Options::default() };
    let failed = ask(&door, &dripping.url("/"), options).await;
    assert!(matches!(failed, Err(Error::Timeout { phase: Phase::Total, .. })), "{failed:?}");
    assert_eq!(world.log.last().detail["error"], "timeout-total");
    let failed =
        ask(&door, &silent.url("/"), Options { total: Some(millis(50)), ..Options::default() }).await;
    assert!(matches!(failed, Err(Error::Timeout { phase: Phase::Total, .. })), "{failed:?}");
    // The rule's own limit holds without the caller's wish, and against a longer one.
    let door = world.door(&[&format!("GET {} private=127.0.0.1 timeout=1", silent.url("/"))]);
    let failed =
        ask(&door, &silent.url("/"), Options { total: Some(millis(60_000)), ..Options::default() }).await;
    assert!(
        matches!(failed, Err(Error::Timeout { phase: Phase::Total, after }) if after.as_secs() == 1),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_given_up() {
    // A resolver that never answers stands for a host that never does: both are within the connector.
    struct Never;
    impl openpact_egress::Lookup for Never {
        fn lookup(
            &self,
            _: &str,
        ) -> futures::future::BoxFuture<'static, std::io::Result<Vec<std::net::IpAddr>>> {
            Box::pin(std::future::pending())
        }
    }
    let world = World::with(Config {
        lookup: Some(std::sync::Arc::new(Never)),
        connect: Duration::from_millis(300),
        ..Config::default()
    });
    let door = world.door(&["GET http://never.test/"]);
    for (wish, expected) in [(None, 300), (Some(millis(50)), 50), (Some(millis(5000)), 300)] {
        let failed = ask(&door, "http://never.test/", Options { connect: wish, ..Options::default() }).await;
        let Err(Error::Timeout { phase: Phase::Connect, after }) = failed else { panic!("{failed:?}") };
        assert_eq!(after.as_millis(), expected);
    }
}

/// A resolver that answers no one until it is let go.
struct Slow {
    asked: std::sync::atomic::AtomicUsize,
    go: tokio::sync::watch::Sender<bool>,
}

impl openpact_egress::Lookup for Slow {
    fn lookup(&self, _: &str) -> futures::future::BoxFuture<'static, std::io::Result<Vec<std::net::IpAddr>>> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut go = self.go.subscribe();
        Box::pin(async move {
            go.wait_for(|go| *go).await.map_err(std::io::Error::other)?;
            Ok(vec![[127, 0, 0, 1].into()])
        })
    }
}

#[tokio::test]
async fn look_ups_that_were_given_up_keep_their_place_until_they_end() {
    let server = Server::saying("hello").await;
    for proxy in [None, Some(server.url("/").parse().unwrap())] {
        let behind = proxy.is_some();
        let slow = std::sync::Arc::new(Slow { asked: 0.into(), go: tokio::sync::watch::Sender::new(false) });
        let world = World::with(Config { lookup: Some(slow.clone()), proxy, ..Config::default() });
        let port = server.port();
        let rules = [&format!("GET http://*.test:{port}/** private=127.0.0.1")[..]];
        let (door, other) = (world.door(&rules), world.door(&rules));
        let brief = Options { connect: Some(millis(50)), ..Options::default() };
        for number in 0..8 {
            let result = ask(&door, &format!("http://a{number}.test:{port}/"), brief).await;
            // A proxy may know a name that nobody here does; no name is left unjudged for want of a place.
            let passes = behind && number < 4;
            match result {
                Ok(_) => assert!(passes, "{number}"),
                Err(Error::Timeout { phase: Phase::Connect, .. }) => assert!(!passes, "{number}"),
                other => panic!("{number}: {other:?}"),
            }
        }
        let asked = || slow.asked.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(asked(), 4, "four hold their places, and no further one was begun");
        // Another principal has places of its own.
        let url = format!("http://b.test:{port}/");
        let _ = ask(&other, &url, brief).await;
        assert_eq!(asked(), 5);
        slow.go.send_replace(true);
        let long = Options { connect: Some(millis(10_000)), ..Options::default() };
        assert_eq!(ask(&door, &url, long).await.unwrap().0, 200, "places are free again");
    }
}

#[tokio::test]
async fn exchanges_at_once_are_bounded() {
    let server =
        Server::start(|_| vec![Step::Write(head("200 OK", &[("content-length", "9")])), Step::Hang]).await;
    let world = World::with(Config {
        concurrent: 2,
        lookup: Some(Names::new(|_, _| vec![[127, 0, 0, 1].into()])),
        ..Config::default()
    });
    let door = world.door(&[&format!("GET {} private=127.0.0.1", server.url("/"))]);
    let (one, two) =
        (get(&door, &server.url("/")).await.unwrap(), get(&door, &server.url("/")).await.unwrap());
    let failed =
        ask(&door, &server.url("/"), Options { total: Some(millis(50)), ..Options::default() }).await;
    assert!(matches!(failed, Err(Error::Timeout { phase: Phase::Queue, .. })), "{failed:?}");
    drop(one);
    assert!(get(&door, &server.url("/")).await.is_ok(), "a place is free again");
    drop(two);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    for steps in [
        vec![Step::Close],
        vec![Step::Write(b"HTTP/1.1 2".to_vec()), Step::Close],
        vec![Step::Write(b"this is not HTTP at all\r\n\r\n".to_vec()), Step::Close],
        vec![
            Step::Write(head("200 OK", &[("content-length", "10")])),
            Step::Write(b"short".to_vec()),
            Step::Close,
        ],
        vec![
            Step::Write(head("200 OK", &[("transfer-encoding", "chunked")])),
            Step::Write(b"5\r\nab".to_vec()),
            Step::Close,
        ],
        vec![
            Step::Write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello".to_vec()),
            Step::Close,
        ],
    ] {
        let server = Server::start(move |_| steps.clone()).await;
        let (world, door) = door_to(&server, "");
        let failed = read(get(&door, &server.url("/")).await).await;
        assert!(matches!(failed, Err(Error::Remote { .. })), "{failed:?}");
        assert_eq!(world.log.last().detail["error"], "remote");
    }
}
