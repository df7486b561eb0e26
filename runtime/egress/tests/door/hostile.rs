//! Echoes at the places where nobody looks, over HTTP/1.1: error pages, cookies, trailers, the framing of chunks, the
//! seams of compressed streams; and servers that take their time or unfold without end.

use std::time::Duration;

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use openpact_egress::credential::References;
use openpact_egress::{Door, Error, FinalUrl, Options, Part, Phase, empty, request};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::server::{Seen, Server, Step, chunked, head, reply};
use crate::world::{PROBE, World, get, placed, read, send};

/// Its length is a multiple of three: else its base64 form ends with a character that holds some bits of its last byte
/// and of what follows.
pub(crate) const VALUE: &str = "sk-live/Ab0+9zZ=key&of~this.services";

/// No eight bytes of the value in a row, in the forms that a common server has at hand.
pub(crate) fn assert_clean(seen: &[u8], what: &str) {
    let seen = seen.to_ascii_lowercase();
    let escaped: String = url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect();
    let json = serde_json::to_string(VALUE).unwrap().replace('/', "\\/");
    for form in [VALUE.to_owned(), escaped, json, hex::encode(VALUE), STANDARD.encode(VALUE)] {
        let middle = form.as_bytes()[4..form.len() - 4].to_ascii_lowercase();
        for piece in middle.windows(8) {
            let found = seen.windows(8).any(|window| window == piece);
            assert!(!found, "{what}: {} got through", String::from_utf8_lossy(piece));
        }
    }
}

/// Everything that a guest can see of an answer: status, headers, body, trailers, and what the door adds.
pub(crate) async fn all_of(answer: http::Response<openpact_egress::Body>) -> Result<Vec<u8>, Error> {
    let mut seen = format!("{:?} {:?} ", answer.status(), answer.version()).into_bytes();
    for (name, value) in answer.headers() {
        seen.extend_from_slice(name.as_str().as_bytes());
        seen.extend_from_slice(b": ");
        seen.extend_from_slice(value.as_bytes());
        seen.extend_from_slice(b"\n");
    }
    if let Some(FinalUrl(url)) = answer.extensions().get() {
        seen.extend_from_slice(url.as_bytes());
    }
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => seen.extend_from_slice(&data),
            Err(frame) => seen.extend_from_slice(format!("{:?}", frame.into_trailers()).as_bytes()),
        }
    }
    Ok(seen)
}

/// Asks with the credential in a header; gives everything that the guest sees, an error's text too.
async fn ask(server: &Server, method: &str) -> Vec<u8> {
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let rule = format!("* {} private=127.0.0.1 credential=token", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, "header authorization: Bearer {}", "TOKEN")]);
    let references = door.credentials();
    let value = format!("Bearer {}", references.reference("token").unwrap());
    let headers = [("authorization", value.as_str())];
    let answer = send(&door, method, &server.url("/a"), &headers, empty(), &references).await;
    let told = match answer {
        Ok(answer) => all_of(answer).await,
        Err(error) => Err(error),
    };
    let told = told.unwrap_or_else(|error| format!("{error} {error:?}").into_bytes());
    let sent =
        server.seen().iter().any(|seen| seen.header("authorization") == Some(&format!("Bearer {VALUE}")));
    assert!(sent, "the server had it");
    assert_clean(&serde_json::to_vec(&world.log.events()).unwrap(), "the audit log");
    told
}

#[tokio::test]
async fn an_error_page_that_repeats_the_credential_is_clean() {
    let names = [
        "www-authenticate",
        "proxy-authenticate",
        "authentication-info",
        "set-cookie",
        "location",
        "content-location",
        "refresh",
        "link",
        "etag",
        "server",
        "warning",
        "x-request",
        "content-disposition",
        "access-control-allow-origin",
        "report-to",
    ];
    for status in [
        "200 OK",
        "201 Created",
        "300 Choose",
        "400 Bad",
        "401 Who",
        "403 No",
        "404 Lost",
        "407 Proxy",
        "429 Slow",
        "500 Broken",
        "503 Down",
        "599 Odd",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let server = Server::start(move |seen: &Seen| {
                let value = format!("x {VALUE} y, {}; {}", STANDARD.encode(VALUE), hex::encode(VALUE));
                let headers: Vec<_> = names.iter().map(|name| (*name, value.as_str())).collect();
                // The reason in the status line says it, too.
                let status = format!("{status} {VALUE}");
                let body = if seen.line().starts_with("HEAD") { "" } else { &seen.head };
                vec![Step::Write(reply(&status, &headers, body.as_bytes()))]
            })
            .await;
            let seen = ask(&server, method).await;
            assert_clean(&seen, &format!("{status} for {method}"));
            let marks = String::from_utf8_lossy(&seen).matches("[REDACTED:TOKEN]").count();
            // Three in each header but the one that never comes back, and one in the body.
            let expected = 3 * (names.len() - 1) + usize::from(method != "HEAD");
            assert_eq!(marks, expected, "{status} for {method}: {}", String::from_utf8_lossy(&seen));
        }
    }
}

