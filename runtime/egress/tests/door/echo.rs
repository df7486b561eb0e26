//! A server that sends back everything that it was sent, in every form and cut at every place: no byte of a secret
//! reaches the guest.

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openpact_egress::{Error, empty};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::server::{Seen, Server, Step, chunked, head, reply};
use crate::world::{PROBE, World, placed, read, send};

const VALUE: &str = "sk-live/Ab0+9zZ\"quoted\"&<tag>~ünïcode";

/// All the ways in which the server writes what it saw.
fn echoes(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let percent = |keep: &str| -> String {
        bytes
            .iter()
            .map(|byte| {
                let c = char::from(*byte);
                if c.is_ascii_alphanumeric() || keep.contains(c) {
                    c.to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let json = serde_json::to_string(text).unwrap();
    let hex = hex::encode(bytes);
    let mut all = vec![
        text.to_owned(),
        text.to_ascii_uppercase(),
        percent("-._~"),
        percent("-._~").to_ascii_lowercase(),
        percent("-._~!'()*"),
        percent("-._*").replace("%20", "+"),
        json.clone(),
        json.replace('/', "\\/"),
        hex.to_uppercase(),
        hex,
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
    ];
    all.push(bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat());
    all.push(text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>().concat());
    all.push(text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<Vec<_>>().concat());
    all.push(text.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect::<Vec<_>>().concat());
    for before in ["", "x", "xy"] {
        for after in ["", "x", "xy"] {
            all.push(STANDARD.encode(format!("{before}{text}{after}")));
            all.push(URL_SAFE_NO_PAD.encode(format!("{before}{text}{after}")));
        }
    }
    all
}

/// Everything that would betray the value: four bytes of it in a row, in any of the forms.
fn assert_clean(seen: &[u8], what: &str) {
    let seen = seen.to_ascii_lowercase();
    for form in echoes(VALUE) {
        // The ends of base64 forms are shared with what stands beside them.
        let middle = &form.as_bytes()[4..form.len() - 4].to_ascii_lowercase();
        for piece in middle.windows(8) {
            let found = seen.windows(piece.len()).any(|window| window == piece);
            assert!(!found, "{what}: {} got through", String::from_utf8_lossy(piece));
        }
    }
}

async fn encoded(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    async fn run<W: AsyncWrite + Unpin>(mut encoder: W, bytes: &[u8]) -> W {
        encoder.write_all(bytes).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder
    }
    match encoding {
        "gzip" => run(GzipEncoder::new(Vec::new()), bytes).await.into_inner(),
        "br" => run(BrotliEncoder::new(Vec::new()), bytes).await.into_inner(),
        "zstd" => run(ZstdEncoder::new(Vec::new()), bytes).await.into_inner(),
        "deflate" => run(ZlibEncoder::new(Vec::new()), bytes).await.into_inner(),
        "bare" => run(DeflateEncoder::new(Vec::new()), bytes).await.into_inner(),
        _ => bytes.to_vec(),
    }
}

/// Asks `server` with the credential in a header; gives everything that the guest sees.
async fn ask(server: &Server) -> Result<Vec<u8>, Error> {
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let rule = format!("GET {} private=127.0.0.1 credential=token", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, "query key={}", "TOKEN")]);
    let references = door.credentials();
    let url = server.url(&format!("/?key={}", references.reference("token").unwrap()));
    let response = send(&door, "GET", &url, &[], empty(), &references).await?;
    let mut seen = format!("{:?}", response.headers()).into_bytes();
    for (name, value) in response.headers() {
        seen.extend_from_slice(name.as_str().as_bytes());
        seen.extend_from_slice(value.as_bytes());
    }
    seen.extend_from_slice(&read(Ok(response)).await?.1);
    let log = serde_json::to_vec(&world.log.events()).unwrap();
    assert_clean(&log, "the audit log");
    Ok(seen)
}

#[tokio::test]
async fn an_echo_in_the_body_is_clean_whole_and_in_every_encoding() {
    let body = echoes(VALUE).join("\n");
    for encoding in ["identity", "gzip", "x-gzip", "identity, br", "zstd", "deflate", "bare"] {
        let step = encoding.trim_start_matches("x-").trim_start_matches("identity, ");
        let bytes = encoded(step, body.as_bytes()).await;
        let name = encoding.replace("bare", "deflate");
        let server = Server::start(move |_| {
            vec![Step::Write(reply("200 OK", &[("content-encoding", &name)], &bytes))]
        })
        .await;
        let seen = ask(&server).await.unwrap();
        assert!(server.seen()[0].line().contains("key=sk-live%2FAb0"), "the value was sent");
        assert_clean(&seen, encoding);
        let marks = String::from_utf8_lossy(&seen).matches("[REDACTED:TOKEN]").count();
        assert_eq!(marks, echoes(VALUE).len(), "{encoding}: each echo leaves a mark");
    }
}

#[tokio::test]
async fn an_answer_is_clean_of_what_the_secret_was_before_and_became_while_it_was_waited_for() {
    const VALUES: [&str; 3] =
        ["the first value of all", "the value that was sent", "the value that came then"];
    let world = World::new();
    let vault = world.vault.clone();
    let server = Server::start(move |_| {
        // While the request waits.
        vault.set("TOKEN", VALUES[2], &[PROBE]);
        vec![Step::Write(reply("200 OK", &[("x-echo", &VALUES.join(", "))], VALUES.join(", ").as_bytes()))]
    })
    .await;
    world.vault.set("TOKEN", VALUES[0], &[PROBE]);
    let rule = format!("GET {} private=127.0.0.1 credential=token", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, "query key={}", "TOKEN")]);
    let references = door.credentials();
    let url = server.url(&format!("/?key={}", references.reference("token").unwrap()));
    read(send(&door, "GET", &url, &[], empty(), &references).await).await.unwrap();
    world.vault.set("TOKEN", VALUES[1], &[PROBE]);
    let response = send(&door, "GET", &url, &[], empty(), &references).await.unwrap();
    let expected = ["[REDACTED:TOKEN]"; 3].join(", ");
    assert_eq!(response.headers()["x-echo"], expected.as_str());
    assert_eq!(read(Ok(response)).await.unwrap().1, expected.as_bytes());
    let lines: Vec<_> = server.seen().iter().map(|seen| seen.line().to_owned()).collect();
    assert!(lines[0].contains("first") && lines[1].contains("was%20sent"), "{lines:?}");
}

