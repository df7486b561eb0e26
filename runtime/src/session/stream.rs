//! `openpact mcp`: MCP on standard input and output, through the process that owns the data directory, or served here
//! where there is none. Nothing but the protocol goes to standard output.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::{CLOSING, PATIENCE, PAUSE, Session};
use crate::app::{App, Unavailable};
use crate::control::server::Server;
use crate::control::{Serving, client};
use crate::exit::{Code, Failure};
use crate::signal::Signals;

impl Session<'_> {
    /// Speaks until standard input ends or a signal comes.
    pub(super) async fn mcp(&self) -> Result<(), Failure> {
        let signals = Signals::listen()?;
        let secure = self.settings.data.join("secure");
        let mut waited = Duration::ZERO;
        loop {
            let message = match self.settings.open().await {
                Ok(app) => return self.speak(app, &signals).await,
                Err(Unavailable::Broken(failure)) => return Err(failure),
                Err(Unavailable::Held { message, .. }) => message,
            };
            match client::stream(&secure).await {
                Ok(Ok(stream)) => return pass(stream, &signals).await,
                Ok(Err(failure)) => return Err(failure),
                Err(error) if waited >= PATIENCE => {
                    let what = "it does not answer on its control socket";
                    return Err(Failure::new(Code::Held, format!("{message}; {what} ({error})")));
                }
                Err(error) => {
                    tracing::debug!(%error, "waiting for the process that holds the data directory");
                }
            }
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    /// Serves it in this process, which answers other commands meanwhile.
    async fn speak(&self, app: App, signals: &Signals) -> Result<(), Failure> {
        app.protect(self.log);
        let app = Arc::new(app);
        app.serve(Serving::Mcp);
        let server = Server::start(&app.secure(), Arc::clone(&app) as Arc<_>);
        let server = server.map_err(Failure::doing("the control socket in 'secure' cannot be made"))?;
        let stop = CancellationToken::new();
        let outcome = tokio::select! {
            outcome = app.speak_mcp(tokio::io::stdin(), tokio::io::stdout(), stop.clone()) => outcome,
            () = signals.stopped() => Ok(()),
        };
        stop.cancel();
        server.stop().await;
        app.close(CLOSING).await;
        outcome
    }
}

/// Passes everything on, both ways, until the other process ends the conversation or this one's input does.
async fn pass(stream: UnixStream, signals: &Signals) -> Result<(), Failure> {
    let (mut from, mut to) = stream.into_split();
    let there = async {
        let copied = tokio::io::copy(&mut tokio::io::stdin(), &mut to).await;
        // The other process sees the end, and then ends its side.
        let _ = to.shutdown().await;
        if copied.is_err() {
            return;
        }
        std::future::pending::<()>().await;
    };
    let back = async {
        let mut stdout = tokio::io::stdout();
        let copied = tokio::io::copy(&mut from, &mut stdout).await;
        let _ = stdout.flush().await;
        copied
    };
    tokio::select! {
        () = there => Ok(()),
        copied = back => copied.map(|_| ()).map_err(Failure::doing("the other process broke off")),
        () = signals.stopped() => Ok(()),
    }
}
