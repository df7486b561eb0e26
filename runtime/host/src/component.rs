//! A loaded component: answers tool calls, each in a fresh instance.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openpact_bindings::v0_1_0::ToolComponentPre;
use openpact_egress::redact::{Redactor, Scope as RedactorScope};
use openpact_model::id::Digest;
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::tool::{Limit, ToolCall, ToolFailure, ToolOutput, ToolSpec};
use openpact_packages::{Manifest, Verified};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::call::{self, Answer, Budget, Job, Stopped, milliseconds};
use crate::deployment::{Deployment, Limits};
use crate::error::Error;
use crate::failure::{LimitHit, classify};
use crate::filesystem::{Files, Mounts};
use crate::host::Shared;
use crate::import::settings::Settings;
use crate::ledger::{Ledger, lock};
use crate::meter::{Meter, Metered};
use crate::name::Tools;
use crate::output;
use crate::report::Report;
use crate::state::{Parts, State};
use crate::stdio::{Capture, Redact, Source};

/// A verified component with what it was given.
pub struct Component {
    shared: Arc<Shared>,
    package: Arc<Verified>,
    pre: ToolComponentPre<State>,
    principal: Principal,
    tools: Tools,
    mounts: Arc<Mounts>,
    settings: Arc<Settings>,
    requested_credentials: Arc<[String]>,
    limits: Arc<Limits>,
    deployment: Deployment,
    /// One permit for each call that may run.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    stop: CancellationToken,
    redactor: Mutex<Option<Arc<Redactor>>>,
}

impl Component {
    pub(crate) fn new(
        shared: Arc<Shared>,
        package: &Arc<Verified>,
        pre: ToolComponentPre<State>,
        deployment: Deployment,
    ) -> Result<Self, Error> {
        let manifest = package.manifest();
        let mounts = Mounts::new(&deployment.mounts, Arc::clone(&shared.spaces), Arc::clone(&shared.clock))?;
        let settings =
            Settings::new(manifest.settings.as_ref(), &manifest.secret_settings(), &deployment.settings);
        Ok(Self {
            principal: Principal::Component(manifest.name.clone()),
            tools: Tools::new(manifest),
            mounts: Arc::new(mounts),
            settings: Arc::new(settings),
            requested_credentials: manifest.requests.credentials.iter().map(|it| it.name.clone()).collect(),
            limits: Arc::new(deployment.limits.clone()),
            places: Arc::new(Semaphore::new(deployment.limits.concurrent.max(1))),
            waiting: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            redactor: Mutex::new(None),
            package: Arc::clone(package),
            shared,
            pre,
            deployment,
        })
    }

    /// What the component says about itself.
    pub fn manifest(&self) -> &Manifest {
        self.package.manifest()
    }

    /// How many calls run, and how many wait for a place.
    pub fn in_use(&self) -> (usize, usize) {
        let running = self.limits.concurrent.max(1) - self.places.available_permits();
        (running, self.waiting.load(Ordering::Acquire))
    }

    /// Stops the calls that run or wait, and refuses all later ones. For good: load the component again to start it.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Executes one call, and tells what it used.
    pub async fn call_reported(&self, call: ToolCall) -> Report {
        let start = self.shared.clock.monotonic();
        let source = Source { component: self.manifest().name.clone(), turn: call.turn.clone() };
        let capture = Capture::new(source, self.limits.output, self.redact());
        let ledger = Arc::new(Ledger::new(capture));
        let meter = Arc::new(Meter::default());
        let result = self.execute(&call, start, &ledger, &meter).await;
        let report = Report {
            result,
            wall: self.shared.clock.since(start),
            cpu: meter.total(),
            peak_memory: ledger.peak_memory(),
            requests: ledger.requests(),
            log: ledger.capture().finish(),
        };
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
        let job = Job::Call { tool: tool.to_owned(), arguments: call.arguments.to_string() };
        let wall = call.deadline.map_or(self.limits.wall, |asked| asked.min(self.limits.wall));
        let budget = Budget {
            limits: Arc::clone(&self.limits),
            // A limit of ages has no end that an instant could hold; a day is as good.
            deadline: start.checked_add(wall).unwrap_or(start + Duration::from_hours(24)),
            wall,
            meter: Arc::clone(meter),
            clock: Arc::clone(&self.shared.clock),
            cancel: call.cancel.clone(),
            stop: self.stop.clone(),
        };
        let places = self.place(&budget).await?;
        let state = self.state(call, ledger);
        let run = call::run(self.shared.engine.clone(), self.pre.clone(), state, budget, job);
        let run = Metered::new(Arc::clone(meter), run);
        let run = Running(self.shared.runtime.spawn(async move {
            let result = run.await;
            // Given back only now: the instance is gone.
            drop(places);
            result
        }));
        match run.end().await? {
            Ok(Answer::Called(outcome)) => {
                output::answer(outcome, self.limits.result).map_err(|failure| ledger.explain(failure))
            }
            Ok(Answer::Listed(_)) => {
                Err(ToolFailure::Host("a call was answered with a list of tools".into()))
            }
            Err(Stopped::Cancelled) => Err(ToolFailure::Cancelled),
            Err(Stopped::Error(error)) => Err(self.failure(call, &error, ledger)),
        }
    }

