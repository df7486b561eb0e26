//! What the benches and the example share: a host and packages signed with a key of their own.

use std::sync::Arc;

use async_trait::async_trait;
use openpact_host::{Compiler, Component, Config, Deployment, Host, Limits, Ports};
use openpact_model::clock::SystemClock;
use openpact_model::id::{CallId, TurnId};
use openpact_model::port::{KeyValue, KeyValueWrite, PortError};
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_model::role::{Audience, Caller, Role, Sender};
use openpact_model::tool::ToolCall;
use openpact_packages::key::SecretKey;
use openpact_packages::{Publisher, Trust, pack, sign, verify};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A host as the program builds it.
pub(crate) fn host() -> Host {
    let ports =
        Ports { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), key_value: Arc::new(NoValues) };
    Config::new(Compiler::InProcess, None, [0; 32]).build(ports).expect("this machine can run components")
}

/// A guest under these limits.
pub(crate) fn load(host: &Host, name: &str, wasm: &[u8], limits: Limits) -> Arc<Component> {
    deploy(host, name, wasm, Deployment { limits, ..Deployment::default() })
}

/// A guest with what it is given.
pub(crate) fn deploy(host: &Host, name: &str, wasm: &[u8], deployment: Deployment) -> Arc<Component> {
    let requests = "[[requests.http]]\nmethods = [\"GET\"]\nurl = \"https://example.com/\"\nreason = \"to measure\"\n\
         [[requests.credentials]]\nname = \"token\"\ndescription = \"A token.\"\n\
         placement = \"header Authorization: Bearer {}\"\nhosts = [\"example.com\"]\n";
    let requests = if name == "fetch" { requests } else { "" };
    let key = SecretKey::generate().expect("a key");
    let source = format!(
        "name = \"{name}\"\nversion = \"1.0.0\"\npublisher = \"bench\"\ndescription = \"A guest.\"\nlicense = \"MIT\"\nkind = \"tool\"\n{requests}"
    );
    let tools = host.describe(wasm).expect("a tool component");
    let bytes = pack(wasm, &source, tools).expect("a package");
    let signature = sign(&bytes, &key).expect("a signature");
    let publisher = Publisher {
        name: "bench".into(),
        keys: vec![key.public().expect("a public key")],
        prefixes: vec![name.into()],
    };
    let trust = Trust { publishers: vec![publisher], ..Trust::default() };
    let package = Arc::new(verify(bytes, &signature, &trust).expect("a verified package"));
    host.load(&package, deployment).expect("a component")
}

/// A call by the owner.
pub(crate) fn call(tool: &str, arguments: Value) -> ToolCall {
    let sender = Sender { provider: "bench".into(), user: "1".into(), display_name: "Bench".into() };
    ToolCall {
        id: CallId::generate(&SystemRandom),
        turn: TurnId::generate(&SystemRandom),
        tool: tool.into(),
        arguments,
        caller: Caller { sender, role: Role::Owner, audience: Audience::Private },
        reach: openpact_model::tool::Reach::Granted,
        deadline: None,
        progress: openpact_model::tool::ProgressSink::default(),
        cancel: CancellationToken::new(),
    }
}

/// No guest here keeps anything.
struct NoValues;

#[async_trait]
impl KeyValue for NoValues {
    async fn get(&self, _: &Principal, _: &str) -> Result<Option<Vec<u8>>, PortError> {
        Ok(None)
    }

    async fn put(
        &self,
        _: &Principal,
        _: &str,
        _: Option<Vec<u8>>,
        _: Option<Option<Vec<u8>>>,
        _: u64,
    ) -> Result<KeyValueWrite, PortError> {
        Ok(KeyValueWrite::OverQuota)
    }

    async fn keys(&self, _: &Principal, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }
}
