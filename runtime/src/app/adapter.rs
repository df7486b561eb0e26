//! One adapter as its supervisor runs it: loaded, attached, listened to, and told the commands when it is connected.

mod register;
mod seat;

use std::sync::Arc;

use async_trait::async_trait;
use openpact_model::chat::{
    self, Account, AdapterError, CommandSpec, Connection, DeliverError, Event, Inbox,
};
use openpact_model::id::ComponentName;
use openpact_model::text::one_line;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::control::State;
use crate::supervise::{End, Health, Kind, Work};
use seat::{Seat, Trouble};

/// The longest account name or reason that is shown, in characters.
const SHOWN: usize = 300;

/// What an adapter needs of the program.
#[async_trait]
pub(super) trait Desk: Send + Sync {
    /// Loads the adapter as the configuration and the grants now say.
    ///
    /// # Errors
    /// One sentence, for the admin.
    async fn load(&self, name: &ComponentName) -> Result<Arc<dyn chat::Adapter>, String>;

    /// Begins to send through it what waits for it.
    ///
    /// # Errors
    /// One sentence.
    async fn attach(&self, adapter: Arc<dyn chat::Adapter>) -> Result<(), String>;

    /// Sends nothing through it any more.
    fn detach(&self, name: &ComponentName);

    /// Takes what it delivers.
    fn inbox(&self) -> Arc<dyn Inbox>;

    /// The commands that there are.
    fn commands(&self) -> Vec<CommandSpec>;

    /// The commands that the platform was told last for that account, as [`Desk::registered`] was given them.
    async fn known_commands(&self, name: &ComponentName, account: &str) -> Option<String>;

    /// Remembers what the platform was told.
    async fn registered(&self, name: &ComponentName, account: &str, commands: String);
}

/// An adapter that is to run, and what is known of it.
pub(super) struct Adapter {
    desk: Arc<dyn Desk>,
    name: ComponentName,
    seat: Arc<Seat>,
    seen: watch::Sender<Option<Connection>>,
}

/// What an adapter delivers to: everything goes on to the inbox, and what it says of its connection is noticed.
struct Line {
    inbox: Arc<dyn Inbox>,
    seen: watch::Sender<Option<Connection>>,
    health: Arc<Health>,
}

/// How the connection is, for people.
pub(super) struct Shown {
    pub(super) state: State,
    pub(super) about: String,
    pub(super) account: Option<String>,
}

impl Adapter {
    pub(super) fn new(desk: Arc<dyn Desk>, name: ComponentName) -> Self {
        let seat = Arc::new(Seat::new(Arc::clone(&desk), name.clone()));
        Self { desk, name, seat, seen: watch::Sender::new(None) }
    }

    /// How its connection is, while it runs.
    pub(super) fn connection(&self) -> Shown {
        let shown = |state, about: String| Shown { state, about, account: None };
        match &*self.seen.borrow() {
            None => shown(State::Starting, "it starts".to_owned()),
            Some(Connection::Connecting) => shown(State::Starting, "it connects".to_owned()),
            Some(Connection::Lost(why)) => {
                let why = one_line(why, SHOWN);
                shown(State::Starting, format!("the connection is lost and is made again: {why}"))
            }
            Some(Connection::Connected(Account { name, id })) => {
                let name = one_line(if name.is_empty() { id } else { name }, SHOWN);
                Shown { account: Some(name.clone()), ..shown(State::Running, format!("connected as {name}")) }
            }
        }
    }

    /// The adapter, loaded and attached; soon after `stop` nobody waits for it any more.
    async fn loaded(&self, stop: &CancellationToken) -> Result<Arc<dyn chat::Adapter>, End> {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(end(&AdapterError::Stopped)),
            taken = self.seat.take() => taken,
        };
        taken.map_err(|trouble| match trouble {
            Trouble::Load(why) => End { kind: Kind::Admin, why },
            Trouble::Attach(why) => End { kind: Kind::Trouble, why },
        })
    }

    /// Tells everybody that the connection is gone, whatever the adapter said last.
    async fn lost(&self, why: &str) {
        let lost = Connection::Lost(why.to_owned());
        if let Err(error) = self.desk.inbox().report(self.name.as_str(), lost).await {
            tracing::debug!(adapter = %self.name, %error, "the end of a connection was not taken");
        }
        self.seen.send_replace(None);
    }
}

