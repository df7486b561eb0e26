//! Connections: one principal never rides on another's, and no answer is taken for that of another request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openpact_egress::credential::References;
use openpact_egress::{Error, empty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Seen, Server, Step, reply};
use crate::world::{World, get, grant, read, send};

/// A server that takes whoever spoke first on a connection for the one who speaks there from then on, as some proxies
/// and NTLM do. Says who that is.
async fn connection_bound() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let (mut owner, mut buffer) = (None, [0; 8192]);
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    let head = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let line = head.lines().find_map(|line| line.strip_prefix("x-who: "));
                    let owner = owner.get_or_insert_with(|| line.unwrap_or("nobody").to_owned());
                    stream.write_all(&reply("200 OK", &[], owner.as_bytes())).await.unwrap();
                }
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn one_principal_never_rides_on_the_connection_of_another() {
    let (address, connections) = connection_bound().await;
    let world = World::new();
    let url = format!("http://{address}/");
    let rule = format!("GET {url} private=127.0.0.1");
    let principals = ["component:one", "component:two", "script:one", "engine:one"];
    let doors = principals.map(|name| (name, world.egress.door(name.parse().unwrap(), vec![grant(&rule)])));
    for _ in 0..5 {
        for (name, door) in &doors {
            let answer = send(door, "GET", &url, &[("x-who", name)], empty(), &References::none()).await;
            assert_eq!(&read(answer).await.unwrap().1[..], name.as_bytes());
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), principals.len(), "one for each, kept");
    // A second door of the same principal, as after a restart of its component, begins anew as well.
    let again = world.egress.door("component:one".parse().unwrap(), vec![grant(&rule)]);
    let answer = send(&again, "GET", &url, &[("x-who", "again")], empty(), &References::none()).await;
    assert_eq!(&read(answer).await.unwrap().1[..], b"again");
    // All at once.
    let asking = doors.iter().cycle().take(40).map(|(name, door)| {
        let url = url.clone();
        async move {
            let answer = send(door, "GET", &url, &[("x-who", name)], empty(), &References::none()).await;
            assert_eq!(&read(answer).await.unwrap().1[..], name.as_bytes());
        }
    });
    futures::future::join_all(asking).await;
}

/// Answers that end elsewhere than they say, each with a whole second answer behind it.
fn poisons() -> Vec<(&'static str, Vec<u8>)> {
    let evil = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL";
    let with = |name, head: &str| (name, [head.as_bytes(), evil].concat());
    vec![
        with("an answer too many", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        with("no body, and no length", "HTTP/1.1 204 No Content\r\n\r\n"),
        with("204 with a length", "HTTP/1.1 204 No Content\r\ncontent-length: 42\r\n\r\n"),
        with("304 with a length", "HTTP/1.1 304 Not Modified\r\ncontent-length: 42\r\n\r\n"),
        with(
            "a length and chunks",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        with(
            "chunks and a length",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 42\r\n\r\n0\r\n\r\n",
        ),
        with("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 42\r\n\r\n"),
        with("two lengths in one line", "HTTP/1.1 200 OK\r\ncontent-length: 0, 42\r\n\r\n"),
        with("a length with a sign", "HTTP/1.1 200 OK\r\ncontent-length: +0\r\n\r\n"),
        with("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
        with("a length in hexadecimal", "HTTP/1.1 200 OK\r\ncontent-length: 0x2a\r\n\r\n"),
        with("a length past all numbers", "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n"),
        with("chunked twice", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        with(
            "chunked and then not",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        with("nearly chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        with("chunked with a tab", "HTTP/1.1 200 OK\r\ntransfer-encoding:\tchunked\r\n\r\n0\r\n\r\n"),
        with("a folded encoding", "HTTP/1.1 200 OK\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        with(
            "a folded header",
            "HTTP/1.1 200 OK\r\nx-a: b\r\n content-length: 42\r\ncontent-length: 0\r\n\r\n",
        ),
        with(
            "a space before the colon",
            "HTTP/1.1 200 OK\r\ncontent-length : 42\r\ncontent-length: 0\r\n\r\n",
        ),
        with("a bare line feed", "HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
        with(
            "a bare carriage return",
            "HTTP/1.1 200 OK\r\nx-a: b\rcontent-length: 42\r\ncontent-length: 0\r\n\r\n",
        ),
        with("a zero byte", "HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 0\r\n\r\n"),
        with("a zero byte in a name", "HTTP/1.1 200 OK\r\nx-\0a: b\r\ncontent-length: 0\r\n\r\n"),
        with(
            "a chunk past all numbers",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n",
        ),
        with("a chunk that is no number", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+0\r\n\r\n"),
        with(
            "a chunk that is too long",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
        ),
        with(
            "a chunk's extension",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0;a=\"\r\n\r\n\"\r\n\r\n",
        ),
        with("many before the answer", &"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(50)),
        with(
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        ),
        with("an old version", "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"),
    ]
}

#[tokio::test]
async fn no_answer_is_taken_for_that_of_another_request() {
    for (name, poison) in poisons() {
        for method in ["GET", "HEAD", "POST"] {
            let bytes = poison.clone();
            let server = Server::start(move |seen: &Seen| {
                let good = seen.line().contains("/good");
                vec![Step::Write(if good { reply("200 OK", &[], b"good") } else { bytes.clone() })]
            })
            .await;
            let world = World::new();
            let door = world.door(&[&format!("* {} private=127.0.0.1 timeout=5", server.url("/**"))]);
            // The answer itself may be one, or an error; that it is an `EVIL` one is for the server to decide. What
            // counts is what comes after.
            let first = send(&door, method, &server.url("/first"), &[], empty(), &References::none()).await;
            let first = read(first).await;
            for _ in 0..3 {
                match read(get(&door, &server.url("/good")).await).await {
                    Ok((200, body)) => assert_eq!(&body[..], b"good", "{name} after {method}: {first:?}"),
                    // The connection was found broken, and no request is sent twice on the quiet.
                    Err(Error::Remote { .. }) => {}
                    other => panic!("{name} after {method}: {other:?}"),
                }
            }
            assert_eq!(read(get(&door, &server.url("/good")).await).await.unwrap().1, "good", "{name}");
        }
    }
}

#[tokio::test]
async fn what_a_response_hides_in_its_headers_is_an_error_or_gone() {
    for (name, poison) in poisons() {
        let server = Server::start(move |_| vec![Step::Write(poison.clone())]).await;
        let world = World::new();
        let door = world.door(&[&format!("* {} private=127.0.0.1 timeout=5", server.url("/**"))]);
        let Ok(answer) = get(&door, &server.url("/")).await else { continue };
        for framing in ["transfer-encoding", "connection", "trailer", "upgrade", "keep-alive"] {
            assert!(!answer.headers().contains_key(framing), "{name}: {framing}");
        }
        for value in answer.headers().values() {
            let split = value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0'));
            assert!(!split, "{name}: {value:?}");
        }
        if answer.status() == 304 {
            // Its length is that of the answer that is not repeated.
            continue;
        }
        let length =
            answer.headers().get("content-length").map(|text| text.to_str().unwrap().parse::<usize>());
        if let (Some(length), Ok((_, body))) = (length, read(Ok(answer)).await) {
            assert_eq!(length.unwrap(), body.len(), "{name}: a length that is told is that of the body");
        }
    }
}
