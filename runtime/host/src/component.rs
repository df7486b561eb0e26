//! A loaded tool component: answers calls, each in a fresh instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openpact_bindings::v0_1_0::ToolComponentPre;
use openpact_bindings::v0_1_0::exports::openpact::tool::tools;
use openpact_model::health::Health;
use openpact_model::id::Digest;
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::tool::{Limit, ToolCall, ToolFailure, ToolOutput, ToolSpec};
use openpact_packages::{Manifest, Verified};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use crate::call::{self, Budget, Running, Stopped, Work, milliseconds};
use crate::deployment::Deployment;
use crate::error::Error;
use crate::failure::{LimitHit, classify};
use crate::host::Shared;
use crate::import::progress::Reports;
use crate::ledger::Ledger;
use crate::meter::Meter;
use crate::metric::{self, Alive};
use crate::name::Tools;
use crate::output;
use crate::places::Place;
use crate::report::Report;
use crate::sandbox::Sandbox;
use crate::state::State;

/// A verified component with what it was given.
pub struct Component {
    sandbox: Sandbox,
    package: Arc<Verified>,
    pre: ToolComponentPre<State>,
    tools: Tools,
    /// One permit for each call that may run.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    stop: CancellationToken,
}

impl Component {
    pub(crate) fn new(
        shared: Arc<Shared>,
        package: &Arc<Verified>,
        pre: ToolComponentPre<State>,
        deployment: Deployment,
    ) -> Result<Self, Error> {
        let manifest = package.manifest();
        Ok(Self {
            tools: Tools::new(manifest),
            places: Arc::new(Semaphore::new(deployment.limits.concurrent.max(1))),
            waiting: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            sandbox: Sandbox::new(shared, manifest, deployment)?,
            package: Arc::clone(package),
            pre,
        })
    }

    /// What the component says about itself.
    pub fn manifest(&self) -> &Manifest {
        self.package.manifest()
    }

    /// How many calls run, and how many wait for a place.
    pub fn in_use(&self) -> (usize, usize) {
        let running = self.sandbox.limits.concurrent.max(1) - self.places.available_permits();
        (running, self.waiting.load(Ordering::Acquire))
    }

    /// How it has fared since the host was built, its earlier versions included.
    pub fn health(&self) -> Health {
        self.sandbox.tally.health()
    }

    /// Stops the calls that run or wait at once: each ends with [`ToolFailure::Stopped`]. Refuses all
    /// later ones in the same way. For good: load the component again to start it.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Executes one call, and tells what it used.
    pub async fn call_reported(&self, call: ToolCall) -> Report {
        let clock = &self.sandbox.shared.clock;
        let start = clock.monotonic();
        let ledger = self.sandbox.ledger(call.turn.clone());
        let meter = Arc::new(Meter::default());
        let result = self.execute(&call, start, &ledger, &meter).await;
        let cpu = meter.total();
        let log = ledger.ended(cpu, result.as_ref().err());
        let (peak_memory, requests) = (ledger.peak_memory(), ledger.requests());
        let report = Report { result, wall: clock.since(start), cpu, peak_memory, requests, log };
        metric::cpu(&self.sandbox.name, report.cpu);
        tracing::debug!(
            component = self.manifest().name.as_str(),
            tool = call.tool,
            turn = call.turn.as_str(),
            outcome = report.result.as_ref().map_or_else(ToolFailure::code, |_| "answered"),
            wall_ms = milliseconds(report.wall),
            cpu_ms = milliseconds(report.cpu),
            peak_memory = report.peak_memory,
            requests = report.requests,
            "host.call.end"
        );
        report
    }