    fn failure(&self, call: &ToolCall, error: &wasmtime::Error, ledger: &Ledger) -> ToolFailure {
        let failure = classify(error, &self.limits, ledger);
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
    async fn place(&self, budget: &Budget) -> Result<[OwnedSemaphorePermit; 2], ToolFailure> {
        let both = [&self.places, &self.shared.places];
        if let [Ok(own), Ok(shared)] = both.map(|places| Arc::clone(places).try_acquire_owned()) {
            return if self.stop.is_cancelled() { Err(ToolFailure::Cancelled) } else { Ok([own, shared]) };
        }
        let queue = self.limits.queue;
        let _waiting = Waiting::enter(&self.waiting, queue)
            .ok_or(ToolFailure::LimitReached { limit: Limit::Queue, value: queue as u64 })?;
        let acquire = async {
            let own = Arc::clone(&self.places).acquire_owned().await;
            let shared = Arc::clone(&self.shared.places).acquire_owned().await;
            own.and_then(|own| Ok([own, shared?]))
        };
        tokio::select! {
            biased;
            () = budget.cancel.cancelled() => Err(ToolFailure::Cancelled),
            () = budget.stop.cancelled() => Err(ToolFailure::Cancelled),
            () = tokio::time::sleep(budget.left()) => {
                Err(LimitHit { limit: Limit::Time, value: milliseconds(budget.wall) }.into())
            }
            permits = acquire => permits.map_err(|_| ToolFailure::Host("the host is closed".into())),
        }
    }

    fn state(&self, call: &ToolCall, ledger: &Arc<Ledger>) -> State {
        State::new(Parts {
            ledger: Arc::clone(ledger),
            files: Files::new(Arc::clone(&self.mounts), call.caller.role, Arc::clone(ledger)),
            settings: Arc::clone(&self.settings),
            principal: self.principal.clone(),
            key_value: Arc::clone(&self.shared.key_value),
            kv_quota: self.deployment.kv_quota,
            requested_credentials: Arc::clone(&self.requested_credentials),
            door: self.deployment.door.clone(),
            memory: self.limits.memory,
            handles: self.limits.handles,
        })
    }

    /// Takes secrets out of what the component writes: all of them, since its log is read by whoever reads the log.
    fn redact(&self) -> Redact {
        let snapshot = self.deployment.secrets.snapshot();
        let mut kept = lock(&self.redactor);
        let redactor = match &*kept {
            Some(redactor) if redactor.generation() == snapshot.generation => Arc::clone(redactor),
            _ => {
                let redactor = Arc::new(Redactor::new(&snapshot, RedactorScope::All));
                *kept = Some(Arc::clone(&redactor));
                redactor
            }
        };
        Arc::new(move |text| redactor.redact(text).into_owned())
    }
}

#[async_trait]
impl ToolProvider for Component {
    fn principal(&self) -> Principal {
        self.principal.clone()
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

/// A run on the guests' threads. Stopped when nobody waits for it any more.
struct Running<T>(JoinHandle<T>);

impl<T> Running<T> {
    async fn end(mut self) -> Result<T, ToolFailure> {
        (&mut self.0)
            .await
            .map_err(|error| ToolFailure::Host(format!("the host failed while a component ran: {error}")))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
