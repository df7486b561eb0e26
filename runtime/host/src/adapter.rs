//! A loaded chat adapter: its receive loop in one long-lived instance, everything else in fresh ones.
//!
//! What it says about itself is asked once, when it is loaded. `describe` and `render` get nothing at all: no door, no
//! store, no settings, no inbox, and a clock that stands still.

mod call;
pub(crate) mod event;
mod failure;
mod info;
mod message;
pub(crate) mod pace;
mod run;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openpact_bindings::v0_1_0::chat::AdapterComponentPre;
use openpact_bindings::v0_1_0::chat::exports::openpact::chat::adapter;
use openpact_model::chat::{
    self, AdapterError, CommandSpec, Inbox, Info, Outbound, Part, SendError, Sent, Target,
};
use openpact_model::health::Health;
use openpact_model::id::TurnId;
use openpact_model::role::Role;
use openpact_model::tool::{Limit, ToolFailure};
use openpact_packages::{Manifest, Verified};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::call::Stopped;
use crate::deployment::{Deployment, Limits};
use crate::describe;
use crate::error::Error;
use crate::host::Shared;
use crate::ledger::Ledger;
use crate::meter::Meter;
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::throttle::Throttle;
use call::{Function, Terms, Use, function};
use pace::Pace;

/// The wall time of a function that talks to the platform, unless the deployment allows more: platforms are slow.
const TALK: Duration = Duration::from_mins(1);
/// The wall time of showing that somebody types: late it is worth nothing.
const TYPING: Duration = Duration::from_secs(10);
/// The time, wall and processor, of a function that may use no import.
const PURE_WALL: Duration = Duration::from_secs(10);
const PURE_CPU: Duration = Duration::from_secs(2);
/// Functions that talk to the platform at once, and those that only compute. The two do not wait for each other.
const TALKING: usize = 16;
const COMPUTING: usize = 4;
/// Bytes beside the content that crosses to the host with an answer.
const FRAME: usize = 64 * 1024;

/// A verified adapter with what it was given. Its principal is `component:NAME`, its instance `NAME`.
pub struct Adapter {
    sandbox: Sandbox,
    package: Arc<Verified>,
    pre: AdapterComponentPre<State>,
    instance: String,
    info: Info,
    talk: Arc<Limits>,
    typing: Arc<Limits>,
    talking: Arc<Semaphore>,
    computing: Arc<Semaphore>,
    /// There is one receive loop at a time.
    single: Arc<Semaphore>,
    throttle: Arc<Throttle>,
    pace: Arc<Pace>,
    stop: CancellationToken,
}

