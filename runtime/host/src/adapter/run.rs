//! The receive loop: one instance that lives for as long as its connection, for weeks where all goes well.
//!
//! A loop that is to end is first told so by what it waits for: its connections are lost, its requests break off, and no
//! event is taken from it any more. It then has a moment to put away what it has in hand. Whoever is cut off in the midst
//! of something cannot tell that from having died of it, and would pass it at last.
//!
//! It has no end in time and no number of anything for its life. Its share of a processor is a rate, and so are its
//! requests and its log; memory and open handles have limits that hold at each moment; nothing is kept about what it did.

use std::sync::Arc;
use std::time::Duration;

use openpact_bindings::v0_1_0::chat::AdapterComponentPre;
use openpact_bindings::v0_1_0::chat::exports::openpact::chat::adapter;
use openpact_model::chat::{AdapterError, Inbox};
use openpact_model::id::TurnId;
use openpact_model::role::Role;
use openpact_model::tool::ToolFailure;
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, UpdateDeadline};

use super::Adapter;
use super::call::Terms;
use super::failure;
use crate::call::{self, Running, Work as _};
use crate::import::inbox;
use crate::ledger::Ledger;
use crate::meter::Meter;
use crate::metric::Alive;
use crate::state::State;
use crate::throttle::Account;
use crate::turns::Fair;

/// How long a loop that was told to end may take for that, before it is cut off.
const GRACE: Duration = Duration::from_secs(1);

/// How a run ended: the guest's own word, an error of the engine, or none because it was stopped.
type End = Option<wasmtime::Result<Result<(), adapter::AdapterError>>>;

impl Adapter {
    /// Runs the loop until its end, or soon after `stop`.
    pub(super) async fn run_loop(&self, port: Arc<dyn Inbox>, stop: CancellationToken) -> AdapterError {
        let ledger = self.sandbox.lasting_ledger(TurnId::from_stored("run"));
        let meter = Arc::new(Meter::default());
        let end = self.attempt(port, stop, &ledger, &meter).await;
        ledger.ended(meter.total(), end.as_ref().err());
        match end {
            Ok(Ok(())) => AdapterError::Broken("its receive loop ended without a reason".into()),
            Ok(Err(error)) => failure::loop_said(error, &ledger),
            Err(ToolFailure::Host(why)) => {
                tracing::error!(component = self.instance, why, "a receive loop is lost");
                AdapterError::Broken("the host failed while it ran; see the log".into())
            }
            Err(failure) => failure::loop_ended(failure),
        }
    }

    async fn attempt(
        &self,
        port: Arc<dyn Inbox>,
        stop: CancellationToken,
        ledger: &Arc<Ledger>,
        meter: &Arc<Meter>,
    ) -> Result<Result<(), adapter::AdapterError>, ToolFailure> {
        let terms = Terms {
            sandbox: &self.sandbox,
            name: "run",
            limits: Arc::clone(&self.sandbox.limits),
            places: &self.single,
            stop: &stop,
        };
        let place = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(ToolFailure::Stopped),
            place = terms.place_of_loop() => place?,
        };
        let mut state = self.sandbox.state(Role::Guest, ledger);
        let (instance, ending) = (Arc::from(self.instance.as_str()), CancellationToken::new());
        state.inbox = Some(inbox::Inbox::new(port, instance, Arc::clone(&self.pace), ending.clone()));
        state.end_by(ending);
        let alive = Alive::count(&self.sandbox.name);
        let run = self.attended(state, meter, stop.clone());
        let run = Running::start(&self.sandbox.shared, async move {
            let end = run.await;
            drop((place, alive));
            end
        });
        let end = run.end().await.map_err(ToolFailure::Host)?.ok_or(ToolFailure::Stopped)?;
        end.map_err(|error| terms.failure(&error, ledger))
    }

    /// The loop with everything that looks after it, ready to be put on the guests' threads.
    fn attended(
        &self,
        state: State,
        meter: &Arc<Meter>,
        stop: CancellationToken,
    ) -> impl Future<Output = End> + Send + 'static {
        let ending = state.ending().clone();
        let clock = Arc::clone(&self.sandbox.shared.clock);
        let account = Arc::new(Account::open(Arc::clone(&self.throttle), Arc::clone(meter), clock));
        let store = call::store(&self.sandbox.shared.engine, state, &self.sandbox.limits);
        let (pre, own_stop) = (self.pre.clone(), self.stop.clone());
        let opened = Arc::clone(&account);
        let looked_at = Arc::clone(meter);
        let guest = async move {
            if let Some(wait) = opened.begin() {
                tokio::time::sleep(wait).await;
            }
            throttled(store, opened, looked_at, pre).await
        };
        let run = Fair::new(&self.sandbox.shared.turns, &self.sandbox.name, meter, guest);
        async move {
            let stopped = async {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = own_stop.cancelled() => {}
                }
                ending.cancel();
                tokio::time::sleep(GRACE).await;
            };
            let end = tokio::select! {
                biased;
                () = stopped => None,
                // Whatever it says of an end that it was told to come to.
                end = run => (!ending.is_cancelled()).then_some(end),
            };
            // Behind the end of the metered part, so that the last of its time is charged too.
            drop(account);
            end
        }
    }
}

async fn throttled(
    mut store: Store<State>,
    account: Arc<Account>,
    meter: Arc<Meter>,
    pre: AdapterComponentPre<State>,
) -> wasmtime::Result<Result<(), adapter::AdapterError>> {
    store.epoch_deadline_callback(move |_| {
        // Where the guest's own code runs, and nowhere else: a host call may hold what others wait for.
        if let Some(pause) = account.look() {
            return Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::time::sleep(pause))));
        }
        meter.looked_at();
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    let function = super::call::function(|guest, store| Box::pin(guest.call_run(store)));
    super::call::Use { pre, function }.run(&mut store).await
}
