//! The server while it is there.

use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The handle of a server. Dropping it stops the server at once.
pub struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    /// Cancelled when nobody is waited for any longer.
    pub(crate) cut: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for clients: never that of every address of the machine.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes no more connections, cuts those without a whole request, ends the streams, waits for the calls that run until `deadline` is over, and cuts
    /// what is left.
    pub async fn stop(&self, deadline: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!("some MCP clients were cut off: they did not end in time");
        }
        self.cut.cancel();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut.cancel();
    }
}
