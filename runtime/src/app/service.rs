//! The parts that only `openpact start` has: the chat platforms and what they talk to.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use openpact_engine::Engine;
use openpact_model::audit::{Event, Verdict};
use openpact_model::chat::{self, CommandSpec, Inbox};
use openpact_model::id::ComponentName;
use openpact_orchestrator::chat::{self as delivery, Chat, Counts, Pace, Place};
use serde_json::json;

use super::App;
use super::adapter::Desk;
use super::provider::{Nudge, Providers};
use crate::config::Config;
use crate::control::{Part, State};
use crate::exit::{Failure, chain};
use crate::present::add;

/// The scope of the settings that hold what each platform was told about the commands.
const COMMANDS: &str = "provider-commands";

/// What only the service has.
pub(super) struct Service {
    pub(super) providers: Providers,
    pub(super) chat: Arc<Chat>,
    /// Set once everything was started: before that the program is not ready, whatever each part says.
    is_started: AtomicBool,
}

/// What adapters see of the program. It does not keep the program alive: adapters are part of it.
struct Front(Weak<App>);

impl App {
    /// Starts everything beyond the store and the terminal.
    ///
    /// # Errors
    /// When a part cannot be built without which nothing works.
    pub(crate) async fn start_service(self: &Arc<Self>) -> Result<(), Failure> {
        let names = self.adapters().await?;
        let chat = self.chat().await?;
        let desk: Arc<dyn Desk> = Arc::new(Front(Arc::downgrade(self)));
        let providers = Providers::build(desk, Arc::clone(&self.random), names);
        let service = Service { providers, chat, is_started: AtomicBool::new(false) };
        if self.service.set(service).is_err() {
            tracing::error!("the service was started twice");
        }
        let event = Event::new("runtime.start", "runtime", "openpact", Verdict::Allowed);
        self.audit(event.with("version", env!("CARGO_PKG_VERSION"))).await?;
        self.start_mcp().await;
        self.refresh_providers(|_| Nudge::None).await?;
        if let Some(service) = self.service.get() {
            service.is_started.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Ends in good order, within `patience`: nothing more is received, what runs is finished or parked, what waits
    /// to be sent is sent.
    pub(crate) async fn stop_service(&self, patience: Duration) {
        let begun = self.clock.monotonic();
        self.end_counting("the program ends").await;
        let service = self.service.get();
        let providers = async {
            if let Some(service) = service {
                service.providers.end().await;
            }
        };
        // Beside each other: a slow tool of an MCP client must not let a chat platform go on receiving.
        tokio::join!(providers, self.stop_mcp(patience / 2));
        let Some(service) = service else { return };
        service.chat.drain(patience.saturating_sub(self.clock.since(begun))).await;
        let took = u64::try_from(self.clock.since(begun).as_millis()).unwrap_or(u64::MAX);
        let event = Event::new("runtime.stop", "runtime", "openpact", Verdict::Allowed);
        if let Err(failure) = self.audit(event.with("milliseconds", took)).await {
            tracing::error!(error = %failure, "the end cannot be recorded");
        }
    }

    /// Delivery.
    async fn chat(&self) -> Result<Arc<Chat>, Failure> {
        let built = self.parts().await?;
        self.import_channels(&*built.engine).await;
        let call_deadline = built.adapter_patience(self);
        let asserts_owner = self.asserting(&built.components);
        let config = delivery::Config { asserts_owner, call_deadline, ..delivery::Config::default() };
        let ports = delivery::Ports {
            store: self.store.clone(),
            orchestrator: Arc::clone(&built.orchestrator),
            people: Arc::clone(self.people().await?),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        };
        let chat = config.build(ports).await.map_err(Failure::failed)?;
        chat.set_details(details(&self.config()));
        chat.set_streaming(streaming(&self.config()));
        chat.set_send_to(send_to(&self.config()));
        let _granting = self.grants_changing.lock().await;
        built.components.add_native(chat.native_tools(), &built.router);
        Ok(chat)
    }

    /// Takes in what the first OpenPact left of its channels, where it had it or where somebody put it. What fails is
    /// tried again at the next start.
    async fn import_channels(&self, engine: &dyn Engine) {
        for folder in [self.directory.secure().join("data"), self.directory.root().to_owned()] {
            if let Err(error) = openpact_orchestrator::import::channels(&self.store, engine, &folder).await {
                let folder = folder.display();
                tracing::error!(%folder, error = chain(&error), "what an earlier OpenPact left is not taken in");
            }
        }
    }

    /// Makes what the configuration says of single channels hold now, and where tools may send to.
    pub(super) fn renew_details(&self) {
        if let Some(service) = self.service.get() {
            service.chat.set_details(details(&self.config()));
            service.chat.set_send_to(send_to(&self.config()));
            service.chat.set_streaming(streaming(&self.config()));
        }
    }

    /// How the queues between the platforms and the assistant stand; `None` where nothing is delivered.
    pub(super) async fn chat_part(&self) -> Option<Part> {
        let name = "chat".to_owned();
        let starts = || {
            let about = "what connects the chat platforms is being started".to_owned();
            Part { name: name.clone(), state: State::Starting, about, todo: None }
        };
        let Some(service) = self.service.get() else { return self.is_service().then(starts) };
        if !service.is_started.load(Ordering::Acquire) {
            return Some(starts());
        }
        Some(match service.chat.counts().await {
            Ok(counts) => {
                super::health::measure_queues(counts);
                Part { name, state: State::Running, about: queues(counts), todo: None }
            }
            Err(error) => {
                let todo = Some("the log says more; the store may be damaged or its disk full".to_owned());
                Part { name, state: State::Failed, about: chain(&error), todo }
            }
        })
    }

    /// How fast a platform is written to, where the configuration slows it down.
    fn pace(&self, name: &str) -> Pace {
        let config = self.config();
        let stated = config.chat.providers.get(name).map(|provider| provider.pace).unwrap_or_default();
        Pace { per_channel: stated.per_channel.map(|span| span.0), per_second: stated.per_second }
    }
}

/// How much of the work is shown in which channels, until somebody chooses something else there.
fn details(config: &Config) -> HashMap<(String, String), chat::Detail> {
    let providers = config.chat.providers.iter();
    let channels = providers.flat_map(|(provider, stated)| {
        let detail = |(channel, stated): (&String, &crate::config::chat::Channel)| {
            stated.detail.map(|detail| ((provider.clone(), channel.clone()), detail))
        };
        stated.channels.iter().filter_map(detail)
    });
    channels.collect()
}

/// Where tools may send to besides, by platform.
fn send_to(config: &Config) -> HashMap<String, BTreeSet<Place>> {
    config.chat.providers.iter().map(|(name, provider)| (name.clone(), provider.places())).collect()
}

/// Where answers are shown while they are written.
fn streaming(config: &Config) -> delivery::Streaming {
    let mut streaming = delivery::Streaming::default();
    for (provider, stated) in &config.chat.providers {
        if stated.stream {
            streaming.providers.insert(provider.clone());
        }
        let channels = stated.channels.iter().filter_map(|(channel, stated)| {
            stated.stream.map(|stream| ((provider.clone(), channel.clone()), stream))
        });
        streaming.channels.extend(channels);
    }
    streaming
}

fn queues(counts: Counts) -> String {
    let Counts { received, running, waiting, given_up } = counts;
    let mut about =
        format!("{received} messages wait, {running} are being answered, {waiting} parts wait to be sent");
    if given_up > 0 {
        add(
            &mut about,
            format_args!(", {given_up} could not be sent (openpact audit show --kind message.send)"),
        );
    }
    about
}

#[async_trait]
impl Desk for Front {
    async fn load(&self, name: &ComponentName) -> Result<Arc<dyn chat::Adapter>, String> {
        let app = self.app().ok_or("the program ends")?;
        let parts = app.parts().await.map_err(|failure| failure.message)?;
        parts.load_adapter(&app, name).await
    }

    async fn attach(&self, adapter: Arc<dyn chat::Adapter>) -> Result<(), String> {
        let app = self.app().ok_or("the program ends")?;
        let service = app.service.get().ok_or("the program starts")?;
        let pace = app.pace(adapter.instance());
        service.chat.attach(adapter, pace).await.map_err(|error| chain(&error))
    }

    fn detach(&self, name: &ComponentName) {
        if let Some(app) = self.app()
            && let Some(service) = app.service.get()
        {
            service.chat.detach(name.as_str());
        }
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        let app = self.app();
        let chat = app
            .as_ref()
            .and_then(|app| app.service.get())
            .map(|service| Arc::clone(&service.chat) as Arc<dyn Inbox>);
        chat.unwrap_or_else(|| Arc::new(super::adapter::Nowhere))
    }

    fn commands(&self) -> Vec<CommandSpec> {
        openpact_orchestrator::command_specs()
    }

    async fn known_commands(&self, name: &ComponentName, account: &str) -> Option<String> {
        let key = format!("{name} {account}");
        let value = self.app()?.store.settings().get(COMMANDS, &key).await.ok()??;
        Some(value.as_str()?.to_owned())
    }

    async fn registered(&self, name: &ComponentName, account: &str, commands: String) {
        let Some(app) = self.app() else { return };
        let key = format!("{name} {account}");
        if let Err(error) = app.store.settings().set(COMMANDS, &key, json!(commands)).await {
            tracing::debug!(%error, "what the platform was told is not remembered, and is told again");
        }
    }
}

impl Front {
    fn app(&self) -> Option<Arc<App>> {
        self.0.upgrade()
    }
}
