//! Asks the process that owns the data directory.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use crate::failure::Failure;
use crate::server::Address;
use crate::{Request, Response, line};

/// How long the other process may take to show that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends one request to the socket in `secure`. The other process has to show at once that it is there; its answer is
/// then waited for as long as it takes: a tool that is called by hand may run for minutes.
///
/// # Errors
/// When nobody answers there; [`io::ErrorKind::TimedOut`] where somebody holds the socket and does nothing.
pub async fn ask(secure: &Path, request: &Request) -> io::Result<Response> {
    let mut stream = greet(secure, request).await?;
    line::read(&mut stream, line::MAX_ANSWER_BYTES).await
}

/// Asks for a stream that speaks MCP.
///
/// # Errors
/// As [`ask`]; the inner one is the other process's own.
pub async fn stream(secure: &Path) -> io::Result<Result<UnixStream, Failure>> {
    let mut stream = greet(secure, &Request::Mcp).await?;
    // The other side says nothing more before it is spoken to, so nothing is read too far.
    match line::read::<Response>(&mut stream, line::MAX_ANSWER_BYTES).await? {
        Ok(_) => Ok(Ok(stream)),
        Err(failure) => Ok(Err(failure)),
    }
}

/// Connects, asks, and sees that somebody is there.
async fn greet(secure: &Path, request: &Request) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(Address::of(secure)?.path).await?;
    let greeted = async {
        line::write(&mut stream, request).await?;
        stream.read_u8().await
    };
    tokio::time::timeout(PATIENCE, greeted).await??;
    Ok(stream)
}
