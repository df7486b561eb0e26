//! One call: a fresh instance, its budgets, and its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openpact_model::clock::Clock;
use openpact_model::id::ComponentName;
use openpact_model::tool::Limit;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::deployment::Limits;
use crate::failure::LimitHit;
use crate::host::Shared;
use crate::meter::Meter;
use crate::state::State;
use crate::turns::Fair;

/// How a run ended without an answer.
pub(crate) enum Stopped {
    /// The guest or the engine said so.
    Error(wasmtime::Error),
    /// The turn was stopped.
    Cancelled,
    /// The component was.
    Off,
}

/// The budgets of one run.
#[derive(Clone)]
pub(crate) struct Budget {
    pub(crate) limits: Arc<Limits>,
    /// When the call has to be over.
    pub(crate) deadline: Instant,
    /// How much wall time that was, for the message.
    pub(crate) wall: Duration,
    pub(crate) meter: Arc<Meter>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Set when the turn is stopped.
    pub(crate) cancel: CancellationToken,
    /// Set when the component is stopped.
    pub(crate) stop: CancellationToken,
}

impl Budget {
    fn out_of_time(&self) -> LimitHit {
        LimitHit { limit: Limit::Time, value: milliseconds(self.wall) }
    }

    /// Looks at both budgets from the thread on which the guest runs.
    fn check(&self) -> wasmtime::Result<()> {
        let cpu = self.limits.cpu;
        if self.meter.running() >= cpu {
            return Err(wasmtime::Error::new(LimitHit { limit: Limit::Cpu, value: milliseconds(cpu) }));
        }
        if self.clock.monotonic() >= self.deadline {
            return Err(wasmtime::Error::new(self.out_of_time()));
        }
        Ok(())
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(self.clock.monotonic())
    }
}

/// Whole milliseconds, for messages.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What is done with a fresh instance.
pub(crate) trait Work: Send + 'static {
    /// What comes of it.
    type Answer: Send;

    /// Makes the instance in `store` and does it.
    fn run(self, store: &mut Store<State>) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

/// A store for one instance, with every limit but those of time.
pub(crate) fn store(engine: &Engine, state: State, limits: &Limits) -> Store<State> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(limits.hostcall_fuel);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    store
}

/// Does `work` in a fresh instance of `who` within `budget`, when it is its turn. To be put on the guests' threads.
pub(crate) fn run<W: Work>(
    shared: &Shared,
    who: &ComponentName,
    state: State,
    budget: Budget,
    work: W,
) -> impl Future<Output = Result<W::Answer, Stopped>> + Send + use<W> {
    let meter = Arc::clone(&budget.meter);
    let guest = attempt(shared.engine.clone(), state, budget.clone(), work);
    let guest = Fair::new(&shared.turns, who, &meter, guest);
    async move {
        // Outside of the guest's turns: a guest whose turn does not come is stopped as well.
        tokio::select! {
            biased;
            () = budget.stop.cancelled() => Err(Stopped::Off),
            () = budget.cancel.cancelled() => Err(Stopped::Cancelled),
            // A guest that waits in a host call is not looked at, so the clock outside has to stop it.
            () = tokio::time::sleep(budget.left()) => Err(Stopped::Error(wasmtime::Error::new(budget.out_of_time()))),
            result = guest => result.map_err(Stopped::Error),
        }
    }
}

async fn attempt<W: Work>(
    engine: Engine,
    state: State,
    budget: Budget,
    work: W,
) -> wasmtime::Result<W::Answer> {
    let mut store = store(&engine, state, &budget.limits);
    store.epoch_deadline_callback(move |_| {
        budget.check()?;
        budget.meter.looked_at();
        // Other guests and the host's own tasks go first. tokio's own yielding lets its timers run too.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    work.run(&mut store).await
}

/// A run on the guests' threads. Stopped when nobody waits for it any more.
pub(crate) struct Running<T>(JoinHandle<T>);

impl<T: Send + 'static> Running<T> {
    pub(crate) fn start<F>(shared: &Shared, task: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        Self(shared.runtime.spawn(task))
    }

    /// Its end; the error is a sentence for the log.
    pub(crate) async fn end(mut self) -> Result<T, String> {
        (&mut self.0).await.map_err(|error| format!("the host failed while a component ran: {error}"))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
