//! What is decided when an event comes, before it takes a place that others wait for.

use std::sync::atomic::Ordering;

use openpact_model::chat::Visibility;

use super::platform::{by, edit, used};
use super::*;

async fn scene(world: &World, queue: usize, rate: Rate) -> Scene {
    let scene = Scene::start(world, &Platform::new(), Kind::Puppet, Config { queue, ..config() }).await;
    scene.chat.people.reconfigure(stated(rate)).await.unwrap();
    scene
}

fn in_group(mut event: Event) -> Event {
    event.place.visibility = Visibility::Group;
    event
}

const OFTEN: Rate = Rate { burst: 100_000, per_minute: 100_000 };
const ONCE: Rate = Rate { burst: 1, per_minute: 1 };

#[tokio::test]
async fn strangers_take_no_place_in_a_group_and_hear_nothing() {
    let world = World::new();
    let scene = scene(&world, 2, OFTEN).await;
    scene.deliver(in_group(message("g", "1", "gate"))).await;
    scene.engine.until(1).await;
    for id in 100..110 {
        let id = id.to_string();
        scene.deliver(in_group(by(&id, message("g", &id, "@bot hello")))).await;
    }
    scene.deliver(in_group(message("g", "2", "second"))).await;
    assert_eq!(scene.state(&world, 2).await, "refused", "at once, behind no turn");
    scene.engine.gate.add_permits(1);
    assert_eq!(scene.platform.until("g", 2).await, ["through", "you said second"]);
    scene.settled().await;
    assert_eq!(scene.platform.said().len(), 2);
    assert_eq!(world.audit("message.refuse").await.len(), 10, "one for each");
}

#[tokio::test]
async fn a_stranger_who_fills_their_own_channel_hears_nothing_of_it() {
    let world = World::new();
    let scene = scene(&world, 1, OFTEN).await;
    for id in ["1", "2", "3", "4"] {
        scene.deliver(by("stranger", message("s", id, "hello"))).await;
    }
    scene.settled().await;
    let texts = scene.platform.texts("s");
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("I do not know you"), "{texts:?}");
}

#[tokio::test]
async fn a_stranger_writes_no_more_often_than_a_guest_and_nothing_of_it_is_kept() {
    let world = World::new();
    let scene = scene(&world, 100, Rate { burst: 2, per_minute: 1 }).await;
    for id in 1..=4 {
        scene.deliver(by("stranger", message("s", &id.to_string(), "hello"))).await;
        scene.settled().await;
    }
    assert_eq!(scene.platform.texts("s").len(), 1);
    let kept = async |number| world.store.inbox().get(number).await.unwrap().is_some();
    assert_eq!([kept(1).await, kept(2).await, kept(3).await, kept(4).await], [true, true, false, false]);
    // What they write to others takes nothing from those.
    for id in 5..=8 {
        scene.deliver(in_group(by("stranger", used("g", &id.to_string(), "help")))).await;
    }
    scene.deliver(in_group(by("member", message("g", "9", "hello")))).await;
    assert_eq!(scene.platform.until("g", 1).await, ["you said hello"]);
}

#[tokio::test]
async fn a_stop_costs_a_place_where_nothing_runs() {
    let world = World::new();
    let scene = scene(&world, 100, Rate { burst: 2, per_minute: 1 }).await;
    for id in 1..=3 {
        scene.say("a", &id.to_string(), "/stop").await;
        scene.settled().await;
    }
    let texts = scene.platform.until("a", 3).await;
    assert!(texts[..2].iter().all(|text| text.contains("Nothing is running")), "{texts:?}");
    assert!(texts[2].contains("faster than I can answer"), "{texts:?}");
}

#[tokio::test]
async fn a_guest_stops_nothing_and_pays_for_it() {
    let world = World::new();
    let scene = scene(&world, 100, OFTEN).await;
    let mut rules = stated(OFTEN);
    rules.rates.guest = Rate { burst: 2, per_minute: 1 };
    let guests = people::Unknown { role: Some(Role::Guest), ..people::Unknown::default() };
    rules.defaults = [("fake".to_owned(), guests)].into();
    scene.chat.people.reconfigure(rules).await.unwrap();
    scene.deliver(in_group(message("g", "1", "hang"))).await;
    scene.engine.until(1).await;
    for id in 2..=5 {
        scene.deliver(in_group(by("guest", message("g", &id.to_string(), "/stop")))).await;
    }
    let texts = scene.platform.until("g", 3).await;
    assert_eq!(texts.iter().filter(|text| text.contains("may not use this command")).count(), 2, "{texts:?}");
    assert_eq!(scene.engine.turns().len(), 1);
    scene.deliver(in_group(message("g", "6", "/stop"))).await;
    scene.settled().await;
    assert_eq!(scene.state(&world, 1).await, "answered");
}

