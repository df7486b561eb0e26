//! The program dies in every state that a message has.

use std::sync::atomic::Ordering;

use super::*;

#[test]
fn messages_that_waited_or_ran_are_answered_after_a_crash() {
    let platform = Platform::new();
    let world = live(World::new(), &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("a", "1", "gate").await;
        scene.engine.until(1).await;
        scene.say("a", "2", "second").await;
        scene.say("a", "3", "/mode full").await;
        scene.platform.until("a", 1).await;
        assert_eq!(scene.chat.counts().await.unwrap().running, 1);
    });
    let world = live(world, &platform, Kind::Puppet, config(), |scene| async move {
        scene.engine.gate.add_permits(1);
        // The platform delivers again what it was not told about.
        scene.say("a", "1", "gate").await;
        let texts = scene.platform.until("a", 3).await;
        assert_eq!(texts, ["The mode here is now full.", "through", "you said second"]);
        scene.settled().await;
    });
    live(world, &platform, Kind::Puppet, config(), |scene| async move {
        scene.settled().await;
        assert_eq!(scene.platform.said().len(), 3, "nothing is said again");
    });
}

#[test]
fn a_turn_that_called_a_tool_is_told_about_and_not_repeated() {
    let platform = Platform::new();
    let world = live(World::new(), &platform, Kind::Direct, config(), |scene| async move {
        scene.say("a", "1", "!slow {}").await;
        while scene.tools.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let world = live(world, &platform, Kind::Direct, config(), |scene| async move {
        let texts = scene.platform.until("a", 1).await;
        assert!(texts[0].contains("slow (outcome unknown)"), "{texts:?}");
        scene.settled().await;
        assert!(scene.tools.calls().is_empty());
        scene.say("a", "2", "!note {\"text\":\"on\"}").await;
        assert_eq!(scene.platform.until("a", 2).await[1], "on", "it is told once");
        scene.settled().await;
    });
    live(world, &platform, Kind::Direct, config(), |scene| async move {
        scene.settled().await;
        assert_eq!(scene.platform.said().len(), 2);
    });
}

#[test]
fn an_answer_that_was_complete_is_sent_without_another_turn() {
    let platform = Platform::new();
    platform.is_render_stuck.store(true, Ordering::SeqCst);
    let world = live(World::new(), &platform, Kind::Direct, config(), |scene| async move {
        scene.say("a", "1", "!note {\"text\":\"done\"}").await;
        while scene.platform.calls.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    platform.is_render_stuck.store(false, Ordering::SeqCst);
    let world = live(world, &platform, Kind::Direct, config(), |scene| async move {
        assert_eq!(scene.platform.until("a", 1).await, ["done"]);
        assert!(scene.tools.calls().is_empty());
        scene.settled().await;
    });
    drop(world);
    assert_eq!(platform.said().len(), 1);
}

#[test]
fn a_turn_without_tools_is_taken_back_before_it_runs_again() {
    let platform = Platform::new();
    let world = live(World::new(), &platform, Kind::Direct, config(), |scene| async move {
        scene.say("a", "1", "first").await;
        scene.platform.until("a", 1).await;
        scene.settled().await;
    });
    // As if the program had died after the engine had stored the message and before it had an answer.
    world.sql(
        "UPDATE inbox SET state = 'running', ended = NULL, after = NULL;
         DELETE FROM message WHERE number = 2;",
    );
    let world = live(world, &platform, Kind::Direct, config(), |scene| async move {
        scene.platform.until("a", 2).await;
        scene.settled().await;
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let session = world.store.sessions().active(&channel("a")).await.unwrap().unwrap();
        let messages = world.store.messages().page(&session, None, 100).await.unwrap();
        assert_eq!(messages.iter().map(|message| message.number).collect::<Vec<_>>(), [1, 2], "{messages:?}");
    });
}

#[test]
fn a_message_on_which_the_program_dies_again_and_again_is_given_up() {
    let platform = Platform::new();
    let mut world = World::new();
    world = live(world, &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("a", "1", "gate").await;
        scene.engine.until(1).await;
    });
    for _ in 1..config().attempts {
        world = live(world, &platform, Kind::Puppet, config(), |scene| async move {
            scene.engine.until(1).await;
            assert!(scene.platform.said().is_empty());
        });
    }
    live(world, &platform, Kind::Puppet, config(), |scene| async move {
        assert!(scene.platform.until("a", 1).await[0].contains("not tried again"));
        assert!(scene.engine.turns().is_empty());
    });
}

#[test]
fn a_part_that_may_have_arrived_is_sent_again_with_its_key() {
    let platform = Platform::new();
    platform.stick("a");
    let world = live(World::new(), &platform, Kind::Puppet, config(), |scene| async move {
        scene.say("a", "1", "x¶y").await;
        scene.platform.until("a", 1).await;
    });
    platform.unstick("a");
    live(world, &platform, Kind::Puppet, config(), |scene| async move {
        assert_eq!(scene.platform.until("a", 3).await, ["you said x", "you said x", "y"]);
        scene.settled().await;
    });
    let said = platform.said();
    assert_eq!(said[0].key, said[1].key);
    assert_ne!(said[0].key, said[2].key);
}

#[tokio::test]
async fn a_drain_takes_nothing_more_and_leaves_the_running_turn_for_the_next_start() {
    let world = World::new();
    let platform = Platform::new();
    let scene = Scene::start(&world, &platform, Kind::Puppet, config()).await;
    scene.say("a", "1", "hang").await;
    scene.engine.until(1).await;
    scene.chat.drain(Duration::from_secs(2)).await;
    let refused = scene.chat.deliver("fake", message("a", "2", "late")).await;
    assert!(matches!(refused, Err(DeliverError::Unavailable(_))), "{refused:?}");
    assert!(platform.said().is_empty());
    assert_eq!(scene.state(&world, 1).await, "received", "as if it had never run");
}

#[tokio::test]
async fn a_drain_lets_what_runs_end_and_sends_it() {
    let world = World::new();
    let scene = Scene::start(&world, &Platform::new(), Kind::Puppet, config()).await;
    scene.say("a", "1", "gate").await;
    scene.engine.until(1).await;
    let drain = scene.chat.drain(Duration::from_secs(30));
    let open = async { scene.engine.gate.add_permits(1) };
    tokio::join!(drain, open);
    assert_eq!(scene.platform.texts("a"), ["through"]);
}
