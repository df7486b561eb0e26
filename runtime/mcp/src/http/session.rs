//! Sessions of the versions that have them: each belongs to the client that opened it, there are only so many, and
//! those that nobody uses end. The work is rmcp's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionConfig,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::door;
use crate::client::Client;
use crate::config::Limits;

/// The sessions.
pub(crate) struct Sessions {
    local: Arc<LocalSessionManager>,
    owners: Arc<Mutex<HashMap<SessionId, Owner>>>,
    most: usize,
    most_of_one: usize,
}

struct Owner {
    client: String,
    /// Ends the task that waits for the client to be revoked.
    _over: DropGuard,
}

/// Why a session is not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There are too many.
    #[error("there are too many sessions")]
    Full,
    /// rmcp's own.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

impl Sessions {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(limits.idle);
        config.init_timeout = Some(limits.reading);
        let mut local = LocalSessionManager::default();
        local.session_config = config;
        Self {
            local: Arc::new(local),
            owners: Arc::default(),
            most: limits.sessions,
            most_of_one: limits.sessions_of_one,
        }
    }

    /// Whether the client may open one more.
    pub(super) fn has_room(&self, client: &Client) -> bool {
        let owners = lock(&self.owners);
        let own = owners.values().filter(|owner| owner.client == client.name).count();
        owners.len() < self.most && own < self.most_of_one
    }

    /// Whether the session is this client's.
    pub(super) fn belongs(&self, id: &str, client: &Client) -> bool {
        lock(&self.owners).get(id).is_some_and(|owner| owner.client == client.name)
    }

    /// Takes a new session in, and sees to it that it ends when its client is revoked.
    fn adopt(&self, id: &SessionId, client: &Arc<Client>) {
        let over = CancellationToken::new();
        let owner = Owner { client: client.name.clone(), _over: over.clone().drop_guard() };
        let count = {
            let mut owners = lock(&self.owners);
            owners.insert(Arc::clone(id), owner);
            owners.len()
        };
        gauge(count);
        let (local, owners) = (Arc::clone(&self.local), Arc::clone(&self.owners));
        let (id, client) = (Arc::clone(id), Arc::clone(client));
        tokio::spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = client.revoked.cancelled() => {
                    lock(&owners).remove(&id);
                    if let Err(error) = local.close_session(&id).await {
                        tracing::debug!(%error, "a revoked client's session did not close cleanly");
                    }
                }
            }
        });
    }
}

fn gauge(count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    metrics::gauge!("openpact_mcp_sessions").set(count);
}

fn lock(owners: &Mutex<HashMap<SessionId, Owner>>) -> MutexGuard<'_, HashMap<SessionId, Owner>> {
    owners.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SessionManager for Sessions {
    type Error = Error;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Error> {
        let client = door::client().filter(|client| self.has_room(client)).ok_or(Error::Full)?;
        let (id, transport) = self.local.create_session().await?;
        self.adopt(&id, &client);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Error> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Error> {
        // Another client's session is no session; the door has asked the same before.
        let own = door::client().is_some_and(|client| self.belongs(id, &client));
        Ok(own && self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Error> {
        let count = {
            let mut owners = lock(&self.owners);
            owners.remove(id);
            owners.len()
        };
        gauge(count);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Error> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}
