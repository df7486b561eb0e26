//! `openpact:chat/inbox`: what a receive loop delivers and reports.
//!
//! The host stamps each event with the instance that it comes from; of what the guest says only ids count, and only for
//! an account that this instance has reported.

use std::collections::BTreeSet;
use std::sync::Arc;

use openpact_bindings::v0_1_0::chat::openpact::chat::inbox::{Connection, DeliverError, Host};
use openpact_bindings::v0_1_0::chat::openpact::chat::{events, rendering, types};
use openpact_model::chat;
use tokio_util::sync::CancellationToken;

use crate::adapter::event;
use crate::adapter::pace::Pace;
use crate::state::{Forbidden, State};

const INTERFACE: &str = "openpact:chat/inbox";

/// Accounts that one run may report: a platform's connection has one.
const MAX_ACCOUNTS: usize = 8;

/// Why nothing more is taken from a loop that is to end.
const STOPPING: &str = "the adapter is being stopped";

/// The way from one run to the inbox.
pub(crate) struct Inbox {
    port: Arc<dyn chat::Inbox>,
    instance: Arc<str>,
    accounts: BTreeSet<String>,
    pace: Arc<Pace>,
    /// From when on nothing more is taken.
    ending: CancellationToken,
}

impl Inbox {
    pub(crate) fn new(
        port: Arc<dyn chat::Inbox>,
        instance: Arc<str>,
        pace: Arc<Pace>,
        ending: CancellationToken,
    ) -> Self {
        Self { port, instance, accounts: BTreeSet::new(), pace, ending }
    }

    async fn deliver(&self, event: events::InboundEvent) -> Result<(), chat::DeliverError> {
        let admitted = async {
            self.pace.event().await;
            // Before the event is taken apart: one that is forged needs no answer about its form.
            if !self.accounts.contains(&event.account) {
                return Err(chat::DeliverError::WrongAccount);
            }
            let event = event::checked(event).map_err(chat::DeliverError::Invalid)?;
            self.pace.bytes(&event).await;
            Ok(event)
        };
        // Not while it is stored: what is stored is also told to those who work on it.
        let event = tokio::select! {
            biased;
            () = self.ending.cancelled() => return Err(chat::DeliverError::Unavailable(STOPPING.to_owned())),
            event = admitted => event?,
        };
        self.port.deliver(&self.instance, event).await
    }

    async fn report(&mut self, connection: Connection) -> Result<(), chat::DeliverError> {
        self.pace.report().await;
        let connection = event::connection(connection).map_err(chat::DeliverError::Invalid)?;
        let chat::Connection::Connected(account) = &connection else {
            return self.port.report(&self.instance, connection).await;
        };
        let account = account.id.clone();
        if !self.accounts.contains(&account) && self.accounts.len() >= MAX_ACCOUNTS {
            return Err(chat::DeliverError::Invalid(format!("more than {MAX_ACCOUNTS} accounts")));
        }
        self.port.report(&self.instance, connection).await?;
        self.accounts.insert(account);
        Ok(())
    }
}

impl Host for State {
    async fn deliver(&mut self, event: events::InboundEvent) -> wasmtime::Result<Result<(), DeliverError>> {
        let inbox = self.inbox.as_ref().ok_or_else(forbidden)?;
        Ok(inbox.deliver(event).await.map_err(told))
    }

    async fn report(&mut self, connection: Connection) -> wasmtime::Result<Result<(), DeliverError>> {
        let inbox = self.inbox.as_mut().ok_or_else(forbidden)?;
        Ok(inbox.report(connection).await.map_err(told))
    }
}

impl types::Host for State {}
impl events::Host for State {}
impl rendering::Host for State {}

fn forbidden() -> wasmtime::Error {
    wasmtime::Error::new(Forbidden(INTERFACE))
}

