//! Answers that the adapter cannot render, and what is said besides answers.

use std::sync::atomic::Ordering;

use openpact_model::chat::SendError;
use tokio::time::Instant;

use super::platform::by;
use super::*;
use crate::people::Acceptance;

async fn scene(world: &World, platform: &Arc<Platform>) -> Scene {
    Scene::start(world, platform, Kind::Puppet, config()).await
}

fn busy(count: usize) -> impl Iterator<Item = SendError> {
    (0..count).map(|_| SendError::Unavailable("busy".into()))
}

fn broken(count: usize) -> impl Iterator<Item = SendError> {
    (0..count).map(|_| SendError::Broken("trap".into()))
}

#[tokio::test]
async fn an_answer_waits_for_an_adapter_that_is_busy() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    for (id, times) in [("1", 9), ("2", 60)] {
        platform.fail_render(busy(times));
        scene.say("a", id, "x").await;
        scene.settled().await;
        assert_eq!(platform.texts("a").pop().as_deref(), Some("you said x"), "after {times} failures");
    }
}

#[tokio::test]
async fn what_cannot_be_rendered_is_said_plainer_and_then_explained() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail_render(broken(2));
    scene.say("a", "1", "x").await;
    assert_eq!(platform.until("a", 1).await, ["you said x"]);
    platform.fail_render(broken(4));
    scene.say("a", "2", "y").await;
    assert!(platform.until("a", 2).await[1].starts_with("There is an answer, but"));
}

#[tokio::test]
async fn an_answer_that_nobody_renders_is_given_up_after_a_day_and_recorded() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    platform.fail_render(busy(1_000_000));
    scene.say("a", "1", "x").await;
    while platform.calls.load(Ordering::SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(scene.state(&world, 1).await == "running", "it is open for as long as it is tried");
    world.clock.advance(config().give_up);
    scene.settled().await;
    assert_eq!(scene.state(&world, 1).await, "failed");
    assert_eq!(world.audit("message.answer").await.len(), 1);
}

#[tokio::test]
async fn an_answer_of_which_nothing_can_be_seen_is_no_silence() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.say("a", "1", "nothing to see").await;
    assert!(platform.until("a", 1).await[0].starts_with("There is no answer to this"));
}

#[tokio::test]
async fn an_answer_that_is_cut_says_so() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    let most = render::MOST_PARTS;
    scene.say("a", "1", &vec!["x"; most].join("¶")).await;
    let texts = platform.until("a", most).await;
    assert_eq!(texts[most - 1], "x", "so many are whole");
    scene.say("b", "2", &vec!["x"; most + 1].join("¶")).await;
    let texts = platform.until("b", most).await;
    scene.settled().await;
    assert_eq!(platform.texts("b").len(), most);
    assert!(texts[most - 1].starts_with("This answer is too long"), "{}", texts[most - 1]);
}

#[tokio::test]
async fn whoever_is_let_in_is_told_where_they_asked() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.deliver(by("stranger", message("s", "1", "hello"))).await;
    let refusal = platform.until("s", 1).await.remove(0);
    let code = refusal.rsplit(' ').next().unwrap();
    let acceptance = Acceptance { code, role: Role::Member, name: None, by: "admin" };
    scene.chat.people.accept(acceptance).await.unwrap();
    assert!(platform.until("s", 2).await[1].starts_with("You have been let in, as member"));
    let told = platform.said().pop().unwrap();
    assert_eq!(told.reply_to, None);
}

#[tokio::test]
async fn what_the_configuration_shows_in_a_channel_holds_until_somebody_chooses() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = Scene::start(&world, &platform, Kind::Direct, config()).await;
    let detail = |detail| HashMap::from([(("fake".to_owned(), "a".to_owned()), detail)]);
    scene.chat.set_details(detail(Detail::Tools));
    scene.say("a", "1", r#"!note {"text":"x"}"#).await;
    assert_eq!(platform.until("a", 1).await, ["note({\"text\":\"x\"})=x\nx"]);
    scene.say("b", "2", "/mode").await;
    assert!(platform.until("b", 1).await[0].contains("is simple"));
    scene.say("a", "3", "/mode simple").await;
    platform.until("a", 2).await;
    scene.say("a", "4", r#"!note {"text":"y"}"#).await;
    assert_eq!(platform.until("a", 3).await[2], "y");
    scene.chat.set_details(detail(Detail::Full));
    scene.say("a", "5", "/mode").await;
    assert!(platform.until("a", 4).await[3].contains("is simple"), "what was chosen here counts");
}

#[tokio::test]
async fn a_platform_that_refuses_signs_of_typing_gets_no_more_and_all_messages() {
    for global in [true, false] {
        let (world, platform) = (World::new(), Platform::new());
        let scene = scene(&world, &platform).await;
        let an_hour = SendError::RateLimited { retry_after: 3_600_000, global };
        *lock(&platform.typing_fault) = Some(an_hour);
        scene.say("a", "1", "gate").await;
        let attached = scene.chat.attached("fake").unwrap();
        while attached.pacer.may_type("a", Instant::now()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for place in ["a", "b"] {
            assert!(attached.pacer.is_free(place, Instant::now()), "no message waits for it");
        }
        // In its own channel too, beside the turn that runs.
        scene.say("a", "2", "/mode").await;
        assert!(platform.until("a", 1).await[0].contains("is simple"));
        assert_eq!(platform.typed.load(Ordering::SeqCst), 1, "it is not asked again");
    }
}

#[tokio::test]
async fn a_message_that_fails_for_ever_ends_and_is_told() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    world.sql("ALTER TABLE chat_channel RENAME TO gone");
    scene.say("a", "1", "x").await;
    scene.say("b", "2", "/mode").await;
    world.clock.advance(config().give_up);
    for place in ["a", "b"] {
        assert!(platform.until(place, 1).await[0].starts_with("This could not be worked on"));
    }
    scene.settled().await;
    assert_eq!(world.audit("message.answer").await.len(), 2);
    assert_eq!(scene.state(&world, 1).await, "failed");
}

#[tokio::test]
async fn what_the_store_does_not_do_is_tried_for_longer() {
    let (world, platform) = (World::new(), Platform::new());
    let scene = scene(&world, &platform).await;
    scene.say("a", "1", "x").await;
    scene.settled().await;
    let row = world.store.inbox().get(1).await.unwrap().unwrap();
    let store = || Error::Store(openpact_store::Error::Invalid("disk full".into()));
    assert!(!scene.chat.is_hopeless(&row, 9, &Error::Panicked));
    assert!(scene.chat.is_hopeless(&row, 10, &Error::Panicked));
    assert!(!scene.chat.is_hopeless(&row, 10, &store()));
    world.clock.advance(config().give_up);
    assert!(scene.chat.is_hopeless(&row, 10, &store()));
    assert!(!scene.chat.is_hopeless(&row, 9, &store()));
}

#[tokio::test]
async fn one_person_has_only_so_many_turns_at_once() {
    let (world, platform) = (World::new(), Platform::new());
    let limits = Config { turns_each: 1, ..config() };
    let scene = Scene::start(&world, &platform, Kind::Puppet, limits).await;
    scene.deliver(by("member", message("a", "1", "gate"))).await;
    scene.engine.until(1).await;
    scene.deliver(by("member", message("b", "2", "x"))).await;
    scene.say("c", "3", "y").await;
    platform.until("c", 1).await;
    assert!(platform.texts("b").is_empty());
    assert_eq!(scene.engine.turns().len(), 2, "the member's other turn waits");
    scene.engine.gate.add_permits(1);
    platform.until("b", 1).await;
}
