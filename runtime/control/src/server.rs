//! The control socket: answers the command line of the same user while this process owns the data directory.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::{Mode, OFlags};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::{Code, Failure};
use crate::{Reply, Request, Response, SOCKET, line};

/// How many are answered at the same time; further ones wait.
const CONNECTIONS: usize = 16;

/// How many speak MCP at the same time; further ones are refused.
const STREAMS: usize = 16;

/// How long a client may take to write its line, and to read a piece of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest path that fits into a socket's address on every Unix, the end included.
const MAX_PATH_BYTES: usize = 100;

/// What answers.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Answers one request.
    async fn handle(&self, request: Request) -> Response;

    /// Speaks MCP over what is left of a connection, until the other side ends or `stop` is cancelled.
    async fn speak(&self, stream: UnixStream, stop: CancellationToken);
}

/// A socket that is being served. Dropping it leaves the file behind; [`Server::stop`] takes it away.
pub struct Server {
    path: PathBuf,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A path by which a socket in `folder` can be named, however long the folder's own path is.
pub(crate) struct Address {
    /// Keeps the short name alive.
    _folder: Option<OwnedFd>,
    pub(crate) path: PathBuf,
}

impl Address {
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        if path.as_os_str().len() < MAX_PATH_BYTES {
            return Ok(Self { _folder: None, path });
        }
        let fd = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", fd.as_raw_fd()));
        Ok(Self { _folder: Some(fd), path })
    }
}

impl Server {
    /// Serves `secure/control.sock`. The caller holds the lock of the data directory, so a socket that is there
    /// already was left by a process that died.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn start(secure: &Path, handler: Arc<dyn Handler>) -> io::Result<Self> {
        let path = secure.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(Address::of(secure)?.path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        let server = Self { path, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        server.tasks.spawn(accept(listener, handler, server.stop.clone(), server.tasks.clone()));
        Ok(server)
    }

    /// Takes no more requests, finishes those that run, and removes the socket.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was gone already");
        }
        if tokio::time::timeout(PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!("somebody at the control socket still waits for an answer and gets none");
        }
    }
}

