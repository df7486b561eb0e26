//! Asking a guest for its tools, when it is packed.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use openpact_bindings::v0_1_0::ToolComponentPre;
use openpact_bindings::v0_1_0::exports::openpact::tool::tools;
use openpact_model::id::{ComponentName, TurnId};
use openpact_model::principal::Principal;
use openpact_model::role::Role;
use openpact_model::tool::ToolSpec;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use crate::call::{self, Budget, Stopped, Work};
use crate::deployment::Limits;
use crate::error::Error;
use crate::failure::classify;
use crate::filesystem::{Files, Mounts};
use crate::host::Shared;
use crate::import::kv;
use crate::import::settings::Settings;
use crate::ledger::Ledger;
use crate::meter::Meter;
use crate::output;
use crate::state::{Parts, State};
use crate::stdio::{Capture, Source};
use crate::tally::Tally;

/// Runs `list-tools` with nothing granted, and waits for it.
pub(crate) fn run(shared: &Arc<Shared>, pre: ToolComponentPre<State>) -> Result<Vec<ToolSpec>, Error> {
    let refuse = |why: String| Error::Describe { why };
    let name: ComponentName = "unpacked".parse().expect("a valid name");
    let source = Source { component: name.clone(), turn: TurnId::from_stored("describe") };
    let limits = Arc::new(Limits::default());
    let capture = Capture::new(source, limits.output, Arc::new(str::to_owned));
    let tally = Arc::new(Tally::new(Arc::clone(&shared.clock)));
    let ledger = Arc::new(Ledger::new(capture, tally));
    let mounts = Mounts::new(&[], Arc::clone(&shared.spaces), Arc::clone(&shared.clock))?;
    let state = State::new(Parts {
        ledger: Arc::clone(&ledger),
        files: Files::new(Arc::new(mounts), Role::Guest, Arc::clone(&ledger)),
        settings: Arc::new(Settings::new(None, &[], &serde_json::Map::new())),
        principal: Principal::Component(name.clone()),
        key_value: Arc::clone(&shared.key_value),
        kv_quota: 0,
        kv_pace: kv::Pace::new(Arc::clone(&shared.clock)),
        requested_credentials: Arc::new([]),
        door: None,
        memory: limits.memory,
        handles: limits.handles,
        inbox: None,
        pure: false,
    });
    let budget = Budget {
        deadline: shared.clock.monotonic() + limits.wall,
        wall: limits.wall,
        limits: Arc::clone(&limits),
        meter: Arc::new(Meter::default()),
        clock: Arc::clone(&shared.clock),
        cancel: CancellationToken::new(),
        stop: CancellationToken::new(),
    };
    let run = call::run(shared, &name, state, budget, List { pre });
    let failed = |error: &wasmtime::Error| refuse(classify(error, &limits, &ledger).to_string());
    match wait(shared, &name, run) {
        Some(Ok(tools)) => output::listed(tools).map_err(refuse),
        None => Err(refuse(LOST.into())),
        Some(Err(Stopped::Cancelled | Stopped::Off)) => Err(refuse("it was stopped".into())),
        Some(Err(Stopped::Error(error))) => Err(failed(&error)),
    }
}

/// What is said of a run of which nothing came.
pub(crate) const LOST: &str = "the host failed while it ran; see the log";

/// Runs `task` on the guests' threads when there is a place for an instance, and blocks until its end; `None` where it
/// panicked.
pub(crate) fn wait<T: Send + 'static>(
    shared: &Shared,
    who: &ComponentName,
    task: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (places, who) = (Arc::clone(&shared.places), who.clone());
    let (sender, receiver) = sync_channel(1);
    // A channel of the standard library, so that it can be waited for with and without an async runtime around.
    shared.runtime.spawn(async move {
        let place = places.take(&who).await;
        let result = task.await;
        drop(place);
        drop(sender.send(result));
    });
    receiver.recv().ok()
}

/// The question for the tools.
struct List {
    pre: ToolComponentPre<State>,
}

impl Work for List {
    type Answer = Vec<tools::Tool>;

    async fn run(self, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        let component = self.pre.instantiate_async(&mut *store).await?;
        component.openpact_tool_tools().call_list_tools(store).await
    }
}
