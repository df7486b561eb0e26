//! Messages that come in order, twice, changed, or with commands beside them.

use std::sync::atomic::Ordering;

use openpact_model::chat::{ButtonPress, CommandUse, Happening, ThreadStart};

use super::platform::{by, edit, event};
use super::*;

async fn scene(world: &World) -> Scene {
    Scene::start(world, &Platform::new(), Kind::Puppet, config()).await
}

#[tokio::test]
async fn a_message_is_answered_once_however_often_it_comes() {
    let world = World::new();
    let scene = scene(&world).await;
    for _ in 0..3 {
        scene.say("a", "1", "hello").await;
    }
    scene.platform.until("a", 1).await;
    scene.settled().await;
    scene.say("a", "1", "hello").await;
    scene.say("a", "2", "bye").await;
    assert_eq!(scene.platform.until("a", 2).await, ["you said hello", "you said bye"]);
    scene.settled().await;
    let said = scene.platform.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0].reply_to.as_deref(), Some("1"));
    assert_ne!(said[0].key, said[1].key);
    assert_eq!(scene.chat.lanes.len(), 0, "nothing is left in memory");
}

#[tokio::test]
async fn a_channel_keeps_its_order_and_waits_for_no_other() {
    let world = World::new();
    let scene = scene(&world).await;
    scene.say("a", "1", "gate").await;
    scene.say("a", "2", "second").await;
    scene.say("b", "3", "other").await;
    scene.platform.until("b", 1).await;
    assert!(scene.platform.texts("a").is_empty());
    scene.engine.gate.add_permits(1);
    assert_eq!(scene.platform.until("a", 2).await, ["through", "you said second"]);
}