#[tokio::test]
async fn several_cookies_stay_several_and_clean() {
    let server = Server::start(|_| {
        let cookies = [format!("a={VALUE}; Path=/"), "b=plain".to_owned(), format!("{VALUE}=c")];
        let headers: Vec<_> = cookies.iter().map(|cookie| ("set-cookie", cookie.as_str())).collect();
        vec![Step::Write(reply("200 OK", &headers, b""))]
    })
    .await;
    let seen = String::from_utf8(ask(&server, "GET").await).unwrap();
    let cookies: Vec<_> =
        seen.lines().filter_map(|line| line.split_once("set-cookie: ")).map(|(_, value)| value).collect();
    assert_eq!(cookies, ["a=[REDACTED:TOKEN]; Path=/", "b=plain", "[REDACTED:TOKEN]=c"]);
}

#[tokio::test]
async fn trailers_and_the_framing_of_chunks_carry_nothing() {
    let start = head("200 OK", &[("transfer-encoding", "chunked"), ("trailer", "x-echo")]);
    let (one, two) = VALUE.split_at(11);
    let bodies = [
        // In trailers, with and without a body before them; in their names.
        format!("2\r\nok\r\n0\r\nx-echo: {VALUE}\r\nset-cookie: a={VALUE}\r\n\r\n"),
        format!("0\r\nx-echo: {VALUE}\r\n\r\n"),
        format!("2\r\nok\r\n0\r\nx-{}: 1\r\n\r\n", hex::encode(VALUE)),
        // Half in the body, half in the trailers.
        format!("{:x}\r\n{one}\r\n0\r\nx-echo: {two}\r\n\r\n", one.len()),
        // In the extensions of chunks.
        format!("2;name=\"{VALUE}\"\r\nok\r\n0;{VALUE}\r\n\r\n"),
        format!("2;{}\r\nok\r\n0\r\n\r\n", STANDARD.encode(VALUE)),
        // In the body, where the size is told with zeros, in capitals, with blanks.
        format!("000{:X}\r\n{VALUE}\r\n0\r\n\r\n", VALUE.len()),
        format!("{:x} \r\n{VALUE}\r\n0\r\n\r\n", VALUE.len()),
    ];
    for body in bodies {
        for size in [1, 3, 4096] {
            let mut steps = vec![Step::Write(start.clone())];
            steps.extend(body.as_bytes().chunks(size).map(|piece| Step::Write(piece.to_vec())));
            let server = Server::start(move |_| steps.clone()).await;
            let seen = ask(&server, "GET").await;
            assert!(!String::from_utf8_lossy(&seen).contains(two), "{body:?}");
            assert_clean(&seen, &body);
        }
    }
}

/// The bytes that an encoder gives when each piece is written and flushed alone: a block for each.
async fn in_blocks<W: AsyncWrite + Unpin>(mut encoder: W, text: &[u8], size: usize) -> W {
    for piece in text.chunks(size) {
        encoder.write_all(piece).await.unwrap();
        encoder.flush().await.unwrap();
    }
    encoder.shutdown().await.unwrap();
    encoder
}

#[tokio::test]
async fn the_seams_of_compressed_streams_hide_nothing() {
    let text = format!("start {VALUE} middle {} end", STANDARD.encode(VALUE));
    let text = text.as_bytes();
    let mut streams = Vec::new();
    for size in [1, 2, 5, 13] {
        streams.push(("gzip", in_blocks(GzipEncoder::new(Vec::new()), text, size).await.into_inner()));
        streams.push(("br", in_blocks(BrotliEncoder::new(Vec::new()), text, size).await.into_inner()));
        streams.push(("zstd", in_blocks(ZstdEncoder::new(Vec::new()), text, size).await.into_inner()));
        streams.push(("deflate", in_blocks(ZlibEncoder::new(Vec::new()), text, size).await.into_inner()));
        streams.push(("deflate", in_blocks(DeflateEncoder::new(Vec::new()), text, size).await.into_inner()));
        // Whole streams, one behind the other.
        let (mut members, mut frames) = (Vec::new(), Vec::new());
        for piece in text.chunks(size) {
            members.extend(in_blocks(GzipEncoder::new(Vec::new()), piece, 99).await.into_inner());
            frames.extend(in_blocks(ZstdEncoder::new(Vec::new()), piece, 99).await.into_inner());
        }
        streams.extend([("gzip", members), ("zstd", frames)]);
    }
    for (encoding, bytes) in streams {
        for size in [1, 7, 4096] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            let steps = chunked("200 OK", &[("content-encoding", encoding)], &pieces);
            let server = Server::start(move |_| steps.clone()).await;
            let seen = ask(&server, "GET").await;
            assert_clean(&seen, encoding);
            assert!(
                seen.ends_with(b"start [REDACTED:TOKEN] middle [REDACTED:TOKEN] end"),
                "{encoding} in pieces of {size}: {}",
                String::from_utf8_lossy(&seen)
            );
        }
    }
}