#[tokio::test]
async fn what_a_secret_was_stays_known_until_sixteen_changes_later() {
    let world = World::new();
    let door = world.door_with(vec![]);
    let value = |number: usize| format!("the value with the number {number:02}");
    let is_known = |number| door.redactor().redact(&value(number)) == "[REDACTED:TOKEN]";
    for number in 0..=16 {
        world.vault.set("TOKEN", &value(number), &[PROBE]);
        assert!(is_known(number) && is_known(0), "{number}");
    }
    // A secret that is taken away from its principal is one that changed.
    world.vault.set("TOKEN", &value(16), &[]);
    assert!(is_known(16) && is_known(1) && !is_known(0));
    // One that comes back is no old one.
    world.vault.set("TOKEN", &value(1), &[PROBE]);
    assert!((1..=16).all(is_known));
    assert!(!is_known(17));
}

#[tokio::test]
async fn an_echo_cut_anywhere_is_clean() {
    let body = format!("before {VALUE} between {} after", STANDARD.encode(VALUE)).into_bytes();
    for cut in 0..=body.len() {
        let (start, end) = body.split_at(cut);
        let steps = chunked("200 OK", &[], &[start, end]);
        let server = Server::start(move |_| steps.clone()).await;
        let seen = ask(&server).await.unwrap();
        assert_clean(&seen, &format!("cut at {cut}"));
        assert!(seen.ends_with(b"before [REDACTED:TOKEN] between [REDACTED:TOKEN] after"), "cut at {cut}");
    }
    for size in [1, 2, 3, 7] {
        let pieces: Vec<&[u8]> = body.chunks(size).collect();
        let steps = chunked("200 OK", &[], &pieces);
        let server = Server::start(move |_| steps.clone()).await;
        assert_clean(&ask(&server).await.unwrap(), &format!("in pieces of {size}"));
    }
    // Compressed, and the compressed bytes cut: the decoder gives pieces of its own.
    let packed = encoded("gzip", &body).await;
    for size in [1, 5] {
        let pieces: Vec<&[u8]> = packed.chunks(size).collect();
        let steps = chunked("200 OK", &[("content-encoding", "gzip")], &pieces);
        let server = Server::start(move |_| steps.clone()).await;
        let seen = ask(&server).await.unwrap();
        assert!(seen.ends_with(b"before [REDACTED:TOKEN] between [REDACTED:TOKEN] after"));
    }
}

#[tokio::test]
async fn an_echo_cannot_be_asked_for_piece_by_piece() {
    let server =
        Server::start(|seen: &Seen| vec![Step::Write(reply("200 OK", &[], seen.head.as_bytes()))]).await;
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let rule = format!("GET {} private=127.0.0.1 credential=token", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, "query key={}", "TOKEN")]);
    let references = door.credentials();
    let with = server.url(&format!("/?key={}", references.reference("token").unwrap()));
    for (name, value) in
        [("range", "bytes=0-8"), ("Range", "bytes=9-"), ("if-range", "\"x\""), ("request-range", "bytes=0-8")]
    {
        let refused = send(&door, "GET", &with, &[(name, value)], empty(), &references).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{name}: {refused:?}");
    }
    assert_eq!(server.connections(), 0);
    // Without the credential a part may be asked for, as it is.
    let answer = send(&door, "GET", &server.url("/"), &[("range", "bytes=0-8")], empty(), &references).await;
    read(answer).await.unwrap();
    let seen = server.seen();
    assert_eq!(
        (seen[0].header("range"), seen[0].header("accept-encoding")),
        (Some("bytes=0-8"), Some("identity"))
    );
}

