//! HTTP/2: the same door, another wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use openpact_egress::credential::References;
use openpact_egress::{Error, empty};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::hostile::{VALUE, all_of, assert_clean};
use crate::tls::{Authority, world};
use crate::world::{PROBE, grant, placed, read, send};

/// What a server answers: status and headers, the pieces of the body, trailers.
type Answer = (http::response::Builder, Vec<Vec<u8>>, HeaderMap);

/// A server that speaks HTTP/2 alone. `answer` is told which connection a request came by.
async fn serve(
    acceptor: TlsAcceptor,
    answer: impl Fn(usize, &http::Request<h2::RecvStream>) -> Answer + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (counter, answer) = (count.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let Ok(mut connection) = h2::server::handshake(stream).await else { continue };
            let answer = answer.clone();
            tokio::spawn(async move {
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let (head, pieces, trailers) = answer(number, &request);
                    let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
                    for piece in pieces {
                        stream.send_data(Bytes::from(piece), false).unwrap();
                    }
                    stream.send_trailers(trailers).unwrap();
                }
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn an_echo_is_clean_in_headers_frames_and_trailers() {
    for status in [200, 201, 401, 403, 500] {
        for size in [1, 3, 4096] {
            let authority = Authority::new();
            let acceptor = authority.acceptor("two.test", &["h2"]);
            let (address, _) = serve(acceptor, move |_, request| {
                let token = request.headers()["authorization"].to_str().unwrap().to_owned();
                let echoes = [token.clone(), STANDARD.encode(VALUE), hex::encode(VALUE)].join(" ");
                let mut head = http::Response::builder().status(status);
                for name in ["x-echo", "set-cookie", "location", "www-authenticate", "etag"] {
                    head = head.header(name, &echoes);
                }
                let trailers = HeaderMap::from_iter([(http::header::ETAG, echoes.parse().unwrap())]);
                (head, echoes.as_bytes().chunks(size).map(<[u8]>::to_vec).collect(), trailers)
            })
            .await;
            let pem = authority.pem_file();
            let world = world(Some(&pem));
            world.vault.set("TOKEN", VALUE, &[PROBE]);
            let base = format!("https://two.test:{}", address.port());
            let rule = format!("GET {base}/** private=127.0.0.1 credential=token");
            let door = world.door_with(vec![placed(&rule, "header authorization: Bearer {}", "TOKEN")]);
            let references = door.credentials();
            let value = format!("Bearer {}", references.reference("token").unwrap());
            let headers = [("authorization", value.as_str())];
            let answer =
                send(&door, "GET", &format!("{base}/a"), &headers, empty(), &references).await.unwrap();
            assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, status));
            let seen = all_of(answer).await.unwrap();
            assert_clean(&seen, &format!("{status} in pieces of {size}"));
            let marks = String::from_utf8_lossy(&seen).matches("[REDACTED:TOKEN]").count();
            assert_eq!(marks, 6 * 3, "{}", String::from_utf8_lossy(&seen));
            assert_clean(&serde_json::to_vec(&world.log.events()).unwrap(), "the audit log");
        }
    }
}

#[tokio::test]
async fn principals_do_not_share_a_connection() {
    let authority = Authority::new();
    let (address, count) = serve(authority.acceptor("two.test", &["h2"]), |number, _| {
        (http::Response::builder(), vec![number.to_string().into_bytes()], HeaderMap::new())
    })
    .await;
    let pem = authority.pem_file();
    let world = world(Some(&pem));
    let url = format!("https://two.test:{}/", address.port());
    let rule = format!("GET {url} private=127.0.0.1");
    let door = |name: &str| world.egress.door(name.parse().unwrap(), vec![grant(&rule)]);
    let doors = [door("component:one"), door("component:two"), door("script:one")];
    for _ in 0..3 {
        for (number, door) in doors.iter().enumerate() {
            let answer = send(door, "GET", &url, &[], empty(), &References::none()).await;
            assert_eq!(read(answer).await.unwrap().1, number.to_string(), "each keeps its own");
        }
    }
    assert_eq!(count.load(Ordering::SeqCst), doors.len());
}

#[tokio::test]
async fn two_names_of_one_address_do_not_share_a_connection() {
    // HTTP/2 lets a client use one connection for every name in the certificate (RFC 9113, section 9.1.1): a request
    // would then arrive by an address that was judged for another grant.
    let authority = Authority::new();
    let (address, count) = serve(authority.acceptor("*.two.test", &["h2"]), |number, _| {
        (http::Response::builder(), vec![number.to_string().into_bytes()], HeaderMap::new())
    })
    .await;
    let pem = authority.pem_file();
    let world = world(Some(&pem));
    let (a, b) = (
        format!("https://a.two.test:{}/", address.port()),
        format!("https://b.two.test:{}/", address.port()),
    );
    let door = world.door(&[&format!("GET {a} private=127.0.0.1"), &format!("GET {b}")]);
    read(send(&door, "GET", &a, &[], empty(), &References::none()).await).await.unwrap();
    let refused = send(&door, "GET", &b, &[], empty(), &References::none()).await.err();
    assert!(matches!(refused, Some(Error::Prohibited { .. })), "{refused:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