fn told(error: chat::DeliverError) -> DeliverError {
    match error {
        chat::DeliverError::Invalid(why) => DeliverError::Invalid(why),
        chat::DeliverError::WrongAccount => DeliverError::WrongAccount,
        chat::DeliverError::Unavailable(why) => DeliverError::Unavailable(why),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use async_trait::async_trait;
    use openpact_bindings::v0_1_0::chat::openpact::chat::inbox::Account;
    use openpact_model::clock::{Clock, SystemClock};

    use super::*;

    /// The clock that the tests let run.
    struct Paused;

    impl Clock for Paused {
        fn now(&self) -> jiff::Timestamp {
            SystemClock.now()
        }

        fn monotonic(&self) -> Instant {
            tokio::time::Instant::now().into_std()
        }

        fn zone(&self) -> jiff::tz::TimeZone {
            jiff::tz::TimeZone::UTC
        }
    }

    /// Notes when something came.
    #[derive(Default)]
    struct Taken(Mutex<Vec<tokio::time::Instant>>);

    #[async_trait]
    impl chat::Inbox for Taken {
        async fn deliver(&self, _: &str, _: chat::Event) -> Result<(), chat::DeliverError> {
            self.0.lock().unwrap().push(tokio::time::Instant::now());
            Ok(())
        }

        async fn report(&self, _: &str, _: chat::Connection) -> Result<(), chat::DeliverError> {
            self.0.lock().unwrap().push(tokio::time::Instant::now());
            Ok(())
        }
    }

    /// An inbox for the account `bot`.
    async fn inbox(pace: &Arc<Pace>) -> (Inbox, Arc<Taken>) {
        let taken = Arc::new(Taken::default());
        let port = Arc::clone(&taken) as Arc<dyn chat::Inbox>;
        let mut inbox = Inbox::new(port, Arc::from("parrot"), Arc::clone(pace), CancellationToken::new());
        inbox
            .report(Connection::Connected(Account { id: "bot".into(), name: "the bot".into() }))
            .await
            .unwrap();
        (inbox, taken)
    }

    /// When the first and the last of `count` came, from now.
    fn span(taken: &Taken, begun: tokio::time::Instant) -> (Duration, Duration) {
        let taken = taken.0.lock().unwrap();
        let since = |at: Option<&tokio::time::Instant>| at.unwrap().duration_since(begun);
        (since(taken.first()), since(taken.last()))
    }

    fn pace() -> Arc<Pace> {
        Arc::new(Pace::new(Arc::new(Paused)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_events_is_slowed_down_and_none_is_refused() {
        let (pace, begun) = (pace(), tokio::time::Instant::now());
        let (inbox, taken) = inbox(&pace).await;
        for _ in 0..1000 {
            inbox.deliver(event::tests::good("hello")).await.unwrap();
        }
        assert_eq!(span(&taken, begun).1, Duration::ZERO, "after a quiet time many may come at once");
        for _ in 0..100 {
            inbox.deliver(event::tests::good("hello")).await.unwrap();
        }
        assert!(span(&taken, begun).1.abs_diff(Duration::from_secs(2)) < Duration::from_millis(2));
        // What is not even taken counts as well, and a new run goes on where the last one was.
        let (second, taken) = self::inbox(&pace).await;
        for _ in 0..50 {
            let mut forged = event::tests::good("hello");
            forged.account = "another".into();
            assert_eq!(second.deliver(forged).await, Err(chat::DeliverError::WrongAccount));
        }
        second.deliver(event::tests::good("hello")).await.unwrap();
        assert!(span(&taken, begun).1 > Duration::from_millis(2990));
    }

    #[tokio::test(start_paused = true)]
    async fn large_events_wait_for_their_bytes() {
        let (pace, begun) = (pace(), tokio::time::Instant::now());
        let (inbox, taken) = inbox(&pace).await;
        let large = "x".repeat(256 * 1024);
        for _ in 0..31 {
            inbox.deliver(event::tests::good(&large)).await.unwrap();
        }
        assert_eq!(span(&taken, begun).1, Duration::ZERO);
        for _ in 0..10 {
            inbox.deliver(event::tests::good(&large)).await.unwrap();
        }
        let took = span(&taken, begun).1;
        assert!((Duration::from_secs(9)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn reports_come_one_a_second_at_most() {
        let (pace, begun) = (pace(), tokio::time::Instant::now());
        let (mut inbox, taken) = inbox(&pace).await;
        for _ in 0..19 {
            inbox.report(Connection::Connecting).await.unwrap();
        }
        assert_eq!(span(&taken, begun).1, Duration::ZERO);
        for _ in 0..10 {
            inbox.report(Connection::Lost("again".into())).await.unwrap();
        }
        assert!(span(&taken, begun).1.abs_diff(Duration::from_secs(10)) < Duration::from_millis(2));
    }
}
