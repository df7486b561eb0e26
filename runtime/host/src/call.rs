//! One call: a fresh instance, its budgets, and its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openpact_bindings::v0_1_0::exports::openpact::tool::tools;
use openpact_bindings::v0_1_0::{ToolComponent, ToolComponentPre};
use openpact_model::clock::Clock;
use openpact_model::tool::Limit;
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::deployment::Limits;
use crate::failure::LimitHit;
use crate::meter::Meter;
use crate::state::State;

/// How a run ended without an answer.
pub(crate) enum Stopped {
    /// The guest or the engine said so.
    Error(wasmtime::Error),
    /// Somebody asked for it.
    Cancelled,
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

/// What a run does with its instance.
pub(crate) enum Job {
    /// Calls a tool by the guest's own name for it, with JSON text.
    Call { tool: String, arguments: String },
    /// Asks for the tools.
    List,
}

/// What came of it.
pub(crate) enum Answer {
    Called(Result<tools::Outcome, tools::ToolError>),
    Listed(Vec<tools::Tool>),
}

/// Runs `job` in a fresh instance within `budget`. To be polled through [`crate::meter::Metered`].
pub(crate) async fn run(
    engine: Engine,
    pre: ToolComponentPre<State>,
    state: State,
    budget: Budget,
    job: Job,
) -> Result<Answer, Stopped> {
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(budget.limits.hostcall_fuel);
    store.set_max_component_handles(budget.limits.handles);
    store.set_epoch_deadline(1);
    let watch = budget.clone();
    store.epoch_deadline_callback(move |_| {
        watch.check()?;
        // Other guests and the host's own tasks go first. tokio's own yielding lets its timers run too.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    tokio::select! {
        biased;
        () = budget.cancel.cancelled() => Err(Stopped::Cancelled),
        () = budget.stop.cancelled() => Err(Stopped::Cancelled),
        // A guest that waits in a host call is not looked at, so the clock outside has to stop it.
        () = tokio::time::sleep(budget.left()) => Err(Stopped::Error(wasmtime::Error::new(budget.out_of_time()))),
        result = work(&mut store, &pre, job) => result.map_err(Stopped::Error),
    }
}

async fn work(store: &mut Store<State>, pre: &ToolComponentPre<State>, job: Job) -> wasmtime::Result<Answer> {
    let component: ToolComponent = pre.instantiate_async(&mut *store).await?;
    let guest = component.openpact_tool_tools();
    Ok(match job {
        Job::Call { tool, arguments } => {
            Answer::Called(guest.call_call_tool(store, &tool, &arguments).await?)
        }
        Job::List => Answer::Listed(guest.call_list_tools(store).await?),
    })
}
