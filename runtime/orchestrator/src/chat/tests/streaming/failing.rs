//! A platform that does not show, change or take back what it should.

use super::*;

/// An answer of which "one" is shown.
async fn shown(world: &World) -> Scene {
    let scene = scene(world, Kind::Puppet).await;
    scene.say("a", "1", "drip one|two|¶three").await;
    scene.drip(1);
    scene.platform.until_said("a", &["one"]).await;
    scene
}

fn fail_edits(scene: &Scene, errors: impl IntoIterator<Item = SendError>) {
    lock(&scene.platform.edit_faults).extend(errors);
}

fn limited(retry_after: u64) -> SendError {
    SendError::RateLimited { retry_after, global: false }
}

#[tokio::test]
async fn a_platform_that_asks_to_wait_is_called_more_seldom() {
    let world = World::new();
    let scene = shown(&world).await;
    let before = scene.platform.gaps().len();
    fail_edits(&scene, [limited(100)]);
    scene.drip(1);
    scene.platform.until_said("a", &["onetwo"]).await;
    let gaps = scene.platform.gaps();
    assert!(gaps[before + 1] >= Duration::from_millis(100), "{gaps:?}");
    scene.drip(1);
    scene.platform.until_said("a", &["onetwo", "three"]).await;
    assert!(scene.platform.gaps()[before + 2..].iter().all(|gap| *gap >= EVERY * 2));
    fail_edits(&scene, [limited(5), limited(5)]);
    scene.drip(1);
    scene.settled().await;
    assert_eq!(scene.platform.texts("a"), ["onetwo", "three"]);
}

#[tokio::test]
async fn a_message_that_is_gone_is_sent_anew_with_all_behind_it() {
    let world = World::new();
    let scene = shown(&world).await;
    scene.drip(2);
    scene.platform.until_said("a", &["onetwo", "three"]).await;
    let gone = scene.platform.said().remove(0).id;
    assert!(scene.platform.remove(&gone));
    scene.drip(1);
    scene.settled().await;
    assert_eq!(scene.platform.texts("a"), ["onetwo", "three"], "in order, and nothing else");
    assert_eq!(scene.platform.said()[0].reply_to.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_change_that_is_refused_becomes_a_new_message_and_the_old_one_goes() {
    for error in [SendError::Refused("too old".into()), SendError::Denied, SendError::TooLarge(1)] {
        let world = World::new();
        let scene = shown(&world).await;
        let old = scene.platform.said().remove(0).id;
        // The first one ends the show.
        fail_edits(&scene, [error.clone(), error]);
        scene.drip(1);
        scene.while_nothing_is_shown("a", &["one"]).await;
        scene.drip(2);
        scene.platform.until_said("a", &["onetwo", "three"]).await;
        scene.settled().await;
        assert!(scene.platform.said().iter().all(|said| said.id != old));
        assert!(world.audit("message.send").await.is_empty(), "nothing was lost");
    }
}

#[tokio::test]
async fn an_adapter_that_breaks_at_a_change_sends_in_the_end() {
    let world = World::new();
    let scene = shown(&world).await;
    fail_edits(&scene, (0..11).map(|_| SendError::Broken("trap".into())));
    scene.drip(3);
    scene.platform.until_said("a", &["onetwo", "three"]).await;
    scene.settled().await;
}

#[tokio::test]
async fn what_cannot_be_taken_back_holds_nothing_up() {
    for error in [SendError::Refused("no".into()), SendError::Denied] {
        let world = World::new();
        let scene = scene(&world, Kind::Puppet).await;
        scene.say("a", "1", "drip one§two|.").await;
        scene.drip(1);
        scene.platform.until_said("a", &["one", "two"]).await;
        let unavailable = SendError::Unavailable("away".into());
        lock(&scene.platform.delete_faults).extend([unavailable, error]);
        scene.drip(2);
        scene.platform.until_said("a", &["onetwo.", "two"]).await;
        scene.settled().await;
        scene.say("a", "2", "next").await;
        assert_eq!(scene.platform.until("a", 3).await[2], "you said next");
        let (_, turn) = scene.engine.last();
        assert!(!turn.system.contains("not delivered"), "nobody is told of it");
    }
}

#[tokio::test]
async fn what_cannot_be_shown_is_sent_whole_at_the_end() {
    for error in [SendError::Refused("no".into()), SendError::Denied, SendError::Gone("channel".into())] {
        let world = World::new();
        let scene = scene(&world, Kind::Puppet).await;
        scene.platform.fail("a", [error]);
        scene.say("a", "1", "drip one|two").await;
        scene.drip(1);
        scene.while_nothing_is_shown("a", &[]).await;
        scene.drip(2);
        scene.platform.until_said("a", &["onetwo"]).await;
    }
}

#[tokio::test]
async fn what_may_have_been_shown_is_not_shown_twice() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    scene.platform.fail("a", [SendError::Unknown("cut".into())]);
    scene.say("a", "1", "drip one|two").await;
    scene.drip(2);
    let shown = scene.platform.until("a", 1).await.remove(0);
    scene.while_nothing_is_shown("a", &[&shown]).await;
    scene.drip(1);
    // Nobody knows the id of what is there, so it stays.
    scene.platform.until_said("a", &[&shown, "onetwo"]).await;
}

#[tokio::test]
async fn a_short_trouble_is_made_up_for_and_a_long_one_ends_the_show() {
    let world = World::new();
    let scene = shown(&world).await;
    let away = || SendError::Unavailable("away".into());
    fail_edits(&scene, [away(), SendError::Unknown("cut".into())]);
    scene.drip(1);
    scene.platform.until_said("a", &["onetwo"]).await;
    scene.platform.fail_render([away(), away(), away()]);
    scene.drip(1);
    tokio::time::sleep(EVERY * 32).await;
    assert_eq!(scene.platform.texts("a"), ["onetwo"]);
    scene.drip(1);
    scene.platform.until_said("a", &["onetwo", "three"]).await;
}

#[tokio::test]
async fn what_was_shown_of_an_answer_that_is_given_up_is_taken_back() {
    let world = World::new();
    let scene = shown(&world).await;
    scene.platform.fail_render((0..1_000_000).map(|_| SendError::Unavailable("busy".into())));
    scene.drip(3);
    let before = scene.platform.calls.load(Ordering::SeqCst);
    while scene.platform.calls.load(Ordering::SeqCst) < before + 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.clock.advance(quick().give_up);
    scene.platform.until_said("a", &[]).await;
    scene.settled().await;
    assert_eq!(scene.state(&world, 1).await, "failed");
}

#[tokio::test]
async fn a_message_that_cannot_be_written_down_is_taken_back() {
    let world = World::new();
    world.break_table("partial", "true");
    let scene = scene(&world, Kind::Puppet).await;
    scene.say("a", "1", "drip one|two").await;
    scene.drip(1);
    scene.platform.until_touched().await;
    scene.platform.until_said("a", &[]).await;
    scene.drip(2);
    scene.platform.until_said("a", &["onetwo"]).await;
}

#[tokio::test]
async fn an_answer_waits_for_the_message_whose_place_it_takes() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    *lock(&scene.platform.lag) = EVERY * 5;
    scene.say("a", "1", "drip one|two").await;
    scene.drip(1);
    scene.platform.until_said("a", &["one"]).await;
    scene.drip(2);
    scene.platform.until_said("a", &["onetwo"]).await;
    scene.settled().await;
    assert_eq!(scene.platform.said().len(), 1);
}