#[tokio::test]
async fn what_follows_the_end_of_a_compressed_stream_is_not_passed_on_as_it_is() {
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        let mut bytes = match encoding {
            "gzip" => in_blocks(GzipEncoder::new(Vec::new()), b"ok", 9).await.into_inner(),
            "br" => in_blocks(BrotliEncoder::new(Vec::new()), b"ok", 9).await.into_inner(),
            "zstd" => in_blocks(ZstdEncoder::new(Vec::new()), b"ok", 9).await.into_inner(),
            _ => in_blocks(ZlibEncoder::new(Vec::new()), b"ok", 9).await.into_inner(),
        };
        bytes.extend_from_slice(VALUE.as_bytes());
        let server = Server::start(move |_| {
            vec![Step::Write(reply("200 OK", &[("content-encoding", encoding)], &bytes))]
        })
        .await;
        assert_clean(&ask(&server, "GET").await, encoding);
    }
}

#[tokio::test]
async fn a_redirect_that_carries_the_credential_on_shows_it_to_nobody() {
    for status in ["301 Moved", "302 Found", "303 See", "307 Again", "308 For ever"] {
        let server = Server::start(move |seen: &Seen| {
            if seen.line().contains("/a ") {
                let target = format!(
                    "/b/{}?q={VALUE}",
                    url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect::<String>()
                );
                return vec![Step::Write(reply(status, &[("location", &target)], b""))];
            }
            vec![Step::Write(reply("200 OK", &[], seen.head.as_bytes()))]
        })
        .await;
        let seen = ask(&server, "GET").await;
        assert_clean(&seen, status);
        assert_eq!(server.seen().len(), 1, "{status}: the value would have stood where no grant places it");
    }
}

fn door_to(server: &Server, options: &str) -> (World, std::sync::Arc<Door>) {
    let world = World::new();
    let door = world.door(&[&format!("* {} private=127.0.0.1 {options}", server.url("/**"))]);
    (world, door)
}

#[tokio::test]
async fn every_kind_of_bomb_is_defused() {
    async fn bomb<W: AsyncWrite + Unpin>(mut encoder: W) -> W {
        encoder.write_all(&vec![0; 32 << 20]).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder
    }
    let fast = Level::Fastest;
    let zlib = bomb(ZlibEncoder::with_quality(Vec::new(), fast)).await.into_inner();
    let bare = bomb(DeflateEncoder::with_quality(Vec::new(), fast)).await.into_inner();
    // A hundred thousand members that say nothing, and one that says much at their end.
    let nothing = in_blocks(GzipEncoder::new(Vec::new()), b"", 9).await.into_inner();
    let much = bomb(GzipEncoder::with_quality(Vec::new(), fast)).await.into_inner();
    let members = [nothing.repeat(20_000), much].concat();
    for (name, encoding, bytes) in
        [("zlib", "deflate", zlib), ("bare", "deflate", bare), ("members", "gzip", members)]
    {
        let server = Server::start(move |_| {
            vec![Step::Write(reply("200 OK", &[("content-encoding", encoding)], &bytes))]
        })
        .await;
        let (world, door) = door_to(&server, "response-max=1MiB");
        let failed = read(get(&door, &server.url("/")).await).await;
        assert!(matches!(failed, Err(Error::TooLarge { part: Part::Response, .. })), "{name}: {failed:?}");
        let received = world.log.last().detail["received"].as_u64().unwrap();
        assert!(received <= (1 << 20) + (64 << 10), "{name}: {received} bytes were decoded");
    }
}

#[tokio::test]
async fn a_server_that_drips_is_given_up_wherever_it_drips() {
    let slowly = |bytes: Vec<u8>| {
        move |_: &Seen| {
            let piece = |byte: &u8| [Step::Write(vec![*byte]), Step::Wait(Duration::from_millis(5))];
            bytes.iter().flat_map(piece).collect()
        }
    };
    let long = "x".repeat(4000);
    let in_head = Server::start(slowly(head("200 OK", &[("x-long", &long)]))).await;
    let hints =
        Server::start(slowly("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(200).into_bytes())).await;
    let packed = in_blocks(GzipEncoder::new(Vec::new()), long.as_bytes(), 1).await.into_inner();
    let compressed = reply("200 OK", &[("content-encoding", "gzip")], &packed);
    let in_body = Server::start(slowly(compressed)).await;
    let chunks =
        [head("200 OK", &[("transfer-encoding", "chunked")]), b"1;ext=".to_vec(), long.clone().into_bytes()];
    let in_framing = Server::start(slowly(chunks.concat())).await;
    for (name, server) in [("head", in_head), ("hints", hints), ("body", in_body), ("framing", in_framing)] {
        let (world, door) = door_to(&server, "");
        let options = Options { total: Some(Duration::from_millis(300)), ..Options::default() };
        let request = request("GET", &server.url("/"), &[], empty()).unwrap();
        let failed = read(door.send(request, options, &References::none()).await).await;
        assert!(
            matches!(failed, Err(Error::Timeout { phase: Phase::Total | Phase::FirstByte, .. })),
            "{name}: {failed:?}"
        );
        assert_eq!(world.log.ended().len(), 1, "{name}");
    }
}
