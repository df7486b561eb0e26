//! The protocol over a byte stream, one JSON message a line: for the owner of this machine, whom somebody else has
//! recognised (the control socket asks the kernel).

use std::io;
use std::sync::Arc;

use openpact_model::role::Sender;
use rmcp::service::serve_server_with_ct;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::config::{Limits, Ports};
use crate::handler::{Handler, Shared};

/// Serves byte streams.
pub struct Stream {
    shared: Arc<Shared>,
}

impl Stream {
    /// Over these parts; `clients` are not asked.
    pub fn new(ports: &Ports) -> Self {
        Self { shared: Shared::new(ports, Limits::default().page) }
    }

    /// Speaks until the other side closes its end or `stop` is cancelled. `sender` is the owner.
    ///
    /// # Errors
    /// When the other side speaks something else.
    pub async fn serve(
        &self,
        sender: Sender,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let client = Arc::new(Client::owner(sender));
        let handler = Handler::new(Arc::clone(&self.shared), client);
        match serve_server_with_ct(handler, (reader, writer), stop).await {
            Ok(service) => service.waiting().await.map(|_| ()).map_err(io::Error::other),
            // Somebody who says nothing and goes did nothing wrong.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}
