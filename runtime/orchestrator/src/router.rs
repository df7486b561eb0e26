//! The tool router: the one way to every tool, for every caller. A call is known and enabled, valid, authorised,
//! within its rate; then journalled, executed, redacted, audited and answered.

mod address;
mod arguments;
mod call;
mod metric;
mod policy;
mod rate;
mod reach;
mod record;
mod redaction;
mod registry;
mod schema;
mod standing;
mod turn;
mod weight;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use globset::GlobSet;
use openpact_model::clock::Clock;
use openpact_model::id::{SessionId, TurnId};
use openpact_model::port::{ToolCaller, ToolProvider};
use openpact_model::random::Random;
use openpact_model::role::Caller;
use openpact_model::secret::SecretSource;
use openpact_model::tool::{ToolAnswer, ToolSpec};
use openpact_store::Store;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::Error;

pub use arguments::Limits as ArgumentLimits;
pub use policy::{Config as Policy, Lists};
pub use rate::{Config as Rates, Rate};
pub(crate) use standing::Standing;
pub use turn::{OpenTurn, Opening};

/// Where the taint of sessions is kept in the settings.
const TAINT_SCOPE: &str = "session-taint";

/// Where it is kept in the settings which sessions hold private things.
const PRIVATE_SCOPE: &str = "session-private";

/// How the router judges and bounds calls.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which role may use which tools.
    pub policy: Policy,
    /// Tools that are switched off, by name with `*` and `?`.
    pub disabled: Vec<String>,
    /// How often tools may be called.
    pub rates: Rates,
    /// How large arguments may be.
    pub arguments: ArgumentLimits,
    /// Wall time of one call.
    pub deadline: Duration,
    /// How long an executor may take to stop after the deadline or a cancellation, before it is abandoned.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            disabled: Vec::new(),
            rates: Rates::default(),
            arguments: ArgumentLimits::default(),
            deadline: Duration::from_mins(1),
            grace: Duration::from_secs(2),
        }
    }
}

/// What the router works with.
pub struct Ports {
    /// The audit log, the journal and the taint of sessions.
    pub store: Store,
    /// Every secret that the program knows, those that the configuration names included: taken out of what tools
    /// answer and of what is recorded. `store.secrets()` where there are no others.
    pub secrets: Arc<dyn SecretSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For the ids of turns and calls.
    pub random: Arc<dyn Random>,
}

/// The router.
pub struct Router {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    redaction: redaction::Redaction,
    policy: policy::Policy,
    disabled: GlobSet,
    rates: rate::Buckets,
    arguments: ArgumentLimits,
    deadline: Duration,
    grace: Duration,
    turns: Arc<turn::Turns>,
    registry: RwLock<Arc<registry::Registry>>,
    /// Counts how often the tools changed.
    changes: watch::Sender<u64>,
}

impl Config {
    /// A router over the tools of `providers`.
    ///
    /// # Errors
    /// When two providers export a tool of one name, a schema does not compile, or a pattern or a rate is wrong.
    pub fn build(self, ports: Ports, providers: Vec<Arc<dyn ToolProvider>>) -> Result<Arc<Router>, Error> {
        let registry = registry::Registry::build(providers)?;
        let shared = Shared {
            redaction: redaction::Redaction::new(ports.secrets),
            policy: self.policy.compile()?,
            disabled: policy::globs(&self.disabled, "disabled")?,
            rates: self.rates.build(Arc::clone(&ports.clock))?,
            arguments: self.arguments,
            deadline: self.deadline,
            grace: self.grace,
            turns: Arc::default(),
            registry: RwLock::new(Arc::new(registry)),
            changes: watch::Sender::default(),
            store: ports.store,
            clock: ports.clock,
            random: ports.random,
        };
        Ok(Arc::new(Router { shared: Arc::new(shared) }))
    }
}

impl Router {
    /// Opens a turn: until the returned guard is dropped, calls under its id are taken as calls of `caller`.
    pub fn open_turn(&self, opening: Opening) -> OpenTurn {
        self.shared.turns.open(&*self.shared.random, opening)
    }

    /// Puts other providers in the place of those that there are. Calls that run finish with what they began with.
    ///
    /// # Errors
    /// As [`Config::build`]; the providers stay as they were then.
    pub fn set_providers(&self, providers: Vec<Arc<dyn ToolProvider>>) -> Result<(), Error> {
        let registry = Arc::new(registry::Registry::build(providers)?);
        *self.shared.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
        self.shared.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Whether [`Router::set_providers`] would take these.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn check_providers(&self, providers: Vec<Arc<dyn ToolProvider>>) -> Result<(), Error> {
        registry::Registry::build(providers).map(drop)
    }

    /// The tool of this name, if `caller` may use it.
    pub fn tool(&self, caller: &Caller, name: &str) -> Option<ToolSpec> {
        let registry = self.shared.registry();
        let usable = registry.get(name).filter(|tool| !self.shared.disabled.is_match(&tool.spec.name));
        let allowed = usable.filter(|tool| self.shared.policy.decide(caller, &tool.spec).is_ok());
        allowed.map(|tool| tool.spec.clone())
    }

    /// `text` without the values of secrets, for what is shown beside the answers of tools.
    pub fn redacted(&self, text: &str) -> String {
        redaction::text(&self.shared.redaction.current(), text)
    }

    /// Tells whenever the tools changed. Wait with [`watch::Receiver::changed`]; the number means nothing.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// The tools that `caller` may use, in the order of their names.
    pub fn tools_of(&self, caller: &Caller) -> Vec<ToolSpec> {
        self.shared.tools_of(caller)
    }

    /// Marks a session as having read what somebody else than the owner wrote. It stays so.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn taint(&self, session: &SessionId) -> Result<(), Error> {
        Ok(self.shared.mark(TAINT_SCOPE, session).await?)
    }

