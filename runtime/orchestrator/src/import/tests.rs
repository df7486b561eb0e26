//! What the first OpenPact left, in its own format.

use std::fs;
use std::sync::Arc;

use openpact_model::clock::Clock;
use openpact_model::random::SystemRandom;
use openpact_model::role::{Audience, Role};

use super::*;
use crate::testing::{Puppet, World};
use crate::{router, session};

fn engine(world: &World) -> Arc<Puppet> {
    let ports = router::Ports {
        store: world.store.clone(),
        secrets: world.store.secrets(),
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        random: Arc::new(SystemRandom),
    };
    Puppet::new(world.store.clone(), router::Config::default().build(ports, Vec::new()).unwrap())
}

fn place(provider: &str, channel: &str) -> Channel {
    Channel { provider: provider.into(), channel: channel.into(), thread: None }
}

async fn run(world: &World, folder: &Path) -> Imported {
    channels(&world.store, &*engine(world), folder).await.unwrap()
}

#[tokio::test]
async fn what_is_valid_is_taken_in_once_and_the_rest_is_told() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let here = world.store.sessions().create("puppet", "old").await.unwrap().id;
    let other = world.store.sessions().create("puppet", "newer").await.unwrap().id;
    let taken = place("telegram", "77");
    world.store.sessions().set_active(&taken, &other).await.unwrap();
    world.store.chat_channels().set_mode(&place("slack", "C2"), Detail::Full).await.unwrap();
    let sessions = serde_json::json!({ "sessions": {
        "discord:123": here.as_str(), "telegram:-100:5": here.as_str(), "telegram:77": here.as_str(),
        "slack:C1": "ses_gone", "nonsense": here.as_str(), ":1": here.as_str(), "discord:": here.as_str(),
        "Dis cord:1": here.as_str(), "discord:4": 5, "discord:5": "", "discord:6\n": here.as_str(),
    }});
    let modes = serde_json::json!({ "modes": {
        "discord:123": "thinking", "slack:C2": "simple", "slack:C3": "loud", "slack:C4": null,
    }});
    fs::write(folder.path().join(SESSIONS), sessions.to_string()).unwrap();
    fs::write(folder.path().join(MODES), modes.to_string()).unwrap();
    let imported = run(&world, folder.path()).await;
    assert_eq!(imported, Imported { sessions: 2, modes: 1, skipped: 10 });
    let active = async |channel: &Channel| world.store.sessions().active(channel).await.unwrap();
    assert_eq!(active(&place("discord", "123")).await, Some(here.clone()));
    assert_eq!(active(&place("telegram", "-100:5")).await, Some(here.clone()));
    assert_eq!(active(&taken).await, Some(other), "what is newer stays");
    let mode = async |channel: &Channel| world.store.chat_channels().get(channel).await.unwrap().mode;
    assert_eq!(mode(&place("discord", "123")).await, Some(Detail::Thinking));
    assert_eq!(mode(&place("slack", "C2")).await, Some(Detail::Full), "what was chosen since stays");
    let records = world.audit("import.channels").await;
    assert_eq!(records.len(), 2);
    // Never again, whatever lies there.
    fs::write(folder.path().join(MODES), r#"{"modes":{"slack:C9":"full"}}"#).unwrap();
    let world = world.restart().await;
    assert_eq!(run(&world, folder.path()).await, Imported::default());
    assert_eq!(world.audit("import.channels").await.len(), 2);
    assert!(folder.path().join(SESSIONS).exists(), "the files are the owner's to remove");
}

/// What `channel` talks in after the import, when somebody writes there whose answer this audience reads.
async fn after_import(audience: Audience) -> (bool, Option<&'static str>) {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let engine = engine(&world);
    let old = world.store.sessions().create("puppet", "old").await.unwrap().id;
    let here = place("telegram", "77");
    let sessions = serde_json::json!({ "sessions": { "telegram:77": old.as_str() } });
    fs::write(folder.path().join(SESSIONS), sessions.to_string()).unwrap();
    assert_eq!(run(&world, folder.path()).await.sessions, 1);
    let found = session::active(&world.store, &*engine, &here, audience).await.unwrap();
    let again = session::active(&world.store, &*engine, &here, audience).await.unwrap();
    assert_eq!((&again.session.id, again.notice), (&found.session.id, None), "and it goes on from there");
    // Whoever else reads there sees nothing of it, and the owner alone does.
    let seen = async |role, audience| {
        let seen = session::visible(&world.store, &*engine, &here, role, audience).await.unwrap();
        seen.iter().any(|session| session.id == old)
    };
    assert!(seen(Role::Owner, Audience::Private).await);
    for role in [Role::Owner, Role::Member, Role::Guest] {
        assert!(!seen(role, Audience::Group).await, "{role}");
    }
    (found.session.id == old, found.notice)
}

#[tokio::test]
async fn a_session_that_was_taken_in_goes_on_where_the_owner_is_alone() {
    assert_eq!(after_import(Audience::Private).await, (true, None));
}

#[tokio::test]
async fn a_session_that_was_taken_in_is_told_to_no_group() {
    let (goes_on, notice) = after_import(Audience::Group).await;
    assert!(!goes_on);
    assert!(notice.is_some_and(|notice| notice.contains("finds the old one with /sessions")), "{notice:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_tried_again_and_what_is_not_there_is_no_matter() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join(MODES);
    assert_eq!(run(&world, folder.path()).await, Imported::default());
    let huge = format!("{{\"modes\":{{}},\"x\":\"{}\"}}", "x".repeat(usize::try_from(LARGEST).unwrap()));
    for bad in ["", "[]", "{", "{\"modes\":[]}", "{\"sessions\":{}}", &huge] {
        fs::write(&path, bad).unwrap();
        assert_eq!(run(&world, folder.path()).await, Imported::default());
        assert!(!world.store.imports().is_done(MODES).await.unwrap(), "{bad:.20}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    run(&world, folder.path()).await;
    fs::remove_dir(&path).unwrap();
    fs::write(&path, r#"{"modes":{"slack:C9":"full"}}"#).unwrap();
    assert_eq!(run(&world, folder.path()).await.modes, 1);
}

#[tokio::test]
async fn what_cannot_be_stored_is_taken_in_by_nobody() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join(MODES), r#"{"modes":{"a:1":"full","a:2":"tools"}}"#).unwrap();
    world.break_table("chat_channel", "NEW.channel = '2'");
    assert!(channels(&world.store, &*engine(&world), folder.path()).await.is_err());
    assert_eq!(world.store.chat_channels().get(&place("a", "1")).await.unwrap().mode, None, "nor a half");
    world.mend();
    assert_eq!(run(&world, folder.path()).await.modes, 2);
}

#[test]
fn only_so_many_entries_are_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new();
        let entries = (0..=MOST).map(|number| (format!("a:{number}"), Value::from("full"))).collect();
        let mut skipped = Skipped { file: MODES, count: 0 };
        let import = import(&*engine(&world), "modes", entries, &mut skipped).await.unwrap();
        assert_eq!((import.modes.len(), skipped.count), (MOST, 1));
    });
}
