//! Adapters that come and go at a bad moment, and rows that cannot be read or are seen twice.

use std::sync::atomic::Ordering;

use openpact_model::chat::{Part, Target};
use openpact_store::outbox::New;

use super::*;

async fn scene(world: &World, platform: &Arc<Platform>) -> Scene {
    Scene::start(world, platform, Kind::Puppet, config()).await
}

impl Scene {
    async fn attach(&self) -> Result<(), Error> {
        self.chat.attach(Arc::clone(&self.platform) as Arc<dyn Adapter>, Pace::default()).await
    }
}

#[tokio::test]
async fn an_adapter_whose_attaching_failed_is_not_in_the_way() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.chat.detach("fake");
    world.sql("ALTER TABLE inbox RENAME TO gone");
    assert!(matches!(scene.attach().await, Err(Error::Store(_))));
    assert!(scene.chat.attached("fake").is_none());
    world.sql("ALTER TABLE gone RENAME TO inbox");
    scene.attach().await.unwrap();
    scene.chat.report("fake", platform::connected("me")).await.unwrap();
    scene.say("a", "1", "x").await;
    platform.until("a", 1).await;
}

#[tokio::test]
async fn an_adapter_whose_attaching_was_cut_off_is_not_in_the_way() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    for _ in 0..20 {
        scene.chat.detach("fake");
        let mut attaching = Box::pin(scene.attach());
        // As far as it is there, and no further.
        while scene.chat.attached("fake").is_none() {
            assert!(futures::poll!(&mut attaching).is_pending());
            tokio::task::yield_now().await;
        }
        drop(attaching);
        scene.attach().await.unwrap();
    }
}

#[tokio::test]
async fn a_part_that_two_adapters_were_given_is_sent_once() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    let before = scene.chat.attached("fake");
    scene.chat.detach("fake");
    let target = Target { account: "me".into(), channel: "a".into(), thread: None, reply_to: None };
    let part = Part { body: "x".into(), plain: "x".into(), files: Vec::new() };
    let new = New { instance: "fake".into(), target, part, key: "k".into() };
    // Taken for the adapter that was there, and found again by the one that came.
    let first = world.store.outbox().insert(vec![new]).await.unwrap();
    assert!(first.is_some());
    scene.attach().await.unwrap();
    platform.until("a", 1).await;
    scene.settled().await;
    scene.chat.hand_over(&channel("a"), first, before).await;
    let after = scene.chat.attached("fake").unwrap();
    after.finish().await;
    assert_eq!(platform.texts("a").len(), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_ends_alone() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.say("a", "1", "gate").await;
    scene.engine.until(1).await;
    scene.say("a", "2", "second").await;
    scene.say("a", "3", "third").await;
    world.sql("UPDATE inbox SET body = '{}' WHERE number = 2");
    scene.engine.gate.add_permits(1);
    assert_eq!(platform.until("a", 2).await, ["through", "you said third"]);
    scene.settled().await;
    assert_eq!(world.audit("message.answer").await.len(), 1);
}

#[test]
fn a_command_that_cannot_be_read_keeps_no_adapter_away() {
    let platform = Platform::new();
    platform.is_render_stuck.store(true, Ordering::SeqCst);
    let world = live(World::new(), &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("a", "1", "/mode").await;
        scene.say("b", "2", "/mode").await;
    });
    platform.is_render_stuck.store(false, Ordering::SeqCst);
    world.sql("UPDATE inbox SET body = '{}' WHERE number = 1");
    live(world, &platform, Kind::Puppet, config(), |scene| async move {
        scene.platform.until("b", 1).await;
        scene.settled().await;
        assert!(scene.platform.texts("a").is_empty());
    });
}

#[tokio::test]
async fn a_part_that_cannot_be_read_holds_up_none_behind_it() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail("a", [openpact_model::chat::SendError::RateLimited { retry_after: 50, global: false }]);
    scene.say("a", "1", "x¶y").await;
    while world.store.outbox().counts().await.unwrap().waiting < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.sql("UPDATE outbox SET part = '{}' WHERE number = 2");
    scene.say("a", "2", "z").await;
    assert_eq!(platform.until("a", 2).await, ["you said x", "you said z"]);
    scene.settled().await;
    assert_eq!(scene.chat.counts().await.unwrap().given_up, 1);
}

#[tokio::test]
async fn a_command_that_is_done_is_not_done_again() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.say("a", "1", "/new").await;
    platform.until("a", 1).await;
    scene.settled().await;
    scene.chat.start_control(1, &message("a", "1", "/new"), "fake");
    while scene.chat.lanes.len() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(world.store.sessions().list("puppet").await.unwrap().len(), 1);
    assert_eq!(platform.texts("a").len(), 1);
}

#[test]
fn a_command_that_was_cut_off_is_told_about_and_not_repeated() {
    let platform = Platform::new();
    platform.is_render_stuck.store(true, Ordering::SeqCst);
    let world = live(World::new(), &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("a", "1", "/new").await;
        while scene.platform.calls.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    platform.is_render_stuck.store(false, Ordering::SeqCst);
    let world = live(world, &platform, Kind::Puppet, config(), |scene| async move {
        assert!(scene.platform.until("a", 1).await[0].starts_with("OpenPact stopped while"));
        scene.settled().await;
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sessions = runtime.block_on(world.store.sessions().list("puppet")).unwrap();
    assert_eq!(sessions.len(), 1);
}