impl Adapter {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        package: &Arc<Verified>,
        pre: AdapterComponentPre<State>,
        deployment: Deployment,
    ) -> Result<Self, Error> {
        let limits = deployment.limits.clone();
        let sandbox = Sandbox::new(Arc::clone(shared), package.manifest(), deployment)?;
        let info = ask(&sandbox, &pre)?;
        Ok(Self {
            instance: sandbox.name.to_string(),
            talk: Arc::new(Limits { wall: talk(&limits), ..limits.clone() }),
            typing: Arc::new(Limits { wall: TYPING, ..limits.clone() }),
            talking: Arc::new(Semaphore::new(limits.concurrent.max(TALKING))),
            computing: Arc::new(Semaphore::new(COMPUTING)),
            single: Arc::new(Semaphore::new(1)),
            throttle: Arc::new(Throttle::new(shared.loop_share, shared.clock.monotonic())),
            pace: Arc::new(Pace::new(Arc::clone(&shared.clock))),
            stop: CancellationToken::new(),
            package: Arc::clone(package),
            sandbox,
            pre,
            info,
        })
    }

    /// What the component says about itself in its manifest.
    pub fn manifest(&self) -> &Manifest {
        self.package.manifest()
    }

    /// The processor time that the receive loop has used since the adapter was loaded, as far as it was looked at.
    pub fn loop_cpu(&self) -> Duration {
        self.throttle.used()
    }

    /// How it has fared since the host was built, its earlier versions included.
    pub fn health(&self) -> Health {
        self.sandbox.tally.health()
    }

    /// Ends the receive loop and everything else that runs, and refuses what comes later. For good: load the adapter
    /// again to start it.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Uses a function that may use every import but the inbox, in a fresh instance.
    async fn talk<T: Send + 'static>(
        &self,
        name: &'static str,
        limits: Arc<Limits>,
        function: Function<T>,
    ) -> (Result<T, ToolFailure>, Arc<Ledger>) {
        let ledger = self.sandbox.ledger(TurnId::from_stored(name));
        let state = self.sandbox.state(Role::Guest, &ledger);
        let terms = Terms { sandbox: &self.sandbox, name, limits, places: &self.talking, stop: &self.stop };
        let ended = terms.run(state, &ledger, Use { pre: self.pre.clone(), function }).await;
        (ended, ledger)
    }

    /// As [`Adapter::talk`], for what gives [`SendError`].
    async fn send<T: Send + 'static>(
        &self,
        name: &'static str,
        limits: &Arc<Limits>,
        function: Function<Result<T, adapter::SendError>>,
    ) -> Result<T, SendError> {
        let (ended, ledger) = self.talk(name, Arc::clone(limits), function).await;
        match ended {
            Ok(answer) => answer.map_err(|error| failure::said(error, &ledger)),
            Err(failure) => Err(failure::ended(failure, &ledger)),
        }
    }
}

#[async_trait]
impl chat::Adapter for Adapter {
    fn instance(&self) -> &str {
        &self.instance
    }

    fn info(&self) -> &Info {
        &self.info
    }