async fn accept(
    listener: UnixListener,
    handler: Arc<dyn Handler>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let streams = Arc::new(Semaphore::new(STREAMS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles, most likely: trying again at once would only burn the processor.
                tracing::warn!(%error, "a connection to the control socket could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let handler = Arc::clone(&handler);
        let (streams, stop) = (Arc::clone(&streams), stop.child_token());
        tasks.spawn(async move {
            match serve(stream, handler.as_ref(), &streams).await {
                Ok(None) => {}
                // A conversation may last for days: it must not hold a place that answers are given from.
                Ok(Some((stream, _held))) => {
                    drop(place);
                    handler.speak(stream, stop).await;
                }
                Err(error) => tracing::debug!(%error, "a client of the control socket went away"),
            }
        });
    }
}

/// Answers one request. Gives the connection back where it goes on as a stream.
async fn serve(
    mut stream: UnixStream,
    handler: &dyn Handler,
    streams: &Arc<Semaphore>,
) -> io::Result<Option<(UnixStream, OwnedSemaphorePermit)>> {
    // Shows the client that this process is alive, however long its answer takes.
    stream.write_all(b"\n").await?;
    let user = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    if user != own {
        tracing::warn!(user, "another user tried the control socket and was refused");
        let failure =
            Failure::new(Code::Refused, "the control socket answers only the user that runs openpact");
        line::write(&mut stream, &Response::Err(failure)).await?;
        return Ok(None);
    }
    let (mut reader, writer) = stream.split();
    let request = tokio::time::timeout(PATIENCE, line::read(&mut reader, line::MAX_BYTES)).await;
    let mut held = None;
    let response = match request.map_err(io::Error::from).flatten() {
        Ok(Request::Mcp) => match Arc::clone(streams).try_acquire_owned() {
            Ok(place) => {
                held = Some(place);
                Ok(Reply::Stream)
            }
            Err(_) => {
                Err(Failure::new(Code::Failed, "too many programs speak MCP on this machine; end some"))
            }
        },
        Ok(request) => handler.handle(request).await,
        Err(error) => Err(misunderstood(&error)),
    };
    // A client that does not read must not hold its place for ever.
    tokio::time::timeout(PATIENCE, line::write(writer, &response))
        .await
        .map_err(io::Error::from)
        .flatten()?;
    Ok(held.map(|place| (stream, place)))
}

fn misunderstood(error: &io::Error) -> Failure {
    let own = env!("CARGO_PKG_VERSION");
    let hint =
        format!("the process that runs is openpact {own}; if yours is another version, restart that process");
    Failure::new(Code::Failed, format!("the request was not understood ({error}); {hint}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::Chain;
    use crate::client;

    struct Fixed;

    #[async_trait]
    impl Handler for Fixed {
        async fn handle(&self, request: Request) -> Response {
            match request {
                Request::AuditVerify => Ok(Reply::Chain(Chain { entries: 3, broken: None, sealed: true })),
                other => Err(Failure::new(Code::Refused, format!("{other:?}"))),
            }
        }

        /// Gives back what it gets.
        async fn speak(&self, stream: UnixStream, stop: CancellationToken) {
            let (mut reader, mut writer) = stream.into_split();
            tokio::select! {
                () = stop.cancelled() => {}
                _ = tokio::io::copy(&mut reader, &mut writer) => {}
            }
        }
    }

    #[tokio::test]
    async fn a_request_is_answered_and_the_socket_is_private_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        // What a dead process leaves behind is in nobody's way.
        drop(StdListener::bind(folder.path().join(SOCKET)).unwrap());
        let server = Server::start(folder.path(), Arc::new(Fixed)).unwrap();
        let mode = std::fs::metadata(folder.path().join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let reply = client::ask(folder.path(), &Request::AuditVerify).await.unwrap();
        assert_eq!(reply, Ok(Reply::Chain(Chain { entries: 3, broken: None, sealed: true })));
        let refused = client::ask(folder.path(), &Request::Status).await.unwrap().unwrap_err();
        assert_eq!(refused, Failure::new(Code::Refused, "Status"));
        server.stop().await;
        assert!(client::ask(folder.path(), &Request::Status).await.is_err());
        assert!(!folder.path().join(SOCKET).exists());
    }

    #[tokio::test]
    async fn nonsense_is_answered_and_harms_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), Arc::new(Fixed)).unwrap();
        let long = vec![b'x'; line::MAX_BYTES + 1];
        for nonsense in [&b"{}\n"[..], b"{\"request\":\"fly\"}\n", b"\xff\n", &long] {
            let mut stream = UnixStream::connect(folder.path().join(SOCKET)).await.unwrap();
            // The server may hang up before it has taken everything.
            let _ = stream.write_all(nonsense).await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            assert!(answer.trim().is_empty() || answer.contains("not understood"), "{answer}");
        }
        assert!(client::ask(folder.path(), &Request::AuditVerify).await.unwrap().is_ok());
        server.stop().await;
    }

    #[tokio::test]
    async fn a_connection_goes_on_as_a_stream_and_ends_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), Arc::new(Fixed)).unwrap();
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            let mut stream = client::stream(folder.path()).await.unwrap().unwrap();
            stream.write_all(b"hello").await.unwrap();
            let mut echoed = [0; 5];
            stream.read_exact(&mut echoed).await.unwrap();
            assert_eq!(&echoed, b"hello");
            streams.push(stream);
        }
        assert!(client::stream(folder.path()).await.unwrap().is_err(), "one more than there is room for");
        assert!(
            client::ask(folder.path(), &Request::AuditVerify).await.unwrap().is_ok(),
            "others are answered"
        );
        server.stop().await;
        for mut stream in streams {
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_who_holds_the_socket_and_does_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let _listener = StdListener::bind(folder.path().join(SOCKET)).unwrap();
        let error = client::ask(folder.path(), &Request::Status).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_data_directory_with_a_long_path_works() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("d".repeat(120));
        std::fs::create_dir(&folder).unwrap();
        let server = Server::start(&folder, Arc::new(Fixed)).unwrap();
        assert!(client::ask(&folder, &Request::AuditVerify).await.unwrap().is_ok());
        server.stop().await;
    }
}
