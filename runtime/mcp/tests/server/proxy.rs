//! Puts a token into the requests of a program that cannot: a proxy that adds one header and changes nothing else. It
//! keeps `Host` and `Origin`, which are what is tested.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Listens on a free port until the test's runtime ends.
pub(crate) async fn start(server: SocketAddr, token: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, server, token.clone()));
        }
    });
    address
}

/// Passes one request on; the connection ends with it, so that the next one is seen too.
async fn pass(mut client: TcpStream, server: SocketAddr, token: String) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let (first, rest) = text.split_once("\r\n")?;
    let kept: Vec<_> =
        rest.split("\r\n").filter(|line| !line.to_lowercase().starts_with("connection:")).collect();
    let added =
        format!("{first}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{}", kept.join("\r\n"));
    let mut server = TcpStream::connect(server).await.ok()?;
    server.write_all(added.as_bytes()).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