    async fn run(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> AdapterError {
        self.run_loop(inbox, stop).await
    }

    async fn render(&self, message: &Outbound) -> Result<Vec<Part>, SendError> {
        let ledger = self.sandbox.ledger(TurnId::from_stored("render"));
        let mut limits = pure(&self.sandbox.limits);
        limits.hostcall_fuel = limits.hostcall_fuel.saturating_add(message::file_bytes(message));
        let terms = Terms {
            sandbox: &self.sandbox,
            name: "render",
            limits: Arc::new(limits),
            places: &self.computing,
            stop: &self.stop,
        };
        let message = message::outbound(message);
        let function =
            function(move |guest, store| Box::pin(async move { guest.call_render(store, &message).await }));
        let work = Use { pre: self.pre.clone(), function };
        let parts = terms.run(self.sandbox.pure_state(&ledger), &ledger, work).await;
        let parts = parts.map_err(|failure| failure::ended(failure, &ledger))?;
        message::parts(parts).map_err(SendError::Broken)
    }

    async fn send_part(&self, target: &Target, part: &Part, key: &str) -> Result<Sent, SendError> {
        let (target, part, key) = (message::target(target), message::part(part), key.to_owned());
        let function = function(move |guest, store| {
            Box::pin(async move { guest.call_send_part(store, &target, &part, &key).await })
        });
        let sent = self.send("send-part", &self.talk, function).await?;
        message::sent(sent).map_err(SendError::Broken)
    }

    async fn edit_part(&self, target: &Target, id: &str, part: &Part) -> Result<(), SendError> {
        let (target, part, id) = (message::target(target), message::part(part), id.to_owned());
        let function = function(move |guest, store| {
            Box::pin(async move { guest.call_edit_part(store, &target, &id, &part).await })
        });
        self.send("edit-part", &self.talk, function).await
    }

    async fn delete_part(&self, target: &Target, id: &str) -> Result<(), SendError> {
        let (target, id) = (message::target(target), id.to_owned());
        let function = function(move |guest, store| {
            Box::pin(async move { guest.call_delete_part(store, &target, &id).await })
        });
        self.send("delete-part", &self.talk, function).await
    }

    async fn typing(&self, target: &Target) -> Result<(), SendError> {
        let target = message::target(target);
        let function =
            function(move |guest, store| Box::pin(async move { guest.call_typing(store, &target).await }));
        self.send("typing", &self.typing, function).await
    }

    async fn answer_interaction(&self, interaction: &str, answer: &Outbound) -> Result<(), SendError> {
        let (interaction, answer) = (interaction.to_owned(), message::outbound(answer));
        let function = function(move |guest, store| {
            Box::pin(async move { guest.call_answer_interaction(store, &interaction, &answer).await })
        });
        self.send("answer-interaction", &self.talk, function).await
    }

    async fn fetch_attachment(&self, id: &str, limit: u64) -> Result<Vec<u8>, SendError> {
        let mut limits = Limits::clone(&self.talk);
        let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(FRAME);
        (limits.result, limits.hostcall_fuel) = (limit, limits.hostcall_fuel.max(room));
        let id = id.to_owned();
        let function = function(move |guest, store| {
            Box::pin(async move { guest.call_fetch_attachment(store, &id, limit).await })
        });
        let (ended, ledger) = self.talk("fetch-attachment", Arc::new(limits), function).await;
        match ended {
            Ok(Ok(bytes)) if bytes.len() as u64 > limit => Err(SendError::TooLarge(bytes.len() as u64)),
            Ok(answer) => answer.map_err(|error| failure::said(error, &ledger)),
            Err(ToolFailure::LimitReached { limit: Limit::Result, value }) => Err(SendError::TooLarge(value)),
            Err(failure) => Err(failure::ended(failure, &ledger)),
        }
    }

    async fn register_commands(&self, commands: &[CommandSpec]) -> Result<(), AdapterError> {
        let commands: Vec<_> = commands.iter().map(message::command).collect();
        let function = function(move |guest, store| {
            Box::pin(async move { guest.call_register_commands(store, &commands).await })
        });
        let (ended, ledger) = self.talk("register-commands", Arc::clone(&self.talk), function).await;
        match ended {
            Ok(answer) => answer.map_err(|error| failure::loop_said(error, &ledger)),
            Err(failure) => Err(failure::loop_ended(failure)),
        }
    }
}

/// The wall time of a function that talks to the platform.
pub(crate) fn talk(limits: &Limits) -> Duration {
    limits.wall.max(TALK)
}

/// The limits of a function that only computes.
fn pure(limits: &Limits) -> Limits {
    Limits { wall: PURE_WALL, cpu: PURE_CPU, ..limits.clone() }
}

/// Asks an adapter what it is, and waits for it.
fn ask(sandbox: &Sandbox, pre: &AdapterComponentPre<State>) -> Result<Info, Error> {
    let refuse = |why: String| Error::Adapter { name: sandbox.name.to_string(), why };
    let (stop, places) = (CancellationToken::new(), Arc::new(Semaphore::new(1)));
    let limits = Arc::new(pure(&sandbox.limits));
    let terms = Terms { sandbox, name: "describe", limits, places: &places, stop: &stop };
    let ledger = sandbox.ledger(TurnId::from_stored("describe"));
    let meter = Arc::new(Meter::default());
    let function = function(move |guest, store| Box::pin(async move { guest.call_describe(store).await }));
    let work = Use { pre: pre.clone(), function };
    let state = sandbox.pure_state(&ledger);
    let run = crate::call::run(&sandbox.shared, &sandbox.name, state, terms.budget(&meter), work);
    let said = match describe::wait(&sandbox.shared, &sandbox.name, run) {
        Some(Ok(said)) => Ok(said),
        None => Err(ToolFailure::Host(describe::LOST.into())),
        Some(Err(Stopped::Cancelled | Stopped::Off)) => Err(ToolFailure::Stopped),
        Some(Err(Stopped::Error(error))) => Err(terms.failure(&error, &ledger)),
    };
    ledger.ended(meter.total(), said.as_ref().err());
    info::checked(said.map_err(|failure| refuse(failure::words(failure)))?).map_err(refuse)
}