    async fn execute(
        &self,
        call: &ToolCall,
        start: Instant,
        ledger: &Arc<Ledger>,
        meter: &Arc<Meter>,
    ) -> Result<ToolOutput, ToolFailure> {
        let Some(tool) = self.tools.own_name(&call.tool) else {
            return Err(ToolFailure::NotFound(format!("this component has no tool '{}'", call.tool)));
        };
        let arguments = call.arguments.to_string();
        let work = Call { pre: self.pre.clone(), tool: tool.to_owned(), arguments };
        let Sandbox { shared, limits, .. } = &self.sandbox;
        let wall = call.deadline.map_or(limits.wall, |asked| asked.min(limits.wall));
        let budget = Budget {
            limits: Arc::clone(limits),
            // A limit of ages has no end that an instant could hold; a day is as good.
            deadline: start.checked_add(wall).unwrap_or(start + Duration::from_hours(24)),
            wall,
            meter: Arc::clone(meter),
            clock: Arc::clone(&shared.clock),
            cancel: call.cancel.clone(),
            stop: self.stop.clone(),
        };
        let places = self.place(&budget).await?;
        let mut state = self.sandbox.state(call.caller.role, ledger);
        state.keep_to(&call.reach);
        state.progress = Reports::new(call.progress.clone(), Arc::clone(&shared.clock));
        let alive = Alive::count(&self.sandbox.name);
        let run = call::run(shared, &self.sandbox.name, state, budget, work);
        let run = Running::start(shared, async move {
            let result = run.await;
            // Given back only now: the instance is gone.
            drop((places, alive));
            result
        });
        match run.end().await.map_err(ToolFailure::Host)? {
            Ok(outcome) => output::answer(outcome, limits.result).map_err(|failure| ledger.explain(failure)),
            Err(Stopped::Cancelled) => Err(ToolFailure::Cancelled),
            Err(Stopped::Off) => Err(ToolFailure::Stopped),
            Err(Stopped::Error(error)) => Err(self.failure(call, &error, ledger)),
        }
    }

    fn failure(&self, call: &ToolCall, error: &wasmtime::Error, ledger: &Ledger) -> ToolFailure {
        let failure = classify(error, &self.sandbox.limits, ledger);
        metric::failed(&self.sandbox.name, &failure);
        tracing::warn!(
            component = self.manifest().name.as_str(),
            tool = call.tool,
            turn = call.turn.as_str(),
            outcome = failure.code(),
            error = format!("{error:?}"),
            "a tool call ended without an answer"
        );
        failure
    }

    /// Waits for a place of this component and one of the host.
    async fn place(&self, budget: &Budget) -> Result<(OwnedSemaphorePermit, Place), ToolFailure> {
        if self.stop.is_cancelled() {
            return Err(ToolFailure::Stopped);
        }
        let (who, shared) = (&self.sandbox.name, &self.sandbox.shared.places);
        if let Ok(own) = Arc::clone(&self.places).try_acquire_owned()
            && let Some(place) = shared.try_take(who)
        {
            return Ok((own, place));
        }
        let queue = self.sandbox.limits.queue;
        let _waiting = Waiting::enter(&self.waiting, queue)
            .ok_or(ToolFailure::LimitReached { limit: Limit::Queue, value: queue as u64 })?;
        let acquire = async {
            let own = Arc::clone(&self.places).acquire_owned().await?;
            Ok::<_, AcquireError>((own, shared.take(who).await))
        };
        tokio::select! {
            biased;
            () = budget.stop.cancelled() => Err(ToolFailure::Stopped),
            () = budget.cancel.cancelled() => Err(ToolFailure::Cancelled),
            () = tokio::time::sleep(budget.left()) => {
                Err(LimitHit { limit: Limit::Time, value: milliseconds(budget.wall) }.into())
            }
            permits = acquire => permits.map_err(|_| ToolFailure::Host("the host is closed".into())),
        }
    }
}

#[async_trait]
impl ToolProvider for Component {
    fn principal(&self) -> Principal {
        self.sandbox.principal.clone()
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.package.digest())
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        Arc::clone(&self.tools.specs)
    }

    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        self.call_reported(call).await.result
    }
}

/// A call that waits, counted.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |now: usize| (now < most).then_some(now + 1);
        waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A call of one tool.
struct Call {
    pre: ToolComponentPre<State>,
    tool: String,
    arguments: String,
}

impl Work for Call {
    type Answer = Result<tools::Outcome, tools::ToolError>;

    async fn run(self, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        let component = self.pre.instantiate_async(&mut *store).await?;
        component.openpact_tool_tools().call_call_tool(store, &self.tool, &self.arguments).await
    }
}
