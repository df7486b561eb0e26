//! What the protocol asks, for one client: its tools, calls, resources and prompts.

mod call;
mod logging;
mod page;
mod watch;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openpact_model::audit::{Event, Verdict};
use openpact_model::port::AuditSink as _;
use openpact_orchestrator::router::Router;
use openpact_store::Store;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse, Implementation,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::bucket::{Buckets, Place};
use crate::client::Client;
use crate::config::Ports;
use crate::library::{Library, Missing};
use crate::tool;
use logging::Logged;
use watch::Watched;

const INSTRUCTIONS: &str = "The tools of a personal assistant. What they may read and change is decided by the role \
    of the token that you hold; a tool that you do not see is not for you.";

/// The tool that reads what resources hold: whose list does not have it reads no resources either.
const MEMORY: &str = "memory_read";

/// Lists, reads of resources and prompts, and calls of tools outside of its list, that a client may make at once, and the
/// time after which it may make one more. Calls of tools have the router's rates.
const READS: (u32, Duration) = (120, Duration::from_millis(250));

/// What all handlers work with.
pub(crate) struct Shared {
    pub(crate) router: Arc<Router>,
    library: Arc<dyn Library>,
    store: Store,
    reads: Buckets<String>,
    page: usize,
}

impl Shared {
    pub(crate) fn new(ports: &Ports, page: usize) -> Arc<Self> {
        Arc::new(Self {
            router: Arc::clone(&ports.router),
            library: Arc::clone(&ports.library),
            store: ports.store.clone(),
            reads: Buckets::new(Arc::clone(&ports.clock), READS.0, READS.1),
            page,
        })
    }
}

/// The server as one client sees it.
pub(crate) struct Handler {
    shared: Arc<Shared>,
    client: Arc<Client>,
    watched: Arc<Watched>,
    /// What of the log of its calls this session wants.
    logged: Logged,
    /// Whether somebody tells this session of changes.
    is_told: AtomicBool,
    /// Cancelled when nobody serves this client here any more.
    over: CancellationToken,
    _over: DropGuard,
}

impl Handler {
    pub(crate) fn new(shared: Arc<Shared>, client: Arc<Client>) -> Self {
        let over = CancellationToken::new();
        Self {
            shared,
            client,
            watched: Arc::default(),
            logged: Logged::default(),
            is_told: AtomicBool::new(false),
            _over: over.clone().drop_guard(),
            over,
        }
    }

    /// Whether the client's list lets it read what the assistant remembers, by whatever way.
    fn remembers(&self) -> bool {
        self.client.may_use(MEMORY)
    }

    async fn revision(&self, uri: &str) -> Option<u64> {
        if self.remembers() { self.shared.library.revision(&self.client.caller, uri).await } else { None }
    }

    /// Takes a place among the lists and reads that the client may ask for.
    fn looking(&self) -> Result<(), ErrorData> {
        match self.shared.reads.take(self.client.actor()) {
            Place::Free => {}
            Place::Last => tracing::warn!(client = self.client.name, "an MCP client reads very often"),
            Place::None => return Err(too_often()),
        }
        Ok(())
    }

    /// Records a read and takes its place among those that the client may make.
    async fn reading(&self, kind: &str, subject: &str) -> Result<(), ErrorData> {
        self.looking()?;
        let subject = openpact_model::text::one_line(subject, 200);
        self.record(Event::new(kind, self.client.actor(), subject, Verdict::Allowed)).await
    }

    async fn record(&self, event: Event) -> Result<(), ErrorData> {
        self.shared.store.record(event).await.map_err(|error| {
            tracing::error!(%error, "what an MCP client asked for was not done: it could not be recorded");
            ErrorData::internal_error("the audit log could not be written", None)
        })
    }

    fn missing(&self, missing: &Missing) -> ErrorData {
        let text = self.shared.router.redacted(&missing.to_string());
        match missing {
            Missing::NotFound(_) | Missing::Arguments(_) => ErrorData::invalid_params(text, None),
            Missing::Unreadable(_) => ErrorData::internal_error(text, None),
        }
    }
}

