//! What the tests share: a host, signed packages, and a neighbour who must not notice anything.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openpact_host::{
    Access, Compiler, Component, Config, Deployment, Host, Limits, Mount, Ports, Report, Scope,
};
use openpact_model::clock::SystemClock;
use openpact_model::id::{CallId, TurnId};
use openpact_model::port::{KeyValue, KeyValueWrite, PortError, ToolProvider as _};
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_model::role::{Audience, Caller, Role, Sender};
use openpact_model::tool::{ToolCall, ToolFailure, ToolSpec};
use openpact_packages::key::SecretKey;
use openpact_packages::{Publisher, Trust, Verified, pack, sign, verify};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// One host for all tests, as in the program. What it compiles is kept for the next run.
static HOST: LazyLock<Host> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/native");
    std::fs::create_dir_all(folder).unwrap();
    host(Config::new(Compiler::InProcess, Some(folder.into()), [0; 32]))
});

/// Packages that were made already, by name and manifest.
static PACKAGES: Mutex<BTreeMap<(String, String), Arc<Verified>>> = Mutex::new(BTreeMap::new());

/// The signature key is made once: making keys takes time.
static KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::generate().unwrap());

pub(crate) fn host(config: Config) -> Host {
    let ports = Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        key_value: Arc::new(Memory::default()),
    };
    config.build(ports).unwrap()
}

/// The host that most tests share.
pub(crate) fn shared() -> &'static Host {
    &HOST
}

/// A package of a guest, signed and verified. `manifest` is what its source says beyond its name.
pub(crate) fn package(name: &str, wasm: &[u8], manifest: &str) -> Arc<Verified> {
    let mut packages = PACKAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || package_with(name, wasm, manifest, HOST.describe(wasm).unwrap());
    Arc::clone(packages.entry((name.to_owned(), manifest.to_owned())).or_insert_with(make))
}

/// A package that lists other tools than the guest does.
pub(crate) fn package_with(name: &str, wasm: &[u8], manifest: &str, tools: Vec<ToolSpec>) -> Arc<Verified> {
    package_of_kind("tool", name, wasm, manifest, tools)
}

/// A package that says itself what it is.
pub(crate) fn package_of_kind(
    kind: &str,
    name: &str,
    wasm: &[u8],
    manifest: &str,
    tools: Vec<ToolSpec>,
) -> Arc<Verified> {
    let source = format!(
        "name = \"{name}\"\nversion = \"1.0.0\"\npublisher = \"tester\"\ndescription = \"A test guest.\"\n\
         license = \"MIT\"\nkind = \"{kind}\"\n{manifest}"
    );
    let bytes = pack(wasm, &source, tools).unwrap();
    let signature = sign(&bytes, &KEY).unwrap();
    let publisher = Publisher {
        name: "tester".into(),
        keys: vec![KEY.public().unwrap()],
        prefixes: vec![name.to_owned()],
    };
    let trust = Trust { publishers: vec![publisher], ..Trust::default() };
    Arc::new(verify(bytes, &signature, &trust).unwrap())
}

/// A guest that asks for nothing, loaded on the shared host.
pub(crate) fn load(name: &str, wasm: &[u8], deployment: Deployment) -> Arc<Component> {
    HOST.load(&package(name, wasm, ""), deployment).unwrap()
}

/// Limits under which nothing but the one that a test is about is ever reached, however busy the machine.
pub(crate) fn generous() -> Limits {
    Limits { wall: Duration::from_mins(5), cpu: Duration::from_mins(2), ..Limits::default() }
}

pub(crate) fn with_limits(limits: Limits) -> Deployment {
    Deployment { limits, ..Deployment::default() }
}

/// The folder as `/workspace`, with room for `quota` bytes.
pub(crate) fn workspace(folder: &std::path::Path, quota: u64) -> Mount {
    Mount {
        name: "workspace".into(),
        path: folder.into(),
        access: Access::ReadWrite,
        quota,
        scope: Scope::Tree,
    }
}

pub(crate) fn call(tool: &str, arguments: Value) -> ToolCall {
    call_as(Role::Owner, tool, arguments)
}

pub(crate) fn call_as(role: Role, tool: &str, arguments: Value) -> ToolCall {
    let sender = Sender { provider: "test".into(), user: "1".into(), display_name: "Tester".into() };
    ToolCall {
        id: CallId::generate(&SystemRandom),
        turn: TurnId::generate(&SystemRandom),
        tool: tool.into(),
        arguments,
        caller: Caller { sender, role, audience: Audience::Private },
        reach: openpact_model::tool::Reach::Granted,
        deadline: None,
        progress: openpact_model::tool::ProgressSink::default(),
        cancel: CancellationToken::new(),
    }
}

/// Calls a tool and gives its text.
pub(crate) async fn text(component: &Component, tool: &str, arguments: Value) -> Result<String, ToolFailure> {
    component.call(call(tool, arguments)).await.map(|output| output.as_text())
}

/// Calls a hostile tool while a neighbour is called again and again, and gives the report.
///
/// Every call of the neighbour must be answered, at least one of them from before the end of the hostile call, and one
/// after it: the host lives.
pub(crate) async fn attack(component: &Arc<Component>, tool: &str, arguments: Value) -> Report {
    let neighbour = load("echo", openpact_test_guests::ECHO, with_limits(generous()));
    let (component, call) = (Arc::clone(component), call(tool, arguments));
    let hostile = tokio::spawn(async move { component.call_reported(call).await });
    loop {
        let over = hostile.is_finished();
        let echoed = text(&neighbour, "echo", json!({"text": "still here"})).await;
        assert_eq!(echoed.as_deref(), Ok("still here"), "the neighbour must not notice");
        if over {
            break;
        }
    }
    hostile.await.unwrap()
}

/// As [`attack`], and what came of it.
pub(crate) async fn failure(component: &Arc<Component>, tool: &str, arguments: Value) -> ToolFailure {
    let report = attack(component, tool, arguments).await;
    report.result.expect_err("the attack must not be answered")
}

/// A key-value store in memory.
#[derive(Default)]
pub(crate) struct Memory(Mutex<BTreeMap<(Principal, String), Vec<u8>>>);

#[async_trait]
impl KeyValue for Memory {
    async fn get(&self, owner: &Principal, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        if key == "broken" {
            return Err(PortError::message("the disk at /secret/place is gone"));
        }
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(values.get(&(owner.clone(), key.to_owned())).cloned())
    }

    async fn put(
        &self,
        owner: &Principal,
        key: &str,
        value: Option<Vec<u8>>,
        expected: Option<Option<Vec<u8>>>,
        quota: u64,
    ) -> Result<KeyValueWrite, PortError> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (owner.clone(), key.to_owned());
        let there = values.get(&place).cloned();
        if expected.is_some_and(|expected| expected != there) {
            return Ok(KeyValueWrite::Conflict(there));
        }
        let Some(value) = value else {
            values.remove(&place);
            return Ok(KeyValueWrite::Stored);
        };
        let own = values.iter().filter(|((of, name), _)| of == owner && name != key);
        let used: usize = own.map(|((_, name), value)| name.len() + value.len()).sum();
        if (used + key.len() + value.len()) as u64 > quota {
            return Ok(KeyValueWrite::OverQuota);
        }
        values.insert(place, value);
        Ok(KeyValueWrite::Stored)
    }

    async fn keys(
        &self,
        owner: &Principal,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, PortError> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = values.keys().filter(|(of, _)| of == owner).map(|(_, key)| key.clone());
        let own = own.filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Ok(own.take(limit as usize).collect())
    }
}
