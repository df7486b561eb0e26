//! Answers that are shown while they are written.

mod crash;
mod failing;

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use openpact_engine::Event as Said;
use openpact_model::chat::{Abilities, Piece, SendError};

use super::super::outcome::Outcome;
use super::platform::edit;
use super::*;
use crate::message::Update;

const EVERY: Duration = Duration::from_millis(20);

fn abilities() -> Abilities {
    Abilities { typing: true, edit: true, delete: true, ..Abilities::default() }
}

fn quick() -> Config {
    Config { show_after: Duration::from_millis(1), show_every: EVERY, ..config() }
}

fn everywhere() -> Streaming {
    Streaming { providers: HashSet::from(["fake".to_owned()]), channels: HashMap::new() }
}

/// A platform on which messages can be changed and taken back, in which answers are shown.
async fn scene(world: &World, kind: Kind) -> Scene {
    scene_on(world, &Platform::with(abilities()), kind).await
}

async fn scene_on(world: &World, platform: &Arc<Platform>, kind: Kind) -> Scene {
    let scene = Scene::start(world, platform, kind, quick()).await;
    scene.chat.set_streaming(everywhere());
    scene
}

impl Scene {
    /// Lets the engine say so many more pieces; its end is one too.
    fn drip(&self, pieces: usize) {
        self.engine.gate.add_permits(pieces);
    }

    /// For as long as an answer would be shown several times in.
    async fn while_nothing_is_shown(&self, channel: &str, expected: &[&str]) {
        tokio::time::sleep(EVERY * 4).await;
        assert_eq!(self.platform.texts(channel), expected);
    }
}

#[tokio::test]
async fn an_answer_grows_in_place_and_ends_as_it_would_have() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    scene.say("a", "1", "drip one| two| three").await;
    scene.drip(1);
    scene.platform.until_said("a", &["one"]).await;
    let first = scene.platform.said().remove(0);
    assert_eq!(first.reply_to.as_deref(), Some("1"));
    scene.drip(1);
    scene.platform.until_said("a", &["one two"]).await;
    assert_eq!(world.store.partials().of(1).await.unwrap(), std::slice::from_ref(&first.id));
    scene.drip(2);
    scene.platform.until_said("a", &["one two three"]).await;
    scene.settled().await;
    let said = scene.platform.said();
    assert_eq!((said.len(), &said[0].id), (1, &first.id), "it is one message");
    assert!(world.store.partials().of(1).await.unwrap().is_empty());
    assert_eq!(world.store.outbox().lost(&channel("a"), 1).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_shown_before_the_end_unless_it_is_wanted_and_the_platform_can() {
    for (abilities, streaming) in [
        (abilities(), Streaming::default()),
        (Abilities { edit: false, ..abilities() }, everywhere()),
        (
            abilities(),
            Streaming { channels: HashMap::from([(("fake".into(), "a".into()), false)]), ..everywhere() },
        ),
    ] {
        let world = World::new();
        let scene = scene_on(&world, &Platform::with(abilities), Kind::Puppet).await;
        scene.chat.set_streaming(streaming);
        scene.say("a", "1", "drip one| two").await;
        scene.drip(1);
        scene.while_nothing_is_shown("a", &[]).await;
        scene.drip(2);
        scene.platform.until_said("a", &["one two"]).await;
        scene.settled().await;
        assert_eq!(scene.platform.gaps().len(), 0, "it was sent once");
    }
    let one =
        Streaming { channels: HashMap::from([(("fake".into(), "a".into()), true)]), ..Streaming::default() };
    assert!(one.holds_in(&channel("a")) && !one.holds_in(&channel("b")));
}

#[tokio::test]
async fn an_answer_that_is_there_at_once_is_sent_once() {
    let world = World::new();
    let patient = Config { show_after: Duration::from_mins(1), ..quick() };
    let scene = Scene::start(&world, &Platform::with(abilities()), Kind::Puppet, patient).await;
    scene.chat.set_streaming(everywhere());
    scene.say("a", "1", "drip one| two").await;
    scene.drip(1);
    scene.while_nothing_is_shown("a", &[]).await;
    scene.drip(2);
    scene.platform.until_said("a", &["one two"]).await;
    assert_eq!(scene.platform.gaps().len(), 0);
}

#[tokio::test]
async fn parts_are_added_and_what_is_too_many_at_the_end_goes() {
    for (delete, end) in [
        (true, &["abc", "d"][..]),
        (false, &["abc", "d", "(This message is not needed any more; the answer is complete without it.)"]),
    ] {
        let world = World::new();
        let platform = Platform::with(Abilities { delete, ..abilities() });
        let scene = scene_on(&world, &platform, Kind::Puppet).await;
        scene.say("a", "1", "drip a|§b§c|¶d").await;
        scene.drip(1);
        platform.until_said("a", &["a"]).await;
        scene.drip(1);
        platform.until_said("a", &["a", "b", "c"]).await;
        let replies = platform.said().into_iter().map(|said| said.reply_to.is_some());
        assert_eq!(replies.collect::<Vec<_>>(), [true, false, false]);
        scene.drip(2);
        platform.until_said("a", end).await;
        scene.settled().await;
        assert_eq!(platform.texts("a"), end);
    }
}

#[tokio::test]
async fn an_answer_that_grows_at_its_end_gets_more_parts_there() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    scene.say("a", "1", "drip a|b¶c¶d").await;
    scene.drip(1);
    scene.platform.until_said("a", &["a"]).await;
    scene.drip(2);
    scene.platform.until_said("a", &["ab", "c", "d"]).await;
}

