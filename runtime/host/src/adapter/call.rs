//! One function of an adapter, in a fresh instance within its limits.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openpact_bindings::v0_1_0::chat::AdapterComponentPre;
use openpact_bindings::v0_1_0::chat::exports::openpact::chat::adapter::Guest;
use openpact_model::tool::ToolFailure;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use crate::call::{self, Budget, Running, Stopped, Work};
use crate::deployment::Limits;
use crate::failure::classify;
use crate::ledger::Ledger;
use crate::meter::Meter;
use crate::metric::{self, Alive};
use crate::places::Place;
use crate::sandbox::Sandbox;
use crate::state::State;

/// Why a call was not even begun.
const BUSY: &str = "this machine is busy: no place to run it became free in time";

/// What one step of a guest gives.
pub(super) type Step<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>;

/// A use of one exported function.
pub(super) type Function<T> = Box<dyn for<'a> FnOnce(&'a Guest, &'a mut Store<State>) -> Step<'a, T> + Send>;

/// Puts a closure into the form of a [`Function`].
pub(super) fn function<T, F>(function: F) -> Function<T>
where
    F: for<'a> FnOnce(&'a Guest, &'a mut Store<State>) -> Step<'a, T> + Send + 'static,
{
    Box::new(function)
}

/// A use of one function in an instance of its own.
pub(super) struct Use<T> {
    pub(super) pre: AdapterComponentPre<State>,
    pub(super) function: Function<T>,
}

impl<T: Send + 'static> Work for Use<T> {
    type Answer = T;

    async fn run(self, store: &mut Store<State>) -> wasmtime::Result<T> {
        let component = self.pre.instantiate_async(&mut *store).await?;
        (self.function)(component.openpact_chat_adapter(), store).await
    }
}

/// Where and how a function runs.
pub(super) struct Terms<'a> {
    pub(super) sandbox: &'a Sandbox,
    /// The function's name, for the log.
    pub(super) name: &'static str,
    pub(super) limits: Arc<Limits>,
    /// One permit for each use that may run; others wait.
    pub(super) places: &'a Arc<Semaphore>,
    pub(super) stop: &'a CancellationToken,
}

impl Terms<'_> {
    /// Runs `work` in `state`, whose record is `ledger`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        state: State,
        ledger: &Ledger,
        work: Use<T>,
    ) -> Result<T, ToolFailure> {
        let meter = Arc::new(Meter::default());
        let ended = self.attempt(state, ledger, work, &meter).await;
        metric::cpu(&self.sandbox.name, meter.total());
        ledger.ended(meter.total(), ended.as_ref().err());
        ended
    }

    async fn attempt<T: Send + 'static>(
        &self,
        state: State,
        ledger: &Ledger,
        work: Use<T>,
        meter: &Arc<Meter>,
    ) -> Result<T, ToolFailure> {
        let shared = &self.sandbox.shared;
        let places = self.place().await?;
        let alive = Alive::count(&self.sandbox.name);
        let run = call::run(shared, &self.sandbox.name, state, self.budget(meter), work);
        let run = Running::start(shared, async move {
            let result = run.await;
            drop((places, alive));
            result
        });
        match run.end().await.map_err(ToolFailure::Host)? {
            Ok(answer) => Ok(answer),
            Err(Stopped::Cancelled | Stopped::Off) => Err(ToolFailure::Stopped),
            Err(Stopped::Error(error)) => Err(self.failure(&error, ledger)),
        }
    }

    /// The limits of time begin when the instance does: whoever calls is the host itself, and knows what waits.
    pub(super) fn budget(&self, meter: &Arc<Meter>) -> Budget {
        let clock = Arc::clone(&self.sandbox.shared.clock);
        let (start, wall) = (clock.monotonic(), self.limits.wall);
        Budget {
            limits: Arc::clone(&self.limits),
            deadline: start.checked_add(wall).unwrap_or(start + Duration::from_hours(24)),
            wall,
            meter: Arc::clone(meter),
            clock,
            cancel: CancellationToken::new(),
            stop: self.stop.clone(),
        }
    }

    pub(super) fn failure(&self, error: &wasmtime::Error, ledger: &Ledger) -> ToolFailure {
        let failure = classify(error, &self.limits, ledger);
        metric::failed(&self.sandbox.name, &failure);
        tracing::warn!(
            component = self.sandbox.name.as_str(),
            function = self.name,
            outcome = failure.code(),
            error = format!("{error:?}"),
            "an adapter ended without an answer"
        );
        failure
    }

    /// Waits for a place, for a time of its own: a call that does not get one has done nothing.
    async fn place(&self) -> Result<(OwnedSemaphorePermit, Place), ToolFailure> {
        self.in_time(async {
            let own = Arc::clone(self.places).acquire_owned().await?;
            Ok((own, self.sandbox.shared.places.take(&self.sandbox.name).await))
        })
        .await
    }

    /// As [`Terms::place`], for a receive loop.
    pub(super) async fn place_of_loop(&self) -> Result<[OwnedSemaphorePermit; 2], ToolFailure> {
        self.in_time(async {
            let own = Arc::clone(self.places).acquire_owned().await?;
            Ok([own, Arc::clone(&self.sandbox.shared.loops).acquire_owned().await?])
        })
        .await
    }

    async fn in_time<T>(
        &self,
        place: impl Future<Output = Result<T, AcquireError>>,
    ) -> Result<T, ToolFailure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(ToolFailure::Stopped),
            place = place => place.map_err(|_| ToolFailure::Host("the host is closed".into())),
            () = tokio::time::sleep(self.sandbox.shared.place_wait) => Err(ToolFailure::Unavailable(BUSY.into())),
        }
    }
}
