//! MCP: the endpoint of the service, its clients, and the stream of a local program.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openpact_mcp::library::{Folder, Library};
use openpact_mcp::{self as mcp, Clients, Stream};
use openpact_model::role::Role;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{App, done, owner};
use crate::control::{McpClient, McpToken, Part, Reply, Response, State};
use crate::exit::{Code, Failure, chain};

/// What the part is called.
const NAME: &str = "mcp";

/// The endpoint, or why it is not there.
pub(super) type Endpoint = Result<mcp::Server, String>;

impl App {
    /// Who may connect.
    async fn mcp_clients(&self) -> Result<&Arc<Clients>, Failure> {
        let open = || async {
            let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
            Clients::open(self.store.clone(), clock, random).await.map_err(failure)
        };
        self.mcp_clients.get_or_try_init(open).await
    }

    async fn mcp_ports(&self) -> Result<mcp::Ports, Failure> {
        Ok(mcp::Ports {
            router: Arc::clone(&self.parts().await?.router),
            clients: Arc::clone(self.mcp_clients().await?),
            library: Arc::new(Folder::new(self.directory.ai_data())) as Arc<dyn Library>,
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
        })
    }

    /// Starts the endpoint, where it is wanted. Where it cannot be started, that is logged, and `status` says so:
    /// nothing else is stopped by it.
    pub(super) async fn start_mcp(&self) {
        let config = self.config();
        if !config.mcp.enabled {
            return;
        }
        let built = match self.mcp_ports().await {
            Ok(ports) => config.mcp.endpoint().build(ports).await.map_err(|error| chain(&error)),
            Err(failure) => Err(failure.message),
        };
        if let Err(why) = &built {
            tracing::error!(why, "MCP clients cannot connect");
        }
        if self.mcp.set(built).is_err() {
            tracing::error!("the MCP endpoint was started twice");
        }
    }

    /// Stops it: what runs has until `deadline`.
    pub(super) async fn stop_mcp(&self, deadline: Duration) {
        if let Some(Ok(server)) = self.mcp.get() {
            server.stop(deadline).await;
        }
    }

    /// How it is, where it was to be started, or that it is switched off.
    pub(super) fn mcp_part(&self) -> Option<Part> {
        if !self.config().mcp.enabled && self.mcp.get().is_none() {
            return Some(super::health::off(NAME));
        }
        let (state, about, todo) = match self.mcp.get()? {
            Ok(server) => {
                let clients = self.mcp_clients.get().map_or(0, |clients| clients.list().len());
                let todo = (clients == 0).then(|| {
                    "to let an editor in: openpact mcp client add NAME --role owner --tools 'workspace_*'"
                        .to_owned()
                });
                (State::Running, format!("{}, {clients} clients", server.url()), todo)
            }
            Err(why) => (State::Failed, why.clone(), Some(self.free_address(NAME))),
        };
        Some(Part { name: NAME.to_owned(), state, about, todo })
    }

    /// Speaks MCP with a program of the owner of this machine until it closes its end.
    ///
    /// # Errors
    /// When a part cannot be built, or the other side speaks something else.
    pub(crate) async fn speak_mcp(
        &self,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let stream = Stream::new(&self.mcp_ports().await?);
        let served: io::Result<()> = stream.serve(owner(), reader, writer, stop).await;
        served.map_err(|error| {
            Failure::new(Code::Failed, format!("the other side does not speak MCP: {error}"))
        })
    }

    pub(super) async fn list_mcp_clients(&self) -> Response {
        let clients = self.mcp_clients().await?.list();
        let shown = clients.into_iter().map(|client| McpClient {
            name: client.name,
            role: client.role,
            tools: client.tools,
            added_by: client.added_by,
            added: client.added,
            last_used: client.last_used,
        });
        Ok(Reply::McpClients(shown.collect()))
    }

    pub(super) async fn add_mcp_client(&self, name: String, role: Role, tools: Vec<String>) -> Response {
        let request = mcp::Request { name: name.clone(), role, tools, by: "admin".to_owned() };
        let added = self.mcp_clients().await?.add(request).await.map_err(failure)?;
        let (url, silent) = self.mcp_address().map_or_else(|why| (None, Some(why)), |url| (Some(url), None));
        let blind = (role == Role::Guest && self.config().tools.roles.guest.allow.is_none()).then(|| {
            "a guest sees no tools; take --role member or owner, or allow guests some with tools.roles.guest.allow \
             in the configuration"
                .to_owned()
        });
        let warnings = silent.into_iter().chain(blind).collect();
        Ok(Reply::McpToken(McpToken { name, token: crate::control::Hidden(added.token), url, warnings }))
    }

    /// Where clients find the endpoint, or why they do not.
    fn mcp_address(&self) -> Result<String, String> {
        match self.mcp.get() {
            Some(Ok(server)) => Ok(server.url().to_owned()),
            Some(Err(why)) => Err(format!("nobody can connect, since the endpoint does not run: {why}")),
            None if !self.config().mcp.enabled => {
                Err("nobody can connect, since 'mcp.enabled' is false in the configuration".to_owned())
            }
            None => {
                Err("nobody can connect yet, since no service runs; start it with 'openpact start', and \
                         'openpact status' shows the address"
                    .to_owned())
            }
        }
    }

    pub(super) async fn revoke_mcp_client(&self, name: &str) -> Response {
        self.mcp_clients().await?.revoke(name, "admin").await.map_err(failure)?;
        Ok(done(format!("{name} is out: its token is good for nothing, and what it did was stopped")))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
fn failure(error: mcp::Error) -> Failure {
    let code = match &error {
        mcp::Error::Name(_) | mcp::Error::Pattern { .. } | mcp::Error::NoTools => Code::Usage,
        _ => Code::Failed,
    };
    Failure::of(code, &error)
}
