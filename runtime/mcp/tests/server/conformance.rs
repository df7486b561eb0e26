//! The conformance suite of the Model Context Protocol, both requirement sets, against the real server with the real
//! sandbox behind it. `tests/server/expected-*.yaml` lists what is not met, each with its reason; an entry there that
//! is met fails the suite too.

use std::path::Path;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use openpact_model::id::Digest;
use openpact_model::port::ToolProvider;
use openpact_model::principal::Principal;
use openpact_model::role::Role;
use openpact_model::tool::{Effects, Reads, ToolCall, ToolFailure, ToolOutput, ToolSpec, Writes};
use openpact_orchestrator::router::Router;
use serde_json::{Value, json};

use crate::fixture::{World, world};
use crate::proxy;

async fn check(revision: &str) {
    let Some(npm) = openpact_test_programs::npm() else { return };
    let world = world().await;
    Trigger::install(&world);
    let token = world.client("conformance", Role::Owner, &["*"]).await;
    let address = proxy::start(world.server.address(), token).await;
    let expected =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/server/expected-{revision}.yaml"));
    let results = tempfile::tempdir().unwrap();
    let mut command = npm.bin("@modelcontextprotocol/conformance", "dist/index.js");
    command.args(["server", "--url", &format!("http://{address}/mcp"), "--requirements", revision]);
    command.arg("--expected-failures").arg(expected).arg("--output-dir").arg(results.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{told}");
    assert!(output.status.success(), "the suite of {revision} failed: {}", failed(results.path()).join("\n"));
}

/// Two tools that no component can have: one by which the suite has the tools change, and one whose name is not of the
/// form that components' tools have.
struct Trigger {
    this: Weak<Self>,
    router: Weak<Router>,
    other: Arc<dyn ToolProvider>,
}

impl Trigger {
    fn install(world: &World) {
        let (router, other) = (Arc::downgrade(&world.router), Arc::clone(&world.provider));
        Arc::new_cyclic(|this| Self { this: Weak::clone(this), router, other }).change();
    }

    fn change(&self) {
        let (Some(this), Some(router)) = (self.this.upgrade(), self.router.upgrade()) else { return };
        router.set_providers(vec![Arc::clone(&self.other), this]).unwrap();
    }
}

#[async_trait]
impl ToolProvider for Trigger {
    fn principal(&self) -> Principal {
        Principal::Runtime
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn tools(&self) -> Arc<[ToolSpec]> {
        let spec = |name: &str, description: &str, input_schema| ToolSpec {
            name: name.into(),
            title: None,
            description: description.into(),
            input_schema,
            output_schema: None,
            effects: Effects { reads: Reads::Nothing, writes: Writes::Nothing },
        };
        Arc::new([
            spec("test_trigger_tool_change", "Has the tools change.", json!({"type": "object"})),
            spec("json_schema_2020_12_tool", "Takes an address.", address()),
        ])
    }

    async fn call(&self, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        if call.tool != "test_trigger_tool_change" {
            return Ok(ToolOutput::text("ok"));
        }
        self.change();
        Ok(ToolOutput::text("changed"))
    }
}

/// The schema of the suite's scenario `json-schema-2020-12`: every kind of keyword.
fn address() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

/// What failed, by scenario and check, with the reason.
fn failed(results: &Path) -> Vec<String> {
    let mut failed = Vec::new();
    for folder in std::fs::read_dir(results).unwrap().flatten() {
        let checks = std::fs::read(folder.path().join("checks.json")).unwrap_or_default();
        let checks: Vec<Value> = serde_json::from_slice(&checks).unwrap_or_default();
        let bad = checks.iter().filter(|check| check["status"] == "FAILURE" || check["status"] == "WARNING");
        let name = folder.file_name().to_string_lossy().into_owned();
        failed.extend(bad.map(|check| format!("{name} {}: {}", check["id"], check["errorMessage"])));
    }
    failed.sort();
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_without_sessions() {
    check("2026-07-28").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_with_sessions() {
    check("2025-11-25").await;
}