#[async_trait]
impl Work for Adapter {
    async fn run(&self, health: Arc<Health>, stop: CancellationToken) -> End {
        self.seen.send_replace(None);
        let adapter = match self.loaded(&stop).await {
            Ok(adapter) => adapter,
            Err(end) => return end,
        };
        let line = Line { inbox: self.desk.inbox(), seen: self.seen.clone(), health };
        let (running, registering) = (
            adapter.run(Arc::new(line), stop.clone()),
            register::keep(&*self.desk, &self.name, &*adapter, self.seen.subscribe()),
        );
        let error = tokio::select! {
            error = running => error,
            // It never ends by itself.
            () = registering => AdapterError::Stopped,
        };
        let end = end(&error);
        if !stop.is_cancelled() {
            tracing::warn!(adapter = %self.name, why = end.why, "an adapter ended");
            metrics::counter!("openpact_adapter_restarts_total", "provider" => self.name.to_string())
                .increment(1);
        }
        self.lost(&end.why).await;
        // Whoever has no credential that works would be refused for every part that waits, and the parts be given up.
        if end.kind == Kind::Admin {
            self.rest().await;
        }
        end
    }

    async fn rest(&self) {
        self.seat.leave();
        self.seen.send_replace(None);
    }
}

/// Whether a connection is another one than before, or is there no more, or again.
fn is_news(before: Option<&Connection>, now: &Connection) -> bool {
    match (before, now) {
        (Some(Connection::Connected(before)), Connection::Connected(now)) => before.id != now.id,
        (Some(before), now) => std::mem::discriminant(before) != std::mem::discriminant(now),
        (None, _) => true,
    }
}

/// What helps against the end of a receive loop.
fn end(error: &AdapterError) -> End {
    let kind = match error {
        AdapterError::Credential(_) | AdapterError::Configuration(_) => Kind::Admin,
        AdapterError::Conflict(_) => Kind::Conflict,
        AdapterError::Protocol(_) => Kind::Nonsense,
        AdapterError::Unavailable(_) | AdapterError::Broken(_) | AdapterError::Stopped => Kind::Trouble,
    };
    End { kind, why: one_line(&error.to_string(), SHOWN) }
}

/// Where nobody takes anything.
pub(super) struct Nowhere;

#[async_trait]
impl Inbox for Nowhere {
    async fn deliver(&self, _: &str, _: Event) -> Result<(), DeliverError> {
        Err(DeliverError::Unavailable("the program ends".to_owned()))
    }

    async fn report(&self, _: &str, _: Connection) -> Result<(), DeliverError> {
        Ok(())
    }
}

#[async_trait]
impl Inbox for Line {
    async fn deliver(&self, instance: &str, event: Event) -> Result<(), DeliverError> {
        self.inbox.deliver(instance, event).await
    }

    async fn report(&self, instance: &str, connection: Connection) -> Result<(), DeliverError> {
        self.inbox.report(instance, connection.clone()).await?;
        self.health.set(matches!(connection, Connection::Connected(_)));
        // An adapter that says the same again and again, or invents reasons, fills no log.
        let is_news = is_news(self.seen.borrow().as_ref(), &connection);
        match &connection {
            _ if !is_news => {}
            Connection::Connecting => {
                tracing::debug!(adapter = instance, "a chat platform is being connected");
            }
            Connection::Connected(account) => {
                let account = one_line(&account.name, SHOWN);
                tracing::info!(adapter = instance, account, "a chat platform is connected");
            }
            Connection::Lost(why) => {
                let why = one_line(why, SHOWN);
                tracing::warn!(adapter = instance, why, "a connection is lost and is made again");
            }
        }
        self.seen.send_replace(Some(connection));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
