//! What a tool call costs: a fresh instance, the call, and the end of the instance.
//!
//! `bare` is the same guest in a loop over wasmtime and its stock WASI with nothing around it, in the same run, with a
//! smaller pool of instances than the host's; `bare_on_other_thread` adds the one thing that the host must do, handing the call to the
//! guests' own threads and waiting for it. The host should stay within 1.3 times of that.

mod network;
mod setup;

use std::sync::{Arc, LazyLock};

use divan::{Bencher, black_box};
use openpact_bindings::v0_1_0::ToolComponentPre;
use openpact_host::{Component, Limits};
use openpact_test_guests::ECHO;
use serde_json::json;
use tokio::runtime::Runtime;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

const ARGUMENTS: &str = "{\"text\":\"hello\"}";

pub(crate) static MAIN: LazyLock<Runtime> = LazyLock::new(|| threads(2));
static GUESTS: LazyLock<Runtime> = LazyLock::new(|| threads(2));

static ECHO_COMPONENT: LazyLock<Arc<Component>> = LazyLock::new(|| {
    let limits = Limits { concurrent: 64, queue: 4096, ..Limits::default() };
    // The host lives in the component.
    setup::load(&setup::host(), "echo", ECHO, limits)
});

fn main() {
    divan::main();
}

fn threads(number: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(number).enable_all().build().expect("threads")
}

struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Bare {
    fn new() -> Self {
        Self { wasi: WasiCtx::builder().build(), table: ResourceTable::new() }
    }
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

static BARE: LazyLock<(Engine, ToolComponentPre<Bare>)> = LazyLock::new(|| {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(64).total_memories(256).total_tables(1024).total_stacks(64);
    let mut settings = wasmtime::Config::new();
    settings.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&settings).expect("an engine");
    let component = wasmtime::component::Component::from_binary(&engine, ECHO).expect("a component");
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
    let pre = linker.instantiate_pre(&component).and_then(ToolComponentPre::new).expect("a tool component");
    (engine, pre)
});

async fn bare_call(name: &str) -> String {
    let (engine, pre) = &*BARE;
    let mut store = Store::new(engine, Bare::new());
    store.set_epoch_deadline(u64::MAX / 2);
    let component = pre.instantiate_async(&mut store).await.expect("an instance");
    let guest = component.openpact_tool_tools();
    let outcome =
        guest.call_call_tool(&mut store, name, ARGUMENTS).await.expect("no trap").expect("an answer");
    format!("{outcome:?}")
}

async fn host_call() -> bool {
    ECHO_COMPONENT.call_reported(setup::call("echo", json!({"text": "hello"}))).await.result.is_ok()
}

#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| MAIN.block_on(bare_call(black_box("echo"))));
}

#[divan::bench]
fn bare_on_other_thread(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        MAIN.block_on(async { GUESTS.spawn(bare_call(black_box("echo"))).await.expect("no panic") })
    });
}

#[divan::bench]
fn host(bencher: Bencher<'_, '_>) {
    assert!(MAIN.block_on(host_call()));
    bencher.bench_local(|| MAIN.block_on(host_call()));
}

/// Many calls at once; the time is of all of them together.
#[divan::bench(args = [1, 2, 4, 8, 16, 32, 64])]
fn host_at_once(bencher: Bencher<'_, '_>, calls: usize) {
    bencher.counter(divan::counter::ItemsCount::new(calls)).bench_local(|| {
        MAIN.block_on(async {
            let calls: Vec<_> = (0..calls).map(|_| tokio::spawn(host_call())).collect();
            for call in calls {
                assert!(call.await.expect("no panic"));
            }
        });
    });
}

/// A further call of an instance that lives: what the interface itself costs. The host never does this for tools.
#[divan::bench]
fn bare_warm(bencher: Bencher<'_, '_>) {
    let (engine, pre) = &*BARE;
    let mut store = Store::new(engine, Bare::new());
    store.set_epoch_deadline(u64::MAX / 2);
    let component = MAIN.block_on(pre.instantiate_async(&mut store)).expect("an instance");
    bencher.bench_local(|| {
        let guest = component.openpact_tool_tools();
        MAIN.block_on(guest.call_call_tool(&mut store, black_box("echo"), ARGUMENTS)).expect("no trap")
    });
}