    /// Marks a session as holding private things of the owner: from then on it fetches only addresses that the owner
    /// wrote in it. It stays so.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn hold_private(&self, session: &SessionId) -> Result<(), Error> {
        Ok(self.shared.mark(PRIVATE_SCOPE, session).await?)
    }

    /// Keeps the addresses of what an owner wrote in a session, so that they may be fetched in it whatever it holds. Never
    /// to be called with what a model, a tool or anybody else wrote: of what is quoted or forwarded, nothing.
    ///
    /// # Errors
    /// When there is no such session, or the store cannot be written.
    pub async fn heard(&self, session: &SessionId, text: &str) -> Result<(), Error> {
        let addresses: Vec<String> = address::in_message(text).into_iter().collect();
        if addresses.is_empty() {
            return Ok(());
        }
        Ok(self.shared.store.sessions().add_addresses(session, addresses).await?)
    }
}

#[async_trait]
impl ToolCaller for Router {
    fn tools(&self, turn: &TurnId) -> Vec<ToolSpec> {
        self.shared.turns.get(turn).map(|turn| self.shared.tools_of(&turn.caller)).unwrap_or_default()
    }

    async fn call(&self, turn: &TurnId, tool: &str, arguments: &str) -> ToolAnswer {
        self.shared.call(turn, tool, arguments).await
    }
}

impl Shared {
    fn registry(&self) -> Arc<registry::Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn tools_of(&self, caller: &Caller) -> Vec<ToolSpec> {
        let registry = self.registry();
        let usable = registry.iter().filter(|tool| !self.disabled.is_match(&tool.spec.name));
        let allowed = usable.filter(|tool| self.policy.decide(caller, &tool.spec).is_ok());
        allowed.map(|tool| tool.spec.clone()).collect()
    }

    /// The sentence for a name that is none, with the nearest that this caller may use.
    fn no_such_tool(&self, caller: &Caller, name: &str) -> String {
        let known = self.tools_of(caller);
        let shown = openpact_model::text::one_line(name, 80);
        match crate::nearest::nearest(name, known.iter().map(|spec| spec.name.as_str())) {
            Some(nearest) => format!("there is no tool '{shown}'; did you mean '{nearest}'?"),
            None => format!("there is no tool '{shown}'"),
        }
    }

    async fn is_tainted(&self, turn: &turn::Turn) -> Result<bool, openpact_store::Error> {
        if turn.tainted() {
            return Ok(true);
        }
        let Some(session) = &turn.session else { return Ok(false) };
        self.is_marked(TAINT_SCOPE, session).await
    }

    async fn is_marked(&self, scope: &str, session: &SessionId) -> Result<bool, openpact_store::Error> {
        let stored = self.store.settings().get(scope, session.as_str()).await?;
        Ok(stored.is_some_and(|value| value != Value::Bool(false)))
    }

    async fn holds_private(&self, turn: &turn::Turn) -> Result<bool, openpact_store::Error> {
        match &turn.session {
            _ if turn.is_private() => Ok(true),
            Some(session) => self.is_marked(PRIVATE_SCOPE, session).await,
            None => Ok(false),
        }
    }

    /// Those of `addresses` that a person wrote for this turn, or in its session.
    async fn written(
        &self,
        turn: &turn::Turn,
        addresses: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, openpact_store::Error> {
        let (mut written, others): (BTreeSet<_>, BTreeSet<_>) =
            addresses.into_iter().partition(|address| turn.written.contains(address));
        if let Some(session) = turn.session.as_ref().filter(|_| !others.is_empty()) {
            written.extend(self.store.sessions().addresses_of(session, others).await?);
        }
        Ok(written)
    }

    async fn taint(&self, turn: &turn::Turn) -> Result<(), openpact_store::Error> {
        turn.taint();
        match &turn.session {
            Some(session) => self.mark(TAINT_SCOPE, session).await,
            None => Ok(()),
        }
    }

    async fn hold_private(&self, turn: &turn::Turn) -> Result<(), openpact_store::Error> {
        // A turn that began so belongs to a session whose turns all do.
        if turn.is_private() {
            return Ok(());
        }
        if let Some(session) = &turn.session {
            self.mark(PRIVATE_SCOPE, session).await?;
        }
        turn.hold_private();
        Ok(())
    }

    async fn mark(&self, scope: &str, session: &SessionId) -> Result<(), openpact_store::Error> {
        // It stays so once it is: most turns find it written.
        if self.is_marked(scope, session).await? {
            return Ok(());
        }
        self.store.settings().set(scope, session.as_str(), json!(true)).await
    }
}

#[cfg(test)]
mod tests;
