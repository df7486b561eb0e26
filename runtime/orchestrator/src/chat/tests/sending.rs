//! A platform that refuses, is slow, or is away.

use openpact_model::chat::SendError;

use super::*;

async fn scene(world: &World, platform: &Arc<Platform>) -> Scene {
    Scene::start(world, platform, Kind::Puppet, config()).await
}

#[tokio::test]
async fn a_part_is_sent_until_it_arrives_and_the_next_one_waits_for_it() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail(
        "a",
        [
            SendError::Unavailable("away".into()),
            SendError::RateLimited { retry_after: 5, global: false },
            SendError::Denied,
            SendError::RateLimited { retry_after: 5, global: true },
        ],
    );
    scene.say("a", "1", "x¶y").await;
    assert_eq!(platform.until("a", 2).await, ["you said x", "y"]);
    scene.settled().await;
    assert_eq!(platform.said().len(), 2);
}

#[tokio::test]
async fn what_may_have_arrived_is_sent_again_with_the_same_key() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail("a", [SendError::Unknown("cut".into())]);
    scene.say("a", "1", "x").await;
    platform.until("a", 2).await;
    scene.settled().await;
    let said = platform.said();
    assert_eq!(said.len(), 2);
    assert_eq!(said[0].key, said[1].key);
}

#[tokio::test]
async fn a_refusal_is_recorded_and_told_to_the_next_turn_once() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail("a", [SendError::Refused("no \u{1b}[31mmarkup".into())]);
    scene.say("a", "1", "x¶y").await;
    assert_eq!(platform.until("a", 1).await, ["y"], "the other part goes on");
    scene.settled().await;
    assert_eq!(scene.chat.counts().await.unwrap().given_up, 1);
    let records = world.audit("message.send").await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].detail["outcome"], "refused");
    for (id, told) in [("2", true), ("3", false)] {
        scene.say("a", id, "next").await;
        scene.settled().await;
        let (_, turn) = scene.engine.last();
        assert_eq!(turn.system.contains("was not delivered; the audit log says why"), told, "{id}");
        assert!(!turn.system.contains("markup"), "no words of the adapter are in it: {}", turn.system);
    }
}

#[tokio::test]
async fn a_message_is_given_up_after_a_day() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail("a", (0..3).map(|_| SendError::Unavailable("away".into())));
    scene.say("a", "1", "x").await;
    scene.settled().await;
    assert_eq!(platform.texts("a").len(), 1, "within the day it is tried");
    world.clock.advance(Duration::from_hours(24));
    platform.fail("a", (0..3).map(|_| SendError::Unavailable("away".into())));
    scene.say("a", "2", "y").await;
    scene.settled().await;
    assert_eq!(platform.texts("a").len(), 2, "a new message has a day of its own");
    platform.fail("a", (0..10_000).map(|_| SendError::Unavailable("away".into())));
    scene.say("a", "3", "z").await;
    while world.store.outbox().counts().await.unwrap().waiting == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.clock.advance(Duration::from_hours(24));
    scene.settled().await;
    assert_eq!(world.audit("message.send").await[0].detail["outcome"], "given-up");
}

#[tokio::test]
async fn a_part_at_which_the_adapter_breaks_is_given_up() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail("a", (0..10).map(|_| SendError::Broken("trap".into())));
    scene.say("a", "1", "x¶y").await;
    assert_eq!(platform.until("a", 1).await, ["y"]);
    scene.settled().await;
    assert_eq!(world.audit("message.send").await[0].detail["outcome"], "refused");
}

#[tokio::test]
async fn a_stuck_call_delays_its_own_channel_alone() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.stick("a");
    scene.say("a", "1", "x¶y").await;
    platform.until("a", 1).await;
    for id in 2..20 {
        scene.say("b", &id.to_string(), "x").await;
    }
    platform.until("b", 18).await;
    assert_eq!(platform.texts("a").len(), 1);
}

#[tokio::test]
async fn what_waits_is_sent_when_an_adapter_is_attached_again() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.say("a", "1", "gate").await;
    scene.engine.until(1).await;
    scene.chat.detach("fake");
    assert!(scene.chat.connection("fake").is_none());
    scene.engine.gate.add_permits(1);
    scene.chat.attach(Arc::clone(&platform) as Arc<dyn Adapter>, Pace::default()).await.unwrap();
    assert_eq!(platform.until("a", 1).await, ["through"]);
    let again = scene.chat.attach(Arc::clone(&platform) as Arc<dyn Adapter>, Pace::default()).await;
    assert!(matches!(again, Err(Error::Attached { .. })));
}