#[tokio::test]
async fn a_stuck_adapter_holds_up_its_own_answer_alone_and_not_for_ever() {
    let world = World::new();
    let platform = Platform::with(abilities());
    let limits = Config { call_deadline: EVERY * 5, ..quick() };
    let scene = Scene::start(&world, &platform, Kind::Puppet, limits).await;
    scene.chat.set_streaming(everywhere());
    scene.say("a", "1", "drip one|two").await;
    scene.drip(1);
    platform.until_said("a", &["one"]).await;
    platform.is_edit_stuck.store(true, Ordering::SeqCst);
    scene.drip(2);
    scene.say("b", "2", "x").await;
    assert_eq!(platform.until("b", 1).await, ["you said x"]);
    platform.is_edit_stuck.store(false, Ordering::SeqCst);
    platform.until_said("a", &["onetwo"]).await;
    scene.settled().await;
}

/// So many as there would be in a day.
fn for_ever(error: &SendError) -> Vec<SendError> {
    vec![error.clone(); 1_000_000]
}

#[tokio::test]
async fn a_change_that_never_works_is_sent_in_the_end() {
    for error in [SendError::Unavailable("busy".into()), SendError::Unknown("cut".into())] {
        let world = World::new();
        let scene = shown(&world).await;
        fail_edits(&scene, for_ever(&error));
        scene.drip(3);
        let patience = Duration::from_secs(20);
        let sent = tokio::time::timeout(patience, scene.settled()).await;
        assert!(sent.is_ok(), "{error}: {:?}", scene.platform.texts("a"));
        assert_eq!(scene.platform.texts("a"), ["onetwo", "three"], "{error}");
    }
}

#[tokio::test]
async fn what_is_never_taken_back_does_not_keep_the_next_answer_waiting() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    scene.say("a", "1", "drip one§two|.").await;
    scene.drip(1);
    scene.platform.until_said("a", &["one", "two"]).await;
    lock(&scene.platform.delete_faults).extend(for_ever(&SendError::Unavailable("busy".into())));
    scene.drip(2);
    scene.platform.until_said("a", &["onetwo.", "two"]).await;
    scene.say("a", "2", "next").await;
    let patience = Duration::from_secs(20);
    let next = tokio::time::timeout(patience, scene.platform.until("a", 3)).await;
    assert_eq!(next.expect("the next answer comes")[2], "you said next");
    scene.settled().await;
}

#[tokio::test]
async fn two_channels_that_are_to_wait_with_what_is_shown_keep_no_answer_of_a_third_waiting() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    for (place, id) in [("a", "1"), ("b", "2")] {
        scene.say(place, id, "drip one|two").await;
    }
    scene.engine.until(2).await;
    scene.drip(2);
    for place in ["a", "b"] {
        scene.platform.until_said(place, &["one"]).await;
    }
    let tried = scene.platform.gaps().len();
    fail_edits(&scene, [limited(60_000), limited(60_000)]);
    scene.drip(2);
    while scene.platform.gaps().len() < tried + 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scene.say("c", "3", "x").await;
    let patience = Duration::from_secs(20);
    let answer = tokio::time::timeout(patience, scene.platform.until("c", 1)).await;
    assert_eq!(answer.expect("it does not wait for a minute"), ["you said x"]);
    // Nor is the platform asked again before its time.
    tokio::time::sleep(EVERY * 10).await;
    assert_eq!(scene.platform.gaps().len(), tried + 3);
}

#[tokio::test]
async fn a_channel_that_is_told_by_its_own_name_has_not_moved() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    lock(&scene.platform.moved).insert("a".into(), "a".into());
    scene.say("a", "1", "drip one|two").await;
    scene.drip(1);
    scene.platform.until_said("a", &["one"]).await;
    scene.while_nothing_is_shown("a", &["one"]).await;
    scene.drip(1);
    scene.platform.until_said("a", &["onetwo"]).await;
}
