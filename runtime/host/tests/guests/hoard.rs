//! Guests that open handles without end.

use openpact_host::{Deployment, Limits};
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::HOARD;
use serde_json::json;

use crate::fixture::{failure, generous, package, shared, workspace};

#[tokio::test(flavor = "multi_thread")]
async fn handles_of_every_kind_end_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let manifest =
        "[[requests.http]]\nmethods = [\"GET\"]\nurl = \"https://example.com/\"\nreason = \"to test\"\n";
    let deployment = Deployment {
        mounts: vec![workspace(folder.path(), 1 << 20)],
        limits: Limits { handles: 100, ..generous() },
        ..Deployment::default()
    };
    let component = shared().load(&package("hoard", HOARD, manifest), deployment).unwrap();
    for tool in ["hoard_files", "hoard_folders", "hoard_timers", "hoard_headers"] {
        let ended = failure(&component, tool, json!({})).await;
        assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::Handles, value: 100 }, "{tool}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_call_that_was_stopped_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let manifest =
        "[[requests.http]]\nmethods = [\"GET\"]\nurl = \"https://example.com/\"\nreason = \"to test\"\n";
    let deployment = Deployment {
        mounts: vec![workspace(folder.path(), 1 << 20)],
        limits: Limits { handles: 100, ..generous() },
        ..Deployment::default()
    };
    let component = shared().load(&package("hoard", HOARD, manifest), deployment).unwrap();
    failure(&component, "hoard_files", json!({})).await;
    let hoarded = folder.path().join("hoarded");
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == hoarded)).count();
    assert_eq!(open, 0);
}
