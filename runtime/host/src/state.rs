//! What lives in the store of one instance.

use std::sync::Arc;
use std::time::Duration;

use openpact_egress as egress;
use openpact_egress::credential::References;
use openpact_model::port::KeyValue;
use openpact_model::principal::Principal;
use openpact_model::tool::Reach;
use tokio_util::sync::CancellationToken;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::filesystem::Files;
use crate::import::http::Hooks;
use crate::import::inbox::Inbox;
use crate::import::kv;
use crate::import::progress::Reports;
use crate::import::settings::Settings;
use crate::ledger::Ledger;
use crate::limiter::Limiter;
use crate::stdio::{Channel, Stream};

/// Random bytes that a guest may ask for at once.
const MAX_RANDOM: u64 = 64 * 1024;

/// Everything that the imports of one instance work on.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) files: Files,
    pub(crate) settings: Arc<Settings>,
    pub(crate) principal: Principal,
    pub(crate) key_value: Arc<dyn KeyValue>,
    pub(crate) kv_quota: u64,
    pub(crate) kv_pace: Arc<kv::Pace>,
    pub(crate) requested_credentials: Arc<[String]>,
    pub(crate) references: Option<Arc<References>>,
    pub(crate) door: Option<Arc<egress::Door>>,
    /// Where a receive loop delivers; nothing else has one.
    pub(crate) inbox: Option<Inbox>,
    pure: bool,
    /// Who wants to know how far the call is; nobody, unless set after this was made.
    pub(crate) progress: Reports,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    ending: CancellationToken,
}

/// What a [`State`] is made of.
pub(crate) struct Parts {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) files: Files,
    pub(crate) settings: Arc<Settings>,
    pub(crate) principal: Principal,
    pub(crate) key_value: Arc<dyn KeyValue>,
    pub(crate) kv_quota: u64,
    pub(crate) kv_pace: Arc<kv::Pace>,
    pub(crate) requested_credentials: Arc<[String]>,
    pub(crate) door: Option<Arc<egress::Door>>,
    pub(crate) memory: u64,
    pub(crate) handles: usize,
    pub(crate) inbox: Option<Inbox>,
    /// Whether no import may be used, so that one question has one answer.
    pub(crate) pure: bool,
}

/// A guest used something in a function that may not use it.
#[derive(Debug, thiserror::Error)]
#[error("it used {0} in a function that may not use it")]
pub(crate) struct Forbidden(pub(crate) &'static str);

impl State {
    pub(crate) fn new(parts: Parts) -> Self {
        let stream = |channel| Stream { capture: parts.ledger.shared_capture(), channel };
        // Nothing is inherited: no environment, no arguments, no standard input, no sockets, no names, no folders.
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stream(Channel::Output))
            .stderr(stream(Channel::Error))
            .max_random_size(MAX_RANDOM)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        if parts.pure {
            stand_still(&mut wasi);
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(parts.handles);
        let references = parts.door.as_ref().map(|door| Arc::new(door.credentials()));
        let door = parts.door.clone().zip(references.clone());
        Self {
            table,
            limiter: Limiter::new(parts.memory, Arc::clone(&parts.ledger)),
            hooks: Hooks::new(door, Arc::clone(&parts.ledger)),
            ledger: parts.ledger,
            files: parts.files,
            settings: parts.settings,
            principal: parts.principal,
            key_value: parts.key_value,
            kv_quota: parts.kv_quota,
            kv_pace: parts.kv_pace,
            requested_credentials: parts.requested_credentials,
            references,
            door: parts.door,
            progress: Reports::default(),
            inbox: parts.inbox,
            pure: parts.pure,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            ending: CancellationToken::new(),
        }
    }
}

impl State {
    /// Narrows what the guest may reach of the network, by request and by connection, to what its call may.
    pub(crate) fn keep_to(&mut self, reach: &Reach) {
        self.hooks.keep_to(reach);
    }

    /// From the moment at which this is cancelled nothing from outside is waited for any more: connections are lost,
    /// requests break off, and nothing more is taken in.
    pub(crate) fn end_by(&mut self, ending: CancellationToken) {
        self.hooks.end_by(ending.clone());
        self.ending = ending;
    }

    /// Cancelled when the guest is to come to its end.
    pub(crate) fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// What a grant for any site is narrowed to in this call.
    pub(crate) fn only(&self) -> Option<egress::Only> {
        self.hooks.only()
    }

    /// Whether the guest may use `interface` now; a trap where not.
    pub(crate) fn usable(&self, interface: &'static str) -> wasmtime::Result<()> {
        if self.pure { Err(wasmtime::Error::new(Forbidden(interface))) } else { Ok(()) }
    }
}

/// A world in which nothing changes: one time, one row of random bytes.
fn stand_still(wasi: &mut WasiCtxBuilder) {
    wasi.wall_clock(Still)
        .monotonic_clock(Still)
        .secure_random(Deterministic::new(vec![0x5a]))
        .insecure_random(Deterministic::new(vec![0x5a]))
        .insecure_random_seed(0);
}

/// A clock that shows 1970-01-01T00:00:00Z for ever.
struct Still;

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}
