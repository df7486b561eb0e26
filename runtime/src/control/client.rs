//! Asks the process that owns the data directory.

use std::io;
use std::path::Path;

use tokio::net::UnixStream;

use super::server::Address;
use super::{Request, Response, line};

/// Sends one request to the socket in `secure` and waits for the answer, for as long as it takes: a tool that is
/// called by hand may run for minutes.
///
/// # Errors
/// When nobody answers there.
pub(crate) async fn ask(secure: &Path, request: &Request) -> io::Result<Response> {
    let mut stream = UnixStream::connect(Address::of(secure)?.path).await?;
    line::write(&mut stream, request).await?;
    line::read(&mut stream, line::MAX_ANSWER_BYTES).await
}