#[tokio::test]
async fn calls_keep_their_distance_however_fast_an_answer_grows() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    let pieces = (0..200).map(|piece| format!("{piece}¶")).collect::<Vec<_>>().join("|");
    scene.say("a", "1", &format!("drip {pieces}")).await;
    for _ in 0..200 {
        scene.drip(1);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let gaps = scene.platform.gaps();
    assert!(gaps.len() > 3, "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap >= EVERY), "{gaps:?}");
}

#[tokio::test]
async fn what_is_not_shown_has_nothing_rendered_for_each_of_its_pieces() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    let thoughts = "|~hm".repeat(200);
    scene.say("a", "1", &format!("drip one{thoughts}|two")).await;
    scene.drip(1);
    scene.platform.until_said("a", &["one"]).await;
    let (before, begun) = (scene.platform.calls.load(Ordering::SeqCst), tokio::time::Instant::now());
    for _ in 0..200 {
        scene.drip(1);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let rendered = scene.platform.calls.load(Ordering::SeqCst) - before;
    let most = begun.elapsed().as_millis() / EVERY.as_millis() + 2;
    assert!(rendered as u128 <= most, "{rendered} times, and {most} would do");
    scene.drip(1);
    scene.platform.until_said("a", &["one\ntwo"]).await;
    scene.drip(1);
    scene.settled().await;
}

#[tokio::test]
async fn what_waits_in_the_channel_goes_before_an_answer_on_show() {
    let world = World::new();
    let platform = Platform::with(abilities());
    let limits = Config { call_deadline: EVERY * 10, ..quick() };
    let scene = Scene::start(&world, &platform, Kind::Puppet, limits).await;
    scene.chat.set_streaming(everywhere());
    platform.stick("a");
    scene.say("a", "1", "drip one|two").await;
    scene.say("a", "2", "/mode").await;
    let mode = platform.until("a", 1).await.remove(0);
    scene.drip(1);
    scene.while_nothing_is_shown("a", &[&mode]).await;
    platform.unstick("a");
    // It is sent again, since nobody knows whether it arrived.
    platform.until_said("a", &[&mode, &mode, "one"]).await;
    scene.drip(2);
    platform.until_said("a", &[&mode, &mode, "onetwo"]).await;
}

#[tokio::test]
async fn a_stop_leaves_what_was_said_in_its_place() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    scene.say("a", "1", "hang").await;
    scene.platform.until_said("a", &["on it"]).await;
    scene.say("a", "2", "/stop").await;
    let texts = scene.platform.until("a", 2).await;
    scene.settled().await;
    let texts = if texts[0] == "on it" { scene.platform.texts("a") } else { texts };
    assert!(texts[0].starts_with("on it\n"), "{texts:?}");
    assert_eq!(texts[1..], ["Stopping."]);
    // What is said again is a new answer.
    scene.say("a", "3", "/retry").await;
    assert_eq!(scene.platform.until("a", 3).await[2], "on it");
}

#[tokio::test]
async fn a_message_that_is_changed_is_answered_in_the_same_place() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    scene.say("a", "1", "drip one|two").await;
    scene.drip(1);
    scene.platform.until_said("a", &["one"]).await;
    scene.deliver(edit("a", "1", 1, "better")).await;
    scene.platform.until_said("a", &["you said better"]).await;
    scene.settled().await;
    assert_eq!(scene.platform.said().len(), 1);
}

#[tokio::test]
async fn an_adapter_that_was_away_goes_on_where_the_answer_is() {
    let world = World::new();
    let scene = scene(&world, Kind::Puppet).await;
    scene.say("a", "1", "drip one|two|three").await;
    scene.drip(1);
    scene.platform.until_said("a", &["one"]).await;
    scene.chat.detach("fake");
    scene.drip(1);
    scene.while_nothing_is_shown("a", &["one"]).await;
    let adapter = Arc::clone(&scene.platform) as Arc<dyn Adapter>;
    scene.chat.attach(adapter, Pace::default()).await.unwrap();
    scene.platform.until_said("a", &["onetwo"]).await;
    scene.drip(2);
    scene.platform.until_said("a", &["onetwothree"]).await;
    scene.settled().await;
    assert_eq!(scene.platform.said().len(), 1);
}

#[tokio::test]
async fn what_the_channel_wants_to_see_is_shown_before_the_end_too() {
    let world = World::new();
    let scene = scene(&world, Kind::Direct).await;
    scene.say("a", "1", "!slow {}").await;
    scene.while_nothing_is_shown("a", &[]).await;
    scene.say("b", "2", "/mode tools").await;
    let mode = scene.platform.until("b", 1).await.remove(0);
    scene.say("b", "3", "!slow {}").await;
    scene.platform.until_said("b", &[&mode, "slow({})="]).await;
}

#[test]
fn thoughts_are_shown_where_they_are_wanted() {
    let mut outcome = Outcome::default();
    assert_eq!(outcome.so_far(Detail::Full), None);
    outcome.take(Some(Update::Event(Said::Reasoning { part: 0, text: "hm".into() })));
    let shown = |outcome: &Outcome, detail| outcome.so_far(detail).map(|shown| shown.pieces);
    let thought = Piece::Reasoning("hm".into());
    assert_eq!(shown(&outcome, Detail::Simple), None);
    assert_eq!(shown(&outcome, Detail::Tools), None);
    assert_eq!(shown(&outcome, Detail::Thinking), Some(vec![thought.clone()]));
    outcome.take(Some(Update::Event(Said::Text { part: 1, text: "so".into() })));
    assert_eq!(shown(&outcome, Detail::Simple), Some(vec![Piece::Markdown("so".into())]));
    assert_eq!(shown(&outcome, Detail::Full), Some(vec![thought, Piece::Markdown("so".into())]));
}
