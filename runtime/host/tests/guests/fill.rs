//! Guests that fill their folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use openpact_host::{Access, Component, Deployment, Mount};
use openpact_model::tool::{Limit, ToolFailure};
use openpact_test_guests::FILL;
use serde_json::json;

use crate::fixture::{failure, generous, load, text, with_limits, workspace};

const QUOTA: u64 = 200_000;
/// What a name counts, as the documentation of a mount's quota says.
const ENTRY: u64 = 4096;

fn component(folder: &Path) -> Arc<Component> {
    let deployment = Deployment { mounts: vec![workspace(folder, QUOTA)], ..with_limits(generous()) };
    load("fill", FILL, deployment)
}

/// The bytes in the folder as the quota counts them.
fn used(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    entries.map(|about| ENTRY + if about.is_file() { about.len() } else { 0 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_growing_passes_the_quota() {
    for tool in [
        "fill_write",
        "fill_append",
        "fill_extend",
        "fill_far",
        "fill_entries",
        "fill_folders",
        "fill_orphans",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ended = failure(&component(folder.path()), tool, json!({})).await;
        assert_eq!(ended, ToolFailure::LimitReached { limit: Limit::Files, value: QUOTA }, "{tool}");
        assert!(used(folder.path()) <= QUOTA, "{tool} left {} bytes", used(folder.path()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_holds_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let component = component(folder.path());
    let fits = QUOTA - ENTRY;
    assert_eq!(text(&component, "fill_once", json!({"bytes": fits})).await.as_deref(), Ok("written"));
    assert_eq!(used(folder.path()), QUOTA);
    // The same name again: what it had is given back first.
    assert_eq!(text(&component, "fill_once", json!({"bytes": fits})).await.as_deref(), Ok("written"));
    let over = failure(&component, "fill_once", json!({"bytes": fits + 1})).await;
    assert_eq!(over, ToolFailure::LimitReached { limit: Limit::Files, value: QUOTA });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_there_counts_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old"), vec![0; 100_000]).unwrap();
    let component = component(folder.path());
    let left = QUOTA - 100_000 - 2 * ENTRY;
    assert_eq!(text(&component, "fill_once", json!({"bytes": left})).await.as_deref(), Ok("written"));
    let over = text(&component, "fill_once", json!({"bytes": 1, "name": "more"})).await;
    assert_eq!(over, Err(ToolFailure::LimitReached { limit: Limit::Files, value: QUOTA }));
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_and_removing_give_back_what_they_took() {
    let folder = tempfile::tempdir().unwrap();
    let component = component(folder.path());
    assert_eq!(text(&component, "fill_swap", json!({"times": 100})).await.as_deref(), Ok("never refused"));
    fs::remove_file(folder.path().join("final")).unwrap();
    // Files that nobody can name any more are gone with the call that held them.
    failure(&component, "fill_orphans", json!({})).await;
    let left = QUOTA - 2 * ENTRY - 10_000;
    assert_eq!(text(&component, "fill_once", json!({"bytes": left})).await.as_deref(), Ok("written"));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_share_one_quota() {
    let folder = tempfile::tempdir().unwrap();
    let component = component(folder.path());
    let calls = (0..6).map(|number| {
        let component = Arc::clone(&component);
        let arguments = json!({"bytes": 60_000, "name": format!("part-{number}")});
        tokio::spawn(async move { text(&component, "fill_once", arguments).await })
    });
    for ended in futures::future::join_all(calls).await {
        let ended = ended.unwrap();
        let over = Err(ToolFailure::LimitReached { limit: Limit::Files, value: QUOTA });
        assert!(ended == over || ended.as_deref() == Ok("written"), "{ended:?}");
    }
    assert!(used(folder.path()) <= QUOTA);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_components_share_the_quota_of_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (component(folder.path()), component(folder.path()));
    assert!(text(&one, "fill_once", json!({"bytes": 120_000, "name": "a"})).await.is_ok());
    let over = text(&other, "fill_once", json!({"bytes": 120_000, "name": "b"})).await;
    assert_eq!(over, Err(ToolFailure::LimitReached { limit: Limit::Files, value: QUOTA }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_for_reading_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount { access: Access::Read, ..workspace(folder.path(), QUOTA) };
    let component = load("fill", FILL, Deployment { mounts: vec![mount], ..with_limits(generous()) });
    for tool in ["fill_write", "fill_append", "fill_extend", "fill_entries", "fill_folders", "fill_swap"] {
        let ToolFailure::Failed(words) = failure(&component, tool, json!({"times": 1})).await else {
            panic!("{tool} must fail");
        };
        assert!(words.starts_with("ReadOnlyFilesystem"), "{tool}: {words}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_made_anew_is_served_and_counted() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let component = component(&folder);
    let fits = json!({"bytes": QUOTA - ENTRY});
    assert_eq!(text(&component, "fill_once", fits.clone()).await.as_deref(), Ok("written"));
    fs::remove_dir_all(&folder).unwrap();
    let gone = text(&component, "fill_once", fits.clone()).await;
    assert!(
        matches!(&gone, Err(ToolFailure::Host(why)) if why.contains("the folder of a mount is gone")),
        "{gone:?}"
    );
    fs::create_dir(&folder).unwrap();
    assert_eq!(text(&component, "fill_once", fits).await.as_deref(), Ok("written"));
    let over = text(&component, "fill_once", json!({"bytes": 1, "name": "more"})).await;
    assert_eq!(over, Err(ToolFailure::LimitReached { limit: Limit::Files, value: QUOTA }));
}