#[tokio::test]
async fn who_writes_too_fast_takes_no_place_and_is_told_once() {
    let world = World::new();
    let scene = scene(&world, 3, OFTEN).await;
    scene.deliver(in_group(message("g", "1", "gate"))).await;
    scene.engine.until(1).await;
    let person = Rate { burst: 1, per_minute: 1 };
    let mut slow = stated(OFTEN);
    slow.rates.person = person;
    scene.chat.people.reconfigure(slow).await.unwrap();
    for id in 10..20 {
        scene.deliver(in_group(by("member", message("g", &id.to_string(), "flood")))).await;
    }
    scene.chat.people.reconfigure(stated(OFTEN)).await.unwrap();
    scene.deliver(in_group(message("g", "2", "second"))).await;
    assert!(scene.platform.until("g", 1).await[0].contains("faster than I can answer"));
    assert_eq!(scene.state(&world, 3).await, "refused");
    scene.engine.gate.add_permits(1);
    let texts = scene.platform.until("g", 4).await;
    assert_eq!(texts[1..], ["through", "you said flood", "you said second"]);
    scene.settled().await;
    assert_eq!(scene.platform.said().len(), 4);
}

#[tokio::test]
async fn a_message_is_charged_when_it_comes_and_not_when_its_turn_does() {
    let world = World::new();
    let scene = scene(&world, 100, ONCE).await;
    for (id, text) in [("1", "gate"), ("2", "second"), ("3", "third")] {
        scene.say("a", id, text).await;
        world.clock.advance(Duration::from_mins(1));
    }
    scene.engine.gate.add_permits(1);
    assert_eq!(scene.platform.until("a", 3).await, ["through", "you said second", "you said third"]);
}

#[tokio::test]
async fn a_backlog_is_charged_for_when_it_was_written() {
    let world = World::new();
    let scene = scene(&world, 100, ONCE).await;
    let now = u64::try_from(world.clock.now().as_millisecond()).unwrap();
    let said = |id: u64, time: u64| Event { time, ..message("a", &id.to_string(), &id.to_string()) };
    for id in 0..5 {
        scene.deliver(said(id, now - (4 - id) * 60_000)).await;
    }
    scene.settled().await;
    assert_eq!(scene.platform.texts("a").len(), 5);
    // Nothing is gained by it: the time that was used up does not come back.
    scene.deliver(said(5, now - 60_000)).await;
    scene.deliver(said(6, 0)).await;
    scene.deliver(said(7, u64::MAX)).await;
    scene.settled().await;
    for number in 6..=8 {
        assert_eq!(scene.state(&world, number).await, "refused");
    }
}

#[tokio::test]
async fn what_comes_again_costs_nothing() {
    let world = World::new();
    let scene = scene(&world, 100, Rate { burst: 2, per_minute: 1 }).await;
    for _ in 0..4 {
        scene.say("a", "1", "first").await;
    }
    scene.say("a", "2", "second").await;
    assert_eq!(scene.platform.until("a", 2).await, ["you said first", "you said second"]);
}

#[tokio::test]
async fn edits_and_commands_cost_a_place_and_a_stop_none() {
    let world = World::new();
    let scene = scene(&world, 100, Rate { burst: 2, per_minute: 1 }).await;
    scene.say("a", "1", "hang").await;
    scene.engine.until(1).await;
    scene.say("a", "2", "/help").await;
    scene.deliver(edit("a", "1", 1, "more")).await;
    scene.say("a", "3", "/help").await;
    scene.say("a", "4", "/stop").await;
    scene.settled().await;
    let states = [scene.state(&world, 3).await, scene.state(&world, 4).await, scene.state(&world, 5).await];
    assert_eq!(states, ["refused", "refused", "answered"]);
    assert_eq!(scene.engine.turns().len(), 1);
}

#[tokio::test]
async fn only_so_many_commands_wait_in_a_channel() {
    let world = World::new();
    let limits = Config { controls: 1, ..config() };
    let scene = Scene::start(&world, &Platform::new(), Kind::Puppet, limits).await;
    scene.platform.is_render_stuck.store(true, Ordering::SeqCst);
    for (id, text) in [("1", "/mode"), ("2", "/mode"), ("3", "/stop"), ("4", "/stop")] {
        scene.say("a", id, text).await;
    }
    let mut states = Vec::new();
    for number in 1..=4 {
        states.push(scene.state(&world, number).await);
    }
    assert_eq!(states, ["received", "refused", "received", "refused"]);
    // Other channels have a bound of their own.
    scene.say("b", "5", "/mode").await;
    assert_eq!(scene.state(&world, 5).await, "received");
}
