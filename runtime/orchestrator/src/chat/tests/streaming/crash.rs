//! The program dies while an answer is on show, and at each step of its end.

use std::sync::atomic::Ordering;

use super::*;

/// A life in which answers are shown.
fn show<F, Fut>(world: World, platform: &Arc<Platform>, kind: Kind, act: F) -> World
where
    F: FnOnce(Scene) -> Fut,
    Fut: Future<Output = ()>,
{
    live(world, platform, kind, quick(), |scene| async move {
        scene.chat.set_streaming(everywhere());
        act(scene).await;
    })
}

/// Dies while "one" is shown.
fn shown(platform: &Arc<Platform>) -> World {
    show(World::new(), platform, Kind::Puppet, |scene| async move {
        scene.say("a", "1", "drip one|two¶three").await;
        scene.drip(1);
        scene.platform.until_said("a", &["one"]).await;
        // The platform tells the id just before it is written down.
        while scene.chat.store.partials().of(1).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

/// Nothing is left to do, and nothing happens any more.
fn is_over(world: World, platform: &Arc<Platform>) {
    let before = platform.said();
    show(world, platform, Kind::Puppet, |scene| async move { scene.settled().await });
    assert_eq!(platform.said(), before);
}

#[test]
fn a_turn_that_runs_again_goes_on_in_the_same_place() {
    let platform = Platform::with(abilities());
    let world = shown(&platform);
    let first = platform.said().remove(0).id;
    let world = show(world, &platform, Kind::Puppet, |scene| async move {
        scene.engine.until(1).await;
        scene.while_nothing_is_shown("a", &["one"]).await;
        scene.drip(2);
        scene.platform.until_said("a", &["onetwo", "three"]).await;
        assert_eq!(scene.platform.said()[0].id, first);
        scene.drip(1);
        scene.settled().await;
        assert_eq!(scene.platform.texts("a"), ["onetwo", "three"]);
    });
    is_over(world, &platform);
}

#[test]
fn an_answer_takes_its_place_even_where_nothing_is_shown_any_more() {
    let platform = Platform::with(abilities());
    let world = shown(&platform);
    let world = live(world, &platform, Kind::Puppet, quick(), |scene| async move {
        scene.drip(3);
        scene.platform.until_said("a", &["onetwo", "three"]).await;
        scene.settled().await;
    });
    is_over(world, &platform);
}

#[test]
fn a_note_takes_the_place_of_what_a_turn_with_tools_had_shown() {
    let platform = Platform::with(abilities());
    let world = show(World::new(), &platform, Kind::Direct, |scene| async move {
        scene.say("b", "1", "/mode tools").await;
        scene.platform.until("b", 1).await;
        scene.say("b", "2", "!slow {}").await;
        scene.platform.until("b", 2).await;
        while scene.chat.store.partials().of(2).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(platform.texts("b")[1], "slow({})=");
    let world = show(world, &platform, Kind::Direct, |scene| async move { scene.settled().await });
    let texts = platform.texts("b");
    assert!(texts.len() == 2 && texts[1].contains("slow (outcome unknown)"), "{texts:?}");
    is_over(world, &platform);
}

#[test]
fn what_was_sent_as_the_program_died_stays_beside_the_answer() {
    let platform = Platform::with(abilities());
    platform.stick("a");
    let world = show(World::new(), &platform, Kind::Puppet, |scene| async move {
        scene.say("a", "1", "drip one|two").await;
        scene.drip(1);
        scene.platform.until_said("a", &["one"]).await;
    });
    platform.unstick("a");
    let world = show(world, &platform, Kind::Puppet, |scene| async move {
        scene.drip(3);
        scene.platform.until_said("a", &["one", "onetwo"]).await;
        scene.settled().await;
    });
    is_over(world, &platform);
}

#[test]
fn a_change_that_was_being_made_is_made_again() {
    let platform = Platform::with(abilities());
    let world = show(World::new(), &platform, Kind::Puppet, |scene| async move {
        scene.say("a", "1", "drip one|two¶three").await;
        scene.drip(1);
        scene.platform.until_said("a", &["one"]).await;
        scene.platform.is_edit_stuck.store(true, Ordering::SeqCst);
        scene.drip(2);
        scene.platform.until_said("a", &["onetwo"]).await;
    });
    platform.is_edit_stuck.store(false, Ordering::SeqCst);
    let world = show(world, &platform, Kind::Puppet, |scene| async move {
        scene.drip(3);
        scene.settled().await;
        assert_eq!(scene.platform.texts("a"), ["onetwo", "three"]);
    });
    is_over(world, &platform);
}

#[test]
fn the_answer_that_was_taking_its_place_takes_it_after_the_next_start() {
    let platform = Platform::with(abilities());
    let patient = Config { show_every: Duration::from_mins(1), ..quick() };
    let world = live(World::new(), &platform, Kind::Puppet, patient, |scene| async move {
        scene.chat.set_streaming(everywhere());
        scene.say("a", "1", "drip one|two¶three").await;
        scene.drip(1);
        scene.platform.until_said("a", &["one"]).await;
        scene.platform.is_edit_stuck.store(true, Ordering::SeqCst);
        scene.drip(2);
        scene.platform.until_said("a", &["onetwo"]).await;
        assert_eq!(scene.chat.counts().await.unwrap().running, 0, "the event has ended");
    });
    platform.is_edit_stuck.store(false, Ordering::SeqCst);
    let world = show(world, &platform, Kind::Puppet, |scene| async move {
        scene.settled().await;
        assert!(scene.engine.turns().is_empty());
        assert_eq!(scene.platform.texts("a"), ["onetwo", "three"]);
    });
    is_over(world, &platform);
}

#[test]
fn what_was_being_taken_back_is_taken_back() {
    let platform = Platform::with(abilities());
    let world = show(World::new(), &platform, Kind::Puppet, |scene| async move {
        scene.say("a", "1", "drip one§two§three|.").await;
        scene.drip(1);
        scene.platform.until_said("a", &["one", "two", "three"]).await;
        scene.platform.is_delete_stuck.store(true, Ordering::SeqCst);
        scene.drip(2);
        scene.platform.until_said("a", &["onetwothree.", "three"]).await;
    });
    platform.is_delete_stuck.store(false, Ordering::SeqCst);
    let world = show(world, &platform, Kind::Puppet, |scene| async move {
        scene.settled().await;
        assert_eq!(scene.platform.texts("a"), ["onetwothree."]);
    });
    is_over(world, &platform);
}

#[test]
fn a_turn_that_is_parked_is_taken_over_after_the_next_start() {
    let platform = Platform::with(abilities());
    let world = show(World::new(), &platform, Kind::Puppet, |scene| async move {
        scene.say("a", "1", "drip one|two").await;
        scene.drip(1);
        scene.platform.until_said("a", &["one"]).await;
        scene.chat.drain(Duration::from_secs(1)).await;
        assert_eq!(scene.platform.texts("a"), ["one"], "it stays as it is");
    });
    let world = show(world, &platform, Kind::Puppet, |scene| async move {
        scene.drip(3);
        scene.platform.until_said("a", &["onetwo"]).await;
        scene.settled().await;
    });
    is_over(world, &platform);
}

#[test]
fn a_message_on_which_the_program_dies_again_and_again_leaves_one_note() {
    let platform = Platform::with(abilities());
    let mut world = shown(&platform);
    for _ in 1..config().attempts {
        world = show(world, &platform, Kind::Puppet, |scene| async move {
            scene.engine.until(1).await;
        });
    }
    let world = show(world, &platform, Kind::Puppet, |scene| async move { scene.settled().await });
    let texts = platform.texts("a");
    assert!(texts.len() == 1 && texts[0].contains("not tried again"), "{texts:?}");
    is_over(world, &platform);
}