fn too_often() -> ErrorData {
    ErrorData::internal_error("this client asks too often; try again in some seconds", None)
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_completions();
        let capabilities = logging::enabled(capabilities.build());
        let server = Implementation::new("openpact", env!("CARGO_PKG_VERSION")).with_title("OpenPact");
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.looking()?;
        let all = self.shared.router.tools_of(&self.client.caller);
        let own = all.into_iter().filter(|spec| self.client.may_use(&spec.name)).collect();
        let (page, next) = page::of(own, request, self.shared.page, |spec| spec.name.clone())?;
        let mut result = ListToolsResult::with_all_items(page.into_iter().map(tool::listed).collect());
        result.next_cursor = next;
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.call(request, context).await.map(CallToolResponse::Complete)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let spec = self.shared.router.tool(&self.client.caller, name)?;
        self.client.may_use(name).then(|| tool::listed(spec))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.looking()?;
        let all = if self.remembers() {
            self.shared.library.resources(&self.client.caller).await
        } else {
            Vec::new()
        };
        let (page, next) = page::of(all, request, self.shared.page, |one| one.uri.clone())?;
        let mut result = ListResourcesResult::with_all_items(page);
        result.next_cursor = next;
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.looking()?;
        let all = if self.remembers() {
            self.shared.library.templates(&self.client.caller).await
        } else {
            Vec::new()
        };
        let (page, next) = page::of(all, request, self.shared.page, |one| one.uri_template.clone())?;
        let mut result = ListResourceTemplatesResult::with_all_items(page);
        result.next_cursor = next;
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.reading("mcp.resource.read", &request.uri).await?;
        let read = if self.remembers() {
            self.shared.router.hold_private(&self.client.session).await.map_err(|error| {
                tracing::error!(%error, "a resource was not given: that it was could not be kept");
                ErrorData::internal_error("the store could not be written", None)
            })?;
            self.shared.library.read(&self.client.caller, &request.uri).await
        } else {
            Err(Missing::NotFound("resource of this address".to_owned()))
        };
        let contents = read.map_err(|missing| match missing {
            Missing::NotFound(_) => {
                let text = self.shared.router.redacted(&missing.to_string());
                ErrorData::resource_not_found(text, Some(json!({"uri": request.uri})))
            }
            other => self.missing(&other),
        })?;
        let contents = contents.into_iter().map(|one| call::redacted(&self.shared.router, one)).collect();
        Ok(ReadResourceResult::new(contents).into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.looking()?;
        let all = self.shared.library.prompts(&self.client.caller).await;
        let (page, next) = page::of(all, request, self.shared.page, |one| one.name.clone())?;
        let mut result = ListPromptsResult::with_all_items(page);
        result.next_cursor = next;
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.reading("mcp.prompt.get", &request.name).await?;
        let arguments = request.arguments.unwrap_or_default();
        let got = self.shared.library.prompt(&self.client.caller, &request.name, &arguments).await;
        got.map(Into::into).map_err(|missing| self.missing(&missing))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let uris = requested.resource_subscriptions.iter().flatten().take(watch::MOST);
        Some(SubscriptionFilter::builder().tools_list_changed().resource_subscriptions(uris).build())
    }

    /// Versions without sessions: tells of changes until the client or the server has had enough.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        for uri in context.accepted().resource_subscriptions.iter().flatten() {
            if let Some(revision) = self.revision(uri).await {
                self.watched.add(uri.clone(), revision);
            }
        }
        let (mut changes, library) = (self.shared.router.changes(), &*self.shared.library);
        loop {
            let told = tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.client.revoked.cancelled() => return Ok(()),
                other = changes.changed() => match other {
                    Ok(()) => context.sink().notify_tool_list_changed().await,
                    Err(_) => return Ok(()),
                },
                uri = self.watched.changed(library, &self.client.caller) => {
                    context.sink().notify_resource_updated(uri).await
                }
            };
            if told.is_err() {
                return Ok(());
            }
        }
    }

    /// Versions with sessions: the same for as long as the session is, however often it says that it is ready.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if self.is_told.swap(true, Ordering::AcqRel) {
            return;
        }
        let (mut changes, over) = (self.shared.router.changes(), self.over.clone());
        let (watched, shared, client) =
            (Arc::clone(&self.watched), Arc::clone(&self.shared), Arc::clone(&self.client));
        tokio::spawn(async move {
            loop {
                let told = tokio::select! {
                    () = over.cancelled() => return,
                    other = changes.changed() => match other {
                        Ok(()) => context.peer.notify_tool_list_changed().await,
                        Err(_) => return,
                    },
                    uri = watched.changed(&*shared.library, &client.caller) => {
                        context.peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await
                    }
                };
                if told.is_err() {
                    return;
                }
            }
        });
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.looking()?;
        let Some(revision) = self.revision(&request.uri).await else {
            let missing = Missing::NotFound("resource of this address".to_owned());
            return Err(ErrorData::resource_not_found(
                missing.to_string(),
                Some(json!({"uri": request.uri})),
            ));
        };
        if self.watched.add(request.uri, revision) {
            return Ok(());
        }
        Err(ErrorData::invalid_params(format!("at most {} resources can be watched", watch::MOST), None))
    }

    #[expect(deprecated, reason = "later versions have a field of each request in its place")]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.logged.set(request.level);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watched.remove(&request.uri);
        Ok(())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [rmcp::model::ProtocolVersion]> {
        Cow::Borrowed(rmcp::model::ProtocolVersion::KNOWN_VERSIONS)
    }
}
