//! Once it is decided who may speak, whoever was told of the request reads what was decided, and has no buttons any more.

use std::sync::atomic::Ordering;

use openpact_model::chat::{Abilities, Part, SendError, Target};
use openpact_store::approval::Kind as Request;
use openpact_store::outbox::New;

use super::announcing::{ask, bare, pressed};
use super::platform::{by, press};
use super::*;
use crate::people::Acceptance;

const ASKED: &str = "Somebody whom I did not know asked to be let in.\nAccount: fake:x\nName there, which anybody can \
                     choose: \"X\"\n";

fn platform() -> Arc<Platform> {
    Platform::with(Abilities { typing: true, buttons: true, edit: true, ..Abilities::default() })
}

/// Anna has written in `o` and Ben in `m`; both are owners.
async fn two_owners(world: &World, platform: &Arc<Platform>) -> Scene {
    let scene = Scene::start(world, platform, Kind::Puppet, config()).await;
    let mut two = stated(Rate { burst: 100_000, per_minute: 100_000 });
    two.people[1].role = Role::Owner;
    scene.chat.people.reconfigure(two).await.unwrap();
    scene.say("o", "o1", "hello").await;
    scene.deliver(by("member", message("m", "m1", "hello"))).await;
    scene.settled().await;
    scene
}

/// What both read of the request in the end.
async fn read_by_both(platform: &Platform, done: &str) {
    let expected = format!("{ASKED}{done}");
    for place in ["o", "m"] {
        platform.until_said(place, &["you said hello", &expected]).await;
    }
}

#[tokio::test]
async fn one_press_takes_the_buttons_away_everywhere_and_says_who_it_was() {
    let (world, platform) = (World::new(), platform());
    let scene = two_owners(&world, &platform).await;
    let code = bare(&ask(&scene, "x").await);
    platform.until("o", 2).await;
    assert!(platform.until("m", 2).await[1].contains(&format!("(deny:{code})")));
    pressed(&scene, press("o", "p1", &format!("approve:{code}:guest"))).await;
    read_by_both(&platform, "Let in as guest by anna (fake:owner).").await;
    let again = pressed(&scene, by("member", press("m", "p2", &format!("deny:{code}")))).await;
    assert!(again.contains("Not done"), "{again}");
    scene.settled().await;
    read_by_both(&platform, "Let in as guest by anna (fake:owner).").await;
}