#[tokio::test]
async fn many_channels_leave_nothing_in_memory() {
    const MANY: usize = 400;
    let world = World::new();
    let scene = scene(&world).await;
    let say = |number: usize| scene.say_owned(number);
    futures::future::join_all((0..MANY).map(say)).await;
    scene.settled().await;
    assert_eq!(scene.platform.said().len(), MANY);
    while scene.chat.lanes.len() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl Scene {
    async fn say_owned(&self, number: usize) {
        self.say(&format!("c{number}"), &number.to_string(), "hi").await;
    }
}

#[tokio::test]
async fn a_command_goes_beside_the_turn_that_it_stops() {
    let world = World::new();
    let scene = scene(&world).await;
    scene.say("a", "1", "hang").await;
    scene.engine.until(1).await;
    scene.say("a", "2", "/help").await;
    assert!(scene.platform.until("a", 1).await[0].contains("/retry"));
    scene.say("a", "3", "/stop").await;
    let texts = scene.platform.until("a", 3).await;
    assert!(texts.contains(&"Stopping.".to_owned()), "{texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("on it\n")), "{texts:?}");
    scene.say("a", "4", "/stop").await;
    assert_eq!(scene.platform.until("a", 4).await[3], "Nothing is running here.");
}

#[tokio::test]
async fn a_turn_shows_that_it_writes() {
    let world = World::new();
    let scene = scene(&world).await;
    scene.say("a", "1", "gate").await;
    while scene.platform.typed.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.engine.gate.add_permits(1);
    assert_eq!(scene.platform.until("a", 1).await, ["through"]);
}

#[tokio::test]
async fn the_mode_of_a_channel_decides_what_is_shown() {
    let world = World::new();
    let scene = Scene::start(&world, &Platform::new(), Kind::Direct, config()).await;
    scene.say("a", "1", r#"!note {"text":"x"}"#).await;
    assert_eq!(scene.platform.until("a", 1).await, ["x"]);
    scene.say("a", "2", "/mode_tools").await;
    assert_eq!(scene.platform.until("a", 2).await[1], "The mode here is now tools.");
    scene.say("a", "3", r#"!note {"text":"y"}"#).await;
    assert_eq!(scene.platform.until("a", 3).await[2], "note({\"text\":\"y\"})=y\ny");
    scene.say("a", "4", "/mode loud").await;
    assert!(scene.platform.until("a", 4).await[3].contains("no mode 'loud'"));
    scene.say("b", "5", "/mode").await;
    assert!(scene.platform.until("b", 1).await[0].contains("is simple"));
}

#[tokio::test]
async fn retry_runs_the_last_message_as_if_for_the_first_time() {
    let world = World::new();
    let scene = Scene::start(&world, &Platform::new(), Kind::Direct, config()).await;
    scene.say("a", "0", "/retry").await;
    assert!(scene.platform.until("a", 1).await[0].contains("nothing here"));
    scene.say("a", "1", r#"!note {"text":"x"}"#).await;
    scene.platform.until("a", 2).await;
    scene.settled().await;
    let session = world.store.sessions().active(&channel("a")).await.unwrap().unwrap();
    let before = world.store.messages().page(&session, None, 100).await.unwrap().len();
    scene.say("a", "2", "/retry").await;
    assert_eq!(scene.platform.until("a", 3).await[1..], ["x", "x"]);
    scene.settled().await;
    assert_eq!(world.store.messages().page(&session, None, 100).await.unwrap().len(), before);
    assert_eq!(scene.tools.calls().len(), 2);
    // Somebody else's message is not theirs to run.
    scene.deliver(by("member", message("a", "3", "/retry"))).await;
    assert!(scene.platform.until("a", 4).await[3].contains("Only whoever wrote"));
}

#[tokio::test]
async fn an_edit_of_a_waiting_message_replaces_its_text() {
    let world = World::new();
    let scene = scene(&world).await;
    scene.say("a", "1", "gate").await;
    scene.engine.until(1).await;
    scene.say("a", "2", "old").await;
    scene.deliver(by("member", edit("a", "2", 1, "forged"))).await;
    scene.deliver(edit("a", "2", 2, "new")).await;
    // Edits go beside the turn: both are done before it ends.
    while scene.chat.counts().await.unwrap().received > 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    scene.engine.gate.add_permits(1);
    assert_eq!(scene.platform.until("a", 2).await, ["through", "you said new"]);
    scene.settled().await;
    assert_eq!(scene.platform.texts("a").len(), 2);
}

#[tokio::test]
async fn an_edit_of_the_running_message_stops_its_turn_and_runs() {
    let world = World::new();
    let scene = scene(&world).await;
    scene.say("a", "1", "hang").await;
    scene.engine.until(1).await;
    scene.deliver(edit("a", "1", 1, "better")).await;
    assert_eq!(scene.platform.until("a", 1).await, ["you said better"]);
    scene.settled().await;
    assert_eq!(scene.platform.texts("a").len(), 1, "the stopped turn says nothing");
    let (_, turn) = scene.engine.last();
    assert!(turn.text.ends_with("[edited]\nbetter"), "{}", turn.text);
    // The newest that was answered: once more. An older one: nothing.
    scene.deliver(edit("a", "1", 2, "best")).await;
    assert_eq!(scene.platform.until("a", 2).await[1], "you said best");
    scene.say("a", "2", "next").await;
    scene.platform.until("a", 3).await;
    scene.deliver(edit("a", "1", 3, "late")).await;
    scene.deliver(edit("a", "77", 0, "unknown")).await;
    scene.settled().await;
    assert_eq!(scene.platform.texts("a").len(), 3);
}

#[tokio::test]
async fn interactions_are_answered_where_they_came_from_or_by_a_message() {
    let world = World::new();
    let scene = scene(&world).await;
    let used = |interaction: &str, name: &str| {
        let (interaction, arguments) = (Some(interaction.to_owned()), String::new());
        Happening::Command(CommandUse { interaction, message: None, name: name.to_owned(), arguments })
    };
    scene.deliver(event("a", "1", used("x", "mode"))).await;
    assert!(scene.platform.until("interaction x", 1).await[0].contains("is simple"));
    scene.deliver(event("a", "2", used("expired", "mode"))).await;
    assert!(scene.platform.until("a", 1).await[0].contains("is simple"));
    let (interaction, message) = ("y".to_owned(), "1".to_owned());
    let press = ButtonPress { interaction, message, value: "old:thing".to_owned() };
    scene.deliver(event("a", "3", Happening::Button(press))).await;
    assert!(scene.platform.until("interaction y", 1).await[0].contains("nothing any more"));
    let start = ThreadStart { parent: "a".to_owned(), message: None };
    scene.deliver(event("a", "4", Happening::Thread(start))).await;
    scene.settled().await;
    assert_eq!(scene.platform.said().len(), 3);
}

#[tokio::test]
async fn too_many_waiting_messages_are_refused_and_told_once() {
    let world = World::new();
    let limits = Config { queue: 2, ..config() };
    let scene = Scene::start(&world, &Platform::new(), Kind::Puppet, limits).await;
    scene.say("a", "1", "gate").await;
    scene.engine.until(1).await;
    for id in ["2", "3", "4"] {
        scene.say("a", id, id).await;
    }
    assert!(scene.platform.until("a", 1).await[0].starts_with("Too many messages wait"));
    scene.engine.gate.add_permits(1);
    assert_eq!(scene.platform.until("a", 3).await[1..], ["through", "you said 2"]);
    scene.settled().await;
    assert_eq!(scene.platform.texts("a").len(), 3);
    assert_eq!(world.audit("message.refuse").await.len(), 1);
}
