//! Clients of others: the MCP Inspector and the TypeScript SDK.

use openpact_model::role::Role;
use serde_json::Value;

use crate::fixture::world;

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_lists_and_calls() {
    let Some(npm) = openpact_test_programs::npm() else { return };
    let world = world().await;
    let token = world.client("inspector", Role::Owner, &["*"]).await;
    let run = |extra: &'static [&'static str]| {
        let mut command = npm.bin("@modelcontextprotocol/inspector", "clients/launcher/build/index.js");
        command.args(["--cli", world.server.url(), "--transport", "http"]).args(extra);
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
        async move {
            let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
        }
    };
    let list = run(&["--method", "tools/list"]).await;
    assert_eq!(list["tools"].as_array().unwrap().len(), world.provider.tools().len(), "{list}");
    let answer =
        run(&["--method", "tools/call", "--tool-name", "test_add", "--tool-arg", "a=2", "--tool-arg", "b=3"])
            .await;
    assert_eq!(answer["structuredContent"]["sum"], 5, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_lists_and_calls() {
    let Some(npm) = openpact_test_programs::npm() else { return };
    let world = world().await;
    let token = world.client("sdk", Role::Owner, &["*"]).await;
    let folder = tempfile::tempdir().unwrap();
    npm.workshop(folder.path()).unwrap();
    let script = folder.path().join("client.mjs");
    std::fs::write(&script, include_str!("client.mjs")).unwrap();
    let mut command = npm.script(&script);
    command.arg("http").arg(world.server.url()).arg(token);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["tools"], world.provider.tools().len());
    assert_eq!(told["sum"], 5);
    assert_eq!(told["progress"], serde_json::json!([0, 50, 100]));
}