#[tokio::test]
async fn it_is_no_matter_where_it_was_decided() {
    let (world, platform) = (World::new(), platform());
    let scene = two_owners(&world, &platform).await;
    let code = ask(&scene, "x").await;
    scene.settled().await;
    // By a command, of what the person said who asked.
    scene.deliver(by("member", message("q", "c1", &format!("/deny {code}")))).await;
    read_by_both(&platform, "Turned down by ben (fake:member).").await;
    // Where OpenPact runs; the message of another request stays as it is.
    let other = ask(&scene, "y").await;
    let third = ask(&scene, "z").await;
    scene.settled().await;
    let acceptance = Acceptance { code: &other, role: Role::Member, name: Some("yara"), by: "admin" };
    scene.chat.people.accept(acceptance).await.unwrap();
    let expected = ASKED.replace("fake:x", "fake:y").replace("\"X\"", "\"Y\"") + "Let in as member by admin.";
    while platform.texts("o")[2] != expected {
        platform.until("o", 4).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scene.settled().await;
    assert!(
        platform.texts("o")[3].contains(&format!("(deny:{})", bare(&third))),
        "{:?}",
        platform.texts("o")
    );
}

#[tokio::test]
async fn what_is_decided_already_is_asked_of_nobody() {
    let (world, platform) = (World::new(), platform());
    let scene = two_owners(&world, &platform).await;
    let code = bare(&ask(&scene, "x").await);
    scene.settled().await;
    let question = || {
        let target = Target { account: "me".into(), channel: "q".into(), thread: None, reply_to: None };
        let part = Part { body: "late".into(), plain: "late".into(), files: Vec::new() };
        vec![New { instance: "fake".into(), target, part, key: "late".into() }]
    };
    let ask = async || world.store.outbox().announce(question(), Request::Pairing, &code).await.unwrap();
    assert!(ask().await.is_some());
    scene.chat.people.deny(&code, "admin").await.unwrap();
    assert_eq!(ask().await, None);
    read_by_both(&platform, "Turned down by admin.").await;
}

#[tokio::test]
async fn where_it_cannot_be_changed_nothing_else_is_said_and_nothing_waits() {
    for edit in [false, true] {
        let (world, platform) =
            (World::new(), Platform::with(Abilities { buttons: true, edit, ..Abilities::default() }));
        let scene = two_owners(&world, &platform).await;
        let code = bare(&ask(&scene, "x").await);
        scene.settled().await;
        let (before, lost) = (platform.texts("o"), scene.chat.counts().await.unwrap().given_up);
        lock(&platform.edit_faults).extend([SendError::Refused("too old".into()), SendError::Denied]);
        pressed(&scene, press("o", "p1", &format!("approve:{code}:member"))).await;
        platform.until("with x", 2).await;
        scene.settled().await;
        assert_eq!(platform.texts("o"), before);
        assert_eq!(scene.chat.counts().await.unwrap().given_up, lost);
        assert_eq!(platform.texts("m").len(), 2, "nobody is told in another message");
        // And the place is free.
        scene.say("o", "o2", "again").await;
        platform.until("o", 3).await;
    }
}

#[tokio::test]
async fn a_question_that_never_arrived_is_not_in_the_way() {
    let (world, platform) = (World::new(), platform());
    let scene = two_owners(&world, &platform).await;
    platform.fail("o", [SendError::Refused("blocked".into())]);
    let code = bare(&ask(&scene, "x").await);
    platform.until("m", 2).await;
    scene.settled().await;
    pressed(&scene, by("member", press("m", "p1", &format!("deny:{code}")))).await;
    let expected = format!("{ASKED}Turned down by ben (fake:member).");
    platform.until_said("m", &["you said hello", &expected]).await;
    scene.settled().await;
    assert_eq!(platform.texts("o"), ["you said hello"]);
    scene.say("o", "o2", "again").await;
    platform.until("o", 2).await;
}

#[test]
fn a_crash_between_the_decision_and_the_change_loses_no_change() {
    let platform = platform();
    let world = live(World::new(), &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("o", "o1", "hello").await;
        scene.settled().await;
        let code = bare(&ask(&scene, "x").await);
        scene.settled().await;
        // The program ends in the call, which never reaches the platform's answer.
        scene.platform.is_edit_stuck.store(true, Ordering::SeqCst);
        lock(&scene.platform.edit_faults).push_back(SendError::Unavailable("it is not there".into()));
        pressed(&scene, press("o", "p1", &format!("deny:{code}"))).await;
        while !lock(&scene.platform.edit_faults).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(scene.platform.texts("o")[1].contains("(deny:"));
    });
    platform.is_edit_stuck.store(false, Ordering::SeqCst);
    let expected = format!("{ASKED}Turned down by anna (fake:owner).");
    let world = live(world, &platform, Kind::Puppet, config(), |scene| async move {
        scene.platform.until_said("o", &["you said hello", &expected]).await;
        scene.settled().await;
    });
    let before = platform.said();
    live(world, &platform, Kind::Puppet, config(), |scene| async move { scene.settled().await });
    assert_eq!(platform.said(), before, "once");
}

#[test]
fn what_was_decided_while_nothing_ran_is_said_at_the_next_start() {
    let platform = platform();
    let world = live(World::new(), &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("o", "o1", "hello").await;
        scene.settled().await;
        ask(&scene, "x").await;
        scene.platform.until("o", 2).await;
        scene.settled().await;
    });
    let told = platform.texts("with x").remove(0);
    let code = told.rsplit(' ').next().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let people = people(&world).await;
        people.deny(code, "admin").await.unwrap();
    });
    drop(runtime);
    let expected = format!("{ASKED}Turned down by admin.");
    live(world, &platform, Kind::Puppet, config(), |scene| async move {
        scene.platform.until_said("o", &["you said hello", &expected]).await;
    });
}

#[tokio::test]
async fn a_change_waits_for_the_message_that_it_changes() {
    let (world, platform) = (World::new(), platform());
    let scene = two_owners(&world, &platform).await;
    // On its way when it is decided, and not there yet.
    platform.fail("o", [SendError::RateLimited { retry_after: 50, global: false }]);
    let code = ask(&scene, "x").await;
    platform.until("m", 2).await;
    scene.chat.people.deny(&code, "admin").await.unwrap();
    read_by_both(&platform, "Turned down by admin.").await;
    assert!(platform.said().iter().all(|said| !said.text.contains("(deny:")), "{:?}", platform.said());
}