#[tokio::test]
async fn an_echo_in_the_headers_is_clean() {
    let server = Server::start(|seen: &Seen| {
        let mut headers = vec![("x-line".to_owned(), seen.line().to_owned())];
        for (at, echo) in echoes(VALUE).into_iter().enumerate() {
            headers.push((format!("x-echo-{at}"), format!("a {echo} b")));
        }
        // In the name of a header, too.
        let hex = hex::encode(VALUE);
        headers.push((format!("x-{hex}"), "1".to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        vec![Step::Write(reply("200 OK", &headers, b""))]
    })
    .await;
    let seen = ask(&server).await.unwrap();
    assert_clean(&seen, "headers");
    assert!(String::from_utf8_lossy(&seen).contains("[REDACTED:TOKEN]"));
}

#[tokio::test]
async fn what_cannot_be_decoded_is_not_passed_on() {
    for encoding in ["compress", "aes128gcm", "\u{fc}"] {
        let server = Server::start(move |_| {
            vec![Step::Write(reply("200 OK", &[("content-encoding", encoding)], VALUE.as_bytes()))]
        })
        .await;
        assert!(matches!(ask(&server).await, Err(Error::Remote { .. })), "{encoding}");
    }
    // One encoding on top of another, each of them sound: a small answer could unfold twice.
    for outer in ["gzip", "br", "zstd", "deflate"] {
        let bytes = encoded(outer, &encoded("gzip", b"hello").await).await;
        for headers in [
            vec![("content-encoding".to_owned(), format!("gzip, {outer}"))],
            vec![
                ("content-encoding".to_owned(), "gzip".to_owned()),
                ("content-encoding".to_owned(), outer.to_owned()),
            ],
        ] {
            let bytes = bytes.clone();
            let server = Server::start(move |_| {
                let headers: Vec<_> =
                    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                vec![Step::Write(reply("200 OK", &headers, &bytes))]
            })
            .await;
            assert!(matches!(ask(&server).await, Err(Error::Remote { .. })), "gzip in {outer}");
        }
    }
    // It says gzip and is something else; it breaks off in the middle.
    let mut packed = encoded("gzip", &vec![b'x'; 10_000]).await;
    packed.truncate(packed.len() / 2);
    for bytes in [VALUE.as_bytes().to_vec(), packed] {
        let server = Server::start(move |_| {
            vec![Step::Write(reply("200 OK", &[("content-encoding", "gzip")], &bytes))]
        })
        .await;
        assert!(matches!(ask(&server).await, Err(Error::Remote { .. })));
    }
}

#[tokio::test]
async fn an_empty_body_is_not_decoded() {
    for status in ["200 OK", "204 No Content", "304 Not Modified"] {
        let server = Server::start(move |_| {
            vec![Step::Write(head(status, &[("content-encoding", "gzip"), ("content-length", "0")]))]
        })
        .await;
        ask(&server).await.unwrap_or_else(|error| panic!("{status}: {error}"));
    }
}

#[tokio::test]
async fn a_short_secret_that_was_placed_is_taken_out_too() {
    let server =
        Server::start(|seen: &Seen| vec![Step::Write(reply("200 OK", &[], seen.head.as_bytes()))]).await;
    let world = World::new();
    world.vault.set("PIN", "hunter2", &[PROBE]);
    let rule = format!("GET {} private=127.0.0.1 credential=pin", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, "header x-pin: {}", "PIN")]);
    let references = door.credentials();
    let reference = references.reference("pin").unwrap();
    let answer = send(&door, "GET", &server.url("/"), &[("x-pin", &reference)], empty(), &references).await;
    let (_, body) = read(answer).await.unwrap();
    assert_eq!(server.seen()[0].header("x-pin"), Some("hunter2"));
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(body.contains("x-pin: [REDACTED:PIN]") && !body.contains("hunter2"), "{body}");
}

#[tokio::test]
async fn an_event_is_not_held_back() {
    // A stream of events that goes on for ever: what cannot be the start of a secret arrives at once.
    let server = Server::start(|_| {
        vec![
            Step::Write(head("200 OK", &[("transfer-encoding", "chunked")])),
            Step::Write(b"b\r\ndata: one\n\n\r\n".to_vec()),
            Step::Hang,
        ]
    })
    .await;
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let door = world.door(&[&format!("GET {} private=127.0.0.1", server.url("/"))]);
    let answer = crate::world::get(&door, &server.url("/")).await.unwrap();
    let mut body = answer.into_body();
    let first = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&first[..], b"data: one\n\n");
}
